package shard

import (
	"context"
	"errors"
	"fmt"

	"shardclient/gen/sharddb"
	"shardclient/runner/plain"
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
	return c.lock.Write(ctx, func(q *sharddb.Queries) error { return m.settle(ctx, q, clear) })
}

func (u *upload) settle(ctx context.Context, q *sharddb.Queries, clear bool) error {
	if _, err := q.UploadSettle(ctx, u.packetID, clear); err != nil {
		return fmt.Errorf("note how the upload of %d jobs ended: %w", len(u.sent.JobIds), err)
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
		if err := q.AcknowledgeBegin(ctx); err != nil {
			return fmt.Errorf("begin: %w", err)
		}
		if acknowledged, err = q.AcknowledgeJobs(ctx, m.sent); err != nil {
			return fmt.Errorf("compare with what was sent: %w", err)
		}
		if m.known = acknowledged.Known; !m.known {
			return m.settle(ctx, q, sure)
		}
		return c.remember(ctx, q, m, sure)
	})
	if err != nil {
		return sharddb.AcknowledgeJobsRow{}, err
	}
	return acknowledged, nil
}

// remember updates the ledger, and notes that the packet was answered.
func (c *Client) remember(ctx context.Context, q *sharddb.Queries, m *memo, sure bool) (err error) {
	m.ofAnother, err = q.UploadRemember(ctx, sharddb.UploadRememberParams{
		PacketID: m.packetID, RpcTimeoutSeconds: c.options.RPCTimeout.Seconds(), JobIds: m.sent.JobIds,
		Digests: m.digests, OpenJobIds: m.open, CompleteEntryIds: m.complete,
	})
	if err != nil {
		return fmt.Errorf("remember what was sent: %w", err)
	}
	if m.repeated, err = q.UploadAnswered(ctx, m.packetID, sure); err != nil {
		return fmt.Errorf("note that the packet was answered: %w", err)
	}
	return nil
}

// errNoProgress ends a beat in which all was done that could be, and that is not ok all the same:
// the next one will upload the same again (P11).
var errNoProgress = errors.New("the upload makes no progress")

// progress returns an error if the master has answered an upload in vain.
func (t *turn) progress(ctx context.Context) error {
	m := t.memo
	switch {
	case len(m.sent.JobIds) == 0:
		return nil
	case !m.known:
		err := t.c.unknownShard(ctx, len(m.sent.JobIds))
		if errors.Is(err, errNoProgress) {
			t.report.Repeated = len(m.sent.JobIds)
		}
		return err
	case len(m.repeated) > 0:
		t.report.Repeated = len(m.repeated)
		return fmt.Errorf("%w: the master has answered just the same about %d finished jobs three times or more, "+
			"and they are to be uploaded again (the first is job %d): the master does not keep what it is sent, or somebody "+
			"keeps their rows locked here, or something sets their shard_id to NULL again and again", errNoProgress, len(m.repeated), m.repeated[0])
	}
	return nil
}

// unknownShard says that nothing can be acknowledged, with both spellings of the shard's name; nil:
// the shard's row has come with this answer, and the next beat can.
func (c *Client) unknownShard(ctx context.Context, jobs int) error {
	shards, err := sharddb.New(c.pool).ShardNames(ctx, c.options.ShardHostname)
	if err != nil {
		return fmt.Errorf("look up the names of shards: %w", err)
	}
	var names []string
	for _, s := range shards {
		if s.Own {
			return nil
		}
		names = append(names, s.Hostname)
	}
	return fmt.Errorf("%w: the master has stored %d finished jobs, but they cannot be noted as uploaded, because no host "+
		"and no job of its answers was of a shard %q (--shard-hostname); they were of %s; "+
		"the jobs are uploaded again until one is", errNoProgress, jobs, c.options.ShardHostname, quoted(names))
}

// quoted lists names in one printable line.
func quoted(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return plain.Line(fmt.Sprintf("%q", names), maxReason)
}
