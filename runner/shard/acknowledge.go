package shard

import (
	"context"
	"fmt"
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
// "late request").
func (c *Client) markUnsure(ctx context.Context, m *memo) error {
	if len(m.open) == 0 {
		return nil
	}
	return c.lock.Write(ctx, func(q *sharddb.Queries) error {
		var err error
		m.settleable, err = q.UploadMarkUnsure(ctx, m.open, c.options.RPCTimeout.Seconds())
		if err != nil {
			return fmt.Errorf("mark %d jobs in the upload ledger: %w", len(m.open), err)
		}
		return nil
	})
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
// its way. It returns how many jobs and entries read the same here and on the master.
func (c *Client) acknowledge(
	ctx context.Context, m *memo, sure bool,
) (acknowledged sharddb.AcknowledgeJobsRow, err error) {
	if len(m.sent.JobIds) == 0 {
		return acknowledged, nil
	}
	err = c.lock.Write(ctx, func(q *sharddb.Queries) error {
		if _, err := q.AcknowledgeLock(ctx, m.sent.JobIds, m.sent.EntryIds); err != nil {
			return fmt.Errorf("lock jobs and their entries: %w", err)
		}
		if acknowledged, err = q.AcknowledgeJobs(ctx, m.sent); err != nil {
			return fmt.Errorf("compare with what was sent: %w", err)
		}
		if !acknowledged.Known {
			return m.settle(ctx, q, sure)
		}
		return c.remember(ctx, q, m, sure)
	})
	if err != nil {
		return sharddb.AcknowledgeJobsRow{}, err
	}
	if !acknowledged.Known {
		c.log.Warn("upload not acknowledged: this shard's own row has not come from the master yet; "+
			"the jobs will be uploaded again",
			"shard_hostname", c.options.ShardHostname, "jobs", len(m.sent.JobIds))
	}
	return acknowledged, nil
}

// remember updates the ledger: a job that was sent with an open entry gets the entries that were
// sent as complete, and the row of a job that was sent whole goes.
func (c *Client) remember(ctx context.Context, q *sharddb.Queries, m *memo, sure bool) error {
	if _, err := q.UploadRecordSent(ctx, m.sent.JobIds, m.complete); err != nil {
		return fmt.Errorf("record what was sent: %w", err)
	}
	// An older request must have been dead when this packet left; that it is dead by now is not
	// enough, because it could have been stored over this one meanwhile.
	dead := c.options.RPCTimeout + time.Since(m.at)
	if _, err := q.UploadForgetSettled(ctx, m.whole, dead.Seconds()); err != nil {
		return fmt.Errorf("forget settled jobs: %w", err)
	}
	return m.settle(ctx, q, sure)
}
