package apply

import (
	"cmp"
	"sync"

	"shardclient/runner/aside"
	"shardclient/runner/guard"
	"shardclient/runner/objects"
	"shardclient/runner/reading"
	"shardclient/runner/rows"
)

// batch is what there is to know of the next jobs of an answer before PostgreSQL is asked: which of
// them are good, and what they name. It is made while jobs before them are stored, so it changes
// nothing that storing them reads: what is bad waits for setAsideBad, all else for nextJobs.
type batch struct {
	done sync.WaitGroup

	good    []unit[objects.Job]
	bad     []func()      // each sets aside another one
	named   rows.Parents  // by the good ones, and by nothing before them
	refused []reading.Ref // the good ones that PostgreSQL refused in an earlier beat
	look    *look         // at the others; nil: there are none
	last    bool          // no jobs come any more
	err     error         // of the disk that the answer is kept on
}

// sortAhead begins to sort out the next jobs, unless that has begun.
func (a *applier) sortAhead() {
	if a.jobs.next != nil || a.jobs.sifted {
		return
	}
	b := &batch{named: rows.NewParents()}
	a.jobs.next = b
	a.jobs.Small = (a.jobs.Small || a.allHere) && a.look == nil // small until some are in hand, so that these are soon
	expected := expectation{a.allNew, a.allHere}
	b.done.Go(func() {
		if err := guard.Run(func() error { return a.sortOut(b, expected) }); err != nil {
			b.err = err
		}
	})
}

// setAsideBad sets aside which of the next jobs are bad, once they are sorted out: one of them may
// be another copy of a job that is about to be stored, and what is set aside stays in the
// quarantine.
func (b *batch) setAsideBad() {
	if b == nil {
		return
	}
	b.done.Wait()
	for _, setAside := range b.bad {
		setAside()
	}
	b.bad = nil
}

// sortOut makes a batch of the next jobs.
func (a *applier) sortOut(b *batch, expected expectation) error {
	units, err := a.jobs.Chunk()
	if err != nil {
		return err
	}
	b.last = len(units) == 0
	setAside := func(object aside.Object, code string, reason error) {
		b.bad = append(b.bad, func() { a.SetAside(object, code, reason) })
	}
	if units, err = judge(a, a.jobs.Sieve, units, setAside); err != nil {
		return err
	}
	b.good = make([]unit[objects.Job], 0, len(units))
	var others []unit[objects.Job]
	for i, u := range units {
		reading.GiveWay(i)
		if err := cmp.Or(a.parents.JobAgrees(u.Object), b.named.JobAgrees(u.Object)); err != nil {
			setAside(asBad(u), aside.CodeDuplicateID, err)
			continue
		}
		b.named.AddJob(u.Object, a.parents)
		b.good = append(b.good, u)
		if a.jobs.turns[u.ID].Turn > 0 {
			b.refused = append(b.refused, u.Ref)
		} else {
			others = append(others, u)
		}
	}
	if len(others) > 0 {
		b.look = a.beginLook(others, expected)
	}
	return nil
}
