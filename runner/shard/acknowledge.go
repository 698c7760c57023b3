package shard

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"shardclient/gen/sharddb"
	"shardclient/runner/aside"
	"shardclient/runner/beat"
	"shardclient/runner/lock"
	"shardclient/runner/pg"
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
	return c.lock.WriteAtOnce(ctx, func(q *sharddb.Queries) error {
		var err error
		m.packetID, err = q.UploadLeave(ctx, sharddb.UploadLeaveParams{
			RpcTimeoutSeconds: c.options.RPCTimeout.Seconds(), JobIds: m.sent.JobIds, Digests: m.digests,
		})
		if err != nil {
			return fmt.Errorf("note the upload of %s: %w", beat.Jobs(len(m.sent.JobIds)), err)
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
		return fmt.Errorf("note how the upload of %s ended: %w", beat.Jobs(len(u.sent.JobIds)), err)
	}
	return nil
}

// acknowledge notes that the master has stored the packet. sure says that no other copy of it is on
// its way. It returns how many jobs and entries read the same here and on the master. The error is
// a [*pg.LockedError] when some jobs wait for another session; they are uploaded again.
func (c *Client) acknowledge(
	ctx context.Context, m *memo, sure bool,
) (total sharddb.AcknowledgeJobsRow, err error) {
	jobs, left := m.sent.JobIds, map[int64]string{}
	for try := 1; len(jobs) > 0 && (try == 1 || lock.Pause(ctx, c.options.LockTimeout, try-1)); try++ {
		var some sharddb.AcknowledgeJobsRow
		err := c.lock.Write(ctx, func(q *sharddb.Queries) (err error) {
			some, left, err = c.acknowledgeFree(ctx, q, m, jobs)
			switch {
			case err != nil:
				return err
			case !some.Known:
				return m.settle(ctx, q, sure)
			case len(left) == 0 || try == lock.Tries:
				return m.answered(ctx, q, left, sure)
			}
			return nil
		}, pg.PlansByKey(ctx), func(db pg.DB) error { return sharddb.New(db).AcknowledgeBegin(ctx) })
		if err != nil {
			return total, err
		}
		if m.known = some.Known; !m.known {
			return total, nil
		}
		total.Jobs += some.Jobs
		total.Entries += some.Entries
		jobs = slices.Sorted(maps.Keys(left))
	}
	return total, pg.LeftFor(aside.KindJob, left)
}

// acknowledgeFree acknowledges those of the jobs that no other session has locked, and returns the
// others.
func (c *Client) acknowledgeFree(
	ctx context.Context, q *sharddb.Queries, m *memo, jobs []int64,
) (some sharddb.AcknowledgeJobsRow, left map[int64]string, err error) {
	entryIDs, entryJobs := m.entriesOf(jobs)
	rows, err := q.AcknowledgeLock(ctx, entryIDs, entryJobs)
	if err != nil {
		return some, nil, fmt.Errorf("lock jobs and their entries: %w", err)
	}
	left = map[int64]string{}
	locked := map[int64]bool{}
	for _, row := range rows {
		if locked[row.ID] = row.Ours; !row.Ours {
			left[row.ID] = row.Reason
		}
	}
	sent := m.sent
	sent.JobIds, sent.JobDigests, sent.Versions = nil, nil, nil
	remember := sharddb.UploadRememberParams{
		PacketID: m.packetID, RpcTimeoutSeconds: c.options.RPCTimeout.Seconds(),
		OpenJobIds: m.open, CompleteEntryIds: m.complete,
	}
	for i, id := range m.sent.JobIds {
		if locked[id] {
			remember.JobIds = append(remember.JobIds, id)
			remember.Digests = append(remember.Digests, m.digests[i])
			sent.JobDigests = append(sent.JobDigests, m.sent.JobDigests[i])
			sent.Versions = append(sent.Versions, m.sent.Versions[i])
		}
	}
	sent.JobIds = remember.JobIds
	if some, err = q.AcknowledgeJobs(ctx, sent); err != nil {
		return some, nil, fmt.Errorf("compare with what was sent: %w", err)
	}
	if some.Known {
		ofAnother, err := q.UploadRemember(ctx, remember)
		if err != nil {
			return some, nil, fmt.Errorf("remember what was sent: %w", err)
		}
		m.ofAnother = max(m.ofAnother, ofAnother)
	}
	return some, left, nil
}

// entriesOf returns the entries that were sent of some jobs, and whose each of them is.
func (u *upload) entriesOf(jobs []int64) (ids, jobIDs []int64) {
	wanted := map[int64]bool{}
	for _, id := range jobs {
		wanted[id] = true
	}
	for i, id := range u.entryJobs {
		if wanted[id] {
			ids = append(ids, u.sent.EntryIds[i])
			jobIDs = append(jobIDs, id)
		}
	}
	return ids, jobIDs
}

// answered notes that the master has answered the packet. Jobs that are left do not count as
// uploaded without progress.
func (m *memo) answered(ctx context.Context, q *sharddb.Queries, left map[int64]string, sure bool) (err error) {
	m.repeated, err = q.UploadAnswered(ctx, sharddb.UploadAnsweredParams{
		ID: m.packetID, Sure: sure, LeftJobIds: slices.Collect(maps.Keys(left)),
	})
	if err != nil {
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
			"and they are to be uploaded again (the first is job %d): the master does not keep what it is sent, or "+
			"something sets their shard_id to NULL again and again", errNoProgress, len(m.repeated), m.repeated[0])
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
	return plain.Line(fmt.Sprintf("%q", names), aside.MaxReason)
}
