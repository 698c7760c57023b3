package main

import (
	"context"
	"time"

	"shardclient/runner/beat"
	"shardclient/runner/config"
	"shardclient/runner/ops"
	"shardclient/runner/shard"
	"shardclient/schema"
)

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
	w := &watch{}
	if w.metrics, err = ops.NewMetrics(ops.MetricsOptions{
		Version: version, SchemaVersion: newest, Failures: shard.Failures(),
		UploadLimit: beat.Batch{Jobs: c.MaxUploadJobs, Bytes: int64(c.MaxUploadBytes)},
	}); err != nil {
		return nil, err
	}
	// The longest pause is one after an outage: the pause, jittered, and a splay.
	if w.health, err = ops.NewHealth(3*c.HeartbeatPause + c.Splay() + c.RPCTimeout + databaseGrace); err != nil {
		return nil, err
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

// watched lets metrics and health observe a beat before it goes back to the loop.
func (w *watch) watched(turn func(context.Context) beat.Report) func(context.Context) beat.Report {
	return func(ctx context.Context) beat.Report {
		w.health.Doing("beat")
		report := turn(ctx)
		w.metrics.Observe(&report)
		w.health.Observe(&report)
		return report
	}
}
