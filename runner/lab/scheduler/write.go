package scheduler

import "fmt"

// Statements that would change nothing are left out. So does the original, which compares with the
// object that it holds in memory.

func (t *turn) setStatus(e *entry, status string) error {
	if err := t.setOnlyStatus(e, status); err != nil {
		return err
	}
	return t.setActive(e, isActive(status))
}

func (t *turn) setOnlyStatus(e *entry, status string) error {
	if e.Status == status {
		return nil
	}
	_, err := t.write("set status of entry", e.ID, func() (int64, error) {
		return t.s.q.SchedulerSetEntryStatus(t.ctx, status, e.ID)
	})
	if err != nil {
		return err
	}
	before := e.Status
	e.Status = status
	return t.prepares(e, before, status)
}

func (t *turn) setActive(e *entry, active bool) error {
	if e.Active == active {
		return nil
	}
	_, err := t.write("set active of entry", e.ID, func() (int64, error) {
		return t.s.q.SchedulerSetEntryActive(t.ctx, active, e.ID)
	})
	if err == nil {
		e.Active = active
	}
	return err
}

// setExecutionSubdir sets the place of the results once, as in 12-alice/host3.
func (t *turn) setExecutionSubdir(e *entry) error {
	if e.ExecutionSubdir != "" {
		return nil
	}
	place := "hostless"
	if e.lease != nil {
		place = e.lease.hostname
	}
	subdir := fmt.Sprintf("%d-%s/%s", e.JobID, e.Owner, place)
	_, err := t.write("set execution_subdir of entry", e.ID, func() (int64, error) {
		return t.s.q.SchedulerSetEntryExecutionSubdir(t.ctx, subdir, e.ID)
	})
	if err == nil {
		e.ExecutionSubdir = subdir
	}
	return err
}

func (t *turn) setStarted(e *entry) error {
	if e.Started {
		return nil
	}
	_, err := t.write("set started_on of entry", e.ID, func() (int64, error) {
		return t.s.q.SchedulerSetEntryStarted(t.ctx, t.s.now(), e.ID)
	})
	e.Started = err == nil
	return err
}

func (t *turn) setFinished(e *entry) error {
	_, err := t.write("set finished_on of entry", e.ID, func() (int64, error) {
		return t.s.q.SchedulerSetEntryFinished(t.ctx, t.s.now(), e.ID)
	})
	e.Finished = err == nil
	return err
}

// setHostStatus sets the status of a host. Without a host it does nothing.
func (t *turn) setHostStatus(h *host, status string) error {
	if h == nil || h.status == status {
		return nil
	}
	_, err := t.write("set status of host", h.id, func() (int64, error) {
		return t.s.q.SchedulerSetHostStatus(t.ctx, status, h.id)
	})
	if err == nil {
		h.status = status
	}
	return err
}
