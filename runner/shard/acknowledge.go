package shard

import (
	"context"
	"fmt"
	"time"

	"shardclient/gen/sharddb"
)

// How a completion cannot be lost (P1, P2), whatever the scheduler writes
// meanwhile and whatever becomes of the request. The scheduler completes entries
// and sets shard_id to NULL in statements of their own, in either order, and may
// leave the NULL out; so neither alone says what is to be uploaded. The ledger,
// shard_client_uploads, remembers for each job that was uploaded with an open
// entry which completions the master has acknowledged. What a packet holds is
// compared, value by value, with what the rows say once they are locked.

// markUnsure notes, before the packet leaves, which jobs it could undo later: a
// request that holds an open entry and waits in the master's queue may be stored
// after a newer one (docs/decisions.md, fault 3a).
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

// settle writes to the ledger what a failed heartbeat leaves behind.
func (c *Client) settle(ctx context.Context, m *memo, clear bool) error {
	if len(m.open) == 0 {
		return nil
	}
	return c.lock.Write(ctx, func(q *sharddb.Queries) error { return settle(ctx, q, m, clear) })
}

func settle(ctx context.Context, q *sharddb.Queries, m *memo, clear bool) error {
	jobs := m.open
	if clear {
		jobs = m.settleable
	}
	if _, err := q.UploadSettle(ctx, clear, jobs); err != nil {
		return fmt.Errorf("settle %d jobs in the upload ledger: %w", len(jobs), err)
	}
	return nil
}

// acknowledge notes that the master has stored the packet. sure says that no
// other copy of it is on its way. It returns how many jobs and entries the master
// has and this shard agrees with.
func (c *Client) acknowledge(ctx context.Context, m *memo, sure bool) (acknowledged sharddb.AcknowledgeJobsRow, err error) {
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
			return settle(ctx, q, m, sure)
		}
		return c.remember(ctx, q, m, sure)
	})
	if err != nil {
		return sharddb.AcknowledgeJobsRow{}, err
	}
	if !acknowledged.Known {
		c.log.Warn("upload not acknowledged: the master has not yet named this shard here; the jobs are uploaded again",
			"shard_hostname", c.options.ShardHostname, "jobs", len(m.sent.JobIds))
	}
	return acknowledged, nil
}

// remember writes the ledger: what was sent as complete of jobs that have a row,
// and no row any longer for jobs that were sent whole.
func (c *Client) remember(ctx context.Context, q *sharddb.Queries, m *memo, sure bool) error {
	if _, err := q.UploadRecordSent(ctx, m.sent.JobIds, m.complete); err != nil {
		return fmt.Errorf("record what was sent: %w", err)
	}
	// An older request must have been dead when this packet left, not just by now:
	// it could have been stored over this one meanwhile.
	dead := c.options.RPCTimeout + time.Since(m.at)
	if _, err := q.UploadForgetSettled(ctx, m.whole, dead.Seconds()); err != nil {
		return fmt.Errorf("forget settled jobs: %w", err)
	}
	return settle(ctx, q, m, sure)
}
