package shard

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"shardclient/gen/sharddb"
)

// Why no completion is lost (P1, P2), whatever the scheduler writes meanwhile and whatever becomes
// of the request. The scheduler completes entries and sets a job's shard_id to NULL in separate
// statements, in either order, and may leave the NULL out. So neither of them alone says what is to
// be uploaded. For each job that was uploaded with an open entry, the ledger (shard_client_uploads)
// remembers which completions the master has acknowledged. What a packet held is compared, value by
// value, with the rows once they are locked.

// markUnsure notes, before the packet leaves, which jobs it could undo later: a request with an
// open entry that waits in the master's queue may be stored after a newer one (docs/promises.md,
// "late request"). A job that cannot be marked, because another session has locked its key, stays
// out of the packet.
func (c *Client) markUnsure(ctx context.Context, m *memo, pending []sharddb.PackUploadRow) error {
	open := map[int64]int{} // place among the pending, by id
	for i, job := range pending {
		if job.Sent && len(job.CompleteIds) < len(job.EntryIds) {
			open[job.ID] = i
		}
	}
	if len(open) == 0 {
		return nil
	}
	var marked []sharddb.UploadMarkUnsureRow
	err := c.lock.Write(ctx, func(q *sharddb.Queries) (err error) {
		marked, err = q.UploadMarkUnsure(ctx, slices.Sorted(maps.Keys(open)), c.options.RPCTimeout.Seconds())
		return err
	})
	if err != nil {
		return fmt.Errorf("mark %d jobs in the upload ledger: %w", len(open), err)
	}
	for _, job := range marked {
		delete(open, job.JobID)
		if job.Settleable {
			m.settleable = append(m.settleable, job.JobID)
		}
	}
	for id, i := range open {
		pending[i].Sent, pending[i].MayGo = false, true
		m.locked[id] = fmt.Sprintf("afe_jobs %d", id)
	}
	return nil
}

// settle writes to the ledger, after a failed heartbeat, what its request may still do. clear says
// that no copy of the request can be stored later.
func (c *Client) settle(ctx context.Context, m *memo, clear bool) error {
	if len(m.open) == 0 {
		return nil
	}
	return c.lock.Write(ctx, func(q *sharddb.Queries) error {
		return m.settle(ctx, q, clear)
	})
}

func (u *upload) settle(ctx context.Context, q *sharddb.Queries, clear bool) error {
	jobs := u.open
	if clear {
		jobs = u.settleable
	}
	if _, err := q.UploadSettle(ctx, clear, jobs); err != nil {
		return fmt.Errorf("settle %d jobs in the upload ledger: %w", len(jobs), err)
	}
	return nil
}

// acknowledge notes that the master has stored the packet. sure says that no other copy of it is on
// its way. It returns how many jobs and entries read the same here and on the master. The error is
// a [*pg.LockedError] when all others wait for another session, and are uploaded again.
func (c *Client) acknowledge(
	ctx context.Context, m *memo, sure bool,
) (total sharddb.AcknowledgeJobsRow, err error) {
	jobs, left := m.sent.JobIds, map[int64]string{}
	for try := 1; len(jobs) > 0 && (try == 1 || c.pause(ctx, try-1)); try++ {
		var some sharddb.AcknowledgeJobsRow
		err := c.lock.Write(ctx, func(q *sharddb.Queries) (err error) {
			some, left, err = c.acknowledgeFree(ctx, q, m, jobs, sure)
			return err
		})
		if err != nil {
			return total, err
		}
		if total.Known = some.Known; !some.Known {
			c.log.Warn("upload not acknowledged: this shard's own row has not come from the master yet; "+
				"the jobs will be uploaded again",
				"shard_hostname", c.options.ShardHostname, "jobs", len(m.sent.JobIds))
			break
		}
		total.Jobs += some.Jobs
		total.Entries += some.Entries
		jobs = slices.Sorted(maps.Keys(left))
	}
	maps.Copy(left, m.locked)
	return total, leftFor(kindJob, left)
}

// acknowledgeFree acknowledges those of the jobs that another session has not locked, and returns
// the others.
func (c *Client) acknowledgeFree(
	ctx context.Context, q *sharddb.Queries, m *memo, jobs []int64, sure bool,
) (some sharddb.AcknowledgeJobsRow, left map[int64]string, err error) {
	rows, err := q.AcknowledgeLock(ctx, jobs, m.sent.EntryIds)
	if err != nil {
		return some, nil, fmt.Errorf("lock jobs and their entries: %w", err)
	}
	left = map[int64]string{}
	sent := m.sent
	for _, row := range rows {
		if row.Ours {
			sent.LockedJobIds = append(sent.LockedJobIds, row.ID)
		} else {
			left[row.ID] = row.Reason
		}
	}
	if some, err = q.AcknowledgeJobs(ctx, sent); err != nil {
		return some, nil, fmt.Errorf("compare with what was sent: %w", err)
	}
	if !some.Known {
		return some, nil, m.settle(ctx, q, sure)
	}
	return some, left, c.remember(ctx, q, m, sent.LockedJobIds, sure)
}

// remember updates the ledger: a job that was sent with an open entry gets the entries that were
// sent as complete, and the row of a job that was sent whole goes. That is for the locked jobs only;
// what a late copy of the request could do is settled for all.
func (c *Client) remember(ctx context.Context, q *sharddb.Queries, m *memo, locked []int64, sure bool) error {
	if _, err := q.UploadRecordSent(ctx, locked, m.complete); err != nil {
		return fmt.Errorf("record what was sent: %w", err)
	}
	// An older request must have been dead when this packet left; that it is dead by now is not
	// enough, because it could have been stored over this one meanwhile.
	dead := c.options.RPCTimeout + time.Since(m.at)
	settled := sharddb.UploadForgetSettledParams{JobIds: m.whole, LockedJobIds: locked, DeadAfterSeconds: dead.Seconds()}
	if _, err := q.UploadForgetSettled(ctx, settled); err != nil {
		return fmt.Errorf("forget settled jobs: %w", err)
	}
	return m.settle(ctx, q, sure)
}
