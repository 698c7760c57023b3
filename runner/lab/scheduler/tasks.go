package scheduler

import "shardclient/gen/labdb"

// The tables of a real scheduler are written where they are: `shard-client migrate up --with
// scheduler` makes them. Nothing here is read again: what is to be done is in the tables of the
// client.

// besides writes one statement into a scheduler's own tables.
func (t *turn) besides(what string, id int64, do func() (int64, error)) error {
	if !t.s.tasks {
		return nil
	}
	_, err := t.write(what, id, do)
	return err
}

// block keeps the job from getting the host again.
func (t *turn) block(e *entry, hostID int64) error {
	return t.besides("block host", hostID, func() (int64, error) {
		return t.s.q.SchedulerBlockHost(t.ctx, e.JobID, hostID)
	})
}

// unblock takes back what block did, when the last entry of a job has ended.
func (t *turn) unblock(e *entry) error {
	return t.besides("unblock hosts of job", e.JobID, func() (int64, error) {
		return t.s.q.SchedulerUnblockHosts(t.ctx, e.JobID)
	})
}

// prepares writes the special task of a status that prepares a host, and ends that of the one
// before.
func (t *turn) prepares(e *entry, before, status string) error {
	if isPreparation(before) {
		return t.besides("finish task of entry", e.ID, func() (int64, error) {
			return t.s.q.SchedulerFinishTask(t.ctx, labdb.SchedulerFinishTaskParams{
				EntryID: e.ID, Success: status == pending, TimeFinished: t.s.now(),
			})
		})
	}
	if !isPreparation(status) || e.lease == nil {
		return nil
	}
	err := t.besides("ask for task of entry", e.ID, func() (int64, error) {
		return t.s.q.SchedulerAskForTask(t.ctx, labdb.SchedulerAskForTaskParams{
			EntryID: e.ID, HostID: e.lease.id, Owner: e.Owner, TimeRequested: t.s.now(), Task: tasks[status],
		})
	})
	if err != nil {
		return err
	}
	return t.besides("start task of entry", e.ID, func() (int64, error) {
		return t.s.q.SchedulerStartTask(t.ctx, t.s.now(), e.ID)
	})
}

// handsOff gives a job to lucifer.
func (t *turn) handsOff(e *entry) error {
	if !e.job.variant.isLucifer() || e.lease == nil {
		return nil
	}
	return t.besides("hand off job", e.JobID, func() (int64, error) {
		return t.s.q.SchedulerHandOff(t.ctx, e.JobID, t.s.now())
	})
}

// takesBack ends the hand-off of a job whose last entry lucifer has ended.
func (t *turn) takesBack(jobID int64) error {
	return t.besides("end hand-off of job", jobID, func() (int64, error) {
		return t.s.q.LuciferEndHandOff(t.ctx, jobID)
	})
}

// tasks are the special tasks of the statuses that prepare a host.
var tasks = map[string]string{provisioning: "Provision", resetting: "Reset", verifying: "Verify"}

func isPreparation(status string) bool { return tasks[status] != "" }
