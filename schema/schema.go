// Package schema owns the tables: it embeds the goose migrations in the binary and applies them. It
// knows nothing about what is stored in the tables.
//
// # Changing the schema
//
// [Up] applies all pending migrations, [Down] takes the newest one back, and [Status] lists them.
// They may run at the same time on several machines: a session lock of goose lets one at a time
// work.
//
// # Using it
//
// [Check] is for every start of a program: it refuses a database whose schema is not the one of
// this binary.
package schema

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"time"

	"shardclient/runner/pg"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed *.sql
var migrations embed.FS

// A caller that finds the session lock taken asks again every second, for at most five minutes:
// long enough for any migration of a shard, short enough that somebody notices a stuck one.
const (
	lockEverySeconds = 1
	lockTries        = 300
)

// undefinedTable is the SQLSTATE of a database that was never migrated.
const undefinedTable = "42P01"

// Step is one migration that was run.
type Step struct {
	Name      string  `json:"name"`      // its file
	Direction string  `json:"direction"` // up or down
	TookMS    float64 `json:"took_ms"`
}

// Report lists the migrations that a call ran, in the order in which they ran. It may be empty.
type Report []Step

// Migration is one migration of this binary.
type Migration struct {
	Version   int64      `json:"version"`
	Name      string     `json:"name"`       // its file
	AppliedAt *time.Time `json:"applied_at"` // nil: it is pending
}

// VersionError says that the database has another schema version than this binary needs.
type VersionError struct {
	Have int64 // of the database; 0: nothing was ever applied
	Want int64 // of this binary
}

func (e *VersionError) Error() string {
	if e.Have > e.Want {
		return fmt.Sprintf("schema version is %d, this binary knows up to %d: "+
			"install the newer shard-client that migrated it", e.Have, e.Want)
	}
	return fmt.Sprintf("schema version is %d, this binary needs %d: run `shard-client migrate up`", e.Have, e.Want)
}

// Up applies every pending migration, oldest first. Of two callers at the same time the second
// waits and then finds nothing to do. When a migration fails, the report lists those that were
// applied before it.
//
// The options are the driver's, such as one that sets the password of the day; [Down] and [Status]
// take them too.
func Up(ctx context.Context, databaseURL string, options ...stdlib.OptionOpenDB) (Report, error) {
	var report Report
	err := withProvider(databaseURL, options, func(p *goose.Provider) error {
		results, err := p.Up(ctx)
		var partial *goose.PartialError
		if errors.As(err, &partial) {
			results = partial.Applied
		}
		for _, r := range results {
			report = append(report, step(r))
		}
		return err
	})
	if err != nil {
		return report, fmt.Errorf("migrate up: %w", err)
	}
	return report, nil
}

// Down takes back the newest migration that is applied, one step a call. It leaves a database with
// nothing applied alone and returns an empty report.
func Down(ctx context.Context, databaseURL string, options ...stdlib.OptionOpenDB) (Report, error) {
	var report Report
	err := withProvider(databaseURL, options, func(p *goose.Provider) error {
		result, err := p.Down(ctx)
		if errors.Is(err, goose.ErrNoNextVersion) {
			return nil
		}
		if err != nil {
			return err
		}
		report = Report{step(result)}
		return nil
	})
	if err != nil {
		return report, fmt.Errorf("migrate down: %w", err)
	}
	return report, nil
}

// Status lists every migration of this binary, oldest first. On a database that was never migrated
// it creates goose's own table.
func Status(ctx context.Context, databaseURL string, options ...stdlib.OptionOpenDB) ([]Migration, error) {
	var list []Migration
	err := withProvider(databaseURL, options, func(p *goose.Provider) error {
		statuses, err := p.Status(ctx)
		for _, s := range statuses {
			m := Migration{Version: s.Source.Version, Name: s.Source.Path}
			if s.State == goose.StateApplied {
				m.AppliedAt = &s.AppliedAt
			}
			list = append(list, m)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("migrate status: %w", err)
	}
	return list, nil
}

// Querier is the part of a connection or pool that Check needs.
type Querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// Check returns a [*VersionError] unless the database has exactly the schema of this binary. It
// reads one row and takes no lock, so that every start can afford it.
func Check(ctx context.Context, db Querier) error {
	want, err := Latest()
	if err != nil {
		return err
	}
	var have int64
	row := db.QueryRow(ctx, "SELECT coalesce(max(version_id), 0) FROM goose_db_version WHERE is_applied")
	if err := row.Scan(&have); err != nil {
		var pgErr *pgconn.PgError
		if errors.As(err, &pgErr) && pgErr.Code == undefinedTable {
			return &VersionError{Have: 0, Want: want}
		}
		return fmt.Errorf("read schema version: %w", err)
	}
	if have != want {
		return &VersionError{Have: have, Want: want}
	}
	return nil
}

// Latest returns the version of the newest migration of this binary.
func Latest() (int64, error) {
	files, err := migrations.ReadDir(".")
	if err != nil {
		return 0, fmt.Errorf("read embedded migrations: %w", err)
	}
	var latest int64
	for _, f := range files {
		version, err := goose.NumericComponent(f.Name())
		if err != nil {
			return 0, fmt.Errorf("embedded migration %s: %w", f.Name(), err)
		}
		latest = max(latest, version)
	}
	return latest, nil
}

func withProvider(databaseURL string, options []stdlib.OptionOpenDB, use func(*goose.Provider) error) error {
	config, err := pg.ParseURL(databaseURL, nil)
	if err != nil {
		return fmt.Errorf("database URL: %w", err)
	}
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(lockEverySeconds, lockTries))
	if err != nil {
		return err
	}
	db := stdlib.OpenDB(*config.ConnConfig, options...)
	defer func() { _ = db.Close() }() // what was committed is committed
	provider, err := goose.NewProvider(goose.DialectPostgres, db, migrations, goose.WithSessionLocker(locker))
	if err != nil {
		return err
	}
	return use(provider)
}

func step(r *goose.MigrationResult) Step {
	return Step{
		Name:      r.Source.Path,
		Direction: r.Direction,
		TookMS:    float64(r.Duration.Microseconds()) / 1000,
	}
}
