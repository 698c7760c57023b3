package main

import (
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"shardclient/runner/pgtest"
	"shardclient/runner/wait"
)

// What a real run shows of its jobs, its wire and its waits, where it can be asked and where it
// tells by itself.
func TestFiguresOfARun(t *testing.T) {
	t.Parallel()
	databaseURL, pool := database(t)
	statsd, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = statsd.Close() }()
	heard := &output{}
	go func() {
		packet := make([]byte, 1500)
		for {
			n, _, err := statsd.ReadFrom(packet)
			if err != nil {
				return
			}
			_, _ = heard.Write(append(packet[:n:n], '\n'))
		}
	}()
	m := master(t, answers(jobs(1, 2)))
	p := startRun(t, m, databaseURL, "--heartbeat-pause=1s", "--listen=127.0.0.1:0", "--pprof-listen=127.0.0.1:0",
		"--statsd-addr", statsd.LocalAddr().String(), "--statsd-prefix=cautotest", "--lock-timeout=50ms")
	s := see(t, &p.stderr)
	wait.Until(t, "for ages of jobs", func() bool { return s.metrics()["open_job_age_seconds_count"] == 2 })
	got := s.metrics()
	if got["oldest_open_job_age_seconds"] < 365*86400 || got[`packets_total{protocol="2019"}`] < 1 || got["request_bytes"] < 100 || got["response_bytes"] < 100 {
		t.Errorf("%v", got)
	}
	wait.Until(t, "for what statsd is told", func() bool { return strings.Contains(heard.String(), ".do_heartbeat:") })
	for _, name := range []string{"starts:1|c", `heartbeat.request_size:\d+\|g`, `jobs_received:2\|g`, `hosts_received:0\|g`} {
		if !regexp.MustCompile(`(?m)^cautotest\.shard_client\.\S*\.` + name).MatchString(heard.String()) {
			t.Errorf("statsd was not told %s: %s", name, heard.String())
		}
	}
	if status, body := s.get("/readyz"); status != http.StatusOK {
		t.Errorf("/readyz: %d %s", status, body)
	}
	address := regexp.MustCompile(`profiles are served" address=(\S+)`).FindStringSubmatch(p.stderr.String())[1]
	response, err := http.Get("http://" + address + "/debug/pprof/goroutine?debug=2")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if text, err := io.ReadAll(response.Body); err != nil || !strings.Contains(string(text), "beatUntilStopped") {
		t.Errorf("%v, no goroutine of ours in %.300s", err, text)
	}

	// The scheduler holds on to a job that waits for its upload.
	finish(t, pool, 7, "x")
	tx, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	pgtest.Exec(t, tx, "SELECT FROM afe_jobs WHERE id = 7 FOR UPDATE")
	wait.Until(t, "for a job that is left", func() bool { return s.metrics()["left_locked_total"] >= 1 })
	if got = s.metrics(); got["lock_waits_total"] < 4 {
		t.Errorf("%v waits", got["lock_waits_total"])
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.stop()
}

// A statsd host that nobody knows delays no beat and no end.
func TestStatsdThatIsAway(t *testing.T) {
	t.Parallel()
	databaseURL, _ := database(t)
	m := master(t, answers(nothing))
	p := startRun(t, m, databaseURL, "--statsd-addr=statsd.invalid:8125")
	p.logs("statsd is not reached; beats go on")
	before := len(m.received())
	wait.Until(t, "for more beats", func() bool { return len(m.received()) > before+3 })
	p.stop()
}
