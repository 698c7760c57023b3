package bench

import (
	"context"
	"errors"
	"fmt"
)

// backlogBeats are few, because a plan that went wrong makes each of them last for seconds.
const backlogBeats = 4

// backlog measures idle beats before and after a backlog went up, with statistics that PostgreSQL
// took while it waited. Nobody refreshes these at once: an idle beat must not depend on them.
func (at *site) backlog(ctx context.Context) error {
	for range at.Rounds {
		if err := at.backlogRound(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (at *site) backlogRound(ctx context.Context) (err error) {
	template, err := at.known(ctx)
	if err != nil {
		return err
	}
	db, err := at.fresh(ctx, template)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, at.server.DropDatabase(context.WithoutCancel(ctx), db.name)) }()
	if err := db.Close(ctx); err != nil { // what it reads itself would count, too
		return err
	}
	if _, err := at.idleBeats(ctx, db.name, backlogBeats); err != nil { // fills PostgreSQL's own caches
		return err
	}
	before, err := at.pages(ctx, db.name)
	if err != nil {
		return err
	}
	err = at.with(ctx, db.name, func(db *database) error {
		return errors.Join(db.addFinished(ctx, backlogJobs), db.BenchVacuum(ctx))
	})
	if err != nil {
		return err
	}
	if err := at.drain(ctx, db.url); err != nil {
		return err
	}
	after, err := at.pages(ctx, db.name)
	if err != nil {
		return err
	}
	for _, r := range []row{
		{what: "idle beat after a backlog of 10,000 jobs went up / before it", unit: "ms", aim: 1, limit: 1.5, timed: true,
			samples: []sample{{after.ms, before.ms}}},
		{what: "pages read by it / before", aim: 1, limit: 1.5, samples: []sample{{after.buffers, before.buffers}}},
	} {
		at.table.add(r)
	}
	return nil
}

// pages lets a client beat a few times with nothing to do, and counts all pages that it reads.
func (at *site) pages(ctx context.Context, name string) (idleCost, error) {
	before, err := at.admin.BenchBuffers(ctx, name)
	if err != nil {
		return idleCost{}, err
	}
	cost, err := at.idleBeats(ctx, name, backlogBeats)
	if err != nil {
		return cost, err
	}
	after, err := at.admin.BenchBuffers(ctx, name)
	cost.buffers = float64(after-before) / backlogBeats
	return cost, err
}

// drain lets a client upload until nothing is left.
func (at *site) drain(ctx context.Context, url string) error {
	c, err := at.subject.run(at.stub.url, url)
	if err != nil {
		return err
	}
	defer c.stop()
	for uploaded := 0; uploaded < backlogJobs; {
		f, err := c.exchange(ctx, at.stub, nothing)
		if err != nil {
			return err
		}
		if f.UploadedJobs == 0 {
			return fmt.Errorf("%d of %d jobs have gone up, and no more come", uploaded, backlogJobs)
		}
		uploaded += f.UploadedJobs
	}
	return nil
}
