package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/url"
	"os"

	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/runner/afe"
	"shardclient/runner/config"
	"shardclient/runner/shard"
)

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
	s := &session{pool: pool, proxy: proxy}
	if err := s.wireUp(p, master, login, security); err != nil {
		pool.Close()
		return nil, err
	}
	return s, nil
}

// wireUp makes the two clients of a session.
func (s *session) wireUp(p *program, master *url.URL, login string, security *tls.Config) (err error) {
	c := p.settings
	s.wire, err = afe.NewClient(afe.Options{
		Master:           master,
		User:             login,
		TLS:              security,
		Protocol:         afe.Protocol(c.Protocol),
		Timeout:          c.RPCTimeout,
		MaxRetryAfter:    c.HeartbeatPause,
		MaxResponseBytes: int64(c.MaxResponseBytes),
		UserAgent:        "shard-client/" + version,
		Logger:           p.log,
	})
	if err != nil {
		return err
	}
	s.client, err = shard.NewClient(s.pool, s.wire, shard.Options{
		ShardHostname:  c.ShardHostname,
		Who:            who(),
		RPCTimeout:     c.RPCTimeout,
		StopTimeout:    c.StopTimeout,
		MaxUploadJobs:  c.MaxUploadJobs,
		MaxUploadBytes: int64(c.MaxUploadBytes),
		ApplyChunk:     c.ApplyChunk,
		HistoryKeep:    int64(c.HistoryKeep),
		QuarantineKeep: int64(c.QuarantineKeep),
		Redact:         p.secrets.Redact,
		Logger:         p.log,
	})
	return err
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
