package lock

import (
	"context"
	"time"

	"shardclient/gen/sharddb"
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

// Patiently runs a write again as long as it leaves something out, until the patience is over. It
// returns the ids that are left at last, each with what is in the way.
func (l *Lock) Patiently(
	ctx context.Context, patience time.Duration, write func(*sharddb.Queries) (map[int64]string, error),
) (left map[int64]string, err error) {
	for try := 1; ; try++ {
		err = l.Write(ctx, func(q *sharddb.Queries) (err error) {
			left, err = write(q)
			return err
		})
		if err != nil || len(left) == 0 || !Pause(ctx, patience, try) {
			return left, err
		}
	}
}
