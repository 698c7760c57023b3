package shard

import (
	"context"
	"errors"
	"fmt"
	"time"

	"shardclient/gen/sharddb"
	"shardclient/runner/afe"
	"shardclient/runner/beat"
	"shardclient/runner/lock"
	"shardclient/runner/pg"
	"shardclient/runner/plain"
)

// turn is one beat under way: its report, and what the history keeps for the next beat.
type turn struct {
	report    beat.Report
	watch     *beat.Stopwatch
	startedAt time.Time
	mode      string // of the packet, see search.go; "": nothing was packed
	large     largeTurn
}

// Beat runs one heartbeat: pack, send, acknowledge, apply. A failure stands in the report and harms
// nothing: every beat can be run again (P3). When ctx ends, an RPC in flight gets StopTimeout; all
// else finishes.
//
// since is when the time of the first phase began; a caller that has just opened its connections
// passes the time before that.
func (c *Client) Beat(ctx context.Context, since time.Time) beat.Report {
	work := context.WithoutCancel(ctx) // a step that began is finished
	t := &turn{startedAt: since, watch: beat.NewStopwatch(since)}
	t.report.Outcome, t.report.Batch = beat.OutcomeOK, c.limit()
	t.watch.Start(&t.report.PackedMS)
	err := guarded(func() error { return c.beat(ctx, work, t) })
	Fail(&t.report, err, c.options.Redact)
	t.watch.Stop()
	// A server that became read-only, or was demoted, keeps its connections, and the driver asks only
	// a new one whether it takes writes; the lock and the pool may even be at two servers. So all of
	// them go. A connection that is left would cost another beat. After a panic nobody knows what is
	// left open on them.
	if errors.Is(err, lock.ErrLost) || pg.Classify(err) == pg.ReadOnly || c.panicked(err) {
		c.letGo(work)
		return t.report
	}
	err = guarded(func() error { return c.record(work, t) })
	switch {
	case c.panicked(err):
		Fail(&t.report, err, c.options.Redact)
		c.letGo(work)
	case err != nil && t.report.OK():
		c.log.Warn("heartbeat not recorded in the history", "error", err)
	}
	t.watch.Stop()
	return t.report
}

// beat runs the four steps; only the request ends with ctx.
func (c *Client) beat(ctx, work context.Context, t *turn) error {
	r := &t.report
	r.Protocol = string(c.master.Protocol())
	if err := c.Own(work); err != nil {
		return err
	}
	packet, memo, err := c.pack(work)
	if err != nil {
		return fmt.Errorf("pack: %w", err)
	}
	r.KnownJobs, r.KnownHosts, r.Pending = len(packet.KnownJobIDs), len(packet.KnownHostIDs), memo.pending
	r.Batch, t.mode, t.large = memo.batch, memo.plan.Mode, memo.large
	if err := c.markUnsure(work, memo); err != nil {
		return fmt.Errorf("pack: %w", err)
	}

	t.watch.Start(&r.RPCMS)
	response, err := c.send(ctx, work, packet, memo, r)
	if err != nil {
		return c.learn(work, packet, memo, r, err)
	}
	r.Protocol = string(response.Protocol)
	r.ReceivedHosts, r.ReceivedJobs, r.ReceivedKeyvals = len(response.Hosts), len(response.Jobs), len(response.SuiteKeyvals)

	t.watch.Start(&r.AckMS)
	if err := c.conclude(work, packet, memo, r, response.Sure); err != nil {
		return err
	}
	t.watch.Start(&r.ApplyMS)
	aside, err := c.apply(work, response)
	r.Quarantined += aside
	if err != nil {
		return fmt.Errorf("apply: %w", err)
	}
	// With a section missing for good a shard would starve of hosts or jobs while all looks well.
	return response.Incomplete
}

// conclude acknowledges what was sent and draws from the success what it says of the records.
func (c *Client) conclude(ctx context.Context, packet *afe.Packet, memo *memo, r *beat.Report, sure bool) error {
	acknowledged, err := c.acknowledge(ctx, memo, sure)
	if err != nil {
		return fmt.Errorf("acknowledge %d jobs: %w", len(memo.sent.JobIds), err)
	}
	r.UploadedJobs, r.UploadedEntries = int(acknowledged.Jobs), int(acknowledged.Entries)
	found, err := c.judge(ctx, packet, memo, nil)
	if err != nil {
		return err
	}
	// Without progress there is no hurry.
	r.Soon = found.soon || len(memo.waiting) > 0 && acknowledged.Jobs > 0
	r.Quarantined = len(found.ids)
	return nil
}

// learn draws from a failed call what it says of the records in the packet.
func (c *Client) learn(ctx context.Context, packet *afe.Packet, memo *memo, r *beat.Report, reason error) error {
	found, err := c.judge(ctx, packet, memo, reason)
	if err != nil {
		return errors.Join(reason, err)
	}
	r.Soon, r.Quarantined = found.soon, len(found.ids)
	return reason
}

// send grants an RPC in flight StopTimeout after ctx has ended. Its outcome decides how large the
// next packet may be, and what the ledger believes of the packets that held an open entry.
func (c *Client) send(ctx, work context.Context, packet *afe.Packet, memo *memo, r *beat.Report) (*afe.Response, error) {
	rpc, cancel := context.WithCancelCause(work)
	defer cancel(nil)
	stop := context.AfterFunc(ctx, func() {
		timer := time.NewTimer(c.options.StopTimeout)
		defer timer.Stop()
		select {
		case <-rpc.Done():
		case <-timer.C:
			cancel(fmt.Errorf("stopped: the request was given %s to end (--stop-timeout)", c.options.StopTimeout))
		}
	})
	defer stop()
	began := time.Now()
	response, err := c.master.Heartbeat(rpc, packet)
	size := uploadSize(packet)
	if err == nil {
		r.Batch = memo.batch.Grown(size, c.limit(), time.Since(began), c.options.RPCTimeout)
		return response, nil
	}
	if afe.Judge(err).Is(afe.Overloaded) {
		r.Batch = memo.batch.Halved(size)
	}
	if ledgerErr := c.settle(work, memo, afe.Clear(err)); ledgerErr != nil {
		c.log.Warn("upload ledger not updated after a failed heartbeat; jobs may be uploaded once more", "error", ledgerErr)
	}
	return nil, err
}

// Fail fills in how a beat ended, from the class to what it means for the next beats; nil means ok.
// The text is redacted before it is cut, so that no half of a secret is left.
func Fail(r *beat.Report, err error, redact func(string) string) {
	if err == nil {
		return
	}
	r.Fail(err, failureClass(err), plain.Line(redact(err.Error()), maxErrorText))
	var held *lock.HeldError
	var failure *afe.Error
	r.Fatal = errors.As(err, &held)
	if errors.As(err, &failure) {
		r.Outage = afe.Judge(err).Outage()
		r.Abandoned = failure.Class == afe.Deadline
	}
}

func failureClass(err error) string {
	var failure *afe.Error
	var internal *internalError
	switch {
	case errors.As(err, &internal):
		return string(afe.Internal)
	case errors.As(err, &failure):
		return string(failure.Class)
	case errors.Is(err, lock.ErrLost):
		return beat.FailureLockLost
	default:
		return beat.FailureDatabase
	}
}

// record adds the beat to the history and keeps history and quarantine within their limits (P9).
func (c *Client) record(ctx context.Context, t *turn) error {
	body, err := encode(&t.report)
	if err != nil {
		return fmt.Errorf("record heartbeat: %w", err)
	}
	batch := t.report.Batch
	if t.mode == "" {
		batch = beat.Batch{} // nothing was packed: the last packet's stays
	}
	return c.lock.Write(ctx, func(q *sharddb.Queries) error {
		if err := q.HeartbeatRecord(ctx, sharddb.HeartbeatRecordParams{
			StartedAt: t.startedAt, Epoch: c.lock.Epoch(), Protocol: t.report.Protocol,
			LargeWaiting: t.large.waiting, LargeJobID: t.large.jobID, Probe: t.mode, Beat: body,
			BatchJobs: int64(batch.Jobs), BatchBytes: batch.Bytes,
		}); err != nil {
			return fmt.Errorf("record heartbeat: %w", err)
		}
		if _, err := q.HistoryPrune(ctx, c.options.HistoryKeep, c.options.QuarantineKeep); err != nil {
			return fmt.Errorf("prune history and quarantine: %w", err)
		}
		size, err := q.QuarantineSize(ctx)
		if err != nil {
			return fmt.Errorf("count quarantine: %w", err)
		}
		t.report.Quarantine = &beat.Quarantine{In: size.Incoming, Out: size.Outgoing, WaitingForHost: size.WaitingForHost}
		return nil
	})
}
