package postgres

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"shardclient/runner/process"
	"shardclient/runner/wait"
)

func TestKilledPostgresRestartsWithWhatItHadCommitted(t *testing.T) {
	t.Parallel()
	p := start(t, Options{Durable: true, TCP: true})
	conn, err := pgx.Connect(t.Context(), p.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(t.Context(), "CREATE TABLE kept AS SELECT 'committed'::text AS word"); err != nil {
		t.Fatal(err)
	}
	address, pid, done := p.URL("postgres"), p.PID(), p.Done()
	if err := p.Restart(t.Context()); !errors.Is(err, ErrRunning) {
		t.Errorf("restart of a running server: %v, want ErrRunning", err)
	}
	for range 2 { // again is nothing new
		if err := p.Kill(); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case <-done:
	default:
		t.Error("Done is open after Kill")
	}
	if err := conn.Ping(t.Context()); err == nil {
		t.Error("a connection survived the crash")
	}
	if err := p.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if p.URL("postgres") != address || p.PID() == pid {
		t.Errorf("URL %s and pid %d, want %s and another than %d", p.URL("postgres"), p.PID(), address, pid)
	}
	select {
	case <-p.Done():
		t.Error("Done is closed after Restart")
	default:
	}
	if got := ask(t, address, "SELECT word FROM kept"); got != "committed" {
		t.Errorf("the table says %q", got)
	}
}

// A backend in the middle of a statement would finish and commit it, were only the postmaster
// killed. The statement counts, because one that sleeps notices the death of the postmaster.
func TestKillLeavesNoBackendThatGoesOn(t *testing.T) {
	t.Parallel()
	p := start(t, Options{Durable: true})
	conn, err := pgx.Connect(t.Context(), p.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(t.Context(), "CREATE TABLE late (word text)"); err != nil {
		t.Fatal(err)
	}
	backend := int(conn.PgConn().PID())
	busy := make(chan error, 1)
	go func() {
		_, err := conn.Exec(t.Context(), "INSERT INTO late SELECT count(*) FROM generate_series(1, 5000) AS a, generate_series(1, 5000) AS b")
		busy <- err
	}()
	const active = "SELECT count(*)::text FROM pg_stat_activity WHERE query LIKE 'INSERT INTO late%' AND state = 'active'"
	wait.Until(t, "the statement runs", func() bool { return ask(t, p.URL("postgres"), active) == "1" })
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	if !process.Ended(backend) {
		t.Errorf("backend %d survived Kill", backend)
	}
	if err := <-busy; err == nil {
		t.Error("the statement ended well")
	}
	if err := p.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := ask(t, p.URL("postgres"), "SELECT count(*)::text FROM late"); got != "0" {
		t.Errorf("%s rows of a statement that was cut", got)
	}
}

func TestStopAfterKillIsNoError(t *testing.T) {
	t.Parallel()
	p, err := Start(t.Context(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	if missing(p.DataDir()) {
		t.Error("Kill removed the data")
	}
	late, cancel := context.WithDeadline(t.Context(), time.Now())
	defer cancel()
	if err := p.Restart(late); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("restart without time: %v, want context.DeadlineExceeded", err)
	}
	if err := p.Stop(); err != nil {
		t.Errorf("Stop after Kill: %v", err)
	}
	if _, err := os.Stat(p.dir.path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("directory after Stop: %v, want it gone", err)
	}
}

func TestKillOfAServerThatEndedOnItsOwn(t *testing.T) {
	t.Parallel()
	p, err := Start(t.Context(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(p.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-p.Done()
	var exited *ServerExitedError
	if err := p.Kill(); !errors.As(err, &exited) {
		t.Errorf("Kill: %v, want a *ServerExitedError", err)
	}
	if err := p.Stop(); !errors.As(err, &exited) {
		t.Errorf("Stop: %v, want a *ServerExitedError", err)
	}
}
