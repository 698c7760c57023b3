package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/stdlib"

	"shardclient/runner/lock"
	"shardclient/runner/migrate"
	"shardclient/runner/pg"
	"shardclient/runner/poolers"
)

// migrating is one of the commands about migrations.
type migrating struct {
	migrate.Sets
	run func(*migrate.Sets, context.Context, *migrate.Program) error
}

func (m *migrating) Run(ctx context.Context, p *program) error {
	return m.run(&m.Sets, ctx, &migrate.Program{
		DatabaseURL: string(p.settings.DatabaseURL), JSON: p.settings.Output == "json", Stdout: p.stdout, Stderr: p.stderr,
		Prepare: p.migrations, Served: p.served,
		Misused: func(err error) error { return &usageError{err} },
		Advise:  func(text string) { p.say(below(text)) },
	})
}

// served returns the error of a client that serves the shard now; nil: none, as far as is known.
func (p *program) served(ctx context.Context) (err error) {
	if pool, away := p.connect(ctx); away == nil { // otherwise, whoever needs it tells
		defer pool.Close()
		if err = lock.Look(ctx, pool); !errors.As(err, new(*lock.HeldError)) {
			err = nil
		}
	}
	return err
}

// migrations returns how the connections of migrations are prepared, after a look at the database.
func (p *program) migrations(ctx context.Context, name string, change bool) (stdlib.OptionOpenDB, error) {
	if err := p.checkDatabase(); err != nil {
		return nil, err
	}
	err := p.direct(poolers.Direct(ctx, p.door()))
	if p.looks = !change && pg.TakesNoWrites(err); p.looks {
		err = p.direct(poolers.Direct(ctx, p.door()))
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	door := p.door()
	door.Migrates = change
	return stdlib.OptionBeforeConnect(door.BeforeConnect), nil
}
