package main

import (
	"context"

	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/runner/afe"
	"shardclient/runner/repair"
)

// mending is what a command of package repair does.
type mending interface {
	Run(ctx context.Context, d *repair.Desk) error
}

// desk returns what the commands of package repair work at.
func (p *program) desk() *repair.Desk {
	d := &repair.Desk{
		Stdin: p.stdin, Stdout: p.stdout, Stderr: p.stderr, OnTerminal: p.terminal.out, JSON: p.settings.Output == "json",
		Hostname: p.settings.ShardHostname, Who: thisProcess(), LockTimeout: p.settings.LockTimeout,
		Database: p.database, Protocol: afe.Protocol2019,
		Look:     func(ctx context.Context) (*pgxpool.Pool, error) { return p.look(ctx, p.database) },
		Sessions: func(ctx context.Context) (*pgxpool.Pool, error) { return p.look(ctx, p.reach) },
		Misused:  func(err error) error { return &usageError{err} },
	}
	if p.settings.Protocol == string(afe.Protocol2015) {
		d.Protocol = afe.Protocol2015
	}
	d.Reader = func(pool *pgxpool.Pool) (repair.Previewer, error) { return p.newShard(pool, repair.Nobody(d.Protocol)) }
	return d
}
