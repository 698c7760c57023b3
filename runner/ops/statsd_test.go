package ops

import (
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"shardclient/runner/beat"

	"github.com/google/go-cmp/cmp"
)

// statsdServer is a real one, as far as it listens: it returns the next lines that come, without
// the part of their names that is the same in all.
func statsdServer(t *testing.T) (address string, lines func(n int) []string) {
	t.Helper()
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	return server.LocalAddr().String(), func(n int) (got []string) {
		t.Helper()
		packet := make([]byte, 1500)
		for len(got) < n {
			length, _, err := server.ReadFrom(packet)
			if err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(string(packet[:length])) {
				name, ok := strings.CutPrefix(strings.TrimSpace(line), "cautotest.shard_client."+host+".")
				if !ok {
					t.Errorf("a name of another kind: %s", line)
				}
				got = append(got, name)
			}
		}
		slices.Sort(got)
		return got
	}
}

// Dashboards of years read these names.
func TestStatsdHasTheNamesOfTheOriginal(t *testing.T) {
	t.Parallel()
	address, lines := statsdServer(t)
	s := NewStatsd(address, "cautotest", slog.New(slog.DiscardHandler))
	defer s.Close()
	s.Count("starts")
	if diff := cmp.Diff([]string{"starts:1|c"}, lines(1)); diff != "" {
		t.Error(diff)
	}
	s.Observe(goodBeat())
	want := []string{
		"deserialization_failures:9|c", "do_heartbeat:40702|ms", "heartbeat.request_size:1301|g", "heartbeat.response_size:1402|g",
		"hosts_received:36|g", "jobs_received:47|g", "process_heartbeat_response:700|ms", "suite_keyvals_received:58|g",
	}
	if diff := cmp.Diff(want, lines(len(want))); diff != "" {
		t.Error(diff)
	}
	s.Observe(&beat.Report{Outcome: beat.OutcomeFailed, Failure: "transport", PackedMS: 1, RPCMS: 2, RequestBytes: 7})
	want = []string{"do_heartbeat:3|ms", "heartbeat.request_size:7|g", "heartbeat_failures:1|c"}
	if diff := cmp.Diff(want, lines(len(want))); diff != "" {
		t.Error(diff)
	}
}

// To statsd a gauge of -5 is one that is lowered by 5.
func TestStatsdGaugesAreNotNegative(t *testing.T) {
	t.Parallel()
	address, lines := statsdServer(t)
	s := NewStatsd(address, "cautotest", slog.New(slog.DiscardHandler))
	defer s.Close()
	s.Observe(&beat.Report{Outcome: beat.OutcomeOK, ResponseBytes: 1, ReceivedJobs: -5})
	for _, line := range lines(6) {
		if strings.Contains(line, "-") {
			t.Errorf("sent %s", line)
		}
	}
}

// Nobody waits for a name that is still being resolved, and a host that is not there is told once.
func TestStatsdWaitsForNobody(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	stuck := &Statsd{ // nobody takes anything out of its queue
		log: slog.New(slog.NewTextHandler(&log, nil)), queue: make(chan func(measured), 1), done: make(chan struct{}),
	}
	for range 10 {
		stuck.Observe(goodBeat())
	}
	began := time.Now()
	stuck.Close()
	if time.Since(began) < statsdLastWords {
		t.Error("its end did not wait for what is queued")
	}
	away := NewStatsd("statsd.invalid:1", "x", slog.New(slog.NewTextHandler(&log, nil)))
	for range 5 {
		away.Count("starts")
	}
	away.end.Do(func() { close(away.queue) })
	<-away.done
	if n := strings.Count(log.String(), "statsd is not reached"); n != 1 {
		t.Errorf("told %d times, want once: %s", n, log.String())
	}
}
