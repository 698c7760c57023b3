package main

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/runner/beat"
	"shardclient/runner/config"
	"shardclient/runner/hint"
	"shardclient/runner/loop"
	"shardclient/runner/ops"
	"shardclient/runner/page/status"
	"shardclient/runner/watch"
)

// beatUntilStopped beats until a signal or the end of the lifetime.
func (p *program) beatUntilStopped(ctx context.Context) error {
	c, err := p.open(ctx)
	if err != nil {
		return err
	}
	defer c.close()
	p.warnOfRoot()
	o, err := p.openObservers(ctx, c.pool)
	if err != nil {
		return err
	}
	defer o.Close()
	stopping := func() { o.Systemd.Stopping(p.settings.WholeStop()) }
	context.AfterFunc(ctx, stopping)
	defer stopping()
	p.log.Info("shard-client starts", "version", version, "shard_hostname", p.settings.ShardHostname,
		"master", p.settings.Master, "proxy", c.proxy, "database", p.settings.RedactedDatabaseURL(),
		"heartbeat_pause_ms", p.settings.HeartbeatPause.Milliseconds())
	past, ready, err := p.waitForDatabase(ctx, c, o)
	if err != nil || !ready {
		return err
	}
	l, err := loop.New(loop.Options{
		Begins: p.begins,
		Beat: o.Observed(func(ctx context.Context) beat.Report {
			defer p.inHand.Store(false)
			report := c.Beat(ctx, time.Now())
			report.Hint = hint.For(report.Failure, report.Err)
			return report
		}),
		Pause:    p.settings.HeartbeatPause,
		Drain:    p.settings.DrainPause,
		Splay:    p.settings.Splay(),
		Lifetime: p.settings.Lifetime,
		Began:    p.began,
		Past:     past,
		Waits:    o.Health.Waits,
		Logger:   p.log,
	})
	if err != nil {
		return err
	}
	o.Health.Doing("wait for the first beat") // the splay
	return l.Run(ctx)
}

// waitForDatabase waits until the database answers, has our schema, and its lock is ours. It
// returns what the history knows, and reports false when a signal came or the lifetime was over
// before that. After the first try at the latest, metrics and health are served.
func (p *program) waitForDatabase(
	ctx context.Context, c *client, o *watch.Observers,
) (past beat.Past, ready bool, err error) {
	if lifetime := p.settings.Lifetime; lifetime > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, p.began.Add(lifetime))
		defer cancel()
	}
	anyway := time.AfterFunc(patienceOfScrapers, o.Serve)
	defer anyway.Stop()
	w := &waiting{p: p, client: c, health: o.Health, systemd: o.Systemd}
	err = w.forDatabase(ctx, func(ready bool) {
		if ready {
			past = p.recall(ctx, c, o)
		}
		o.Serve()
	})
	if stopped := ctx.Err(); stopped != nil && errors.Is(err, stopped) {
		p.log.Info("stopped while waiting for the database")
		return past, false, nil
	}
	return past, err == nil, err
}

// patienceOfScrapers is how long a request for metrics may wait at the start, until they are what
// they were before it.
const patienceOfScrapers = 2 * time.Second

// recall lets metrics and health go on where the last process left them. Without that, each restart
// would look like a beat that never succeeded and an empty quarantine.
func (p *program) recall(ctx context.Context, c *client, o *watch.Observers) beat.Past {
	past, err := c.Recall(ctx)
	if err != nil && ctx.Err() == nil { // the end of the wait says nothing about the history
		p.log.Warn("history not read; metrics and health begin anew", "error", err)
	}
	if err != nil {
		return beat.Past{}
	}
	o.Recall(ctx, &past)
	return past
}

// maxErrorText is how many bytes of the database's error the log repeats.
const maxErrorText = 1000

// takeDatabase checks the schema and takes the lock. A wrong schema, a pooler that has no session
// for us, a lock that another client holds and a copied database are final: the operator must mend
// them. A database that is down mends itself.
func (c *client) takeDatabase(ctx context.Context) (final bool, err error) {
	if err = c.checkSchema(ctx); err == nil {
		err = c.Own(ctx)
	}
	return needsOperator(err), err
}

// newBoard returns what the status page shows. It connects anew each time that it asks the
// database: the pool has no connection to spare beside those of a beat.
func (p *program) newBoard(health *ops.Health) (*status.Board, error) {
	return status.New(status.Options{
		ShardHostname: p.settings.ShardHostname, Master: p.settings.Master, Version: version, Began: p.began,
		Health: health, Connect: p.connect,
		Settings: func() []config.Setting { return p.sources.Settings(p.settings) },
		Redact:   p.secrets.RedactOwn, RedactError: p.secrets.RedactError,
	})
}

// openObservers opens what others see of this run.
func (p *program) openObservers(ctx context.Context, db *pgxpool.Pool) (*watch.Observers, error) {
	register := p.deaths.Load()
	o, err := watch.Open(ctx, watch.Options{
		Settings: p.settings, DB: db, Version: version, LostLines: p.lines.Lost, Log: p.log, Board: p.newBoard,
		Deaths: p.countDeaths, Crashed: register != nil && register.Crashed(), Fault: p.tellFault,
	})
	if _, wrong := errors.AsType[*config.SettingError](err); wrong {
		return nil, &usageError{err}
	}
	return o, err
}
