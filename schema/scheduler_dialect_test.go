package schema_test

import (
	"bytes"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/runner/pgtest"
)

// example is a statement of docs/scheduler.md with what the page says about it.
type example struct {
	mark   string // rows: what the others are of; taught: the second set makes it run; refused
	sql    string
	answer []string // its rows, or the tag of the command
}

func examples(t *testing.T) (all []example) {
	t.Helper()
	page, err := os.ReadFile("../docs/scheduler.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range regexp.MustCompile("(?s)```sql\n(.*?)```").FindAllStringSubmatch(string(page), -1) {
		next := example{}
		for line := range strings.Lines(block[1]) {
			said, comment := strings.CutPrefix(strings.TrimSpace(line), "-- ")
			switch {
			case slices.Contains([]string{"rows", "taught", "refused"}, said):
				next.mark = said
			case comment && len(all) > 0:
				all[len(all)-1].answer = append(all[len(all)-1].answer, said)
			default:
				next.sql += line
			}
			if strings.HasSuffix(line, ";\n") {
				all = append(all, next)
				next = example{mark: map[bool]string{true: "rows"}[next.mark == "rows"]}
			}
		}
	}
	if len(all) < 35 {
		t.Errorf("only %d statements", len(all))
	}
	return all
}

// The examples of docs/scheduler.md: a statement that runs as it is, or one in PostgreSQL's words
// that a module for Django has to make of the other. What they answer stands below them.
func TestSchedulersStatements(t *testing.T) {
	t.Parallel()
	_, pool := withScheduler(t)
	plain := openPool(t, pgtest.Database(t)) // without the dialect
	for _, one := range examples(t) {
		if one.mark == "rows" {
			pgtest.Exec(t, pool, one.sql)
			continue
		}
		answer, err := run(t, pool, one.sql)
		if refused := one.mark == "refused"; refused != (err != nil) {
			t.Errorf("refused: %t, want %t: %v\n%s", err != nil, refused, err, one.sql)
		} else if !slices.Equal(answer, one.answer) {
			t.Errorf("%s answers\n%s\nand the page says\n%s", one.sql, strings.Join(answer, "\n"), strings.Join(one.answer, "\n"))
		}
		if one.mark == "taught" {
			if _, err := run(t, plain, one.sql); err == nil {
				t.Errorf("this runs without the dialect:\n%s", one.sql)
			}
		}
	}
}

// run runs a statement, and takes back what it did. The answer is its rows, or the tag of the
// command where it has none.
func run(t *testing.T, pool *pgxpool.Pool, sql string) (answer []string, err error) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), pool.Config().ConnString()) // no id was given in it yet
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	pgtest.Exec(t, conn, "BEGIN")
	results, err := conn.PgConn().Exec(t.Context(), sql).ReadAll()
	for _, result := range results {
		for _, row := range result.Rows {
			answer = append(answer, string(bytes.Join(row, []byte(" | "))))
		}
		if !result.CommandTag.Select() && result.Err == nil {
			answer = append(answer, result.CommandTag.String())
		}
	}
	return answer, err
}

// What the dialect answers is what MariaDB answers.
func TestSchedulerDialect(t *testing.T) {
	t.Parallel()
	_, pool := withScheduler(t)
	for sql, want := range map[string]string{
		"SELECT (true = 1) || ' ' || (1 = true) || ' ' || (true = 0) || ' ' || (false = 0) || ' ' || (true <> 0) || ' ' || (0 <> true)": "true true false true true true",
		"SELECT coalesce((NULL::boolean = 1)::text, 'null')":                                                                            "null",
		"SELECT (true = 2) || ' ' || (false <> 2)":                                                                                      "false true",
		"SELECT isnull(NULL::bigint) || ' ' || isnull(0)":                                                                               "true false",
		"SELECT group_concat(x) FROM (VALUES ('a'), (NULL), ('b'), ('')) AS v (x)":                                                      "a,b,",
		"SELECT group_concat(x ORDER BY x DESC) FROM (VALUES (1), (NULL), (12)) AS v (x)":                                               "12,1",
		"SELECT coalesce(group_concat(x), 'null') FROM (SELECT NULL::text) AS v (x)":                                                    "null",
		"SELECT group_concat(DISTINCT x) FROM (VALUES ('b'), ('a'), ('b')) AS v (x)":                                                    "a,b",
		"SELECT last_insert_id()::text":                                                                                                 "0",
	} {
		conn, err := pgx.Connect(t.Context(), pool.Config().ConnString())
		if err != nil {
			t.Fatal(err)
		}
		var got string
		if err := conn.QueryRow(t.Context(), sql).Scan(&got); err != nil || got != want {
			t.Errorf("%s: %q, %v, want %q", sql, got, err, want)
		}
		_ = conn.Close(t.Context())
	}
	tx, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(t.Context()) }()
	pgtest.Exec(t, tx, "INSERT INTO afe_labels (id, name) VALUES (41, 'given')")
	made := pgtest.Query[int64](t, tx, "INSERT INTO afe_labels (name) VALUES ('made') RETURNING id")
	if last := pgtest.Query[int64](t, tx, "SELECT last_insert_id()"); last != made || made != 42 {
		t.Errorf("last_insert_id() is %d after id %d, want 42", last, made)
	}
}
