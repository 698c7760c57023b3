package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/runner/config"
	"shardclient/runner/master/admin"
	"shardclient/runner/pg"
	"shardclient/runner/plain"
	"shardclient/schema"
)

// maxCell bounds a text from outside in a table, in bytes. Autotest's own names are shorter.
const maxCell = 300

// masterDatabase is embedded in every command that edits or lists the objects of the master.
type masterDatabase struct {
	DatabaseURL config.DatabaseURL `env:"SHARD_LAB_DATABASE_URL" placeholder:"URL" help:"The master's PostgreSQL, as URL or key=value list. Use the environment for passwords: flags show in ps."`
	Output      string             `enum:"text,json" default:"text" help:"Format of the result."`
}

// use connects for one call. Its errors, also those of the driver, never contain the password.
func (m *masterDatabase) use(ctx context.Context, call func(*admin.Admin) error) error {
	settings, err := m.settings()
	if err != nil {
		return err
	}
	pool, err := pgxpool.NewWithConfig(ctx, settings)
	if err != nil {
		return m.redacted(err)
	}
	defer pool.Close()
	if err := schema.Check(ctx, pool); err != nil {
		return m.redacted(fmt.Errorf("the master's database: %w", err))
	}
	a, err := admin.New(pool)
	if err != nil {
		return err
	}
	if err := a.Check(ctx); err != nil {
		return m.redacted(fmt.Errorf("--database-url: %w", err))
	}
	if err := call(a); err != nil {
		return m.redacted(err)
	}
	return nil
}

func (m *masterDatabase) settings() (*pgxpool.Config, error) {
	if m.DatabaseURL == "" {
		return nil, &usageError{errors.New("--database-url: nothing says where the master's database is: " +
			"give postgres://USER:PASSWORD@HOST:PORT/DATABASE, special characters of the password percent-encoded, " +
			"or set SHARD_LAB_DATABASE_URL")}
	}
	settings, err := parseDatabaseURL(m.DatabaseURL)
	if err != nil {
		return nil, &usageError{err}
	}
	if settings.ConnConfig.RuntimeParams["statement_timeout"] == "" {
		settings.ConnConfig.RuntimeParams["statement_timeout"] = "0" // a comparison reads all there is
	}
	settings.BeforeConnect = (&pg.Door{Name: "shard-lab"}).BeforeConnect
	return settings, nil
}

// parseDatabaseURL reads the database URL of any command of shard-lab. Its error names the flag and
// repeats no part of the URL.
func parseDatabaseURL(url config.DatabaseURL) (*pgxpool.Config, error) {
	settings, err := pg.ParseURL(string(url), (&config.Config{DatabaseURL: url}).Secrets(nil).Redact)
	if err != nil {
		return nil, fmt.Errorf("--database-url: %w", err)
	}
	return settings, nil
}

// redactedError wraps an error and shows its text without the password.
type redactedError struct {
	text string
	err  error
}

func (e *redactedError) Error() string { return e.text }
func (e *redactedError) Unwrap() error { return e.err }

func (m *masterDatabase) redacted(err error) error {
	return &redactedError{(&config.Config{DatabaseURL: m.DatabaseURL}).Secrets(nil).Redact(err.Error()), err}
}

// print writes a result as JSON, or as text for people.
func (m *masterDatabase) print(out output, result any, text func(io.Writer) error) error {
	if m.Output == "json" {
		return json.NewEncoder(out.stdout).Encode(result)
	}
	return text(out.stdout)
}

// table prints rows under a header. Names come from outside: a tab or a line break in one would
// spoil the table, and an escape sequence the terminal.
func table(w io.Writer, header string, rows [][]string) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, strings.ReplaceAll(header, " ", "\t")) // Flush returns the error
	for _, row := range rows {
		cells := make([]string, len(row))
		for i, cell := range row {
			cells[i] = line(cell)
		}
		_, _ = fmt.Fprintln(t, strings.Join(cells, "\t")) // likewise
	}
	return t.Flush()
}

// line returns a text from outside as it may stand in a table or message.
func line(text string) string {
	if text == "" {
		return "-"
	}
	return plain.Line(text, maxCell)
}

// outcomes say in words what happened to an object. A command may have its own words.
var outcomes = map[admin.Outcome]string{
	admin.Added:     "added",
	admin.Restored:  "added again, with its old id",
	admin.Changed:   "changed",
	admin.Removed:   "removed",
	admin.Unchanged: "is there already",
}

// printChanges prints a line for each object.
func printChanges(w io.Writer, kind string, changes []admin.Change, own map[admin.Outcome]string) error {
	for _, change := range changes {
		words, ok := own[change.Outcome]
		if !ok {
			words = outcomes[change.Outcome]
		}
		if _, err := fmt.Fprintf(w, "%s %s (id %d): %s\n", kind, line(change.Name), change.ID, words); err != nil {
			return err
		}
	}
	return nil
}

// actor returns the user in whose name something is done: the login that was given, or the
// operating system's user.
func actor(login string) (string, error) {
	name, err := (&config.Config{User: login}).Login()
	if err != nil {
		return "", &usageError{err}
	}
	return name, nil
}

// when formats a time of the master, which is in UTC and has no zone.
func when(t time.Time) string { return t.Format("2006-01-02 15:04:05") }
