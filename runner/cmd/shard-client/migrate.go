package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"text/tabwriter"

	"github.com/jackc/pgx/v5/stdlib"

	"shardclient/runner/lock"
	"shardclient/runner/pg"
	"shardclient/runner/poolers"
	"shardclient/runner/repair"
	"shardclient/runner/screen"
	"shardclient/schema"
)

func (p *program) migrateUp(ctx context.Context) error {
	at, end := screen.Progress(p.stderr)
	defer end()
	at("migrate up")
	up := func(ctx context.Context, databaseURL string, options ...stdlib.OptionOpenDB) (schema.Report, error) {
		defer end() // before the result is printed
		return schema.UpTelling(ctx, databaseURL, func(what string) { at("migrate up: " + what) }, options...)
	}
	return p.migrate(ctx, "migrate up", up, "nothing to do: every migration is applied")
}

func (p *program) migrateDown(ctx context.Context) error {
	if held := p.served(ctx); held != nil {
		return held // what the step drops, it would still use
	}
	return p.migrate(ctx, "migrate down", schema.Down, "nothing to do: no migration is applied")
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

// migrateFunc is schema.Up or schema.Down.
type migrateFunc func(ctx context.Context, databaseURL string, options ...stdlib.OptionOpenDB) (schema.Report, error)

// migrate prints each step that was made, those before a failure too.
func (p *program) migrate(ctx context.Context, name string, run migrateFunc, nothing string) error {
	prepare, err := p.migrations(ctx, name, true)
	if err != nil {
		return err
	}
	report, err := run(ctx, string(p.settings.DatabaseURL), prepare)
	err = repair.OwnersOnly(err)
	var misplaced *schema.PlaceError
	if errors.As(err, &misplaced) {
		return &usageError{err}
	}
	if p.settings.Output == "json" && (err == nil || report != nil) {
		if report == nil {
			report = schema.Report{}
		}
		return cmp.Or(err, json.NewEncoder(p.stdout).Encode(report))
	}
	defer func() {
		if len(report) > 0 && err == nil && report[0].Direction == "up" {
			p.say(below("where the client has a role of its own, give it its rights: shard-client migrate grant ROLE, as the owner"))
			if held := p.served(ctx); held != nil {
				p.say(below("restart the client that runs, which does not notice a migration: until then its beats may fail"))
			}
		}
	}()
	for _, step := range report {
		fmt.Fprintf(p.stdout, "%-4s %s (%.0f ms)\n", step.Direction, step.Name, step.TookMS)
	}
	if len(report) == 0 && err == nil {
		fmt.Fprintln(p.stdout, nothing)
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

// migrateStatus lists the migrations.
func (p *program) migrateStatus(ctx context.Context) error {
	prepare, err := p.migrations(ctx, "migrate status", false)
	if err != nil {
		return err
	}
	list, err := schema.Status(ctx, string(p.settings.DatabaseURL), prepare)
	if err != nil {
		return err
	}
	if newest := list[len(list)-1]; newest.Name == "" {
		known, err := schema.Latest()
		if err != nil {
			return err
		}
		fmt.Fprintf(p.stderr, "shard-client: %v\n", &schema.VersionError{Have: newest.Version, Want: known})
	}
	if p.settings.Output == "json" {
		return json.NewEncoder(p.stdout).Encode(list)
	}
	table := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "VERSION\tNAME\tAPPLIED")
	for _, m := range list {
		applied := "pending"
		if m.AppliedAt != nil {
			applied = m.AppliedAt.UTC().Format("2006-01-02 15:04:05 UTC")
		}
		fmt.Fprintf(table, "%d\t%s\t%s\n", m.Version, cmp.Or(m.Name, "(of a newer shard-client)"), applied)
	}
	return table.Flush()
}
