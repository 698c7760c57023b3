package main

import (
	"context"
	"errors"
	"time"

	"shardclient/runner/beat"
	"shardclient/runner/loop"
	"shardclient/runner/ops"
)

type runCommand struct {
	adoption
}

// Run beats until a signal or the end of the lifetime.
func (r *runCommand) Run(ctx context.Context, p *program) error {
	c, err := p.open(ctx, r.adoption)
	if err != nil {
		return err
	}
	defer c.close()
	o, err := p.openObservers(ctx)
	if err != nil {
		return err
	}
	defer o.close()
	p.log.Info("shard-client starts", "version", version, "shard_hostname", p.settings.ShardHostname,
		"master", p.settings.Master, "proxy", c.proxy, "database", p.settings.RedactedDatabaseURL(),
		"heartbeat_pause_ms", p.settings.HeartbeatPause.Milliseconds())
	if ready, err := p.waitForDatabase(ctx, c, o.health); err != nil || !ready {
		return err
	}
	lifetime := p.settings.Lifetime
	if lifetime > 0 {
		lifetime = max(lifetime-time.Since(p.began), 1) // 0 would be for ever
	}
	l, err := loop.New(loop.Options{
		Beat: o.observed(func(ctx context.Context) beat.Report {
			return c.Beat(ctx, time.Now())
		}),
		Pause:    p.settings.HeartbeatPause,
		Drain:    p.settings.DrainPause,
		Splay:    p.settings.Splay(),
		Lifetime: lifetime,
		Logger:   p.log,
	})
	if err != nil {
		return err
	}
	o.health.Doing("wait for the first beat") // the splay
	return l.Run(ctx)
}

// waitForDatabase waits until the database answers, has our schema, and its lock is ours. It
// reports false when a signal came or the lifetime was over before that.
func (p *program) waitForDatabase(ctx context.Context, c *client, health *ops.Health) (ready bool, err error) {
	if lifetime := p.settings.Lifetime; lifetime > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, p.began.Add(lifetime))
		defer cancel()
	}
	err = (&waiting{p: p, client: c, health: health}).forDatabase(ctx)
	if stopped := ctx.Err(); stopped != nil && errors.Is(err, stopped) {
		p.log.Info("stopped while waiting for the database")
		return false, nil
	}
	return err == nil, err
}

// maxErrorText is how many bytes of the database's error the log repeats.
const maxErrorText = 1000

// takeDatabase checks the schema and takes the lock. A wrong schema, a pooler that has no session for
// us and a lock that another client holds are final: the operator must mend them. A database that is
// down mends itself.
func (c *client) takeDatabase(ctx context.Context) (final bool, err error) {
	if err = c.checkSchema(ctx); err == nil {
		err = c.Own(ctx)
	}
	return needsOperator(err), err
}
