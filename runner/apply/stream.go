package apply

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"shardclient/runner/afe"
	"shardclient/runner/aside"
	"shardclient/runner/objects"
	"shardclient/runner/pg"
	"shardclient/runner/reading"
	"shardclient/runner/rows"
)

// jobs are those of a response, of which there may be many. They are read once, and sorted out as
// they come, unless something has to be known of all of them before.
type jobs struct {
	*reading.Sieve[objects.Job]
	*reading.Reading[objects.Job]
	sifted bool          // all are sorted out
	rest   []reading.Ref // sorted out, but not asked for yet
}

// beginJobs begins to read the jobs.
func (a *applier) beginJobs(section *afe.Section[objects.Job]) *jobs {
	s := reading.New(section, aside.KindJob)
	return &jobs{Sieve: reading.NewSieve(s), Reading: s.Start(s.All(), a.most())}
}

// nextJobs returns the next good jobs. It has none when all are sorted out.
func (a *applier) nextJobs(ctx context.Context) (next []unit[objects.Job], err error) {
	for len(next) == 0 && !a.jobs.sifted {
		units, err := a.jobs.Chunk()
		if err != nil {
			return nil, err
		}
		a.jobs.sifted = len(units) == 0
		if next, err = good(ctx, a, a.jobs.Sieve, units); err != nil {
			return nil, err
		}
		next = a.withoutContradictions(next)
	}
	return next, nil
}

// withoutContradictions returns the jobs that agree with all objects before them, and sets aside
// the others.
func (a *applier) withoutContradictions(chunk []unit[objects.Job]) []unit[objects.Job] {
	named := rows.NewParents() // by the jobs of this chunk
	return slices.DeleteFunc(chunk, func(u unit[objects.Job]) bool {
		err := cmp.Or(a.parents.JobAgrees(u.Object), named.JobAgrees(u.Object))
		if err != nil {
			a.SetAside(asBad(u), aside.CodeDuplicateID, err)
			return true
		}
		named.AddJob(u.Object, a.parents)
		a.claim(u.Object)
		return false
	})
}

// claim notes which entries a job names, and which of them a job before it has named. The first one
// has the claim for this answer, whatever becomes of it
// (docs/decisions/0058-the-first-job-of-an-answer-has-the-entry.md).
func (a *applier) claim(j *objects.Job) {
	for i := range j.Entries {
		id := j.Entries[i].ID
		if first, claimed := a.claims[id]; claimed {
			a.contested[id] = first
		} else {
			a.claims[id] = j.ID
		}
	}
}

// settle forgets the claims to the entries of an object, if it is a job, because it is here now:
// they say by themselves whose they are.
func (a *applier) settle(object any) {
	if j, isJob := object.(*objects.Job); isJob {
		for i := range j.Entries {
			delete(a.claims, j.Entries[i].ID)
		}
	}
}

// siftJobs sorts out all jobs, and gathers what they name.
func (a *applier) siftJobs(ctx context.Context) error {
	for {
		good, err := a.nextJobs(ctx)
		if err != nil || len(good) == 0 {
			return err
		}
		for _, u := range good {
			a.parents.AddJob(u.Object, rows.Parents{})
			a.jobs.rest = append(a.jobs.rest, u.Ref)
		}
	}
}

// storeAllJobs stores the jobs. What they name is stored before them, chunk by chunk as long as it
// is new.
func (a *applier) storeAllJobs(ctx context.Context) error {
	if a.jobs.Len() == 0 {
		return nil
	}
	left, err := storeFree(ctx, a, a.jobs.Source, a.jobsInTurn(ctx), a.changedJobs, a.storeJobs)
	return stored(aside.KindJob, a.jobs.Len(), left, pg.Together(a.parentsErr, err))
}

// jobsInTurn hands out the jobs in the order in which they are stored. While some are stored, the
// next are looked at.
func (a *applier) jobsInTurn(ctx context.Context) feed[objects.Job] {
	return func(yield func([]unit[objects.Job], error) bool) {
		var this, next *look
		defer func() { next.wait() }()
		turns, err := a.Turns(ctx, aside.KindJob)
		for isFirst := true; err == nil; isFirst = false {
			if this, next = next, nil; this == nil {
				if this, err = a.lookAtNext(ctx, turns); this == nil {
					break
				}
			}
			if !isFirst || !a.allNew { // new ones do not wait until others have been read
				next, err = a.lookAtNext(ctx, turns)
				a.jobs.Small = false // until then, so that as much is read as is needed to be ahead
			}
			a.look = this
			if !yield(this.units, nil) {
				return
			}
		}
		if err != nil {
			yield(nil, fmt.Errorf("read jobs: %w", err))
			return
		}
		sortByTurn(a.jobs.rest, turns)
		a.jobs.Chunks(slices.Values(a.jobs.rest), a.most())(yield)
	}
}

// lookAtNext begins to look at the next jobs, but for those that were refused before, and stores
// what they name or notes it; nil: no more of them come.
func (a *applier) lookAtNext(ctx context.Context, turns map[int64]reading.Ref) (*look, error) {
	for {
		good, err := a.nextJobs(ctx)
		if err != nil || len(good) == 0 {
			return nil, err
		}
		if err := a.storeParentsOf(ctx, good); err != nil {
			a.parentsErr = pg.Together(a.parentsErr, err)
			if !pg.IsOfOneStep(err) {
				return nil, err
			}
		}
		good = slices.DeleteFunc(good, func(u unit[objects.Job]) bool {
			refused := turns[u.ID].Turn > 0
			if refused {
				a.jobs.rest = append(a.jobs.rest, u.Ref)
			}
			return refused
		})
		if len(good) > 0 {
			return a.beginLook(good), nil
		}
	}
}

// storeParentsOf stores what jobs name that nothing before them has named. If the jobs are likely
// to be new, or parents could not be stored at once, the transaction of the jobs does.
func (a *applier) storeParentsOf(ctx context.Context, chunk []unit[objects.Job]) error {
	named := rows.NewParents()
	for _, u := range chunk {
		named.AddJob(u.Object, a.parents)
	}
	a.parents.Merge(named)
	if a.parentsByChunk {
		return nil
	}
	if a.allNew {
		a.pending.Merge(named)
		return nil
	}
	return a.storeParents(ctx, named)
}
