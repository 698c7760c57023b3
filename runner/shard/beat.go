package shard

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"shardclient/runner/afe"
	"shardclient/runner/apply"
	"shardclient/runner/beat"
	"shardclient/runner/guard"
	"shardclient/runner/lock"
	"shardclient/runner/pg"
	"shardclient/runner/search"
)

// turn is one beat under way.
type turn struct {
	c         *Client
	report    beat.Report
	watch     *beat.Stopwatch
	startedAt time.Time

	// Both are nil until the packet is packed.
	packet *afe.Packet // what travels
	memo   *memo       // what must be remembered of it

	refusedAll bool // an empty packet was refused
}

// Beat runs one heartbeat: pack, send, acknowledge, apply. A failure is in the report and harms
// nothing: every beat can be run again (P3). When ctx ends, a request in flight is given
// StopTimeout, and the beat as a whole FinishTimeout.
//
// The time of the first phase counts from since. A caller that has just opened its connections
// passes the time from before that.
func (c *Client) Beat(ctx context.Context, since time.Time) (report beat.Report) {
	err := guard.Run(func() error {
		report = c.beat(ctx, since)
		return nil
	})
	if err != nil { // what reports the beat has a fault itself
		report.Fail(err, string(afe.Internal),
			"a beat could not be reported; this is a fault of shard-client itself, please report it")
		_ = guard.Run(func() error {
			c.panicked(err) // logs the stack
			return nil
		})
		_ = guard.Run(func() error {
			c.letGo(context.WithoutCancel(ctx))
			return nil
		})
	}
	return report
}

func (c *Client) beat(ctx context.Context, since time.Time) beat.Report {
	t := &turn{c: c, startedAt: since, watch: beat.NewStopwatch(since)}
	t.report.Outcome = beat.OutcomeOK
	t.report.Batch = c.limit()
	t.watch.Start(&t.report.PackedMS)
	waits := c.lock.Waits()
	work, done := c.bounded(ctx)
	defer done()
	err := beat.WithCause(work, guard.Run(func() error {
		return lock.Explain(work, c.pool, t.run(ctx, work))
	}))
	Fail(&t.report, err, c.options.RedactError)
	t.report.LockWaits = c.lock.Waits() - waits
	t.watch.Stop()
	last, done := afterwards(work)
	defer done()
	if c.mustReconnect(err) {
		c.letGo(last)
		return t.report
	}
	err = guard.Run(func() error { return t.record(last) })
	switch {
	case c.panicked(err), t.report.OK() && c.mustReconnect(err): // an idle beat writes nothing but this
		Fail(&t.report, err, c.options.RedactError)
		c.letGo(last)
	case err != nil && t.report.OK():
		c.log.Warn("heartbeat not recorded in the history", "error", err)
	}
	t.watch.Stop()
	return t.report
}

// mustReconnect reports whether a beat failed in a way after which no connection can be trusted.
//
// A server that became read-only, or was demoted, keeps its connections, and the driver asks only a
// new one whether it takes writes; the lock and the pool may even be at two servers. So all of them
// go: each one that stayed would cost another beat. After a panic nobody knows in what state they
// are.
func (c *Client) mustReconnect(err error) bool {
	return errors.Is(err, lock.ErrLost) || pg.Classify(err) == pg.ReadOnly || c.panicked(err)
}

// run takes the four steps, within work. The request may end earlier: soon after ctx.
func (t *turn) run(ctx, work context.Context) error {
	t.report.Protocol = string(t.c.master.Protocol())
	if err := t.c.Own(work); err != nil {
		return err
	}
	if err := t.pack(work); err != nil {
		return fmt.Errorf("pack: %w", err)
	}

	t.watch.Start(&t.report.RPCMS)
	response, err := t.send(ctx, work)
	if err != nil {
		return t.learn(work, err)
	}
	defer response.Close()
	t.received(response)

	// What was sent and what came have nothing to do with each other: one step may go on where the
	// other failed.
	t.watch.Start(&t.report.AckMS)
	failed := t.conclude(work, response.Sure)
	if failed != nil && !pg.IsOfOneStep(failed) {
		return failed
	}

	t.watch.Start(&t.report.ApplyMS)
	err = pg.Together(failed, t.apply(work, response))
	if failed != nil { // nothing is known about progress
		return err
	}
	return cmp.Or(err, t.progress(work))
}

// pack builds the packet, up to the moment when it may leave.
func (t *turn) pack(ctx context.Context) error {
	packet, memo, err := t.c.pack(ctx)
	if err != nil {
		return err
	}
	t.packet, t.memo = packet, memo
	t.report.KnownJobs = len(packet.KnownJobIDs)
	t.report.KnownHosts = len(packet.KnownHostIDs)
	t.report.Pending = len(memo.finished.Ids)
	t.report.Batch = memo.batch
	return t.c.leave(ctx, memo)
}

// send calls the master. How that ends decides how much the next packet may hold.
func (t *turn) send(ctx, work context.Context) (*afe.Response, error) {
	c := t.c
	cause := fmt.Errorf("stopped: the request was given %s to end (--stop-timeout)", c.options.StopTimeout)
	request, cancel := beat.Outlive(work, ctx, c.options.StopTimeout, cause)
	defer cancel()
	began := time.Now()
	response, err := c.master.Heartbeat(request, t.packet)
	took := time.Since(began)
	switch size := t.memo.size(); {
	case err == nil:
		t.report.Batch = t.memo.batch.Grown(size, c.limit(), took, c.options.RPCTimeout)
	case afe.Judge(err).Is(afe.Overloaded):
		t.report.Batch = t.memo.batch.Halved(size)
	}
	return response, err
}

// learn notes in the ledger what a failed call may still do on the master, and draws from it what
// it shows about the records in the packet. It returns the failure.
func (t *turn) learn(ctx context.Context, failure error) error {
	if err := t.c.settle(ctx, t.memo, afe.Clear(failure)); err != nil {
		t.c.log.Warn("upload ledger not updated after a failed heartbeat; jobs may be uploaded once more", "error", err)
	}
	if err := t.judge(ctx, failure); err != nil {
		return errors.Join(failure, err)
	}
	if t.refusedAll {
		return &refusedAllError{failure}
	}
	return failure
}

// conclude acknowledges what was sent, and draws from the success what it shows about the records
// in the packet.
func (t *turn) conclude(ctx context.Context, sure bool) error {
	done, err := t.c.acknowledge(ctx, t.memo, sure)
	t.report.UploadedJobs, t.report.UploadedEntries = done.jobs, done.entries
	if pg.OfOneObject(ctx, err) {
		err = t.acknowledgeFewer(ctx, sure, err)
	}
	if err != nil {
		err = fmt.Errorf("acknowledge %s: %w", beat.Jobs(len(t.memo.sent)), err)
		if !pg.IsOfOneStep(err) {
			return err
		}
	}
	if t.report.OfAnother = int(t.memo.ofAnother); t.report.OfAnother > 0 {
		t.c.log.Warn("another client has acknowledged jobs of this shard; they were uploaded once more",
			"jobs", t.report.OfAnother)
	}
	err = pg.Together(err, t.judge(ctx, nil))
	if len(t.memo.waiting) > 0 && (done.jobs > 0 || t.memo.aside > 0) { // without progress there is no hurry
		t.report.Soon = true
	}
	return err
}

// judge draws from how the packet was received what that shows about the records in it; failure is
// nil when it passed.
func (t *turn) judge(ctx context.Context, failure error) error {
	m := t.memo
	found, err := t.c.search.Judge(ctx, search.Packet{
		Plan: m.plan, HostIDs: t.packet.KnownHostIDs, JobIDs: jobIDs(m.sent), Waiting: m.waiting,
		Least: m.batch.Jobs == 1, Aside: m.packedAside,
	}, failure)
	t.refusedAll = found.All
	t.report.Soon = found.Soon
	t.report.Quarantined = found.Aside + m.aside
	return err
}

// received counts what the master sent, before anything of it is stored.
func (t *turn) received(response *afe.Response) {
	t.report.Protocol = string(response.Protocol)
	t.report.RequestBytes, t.report.ResponseBytes = response.Sent, response.Size
	t.report.ReceivedHosts = response.Hosts.Len()
	t.report.ReceivedJobs = response.Jobs.Len()
	t.report.ReceivedKeyvals = response.SuiteKeyvals.Len()
}

// apply stores what the master sent.
func (t *turn) apply(ctx context.Context, response *afe.Response) error {
	aside, err := apply.Response(ctx, &t.c.apply, response)
	t.report.Quarantined += aside
	if err != nil {
		return fmt.Errorf("apply: %w", err)
	}
	// With a section missing for good a shard would starve of hosts or jobs while all looks well.
	return response.Incomplete
}
