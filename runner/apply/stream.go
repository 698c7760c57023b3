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
	turns  map[int64]reading.Ref // of those that were refused in earlier beats
	next   *batch                // the next ones, if they are sorted out already or about to be
	sifted bool                  // all are sorted out
	rest   []reading.Ref         // sorted out, but not asked for yet
}

// beginJobs begins to read the jobs.
func (a *applier) beginJobs(section *afe.Section[objects.Job]) *jobs {
	s := reading.New(section, aside.KindJob)
	return &jobs{Sieve: reading.NewSieve(s), Reading: s.Start(s.All(), a.most())}
}

// end ends the reading.
func (j *jobs) end() {
	j.Stop()
	if j.next != nil {
		j.next.done.Wait()
		j.next.look.wait()
	}
}

// nextJobs returns the next jobs of which some are good; nil: all are sorted out.
func (a *applier) nextJobs(ctx context.Context) (*batch, error) {
	for !a.jobs.sifted {
		a.sortAhead()
		b := a.jobs.next
		b.setAsideBad()
		a.jobs.next, a.jobs.sifted = nil, b.last
		if err := cmp.Or(b.err, a.FlushMany(ctx)); err != nil {
			b.look.wait()
			return nil, err
		}
		for _, u := range b.good {
			a.claim(u.Object)
		}
		if len(b.good) > 0 {
			return b, nil
		}
	}
	return nil, nil
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
		b, err := a.nextJobs(ctx)
		if err != nil || b == nil {
			return err
		}
		for _, u := range b.good {
			a.parents.AddJob(u.Object, rows.Parents{})
			a.jobs.rest = append(a.jobs.rest, u.Ref)
		}
		b.look.wait()
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

// jobsInTurn hands out the jobs in the order in which they are stored. While some are compared or
// stored, the next are sorted out; see sortAhead.
func (a *applier) jobsInTurn(ctx context.Context) feed[objects.Job] {
	return func(yield func([]unit[objects.Job], error) bool) {
		turns, err := a.Turns(ctx, aside.KindJob)
		a.jobs.turns = turns
		for err == nil {
			var next *look
			if next, err = a.lookAtNext(ctx); next == nil {
				break
			}
			a.look = next
			if !yield(next.units, nil) {
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
func (a *applier) lookAtNext(ctx context.Context) (*look, error) {
	for {
		b, err := a.nextJobs(ctx)
		if err != nil || b == nil {
			return nil, err
		}
		if err := a.storeParentsOf(ctx, b.named); err != nil {
			a.parentsErr = pg.Together(a.parentsErr, err)
			if !pg.IsOfOneStep(err) {
				b.look.wait()
				return nil, err
			}
		}
		a.jobs.rest = append(a.jobs.rest, b.refused...)
		if b.look != nil {
			return b.look, nil
		}
	}
}

// storeParentsOf stores what jobs name that nothing before them has named. If the jobs are likely
// to be new, or parents could not be stored at once, the transaction of the jobs does.
func (a *applier) storeParentsOf(ctx context.Context, named rows.Parents) error {
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
