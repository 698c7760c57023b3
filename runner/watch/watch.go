// Package watch puts together what others see of a `run`: metrics, health, status page, profiles,
// and what goes to statsd. What each of these is stands in packages ops and page.
package watch

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/runner/beat"
	"shardclient/runner/config"
	"shardclient/runner/guard"
	"shardclient/runner/operator"
	"shardclient/runner/ops"
	"shardclient/runner/page/status"
	"shardclient/runner/shard"
	"shardclient/schema"
)

// Options are what a run knows of itself. All are required.
type Options struct {
	Settings  *config.Config
	DB        *pgxpool.Pool
	Version   string
	LostLines func() int64             // of the log
	Deaths    func(cause string) int64 // of this client
	Crashed   bool                     // the process before
	Fault     func(*beat.Report)       // hears of each beat
	Board     func(*ops.Health) (*status.Board, error)
	Log       *slog.Logger
}

// Observers show `run` to others: metrics, health and the status page, served at the address of
// --listen, profiles at that of --pprof-listen, and what goes to statsd.
type Observers struct {
	Metrics  *ops.Metrics
	Health   *ops.Health
	Systemd  *ops.Systemd
	board    *status.Board
	statsd   *ops.Statsd // nil without --statsd-addr
	profiles *ops.Server // nil without --pprof-listen
	ages     func(context.Context)
	fault    func(*beat.Report) // hears of each beat

	listener net.Listener // nil without --listen
	Serve    func()       // begins to serve at --listen; more calls do nothing
	server   *ops.Server  // nil until then
	begun    sync.Once
}

// Open begins to listen where the settings say. A [*config.SettingError] names an address at which
// that cannot be.
func Open(ctx context.Context, w Options) (*Observers, error) {
	newest, err := schema.Latest()
	if err != nil {
		return nil, err
	}
	c := w.Settings
	metrics, err := ops.NewMetrics(ops.MetricsOptions{
		Version: w.Version, SchemaVersion: newest, Failures: shard.Failures(), LostLines: w.LostLines, Deaths: w.Deaths,
		UploadLimit: beat.Batch{Jobs: c.MaxUploadJobs, Bytes: int64(c.MaxUploadBytes)},
	})
	if err != nil {
		return nil, err
	}
	hangs := ops.HangsAfter(c.HeartbeatPause, c.Splay(), c.WholeBeat())
	health, err := ops.NewHealth(hangs)
	if err != nil {
		return nil, err
	}
	board, err := w.Board(health)
	if err != nil {
		return nil, err
	}
	systemd, err := ops.OpenSystemd(hangs)
	if err != nil {
		w.Log.Warn("systemd cannot be told how this client is", "error", err)
	}
	health.Tell(systemd.Observe)
	o := &Observers{Metrics: metrics, Health: health, Systemd: systemd, board: board, Serve: func() {}, ages: func(context.Context) {}, fault: w.Fault}
	if o.listener, err = listenAt(ctx, "listen", c.Listen); err != nil {
		return nil, err
	}
	if o.listener != nil {
		o.Serve = func() {
			o.begun.Do(func() { o.server = ops.ServeAt(o.listener, metrics, health, board.Handler(), w.Log) })
		}
		o.ages = w.ages(metrics)
		w.Log.Info("metrics and health are served", "address", o.listener.Addr().String(), "paths", "/ /metrics /healthz /readyz")
	}
	profiles, err := listenAt(ctx, "pprof-listen", c.PprofListen)
	if err != nil {
		o.Close()
		return nil, err
	}
	if profiles != nil {
		o.profiles = ops.ServeProfiles(profiles, w.Log)
		w.Log.Info("profiles are served", "address", o.profiles.Address(), "paths", "/debug/pprof/")
	}
	if c.StatsdAddr != "" {
		o.statsd = ops.NewStatsd(c.StatsdAddr, c.StatsdPrefix, w.Log)
		o.statsd.Count("starts")
		if w.Crashed {
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
		return nil, &config.SettingError{Flag: flag, Value: address, Cause: err.Error(), Hint: ops.ToListen(err)}
	}
	return listener, nil
}

// agesPatience is what looking for the ages of open jobs may take; 100,000 of them take a third of
// a second.
const agesPatience = 5 * time.Second

// ages returns what shows the ages of the open jobs. It is called between two beats, because it
// uses the connection that a beat uses, and looks no more often than once a pause: a backlog is
// drained by many beats.
func (w *Options) ages(metrics *ops.Metrics) func(context.Context) {
	var looked time.Time
	return func(ctx context.Context) {
		if ctx.Err() != nil || time.Since(looked) < w.Settings.HeartbeatPause/2 {
			return
		}
		looked = time.Now()
		ctx, cancel := context.WithTimeout(ctx, agesPatience)
		defer cancel()
		found, err := operator.OpenJobAges(ctx, w.DB, ops.AgeBounds(), time.Now())
		if err != nil {
			w.Log.Debug("ages of open jobs are not known", "error", err)
			return
		}
		metrics.ObserveAges(found.Buckets, found.Seconds, found.Oldest)
	}
}

// Close ends all that is served.
func (o *Observers) Close() {
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

// Recall shows what is known of the beats before the start of this process.
func (o *Observers) Recall(ctx context.Context, past *beat.Past) {
	o.Metrics.Recall(past)
	o.Health.Recall(past)
	o.board.Recall(past)
	o.ages(ctx)
}

// Observed returns a beat that metrics and health observe before its report goes back to the loop.
func (o *Observers) Observed(turn func(context.Context) beat.Report) func(context.Context) beat.Report {
	return func(ctx context.Context) beat.Report {
		o.Health.Doing("beat")
		report := turn(ctx)
		// A number that cannot be shown must not end what it is about.
		_ = guard.Run(func() error {
			o.Health.Observe(&report)
			o.Metrics.Observe(&report)
			o.board.Observe(&report)
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
