package scheduler

import (
	"fmt"
	"slices"
)

// assign gives free hosts to queued entries, in the order of priority and id.
func (t *turn) assign() error {
	if t.s.o.Hostless || !slices.ContainsFunc(t.jobs, t.wantsHost) {
		return nil
	}
	rows, err := t.s.q.SchedulerFits(t.ctx, t.s.tasks)
	if err != nil {
		return fmt.Errorf("find hosts for queued entries: %w", err)
	}
	a := &assignment{fits: make(map[int64][]int64, len(rows)), taken: map[int64]bool{}}
	for _, row := range rows {
		a.fits[row.EntryID] = row.HostIds
	}
	for _, row := range rows {
		e := t.entries[row.EntryID]
		if e == nil || !e.mayRun() {
			continue // it was created or ended after the first read
		}
		if err := t.assignGroup(a, e); err != nil {
			return err
		}
	}
	return nil
}

func (t *turn) wantsHost(j *job) bool {
	return slices.ContainsFunc(j.entries, func(e *entry) bool { return e.mayRun() && e.lease == nil })
}

// assignGroup serves an entry together with those that must run with it. A group gets all its hosts
// or none: two groups that each held a part would wait for each other for ever.
func (t *turn) assignGroup(a *assignment, e *entry) error {
	if e.lease != nil || e.job.cannotRun() {
		return nil
	}
	waiting, missing := []*entry{e}, 1
	if e.job.synchCount > 1 {
		waiting, missing = e.job.waiting()
	}
	places := a.match(waiting, missing)
	for _, one := range waiting {
		hostID, found := places[one.ID]
		if !found {
			continue
		}
		a.taken[hostID] = true
		if err := t.lease(one, hostID); err != nil {
			return err
		}
	}
	return nil
}

// waiting returns the entries that wait for a host, and how many hosts the next group still needs.
func (j *job) waiting() (entries []*entry, missing int) {
	leased := 0
	for _, e := range j.entries {
		switch {
		case !e.mayRun():
		case e.lease != nil:
			leased++
		default:
			entries = append(entries, e)
		}
	}
	return entries, j.synchCount - (leased+j.started())%j.synchCount
}

func (t *turn) lease(e *entry, hostID int64) error {
	var hostnames []string
	took, err := t.write("lease host", hostID, func() (changed int64, err error) {
		hostnames, err = t.s.q.SchedulerLeaseHost(t.ctx, e.ID, hostID)
		return int64(len(hostnames)), err
	})
	if err != nil || !took {
		return err
	}
	e.lease = &host{id: hostID, hostname: hostnames[0], status: ready, entryID: e.ID, jobID: e.JobID}
	t.work.Assigned++
	t.work.Busy++
	return t.setHost(e)
}

// setHost writes the leased host into the entry. Another scheduler may have leased the host and
// ended before it did that.
func (t *turn) setHost(e *entry) error {
	if e.lease == nil || e.HostID != nil {
		return nil
	}
	_, err := t.write("give a host to entry", e.ID, func() (int64, error) {
		return t.s.q.SchedulerSetEntryHost(t.ctx, e.lease.id, e.ID)
	})
	if err != nil {
		return err
	}
	e.HostID = &e.lease.id
	return t.block(e, e.lease.id)
}

// assignment says which hosts are still free for which entries in a turn.
type assignment struct {
	fits  map[int64][]int64 // the hosts that fit an entry, by entry
	taken map[int64]bool    // hosts that were given away
}

// match finds hosts for want of the entries, the lower ids first, or returns nil. An entry gives up
// its host to another entry when a second host fits it too (augmenting paths). That way every group
// that could run gets its hosts.
func (a *assignment) match(waiting []*entry, want int) map[int64]int64 {
	holder := map[int64]int64{} // host to entry
	places := map[int64]int64{} // entry to host
	for _, e := range waiting {
		if len(places) == want {
			break
		}
		a.place(e.ID, holder, places, map[int64]bool{})
	}
	if len(places) < want {
		return nil
	}
	return places
}

func (a *assignment) place(entryID int64, holder, places map[int64]int64, tried map[int64]bool) bool {
	for _, hostID := range a.fits[entryID] {
		if a.taken[hostID] || tried[hostID] {
			continue
		}
		tried[hostID] = true
		other, held := holder[hostID]
		if !held || a.place(other, holder, places, tried) {
			holder[hostID], places[entryID] = entryID, hostID
			return true
		}
	}
	return false
}
