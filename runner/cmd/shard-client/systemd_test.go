package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"shardclient/runner/wait"
)

// manager is what systemd is for a service: whoever reads at the other end of NOTIFY_SOCKET.
type manager struct {
	t           testing.TB
	environment []string
	told        chan string
	heard       []string
}

var managers atomic.Int64

func systemd(t *testing.T) *manager {
	t.Helper()
	// An abstract name needs no directory with a path of at most 107 bytes.
	name := fmt.Sprintf("@shard-client-test-%d-%d", os.Getpid(), managers.Add(1))
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	m := &manager{
		t: t, told: make(chan string, 10_000),
		environment: []string{"NOTIFY_SOCKET=" + name, "WATCHDOG_USEC=60000000"},
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer close(m.told)
		for buffer := make([]byte, 4096); ; {
			n, err := socket.Read(buffer)
			if err != nil {
				return
			}
			m.told <- string(buffer[:n])
		}
	}()
	t.Cleanup(func() {
		_ = socket.Close()
		<-ended
	})
	return m
}

// hears waits for a message with all of these texts, and returns it.
func (m *manager) hears(texts ...string) string {
	m.t.Helper()
	seen := func() string { return fmt.Sprintf("%q", m.heard) }
	for {
		message := wait.For(m.t, fmt.Sprintf("for a message with %q", texts), m.told, seen)
		m.heard = append(m.heard, message)
		if !slices.ContainsFunc(texts, func(text string) bool { return !strings.Contains(message, text) }) {
			return message
		}
	}
}

// all returns what was heard, once the process has ended.
func (m *manager) all() string {
	for {
		select {
		case message := <-m.told:
			m.heard = append(m.heard, message)
		default:
			return strings.Join(m.heard, "\n")
		}
	}
}

func TestSystemdIsToldOfStartBeatsAndStop(t *testing.T) {
	t.Parallel()
	databaseURL, _ := database(t)
	release := make(chan struct{})
	m := masterThat(t, func(number int, _ []byte) http.Handler {
		switch number {
		case 1:
			return page(500, "<h1>Oops")
		case 2:
			return hangs(release, answers(nothing))
		}
		return answers(nothing)
	})
	s := systemd(t)
	p := startRunIn(t, s.environment, m, databaseURL, "--rpc-timeout=10m", "--heartbeat-pause=1s", "--finish-timeout=3m")
	// Three pauses, a splay of none, a beat of 10 + 5 minutes, and one more: what /healthz calls
	// hanging.
	if first := s.hears("WATCHDOG_USEC="); first != "WATCHDOG_USEC=963000000" {
		t.Errorf("the watchdog is set by %q", first)
	}
	s.hears("READY=1")
	s.hears("STATUS=beat; no success yet", "WATCHDOG=1")
	s.hears("STATUS=pause; failures in a row: 1, the last one: http_status; no success yet; read the log of the master", "WATCHDOG=1")
	if waits := s.hears("STATUS=pause until", " UTC; failures in a row: 1"); strings.Contains(waits, "WATCHDOG=1") {
		t.Errorf("waiting feeds the watchdog: %q", waits)
	}
	s.hears("STATUS=beat; failures in a row: 1", "WATCHDOG=1")
	wait.Until(t, "for the request", func() bool { return len(m.received()) == 2 })
	p.signal(syscall.SIGTERM)
	s.hears("STOPPING=1", "EXTEND_TIMEOUT_USEC=195000000")
	close(release)
	p.end().want(t, exitOK)
	s.hears("STATUS=pause; last success: ", "WATCHDOG=1")
	if n := strings.Count(s.all(), "STOPPING=1"); n != 1 {
		t.Errorf("the stop was told %d times: %q", n, s.heard)
	}
}

// A keep-alive that came by the clock would come in a beat that hangs, too.
func TestNothingFeedsTheWatchdogWithinABeat(t *testing.T) {
	t.Parallel()
	databaseURL, _ := database(t)
	m := master(t, hangs(nil, nil))
	s := systemd(t)
	s.environment[1] = "WATCHDOG_USEC=1000" // a client that kept time would have to feed it at once
	p := startRunIn(t, s.environment, m, databaseURL, "--stop-timeout=0")
	wait.Until(t, "for the request", func() bool { return len(m.received()) == 1 })
	s.hears("STATUS=beat", "WATCHDOG=1")
	fed := len(s.heard)
	p.signal(syscall.SIGTERM)
	p.end()
	s.all()
	for _, message := range s.heard[fed:] {
		if strings.Contains(message, "WATCHDOG=1") && !strings.HasPrefix(message, "STATUS=pause") {
			t.Errorf("within a beat the watchdog is fed by %q", message)
		}
	}
}

// `systemctl start` ends when the start is decided: with success for a client that waits for its
// database, and with a failure for one that an operator must help.
func TestSystemdIsToldOfAStartThatIsDecided(t *testing.T) {
	t.Parallel()
	t.Run("the database is down", func(t *testing.T) {
		t.Parallel()
		s := systemd(t)
		p := startRunIn(t, s.environment, master(t, answers(nothing)), "postgres://127.0.0.1:1/shard")
		s.hears("READY=1")
		s.hears("STATUS=wait for the database; no success yet; start PostgreSQL, or correct host and port", "WATCHDOG=1")
		p.stop()
	})
	t.Run("another client holds the lock", func(t *testing.T) {
		t.Parallel()
		databaseURL, _ := database(t)
		m := master(t, answers(nothing))
		startRun(t, m, databaseURL)
		wait.Until(t, "for a beat", func() bool { return len(m.received()) > 0 })
		s := systemd(t)
		startRunIn(t, s.environment, m, databaseURL).end().want(t, exitHeld)
		if text := s.all(); strings.Contains(text, "READY=1") {
			t.Errorf("a start that failed was told as ready: %q", text)
		}
	})
	t.Run("once", func(t *testing.T) {
		t.Parallel()
		databaseURL, _ := database(t)
		s := systemd(t)
		startIn(t, s.environment, once(master(t, answers(nothing)), databaseURL)...).end().want(t, exitOK)
		if text := s.all(); text != "" {
			t.Errorf("`once` is no service, but said %q", text)
		}
	})
	t.Run("nobody listens", func(t *testing.T) {
		t.Parallel()
		databaseURL, _ := database(t)
		m := master(t, answers(nothing))
		p := startRunIn(t, []string{"NOTIFY_SOCKET=@nobody", "WATCHDOG_USEC=1"}, m, databaseURL)
		wait.Until(t, "for a beat", func() bool { return len(m.received()) > 0 })
		p.stop().says(t, "systemd cannot be told how this client is")
	})
}

// Go ends a process with 2 after a panic, and when a watchdog's SIGABRT comes. That is the exit
// code of wrong settings, after which systemd does not start the client again. With the unit's
// GOTRACEBACK=crash the process dies by the signal.
func TestAnAbortIsNoExitCode(t *testing.T) {
	t.Parallel()
	databaseURL, _ := database(t)
	m := master(t, answers(nothing))
	p := startRunIn(t, []string{"GOTRACEBACK=crash"}, m, databaseURL)
	wait.Until(t, "for a beat", func() bool { return len(m.received()) > 0 })
	p.signal(syscall.SIGABRT)
	e := p.end()
	if status, ok := p.ProcessState.Sys().(syscall.WaitStatus); !ok || !status.Signaled() || status.Signal() != syscall.SIGABRT {
		t.Errorf("want an end by SIGABRT, got %v: %v", p.ProcessState, e)
	}
	e.says(t, "SIGABRT: abort", "goroutine ")
}
