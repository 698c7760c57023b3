package master_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"shardclient/runner/afe"
	"shardclient/runner/master"
	"shardclient/runner/pgtest"
)

// watchedMaster is a master whose clock and log belong to the test.
type watchedMaster struct {
	*testing.T
	handler http.Handler
	now     time.Time
	log     bytes.Buffer
}

// watchTwins starts a master with n hosts and jobs of shard one, which both belong to it.
func watchTwins(t *testing.T, n int, edit string) *watchedMaster {
	t.Helper()
	pool := pgtest.Pool(t)
	loadShared(t, pool, n)
	pgtest.Exec(t, pool, "UPDATE afe_hosts SET shard_id = 1; UPDATE afe_jobs SET shard_id = 1;"+edit)
	w := &watchedMaster{T: t, now: time.Date(2026, 3, 15, 10, 0, 0, 0, time.UTC)}
	var err error
	w.handler, err = master.New(pool, master.Options{
		Protocol: afe.Protocol2019, Stats: &master.Stats{}, Now: func() time.Time { return w.now },
		Log: slog.New(slog.NewTextHandler(&w.log, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// from sends a heartbeat from an address, a minute after the one before.
func (w *watchedMaster) from(address, arguments string) {
	w.Helper()
	w.now = w.now.Add(time.Minute)
	request := httptest.NewRequestWithContext(w.Context(), http.MethodPost, master.Path, strings.NewReader(heartbeat(`{"shard_hostname": "one"`+arguments+`}`)))
	request.RemoteAddr = address + ":4711"
	request.Header.Set("Authorization", "chromeos-test")
	answer := httptest.NewRecorder()
	w.handler.ServeHTTP(answer, request)
	if answer.Code != http.StatusOK {
		w.Fatalf("%d %s", answer.Code, answer.Body)
	}
}

// signs reads: addresses, forgotten ids, other ends.
func (w *watchedMaster) signs() [3]int64 {
	w.Helper()
	answer := httptest.NewRecorder()
	w.handler.ServeHTTP(answer, httptest.NewRequestWithContext(w.Context(), http.MethodGet, master.StatsPath, nil))
	var c master.Counts
	if err := json.NewDecoder(answer.Body).Decode(&c); err != nil {
		w.Fatal(err)
	}
	return [3]int64{c.TwoAddresses, c.ForgottenIDs, c.OtherEnds}
}

// shows compares the signs that were counted, and what every line of the log holds.
func (w *watchedMaster) shows(signs [3]int64, lines ...string) {
	w.Helper()
	if diff := cmp.Diff(signs, w.signs()); diff != "" {
		w.Errorf("signs (-want +counted):\n%s", diff)
	}
	said := strings.Split(strings.TrimSpace(w.log.String()), "\n")
	if w.log.Len() == 0 {
		said = nil
	}
	for i, want := range lines {
		if i >= len(said) || !strings.Contains(said[i], want) || !strings.Contains(said[i], "two databases may be serving as one shard") {
			w.Errorf("line %d of the log does not say %q:\n%s", i, want, &w.log)
		}
	}
	if len(said) != len(lines) {
		w.Errorf("%d lines, want %d:\n%s", len(said), len(lines), &w.log)
	}
}

// twinTime is how long a heartbeat is remembered.
const twinTime = 10 * time.Minute

const knows12 = `, "known_job_ids": [1, 2], "known_host_ids": [1, 2], "known_host_statuses": ["Ready", "Ready"]`

func TestTwoAddressesOfOneShard(t *testing.T) {
	w := watchTwins(t, 2, "")
	w.from("192.0.2.1", knows12)
	w.from("192.0.2.1", knows12)
	w.shows([3]int64{})
	w.from("192.0.2.2", knows12)
	line := `shard=one sign=two_addresses address=192.0.2.2 other_address=192.0.2.1 other_ago_ms=60000`
	w.shows([3]int64{1}, line)
	w.from("192.0.2.1", knows12) // they go on; a line every ten minutes is enough
	w.from("192.0.2.2", knows12)
	w.shows([3]int64{3}, line)
	w.now = w.now.Add(twinTime)
	w.from("192.0.2.3", knows12) // a machine that was replaced
	w.shows([3]int64{3}, line)
	w.from("192.0.2.1", knows12)
	w.shows([3]int64{4}, line, "address=192.0.2.1 other_address=192.0.2.3")
}

// Two copies of a database know what the other one does not.
func TestKnownIDsThatContradict(t *testing.T) {
	w := watchTwins(t, 4, "UPDATE afe_host_queue_entries SET complete = true WHERE job_id = 4; UPDATE afe_hosts SET invalid = true WHERE id = 4")
	all := `, "known_job_ids": [4, 1, 3, 2], "known_host_ids": [1, 2, 4], "known_host_statuses": ["Ready", "Ready", "Ready"]`
	w.from("::1", all)
	w.shows([3]int64{})
	// What is done with, or invalid, may go. So may what is uploaded, and a job that has ended: it
	// is uploaded as soon as the scheduler has said so.
	w.from("::1", `, "known_job_ids": [1], "jobs": [{"id": 3}], "known_host_ids": [1, 2], "known_host_statuses": ["Ready", "Ready"]`)
	w.from("::1", `, "known_job_ids": [1], "known_host_ids": [1, 2], "known_host_statuses": ["Ready", "Ready"]`)
	w.from("::1", `, "known_job_ids": [1], "jobs": [{"id": 2}], "known_host_ids": [1, 2], "known_host_statuses": ["Ready", "Ready"]`)
	w.from("::1", `, "known_job_ids": [1], "known_host_ids": [1, 2], "known_host_statuses": ["Ready", "Ready"]`)
	w.shows([3]int64{})
	w.from("::1", `, "known_host_ids": [2], "known_host_statuses": ["Ready"]`)
	line := "sign=forgotten_ids jobs=[] hosts=[1] known_ago_ms=60000"
	w.shows([3]int64{0, 1}, line)
	w.now = w.now.Add(twinTime)
	w.from("::1", knows12)
	w.from("::1", `, "known_job_ids": [2], "known_host_ids": [1, 2], "known_host_statuses": ["Ready", "Ready"]`)
	w.shows([3]int64{0, 1}, line)
	w.from("::1", knows12)
	w.shows([3]int64{0, 2}, line, "sign=forgotten_ids jobs=[1] hosts=[] known_ago_ms=60000")
}

// A client that looks for a refused record leaves hosts out, and nothing else.
func TestKnownIDsDuringASearch(t *testing.T) {
	w := watchTwins(t, 2, "")
	w.from("::1", knows12)
	w.from("::1", `, "known_job_ids": [1, 2], "known_host_ids": [1, 2, 77], "known_host_statuses": ["Ready", "Ready", "Ready"]`)
	if !strings.Contains(w.log.String(), "DoesNotExist") {
		t.Fatalf("host 77 was not refused:\n%s", &w.log)
	}
	w.log.Reset()
	w.from("::1", `, "known_job_ids": [1, 2]`)
	w.from("::1", knows12)
	w.shows([3]int64{})
	w.from("::1", `, "known_job_ids": [2]`)
	w.from("::1", `, "known_job_ids": [1, 2]`)
	w.shows([3]int64{0, 1}, "jobs=[1] hosts=[]")
}

// What is another shard's by now is not missed, nor what was known long ago.
func TestKnownIDsThatMayGo(t *testing.T) {
	w := watchTwins(t, 2, "UPDATE afe_jobs SET shard_id = 2; UPDATE afe_hosts SET shard_id = NULL; DELETE FROM afe_shards_labels WHERE shard_id = 1")
	w.from("::1", knows12)
	w.from("::1", "")
	w.from("::1", knows12)
	w.shows([3]int64{})
	w = watchTwins(t, 2, "")
	w.from("::1", knows12)
	w.now = w.now.Add(twinTime)
	w.from("::1", "")
	w.from("::1", knows12)
	w.shows([3]int64{})
}

// Both copies have run the job: it ends twice. An upload that is repeated is the same.
func TestEntriesThatEndTwice(t *testing.T) {
	w := watchTwins(t, 2, "")
	const ended = `, "known_job_ids": [2], "jobs": [{"id": 1}], "hqes": [
		{"id": 2, "status": "Completed", "complete": true, "host_id": 1, "started_on": "2026-03-15T10:00:00.25", "finished_on": "2026-03-15T10:01:00"},
		{"id": 3, "status": "Queued", "complete": false}]`
	w.from("::1", ended)
	w.from("::1", ended)
	w.from("::1", strings.Replace(ended, `"Queued", "complete": false`, `"Aborted", "complete": true`, 1))
	w.shows([3]int64{})
	w.from("::1", strings.Replace(ended, "10:01:00", "10:01:01", 1))
	w.shows([3]int64{0, 0, 1}, `shard=one sign=other_ends entries=[2]`)
	for was, is := range map[string]string{`"Completed"`: `"Failed"`, `"host_id": 1`: `"host_id": 2`, "00.25": "00.26"} {
		w.from("::1", ended)
		before := w.signs()[2]
		w.from("::1", strings.Replace(ended, was, is, 1))
		if w.signs()[2] != before+1 {
			t.Errorf("%s instead of %s: no sign", is, was)
		}
	}
}

// A shard of jobs only, to which nothing can be sent: its heartbeats take the shortest way.
func TestForgottenIDsOfAShardWithoutHosts(t *testing.T) {
	w := watchTwins(t, 2, "DELETE FROM afe_shards_labels")
	w.from("192.0.2.1", `, "known_job_ids": [1]`)
	w.from("192.0.2.1", "")
	w.shows([3]int64{})
	w.from("192.0.2.1", `, "known_job_ids": [1]`)
	w.shows([3]int64{0, 1}, `shard=one sign=forgotten_ids jobs=[1] hosts=[]`)
}
