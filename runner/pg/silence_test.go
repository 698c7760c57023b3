package pg

import (
	"errors"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

func TestSilenceFollowsTheStatementTimeout(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"60s": 75 * time.Second, "1min": 75 * time.Second, "2 min": 150 * time.Second, "1h": 75 * time.Minute,
		"400": 500 * time.Millisecond, "400ms": 500 * time.Millisecond, "0": 0, "": 0, "1d": 0, "-1": 0, "soon": 0,
	} {
		if got := maxSilence(text); got != want {
			t.Errorf("statement_timeout=%s: %s, want %s", text, got, want)
		}
	}
}

// silent returns a connection to a listener that accepts it and never says anything.
func silent(t *testing.T, silence time.Duration) net.Conn {
	t.Helper()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	conn, err := bounded(dialer.DialContext, silence)(t.Context(), "tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func TestSilentDatabaseIsGivenUp(t *testing.T) {
	t.Parallel()
	for name, use := range map[string]func(net.Conn) error{
		"read": func(c net.Conn) error { _, err := c.Read(make([]byte, 1)); return err },
		"write": func(c net.Conn) (err error) { // until no buffer takes more
			for err == nil {
				_, err = c.Write(make([]byte, 1<<20))
			}
			return err
		},
	} {
		conn := silent(t, 50*time.Millisecond)
		var given *silentError
		var timeout net.Error
		if err := use(conn); !errors.As(err, &given) || !errors.As(err, &timeout) || !timeout.Timeout() {
			t.Errorf("%s: %v, want a silence that the driver takes for a time-out", name, err)
		}
		if err := use(conn); !errors.As(err, &given) {
			t.Errorf("%s: %v at the second use, want the same silence", name, err)
		}
	}
}

// The driver cancels a statement by setting a deadline in the past, before or while it reads.
func TestDriversDeadlineStands(t *testing.T) {
	t.Parallel()
	conn := silent(t, time.Hour)
	if err := conn.SetDeadline(time.Now().Add(-time.Second)); err != nil {
		t.Fatal(err)
	}
	var given *silentError
	_, err := conn.Read(make([]byte, 1))
	if !errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &given) {
		t.Errorf("read: %v, want the driver's own deadline", err)
	}
	if _, err = conn.Write(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("write: %v, want the driver's own deadline", err)
	}
}

// The pool asks a connection that was idle whether it is alive. For two such connections in a row a
// beat must not wait for two whole silences.
func TestPoolsQuestionIsBounded(t *testing.T) {
	t.Parallel()
	pool, err := (&Door{URL: "postgres://u@127.0.0.1:1/d", Name: "test"}).Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	if got := pool.Config().PingTimeout; got != ConnectTimeout {
		t.Errorf("pings may take %s, want %s", got, ConnectTimeout)
	}
}

// A session without a name could not be told from those of other programs.
func TestDoorNeedsAName(t *testing.T) {
	t.Parallel()
	pool, err := (&Door{URL: "postgres://u@127.0.0.1:1/d"}).Open(t.Context())
	if pool != nil || err == nil || !strings.HasPrefix(err.Error(), "pg: Door.Name is empty: want ") {
		t.Errorf("%v, want the field to be named", err)
	}
}
