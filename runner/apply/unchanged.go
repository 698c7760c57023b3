package apply

import (
	"context"
	"fmt"

	"shardclient/gen/sharddb"
	"shardclient/runner/objects"
	"shardclient/runner/pg"
	"shardclient/runner/rows"
)

// An answer that comes again is only compared: what is here as it was sent needs no transaction that
// writes, because the fence alone writes a page and waits for the disk.

// diffFunc returns the units of a chunk for which anything is to be written.
type diffFunc[T any] func(context.Context, *sharddb.Queries, []unit[T]) ([]unit[T], error)

// changed returns the units of a chunk that are not here as they were sent. All are, for a value that
// PostgreSQL cannot even compare, or not in time, or a parent that could not be stored: whoever names it must wait.
func changed[T any](ctx context.Context, a *applier, chunk []unit[T], diff diffFunc[T]) (rest []unit[T], err error) {
	if a.parentsByChunk || len(a.lockedParents) > 0 {
		return chunk, nil
	}
	err = a.o.Lock.Read(ctx, func(q *sharddb.Queries) (err error) {
		rest, err = diff(ctx, q, chunk)
		return err
	})
	if pg.Classify(err) == pg.Data || a.tookTooLong(ctx, err) {
		return chunk, nil
	}
	if err != nil {
		return nil, fmt.Errorf("compare with what is here: %w", err)
	}
	return rest, nil
}

// among returns the units with these ids.
func among[T any](chunk []unit[T], ids []int64) (some []unit[T]) {
	wanted := make(map[int64]bool, len(ids))
	for _, id := range ids {
		wanted[id] = true
	}
	for _, u := range chunk {
		if wanted[u.aside.ID] {
			some = append(some, u)
		}
	}
	return some
}

// changedHosts is the [diffFunc] of hosts.
func (a *applier) changedHosts(ctx context.Context, q *sharddb.Queries, chunk []unit[objects.Host]) ([]unit[objects.Host], error) {
	body, err := jsonList(chunk)
	if err != nil {
		return nil, err
	}
	ids, err := q.HostsToStore(ctx, body)
	return among(chunk, ids), err
}

// changedKeyvals is the [diffFunc] of suite keyvals, of which two may set the same key: so it returns
// all or none.
func (a *applier) changedKeyvals(
	ctx context.Context, q *sharddb.Queries, chunk []unit[objects.Keyval],
) ([]unit[objects.Keyval], error) {
	body, err := jsonList(chunk)
	if err != nil {
		return nil, err
	}
	ids := make([]int64, len(chunk))
	for i, u := range chunk {
		ids[i] = u.aside.ID
	}
	differ, err := q.SuiteKeyvalsDiffer(ctx, body, ids)
	if differ || err != nil {
		return chunk, err
	}
	a.rememberSuite(chunk)
	return nil, nil
}

// changedJobs is the [diffFunc] of jobs.
func (a *applier) changedJobs(ctx context.Context, q *sharddb.Queries, chunk []unit[objects.Job]) ([]unit[objects.Job], error) {
	ids := make([]int64, len(chunk))
	for i, u := range chunk {
		ids[i] = u.object.ID
	}
	if err := q.PlansByKeySet(ctx); err != nil {
		return nil, err
	}
	here, err := q.JobsHere(ctx, ids)
	if err != nil || len(here) == 0 {
		return chunk, err
	}
	isHere := make(map[int64]bool, len(here))
	for _, id := range here {
		isHere[id] = true
	}
	var known rows.Known
	for _, u := range among(chunk, here) {
		keyvals, err := a.jobKeyvals(u.object)
		if err != nil {
			return nil, err
		}
		known.Add(u.object, keyvals)
	}
	differ, err := known.Differ(ctx, q)
	if err != nil {
		return nil, err
	}
	for _, id := range differ {
		isHere[id] = false
	}
	var rest []unit[objects.Job]
	for _, u := range chunk {
		if !isHere[u.object.ID] {
			rest = append(rest, u)
		}
	}
	return rest, nil
}
