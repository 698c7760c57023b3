// Package await waits, in tests, for what happens elsewhere: in another goroutine, another process, a server.
//
// Its bound is for tests that would hang, not for slow machines: nothing that works waits for it to pass.
package await

import (
	"context"
	"testing"
	"time"
)

// Patience is how long a test waits before it gives up. A machine that does six other things at once has come nowhere
// near it.
const Patience = 4 * time.Minute

// pause is between two questions.
const pause = 10 * time.Millisecond

// True asks until so reports true. The test fails when its context ends, or patience, and says what it waited for.
func True(t testing.TB, what string, so func() bool) {
	t.Helper()
	NoError(t, what, func(context.Context) (bool, error) { return so(), nil })
}

// NoError asks until so reports true without an error. A failure says the last error too.
func NoError(t testing.TB, what string, so func(context.Context) (bool, error)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), Patience)
	defer cancel()
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for {
		done, err := so(ctx)
		if done && err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("waited in vain: %s (last error: %v)", what, err)
		case <-tick.C:
		}
	}
}

// Closed waits until a channel is closed or has something to say.
func Closed[T any](t testing.TB, what string, channel <-chan T) {
	t.Helper()
	patience := time.NewTimer(Patience)
	defer patience.Stop()
	select {
	case <-channel:
	case <-patience.C:
		t.Fatalf("waited in vain: %s", what)
	}
}
