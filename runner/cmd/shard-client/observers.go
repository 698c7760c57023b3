package main

import (
	"context"
	"errors"
	"net"
	"sync"
	"syscall"

	"shardclient/runner/beat"
	"shardclient/runner/config"
	"shardclient/runner/guard"
	"shardclient/runner/ops"
	"shardclient/runner/page/status"
	"shardclient/runner/shard"
	"shardclient/schema"
)

// observers show `run` to others: metrics, health and the status page, served at the address of
// --listen.
type observers struct {
	metrics *ops.Metrics
	health  *ops.Health
	board   *status.Board
	systemd *ops.Systemd

	listener net.Listener // nil without --listen
	serve    func()       // begins to serve; more calls do nothing
	server   *ops.Server  // nil until then
	begun    sync.Once
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
	hangs := ops.HangsAfter(c.HeartbeatPause, c.Splay(), c.WholeBeat())
	health, err := ops.NewHealth(hangs)
	if err != nil {
		return nil, err
	}
	board, err := p.newBoard(health)
	if err != nil {
		return nil, err
	}
	systemd, err := ops.OpenSystemd(hangs)
	if err != nil {
		p.log.Warn("systemd cannot be told how this client is", "error", err)
	}
	health.Tell(systemd.Observe)
	o := &observers{metrics: metrics, health: health, board: board, systemd: systemd, serve: func() {}}
	if c.Listen == "" {
		return o, nil
	}
	if o.listener, err = ops.Listen(ctx, c.Listen); err != nil {
		return nil, &usageError{&config.SettingError{
			Flag: "listen", Value: c.Listen, Cause: err.Error(),
			Hint: toListen(err),
		}}
	}
	o.serve = func() {
		o.begun.Do(func() { o.server = ops.ServeAt(o.listener, metrics, health, board.Handler(), p.log) })
	}
	p.log.Info("metrics and health are served", "address", o.listener.Addr().String(), "paths", "/ /metrics /healthz")
	return o, nil
}

// toListen says what to do about an address at which nobody can be served.
func toListen(err error) string {
	switch {
	case errors.Is(err, syscall.EACCES):
		return "give a port from 1024 on, or let this user have it: " +
			"AmbientCapabilities=CAP_NET_BIND_SERVICE in the systemd unit"
	case errors.Is(err, syscall.EADDRINUSE):
		return "stop what listens there, perhaps another shard-client, or give a port that is free"
	default:
		return "give an address of this machine, or the port alone, as in :9464"
	}
}

func (o *observers) close() {
	o.begun.Do(func() {
		if o.listener != nil {
			_ = o.listener.Close() // nobody was served
		}
	})
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
			o.board.Observe(&report)
			return nil
		})
		return report
	}
}
