// Package pgtest gives each test a real PostgreSQL database of its own, cloned from a migrated
// template. Only tests import it. A test that cannot have its database fails; it is never skipped.
//
// # The server
//
// A test process has one private server. It starts when the first test asks for a database, and
// [Main] or [WithServer] stops it:
//
//	func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }
//
// # Databases
//
// [Pool] and [Database] give a database with the schema, [EmptyDatabase] one without. Each is
// dropped after its test. An Example, which has no testing.TB, passes an [Example].
package pgtest

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
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

	// prepareTimeout bounds the start of the server and its migration on a machine that is busy
	// compiling.
	prepareTimeout = 2 * time.Minute
)

// M is the part of *testing.M that this package needs.
type M interface{ Run() int }

// T is the part of testing.TB that this package needs.
type T interface {
	Helper()
	Context() context.Context
	Cleanup(func())
	Error(...any)
	Fatal(...any)
}

// Main runs the tests, stops the server and returns the exit code:
//
//	func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }
func Main(m M) int { return WithServer(m).Run() }

// WithServer is [Main] for a caller that does something after the server has stopped, as goleak
// does:
//
//	func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.WithServer(m)) }
//
// A test that calls goleak.VerifyNone itself passes it goleak.IgnoreCurrent(), taken after
// Database: the goroutine that waits for the server lives as long as the server.
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
func Database(t T) string {
	t.Helper()
	server := runningServer(t)
	if err := prepareTemplate(); err != nil {
		t.Fatal(err)
	}
	return create(t, server, template)
}

// Clone copies a database of this server and returns the URL of the copy, which is dropped after
// the test. Nobody may be connected to the original.
func Clone(t T, databaseURL string) string {
	t.Helper()
	config, err := pgx.ParseConfig(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	return create(t, runningServer(t), config.Database)
}

// EmptyDatabase is [Database] without the migrations, for tests of the migrations themselves.
func EmptyDatabase(t T) string {
	t.Helper()
	return create(t, runningServer(t), blank)
}

// Program returns the path of a program of the server's version, such as pg_dump.
func Program(t T, name string) string {
	t.Helper()
	return runningServer(t).Program(name)
}

// Pool returns a pool of connections to a fresh, migrated database. It is closed after the test.
func Pool(t T) *pgxpool.Pool {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), Database(t))
	if err != nil {
		t.Fatal(fmt.Errorf("open pool: %w", err))
	}
	t.Cleanup(pool.Close)
	return pool
}

var databases atomic.Int64

func create(t T, server *postgres.Server, from string) string {
	t.Helper()
	name := "test_" + strconv.FormatInt(databases.Add(1), 10)
	if err := server.CreateDatabase(t.Context(), name, from); err != nil {
		t.Fatal(err)
	}
	// Each takes 5 ms; otherwise 9 MB of memory would stay in use until the last test.
	t.Cleanup(func() {
		if err := server.DropDatabase(context.Background(), name); err != nil {
			t.Error(err)
		}
	})
	return server.URL(name)
}

var (
	inMain atomic.Bool

	// serverStarted is kept beside serverOnce because stopServer must not start a server that no
	// test needed.
	serverStarted atomic.Pointer[postgres.Server]
	serverOnce    = sync.OnceValue(startServer)

	prepareTemplate = sync.OnceValue(migrateTemplate)
)

// runningServer starts the server at the first call. Every later test fails with the same error.
func runningServer(t T) *postgres.Server {
	t.Helper()
	if !inMain.Load() {
		t.Fatal("nobody would stop the server: add to the package's tests" +
			" func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }")
	}
	if err := serverOnce(); err != nil {
		t.Fatal(err)
	}
	return serverStarted.Load()
}

// startServer does not use the first test's context: the server must outlive that test.
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
