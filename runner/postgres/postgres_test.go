package postgres

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// start starts a server that the test need not stop.
func start(t *testing.T, options Options) *Server {
	t.Helper()
	p, err := Start(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// ask returns the answer to a query of one text value.
func ask(t *testing.T, databaseURL, query string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	var answer string
	if err := conn.QueryRow(t.Context(), query).Scan(&answer); err != nil {
		t.Fatal(err)
	}
	return answer
}

func TestPostgresStartsAndStops(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	p, err := Start(t.Context(), Options{
		Settings: map[string]string{"work_mem": "7MB"},
		Logger:   slog.New(slog.NewTextHandler(&log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := ask(t, p.URL("postgres"), "SHOW work_mem"); got != "7MB" {
		t.Errorf("work_mem = %s, want the setting asked for", got)
	}
	if got := ask(t, p.URL("postgres"), "SHOW fsync"); got != "off" {
		t.Errorf("fsync = %s in a server that is not durable", got)
	}
	if got := ask(t, p.URL("postgres"), "SHOW listen_addresses"); got != "" {
		t.Errorf("listens on %q, want the socket only", got)
	}
	if err := p.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := p.Stop(); err != nil {
		t.Errorf("second Stop: %v", err)
	}
	if _, err := os.Stat(p.dir.path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("directory after Stop: %v, want it gone", err)
	}
	if !strings.Contains(log.String(), "start_ms=") {
		t.Errorf("log does not tell the start time:\n%s", log.String())
	}
	t.Log(log.String())
}

func TestPostgresDurableKeepsPostgresDefaults(t *testing.T) {
	t.Parallel()
	p := start(t, Options{Durable: true})
	for _, setting := range []string{"fsync", "synchronous_commit", "full_page_writes"} {
		if got := ask(t, p.URL("postgres"), "SHOW "+setting); got != "on" {
			t.Errorf("%s = %s, want on", setting, got)
		}
	}
}

func TestPostgresTCPNeedsItsPassword(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	picks := 0
	p := start(t, Options{TCP: true, pickPort: func() (int, error) {
		if picks++; picks == 1 {
			return taken.Addr().(*net.TCPAddr).Port, nil // as if taken after it was chosen
		}
		return freePort()
	}})
	if picks < 2 {
		t.Errorf("%d ports tried, want another after the taken one", picks)
	}
	if got := ask(t, p.URL("postgres"), "SHOW listen_addresses"); got != "127.0.0.1" {
		t.Errorf("listens on %q", got)
	}
	if got := ask(t, p.SocketURL("postgres"), "SHOW password_encryption"); got != "scram-sha-256" {
		t.Errorf("password_encryption = %s", got)
	}
	refuseWithoutPassword(t, p)
}

func refuseWithoutPassword(t *testing.T, p *Server) {
	t.Helper()
	guess, err := url.Parse(p.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	guess.User = url.UserPassword(superuser, "guess")
	_, err = pgx.Connect(t.Context(), guess.String())
	var refused *pgconn.PgError
	if !errors.As(err, &refused) || refused.Code != "28P01" {
		t.Errorf("wrong password: %v, want SQLSTATE 28P01", err)
	}
}

func TestPostgresServersStandSideBySide(t *testing.T) {
	t.Parallel()
	one, two := start(t, Options{}), start(t, Options{})
	if err := one.CreateDatabase(t.Context(), "only_here", "template1"); err != nil {
		t.Fatal(err)
	}
	const count = "SELECT count(*)::text FROM pg_database WHERE datname = 'only_here'"
	if here, there := ask(t, one.URL("postgres"), count), ask(t, two.URL("postgres"), count); here != "1" || there != "0" {
		t.Errorf("database seen %s times in its server and %s times in the other", here, there)
	}
	foreign := proveOurs(t.Context(), one.URL("postgres"), two.DataDir())
	if !errors.Is(foreign, ErrForeignServer) || !strings.Contains(foreign.Error(), one.DataDir()) {
		t.Errorf("foreign server: %v, want ErrForeignServer that names its directory", foreign)
	}
	if err := proveOurs(t.Context(), two.URL("postgres"), two.DataDir()); err != nil {
		t.Errorf("own server: %v", err)
	}
}

func TestPostgresThatDiesAtStartShowsItsLog(t *testing.T) {
	t.Parallel()
	_, err := Start(t.Context(), Options{Settings: map[string]string{"no_such_setting": "1"}})
	var exited *ServerExitedError
	if !errors.As(err, &exited) || !strings.Contains(err.Error(), "no_such_setting") {
		t.Errorf("error %v, want a *ServerExitedError with the server's words", err)
	}
}

func TestPostgresThatDiedIsAnErrorOfStop(t *testing.T) {
	t.Parallel()
	p, err := Start(t.Context(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	p.server.SignalGroup(syscall.SIGQUIT)
	<-p.Done()
	var exited *ServerExitedError
	if err := p.Stop(); !errors.As(err, &exited) {
		t.Errorf("Stop: %v, want a *ServerExitedError", err)
	}
	if _, err := os.Stat(p.dir.path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("directory after Stop: %v, want it gone", err)
	}
}

func TestPostgresStartIsCancelled(t *testing.T) {
	t.Parallel()
	for _, after := range []time.Duration{0, 100 * time.Millisecond} {
		ctx, cancel := context.WithTimeout(t.Context(), after)
		_, err := Start(ctx, Options{})
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("start cancelled after %s: %v, want context.DeadlineExceeded", after, err)
		}
	}
}

func TestDropDatabaseDisconnectsItsUsers(t *testing.T) {
	t.Parallel()
	p := start(t, Options{})
	if err := p.CreateDatabase(t.Context(), "busy", "template1"); err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), p.URL("busy"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if err := p.DropDatabase(t.Context(), "busy"); err != nil {
		t.Fatal(err)
	}
	if err := conn.Ping(t.Context()); err == nil {
		t.Error("a connection survived its database")
	}
}

// A server that shares what initdb has made spares others theirs. They have its password, and
// nothing of its databases; one that must be durable takes nothing.
func TestFreshDataAreCopied(t *testing.T) {
	sharing := start(t, Options{Share: true})
	if err := sharing.CreateDatabase(t.Context(), "own", "template1"); err != nil {
		t.Fatal(err)
	}
	t.Setenv(SharedVariable, sharing.Directory())
	const identifier = "SELECT system_identifier::text FROM pg_control_system()"
	original := ask(t, sharing.URL("postgres"), identifier)
	for durable, same := range map[bool]bool{false: true, true: false} {
		s := start(t, Options{TCP: true, Durable: durable})
		if got := ask(t, s.URL("postgres"), identifier); (got == original) != same {
			t.Errorf("durable %t: the identifier %s, that of the sharing server is %s", durable, got, original)
		}
		if n := ask(t, s.URL("postgres"), "SELECT count(*)::text FROM pg_database WHERE datname = 'own'"); n != "0" {
			t.Errorf("durable %t: a database of the sharing server is here", durable)
		}
		wrong := strings.Replace(s.URL("postgres"), s.password, "wrong", 1)
		if conn, err := pgx.Connect(t.Context(), wrong); err == nil {
			_ = conn.Close(context.Background())
			t.Errorf("durable %t: another password is taken", durable)
		}
	}
}
