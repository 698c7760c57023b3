package schema_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/runner/pgtest"
	"shardclient/schema"
)

// numbered lists the tables whose ids PostgreSQL may give.
func numbered(t *testing.T, pool *pgxpool.Pool) []string {
	t.Helper()
	tables := pgtest.Column[string](t, pool, `SELECT c.relname::text FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid
		WHERE c.relnamespace = 'public'::regnamespace AND a.attidentity <> ''
			AND c.relname NOT IN ('goose_db_version', 'shard_client_scheduler_migrations') ORDER BY 1`)
	if len(tables) < 16 {
		t.Fatalf("only %q have an identity", tables)
	}
	return tables
}

// keyOf is the column of a table whose values PostgreSQL may give.
func keyOf(t *testing.T, pool *pgxpool.Pool, table string) string {
	t.Helper()
	return pgtest.Query[string](t, pool, "SELECT attname::text FROM pg_attribute WHERE attrelid = $1::regclass AND attidentity <> ''", table)
}

// copied inserts a row with an id, and whatever else its columns need, as a copy of another
// database would. Without foreign keys, so that each table can be tried alone.
func copied(t *testing.T, pool *pgxpool.Pool, table string, id int64) {
	t.Helper()
	columns := pgtest.Column[string](t, pool, `SELECT format('%I', attname) FROM pg_attribute
		WHERE attrelid = $1::regclass AND attnum > 0 AND attidentity = '' AND attnotnull ORDER BY attnum`, table)
	values := pgtest.Column[string](t, pool, `SELECT CASE format_type(atttypid, NULL)
			WHEN 'text' THEN CASE attname WHEN 'direction' THEN quote_literal('in') ELSE quote_literal($2::text) END
			WHEN 'boolean' THEN 'false' WHEN 'bigint[]' THEN '''{}''' WHEN 'integer[]' THEN '''{}'''
			WHEN 'bytea' THEN quote_literal($2::text)
			WHEN 'timestamp without time zone' THEN 'now()' WHEN 'timestamp with time zone' THEN 'now()' ELSE $2::text END
		FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 AND attidentity = '' AND attnotnull ORDER BY attnum`,
		table, fmt.Sprint(id%1000000))
	columns, values = append(columns, keyOf(t, pool, table)), append(values, fmt.Sprint(id))
	pgtest.Exec(t, pool, fmt.Sprintf("INSERT INTO %s (%s) OVERRIDING SYSTEM VALUE VALUES (%s)",
		table, strings.Join(columns, ", "), strings.Join(values, ", ")))
}

// next is the id that PostgreSQL would give.
func next(t *testing.T, pool *pgxpool.Pool, table string) int64 {
	t.Helper()
	return pgtest.Query[int64](t, pool, "SELECT nextval(pg_get_serial_sequence($1, $2))", table, keyOf(t, pool, table))
}

func withoutForeignKeys(t *testing.T, pool *pgxpool.Pool) {
	t.Helper()
	for _, sql := range pgtest.Column[string](t, pool, `SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname)
		FROM pg_constraint WHERE contype = 'f'`) {
		pgtest.Exec(t, pool, sql)
	}
}

// An identity goes past every id that is inserted, as AUTO_INCREMENT of MariaDB does, and never
// back. An id near the end of all numbers does not use them up.
func TestIdentitiesPassTheHighestID(t *testing.T) {
	_, pool := withScheduler(t) // the tables of a scheduler do the same, whatever their keys are called
	withoutForeignKeys(t, pool)
	tables := numbered(t, pool)
	if len(tables) < 45 {
		t.Errorf("only %d tables", len(tables))
	}
	pgtest.Exec(t, pool, "DELETE FROM tko_status") // comes with rows
	for _, table := range tables {
		for _, step := range []struct{ id, want int64 }{{310_000_000, 310_000_001}, {5, 310_000_002}, {1<<63 - 1, 310_000_003}} {
			copied(t, pool, table, step.id)
			if got := next(t, pool, table); got != step.want {
				t.Errorf("%s: the next id after %d is %d, want %d", table, step.id, got, step.want)
			}
		}
	}
}

// COPY counts as well, and needs no right on the sequence.
func TestACopyMovesTheIdentity(t *testing.T) {
	pool := pgtest.Pool(t)
	pgtest.Exec(t, pool, "CREATE ROLE schema_identity_copier; GRANT INSERT ON afe_users TO schema_identity_copier")
	t.Cleanup(func() {
		_, _ = pool.Exec(context.Background(), "DROP OWNED BY schema_identity_copier; DROP ROLE schema_identity_copier")
	})
	err := pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(t.Context(), "SET LOCAL ROLE schema_identity_copier"); err != nil {
			return err
		}
		_, err := tx.CopyFrom(t.Context(), pgx.Identifier{"afe_users"}, []string{"id", "login"},
			pgx.CopyFromRows([][]any{{7, "a"}, {14, "b"}, {9, "c"}}))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if id := pgtest.Query[int64](t, pool, "INSERT INTO afe_users (login) VALUES ('autotest_system') RETURNING id"); id != 15 {
		t.Errorf("the scheduler's user has id %d, want 15", id)
	}
}

// Rows that came while triggers were off, as with pg_restore --disable-triggers, are passed by the
// next insert.
func TestRowsThatCameWithoutTriggersArePassed(t *testing.T) {
	pool := pgtest.Pool(t)
	pgtest.Exec(t, pool, "SET session_replication_role = replica; INSERT INTO afe_users (id, login) SELECT i, 'user' || i FROM generate_series(1, 40) AS i")
	pool.Reset()
	if id := pgtest.Query[int64](t, pool, "INSERT INTO afe_users (login) VALUES ('autotest_system') RETURNING id"); id != 41 {
		t.Errorf("the scheduler's user has id %d, want 41", id)
	}
}

// Rows that were here before the triggers are passed by the migration.
func TestMigratingPassesTheRowsThatAreHere(t *testing.T) {
	url := pgtest.EmptyDatabase(t)
	if _, err := schema.Up(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	pool := open(t, url)
	triggers := "SELECT count(*) FROM pg_trigger WHERE tgname LIKE '%\\_id\\_before'"
	for pgtest.Query[int](t, pool, triggers) > 0 {
		if _, err := schema.Down(t.Context(), url); err != nil {
			t.Fatal(err)
		}
	}
	pool.Reset() // plans of before know columns that are gone
	withoutForeignKeys(t, pool)
	tables := numbered(t, pool)
	for _, table := range tables {
		copied(t, pool, table, 1000)
	}
	if _, err := schema.Up(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	for _, table := range tables {
		if got := next(t, pool, table); got != 1001 {
			t.Errorf("%s: the next id is %d, want 1001", table, got)
		}
	}
}
