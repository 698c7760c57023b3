package main

import (
	"context"
	"errors"
	"time"

	"shardclient/runner/beat"
	"shardclient/runner/lock"
	"shardclient/runner/loop"
	"shardclient/runner/ops"
	"shardclient/runner/plain"
	"shardclient/schema"
)

// A database that is down is asked again after a second, then ever less often.
const (
	databaseWaitMin = time.Second
	databaseWaitMax = 15 * time.Second
)

type runCommand struct{}

// Run beats until a signal or the end of the lifetime.
func (*runCommand) Run(ctx context.Context, p *program) error {
	s, err := p.open(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	w, err := p.watch(ctx)
	if err != nil {
		return err
	}
	defer w.close()
	p.log.Info("shard-client starts", "version", version, "shard_hostname", p.settings.ShardHostname,
		"master", p.settings.Master, "proxy", s.proxy, "database", p.settings.RedactedDatabaseURL(),
		"heartbeat_pause_ms", p.settings.HeartbeatPause.Milliseconds())
	if ready, err := p.waitForDatabase(ctx, s, w.health); err != nil || !ready {
		return err
	}
	lifetime := p.settings.Lifetime
	if lifetime > 0 {
		lifetime = max(lifetime-time.Since(p.began), 1) // 0 would be for ever
	}
	l, err := loop.New(loop.Options{
		Beat:     w.watched(func(ctx context.Context) beat.Report { return s.client.Beat(ctx, time.Now()) }),
		Pause:    p.settings.HeartbeatPause,
		Drain:    p.settings.DrainPause,
		Splay:    p.settings.Splay(),
		Lifetime: lifetime,
		Logger:   p.log,
	})
	if err != nil {
		return err
	}
	w.health.Doing("wait for the first beat") // the splay
	return l.Run(ctx)
}

// waitForDatabase is ready when the database answers, has our schema and its lock
// is ours: a wrong schema and a lock held by another are for the operator, a
// database that is down is not. It is not ready when a signal came or the
// lifetime is over.
func (p *program) waitForDatabase(ctx context.Context, s *session, health *ops.Health) (ready bool, err error) {
	if lifetime := p.settings.Lifetime; lifetime > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, p.began.Add(lifetime))
		defer cancel()
	}
	wait := databaseWaitMin
	for tries := 1; ; tries++ {
		health.Doing("wait for the database")
		err := schema.Check(ctx, s.pool)
		if err == nil {
			err = s.client.Own(ctx)
		}
		var wrong *schema.VersionError
		var held *lock.HeldError
		switch {
		case err == nil:
			return true, nil
		case ctx.Err() == nil && (errors.As(err, &wrong) || errors.As(err, &held)):
			return false, err
		case ctx.Err() == nil && tries&(tries-1) == 0:
			p.log.Warn("waiting for the database", "error", plain.Line(p.secrets.Redact(err.Error()), 1000), "tries", tries)
		}
		select {
		case <-ctx.Done():
			p.log.Info("stopped while waiting for the database")
			return false, nil
		case <-time.After(wait):
		}
		wait = min(2*wait, databaseWaitMax)
	}
}
