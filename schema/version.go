package schema

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"shardclient/gen/sessiondb"
	"shardclient/runner/pg"
)

// undefinedTable is the SQLSTATE of a database that was never migrated, or whose tables this role
// cannot see.
const undefinedTable = "42P01"

// DB is a pool, a connection or a transaction.
type DB = sessiondb.DBTX

// Migration is one migration of this binary, or one that a newer binary has applied.
type Migration struct {
	Version   int64      `json:"version"`
	Name      string     `json:"name"`       // its file; "": this binary does not know it
	AppliedAt *time.Time `json:"applied_at"` // nil: it is pending
}

// VersionError says that the database has another schema version than this binary needs.
type VersionError struct {
	Have   int64  // of the database; 0: nothing was ever applied, or nothing can be seen
	Want   int64  // of this binary
	Advice string // what to do, where that is not plain from the versions
}

func (e *VersionError) Error() string {
	does := "needs"
	if e.Have > e.Want {
		does = "knows up to"
	}
	return fmt.Sprintf("schema version is %d, this binary %s %d: %s", e.Have, does, e.Want, e.Hint())
}

// Hint says what to do; it is part of the text.
func (e *VersionError) Hint() string {
	if e.Have > e.Want {
		return "install the newer shard-client that migrated it"
	}
	return cmp.Or(e.Advice, "run `shard-client migrate up`")
}

// PlaceError says that migrations would make a second set of tables beside the visible one, or that
// there is no place for the first.
type PlaceError struct {
	Has   string // the schema of the tables that are visible; "": none are
	Makes string // the schema in which new ones would be made; "": there is none
	Path  string // the search_path
}

func (e *PlaceError) Error() string {
	if e.Has == "" {
		return fmt.Sprintf("there is no schema to make the tables in, because search_path is %q and this role "+
			"may use none of that: create the schema, or give another search_path in the database URL", e.Path)
	}
	makes := "in schema " + e.Makes
	if e.Makes == "" {
		makes = "nowhere"
	}
	return fmt.Sprintf("the tables are in schema %s, but new ones would be made %s, because search_path is %s: "+
		"give search_path=%s in the database URL to migrate those tables; "+
		"for a second set give the search_path of its schema, without %s",
		e.Has, makes, e.Path, e.Has, e.Has)
}

// Check returns a [*VersionError] unless the database has exactly the schema of this binary. It
// reads one row and takes no lock, so that every start can afford it.
func Check(ctx context.Context, db DB) error {
	want, err := Latest()
	if err != nil {
		return err
	}
	have, err := version(ctx, db)
	switch {
	case undefined(err), err == nil && have == 0:
		return unmigrated(ctx, db, want)
	case err != nil:
		return fmt.Errorf("read schema version: %w", err)
	case have != want:
		return &VersionError{Have: have, Want: want}
	}
	return nil
}

func version(ctx context.Context, db DB) (have int64, err error) {
	row := db.QueryRow(ctx, "SELECT coalesce(max(version_id), 0) FROM goose_db_version WHERE is_applied")
	return have, row.Scan(&have)
}

func undefined(err error) bool {
	var pgErr *pgconn.PgError
	return errors.As(err, &pgErr) && pgErr.Code == undefinedTable
}

// unmigrated returns the [*VersionError] of a database in which no version is to be seen.
func unmigrated(ctx context.Context, db DB, want int64) error {
	at, err := sessiondb.New(db).SessionTables(ctx)
	if err != nil {
		return fmt.Errorf("find the tables: %w", err)
	}
	wrong := &VersionError{Want: want}
	switch {
	case at.Has != "":
		wrong.Advice = fmt.Sprintf("the tables in schema %s were not made by shard-client, which cannot take them over: "+
			"give it a schema or a database of its own", at.Has)
	case closed(&at):
		wrong.Advice = fmt.Sprintf("the tables are in schema %s, which the role %s may not use: "+
			"run `shard-client migrate grant %[2]s` as the owner", at.Elsewhere, at.Role)
	case at.Elsewhere != "":
		wrong.Advice = fmt.Sprintf("there are tables in schema %s, but search_path is %s: "+
			"if those are meant, give search_path=%[1]s in the database URL; "+
			"if not, run `shard-client migrate up`, which makes others", at.Elsewhere, at.SearchPath)
	}
	return wrong
}

// applied returns the migrations of a set that have been applied, by whichever binary.
func applied(ctx context.Context, db DB, set Set) ([]Migration, error) {
	rows, err := db.Query(ctx, "SELECT version_id, max(tstamp) FROM "+set.table+
		" WHERE is_applied AND version_id > 0 GROUP BY version_id")
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (m Migration, err error) {
		return m, row.Scan(&m.Version, &m.AppliedAt)
	})
}

// seesNothing returns an error where there may well be tables, though no version is to be seen.
func seesNothing(ctx context.Context, db DB) error {
	at, err := sessiondb.New(db).SessionTables(ctx)
	if err == nil && at.Has == "" && !closed(&at) {
		return nil // nothing was ever applied
	}
	want, unreadable := Latest()
	return cmp.Or(err, unreadable, unmigrated(ctx, db, want))
}

// closed reports whether this role would see the tables if it were let into their schema.
func closed(at *sessiondb.SessionTablesRow) bool {
	return at.Has == "" && at.Elsewhere != "" && !at.Usable && (at.OnPath || at.Makes == "")
}

// mayMigrate returns why the migrations of this binary must not run in this session.
func mayMigrate(ctx context.Context, db DB) error {
	want, err := Latest()
	if err != nil {
		return err
	}
	at, err := sessiondb.New(db).SessionTables(ctx)
	switch {
	case err != nil:
		return fmt.Errorf("find the tables: %w", err)
	case closed(&at):
		return unmigrated(ctx, db, want)
	case at.Makes == "", at.Has != "" && at.Has != at.Makes:
		return &PlaceError{Has: at.Has, Makes: at.Makes, Path: at.SearchPath}
	case at.Has == "":
		return nil // the first migration
	}
	have, err := version(ctx, db)
	if err == nil && have > want {
		return &VersionError{Have: have, Want: want}
	}
	return nil // goose says what else is wrong
}

// Status lists every migration of this binary, oldest first, and those that a newer binary has
// applied. It writes nothing, also where nothing was ever applied. The error is a [*VersionError]
// where the tables cannot be seen.
func Status(ctx context.Context, databaseURL string, options ...stdlib.OptionOpenDB) ([]Migration, error) {
	return Client.Status(ctx, databaseURL, options...)
}

// Status is [Status] of this set.
func (s Set) Status(ctx context.Context, databaseURL string, options ...stdlib.OptionOpenDB) ([]Migration, error) {
	list, err := s.own()
	if err != nil {
		return nil, fmt.Errorf("migrate status: %w", err)
	}
	db, err := open(&pg.Door{URL: databaseURL}, options)
	if err != nil {
		return nil, fmt.Errorf("migrate status: %w", err)
	}
	defer func() { _ = db.Close() }() // nothing was written
	err = onConn(ctx, db, func(ctx context.Context, db DB) error {
		list, err = s.withApplied(ctx, db, list)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("migrate status: %w", err)
	}
	return list, nil
}

// own returns the migrations of this binary, none of them applied.
func (s Set) own() ([]Migration, error) {
	files, err := fs.Glob(s.files, "*.sql")
	if err != nil {
		return nil, fmt.Errorf("read embedded migrations: %w", err)
	}
	var list []Migration
	for _, name := range files {
		version, err := goose.NumericComponent(name)
		if err != nil {
			return nil, fmt.Errorf("embedded migration %s: %w", name, err)
		}
		list = append(list, Migration{Version: version, Name: name})
	}
	return list, nil
}

// withApplied notes in the list when each migration was applied, and adds those that it lacks.
func (s Set) withApplied(ctx context.Context, db DB, list []Migration) ([]Migration, error) {
	applied, err := applied(ctx, db, s)
	switch {
	case undefined(err) && s.Name != "":
		return list, Check(ctx, db)
	case undefined(err):
		return list, seesNothing(ctx, db)
	case err != nil:
		return nil, err
	}
	for _, m := range applied {
		at := slices.IndexFunc(list, func(own Migration) bool { return own.Version == m.Version })
		if at < 0 {
			list = append(list, m)
		} else {
			list[at].AppliedAt = m.AppliedAt
		}
	}
	slices.SortFunc(list, func(a, b Migration) int { return cmp.Compare(a.Version, b.Version) })
	return list, nil
}
