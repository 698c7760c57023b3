package main

import (
	"context"
	"time"

	"shardclient/runner/afe"
	"shardclient/runner/config"
	"shardclient/runner/ops"
	"shardclient/runner/shard"
	"shardclient/schema"
)

// failures are all classes of failure that a beat can have.
var failures = []string{
	string(afe.Transport), string(afe.Deadline), string(afe.HTTPStatus), string(afe.Undecodable),
	string(afe.Incomplete), string(afe.TooLarge), string(afe.RPC), shard.FailureDatabase, shard.FailureLockLost,
}

// databaseGrace is what a beat may need besides its RPC before it counts as
// hanging: a few statements that each wait for a lock until their own timeout.
const databaseGrace = 5 * time.Minute

// watch is what others see of `run`: metrics and health, served when --listen
// says where.
type watch struct {
	metrics *ops.Metrics
	health  *ops.Health
	server  *ops.Server // nil without --listen
}

func (p *program) watch(ctx context.Context) (*watch, error) {
	newest, err := schema.Latest()
	if err != nil {
		return nil, err
	}
	c := p.settings
	w := &watch{
		metrics: ops.NewMetrics(ops.MetricsOptions{
			Version: version, SchemaVersion: newest, Failures: failures,
			UploadLimitJobs: c.MaxUploadJobs, UploadLimitBytes: int64(c.MaxUploadBytes),
		}),
		// The longest pause is one after an outage: the pause, jittered, and a splay.
		health: ops.NewHealth(3*c.HeartbeatPause + c.Splay() + c.RPCTimeout + databaseGrace),
	}
	if c.Listen == "" {
		return w, nil
	}
	if w.server, err = ops.Serve(ctx, c.Listen, w.metrics, w.health, p.log); err != nil {
		return nil, &usageError{&config.SettingError{
			Flag: "listen", Value: c.Listen, Cause: err.Error(),
			Hint: "give an address of this machine with a port that is free, or stop what listens there, perhaps another shard-client",
		}}
	}
	p.log.Info("metrics and health are served", "address", w.server.Address(), "paths", "/metrics /healthz")
	return w, nil
}

func (w *watch) close() {
	if w.server != nil {
		_ = w.server.Close() // nothing depends on it any more
	}
}

// watched tells metrics and health of a beat before it goes back to the loop.
func (w *watch) watched(beat func(context.Context) shard.Beat) func(context.Context) shard.Beat {
	return func(ctx context.Context) shard.Beat {
		w.health.Begin("beat")
		b := beat(ctx)
		facts := factsOf(&b)
		w.metrics.Observe(facts)
		w.health.Observe(facts)
		return b
	}
}

func factsOf(b *shard.Beat) *ops.Beat {
	// The time of the RPC begins when the packet is built; all that is known of the
	// packet stands behind it.
	facts := &ops.Beat{
		OK: b.OK(), Failure: b.Failure,
		Pack: milliseconds(b.PackedMS), RPC: milliseconds(b.RPCMS), Acknowledge: milliseconds(b.AckMS), Apply: milliseconds(b.ApplyMS),
		Sent: b.RPCMS > 0, KnownJobs: b.KnownJobs, KnownHosts: b.KnownHosts, PendingJobs: b.Pending - b.UploadedJobs,
		UploadedJobs: b.UploadedJobs, UploadedEntries: b.UploadedEntries,
		ReceivedHosts: b.ReceivedHosts, ReceivedJobs: b.ReceivedJobs, ReceivedKeyvals: b.ReceivedKeyvals,
		Quarantined: b.Quarantined, UploadLimitJobs: b.Batch.Jobs, UploadLimitBytes: b.Batch.Bytes,
	}
	if b.Quarantine != nil {
		facts.Quarantine = &ops.Quarantine{In: b.Quarantine.Incoming, Out: b.Quarantine.Outgoing, WaitingForHost: b.Quarantine.WaitingForHost}
	}
	return facts
}

func milliseconds(ms float64) time.Duration { return time.Duration(ms * float64(time.Millisecond)) }
