// Package wait lets a test wait for what other goroutines and processes do in their own time. Only
// tests import it.
//
// How long a busy machine takes is not what a test is about, so every wait here is bounded in
// minutes, and by the end of the test run (go test -timeout) where that comes first. A wait in vain
// fails the test with what it waited for and the last state that was seen, which a run that is
// killed at its end would not tell.
package wait

import (
	"context"
	"strings"
	"testing"
	"time"
)

const (
	// Patience bounds every wait. Nothing is slow enough to need it: what takes so long hangs.
	Patience = 5 * time.Minute

	// farewell is left of the test run for the failure's own output and for the cleanup.
	farewell = 20 * time.Second

	// firstPause and longestPause are between two looks. They grow: a look often costs a query, and
	// the machine that makes us wait is busy. idle is how much longer than a look the pause after
	// it is at least: one that compares two databases would otherwise take half of the time that
	// what it waits for needs.
	firstPause, longestPause = time.Millisecond, 50 * time.Millisecond
	idle                     = 4
)

// left returns how long a wait that begins now may take.
func left(t testing.TB) time.Duration {
	run, ok := t.(interface{ Deadline() (time.Time, bool) })
	if !ok {
		return Patience // a benchmark
	}
	deadline, ok := run.Deadline()
	if !ok {
		return Patience
	}
	return max(0, min(Patience, time.Until(deadline)-farewell))
}

// Until asks again and again until it is so. States are shown when that never happens.
func Until(t testing.TB, what string, so func() bool, states ...func() string) {
	t.Helper()
	end := time.NewTimer(left(t))
	defer end.Stop()
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		began := time.Now()
		if so() {
			return
		}
		select {
		case <-end.C:
			fail(t, what, states)
		case <-time.After(max(pause, idle*time.Since(began))):
		}
	}
}

// For waits until a channel gives something, or is closed. States are shown when that never
// happens.
func For[T any](t testing.TB, what string, from <-chan T, states ...func() string) T {
	t.Helper()
	end := time.NewTimer(left(t))
	defer end.Stop()
	select {
	case got := <-from:
		return got
	case <-end.C:
		fail(t, what, states)
		panic("unreachable: the test has failed")
	}
}

// Context returns the test's context, bounded as every wait is, for calls that wait themselves.
func Context(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), left(t))
	t.Cleanup(cancel)
	return ctx
}

func fail(t testing.TB, what string, states []func() string) {
	t.Helper()
	var seen strings.Builder
	for _, state := range states {
		seen.WriteString("\nlast seen: " + state())
	}
	t.Fatalf("waited in vain: %s%s", what, &seen)
}
