package ops

import (
	"fmt"
	"net"
	"os"
	"testing"
	"time"
)

// A service manager that reads nothing may not hold a beat.
func TestAStuckServiceManagerHoldsNobody(t *testing.T) {
	name := fmt.Sprintf("@shard-client-stuck-%d", os.Getpid())
	address := &net.UnixAddr{Name: name, Net: "unixgram"}
	socket, err := net.ListenUnixgram("unixgram", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = socket.Close() }()
	fill(t, address)
	t.Setenv("NOTIFY_SOCKET", name)
	t.Setenv("WATCHDOG_USEC", "1")
	s, err := OpenSystemd(time.Hour)
	if err == nil {
		t.Error("a message that nobody took is told as sent")
	}
	s.Observe(HealthStatus{Doing: "beat"}, true)
}

// fill sends until the socket takes no more. Each sender has a limit of its own, too, so there are
// several.
func fill(t *testing.T, address *net.UnixAddr) {
	t.Helper()
	for sent := 1; sent > 0; {
		conn, err := net.DialUnix("unixgram", nil, address)
		if err != nil {
			t.Fatal(err)
		}
		for sent = 0; err == nil; sent++ {
			if err := conn.SetWriteDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
				t.Fatal(err)
			}
			if _, err = conn.Write([]byte("STATUS=")); err != nil {
				break
			}
		}
		_ = conn.Close() // what it has sent stays with the reader
	}
}

func TestSentence(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 29, 1, 2, 3, 0, time.UTC)
	for want, status := range map[string]HealthStatus{
		"start; no success yet":                                                {Doing: "start"},
		"beat; last success: 2026-11-29 01:02:03 UTC":                          {Doing: "beat", LastSuccess: &at},
		"pause until 01:02:03 UTC; last success: 2026-11-29 01:02:03 UTC":      {Doing: "pause", NextBeat: &at, LastSuccess: &at},
		"pause; failures in a row: 2, the last one: transport; no success yet": {Doing: "pause", Failures: 2, Failure: "transport"},
	} {
		if got := status.sentence(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
