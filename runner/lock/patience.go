package lock

import (
	"context"
	"time"
)

// Tries is how often a step looks again within its patience. Most locks are the scheduler's, and
// are gone within milliseconds.
const Tries = 5

// Pause waits before another try, and reports whether there is one. All pauses of a step take its
// patience together.
func Pause(ctx context.Context, patience time.Duration, try int) bool {
	if try >= Tries {
		return false
	}
	timer := time.NewTimer(patience / Tries)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
