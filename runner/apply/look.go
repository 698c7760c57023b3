package apply

import (
	"context"
	"sync"

	"shardclient/gen/sharddb"
	"shardclient/runner/aside"
	"shardclient/runner/guard"
	"shardclient/runner/objects"
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
	err = a.o.Lock.Read(ctx, func(q *sharddb.Queries) (err error) {
		fresh, differ, err = a.compareJobs(ctx, q, units, l.known)
		return err
	}, settings(ctx, aside.KindJob)...)
	a.allNew = err == nil && len(fresh) == len(units)
	a.allHere = err == nil && len(fresh)+len(differ) == 0
	return fresh, differ, err
}
