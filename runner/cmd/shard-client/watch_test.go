package main

import (
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/runner/afe"
	"shardclient/runner/beat"
	"shardclient/runner/pgtest"
	"shardclient/runner/shard"
	"shardclient/runner/wait"
	"shardclient/schema"
)

// misfortunes are answers that fail a beat, each in another class, for a client that reads at most
// 1200 bytes of an answer.
func misfortunes(t *testing.T, pool *pgxpool.Pool) []http.Handler {
	after := func(do func(), then http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			do()
			then.ServeHTTP(w, r)
		})
	}
	return []http.Handler{
		breaksOff, hangs(nil, nil), page(404, "<h1>Oops"), page(200, "<h1>Hello"), answers(jobs(101, 102, 103, 104, 105, 106, 107, 108, 109)),
		answers(`{"hosts": [], "jobs": []}`), refuses("E", "no"),
		after(func() {
			pgtest.Exec(t, pool, "ALTER TABLE afe_host_queue_entries RENAME COLUMN meta_host TO elsewhere")
		}, answers(jobs(101))),
		after(func() {
			pgtest.Exec(t, pool, "ALTER TABLE afe_host_queue_entries RENAME COLUMN elsewhere TO meta_host")
			endLockHolder(t, pool)
		}, answers(jobs(101))),
	}
}

// A real client has a good beat, then one of each class of failure, then good ones again, while a
// scraper reads. Each beat is counted under its class, and no series appears that was not there
// from the start.
func TestMetricsOfRealBeats(t *testing.T) {
	t.Parallel()
	databaseURL, pool := database(t)
	for id := 1; id <= 7; id++ {
		finish(t, pool, id, "x")
	}
	pgtest.Exec(t, pool, "INSERT INTO afe_hosts (id, hostname) VALUES (1, 'h1')")
	bad := misfortunes(t, pool)
	last, release := 1+len(bad)+1, make(chan struct{})
	setAside := strings.Replace(jobs(17, 18), `"id": 170,`, `"id": 170, "host_id": 99,`, 1)
	setAside = strings.Replace(setAside, `"id": 18, "owner": "o"`, `"id": 18, "owner": null`, 1)
	m := masterThat(t, func(number int, _ []byte) http.Handler {
		switch {
		case number == 1:
			return answers(jobs(100))
		case number < last:
			return bad[number-2]
		case number == last:
			return hangs(release, answers(setAside))
		}
		return answers(setAside)
	})
	newest, err := schema.Latest()
	if err != nil {
		t.Fatal(err)
	}
	allow(t, databaseURL, false)
	s, stop := runHere(t, runArgs(m, databaseURL, "--listen=127.0.0.1:0", "--rpc-timeout=15s", "--max-response-bytes=1200", "--max-upload-jobs=3")...)
	before := s.metrics()
	checkMetrics(t, "at the start", before, map[string]float64{
		`beats_total{failure="",outcome="ok"}`: 0, "consecutive_failures": 0, "last_beat_timestamp_seconds": 0, "last_success_timestamp_seconds": 0,
		"upload_limit_jobs": 3, "upload_limit_bytes": 16 << 20, `beat_phase_duration_seconds_count{phase="apply"}`: 0,
		fmt.Sprintf(`build_info{schema_version="%d",version="unknown"}`, newest): 1,
	})
	stopScraping := s.scrapeAlways()
	began := float64(time.Now().Unix())
	allow(t, databaseURL, true)

	wait.Until(t, "for the request after the misfortunes", func() bool { return len(m.received()) == last })
	later := s.metrics()
	checkMetrics(t, "after the misfortunes", later, map[string]float64{
		`beats_total{failure="",outcome="ok"}`: 1, "consecutive_failures": float64(len(bad)),
		// The incomplete answer acknowledged the one job of its packet. The refusal made the client
		// look for a guilty record: an empty packet, then one with a job, and the lock was lost.
		"uploaded_jobs_total": 4, "uploaded_entries_total": 8, "pending_jobs": 3, "known_jobs": 2, "known_hosts": 0,
		"received_jobs_total": 3, "quarantined_total": 0,
		`beat_phase_duration_seconds_count{phase="pack"}`: 10, `beat_phase_duration_seconds_count{phase="rpc"}`: 10,
	})
	if h := s.healthy(); h.Doing != "beat" || h.Failures != len(bad) || h.Failure != "lock_lost" || h.LastSuccess == nil || h.LastFailure == nil {
		t.Errorf("health after the misfortunes: %+v", h)
	}
	for _, class := range shard.Failures() {
		want := 1.0
		switch class {
		case string(afe.Internal), string(afe.Spool), beat.FailureNoProgress, beat.FailureRefusesAll, beat.FailureLocked:
			want = 0 // they take a fault of our own, a full disk, or a story of several beats
		}
		checkMetrics(t, "after the misfortunes", later, map[string]float64{fmt.Sprintf(`beats_total{failure=%q,outcome="failed"}`, class): want})
	}

	close(release)
	wait.Until(t, "for good beats", func() bool {
		seen := s.metrics()
		return seen[`beats_total{failure="",outcome="ok"}`] >= 3 && seen["pending_jobs"] == 0
	})
	after := s.metrics()
	checkMetrics(t, "in the end", after, map[string]float64{
		"consecutive_failures": 0, "pending_jobs": 0, "known_jobs": 1, "uploaded_jobs_total": 7, "uploaded_entries_total": 14,
		`quarantine_objects{direction="in"}`: 2, `quarantine_objects{direction="out"}`: 0, "quarantine_waiting_for_host": 1,
	})
	success, ended := after["last_success_timestamp_seconds"], after["last_beat_timestamp_seconds"]
	if success < began || ended < success || after["quarantined_total"] < 4 {
		t.Errorf("last success at %v, last beat at %v, began at %v, %v objects set aside",
			success, ended, began, after["quarantined_total"])
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(before)), slices.Sorted(maps.Keys(after))); diff != "" {
		t.Errorf("series changed with beats (-before +after):\n%s", diff)
	}
	stopScraping()
	stop()
}

// checkMetrics compares the series in want.
func checkMetrics(t *testing.T, when string, got, want map[string]float64) {
	t.Helper()
	for name, value := range want {
		if had, ok := got[name]; !ok || had != value {
			t.Errorf("%s: %s is %v (there: %t), want %v", when, name, had, ok, value)
		}
	}
}

// A client that waits for a database that is down is healthy.
func TestHealthWithoutDatabase(t *testing.T) {
	t.Parallel()
	m := master(t, answers(nothing))
	s, stop := runHere(t, runArgs(m, "postgres://127.0.0.1:1/shard", "--listen=127.0.0.1:0")...)
	if h := s.healthy(); h.Doing != "wait for the database" || h.LastSuccess != nil {
		t.Errorf("%+v", h)
	}
	if n := s.metrics()["last_beat_timestamp_seconds"]; n != 0 {
		t.Errorf("a beat ended at %v", n)
	}
	stop()
	if c, err := net.Dial("tcp", s.address); err == nil {
		_ = c.Close()
		t.Error("the address still answers after the end of run")
	}
}

// When run cannot listen at the address, it ends before it touches anything. once does not listen.
func TestListenAtATakenAddress(t *testing.T) {
	t.Parallel()
	databaseURL, pool := database(t)
	m := master(t, answers(nothing))
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	listen := "--listen=" + taken.Addr().String()
	e := invoke(runArgs(m, databaseURL, listen)...).want(t, exitUsage).silent(t)
	e.says(t, "--listen", taken.Addr().String(), "address already in use", "another shard-client")
	if n := pgtest.Query[int](t, pool, "SELECT count(*) FROM shard_client_owner WHERE epoch > 0"); n != 0 || len(m.received()) != 0 {
		t.Error("run went on without metrics and health")
	}
	invoke(once(m, databaseURL, listen)...).want(t, exitOK)
}

// A restart looks to whoever watches like a pause: what the last process left is shown from the
// first request on, and what the new one waits for.
func TestARestartNeitherPagesNorFlickers(t *testing.T) {
	t.Parallel()
	databaseURL, _ := database(t)
	m := master(t, answers(strings.Replace(jobs(1), `"owner": "o"`, `"owner": null`, 1)))
	s, stop := runHere(t, runArgs(m, databaseURL, "--listen=127.0.0.1:0", "--heartbeat-pause=1h")...)
	wait.Until(t, "for a beat", func() bool { return s.metrics()[`beats_total{failure="",outcome="ok"}`] == 1 })
	before := s.metrics()
	stop()

	s, _ = runHere(t, runArgs(m, databaseURL, "--listen=127.0.0.1:0", "--startup-splay=1000h")...)
	after := s.metrics()
	success := "last_success_timestamp_seconds"
	if gap := before[success] - after[success]; after[success] == 0 || gap < -1 || gap > 60 {
		t.Errorf("last success %f, after the restart %f", before[success], after[success])
	}
	checkMetrics(t, "after the restart", after, map[string]float64{
		`quarantine_objects{direction="in"}`: 1, "consecutive_failures": 0, `beats_total{failure="",outcome="ok"}`: 0,
	})
	wait.Until(t, "for the splay", func() bool {
		h := s.healthy()
		return h.Doing == "wait for the first beat" && h.NextBeat != nil && h.NextBeat.After(h.Since) && h.LastSuccess != nil
	})
}
