package shard

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"shardclient/gen/sharddb"
	"shardclient/runner/afe"
	"shardclient/runner/pg"
)

// What another session has locked is left for the next beat, and all else is stored. No step waits
// for a row while it holds others: PostgreSQL would end a deadlock on whichever side asks first, and
// a scheduler that loses its transaction does not expect it. See queries/shard/locks.sql.

// lockTries is how often a step looks again within LockTimeout. Most locks are the scheduler's, and
// are gone within milliseconds.
const lockTries = 5

// pause waits before another try, and reports whether there is one.
func (c *Client) pause(ctx context.Context, try int) bool {
	if try >= lockTries {
		return false
	}
	timer := time.NewTimer(c.options.LockTimeout / lockTries)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// patiently runs a write again as long as it leaves something out and LockTimeout is not over. It
// returns the ids that are left at last, each with what is in the way.
func (c *Client) patiently(
	ctx context.Context, write func(*sharddb.Queries) (map[int64]string, error),
) (left map[int64]string, err error) {
	for try := 1; ; try++ {
		err = c.lock.Write(ctx, func(q *sharddb.Queries) (err error) {
			left, err = write(q)
			return err
		})
		if err != nil || len(left) == 0 || !c.pause(ctx, try) {
			return left, err
		}
	}
}

// leftFor returns the error for objects that are left for the next beat; nil if there are none.
func leftFor(kind string, left map[int64]string) error {
	if len(left) == 0 {
		return nil
	}
	first := slices.Min(slices.Collect(maps.Keys(left)))
	return &pg.LockedError{Left: len(left), First: fmt.Sprintf("%s %d", kind, first), Row: left[first]}
}

// lockedRow is a row of a statement that finds out what another session has locked.
type lockedRow = struct {
	ID     int64
	Reason string
}

func reasons[R ~lockedRow](rows []R) map[int64]string {
	all := make(map[int64]string, len(rows))
	for _, row := range rows {
		all[lockedRow(row).ID] = lockedRow(row).Reason
	}
	return all
}

// without returns the units of a chunk that are not left.
func without[T any](chunk []unit[T], left map[int64]string) []unit[T] {
	return slices.DeleteFunc(slices.Clone(chunk), func(u unit[T]) bool { return left[u.aside.ID] != "" })
}

// storeAllKeyvals stores the suite keyvals. Those of a suite that cannot be stored now come again
// only as long as its jobs are not here, so these jobs wait.
func (a *applier) storeAllKeyvals(ctx context.Context, keyvals []unit[afe.Keyval]) error {
	left, err := storeFree(ctx, a, kindSuiteKeyval, keyvals, a.storeSuiteKeyvals)
	for _, u := range keyvals {
		if err != nil || left[u.aside.ID] != "" {
			a.leftKeyvals[strconv.FormatInt(u.object.JobID, 10)] = true
		}
	}
	return stored(kindSuiteKeyval, len(keyvals), left, err)
}

// waitsForKeyvals reports whether a job belongs to a suite, or is one, whose keyvals could not be
// read or stored in this beat.
func (a *applier) waitsForKeyvals(j *afe.Job) bool {
	return a.leftKeyvals[strconv.FormatInt(j.ID, 10)] || slices.ContainsFunc(j.Keyvals.Value, func(k afe.Keyval) bool {
		return k.Key == "parent_job_id" && (a.noKeyvals || a.leftKeyvals[k.Value])
	})
}
