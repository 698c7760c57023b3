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
	return c.lock.WriteAtOnce(ctx, func(db pg.DB) error {
		var err error
		m.packetID, err = sharddb.New(db).UploadLeave(ctx, sharddb.UploadLeaveParams{
			RpcTimeoutSeconds: c.options.RPCTimeout.Seconds(), JobIds: jobIDs(m.sent), Digests: digests(m.sent),
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

// acknowledged counts the jobs and entries that read the same here and on the master.
type acknowledged struct {
	jobs, entries int
	remember      sharddb.UploadRememberParams // about all jobs that were locked
}

// acknowledge notes that the master has stored the packet. sure says that no other copy of it is on
// its way. The error is a [*pg.LockedError] when some jobs wait for another session; they are
// uploaded again.
func (c *Client) acknowledge(ctx context.Context, m *memo, sure bool) (total acknowledged, err error) {
	jobs, left := m.sent, map[int64]string{}
	for try := 1; len(jobs) > 0 && (try == 1 || c.lock.Pause(ctx, c.options.LockTimeout, try-1)); try++ {
		var some acknowledged
		err := c.lock.WriteRows(ctx, func(tx *pg.Tx) (err error) {
			some, left, err = c.acknowledgeFree(ctx, tx, m, jobs)
			switch {
			case err != nil:
				return err
			case !m.known:
				return m.settle(ctx, sharddb.New(tx), sure)
			}
			last := []pg.Ask{m.remember(ctx, &some.remember)}
			if len(left) == 0 || try == lock.Tries {
				last = append(last, m.answered(ctx, left, sure))
			}
			return tx.Finish(ctx, last...)
		}, pg.PlansByKey(ctx), func(db pg.DB) error { return sharddb.New(db).AcknowledgeBegin(ctx) })
		if err != nil || !m.known {
			return total, err
		}
		total.jobs += some.jobs
		total.entries += some.entries
		jobs = slices.DeleteFunc(slices.Clone(jobs), func(job *finishedJob) bool { return left[job.id] == "" })
	}
	return total, pg.LeftFor(aside.KindJob, left)
}

// acknowledgeFree acknowledges those of the jobs that no other session has locked, and returns what
// is in the way of the others.
func (c *Client) acknowledgeFree(
	ctx context.Context, tx *pg.Tx, m *memo, jobs []*finishedJob,
) (some acknowledged, left map[int64]string, err error) {
	locked, touched, left, err := lockJobs(ctx, tx, jobs)
	if err != nil {
		return some, nil, fmt.Errorf("lock jobs and their entries: %w", err)
	}
	changed, err := changedSince(ctx, tx, touched)
	if err != nil {
		return some, nil, fmt.Errorf("compare with what was sent: %w", err)
	}
	sent := sharddb.AcknowledgeJobsParams{JobIds: jobIDs(locked), ShardHostname: c.options.ShardHostname}
	remember := &some.remember
	remember.PacketID, remember.RpcTimeoutSeconds = m.packetID, c.options.RPCTimeout.Seconds()
	remember.JobIds, remember.Digests = sent.JobIds, digests(locked)
	for _, job := range locked {
		if changed[job.id] {
			sent.ChangedIds = append(sent.ChangedIds, job.id)
		} else {
			some.jobs++
			some.entries += len(job.records) - 1
		}
		for _, entry := range job.records[1:] {
			if entry.complete {
				remember.CompleteEntryIds = append(remember.CompleteEntryIds, entry.id)
			} else if n := len(remember.OpenJobIds); n == 0 || remember.OpenJobIds[n-1] != job.id {
				remember.OpenJobIds = append(remember.OpenJobIds, job.id)
			}
		}
	}
	m.known, err = sharddb.New(tx).AcknowledgeJobs(ctx, sent)
	return some, left, pg.Failed(err, "set shard_id")
}

// lockJobs locks jobs. It returns them, those of them that somebody has written since they were
// read, and what is in the way of the others.
func lockJobs(
	ctx context.Context, tx *pg.Tx, jobs []*finishedJob,
) (locked, touched []*finishedJob, left map[int64]string, err error) {
	ids, versions := jobIDs(jobs), make([]int64, len(jobs))
	for i, job := range jobs {
		versions[i] = job.records[0].version
	}
	var rows []sharddb.AcknowledgeLockRow
	var entries []sharddb.AcknowledgeEntriesRow
	err = tx.Together(ctx,
		func(db pg.DB) (err error) {
			rows, err = sharddb.New(db).AcknowledgeLock(ctx, ids, versions)
			return err
		},
		func(db pg.DB) (err error) {
			entries, err = sharddb.New(db).AcknowledgeEntries(ctx, ids)
			return err
		})
	if err != nil {
		return nil, nil, nil, err
	}
	left = map[int64]string{}
	for i, job := range jobs {
		n := 0
		for n < len(entries) && entries[n].JobID == job.id {
			n++
		}
		same := rows[i].Untouched && slices.EqualFunc(job.records[1:], entries[:n], unwritten)
		entries = entries[n:]
		if rows[i].InTheWay {
			left[job.id] = fmt.Sprintf("afe_jobs %d", job.id)
		} else if rows[i].Ours {
			locked = append(locked, job)
			if !same {
				touched = append(touched, job)
			}
		}
	}
	if len(touched) == 0 {
		return locked, nil, left, nil
	}
	// What is being written cannot be compared before it is committed.
	blocked, err := sharddb.New(tx).AcknowledgeLockEntries(ctx, jobIDs(touched))
	for _, job := range blocked {
		left[job.JobID] = fmt.Sprintf("afe_host_queue_entries %d", job.EntryID)
	}
	isLeft := func(job *finishedJob) bool { return left[job.id] != "" }
	return slices.DeleteFunc(locked, isLeft), slices.DeleteFunc(touched, isLeft), left, err
}

// unwritten reports whether nobody has written an entry since it was read, nor is about to.
func unwritten(was *record, now sharddb.AcknowledgeEntriesRow) bool {
	return was.id == now.ID && was.version == now.Version && now.Free
}

// remember notes in the ledger what was sent about jobs that are locked.
func (u *upload) remember(ctx context.Context, sent *sharddb.UploadRememberParams) pg.Ask {
	return func(db pg.DB) error {
		ofAnother, err := sharddb.New(db).UploadRemember(ctx, *sent)
		u.ofAnother = max(u.ofAnother, ofAnother)
		return pg.Failed(err, "remember what was sent")
	}
}

// answered notes that the master has answered the packet. Jobs that are left do not count as
// uploaded without progress.
func (u *upload) answered(ctx context.Context, left map[int64]string, sure bool) pg.Ask {
	return func(db pg.DB) (err error) {
		u.repeated, err = sharddb.New(db).UploadAnswered(ctx, sharddb.UploadAnsweredParams{
			ID: u.packetID, Sure: sure, LeftJobIds: slices.Collect(maps.Keys(left)),
		})
		return pg.Failed(err, "note that the packet was answered")
	}
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
