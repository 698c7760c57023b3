package pgtest_test

import (
	"context"
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"shardclient/runner/pgtest"
	"shardclient/schema"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.WithServer(m)) }

func connect(t testing.TB, databaseURL string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func TestDatabaseIsMigratedAndPrivate(t *testing.T) {
	t.Parallel()
	one, two := pgtest.Database(t), pgtest.Database(t)
	if err := schema.Check(t.Context(), connect(t, one)); err != nil {
		t.Errorf("schema of a new database: %v", err)
	}
	if _, err := connect(t, one).Exec(t.Context(), "CREATE TABLE only_here ()"); err != nil {
		t.Fatal(err)
	}
	var seen bool
	err := connect(t, two).QueryRow(t.Context(), "SELECT to_regclass('only_here') IS NOT NULL").Scan(&seen)
	if err != nil || seen {
		t.Errorf("a table of one test's database is in another's: %t, %v", seen, err)
	}
}

func TestEmptyDatabaseIsNotMigrated(t *testing.T) {
	t.Parallel()
	var version *schema.VersionError
	if err := schema.Check(t.Context(), connect(t, pgtest.EmptyDatabase(t))); !errors.As(err, &version) {
		t.Errorf("schema check of an empty database: %v, want a *schema.VersionError", err)
	}
}

func TestDatabaseGoesWithItsTest(t *testing.T) {
	t.Parallel()
	var databaseURL string
	t.Run("inner", func(t *testing.T) {
		databaseURL = pgtest.Database(t)
		pool := pgtest.Pool(t)
		if err := pool.Ping(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
	if conn, err := pgx.Connect(t.Context(), databaseURL); err == nil {
		_ = conn.Close(context.Background())
		t.Error("the database is still there after its test")
	}
}

// Tests fail in thousands when this is slow: watch it when the schema grows.
func BenchmarkDatabase(b *testing.B) {
	pgtest.Database(b) // the server's start is not what is measured
	for b.Loop() {
		pgtest.Database(b)
	}
}

func TestQueries(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	pgtest.Exec(t, pool, "CREATE TABLE one (n int); INSERT INTO one VALUES (1)")
	pgtest.Exec(t, pool, "INSERT INTO one VALUES ($1)", 2)
	if got := pgtest.Query[int](t, pool, "SELECT count(*) FROM one WHERE n <= $1", 2); got != 2 {
		t.Errorf("%d rows, want 2", got)
	}
	if got := pgtest.Column[int](t, connect(t, pool.Config().ConnString()), "SELECT n FROM one ORDER BY n DESC"); len(got) != 2 || got[0] != 2 {
		t.Errorf("%v, want [2 1]", got)
	}
}
