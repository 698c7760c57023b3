package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/runner/afe"
	"shardclient/runner/config"
	"shardclient/runner/ops"
	"shardclient/runner/plain"
	"shardclient/runner/shard"
	"shardclient/schema"
)

// A database that is down is asked again after a second, then ever less often.
const (
	databaseWaitMin = time.Second
	databaseWaitMax = 15 * time.Second
)

type onceCommand struct{}

// Run beats once. The time it takes to connect counts to the first phase.
func (*onceCommand) Run(ctx context.Context, p *program) error {
	s, err := p.open(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	var beat shard.Beat
	if err := schema.Check(ctx, s.pool); err != nil {
		if wrong := (*schema.VersionError)(nil); errors.As(err, &wrong) {
			return err
		}
		beat.PackedMS = float64(time.Since(p.began).Microseconds()) / 1000
		beat.Fail(err, p.secrets.Redact)
	} else {
		beat = s.client.Beat(ctx, p.began)
	}
	if held := (*shard.HeldError)(nil); errors.As(beat.Err, &held) {
		return held
	}
	beat.Log(p.log)
	return p.printBeat(&beat)
}

func (p *program) printBeat(beat *shard.Beat) error {
	if p.settings.Output == "json" {
		if err := json.NewEncoder(p.stdout).Encode(beat); err != nil {
			return fmt.Errorf("print result: %w", err)
		}
	} else if beat.OK() {
		fmt.Fprintf(p.stdout, "heartbeat ok: knew %d jobs and %d hosts, uploaded %d jobs with %d entries, "+
			"received %d hosts, %d jobs and %d keyvals, set aside %d\n",
			beat.KnownJobs, beat.KnownHosts, beat.UploadedJobs, beat.UploadedEntries,
			beat.ReceivedHosts, beat.ReceivedJobs, beat.ReceivedKeyvals, beat.Quarantined)
		fmt.Fprintf(p.stdout, "pack %.1f ms, rpc %.1f ms, acknowledge %.1f ms, apply %.1f ms\n",
			beat.PackedMS, beat.RPCMS, beat.AckMS, beat.ApplyMS)
	} else {
		fmt.Fprintf(p.stdout, "heartbeat failed (%s): %s\n", beat.Failure, beat.Error)
	}
	if !beat.OK() {
		return errBeatFailed
	}
	return nil
}

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
		"master", p.settings.Master, "proxy", s.proxy, "database", p.settings.RedactedDatabaseURL(), "heartbeat_pause_ms", p.settings.HeartbeatPause.Milliseconds())
	if ready, err := p.waitForDatabase(ctx, s, w.health); err != nil || !ready {
		return err
	}
	lifetime := p.settings.Lifetime
	if lifetime > 0 {
		lifetime = max(lifetime-time.Since(p.began), 1) // 0 would be for ever
	}
	loop := &shard.Loop{
		Beat:  w.watched(func(ctx context.Context) shard.Beat { return s.client.Beat(ctx, time.Now()) }),
		Pause: p.settings.HeartbeatPause, Drain: p.settings.DrainPause, Splay: p.settings.Splay(), Lifetime: lifetime, Logger: p.log,
	}
	return loop.Run(ctx)
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
		health.Begin("wait for the database")
		err := schema.Check(ctx, s.pool)
		if err == nil {
			err = s.client.Own(ctx)
		}
		var wrong *schema.VersionError
		var held *shard.HeldError
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

// session is a client with all it is made of.
type session struct {
	pool   *pgxpool.Pool
	wire   *afe.Client
	client *shard.Client
	proxy  string // "": none
}

// open wires the parts of a client; it calls nobody yet.
func (p *program) open(ctx context.Context) (*session, error) {
	c := p.settings
	if err := c.ValidateShard(); err != nil {
		return nil, &usageError{err}
	}
	master, err := c.MasterURL()
	if err != nil {
		return nil, &usageError{err}
	}
	login, err := c.Login()
	if err != nil {
		return nil, &usageError{err}
	}
	tls, err := c.TLS(p.log)
	if err != nil {
		return nil, &usageError{err}
	}
	proxy, err := config.Proxy(master)
	if err != nil {
		return nil, &usageError{err}
	}
	pool, err := p.connect(ctx)
	if err != nil {
		return nil, err
	}
	p.warn()
	s := &session{pool: pool, proxy: proxy}
	s.wire = afe.NewClient(afe.Options{
		Master: master, User: login, TLS: tls, Protocol: afe.Protocol(c.Protocol), Timeout: c.RPCTimeout, MaxRetryAfter: c.HeartbeatPause,
		MaxResponseBytes: int64(c.MaxResponseBytes), UserAgent: "shard-client/" + version, Logger: p.log,
	})
	s.client = shard.NewClient(pool, s.wire, shard.Options{
		ShardHostname: c.ShardHostname, Who: who(), RPCTimeout: c.RPCTimeout, StopTimeout: c.StopTimeout,
		MaxUploadJobs: c.MaxUploadJobs, MaxUploadBytes: int64(c.MaxUploadBytes), ApplyChunk: c.ApplyChunk,
		HistoryKeep: int64(c.HistoryKeep), QuarantineKeep: int64(c.QuarantineKeep), Redact: p.secrets.Redact, Logger: p.log,
	})
	return s, nil
}

// close waits for nobody: what it ends has finished.
func (s *session) close() {
	s.client.Close(context.Background())
	s.wire.Close()
	s.pool.Close()
}

// who names this process to whoever finds the lock taken.
func who() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown host"
	}
	return fmt.Sprintf("shard-client %s on %s, pid %d", version, host, os.Getpid())
}
