package main

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/runner/config"
	"shardclient/runner/libpq"
	"shardclient/runner/pg"
	"shardclient/runner/poolers"
	"shardclient/runner/screen"
	"shardclient/schema"
)

// door returns the door through which all connections of this program go.
func (p *program) door() *pg.Door {
	name := "shard-client"
	if p.settings.ShardHostname != "" {
		name += " " + p.settings.ShardHostname
	}
	return &pg.Door{
		URL: string(p.settings.DatabaseURL), Name: name, Redact: p.secrets.RedactOwn, Password: p.password,
		LockTimeout: p.settings.LockTimeout, AnyServer: p.looks,
	}
}

// password reads the password of the database, which may change from day to day, and hides it in
// every text from then on.
func (p *program) password() (string, error) {
	password, err := p.settings.DatabasePassword()
	p.secrets.Add(password)
	return password, err
}

// connect opens the pool. A database that is down is noticed only when the pool is used.
func (p *program) connect(ctx context.Context) (*pgxpool.Pool, error) {
	if err := p.checkDatabase(); err != nil {
		return nil, err
	}
	return p.door().Open(ctx)
}

// reach opens a pool on a database of any schema, or of none.
func (p *program) reach(ctx context.Context) (*pgxpool.Pool, error) {
	pool, err := p.connect(ctx)
	if err == nil {
		if err = p.direct(poolers.DirectPool(ctx, p.door(), pool)); err != nil {
			pool.Close()
		}
	}
	return pool, err
}

// database opens a pool for a short command. The schema must be that of this binary.
func (p *program) database(ctx context.Context) (*pgxpool.Pool, error) {
	pool, err := p.reach(ctx)
	if err == nil {
		if err = schema.Check(ctx, pool); err != nil {
			pool.Close()
		}
	}
	return pool, err
}

// look opens a pool for a command that changes nothing. Where every server that answers takes no
// writes, it looks at one of those, such as a standby whose primary is down.
func (p *program) look(ctx context.Context, open func(context.Context) (*pgxpool.Pool, error)) (*pgxpool.Pool, error) {
	pool, err := open(ctx)
	if pg.TakesNoWrites(err) {
		p.looks = true
		return open(ctx)
	}
	return pool, err
}

// screen returns what stdout is.
func (p *program) screen() screen.Out {
	to := p.stdout
	if out, ok := to.(*results); ok {
		to = out.Writer
	}
	out := screen.Of(to)
	out.Writer = p.stdout
	return out
}

// checkDatabase refuses a database URL that cannot be right; whether the database is up is found
// out later.
func (p *program) checkDatabase() error {
	if err := p.settings.ValidateDatabase(); err != nil {
		return &usageError{err}
	}
	door := p.door()
	settings, err := door.Check()
	if err == nil {
		if cause, hint := libpq.Unknown(settings.ConnConfig.RuntimeParams); cause != "" {
			err = &config.SettingError{Flag: "database-url", Cause: cause, Hint: hint}
		}
	}
	var unusable *pg.URLError
	if errors.As(err, &unusable) {
		err = &config.SettingError{Flag: "database-url", Cause: unusable.Cause, Hint: libpq.Instead(door.URL, unusable.Cause, unusable.Hint)}
	}
	if err != nil {
		return &usageError{err}
	}
	p.secrets.Add(settings.ConnConfig.Password) // the driver has looked into PGPASSFILE and service files
	return nil
}

// direct makes a setting that is wrong of the pooler that has no session for us, and of what the
// server will not have. Other errors are those of a database that is down.
func (p *program) direct(err error) error {
	wrong := &config.SettingError{Flag: "database-url"}
	var between *poolers.Error
	var given *pg.GivenError
	switch {
	case errors.As(err, &between):
		wrong.Cause, wrong.Hint = between.Cause(), poolers.Hint
	case errors.As(err, &given) && given.Unknown && given.Name != "":
		wrong.Cause, wrong.Hint = libpq.Refused(string(p.settings.DatabaseURL), given.Name)
	case errors.As(err, &given):
		wrong.Cause, wrong.Hint = pg.Reason(given), "correct the settings in --database-url or PGOPTIONS"
	default:
		return err
	}
	p.sources.Explain(wrong) // before its text becomes part of another one
	return &usageError{wrong}
}
