package scheduler

// advance takes all due steps of the open entries. It repeats a job until nothing moves, because
// the entries of a job wait for each other.
func (t *turn) advance() error {
	for _, j := range t.jobs {
		for moved := true; moved; {
			moved = false
			for _, e := range j.entries {
				walked, err := t.walk(e)
				if err != nil {
					return err
				}
				moved = moved || walked
			}
		}
	}
	return nil
}

func (t *turn) walk(e *entry) (moved bool, err error) {
	if err := t.adopt(e); err != nil {
		return false, err
	}
	for {
		next := t.next(e)
		if next == nil || !t.s.isDue(e.memory, e.ID, next) {
			return moved, nil
		}
		if err := next.do(); err != nil {
			return moved, err
		}
		moved = true
	}
}

// adopt leases the host of an entry that was begun by a scheduler which does not mark its leases.
func (t *turn) adopt(e *entry) error {
	begun := e.ExecutionSubdir != "" || e.Status != queued && e.memory.final == ""
	if e.complete || e.lease != nil || e.HostID == nil || e.HostMarked || !begun {
		return nil
	}
	h := &host{id: *e.HostID, hostname: e.Hostname, status: e.HostStatus, entryID: e.ID, jobID: e.JobID}
	if h.status == ready { // a host at Ready would count as finished with
		if err := t.setHostStatus(h, running); err != nil {
			return err
		}
	}
	adopted, err := t.write("lease host", h.id, func() (int64, error) {
		return t.s.q.SchedulerAdoptHost(t.ctx, e.ID, h.id)
	})
	if adopted {
		e.lease = h
		t.work.Busy++
	}
	return err
}

// next returns the next step of an entry, or nil when it has to wait for somebody else.
func (t *turn) next(e *entry) *step {
	switch {
	case e.complete:
		return nil
	case e.memory.final != "":
		return t.nextOfEnd(e)
	case e.Aborted:
		return e.ends("abort", aborted, 0, 2)
	case e.isDoomed():
		return e.ends("give up", stopped, 0, 1)
	}
	switch e.Status {
	case queued:
		return t.nextOfQueued(e)
	case starting:
		if t.s.o.Hostless {
			return &step{name: "run hostless", atLeast: 1, atMost: 2, do: func() error { return t.run(e) }}
		}
		return t.to(e, t.s.preparation(e.ID), 1, 2)
	case provisioning, resetting, verifying:
		if t.s.failsEarly(e.ID) {
			return e.ends("fail early", failed, 1, 4)
		}
		return t.to(e, pending, 1, 4)
	case pending:
		return t.nextOfPending(e)
	case running:
		next := t.to(e, gathering, 2, 8)
		next.held = e.WaitsForChildren
		return next
	case gathering:
		return t.to(e, parsing, 1, 2)
	case parsing:
		if t.s.fails(e.ID) {
			return e.ends("fail", failed, 1, 3)
		}
		return e.ends("succeed", completed, 1, 3)
	}
	return nil // not a status of ours: we end such an entry only when it is aborted
}

// to returns the step into a phase. Until the entry runs, its host shows the phase too.
func (t *turn) to(e *entry, status string, atLeast, atMost int) *step {
	return &step{name: status, atLeast: atLeast, atMost: atMost, do: func() error {
		if isBeforeRun(status) {
			if err := t.setHostStatus(e.lease, status); err != nil {
				return err
			}
		}
		return t.setStatus(e, status)
	}}
}

// nextOfQueued starts an entry as soon as it has its host. If it waited, it could be aborted before
// it began, and its group would not notice.
func (t *turn) nextOfQueued(e *entry) *step {
	if e.lease == nil && !t.s.o.Hostless {
		return nil
	}
	return &step{name: starting, do: func() error {
		if err := t.setHost(e); err != nil {
			return err
		}
		// The host comes first: a scheduler that finds the entry begun must not find the host
		// Ready.
		if err := t.setHostStatus(e.lease, pending); err != nil {
			return err
		}
		if err := t.setExecutionSubdir(e); err != nil {
			return err
		}
		return t.setStatus(e, starting)
	}}
}

// nextOfPending lets the entries of a group run together. First all of them are marked as started,
// then each one runs. If this scheduler ends in between, the next one still recognises the group.
func (t *turn) nextOfPending(e *entry) *step {
	switch {
	case e.Started && e.job.lacking() == 0:
		return &step{name: running, do: func() error { return t.run(e) }}
	case !e.Started && e.job.chooses(e):
		return &step{name: "started", do: func() error { return t.setStarted(e) }}
	}
	return nil
}

// run starts an entry. The first statements may have been run already, or left out by another
// scheduler.
func (t *turn) run(e *entry) error {
	if err := t.setExecutionSubdir(e); err != nil {
		return err
	}
	if err := t.setStarted(e); err != nil {
		return err
	}
	if err := t.setHostStatus(e.lease, running); err != nil {
		return err
	}
	if err := t.handsOff(e); err != nil {
		return err
	}
	return t.setStatus(e, running)
}
