package apply

import (
	"context"
	"sync"

	"shardclient/gen/sharddb"
	"shardclient/runner/guard"
	"shardclient/runner/objects"
	"shardclient/runner/pg"
	"shardclient/runner/reading"
	"shardclient/runner/rows"
)

// look is what is made of some jobs for PostgreSQL before it is asked about them, as they are
// expected to be: of the next ones while those before them are stored. No connection is needed for
// that: a pooler may have no other one.
type look struct {
	units []unit[objects.Job]
	isNew bool // all are expected to be new

	asked sync.WaitGroup         // for what PostgreSQL is asked:
	find  sharddb.JobsFindParams // whether they are new
	known *rows.KnownJobs        // or whether they are here as they were sent; nil: that is not expected

	found map[finding]bool // what PostgreSQL said, in the transaction that is under way

	made sync.WaitGroup
	rows *rows.Jobs // of new jobs
}

// expectation is what the next jobs are likely to be, after those before them.
type expectation struct{ new, here bool }

// beginLook begins to make what is likely to be asked about jobs.
func (a *applier) beginLook(units []unit[objects.Job], expected expectation) *look {
	l := &look{units: units, isNew: expected.new}
	l.asked.Add(1)
	l.made.Go(func() {
		_ = guard.Run(func() (err error) { // what failed is made again when it is needed
			defer l.asked.Done()
			if l.isNew {
				l.find = findArgs(units)
			} else if expected.here {
				l.known, err = a.knownOf(units)
			}
			return err
		})
		_ = guard.Run(func() (err error) {
			if l.isNew {
				l.rows, err = a.rowsOf(units, nil)
			}
			return err
		})
	})
	return l
}

// wait waits until all is made.
func (l *look) wait() {
	if l != nil {
		l.made.Wait()
	}
}

// lookAt returns the look at exactly these jobs.
func (a *applier) lookAt(units []unit[objects.Job]) *look {
	if l := a.look; l == nil || len(l.units) != len(units) || l.units[0].Object != units[0].Object {
		a.look.wait()
		a.look = a.beginLook(units, expectation{a.allNew, a.allHere})
	}
	return a.look
}

// changedJobs is the [diffFunc] of jobs. What is expected to be new is not compared: its own
// transaction finds out.
func (a *applier) changedJobs(
	ctx context.Context, units []unit[objects.Job],
) (fresh, differ []unit[objects.Job], err error) {
	if a.allNew {
		return units, nil, nil
	}
	l := a.lookAt(units)
	l.asked.Wait()
	a.sortAhead()
	compared := units
	if l.known != nil {
		var ids []int64
		err = a.o.Lock.ReadAtOnce(ctx, func(db pg.DB) (err error) { ids, err = l.known.Differ(ctx, sharddb.New(db)); return err })
		compared = reading.Among(units, ids)
	}
	if err == nil && len(compared) > 0 {
		err = a.o.Lock.Read(ctx, func(q *sharddb.Queries) (err error) {
			fresh, differ, err = a.compareJobs(ctx, q, compared, l.known != nil)
			return err
		}, pg.PlansByKey(ctx))
	}
	a.allNew = err == nil && len(fresh) == len(units)
	a.allHere = err == nil && len(fresh)+len(differ) == 0
	return fresh, differ, err
}

// find asks what of a chunk is here, or is amiss. The question travels with the beginning of the
// chunk's transaction.
func (a *applier) find(ctx context.Context, chunk []unit[objects.Job]) pg.Ask {
	l := a.lookAt(chunk)
	l.asked.Wait()
	args := l.find
	if args.Ids == nil {
		args = findArgs(chunk)
	}
	return func(db pg.DB) error {
		here, err := sharddb.New(db).JobsFind(ctx, args)
		l.found = make(map[finding]bool, len(here))
		for _, row := range here {
			l.found[finding{row.What, row.ID}] = true
		}
		return pg.Failed(err, "look what is here")
	}
}
