package lock

import (
	"context"
	"time"
)

// Waits returns how often [Lock.Pause] has waited so far.
func (l *Lock) Waits() int { return l.waits }

// Tries is how often a step looks again within its patience. Most locks are the scheduler's, and
// are gone within milliseconds.
const Tries = 5

// Pause waits before another try, and reports whether there is one. All pauses of a step take its
// patience together.
func (l *Lock) Pause(ctx context.Context, patience time.Duration, try int) bool {
	if try >= Tries {
		return false
	}
	l.waits++
	timer := time.NewTimer(patience / Tries)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
