package main

import (
	"context"

	"shardclient/runner/beat"
	"shardclient/runner/config"
	"shardclient/runner/guard"
	"shardclient/runner/ops"
	"shardclient/runner/shard"
	"shardclient/schema"
)

// observers show `run` to others: metrics and health, served at the address of --listen.
type observers struct {
	metrics *ops.Metrics
	health  *ops.Health
	server  *ops.Server // nil without --listen
}

func (p *program) openObservers(ctx context.Context) (*observers, error) {
	newest, err := schema.Latest()
	if err != nil {
		return nil, err
	}
	c := p.settings
	metrics, err := ops.NewMetrics(ops.MetricsOptions{
		Version:       version,
		SchemaVersion: newest,
		Failures:      shard.Failures(),
		UploadLimit:   beat.Batch{Jobs: c.MaxUploadJobs, Bytes: int64(c.MaxUploadBytes)},
		LostLines:     p.lines.Lost,
	})
	if err != nil {
		return nil, err
	}
	health, err := ops.NewHealth(ops.HangsAfter(c.HeartbeatPause, c.Splay(), c.WholeBeat()))
	if err != nil {
		return nil, err
	}
	o := &observers{metrics: metrics, health: health}
	if c.Listen == "" {
		return o, nil
	}
	if o.server, err = ops.Serve(ctx, c.Listen, metrics, health, p.log); err != nil {
		return nil, &usageError{&config.SettingError{
			Flag: "listen", Value: c.Listen, Cause: err.Error(),
			Hint: "give an address of this machine with a port that is free, " +
				"or stop what listens there, perhaps another shard-client",
		}}
	}
	p.log.Info("metrics and health are served", "address", o.server.Address(), "paths", "/metrics /healthz")
	return o, nil
}

func (o *observers) close() {
	if o.server != nil {
		_ = o.server.Close() // nothing depends on it any more
	}
}

// observed returns a beat that metrics and health observe before its report goes back to the loop.
func (o *observers) observed(turn func(context.Context) beat.Report) func(context.Context) beat.Report {
	return func(ctx context.Context) beat.Report {
		o.health.Doing("beat")
		report := turn(ctx)
		// A number that cannot be shown must not end what it is about.
		_ = guard.Run(func() error {
			o.health.Observe(&report)
			o.metrics.Observe(&report)
			return nil
		})
		return report
	}
}
