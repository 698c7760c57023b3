package schema

import (
	"cmp"
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"shardclient/gen/sessiondb"
)

//go:embed scheduler/*.sql
var schedulerMigrations embed.FS

// Set is a set of migrations that are numbered together.
type Set struct {
	Name  string // as --with calls it; "": the tables of the client
	files fs.FS
	table string // in which goose notes what was applied
}

// Client are the tables that every shard and every master needs. Scheduler are those that a real
// scheduler needs besides, with what can be taught to PostgreSQL of the SQL that it speaks
// (docs/scheduler.md).
var (
	Client    = Set{files: migrations, table: "goose_db_version"}
	Scheduler = Set{Name: "scheduler", files: within(schedulerMigrations, "scheduler"), table: "shard_client_scheduler_migrations"}
)

func within(files fs.FS, directory string) fs.FS {
	sub, err := fs.Sub(files, directory)
	if err != nil {
		panic(err) // the directory is embedded
	}
	return sub
}

// errSchedulerFirst says that the tables of the client are needed by others.
var errSchedulerFirst = errors.New("the tables of a scheduler refer to those of the client: " +
	"take those back first, with `shard-client migrate down --with scheduler`, as often as it does something")

// mayRun returns why the migrations of this set must not run in this session.
func (s Set) mayRun(ctx context.Context, db DB, down bool) error {
	if err := mayMigrate(ctx, db); err != nil {
		return err
	}
	if s.Name != "" {
		return cmp.Or(Check(ctx, db), owned(ctx, db), s.nameTaken(ctx, db, down))
	}
	if !down {
		return nil
	}
	has, err := applied(ctx, db, Scheduler)
	if err == nil && len(has) > 0 {
		return errSchedulerFirst
	}
	return nil // without its table of versions, nothing was applied
}

// NotOwnerError says that a set would be migrated by another role than the client's tables. Its
// table of versions would be that role's, and shut the owner out.
type NotOwnerError struct{ Owner string }

func (e *NotOwnerError) Error() string {
	return fmt.Sprintf("the client's tables belong to %s, whose rights this role does not have: %s; nothing was changed", e.Owner, e.Hint())
}

// Hint says what to do; it is part of the text.
func (e *NotOwnerError) Hint() string { return "connect as " + e.Owner }

func owned(ctx context.Context, db DB) error {
	owner, err := sessiondb.New(db).SessionNotOwned(ctx)
	if err != nil || owner == "" {
		return err
	}
	return &NotOwnerError{Owner: owner}
}

// TakenError says that somebody else has made tables that a set of migrations would make.
type TakenError struct{ Tables []string }

func (e *TakenError) Error() string {
	return fmt.Sprintf("these names are taken, by tables that shard-client has not made: %s: %s; nothing was changed",
		strings.Join(e.Tables, ", "), e.Hint())
}

// Hint says what to do; it is part of the text.
func (*TakenError) Hint() string {
	return "rename them, as their owner, or drop them, then try again; rows are copied from the renamed ones afterwards"
}

var makesTable = regexp.MustCompile(`(?m)^CREATE TABLE (\w+)`)

// nameTaken returns a [*TakenError] if a pending migration would make a table that is there. A set
// has tens of them, and PostgreSQL's own error would name one at a time.
func (s Set) nameTaken(ctx context.Context, db DB, down bool) error {
	list, err := s.own()
	if err != nil || down {
		return err
	}
	if list, err = s.withApplied(ctx, db, list); err != nil {
		return err
	}
	var makes []string
	for _, m := range list {
		if m.AppliedAt != nil || m.Name == "" {
			continue
		}
		text, err := fs.ReadFile(s.files, m.Name)
		if err != nil {
			return err
		}
		for _, table := range makesTable.FindAllSubmatch(text, -1) {
			makes = append(makes, string(table[1]))
		}
	}
	taken, err := sessiondb.New(db).SessionTaken(ctx, makes)
	if err != nil || len(taken) == 0 {
		return err
	}
	return &TakenError{Tables: taken}
}

// UpTelling is [Up] of this set, and calls tell with each statement before it runs, and with what
// has been applied.
func (s Set) UpTelling(
	ctx context.Context, databaseURL string, tell func(string), options ...stdlib.OptionOpenDB,
) (Report, error) {
	var report Report
	err := s.withProvider(ctx, databaseURL, options, tell, false, func(p *goose.Provider) error {
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
	if answer := new(pgconn.PgError); errors.As(err, &answer) && answer.Detail != "" {
		return report, fmt.Errorf("migrate up: %w: %s", err, answer.Detail) // names the row in the way
	}
	if err != nil {
		return report, fmt.Errorf("migrate up: %w", err)
	}
	return report, nil
}

// Down is [Down] of this set.
func (s Set) Down(ctx context.Context, databaseURL string, options ...stdlib.OptionOpenDB) (Report, error) {
	var report Report
	err := s.withProvider(ctx, databaseURL, options, nil, true, func(p *goose.Provider) error {
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
