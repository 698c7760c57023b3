package move

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// noteColumns lists columns of MySQL that PostgreSQL's table does not have.
func (i *importing) noteColumns(t *table, columns []string) {
	for _, name := range columns {
		if !slices.ContainsFunc(t.columns, func(c column) bool { return c.name == name }) {
			i.report.Stays = append(i.report.Stays, "column "+t.name+"."+name+": this database has none of that name")
		}
	}
}

// listWhatStays lists tables of MySQL that no row was read of, and tables here that MySQL shows
// none of: to a user without a right it hides them.
func (i *importing) listWhatStays() {
	var away, results, hidden []string
	for _, t := range i.tables {
		if !slices.Contains(i.from.tables, t.name) && (i.All || ours(t.name)) {
			hidden = append(hidden, t.name)
		}
	}
	for _, name := range i.from.tables {
		switch {
		case slices.ContainsFunc(i.report.Tables, func(m Moved) bool { return m.Table == name }):
		case slices.ContainsFunc(i.tables, func(t *table) bool { return t.name == name && t.given }):
		case slices.ContainsFunc(i.tables, func(t *table) bool { return t.name == name }):
			results = append(results, name)
		default:
			away = append(away, name)
		}
	}
	slices.Sort(away)
	slices.Sort(results)
	slices.Sort(hidden)
	if len(results) > 0 {
		i.report.Stays = append(i.report.Stays, "tables that only --all moves: "+strings.Join(results, ", "))
	}
	if len(away) > 0 {
		i.report.Stays = append(i.report.Stays, "tables that this database does not have: "+strings.Join(away, ", "))
	}
	if len(hidden) > 0 {
		i.report.Stays = append(i.report.Stays, "tables that MySQL does not have, or does not show to this user: "+strings.Join(hidden, ", "))
	}
}

// CheckError says what is not as it was in MySQL. Nothing is stored.
type CheckError struct{ Cause string }

func (e *CheckError) Error() string { return e.Cause + "; nothing was stored" }

// Hint says what to do about it.
func (e *CheckError) Hint() string {
	return "see that nobody writes to MySQL, and start it again; if it stays, report it: it is a fault of shard-client-move"
}

// check proves what was stored, before the commit.
func (i *importing) check(ctx context.Context) error {
	for _, m := range i.report.Tables {
		t := i.tables[slices.IndexFunc(i.tables, func(t *table) bool { return t.name == m.Table })]
		n, err := i.count(ctx, t)
		if err != nil {
			return err
		}
		if n != m.Stored {
			return &CheckError{fmt.Sprintf("%s has %d rows, want %d", m.Table, n, m.Stored)}
		}
		if t.identity == "" {
			continue
		}
		var behind bool
		name := pgx.Identifier{t.name}.Sanitize()
		if t.identity != "id" { // no trigger moves it
			pass := statement("pass", "{table}", name, "{identity}", pgx.Identifier{t.identity}.Sanitize())
			if _, err := i.db.Exec(ctx, pass, name, t.identity); err != nil {
				return fmt.Errorf("move the identity of %s: %w", m.Table, err)
			}
		}
		query := statement("behind", "{table}", name, "{identity}", pgx.Identifier{t.identity}.Sanitize())
		if err := i.db.QueryRow(ctx, query, name, t.identity).Scan(&behind); err != nil {
			return fmt.Errorf("look at the identity of %s: %w", m.Table, err)
		}
		if behind {
			return &CheckError{m.Table + " would give out an id that is used"}
		}
	}
	i.proven("as many rows in each table as were read, less those left out")
	i.proven("identities are past the highest ids")
	broken, err := i.q.BrokenReferences(ctx)
	if err != nil {
		return err
	}
	if len(broken) > 0 {
		return &Refusal{
			Cause:  "foreign keys are not kept here: " + strings.Join(broken, ", ") + "; nothing was stored",
			Remedy: "shard-client migrate repair names what is wrong with the client's tables; for those of a scheduler, ALTER TABLE ... ENABLE TRIGGER ALL and VALIDATE CONSTRAINT as a superuser, then start it again",
		}
	}
	i.proven("foreign keys are whole")
	return i.checkPacket(ctx)
}

func (i *importing) proven(what string) { i.report.Checks = append(i.report.Checks, what) }

// checkPacket compares what waits for its upload.
func (i *importing) checkPacket(ctx context.Context) error {
	want, err := i.from.ids(ctx, statement("waiting"))
	if err != nil {
		return err
	}
	if i.report.WaitingJobs, err = i.q.WaitingJobs(ctx); err != nil {
		return err
	}
	if !slices.Equal(want, i.report.WaitingJobs) {
		return &CheckError{fmt.Sprintf("jobs %s wait for their upload in MySQL, and %s here", listed(want), listed(i.report.WaitingJobs))}
	}
	i.proven("the same jobs wait for their upload")
	return i.listKnown(ctx)
}

// listKnown lists what the next packet knows.
func (i *importing) listKnown(ctx context.Context) (err error) {
	if i.report.KnownJobs, err = i.q.KnownJobs(ctx); err == nil {
		i.report.KnownHosts, err = i.q.KnownHosts(ctx)
	}
	return err
}
