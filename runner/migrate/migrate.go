// Package migrate is `shard-client migrate`: it brings a set of tables up or down, and says where
// it is. What it does to the database, package schema does.
package migrate

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/jackc/pgx/v5/stdlib"

	"shardclient/runner/repair"
	"shardclient/runner/screen"
	"shardclient/schema"
)

// Program is what the commands need of the program that they belong to.
type Program struct {
	DatabaseURL    string
	JSON           bool // results are for programs
	Stdout, Stderr io.Writer
	// Prepare returns how connections are made, after a look at the database; change: for what
	// writes.
	Prepare func(ctx context.Context, name string, change bool) (stdlib.OptionOpenDB, error)
	// Served returns the error of a client that serves the shard now; nil: there is none, as far as
	// is known.
	Served func(context.Context) error
	// Misused marks an error as one of the settings.
	Misused func(error) error
	// Advise says what to do next.
	Advise func(string)
}

// Sets are the flags of every command here.
type Sets struct {
	With string `enum:"scheduler" help:"The tables of a real scheduler, in place of the client's own."`
}

func (s *Sets) set() schema.Set {
	if s.With == schema.Scheduler.Name {
		return schema.Scheduler
	}
	return schema.Client
}

// Up applies what is pending.
func (s *Sets) Up(ctx context.Context, p *Program) error {
	at, end := screen.Progress(p.Stderr)
	defer end()
	at("migrate up")
	return p.migrate(ctx, "migrate up", func(ctx context.Context, databaseURL string, options ...stdlib.OptionOpenDB) (schema.Report, error) {
		defer end() // before the result is printed
		return s.set().UpTelling(ctx, databaseURL, func(what string) { at("migrate up: " + what) }, options...)
	}, "nothing to do: every migration is applied", s.With == "")
}

// Down takes the newest migration back.
func (s *Sets) Down(ctx context.Context, p *Program) error {
	if held := p.Served(ctx); held != nil && s.With == "" {
		return held // what the step drops, it would still use
	}
	return p.migrate(ctx, "migrate down", s.set().Down, "nothing to do: no migration is applied", false)
}

type migrateFunc func(ctx context.Context, databaseURL string, options ...stdlib.OptionOpenDB) (schema.Report, error)

// migrate prints each step that was made, those before a failure too.
func (p *Program) migrate(ctx context.Context, name string, run migrateFunc, nothing string, forClient bool) error {
	prepare, err := p.Prepare(ctx, name, true)
	if err != nil {
		return err
	}
	report, err := run(ctx, p.DatabaseURL, prepare)
	err = repair.OwnersOnly(err)
	if misplaced := new(schema.PlaceError); errors.As(err, &misplaced) {
		return p.Misused(err)
	}
	if p.JSON && (err == nil || report != nil) {
		if report == nil {
			report = schema.Report{}
		}
		return cmp.Or(err, json.NewEncoder(p.Stdout).Encode(report))
	}
	for _, step := range report {
		fmt.Fprintf(p.Stdout, "%-4s %s (%.0f ms)\n", step.Direction, step.Name, step.TookMS)
	}
	if len(report) == 0 && err == nil {
		fmt.Fprintln(p.Stdout, nothing)
	}
	if len(report) > 0 && err == nil && forClient {
		p.Advise("where the client has a role of its own, give it its rights: shard-client migrate grant ROLE, as the owner")
		if p.Served(ctx) != nil {
			p.Advise("restart the client that runs, which does not notice a migration: until then its beats may fail")
		}
	}
	return err
}

// Status lists the migrations; those of a scheduler too, where its tables are there.
func (s *Sets) Status(ctx context.Context, p *Program) error {
	prepare, err := p.Prepare(ctx, "migrate status", false)
	if err != nil {
		return err
	}
	list, err := s.set().Status(ctx, p.DatabaseURL, prepare)
	if err != nil {
		return err
	}
	if newest := list[len(list)-1]; newest.Name == "" {
		known, err := s.set().Latest()
		if err != nil {
			return err
		}
		fmt.Fprintf(p.Stderr, "shard-client: %v\n", &schema.VersionError{Have: newest.Version, Want: known})
	}
	if p.JSON {
		return json.NewEncoder(p.Stdout).Encode(list)
	}
	table := tabwriter.NewWriter(p.Stdout, 0, 0, 2, ' ', 0)
	write(table, list)
	if s.With == "" {
		others, err := schema.Scheduler.Status(ctx, p.DatabaseURL, prepare)
		if err == nil && others[0].AppliedAt != nil {
			fmt.Fprint(table, "\nOf a scheduler (--with scheduler):\n\n")
			write(table, others)
		}
	}
	return table.Flush()
}

func write(table io.Writer, list []schema.Migration) {
	fmt.Fprintln(table, "VERSION\tNAME\tAPPLIED")
	for _, m := range list {
		applied := "pending"
		if m.AppliedAt != nil {
			applied = m.AppliedAt.UTC().Format("2006-01-02 15:04:05 UTC")
		}
		fmt.Fprintf(table, "%d\t%s\t%s\n", m.Version, cmp.Or(m.Name, "(of a newer shard-client)"), applied)
	}
}
