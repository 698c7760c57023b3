package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/runner/afe"
	"shardclient/runner/config"
	"shardclient/runner/lab/converge"
	"shardclient/schema"
)

// shownDisagreements is how many differences are printed as text; JSON has all of them.
const shownDisagreements = 20

type agreeCommand struct {
	masterDatabase
	Protocol string   `enum:"2015,2019" default:"2019" help:"Version of the protocol that they spoke, which decides what the master can know."`
	Shard    []string `arg:"HOSTNAME=URL: a shard, as the master knows it, and its database."`
}

// Help is what --help says below the usage line.
func (*agreeCommand) Help() string {
	return `Compares entry by entry and field by field, and writes nothing. While beats and schedulers run it shows that moment,
in which uploads are under way. A verdict needs both at rest. Exit code 1: something differs, is still open, or ran on
two shards.

Example:
  shard-lab agree --database-url URL shard1=URL shard2=URL`
}

// Run compares the shards with the master.
func (c *agreeCommand) Run(ctx context.Context, out output) error {
	settings, err := c.settings()
	if err != nil {
		return err
	}
	master, err := openMigrated(ctx, settings)
	if err != nil {
		return c.redacted(fmt.Errorf("the master's database: %w", err))
	}
	defer master.Close()
	var shards []converge.Shard
	for _, one := range c.Shard {
		hostname, url, ok := strings.Cut(one, "=")
		if !ok || hostname == "" || url == "" || strings.ContainsAny(hostname, ":/") { // a URL may hold a = too
			return &usageError{errors.New("name a shard as HOSTNAME=URL, such as shard1.example=postgres://db1/autotest")}
		}
		database := masterDatabase{DatabaseURL: config.DatabaseURL(url)}
		settings, err := database.settings()
		if err != nil {
			return fmt.Errorf("%s: %w", line(hostname), err)
		}
		db, err := openMigrated(ctx, settings)
		if err != nil {
			return database.redacted(fmt.Errorf("the database of %s: %w", line(hostname), err))
		}
		defer db.Close()
		shards = append(shards, converge.Shard{Hostname: hostname, DB: db})
	}
	report, err := converge.Check(ctx, master, shards, afe.Protocol(c.Protocol))
	if err != nil {
		return c.redacted(err)
	}
	if err := c.print(out, report, func(w io.Writer) error { return printAgreement(w, report) }); err != nil {
		return err
	}
	if open := report.Entries - report.Complete; !report.Agree() || open > 0 {
		return fmt.Errorf("they do not agree, or are not done: %d differences, %d duplicated, %d open",
			len(report.Disagreements), report.Duplicated, open)
	}
	return nil
}

func openMigrated(ctx context.Context, settings *pgxpool.Config) (*pgxpool.Pool, error) {
	pool, err := pgxpool.NewWithConfig(ctx, settings)
	if err != nil {
		return nil, err
	}
	if err := schema.Check(ctx, pool); err != nil {
		pool.Close()
		return nil, err
	}
	return pool, nil
}

func printAgreement(w io.Writer, r *converge.Report) error {
	for i, d := range r.Disagreements {
		if i == shownDisagreements {
			_, _ = fmt.Fprintf(w, "... and %d more\n", len(r.Disagreements)-i) // the last line's error counts
			break
		}
		_, _ = fmt.Fprintln(w, line(d.String())) // likewise
	}
	_, err := fmt.Fprintf(w, "%d jobs, %d entries, %d of them complete: %d agreed, %d lost, %d duplicated\n",
		r.Jobs, r.Entries, r.Complete, r.Agreed, r.Lost, r.Duplicated)
	return err
}
