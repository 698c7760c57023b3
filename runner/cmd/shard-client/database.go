package main

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/runner/config"
)

const (
	// connectTimeout is for a database host that does not answer at all.
	connectTimeout = 15 * time.Second
	// statementTimeout ends a statement that waits for a lock or reads too much; a
	// chunk that meets it is halved. 300 times what the largest default chunk needs.
	statementTimeout = "60s"
	// poolConnections: a beat uses one at a time, beside the one that holds the lock.
	poolConnections = 2
)

// connect opens the pool; a database that is down shows only when it is used.
// What the URL says goes before our own settings.
func (p *program) connect(ctx context.Context) (*pgxpool.Pool, error) {
	poolConfig, err := p.databaseConfig()
	if err != nil {
		return nil, err
	}
	poolConfig.MaxConns = poolConnections
	if poolConfig.ConnConfig.ConnectTimeout == 0 {
		poolConfig.ConnConfig.ConnectTimeout = connectTimeout
	}
	name := "shard-client"
	if p.settings.ShardHostname != "" {
		name += " " + p.settings.ShardHostname
	}
	for key, value := range map[string]string{"application_name": name, "statement_timeout": statementTimeout} {
		if poolConfig.ConnConfig.RuntimeParams[key] == "" {
			poolConfig.ConnConfig.RuntimeParams[key] = value
		}
	}
	return pgxpool.NewWithConfig(ctx, poolConfig)
}

// checkDatabase tells a database URL that cannot be meant from one that is down.
func (p *program) checkDatabase() error {
	_, err := p.databaseConfig()
	return err
}

func (p *program) databaseConfig() (*pgxpool.Config, error) {
	if err := p.settings.ValidateDatabase(); err != nil {
		return nil, &usageError{err}
	}
	poolConfig, err := pgxpool.ParseConfig(string(p.settings.DatabaseURL))
	if err != nil {
		// The error of the parser repeats the connection string; its cause does not.
		if parse := (*pgconn.ParseConfigError)(nil); errors.As(err, &parse) && parse.Unwrap() != nil {
			err = parse.Unwrap()
		}
		return nil, &usageError{&config.SettingError{
			Flag: "database-url", Cause: p.settings.Redact(err.Error()), Hint: "give postgres://USER@HOST:PORT/DATABASE",
		}}
	}
	return poolConfig, nil
}
