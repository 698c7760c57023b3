package shard

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/go-json-experiment/json"

	sharddb "shardclient/gen/sharddb"
	"shardclient/runner/afe"
	"shardclient/runner/plain"
)

// Beat tells how one heartbeat went. Its JSON is a contract: `once --output
// json` prints it.
type Beat struct {
	Outcome string `json:"outcome"` // ok, failed
	// Failure is the class of what failed: "", transport, deadline, http_status,
	// undecodable, incomplete, too_large, rpc_error, database, lock_lost.
	Failure string `json:"failure"`
	Error   string `json:"error"`

	// The four phases make up the whole time of the beat.
	PackedMS float64 `json:"packed_ms"`
	RPCMS    float64 `json:"rpc_ms"`
	AckMS    float64 `json:"ack_ms"`
	ApplyMS  float64 `json:"apply_ms"`

	KnownJobs       int `json:"known_jobs"` // as sent
	KnownHosts      int `json:"known_hosts"`
	UploadedJobs    int `json:"uploaded_jobs"` // as acknowledged
	UploadedEntries int `json:"uploaded_entries"`
	ReceivedHosts   int `json:"received_hosts"` // bad ones included
	ReceivedJobs    int `json:"received_jobs"`
	ReceivedKeyvals int `json:"received_keyvals"`
	Quarantined     int `json:"quarantined"` // by this beat

	// Soon says that the next beat should follow after a short pause: finished jobs
	// are left for the next packet, or the record that the master refuses is looked for.
	Soon bool `json:"-"`
	// Pending counts the finished jobs when the packet was built, those in it too.
	Pending int `json:"-"`
	// Batch is what the next packet may hold.
	Batch Batch `json:"-"`
	// Quarantine counts all that is set aside after the beat; nil: not counted.
	Quarantine *sharddb.QuarantineSizeRow `json:"-"`
	// Err is what Error says; nil when the beat is ok.
	Err error `json:"-"`

	startedAt time.Time
	protocol  afe.Protocol
	large     largeTurn
	probe     string
}

// Outcomes of a beat.
const (
	OutcomeOK     = "ok"
	OutcomeFailed = "failed"
)

// Failures that are not the wire's.
const (
	FailureDatabase = "database"
	FailureLockLost = "lock_lost"
)

// OK tells whether the beat did all it was to do.
func (b *Beat) OK() bool { return b.Outcome == OutcomeOK }

// Beat runs one heartbeat: pack, send, acknowledge, apply. A failure is told in
// the result and harms nothing: every beat can be run again (P3). When ctx ends,
// an RPC in flight gets StopTimeout; all else finishes.
//
// since is when the time of the first phase began; a caller that has just opened
// its connections passes the time before that.
func (c *Client) Beat(ctx context.Context, since time.Time) Beat {
	b := Beat{startedAt: since, protocol: c.master.Protocol(), Batch: c.limit()}
	watch := stopwatch{last: since}
	err := c.beat(ctx, &b, &watch)
	b.Fail(err, c.options.Redact)
	watch.stop()
	// A server that became read-only, or was demoted, keeps its connections, and the
	// driver asks only a new one whether it takes writes; the lock and the pool may
	// even be at two servers. So all of them go. A connection that is left would cost
	// another beat. The next one takes the lock anew, or meets who has it.
	if errors.Is(err, ErrLockLost) || classify(err) == readOnly {
		c.owner.release(context.WithoutCancel(ctx))
		c.pool.Reset()
		return b
	}
	if err := c.record(context.WithoutCancel(ctx), &b); err != nil && b.OK() {
		c.log.Warn("heartbeat not recorded in the history", "error", err)
	}
	watch.stop()
	return b
}

// Fail fills in outcome, class and text of an error; nil means ok. The text is
// redacted before it is cut, so that no half of a secret is left.
func (b *Beat) Fail(err error, redact func(string) string) {
	b.Outcome, b.Failure, b.Error, b.Err = OutcomeOK, "", "", err
	if err != nil {
		b.Outcome, b.Failure, b.Error = OutcomeFailed, failureClass(err), plain.Line(redact(err.Error()), maxErrorText)
	}
}

func (c *Client) beat(ctx context.Context, b *Beat, watch *stopwatch) error {
	work := context.WithoutCancel(ctx) // a step that began is finished
	watch.start(&b.PackedMS)
	if err := c.Own(work); err != nil {
		return err
	}
	p, err := c.pack(work)
	if err != nil {
		return fmt.Errorf("pack: %w", err)
	}
	b.KnownJobs, b.KnownHosts, b.Pending = len(p.packet.KnownJobIDs), len(p.packet.KnownHostIDs), p.pending
	b.large, b.probe, b.Batch = p.large, p.plan.Mode, p.batch
	if err := c.markUnsure(work, p); err != nil {
		return fmt.Errorf("pack: %w", err)
	}

	watch.start(&b.RPCMS)
	began := time.Now()
	response, err := c.send(ctx, p)
	b.Batch = p.batch.after(p.size(), c.limit(), err, time.Since(began), c.options.RPCTimeout)
	if err != nil {
		return c.learn(work, b, p, err)
	}
	b.protocol = response.Protocol
	b.ReceivedHosts, b.ReceivedJobs, b.ReceivedKeyvals = len(response.Hosts), len(response.Jobs), len(response.SuiteKeyvals)

	watch.start(&b.AckMS)
	acknowledged, err := c.acknowledge(work, p, response.Sure)
	if err != nil {
		return fmt.Errorf("acknowledge %d jobs: %w", len(p.sent.JobIds), err)
	}
	b.UploadedJobs, b.UploadedEntries = int(acknowledged.Jobs), int(acknowledged.Entries)
	verdict, err := c.judge(work, p, nil)
	if err != nil {
		return err
	}
	// Without progress there is no hurry.
	b.Soon = verdict.soon || len(p.waiting) > 0 && acknowledged.Jobs > 0

	watch.start(&b.ApplyMS)
	aside, err := c.apply(work, response)
	b.Quarantined = aside + len(verdict.ids)
	if err != nil {
		return fmt.Errorf("apply: %w", err)
	}
	// With a section missing for good a shard would starve of hosts or jobs while all
	// looks well.
	return response.Incomplete
}

// learn draws from a failed beat what it says of the records in it.
func (c *Client) learn(ctx context.Context, b *Beat, p *packed, reason error) error {
	verdict, err := c.judge(ctx, p, reason)
	if err != nil {
		return errors.Join(reason, err)
	}
	b.Soon, b.Quarantined = verdict.soon, len(verdict.ids)
	return reason
}

// limit is the largest batch that the settings allow.
func (c *Client) limit() Batch { return Batch{c.options.MaxUploadJobs, c.options.MaxUploadBytes} }

// send grants an RPC in flight StopTimeout after ctx has ended. Its outcome
// decides what the ledger believes of the packets that held an open entry.
func (c *Client) send(ctx context.Context, p *packed) (*afe.Response, error) {
	work := context.WithoutCancel(ctx)
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
	response, err := c.master.Heartbeat(rpc, p.packet)
	if err == nil {
		return response, nil
	}
	if ledgerErr := c.settle(work, p, isClear(err)); ledgerErr != nil {
		c.log.Warn("upload ledger not updated after a failed heartbeat; jobs may be uploaded once more", "error", ledgerErr)
	}
	return nil, err
}

// isClear tells that the master has answered the only request of this beat, so
// that no copy of the packet can be stored later.
func isClear(err error) bool {
	var failure *afe.Error
	return errors.As(err, &failure) && !failure.Unsure
}

func failureClass(err error) string {
	var failure *afe.Error
	switch {
	case errors.As(err, &failure):
		return string(failure.Class)
	case errors.Is(err, ErrLockLost):
		return FailureLockLost
	default:
		return FailureDatabase
	}
}

// record adds the beat to the history and keeps history and quarantine within
// their limits (P9).
func (c *Client) record(ctx context.Context, b *Beat) error {
	body, err := json.Marshal(b)
	if err != nil {
		return fmt.Errorf("record heartbeat: %w", err)
	}
	batch := b.Batch
	if b.probe == "" {
		batch = Batch{} // nothing was packed: the last packet's stays
	}
	return c.write(ctx, func(q *sharddb.Queries) error {
		if err := q.HeartbeatRecord(ctx, sharddb.HeartbeatRecordParams{
			StartedAt: b.startedAt, Epoch: c.owner.epoch, Protocol: string(b.protocol),
			LargeWaiting: b.large.waiting, LargeJobID: b.large.jobID, Probe: b.probe, Beat: body,
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
		b.Quarantine = &size
		return nil
	})
}

// stopwatch gives all time to one phase or another, so that the phases explain
// the whole beat. Time after the last phase began counts to that phase.
type stopwatch struct {
	last  time.Time
	phase *float64
}

func (w *stopwatch) start(phase *float64) {
	if w.phase != nil {
		w.stop()
	}
	w.phase = phase
}

func (w *stopwatch) stop() {
	now := time.Now()
	// Whole microseconds, so that no sum prints as 3.2439999999999998.
	*w.phase = math.Round(*w.phase*1000+float64(now.Sub(w.last).Microseconds())) / 1000
	w.last = now
}
