package main

import (
	"bytes"
	"context"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"shardclient/runner/config"
	"shardclient/runner/pgtest"
	"shardclient/runner/wait"
)

// watched is an output that somebody waits at.
type watched struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (w *watched) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.Write(p)
}

func (w *watched) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

func (w *watched) waitFor(t *testing.T, text string) {
	t.Helper()
	wait.Until(t, text+" in the log", func() bool { return strings.Contains(w.String(), text) }, w.String)
}

// terminate sends the signal to the test itself, which run catches.
func terminate(t *testing.T) {
	t.Helper()
	if err := syscall.Kill(syscall.Getpid(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
}

func connect(t *testing.T, databaseURL string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// waitUntil asks the database until it says true.
func waitUntil(t *testing.T, conn *pgx.Conn, condition string) {
	t.Helper()
	wait.Until(t, condition, func() bool { return pgtest.Query[bool](t, conn, "SELECT "+condition) })
}

// The database goes away in the middle of a job and comes back: the scheduler waits, ends the job,
// and itself at a signal.
func TestSchedulerSurvivesItsDatabase(t *testing.T) {
	databaseURL := pgtest.Database(t)
	there := connect(t, databaseURL)
	pgtest.Exec(t, there, `
		INSERT INTO afe_labels (id, name) VALUES (1, 'board:a');
		INSERT INTO afe_acl_groups (id, name) VALUES (1, 'Everyone');
		INSERT INTO afe_hosts (id, hostname, leased) VALUES (1, 'h1', false);
		INSERT INTO afe_hosts_labels (host_id, label_id) VALUES (1, 1);
		INSERT INTO afe_acl_groups_hosts (host_id, aclgroup_id) VALUES (1, 1);
		INSERT INTO afe_jobs (id, owner, name, created_on) SELECT n, 'alice', 'job', now() FROM generate_series(1, 3) AS n;
		INSERT INTO afe_host_queue_entries (id, job_id, status, meta_host) SELECT n, n, 'Queued', 1 FROM generate_series(1, 3) AS n`)
	elsewhere, name := outside(t, databaseURL)

	t.Setenv("SHARD_LAB_DATABASE_URL", databaseURL)
	log := &watched{}
	ended := make(chan int, 1)
	go func() {
		ended <- run(context.Background(), []string{"scheduler", "--tick", "5ms", "--fail-share", "0"}, output{&bytes.Buffer{}, log})
	}()
	waitUntil(t, there, "EXISTS (SELECT FROM afe_host_queue_entries WHERE status <> 'Queued')")

	quoted := pgx.Identifier{name}.Sanitize()
	pgtest.Exec(t, elsewhere, "ALTER DATABASE "+quoted+" ALLOW_CONNECTIONS false")
	pgtest.Exec(t, elsewhere, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '"+name+"'")
	log.waitFor(t, "failures_in_a_row=2")
	pgtest.Exec(t, elsewhere, "ALTER DATABASE "+quoted+" ALLOW_CONNECTIONS true")
	log.waitFor(t, "turns succeed again")

	there = connect(t, databaseURL)
	waitUntil(t, there, "NOT EXISTS (SELECT FROM afe_host_queue_entries, afe_hosts WHERE NOT complete OR leased)")
	terminate(t)
	if code := <-ended; code != exitOK {
		t.Errorf("exit %d, want 0", code)
	}
	for _, want := range []string{`msg="scheduler starts"`, "msg=scheduled turns=", "msg=stopped"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("no %q in the log:\n%s", want, log)
		}
	}
}

// outside returns a connection to another database of the server, and the name of this one.
func outside(t *testing.T, databaseURL string) (*pgx.Conn, string) {
	t.Helper()
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	name := strings.TrimPrefix(u.Path, "/")
	u.Path = "/postgres"
	return connect(t, u.Scheme+"://"+u.RequestURI()), name
}

// A database without the tables, and one that is not there, are mistakes to be told at once.
func TestSchedulerSaysWhatIsWrongWithItsDatabase(t *testing.T) {
	for databaseURL, want := range map[string]string{
		pgtest.EmptyDatabase(t):                  "run `shard-client migrate up`",
		"postgres://u:secret@127.0.0.1:1/nobody": "connection refused",
	} {
		code, stdout, stderr := invoke("scheduler", "--database-url", databaseURL)
		if code != exitFailed || stdout != "" || !strings.Contains(stderr, want) || strings.Contains(stderr, "secret") {
			t.Errorf("%s: exit %d, stdout %q, stderr %q; want exit 1 and %q", databaseURL, code, stdout, stderr, want)
		}
	}
}

// A pooler refuses what it does not know of the settings that come with a connection.
func TestSchedulerThroughPooler(t *testing.T) {
	t.Parallel()
	pooled := pgtest.Pooled(t, pgtest.Database(t), "session")
	pool, err := (&schedulerCommand{DatabaseURL: config.DatabaseURL(pooled)}).open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	var limit string
	if err := pool.QueryRow(t.Context(), "SHOW statement_timeout").Scan(&limit); err != nil || limit != schedulerStatementTimeout {
		t.Errorf("statement_timeout is %s, %v, want %s", limit, err, schedulerStatementTimeout)
	}
}
