package main

import (
	"context"
	"encoding/json"
	"fmt"
	"text/tabwriter"

	"github.com/jackc/pgx/v5/stdlib"

	"shardclient/schema"
)

type migrateCommand struct {
	Up     migrateUp     `cmd:"" help:"Apply every pending migration."`
	Down   migrateDown   `cmd:"" help:"Take the newest migration back, one step, with the tables and rows it brought."`
	Status migrateStatus `cmd:"" help:"List the migrations and when they were applied."`
}

type (
	migrateUp     struct{}
	migrateDown   struct{}
	migrateStatus struct{}
)

// Run applies every pending migration.
func (*migrateUp) Run(ctx context.Context, p *program) error {
	return p.migrate(ctx, schema.Up, "nothing to do: every migration is applied")
}

// Run takes the newest migration back.
func (*migrateDown) Run(ctx context.Context, p *program) error {
	return p.migrate(ctx, schema.Down, "nothing to do: no migration is applied")
}

// migrateFunc is schema.Up or schema.Down.
type migrateFunc func(ctx context.Context, databaseURL string, options ...stdlib.OptionOpenDB) (schema.Report, error)

// migrate prints each step that was made, those before a failure too.
func (p *program) migrate(ctx context.Context, run migrateFunc, nothing string) error {
	if err := p.checkDatabase(); err != nil {
		return err
	}
	report, err := run(ctx, string(p.settings.DatabaseURL), stdlib.OptionBeforeConnect(p.door().BeforeConnect))
	if p.settings.Output == "json" && (err == nil || report != nil) {
		if report == nil {
			report = schema.Report{}
		}
		if err := json.NewEncoder(p.stdout).Encode(report); err != nil {
			return fmt.Errorf("print result: %w", err)
		}
		return err
	}
	for _, step := range report {
		fmt.Fprintf(p.stdout, "%-4s %s (%.0f ms)\n", step.Direction, step.Name, step.TookMS)
	}
	if len(report) == 0 && err == nil {
		fmt.Fprintln(p.stdout, nothing)
	}
	return err
}

// Run lists the migrations.
func (*migrateStatus) Run(ctx context.Context, p *program) error {
	if err := p.checkDatabase(); err != nil {
		return err
	}
	list, err := schema.Status(ctx, string(p.settings.DatabaseURL), stdlib.OptionBeforeConnect(p.door().BeforeConnect))
	if err != nil {
		return err
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
		fmt.Fprintf(table, "%d\t%s\t%s\n", m.Version, m.Name, applied)
	}
	return table.Flush()
}
