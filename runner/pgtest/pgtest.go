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
// Under `make test` all packages of the run share one server instead, which runner/cmd/testrun
// starts and stops. Databases are a test's own, but roles belong to the server: a role needs a name
// that no other package uses. A test that stops, kills or configures its server starts one for
// itself (runner/postgres). [Impostor] is one that only says its version.
//
// # Databases
//
// [Pool] and [Database] give a database with the schema, [EmptyDatabase] one without. Each is
// dropped after its test. An Example, which has no testing.TB, passes an [Example].
package pgtest

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/runner/postgres"
)

const (
	// template is the migrated database that Database clones.
	template = "shard_template"

	// blank is PostgreSQL's own template.
	blank = "template1"

	// prepareTimeout bounds the start of the server and its migration. Only what hangs takes so
	// long, on any machine.
	prepareTimeout = 5 * time.Minute
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
	at := runningServer(t)
	if err := prepareTemplate(); err != nil {
		t.Fatal(err)
	}
	return create(t, at, template)
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

// databases counts those of this process, whose name tells them from those of other packages at the
// same server.
var (
	databases   atomic.Int64
	processName = strings.ToLower(rand.Text()[:8])
)

func create(t T, on server, from string) string {
	t.Helper()
	name := fmt.Sprintf("test_%s_%d", processName, databases.Add(1))
	if err := on.CreateDatabase(t.Context(), name, from); err != nil {
		t.Fatal(err)
	}
	// 5 ms each, against 9 MB of memory that would otherwise stay until the last test.
	t.Cleanup(func() {
		if err := on.DropDatabase(context.Background(), name); err != nil {
			t.Error(err)
		}
	})
	return on.URL(name)
}

var (
	inMain atomic.Bool

	// own is the server that this process has started: stopServer must not start what nobody
	// needed.
	own       atomic.Pointer[postgres.Server]
	theServer = sync.OnceValues(findServer)

	prepareTemplate = sync.OnceValue(migrateTemplate)
)

// runningServer finds or starts the server at the first call. Every later test fails with the same
// error.
func runningServer(t T) server {
	t.Helper()
	if !inMain.Load() {
		t.Fatal("nobody would stop the server: add to the package's tests" +
			" func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }")
	}
	found, err := theServer()
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// findServer returns the server of the run, or starts one for this process. It does not use the
// first test's context: the server serves all tests.
func findServer() (server, error) {
	ctx, cancel := context.WithTimeout(context.Background(), prepareTimeout)
	defer cancel()
	if err := postgres.ForgetLibpqSettings(); err != nil {
		return nil, err
	}
	if shared := postgres.SharedDirectory(); shared != "" {
		return postgres.Visit(ctx, shared)
	}
	started, err := postgres.Start(ctx, postgres.Options{})
	if err != nil {
		return nil, err
	}
	own.Store(started)
	return started, nil
}

// migrateTemplate makes the template, which a shared server has already.
func migrateTemplate() error {
	started := own.Load()
	if started == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), prepareTimeout)
	defer cancel()
	return makeTemplate(ctx, started)
}

func stopServer() error {
	if started := own.Load(); started != nil {
		return started.Stop()
	}
	return nil
}
