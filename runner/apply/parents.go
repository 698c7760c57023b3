package apply

import (
	"context"
	"fmt"

	"shardclient/gen/sharddb"
	"shardclient/runner/objects"
	"shardclient/runner/pg"
	"shardclient/runner/rows"
)

// collectParents gathers what the objects name.
func collectParents(hosts []unit[objects.Host], jobs []unit[objects.Job]) rows.Parents {
	p := rows.NewParents()
	for _, h := range hosts {
		p.AddHost(h.Object)
	}
	for _, j := range jobs {
		p.AddJob(j.Object, rows.Parents{})
	}
	return p
}

// storeParents stores what a response names before the objects that name it. So names and
// memberships move once, and an object that is set aside spoils none of them. That holds for what
// is new as it comes; but if anything has to move, all that the response names is found out before.
// If that fails, each chunk stores its own parents instead, as its own objects name them. A parent
// that another session has locked is left out, and with it each object that names it.
func (a *applier) storeParents(ctx context.Context, all rows.Parents) error {
	if all.Len() == 0 {
		return nil
	}
	var missing []sharddb.ParentsFindRow
	err := a.o.Lock.ReadAtOnce(ctx, func(db pg.DB) (err error) { missing, err = all.Find(ctx, sharddb.New(db)); return err })
	if err == nil && len(missing) == 0 {
		return nil // as the master has them
	}
	if err != nil {
		return a.leaveParents(ctx, all, err)
	}
	if !a.jobs.sifted && !rows.AreNew(missing) {
		if err := a.siftJobs(ctx); err != nil {
			return err
		}
		all = a.parents
	}
	for try := 1; ; try++ {
		err := a.o.Lock.Write(ctx, func(q *sharddb.Queries) (err error) {
			a.lockedParents, err = all.Store(ctx, q)
			return err
		})
		if err != nil {
			return a.leaveParents(ctx, all, err)
		}
		if len(a.lockedParents) == 0 || !a.o.Lock.Pause(ctx, a.o.LockTimeout, try) {
			return nil
		}
	}
}

// leaveParents leaves the parents to the chunks after an error, which it returns unless one of the
// parents may be at fault, or all of them together took too long.
func (a *applier) leaveParents(ctx context.Context, all rows.Parents, err error) error {
	a.parentsByChunk = true
	if mayBeAlone(pg.Classify(err)) || a.tookTooLong(ctx, err) {
		return nil
	}
	return fmt.Errorf("store %d shards, labels, ACL groups and users: %w", all.Len(), err)
}

// parentsFirst stores the parents of a chunk, if that is not done yet, and returns which objects
// have to wait for one that is locked.
func parentsFirst[T any](
	ctx context.Context, a *applier, q *sharddb.Queries, chunk []unit[T], collect func([]unit[T]) rows.Parents,
) (left map[int64]string, err error) {
	locked := a.lockedParents
	if a.pending.Len() > 0 {
		missing, err := a.pending.Find(ctx, q)
		if err != nil {
			return nil, err
		}
		if !rows.AreNew(missing) {
			return nil, errApart
		}
		if err := a.pending.Insert(ctx, q, missing); err != nil {
			return nil, err
		}
		a.inserted = true
	}
	if a.parentsByChunk {
		if locked, err = collect(chunk).Store(ctx, q); err != nil {
			return nil, err
		}
	}
	left = map[int64]string{}
	for i := 0; i < len(chunk) && len(locked) > 0; i++ {
		for key := range collect(chunk[i : i+1]).Keys() {
			if reason := locked[key]; reason != "" {
				left[chunk[i].ID] = reason
			}
		}
	}
	return left, nil
}
