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
	if len(m.sent) == 0 {
		return nil
	}
	return c.lock.WriteAtOnce(ctx, func(q *sharddb.Queries) error {
		var err error
		m.packetID, err = q.UploadLeave(ctx, sharddb.UploadLeaveParams{
			RpcTimeoutSeconds: c.options.RPCTimeout.Seconds(), JobIds: m.jobIDs(), Digests: m.digests,
		})
		return pg.Failed(err, "note the upload of %s", beat.Jobs(len(m.sent)))
	})
}

// settle notes, after a failed heartbeat, what its request may still do. clear says that no copy of
// the request can be stored later.
func (c *Client) settle(ctx context.Context, m *memo, clear bool) error {
	if len(m.sent) == 0 {
		return nil
	}
	return c.lock.Write(ctx, func(q *sharddb.Queries) error { return m.settle(ctx, q, clear) })
}

func (u *upload) settle(ctx context.Context, q *sharddb.Queries, clear bool) error {
	_, err := q.UploadSettle(ctx, u.packetID, clear)
	return pg.Failed(err, "note how the upload of %s ended", beat.Jobs(len(u.sent)))
}

// acknowledge notes that the master has stored the packet. sure says that no other copy of it is on
// its way. It returns how many jobs and entries read the same here and on the master. The error is
// a [*pg.LockedError] when some jobs wait for another session; they are uploaded again.
func (c *Client) acknowledge(
	ctx context.Context, m *memo, sure bool,
) (total sharddb.AcknowledgeJobsRow, err error) {
	jobs, left := m.jobIDs(), map[int64]string{}
	for try := 1; len(jobs) > 0 && (try == 1 || c.lock.Pause(ctx, c.options.LockTimeout, try-1)); try++ {
		var some sharddb.AcknowledgeJobsRow
		err := c.lock.WriteRows(ctx, func(db pg.DB) (err error) {
			q := sharddb.New(db)
			some, left, err = c.acknowledgeFree(ctx, db, m, jobs)
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
	ctx context.Context, db pg.DB, m *memo, jobs []int64,
) (some sharddb.AcknowledgeJobsRow, left map[int64]string, err error) {
	q := sharddb.New(db)
	rows, err := q.AcknowledgeLock(ctx, m.rowsOf(jobs))
	if err != nil {
		return some, nil, fmt.Errorf("lock jobs and their entries: %w", err)
	}
	left = map[int64]string{}
	untouched := map[int64]bool{} // of the jobs that are locked
	for _, row := range rows {
		if row.Ours {
			untouched[row.ID] = row.Untouched
		} else {
			left[row.ID] = row.Reason
		}
	}
	changed, err := m.changed(ctx, db, untouched)
	if err != nil {
		return some, nil, fmt.Errorf("compare with what was sent: %w", err)
	}
	sent := sharddb.AcknowledgeJobsParams{ShardHostname: c.options.ShardHostname}
	remember := sharddb.UploadRememberParams{PacketID: m.packetID, RpcTimeoutSeconds: c.options.RPCTimeout.Seconds()}
	for i, job := range m.sent {
		if _, locked := untouched[job.id]; !locked {
			continue
		}
		sent.JobIds = append(sent.JobIds, job.id)
		sent.JobEntries = append(sent.JobEntries, int32(len(job.records)-1))
		sent.Changed = append(sent.Changed, changed[job.id])
		remember.JobIds = append(remember.JobIds, job.id)
		remember.Digests = append(remember.Digests, m.digests[i])
		for _, entry := range job.records[1:] {
			if entry.complete {
				remember.CompleteEntryIds = append(remember.CompleteEntryIds, entry.id)
			} else if n := len(remember.OpenJobIds); n == 0 || remember.OpenJobIds[n-1] != job.id {
				remember.OpenJobIds = append(remember.OpenJobIds, job.id)
			}
		}
	}
	if some, err = q.AcknowledgeJobs(ctx, sent); err != nil || !some.Known {
		return some, left, pg.Failed(err, "set shard_id")
	}
	ofAnother, err := q.UploadRemember(ctx, remember)
	m.ofAnother = max(m.ofAnother, ofAnother)
	return some, left, pg.Failed(err, "remember what was sent")
}

// rowsOf returns the rows that were sent of some jobs, each with its version.
func (u *upload) rowsOf(jobs []int64) (rows sharddb.AcknowledgeLockParams) {
	for _, job := range u.sent {
		if _, wanted := slices.BinarySearch(jobs, job.id); !wanted {
			continue
		}
		for _, entry := range job.records[1:] {
			rows.EntryIds = append(rows.EntryIds, entry.id)
			rows.EntryVersions = append(rows.EntryVersions, entry.version)
			rows.JobIds = append(rows.JobIds, job.id)
			rows.JobVersions = append(rows.JobVersions, job.records[0].version)
		}
	}
	return rows
}

// answered notes that the master has answered the packet. Jobs that are left do not count as
// uploaded without progress.
func (m *memo) answered(ctx context.Context, q *sharddb.Queries, left map[int64]string, sure bool) (err error) {
	m.repeated, err = q.UploadAnswered(ctx, sharddb.UploadAnsweredParams{
		ID: m.packetID, Sure: sure, LeftJobIds: slices.Collect(maps.Keys(left)),
	})
	return pg.Failed(err, "note that the packet was answered")
}

// errNoProgress ends a beat in which all was done that could be, and that is not ok all the same:
// the next one will upload the same again (P11).
var errNoProgress = errors.New("the upload makes no progress")

// progress returns an error if the master has answered an upload in vain.
func (t *turn) progress(ctx context.Context) error {
	m := t.memo
	switch {
	case len(m.sent) == 0:
		return nil
	case !m.known:
		err := t.c.unknownShard(ctx, len(m.sent))
		if errors.Is(err, errNoProgress) {
			t.report.Repeated = len(m.sent)
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
