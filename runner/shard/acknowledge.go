package shard

import (
	"context"
	"fmt"

	"shardclient/gen/sharddb"
)

// Why no completion is lost (P1, P2), whatever the scheduler writes meanwhile and whatever becomes
// of the request. The scheduler completes entries and sets a job's shard_id to NULL in separate
// statements, in either order, and may leave the NULL out. So neither of them alone says what is to
// be uploaded. For each job that was uploaded with an open entry, the ledger (shard_client_uploads)
// remembers which completions the master has acknowledged. What a packet held is compared, value by
// value, with the rows once they are locked.

// leave notes, before the packet leaves, what it says about which jobs: a request that waits in the
// master's queue may be stored after a newer one (docs/promises.md, "late request").
func (c *Client) leave(ctx context.Context, m *memo) error {
	if len(m.sent.JobIds) == 0 {
		return nil
	}
	return c.lock.Write(ctx, func(q *sharddb.Queries) error {
		var err error
		m.packetID, err = q.UploadLeave(ctx, sharddb.UploadLeaveParams{
			RpcTimeoutSeconds: c.options.RPCTimeout.Seconds(), JobIds: m.sent.JobIds, Digests: m.digests,
		})
		if err != nil {
			return fmt.Errorf("note %d jobs that are uploaded: %w", len(m.sent.JobIds), err)
		}
		return nil
	})
}

// settle notes, after a failed heartbeat, what its request may still do. clear says that no copy of
// the request can be stored later.
func (c *Client) settle(ctx context.Context, m *memo, clear bool) error {
	if len(m.sent.JobIds) == 0 {
		return nil
	}
	return c.lock.Write(ctx, func(q *sharddb.Queries) error {
		if _, err := q.UploadFailed(ctx, m.packetID, clear); err != nil {
			return fmt.Errorf("note how the upload of %d jobs failed: %w", len(m.sent.JobIds), err)
		}
		return nil
	})
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
		if err := q.AcknowledgeBegin(ctx); err != nil {
			return fmt.Errorf("begin: %w", err)
		}
		if acknowledged, err = q.AcknowledgeJobs(ctx, m.sent); err != nil {
			return fmt.Errorf("compare with what was sent: %w", err)
		}
		return c.remember(ctx, q, m, acknowledged.Known, sure)
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

// remember updates the ledger, if this shard is known, and notes that the packet was answered.
func (c *Client) remember(ctx context.Context, q *sharddb.Queries, m *memo, known, sure bool) (err error) {
	if known {
		m.ofAnother, err = q.UploadRemember(ctx, sharddb.UploadRememberParams{
			PacketID: m.packetID, RpcTimeoutSeconds: c.options.RPCTimeout.Seconds(), JobIds: m.sent.JobIds,
			Digests: m.digests, OpenJobIds: m.open, CompleteEntryIds: m.complete,
		})
		if err != nil {
			return fmt.Errorf("remember what was sent: %w", err)
		}
	}
	if m.repeated, err = q.UploadAnswered(ctx, m.packetID, sure); err != nil {
		return fmt.Errorf("note that the packet was answered: %w", err)
	}
	return nil
}
