package loop_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"shardclient/runner/loop"
)

var errDown = errors.New("down")

// attempts fails n times, and then ends with the given result.
type attempts struct {
	fail  int
	final bool
	err   error

	began time.Time
	at    []time.Duration
	told  []int
}

func (a *attempts) run(ctx context.Context) error {
	a.began = time.Now()
	return loop.Until(ctx, func() (bool, error) {
		a.at = append(a.at, time.Since(a.began))
		if len(a.at) <= a.fail {
			return false, errDown
		}
		return a.final, a.err
	}, func(err error, tries int) {
		if errors.Is(err, errDown) {
			a.told = append(a.told, tries)
		}
	})
}

// What is down is asked again after a second, then ever less often, and its failure is told ever
// less often too.
func TestUntilItSucceeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &attempts{fail: 8}
		if err := a.run(t.Context()); err != nil {
			t.Error(err)
		}
		s := time.Second
		if want := []time.Duration{0, s, 3 * s, 7 * s, 15 * s, 30 * s, 45 * s, 60 * s, 75 * s}; !slices.Equal(a.at, want) {
			t.Errorf("tried at %v, want %v", a.at, want)
		}
		if want := []int{1, 2, 4, 8}; !slices.Equal(a.told, want) {
			t.Errorf("told of attempts %v, want %v", a.told, want)
		}
	})
}

func TestUntilAFinalError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		held := errors.New("another client holds the lock")
		a := &attempts{fail: 2, final: true, err: held}
		if err := a.run(t.Context()); !errors.Is(err, held) || len(a.at) != 3 || len(a.told) != 2 {
			t.Errorf("%v after %d attempts, told of %v", err, len(a.at), a.told)
		}
	})
}

// An end of the wait interrupts a pause. An attempt that it cuts short is neither told nor final.
func TestUntilTheContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		a := &attempts{fail: 100}
		if err := a.run(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(a.began) != 5*time.Second {
			t.Errorf("%v after %v", err, time.Since(a.began))
		}
		over := &attempts{final: true, err: errDown}
		if err := over.run(ctx); !errors.Is(err, context.DeadlineExceeded) || len(over.at) != 1 || over.told != nil {
			t.Errorf("%v after %d attempts, told of %v", err, len(over.at), over.told)
		}
	})
}

// A database that is down for a day is told of at least every half hour.
func TestUntilTellsEveryHalfHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 24*time.Hour)
		defer cancel()
		var told []time.Time
		err := loop.Until(ctx, func() (bool, error) { return false, errDown }, func(error, int) { told = append(told, time.Now()) })
		if !errors.Is(err, context.DeadlineExceeded) || len(told) < 48 || len(told) > 65 {
			t.Errorf("%v, told %d times in a day", err, len(told))
		}
		for i := 1; i < len(told); i++ {
			if pause := told[i].Sub(told[i-1]); pause > 31*time.Minute {
				t.Errorf("nothing is told for %s", pause)
			}
		}
	})
}
