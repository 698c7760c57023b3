package apply

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"shardclient/runner/aside"
	"shardclient/runner/objects"
	"shardclient/runner/reading"
)

// What another session has locked is left for the next beat, and all else is stored. No step waits
// for a row while it holds others: PostgreSQL would end a deadlock on whichever side asks first,
// and a scheduler that loses its transaction does not expect it. See queries/shard/locks.sql.

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

// lockFree locks what a chunk needs, adds to left the units that need what another session has
// locked, and goes on without them until it has all locks. lock is called with what is left of the
// chunk.
func lockFree[T any](
	chunk []unit[T], left map[int64]string, lock func([]unit[T]) (locked map[int64]string, err error),
) error {
	for {
		locked, err := lock(chunk)
		if err != nil {
			return fmt.Errorf("lock what they need: %w", err)
		}
		if len(locked) == 0 {
			return nil
		}
		maps.Copy(left, locked)
		chunk = reading.Without(chunk, left)
	}
}

// storeAllKeyvals stores the suite keyvals. Those of a suite that cannot be stored now come again
// only as long as its jobs are not here, so these jobs wait.
func (a *applier) storeAllKeyvals(ctx context.Context, refs []reading.Ref) error {
	left, err := storeFree(ctx, a, a.keyvals, inTurn(ctx, a, a.keyvals, refs), atOnce(a, a.aboutKeyvals), a.storeSuiteKeyvals)
	late := slices.DeleteFunc(slices.Clone(refs), func(r reading.Ref) bool { return err == nil && left[r.ID] == "" })
	for units, failed := range a.keyvals.Chunks(slices.Values(late), a.o.Chunk) {
		if failed != nil {
			return failed
		}
		for _, u := range units {
			a.leftKeyvals[strconv.FormatInt(u.Object.JobID, 10)] = true
		}
	}
	return stored(aside.KindSuiteKeyval, len(refs), left, err)
}

// waitsForKeyvals reports whether a job belongs to a suite, or is one, whose keyvals could not be
// read or stored in this beat.
func (a *applier) waitsForKeyvals(j *objects.Job) bool {
	if len(a.leftKeyvals) == 0 && !a.noKeyvals {
		return false
	}
	return a.leftKeyvals[strconv.FormatInt(j.ID, 10)] || slices.ContainsFunc(j.Keyvals.Value, func(k objects.Keyval) bool {
		return k.Key == "parent_job_id" && (a.noKeyvals || a.leftKeyvals[k.Value])
	})
}
