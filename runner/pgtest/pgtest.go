// Package pgtest gives each test a real PostgreSQL database of its own, cloned from a migrated
// template. Only tests import it.
//
// # The server
//
// A test process has one private server, which starts when the first test asks for a database.
// [Main] or [WithServer], called in TestMain, stops it. Without PostgreSQL on the machine such
// tests fail; they are never skipped.
//
// # The databases
//
// [Pool] and [Database] give a migrated database, [EmptyDatabase] one without the migrations, and
// [Clone] a copy of a database that a test has filled. Each is dropped when its test ends.
package pgtest

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/runner/postgres"
	"shardclient/schema"
)

const (
	// template is the migrated database that Database clones.
	template = "shard_template"

	// blank is PostgreSQL's own template.
	blank = "template1"

	// prepareTimeout bounds the start of the server and its migration. It is long, because the
	// machine may be busy compiling.
	prepareTimeout = 2 * time.Minute
)

// M is the part of [*testing.M] that [Main] uses.
type M interface{ Run() int }

// Main runs the tests, stops the server and returns the exit code:
//
//	func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }
func Main(m M) int { return WithServer(m).Run() }

// WithServer returns an M whose Run does what [Main] does. It is for a TestMain that hands its
// tests on, as to goleak, which looks for leaks after the server has stopped:
//
//	func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.WithServer(m)) }
//
// A test that calls goleak.VerifyNone itself must pass it goleak.IgnoreCurrent(), taken after
// [Database]: the goroutine that waits for the server lives as long as the server does.
func WithServer(m M) M { return runner{m} }

type runner struct{ tests M }

func (r runner) Run() int {
	inMain.Store(true)
	code := r.tests.Run()
	if err := stopServer(); err != nil {
		fmt.Fprintln(os.Stderr, "pgtest:", err)
		code = max(code, 1)
	}
	return code
}

// Database returns the URL of a fresh, migrated database, which is dropped after the test.
func Database(t testing.TB) string {
	t.Helper()
	server := runningServer(t)
	if err := prepareTemplate(); err != nil {
		t.Fatal(err)
	}
	return create(t, server, template)
}

// Clone returns the URL of a copy of a database of this server, which is dropped after the test.
// Nobody may be connected to the original meanwhile.
func Clone(t testing.TB, databaseURL string) string {
	t.Helper()
	config, err := pgx.ParseConfig(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	return create(t, runningServer(t), config.Database)
}

// EmptyDatabase returns the URL of a database without the migrations, for the tests of migrations.
func EmptyDatabase(t testing.TB) string {
	t.Helper()
	return create(t, runningServer(t), blank)
}

// Program returns the path of a PostgreSQL program in the server's version, such as pg_dump.
func Program(t testing.TB, name string) string {
	t.Helper()
	return runningServer(t).Program(name)
}

// Pool returns a pool of connections to a fresh, migrated database. It is closed after the test.
func Pool(t testing.TB) *pgxpool.Pool {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), Database(t))
	if err != nil {
		t.Fatalf("open pool: %v", err)
	}
	t.Cleanup(pool.Close)
	return pool
}

var databases atomic.Int64

func create(t testing.TB, server *postgres.Server, from string) string {
	t.Helper()
	name := "test_" + strconv.FormatInt(databases.Add(1), 10)
	if err := server.CreateDatabase(t.Context(), name, from); err != nil {
		t.Fatal(err)
	}
	// Dropping takes 5 ms; each database kept until the last test would hold 9 MB of memory.
	t.Cleanup(func() {
		if err := server.DropDatabase(context.Background(), name); err != nil {
			t.Error(err)
		}
	})
	return server.URL(name)
}

var (
	inMain atomic.Bool

	// serverStarted is nil until serverOnce has run: stopServer must not start a server that no
	// test needed.
	serverStarted atomic.Pointer[postgres.Server]
	serverOnce    = sync.OnceValue(startServer)

	prepareTemplate = sync.OnceValue(migrateTemplate)
)

// runningServer starts the server at the first call. When that fails, every later test fails with
// the same error.
func runningServer(t testing.TB) *postgres.Server {
	t.Helper()
	if !inMain.Load() {
		t.Fatal("nothing would stop the server afterwards: add to the package's tests" +
			" func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }")
	}
	if err := serverOnce(); err != nil {
		t.Fatal(err)
	}
	return serverStarted.Load()
}

// startServer uses a context of its own, not the first test's: the server serves all tests.
func startServer() error {
	ctx, cancel := context.WithTimeout(context.Background(), prepareTimeout)
	defer cancel()
	if err := postgres.ForgetLibpqSettings(); err != nil {
		return err
	}
	server, err := postgres.Start(ctx, postgres.Options{})
	if err != nil {
		return err
	}
	serverStarted.Store(server)
	return nil
}

func migrateTemplate() error {
	ctx, cancel := context.WithTimeout(context.Background(), prepareTimeout)
	defer cancel()
	server := serverStarted.Load()
	if err := server.CreateDatabase(ctx, template, blank); err != nil {
		return err
	}
	if _, err := schema.Up(ctx, server.URL(template)); err != nil {
		return fmt.Errorf("prepare the template of the test databases: %w", err)
	}
	return nil
}

func stopServer() error {
	if server := serverStarted.Load(); server != nil {
		return server.Stop()
	}
	return nil
}
