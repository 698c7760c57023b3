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
	"database/sql"
	"embed"
	"fmt"

	"shardclient/runner/pg"

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

// Step is one migration that was run.
type Step struct {
	Name      string  `json:"name"`      // its file
	Direction string  `json:"direction"` // up or down
	TookMS    float64 `json:"took_ms"`
}

// Report lists the migrations that a call ran, in the order in which they ran. It may be empty.
type Report []Step

// Up applies every pending migration, oldest first. Of two callers at the same time the second
// waits and then finds nothing to do. When a migration fails, the report lists those that were
// applied before it.
//
// It refuses to make a second set of tables beside one that the session sees in another schema
// ([*PlaceError]), and to touch a database that a newer binary migrated ([*VersionError]). So does
// [Down].
//
// The options are the driver's, such as one that sets the password of the day; [Down] and [Status]
// take them too. Without any, sessions begin as [pg.Door] has it.
func Up(ctx context.Context, databaseURL string, options ...stdlib.OptionOpenDB) (Report, error) {
	return Client.UpTelling(ctx, databaseURL, nil, options...)
}

// Down takes back the newest migration that is applied, one step a call. It leaves a database with
// nothing applied alone and returns an empty report.
func Down(ctx context.Context, databaseURL string, options ...stdlib.OptionOpenDB) (Report, error) {
	return Client.Down(ctx, databaseURL, options...)
}

// Latest returns the version of the newest migration of this binary.
func Latest() (int64, error) { return Client.Latest() }

// Latest is [Latest] of this set.
func (s Set) Latest() (int64, error) {
	list, err := s.own()
	if err != nil || len(list) == 0 {
		return 0, err
	}
	return list[len(list)-1].Version, nil
}

func (s Set) withProvider(
	ctx context.Context, databaseURL string, options []stdlib.OptionOpenDB, tell func(string), down bool,
	use func(*goose.Provider) error,
) error {
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(lockEverySeconds, lockTries))
	if err != nil {
		return err
	}
	db, err := open(&pg.Door{URL: databaseURL, Migrates: true}, options)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }() // what was committed is committed
	may := func(ctx context.Context, db DB) error { return s.mayRun(ctx, db, down) }
	if err := onConn(ctx, db, may); err != nil {
		return err
	}
	settings := []goose.ProviderOption{goose.WithSessionLocker(locker), goose.WithTableName(s.table)}
	if tell != nil {
		settings = append(settings, goose.WithVerbose(true), goose.WithLogger(teller(tell)))
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, db, s.files, settings...)
	if err != nil {
		return err
	}
	return use(provider)
}

// open opens the database by this door. The options may replace how it prepares connections.
func open(door *pg.Door, options []stdlib.OptionOpenDB) (*sql.DB, error) {
	door.Name = "shard-client migrate"
	config, err := pg.ParseURL(door.URL, nil)
	if err != nil {
		return nil, fmt.Errorf("database URL: %w", err)
	}
	options = append([]stdlib.OptionOpenDB{stdlib.OptionBeforeConnect(door.BeforeConnect)}, options...)
	return stdlib.OpenDB(*config.ConnConfig, options...), nil
}

// onConn calls use with one of the database's connections.
func onConn(ctx context.Context, db *sql.DB, use func(context.Context, DB) error) error {
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }() // goes back to the pool
	return conn.Raw(func(driver any) error {
		return use(ctx, driver.(*stdlib.Conn).Conn())
	})
}

func step(r *goose.MigrationResult) Step {
	return Step{
		Name:      r.Source.Path,
		Direction: r.Direction,
		TookMS:    float64(r.Duration.Microseconds()) / 1000,
	}
}
