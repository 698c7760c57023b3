package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/url"
	"os"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/runner/afe"
	"shardclient/runner/config"
	"shardclient/runner/guard"
	"shardclient/runner/lock"
	"shardclient/runner/poolers"
	"shardclient/runner/shard"
	"shardclient/schema"
)

// client is a shard's client with the parts that it is made of.
type client struct {
	*shard.Client
	pool  *pgxpool.Pool
	wire  *afe.Client
	proxy string // "": none
	// begin is done by the first look at the database, warm by the first that finds its schema.
	begin, warm sync.Once
	// direct refuses a pooler that has no session for us.
	direct func(context.Context) error
	// warn logs what makes the database less safe than it could be.
	warn func(context.Context) error
}

// open makes a client out of the settings. It calls neither the master nor the database yet.
func (p *program) open(ctx context.Context) (*client, error) {
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
	security, err := c.TLS(p.log)
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
	made := &client{pool: pool, proxy: proxy}
	made.direct = func(ctx context.Context) error { return p.direct(poolers.DirectPool(ctx, p.door(), pool)) }
	made.warn = func(ctx context.Context) error { return p.warnOfStrangers(ctx, pool) }
	if made.wire, err = p.newWire(master, login, security); err == nil {
		made.Client, err = p.newShard(pool, made.wire)
	}
	if err != nil {
		pool.Close()
		return nil, err
	}
	return made, nil
}

// newWire makes what calls the master.
func (p *program) newWire(master *url.URL, login string, security *tls.Config) (*afe.Client, error) {
	c := p.settings
	return afe.NewClient(afe.Options{
		Master: master, User: login, TLS: security, Protocol: afe.Protocol(c.Protocol),
		Timeout: c.RPCTimeout, MaxRetryAfter: c.HeartbeatPause, MaxResponseBytes: int64(c.MaxResponseBytes), SpoolDir: c.SpoolDir,
		BeforeRetry: p.beforeRetry, UserAgent: "shard-client/" + version, Logger: p.log,
	})
}

// newShard makes what beats.
func (p *program) newShard(pool *pgxpool.Pool, wire shard.Master) (*shard.Client, error) {
	c := p.settings
	return shard.NewClient(pool, wire, shard.Options{
		Adopt: p.Adopt, ShardHostname: c.ShardHostname, Who: thisProcess(), RPCTimeout: c.RPCTimeout,
		StopTimeout: c.StopTimeout, LockTimeout: c.LockTimeout, BeatTimeout: c.WholeBeat(), FinishTimeout: c.WholeStop(),
		MaxUploadJobs: c.MaxUploadJobs, MaxUploadBytes: int64(c.MaxUploadBytes), ApplyChunk: c.ApplyChunk, HistoryKeep: int64(c.HistoryKeep),
		QuarantineKeep: int64(c.QuarantineKeep), Redact: p.secrets.Redact, RedactError: p.secrets.RedactError, Logger: p.log,
	})
}

// close gives back the lock and closes all connections. No beat may be under way.
func (c *client) close() {
	c.Client.Close(context.Background())
	c.wire.Close()
	closeSoon(c.pool)
}

// closePatience is how long a server that is silent may keep the process from its end.
const closePatience = time.Second

// closeSoon closes a pool. Whoever gives up a statement asks the server to cancel it, and the pool
// would wait 15 s for one that does not listen: a stop would take longer than docs/settings.md
// says.
func closeSoon(pool *pgxpool.Pool) {
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		_ = guard.Run(func() error { pool.Close(); return nil })
	}()
	select {
	case <-closed:
	case <-time.After(closePatience):
	}
}

// thisProcess is the name by which another client that finds the lock taken learns of this process.
func thisProcess() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown host"
	}
	return fmt.Sprintf("shard-client %s on %s, pid %d", version, host, os.Getpid())
}

// checkSchema returns a *schema.VersionError unless the database has the schema of this binary, and
// a *usageError when the way to it is of no use. Its panics are errors, as those of a beat are.
func (c *client) checkSchema(ctx context.Context) error {
	c.begin.Do(func() { go c.connectBeside(ctx) })
	return guard.Run(func() error {
		if err := c.direct(ctx); err != nil {
			return err
		}
		if err := schema.Check(ctx, c.pool); err != nil {
			return lock.Explain(ctx, c.pool, err)
		}
		c.warm.Do(func() { c.Warm(ctx) })
		return c.warn(ctx)
	})
}

// connectBeside opens the second connection of the pool while the first is used: the lock keeps one
// and a beat wants another. Its error is left to whoever needs the connection.
func (c *client) connectBeside(ctx context.Context) {
	_ = guard.Run(func() error {
		conn, err := c.pool.Acquire(ctx)
		if err == nil {
			conn.Release()
		}
		return err
	})
}
