package main

import (
	"context"
	"errors"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/runner/beat"
	"shardclient/runner/config"
	"shardclient/runner/guard"
	"shardclient/runner/operator"
	"shardclient/runner/ops"
	"shardclient/runner/shard"
	"shardclient/schema"
)

// observers show `run` to others: metrics and health, served at the address of --listen, profiles
// at that of --pprof-listen, and what goes to statsd.
type observers struct {
	metrics  *ops.Metrics
	health   *ops.Health
	statsd   *ops.Statsd // nil without --statsd-addr
	profiles *ops.Server // nil without --pprof-listen
	ages     func(context.Context)
	fault    func(*beat.Report) // hears of each beat

	listener net.Listener // nil without --listen
	serve    func()       // begins to serve; more calls do nothing
	server   *ops.Server  // nil until then
	begun    sync.Once
}

func (p *program) openObservers(ctx context.Context, db *pgxpool.Pool) (*observers, error) {
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
		Deaths:        p.countDeaths,
	})
	if err != nil {
		return nil, err
	}
	health, err := ops.NewHealth(ops.HangsAfter(c.HeartbeatPause, c.Splay(), c.WholeBeat()))
	if err != nil {
		return nil, err
	}
	o := &observers{metrics: metrics, health: health, serve: func() {}, ages: func(context.Context) {}, fault: p.tellFault}
	if o.listener, err = listenAt(ctx, "listen", c.Listen); err != nil {
		return nil, err
	}
	if o.listener != nil {
		o.serve = func() {
			o.begun.Do(func() { o.server = ops.ServeAt(o.listener, metrics, health, p.log) })
		}
		o.ages = p.ages(db, metrics)
		p.log.Info("metrics and health are served", "address", o.listener.Addr().String(), "paths", "/metrics /healthz /readyz")
	}
	profiles, err := listenAt(ctx, "pprof-listen", c.PprofListen)
	if err != nil {
		o.close()
		return nil, err
	}
	if profiles != nil {
		o.profiles = ops.ServeProfiles(profiles, p.log)
		p.log.Info("profiles are served", "address", o.profiles.Address(), "paths", "/debug/pprof/")
	}
	if c.StatsdAddr != "" {
		o.statsd = ops.NewStatsd(c.StatsdAddr, c.StatsdPrefix, p.log)
		o.statsd.Count("starts")
		if register := p.deaths.Load(); register != nil && register.Crashed() {
			o.statsd.Count("uncaught_exceptions")
		}
	}
	return o, nil
}

// listenAt begins to listen at the address of a setting; nil: there is none.
func listenAt(ctx context.Context, flag, address string) (net.Listener, error) {
	if address == "" {
		return nil, nil
	}
	listener, err := ops.Listen(ctx, address)
	if err != nil {
		return nil, &usageError{&config.SettingError{
			Flag: flag, Value: address, Cause: err.Error(),
			Hint: toListen(err),
		}}
	}
	return listener, nil
}

// agesPatience is what looking for the ages of open jobs may take; 100,000 of them take a third of
// a second.
const agesPatience = 5 * time.Second

// ages returns what shows the ages of the open jobs. It is called between two beats, because it
// uses the connection that a beat uses, and looks no more often than once a pause: a backlog is
// drained by many beats.
func (p *program) ages(db *pgxpool.Pool, metrics *ops.Metrics) func(context.Context) {
	var looked time.Time
	return func(ctx context.Context) {
		if ctx.Err() != nil || time.Since(looked) < p.settings.HeartbeatPause/2 {
			return
		}
		looked = time.Now()
		ctx, cancel := context.WithTimeout(ctx, agesPatience)
		defer cancel()
		found, err := operator.OpenJobAges(ctx, db, ops.AgeBounds(), time.Now())
		if err != nil {
			p.log.Debug("ages of open jobs are not known", "error", err)
			return
		}
		metrics.ObserveAges(found.Buckets, found.Seconds, found.Oldest)
	}
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
	if o.profiles != nil {
		_ = o.profiles.Close()
	}
	if o.statsd != nil {
		o.statsd.Close()
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
			o.fault(&report)
			if o.statsd != nil {
				o.statsd.Observe(&report)
			}
			o.ages(ctx)
			return nil
		})
		return report
	}
}
