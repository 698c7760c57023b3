package await

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// failing is a test that only notes how it failed.
type failing struct {
	testing.TB
	ctx  context.Context
	text string
}

func (f *failing) Helper()                  {}
func (f *failing) Context() context.Context { return f.ctx }
func (f *failing) Fatalf(format string, args ...any) {
	f.text = fmt.Sprintf(format, args...)
	panic(f) // as runtime.Goexit ends a real one
}

func fails(ctx context.Context, wait func(testing.TB)) (text string) {
	f := &failing{ctx: ctx}
	defer func() {
		if recover() != nil {
			text = f.text
		}
	}()
	wait(f)
	return ""
}

func TestWaitingEndsWhenItIsSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		True(t, "the third question", func() bool { asked++; return asked == 3 })
		NoError(t, "an answer without an error", func(context.Context) (bool, error) {
			if asked++; asked < 6 {
				return true, errors.New("not yet")
			}
			return true, nil
		})
		closed := make(chan struct{})
		close(closed)
		Closed(t, "a closed channel", closed)
		if asked != 6 {
			t.Errorf("asked %d times, want 6", asked)
		}
	})
}

func TestWaitingInVainSaysForWhat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		for _, wait := range []func(testing.TB){
			func(f testing.TB) {
				NoError(f, "the moon", func(context.Context) (bool, error) { return false, errors.New("cloudy") })
			},
			func(f testing.TB) { Closed(f, "the moon", make(chan struct{})) },
			func(f testing.TB) { True(f, "the moon", func() bool { return false }) },
		} {
			if text := fails(t.Context(), wait); !strings.HasPrefix(text, "waited in vain: the moon") {
				t.Errorf("it fails with %q", text)
			}
		}
		if took := time.Since(began); took != 3*Patience {
			t.Errorf("three waits took %s, want %s", took, 3*Patience)
		}
		over, cancel := context.WithCancel(t.Context())
		cancel()
		if text := fails(over, func(f testing.TB) { True(f, "the sun", func() bool { return false }) }); text == "" || time.Since(began) > 3*Patience {
			t.Errorf("a test that is over waits on: %q", text)
		}
	})
}
