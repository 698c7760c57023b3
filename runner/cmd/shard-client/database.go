package main

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/runner/config"
	"shardclient/runner/pg"
)

// door is how this program's connections are made.
func (p *program) door() *pg.Door {
	name := "shard-client"
	if p.settings.ShardHostname != "" {
		name += " " + p.settings.ShardHostname
	}
	return &pg.Door{URL: string(p.settings.DatabaseURL), Name: name, Redact: p.secrets.Redact, Password: p.password}
}

// password returns that of the day, which no text may show from then on.
func (p *program) password() (string, error) {
	password, err := p.settings.DatabasePassword()
	p.secrets.Add(password)
	return password, err
}

// connect opens the pool; a database that is down shows only when it is used.
func (p *program) connect(ctx context.Context) (*pgxpool.Pool, error) {
	if err := p.checkDatabase(); err != nil {
		return nil, err
	}
	return p.door().Open(ctx)
}

// checkDatabase tells a database URL that cannot be meant from one that is down.
func (p *program) checkDatabase() error {
	if err := p.settings.ValidateDatabase(); err != nil {
		return &usageError{err}
	}
	settings, err := p.door().Check()
	if unusable := (*pg.URLError)(nil); errors.As(err, &unusable) {
		err = &config.SettingError{Flag: "database-url", Cause: unusable.Cause, Hint: unusable.Hint}
	}
	if err != nil {
		return &usageError{err}
	}
	p.secrets.Add(settings.ConnConfig.Password) // the driver has looked into PGPASSFILE and service files
	return nil
}
