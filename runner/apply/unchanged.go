package apply

import (
	"context"
	"fmt"
	"slices"

	"shardclient/gen/sharddb"
	"shardclient/runner/objects"
	"shardclient/runner/pg"
	"shardclient/runner/rows"
)

// An answer that comes again is only compared: what is here as it was sent needs no transaction that
// writes, because the fence alone writes a page and waits for the disk.

// freshChunks is how many chunks of new objects are stored in one transaction: nobody waits for a row
// that is not here yet, and each transaction costs a flush and a look.
const freshChunks = 4

// diffFunc returns the units of a chunk for which anything is to be written: those that are not here,
// and those that are and differ. It may count the former among the latter.
type diffFunc[T any] func(context.Context, *sharddb.Queries, []unit[T]) (fresh, differ []unit[T], err error)

// toStore returns the chunks in which units are stored that are not here as they were sent. All are,
// without a diff, for a value that PostgreSQL cannot even compare, or not in time, or a parent that could not be
// stored: whoever names it must wait.
func toStore[T any](
	ctx context.Context, a *applier, s *source[T], units []unit[T], diff diffFunc[T],
) ([][]unit[T], error) {
	var fresh []unit[T]
	differ := units
	if diff != nil && !units[0].ref.alone && !a.parentsByChunk && len(a.lockedParents) == 0 {
		err := a.o.Lock.Read(ctx, func(q *sharddb.Queries) (err error) {
			fresh, differ, err = diff(ctx, q, units)
			return err
		}, s.settings...)
		if pg.Classify(err) == pg.Data || a.tookTooLong(ctx, err) {
			fresh, differ = nil, units
		} else if err != nil {
			return nil, fmt.Errorf("compare with what is here: %w", err)
		}
	}
	chunks := slices.Collect(slices.Chunk(differ, a.o.Chunk))
	if len(fresh) > 0 {
		chunks = append(chunks, fresh)
	}
	return chunks, nil
}

// parted returns the units with these ids, and the others.
func parted[T any](chunk []unit[T], ids []int64) (with, others []unit[T]) {
	wanted := make(map[int64]bool, len(ids))
	for _, id := range ids {
		wanted[id] = true
	}
	for _, u := range chunk {
		if wanted[u.aside.ID] {
			with = append(with, u)
		} else {
			others = append(others, u)
		}
	}
	return with, others
}

// among returns the units with these ids.
func among[T any](chunk []unit[T], ids []int64) []unit[T] {
	some, _ := parted(chunk, ids)
	return some
}

// changedHosts is the [diffFunc] of hosts.
func (a *applier) changedHosts(
	ctx context.Context, q *sharddb.Queries, chunk []unit[objects.Host],
) (fresh, differ []unit[objects.Host], err error) {
	fresh, known, err := sortHosts(ctx, q, chunk)
	if err != nil || len(known) == 0 {
		return fresh, nil, err
	}
	body, err := jsonList(known)
	if err != nil {
		return nil, nil, err
	}
	ids, err := q.HostsToStore(ctx, body)
	return fresh, among(known, ids), err
}

// changedKeyvals is the [diffFunc] of suite keyvals, of which two may set the same key: so it returns
// all or none.
func (a *applier) changedKeyvals(
	ctx context.Context, q *sharddb.Queries, chunk []unit[objects.Keyval],
) (_, differ []unit[objects.Keyval], err error) {
	body, err := jsonList(chunk)
	if err != nil {
		return nil, nil, err
	}
	ids := make([]int64, len(chunk))
	for i, u := range chunk {
		ids[i] = u.aside.ID
	}
	if found, err := q.SuiteKeyvalsDiffer(ctx, body, ids); found || err != nil {
		return nil, chunk, err
	}
	a.rememberSuite(chunk)
	return nil, nil, nil
}

// changedJobs is the [diffFunc] of jobs.
func (a *applier) changedJobs(
	ctx context.Context, q *sharddb.Queries, chunk []unit[objects.Job],
) (fresh, differ []unit[objects.Job], err error) {
	ids := make([]int64, len(chunk))
	for i, u := range chunk {
		ids[i] = u.object.ID
	}
	here, err := q.JobsHere(ctx, ids)
	if err != nil || len(here) == 0 {
		return chunk, nil, err
	}
	known, fresh := parted(chunk, here)
	var compared rows.Known
	for _, u := range known {
		keyvals, err := a.jobKeyvals(u.object)
		if err != nil {
			return nil, nil, err
		}
		compared.Add(u.object, keyvals)
	}
	changed, err := compared.Differ(ctx, q)
	return fresh, among(known, changed), err
}
