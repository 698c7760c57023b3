package main

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/runner/beat"
	"shardclient/runner/pgtest"
	"shardclient/runner/wait"
)

// runArgs is the command line of `run` in this process.
func runArgs(m *fakeMaster, databaseURL string, more ...string) []string {
	args := append([]string{"run"}, once(m, databaseURL)[1:]...)
	return append(append(args, "--heartbeat-pause=50ms", "--startup-splay=0"), more...)
}

func TestRunBeatsUntilStopped(t *testing.T) {
	t.Parallel()
	databaseURL, pool := database(t)
	m := masterThat(t, func(number int, _ []byte) http.Handler { return answers(jobs(number)) })
	p := startRun(t, m, databaseURL)
	wait.Until(t, "for five beats", func() bool { return len(m.received()) >= 5 })
	e := p.stop().silent(t).says(t, `msg="shard-client starts" version=test shard_hostname=`+ourShard, "signal=terminated", "msg=stopped")
	beats := pgtest.Query[int](t, pool, "SELECT count(*) FROM shard_client_heartbeats WHERE outcome = 'ok'")
	n := pgtest.Query[int](t, pool, "SELECT count(*) FROM afe_jobs")
	if n != beats || n != len(m.received()) || n != strings.Count(e.stderr, "level=INFO msg=heartbeat ") {
		t.Errorf("%d requests, %d jobs stored, %d beats in the history: %v", len(m.received()), n, beats, e)
	}
	lines := beats + 3
	if os.Geteuid() == 0 {
		lines++ // a warning about it
	}
	if n := strings.Count(e.stderr, "\n"); n != lines {
		t.Errorf("%d lines for %d beats, want one each, and start, signal and end: %v", n, beats, e)
	}
}

// longEnough runs a command with a lifetime, and with twice the lifetime as long as that was over
// before the client had its database: how long a busy machine needs to connect is not what is
// tested.
func longEnough(t *testing.T, arguments ...string) ended {
	t.Helper()
	for lifetime := 2 * time.Second; ; lifetime *= 2 {
		e := invoke(append(arguments, "--lifetime="+lifetime.String())...).want(t, exitOK).silent(t)
		if !strings.Contains(e.stderr, "stopped while waiting for the database") || lifetime > wait.Patience {
			if e.took < lifetime {
				t.Errorf("run ended after %v of a lifetime of %v", e.took, lifetime)
			}
			return e.says(t, "lifetime is over")
		}
	}
}

// The parts of the test run side by side, because each waits for all of its lifetime.
func TestLifetimeEndsRun(t *testing.T) {
	t.Parallel()
	t.Run("between beats", func(t *testing.T) {
		t.Parallel()
		databaseURL, _ := database(t)
		m := master(t, answers(nothing))
		longEnough(t, runArgs(m, databaseURL)...)
		if len(m.received()) == 0 {
			t.Error("no beat within the lifetime")
		}
	})
	t.Run("before the first beat", func(t *testing.T) {
		t.Parallel()
		databaseURL, _ := database(t)
		m := master(t, answers(nothing))
		longEnough(t, runArgs(m, databaseURL, "--startup-splay=90000h")...)
		if len(m.received()) != 0 {
			t.Error("the first beat did not wait")
		}
	})
	t.Run("without a database to beat for", func(t *testing.T) {
		t.Parallel()
		m := master(t, answers(nothing))
		invoke(runArgs(m, "postgres://127.0.0.1:1/shard", "--lifetime=2s")...).want(t, exitOK).silent(t).says(t, "waiting for the database", "stopped")
	})
}

// The beat in hand is finished: the answer of the master is acknowledged and stored.
func TestFirstSignalFinishesTheBeat(t *testing.T) {
	t.Parallel()
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		for _, command := range []string{"run", "once"} {
			t.Run(fmt.Sprint(command, " ", s), func(t *testing.T) {
				t.Parallel()
				databaseURL, pool := database(t)
				finish(t, pool, 1, "x")
				release := make(chan struct{})
				m := master(t, hangs(release, answers(jobs(2))))
				p := start(t, append([]string{command}, runArgs(m, databaseURL)[1:]...)...)
				wait.Until(t, "for the request", func() bool { return len(m.received()) == 1 })
				p.signal(s)
				p.logs("stopping after the beat in hand")
				close(release)
				e := p.end().want(t, exitOK)
				if len(m.received()) != 1 {
					t.Errorf("%d requests, want the one in hand", len(m.received()))
				}
				if n := pgtest.Query[int](t, pool, "SELECT count(*) FROM afe_jobs WHERE id = 1 AND shard_id = 1 OR id = 2"); n != 2 {
					t.Errorf("%d of two jobs acknowledged and stored: %v", n, e)
				}
				if command == "once" && e.result(t).UploadedJobs != 1 {
					t.Errorf("once says %v", e)
				}
				free := pgtest.Query[int](t, pool, `SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'
					AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`)
				if free != 0 {
					t.Error("the lock was not given back")
				}
			})
		}
	}
}

func TestStopTimeoutEndsAHangingRequest(t *testing.T) {
	t.Parallel()
	databaseURL, pool := database(t)
	finish(t, pool, 1, "x")
	m := master(t, hangs(nil, nil))
	p := startRun(t, m, databaseURL, "--stop-timeout=200ms")
	wait.Until(t, "for the request", func() bool { return len(m.received()) == 1 })
	p.stop().says(t, "failure=deadline", "--stop-timeout", "200ms", "msg=stopped")
	if !pgtest.Query[bool](t, pool, "SELECT shard_id IS NULL FROM afe_jobs") {
		t.Error("a job was acknowledged without an answer")
	}
}

func TestSecondSignalEndsAtOnce(t *testing.T) {
	t.Parallel()
	databaseURL, _ := database(t)
	m := master(t, hangs(nil, nil))
	p := startRun(t, m, databaseURL, "--stop-timeout=1h")
	wait.Until(t, "for the request", func() bool { return len(m.received()) == 1 })
	p.signal(syscall.SIGTERM)
	p.logs("stopping after the beat in hand")
	// A signal right after the first counts as the same.
	wait.Until(t, "for the end", func() bool {
		_ = p.Process.Signal(syscall.SIGINT)
		return !p.running()
	})
	p.end().want(t, exitFailed).says(t, "second signal", "signal=interrupt")
}

// A signal ends run before the first beat too, and while the database is down. The log says what is
// true, in the order in which it happens.
func TestSignalWhileWaiting(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	m := master(t, answers(nothing))
	for range 20 { // which of two goroutines is faster is a matter of chance
		p := startRun(t, m, databaseURL, "--startup-splay=1h")
		p.logs("waiting for the first beat")
		if e := p.stop(); !idleEnd.MatchString(e.stderr) {
			t.Fatalf("%v", e)
		}
	}
	p := startRun(t, m, "postgres://127.0.0.1:1/shard")
	p.logs("waiting for the database")
	if e := p.stop(); !idleEnd.MatchString(e.stderr) {
		t.Errorf("%v", e)
	}
	if n := len(m.received()); n != 0 {
		t.Errorf("%d requests, want none", n)
	}
}

var idleEnd = regexp.MustCompile(`msg="stopping; no beat is in hand" signal=terminated\n.*msg="?stopped[^\n]*\n$`)

// A signal that comes before the beat began ends `once` without one, which is no success: whoever
// goes on after a beat must not go on here. The database takes the connection and never says a
// word.
func TestSignalBeforeTheBeat(t *testing.T) {
	t.Parallel()
	m := master(t, answers(nothing))
	for _, command := range []string{"once", "run"} {
		t.Run(command, func(t *testing.T) {
			t.Parallel()
			silent, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = silent.Close() })
			met := make(chan net.Conn, 1)
			go func() {
				connection, _ := silent.Accept() // it fails at the end of the test
				met <- connection
			}()
			p := start(t, append([]string{command}, runArgs(m, "postgres://"+silent.Addr().String()+"/shard")[1:]...)...)
			connection := wait.For(t, "for the client", met)
			t.Cleanup(func() { _ = connection.Close() })
			p.signal(syscall.SIGTERM)
			if command == "run" {
				p.end().want(t, exitOK).silent(t).says(t, "stopping; no beat is in hand", "stopped while waiting for the database")
				return
			}
			e := p.end().want(t, exitFailed).says(t, "stopping; no beat is in hand", "stopped before the beat began")
			if got := e.result(t); got.Outcome != beat.OutcomeFailed || got.Failure != beat.FailureStopped || got.Error == "" {
				t.Errorf("once says %+v", got)
			}
			if strings.Contains(e.stderr, "heartbeat failed") {
				t.Errorf("the log speaks of a beat: %v", e)
			}
		})
	}
}

// allow opens or closes a database to all connections. It does so from another database of the
// server.
func allow(t *testing.T, databaseURL string, allowed bool) {
	t.Helper()
	name := strings.TrimPrefix(parseURL(t, databaseURL).Path, "/")
	pool := open(t, edit(t, databaseURL, func(u *url.URL) { u.Path = "/postgres" }))
	pgtest.Exec(t, pool, fmt.Sprintf("ALTER DATABASE %s ALLOW_CONNECTIONS %t", name, allowed))
	if !allowed {
		pgtest.Exec(t, pool, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name)
	}
}

func parseURL(t *testing.T, address string) *url.URL {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// run waits for a database that is down, at the start and later, and goes on.
func TestRunWaitsForTheDatabase(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	m := master(t, answers(nothing))
	allow(t, databaseURL, false)
	p := startRun(t, m, databaseURL)
	p.logs("waiting for the database")
	if len(m.received()) != 0 || !p.running() {
		t.Error("it did not wait")
	}
	allow(t, databaseURL, true)
	wait.Until(t, "for the first beat", func() bool { return len(m.received()) > 0 })
	allow(t, databaseURL, false)
	p.logs("failure=database")
	allow(t, databaseURL, true)
	before := len(m.received())
	wait.Until(t, "for beats after the outage", func() bool { return len(m.received()) > before+1 })
	p.stop()
}

// Nothing that a master does ends run. A failure that repeats is a warning at the 1st, 2nd, 4th,
// 8th time, and its end has a line too.
func TestRunOutlivesItsMaster(t *testing.T) {
	t.Parallel()
	databaseURL, pool := database(t)
	finish(t, pool, 1, "x")
	bad := []http.Handler{
		refuses("DoesNotExist", "Shard matching query does not exist."), page(500, "<h1>Oops"), page(200, "<h1>Hello"), page(200, ""),
		breaksOff, page(404, ""), http.RedirectHandler("/", http.StatusMovedPermanently), answers(`[1]`), page(413, ""),
	}
	m := masterThat(t, func(number int, _ []byte) http.Handler {
		if number == 1 || number > len(bad)+1 {
			return answers(nothing)
		}
		return bad[number-2]
	})
	p := startRun(t, m, databaseURL)
	wait.Until(t, "for two good beats after the bad ones", func() bool { return len(m.received()) >= len(bad)+3 })
	e := p.stop().says(t, "heartbeats succeed again", fmt.Sprintf("failed_before=%d", len(bad)), "failures_in_a_row=8", "ago")
	if n := strings.Count(e.stderr, `level=WARN msg="heartbeat failed"`); n != 4 {
		t.Errorf("%d warnings for %d failures, want 4: %v", n, len(bad), e)
	}
	if n := pgtest.Query[int](t, pool, "SELECT count(*) FROM shard_client_heartbeats WHERE outcome = 'failed'"); n != len(bad) {
		t.Errorf("the history has %d failed beats, want %d", n, len(bad))
	}
}

// When the connection of its lock breaks, a client takes the lock again.
func TestRunTakesABrokenLockAgain(t *testing.T) {
	t.Parallel()
	databaseURL, pool := database(t)
	m := master(t, answers(nothing))
	p := startRun(t, m, databaseURL)
	for range 2 {
		before := len(m.received())
		wait.Until(t, "for beats", func() bool { return len(m.received()) > before+1 })
		endLockHolder(t, pool)
	}
	before := len(m.received())
	wait.Until(t, "for beats after the break", func() bool { return len(m.received()) > before+1 })
	p.stop()
	if n := pgtest.Query[int](t, pool, "SELECT epoch FROM shard_client_owner"); n < 3 {
		t.Errorf("epoch %d, want a new one after each break", n)
	}
}

// A client that starts right after another was killed finds the lock free, and stores what the
// killed one could not.
func TestKilledClientLeavesNoLock(t *testing.T) {
	t.Parallel()
	databaseURL, pool := database(t)
	finish(t, pool, 1, "x")
	m := master(t, hangs(nil, nil))
	for range 3 {
		requests := len(m.received())
		p := startRun(t, m, databaseURL)
		wait.Until(t, "for the request", func() bool { return len(m.received()) > requests })
		if err := p.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		if e := p.end(); e.code != -1 {
			t.Errorf("before it was killed: %v", e)
		}
	}
	m.says(answers(nothing))
	want := beat.Report{Outcome: "ok", UploadedJobs: 1, UploadedEntries: 2}
	if got := invoke(once(m, databaseURL)...).want(t, exitOK).result(t); counts(got) != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	killWhileWriting(t, databaseURL, pool)
}

// killWhileWriting kills a client in the middle of a transaction.
func killWhileWriting(t *testing.T, databaseURL string, pool *pgxpool.Pool) {
	t.Helper()
	tx, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "LOCK TABLE afe_jobs IN SHARE MODE"); err != nil {
		t.Fatal(err)
	}
	m := master(t, answers(jobs(2)))
	p := startRun(t, m, databaseURL)
	wait.Until(t, "for a writer that waits", func() bool {
		return pgtest.Query[bool](t, pool, `SELECT EXISTS (SELECT FROM pg_locks
			WHERE NOT granted AND relation = 'afe_jobs'::regclass
				AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))`)
	})
	if err := p.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	p.end()
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := invoke(once(m, databaseURL)...).want(t, exitOK).result(t); got.ReceivedJobs != 1 {
		t.Errorf("got %+v", got)
	}
}
