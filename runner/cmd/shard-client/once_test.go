package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"os/user"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"shardclient/runner/beat"
	"shardclient/runner/lab/replay"
	"shardclient/runner/pgtest"
)

// The first heartbeat of a new shard, as recorded, from command line to tables.
func TestOnceJSON(t *testing.T) {
	t.Parallel()
	first := recording(t)[0]
	databaseURL, pool := database(t)
	m := master(t, first.Response)
	e := invoke(once(m, databaseURL)...).want(t, exitOK)
	want := beat.Report{Outcome: "ok", ReceivedHosts: 3, ReceivedJobs: 4, ReceivedKeyvals: 3}
	if got := e.result(t); counts(got) != want || got.Error != "" {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if lines := strings.Count(e.stderr, "\n"); lines != 1 || !strings.Contains(e.stderr, "level=INFO msg=heartbeat ") {
		t.Errorf("want the one line of a beat on stderr, got %v", e)
	}
	if diff := replay.DiffRequests(first.Request, m.last(t).body); diff != "" {
		t.Errorf("request (-recorded +sent):\n%s", diff)
	}
	if got := m.last(t); got.path != "POST /afe/server/noauth/rpc/?method=shard_heartbeat" || got.user != "chromeos-test" {
		t.Errorf("called %s as %q", got.path, got.user)
	}
	after, err := replay.ReadSnapshot(t.Context(), pool)
	if err != nil {
		t.Fatal(err)
	}
	if diff := after.Diff(first.After); diff != "" {
		t.Errorf("database (-recorded +stored):\n%s", diff)
	}
}

// Scripts read the result: its keys, their types and their order are a contract.
func TestOnceJSONKeysAndTypes(t *testing.T) {
	t.Parallel()
	databaseURL, _ := database(t)
	stdout := invoke(once(master(t, answers(jobs(1))), databaseURL)...).want(t, exitOK).stdout
	var keys []string
	for decoder := json.NewDecoder(strings.NewReader(stdout)); ; {
		token, err := decoder.Token()
		if err != nil {
			break
		}
		if key, ok := token.(string); ok {
			keys = append(keys, key)
			_, _ = decoder.Token()
		}
	}
	want := []string{"outcome", "failure", "error", "packed_ms", "rpc_ms", "ack_ms", "apply_ms", "known_jobs", "known_hosts",
		"uploaded_jobs", "uploaded_entries", "received_hosts", "received_jobs", "received_keyvals", "quarantined"}
	if !slices.Equal(keys, want) {
		t.Errorf("keys %q, want %q", keys, want)
	}
	for pattern, count := range map[string]int{
		`"(outcome|failure|error)":"[^"]*"`:                             3,
		`"\w+_ms":\d+(\.\d{1,3})?[,}]`:                                  4,
		`"(known|uploaded|received)_\w+":\d+[,}]|"quarantined":\d+[,}]`: 8,
	} {
		if got := len(regexp.MustCompile(pattern).FindAllString(stdout, -1)); got != count {
			t.Errorf("%d matches of %s, want %d: %s", got, pattern, count, stdout)
		}
	}
}

func TestOnceText(t *testing.T) {
	t.Parallel()
	databaseURL, _ := database(t)
	m := master(t, recording(t)[0].Response)
	e := invoke(once(m, databaseURL, "--output", "text")...).want(t, exitOK)
	want := regexp.MustCompile(`^heartbeat ok: knew 0 jobs and 0 hosts, uploaded 0 jobs with 0 entries, received 3 hosts, 4 jobs and 3 keyvals, set aside 0
pack \d+\.\d ms, rpc \d+\.\d ms, acknowledge \d+\.\d ms, apply \d+\.\d ms
$`)
	if !want.MatchString(e.stdout) {
		t.Errorf("stdout:\n%s\nwant:\n%s", e.stdout, want)
	}
	m = master(t, page(http.StatusInternalServerError, "<html>\n<h1>Oops</h1>"))
	e = invoke(once(m, databaseURL, "--output", "text")...).want(t, exitFailed)
	if !strings.HasPrefix(e.stdout, "heartbeat failed (http_status): ") ||
		!strings.HasSuffix(e.stdout, "answered HTTP 500: <html> <h1>Oops</h1>\n") ||
		strings.Count(e.stdout, "\n") != 1 {
		t.Errorf("stdout: %q", e.stdout)
	}
}

// Finished jobs go up and are acknowledged, each once; the counts say so.
func TestOnceUploads(t *testing.T) {
	t.Parallel()
	databaseURL, pool := database(t)
	finish(t, pool, 1, "x")
	finish(t, pool, 2, "x")
	pgtest.Exec(t, pool, "UPDATE afe_host_queue_entries SET complete = false, status = 'Running' WHERE id = 21")
	m := master(t, answers(nothing))
	want := beat.Report{Outcome: "ok", KnownJobs: 1, UploadedJobs: 2, UploadedEntries: 4}
	if got := invoke(once(m, databaseURL)...).want(t, exitOK).result(t); counts(got) != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	want.UploadedJobs, want.UploadedEntries = 0, 0
	if got := invoke(once(m, databaseURL)...).want(t, exitOK).result(t); counts(got) != want {
		t.Errorf("second beat: got %+v, want %+v", got, want)
	}
}

// A beat that sets objects aside is ok.
func TestOnceIsOKWithObjectsSetAside(t *testing.T) {
	t.Parallel()
	databaseURL, _ := database(t)
	m := master(t, answers(strings.Replace(jobs(1, 2), `"owner": "o"`, `"owner": 7`, 1)))
	e := invoke(once(m, databaseURL)...).want(t, exitOK).says(t, "level=WARN", "quarantine list")
	want := beat.Report{Outcome: "ok", ReceivedJobs: 2, Quarantined: 1}
	if got := e.result(t); counts(got) != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// The master sees the operating system's user, as the original's did.
func TestDefaultUser(t *testing.T) {
	t.Parallel()
	databaseURL, _ := database(t)
	m := master(t, answers(nothing))
	invoke("once", "--shard-hostname", ourShard, "--master", strings.TrimPrefix(m.URL, "http://"), "--database-url", databaseURL).want(t, exitOK)
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	if got := m.last(t).user; got != me.Username {
		t.Errorf("called as %q, want %q", got, me.Username)
	}
}

// In a database that comes from the original, finished jobs have their shard_id: none is uploaded
// again, and the open ones are known.
func TestInheritedDatabaseUploadsNothing(t *testing.T) {
	t.Parallel()
	databaseURL, pool := database(t)
	pgtest.Exec(t, pool, "INSERT INTO afe_shards (id, hostname) VALUES (1, $1), (2, 'another')", ourShard)
	pgtest.Exec(t, pool, "INSERT INTO afe_jobs (id, created_on, shard_id) SELECT id, '2019-03-15', 1 + id % 2 FROM generate_series(1, 1000) AS id")
	pgtest.Exec(t, pool, `INSERT INTO afe_host_queue_entries (id, job_id, status, complete)
		SELECT id, id, 'Completed', true FROM generate_series(1, 1000) AS id`)
	pgtest.Exec(t, pool, "UPDATE afe_host_queue_entries SET status = 'Running', active = true, complete = false WHERE id > 995")
	m := master(t, answers(nothing))
	for range 2 {
		want := beat.Report{Outcome: "ok", KnownJobs: 5}
		if got := invoke(once(m, databaseURL)...).want(t, exitOK).result(t); counts(got) != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
		if sent := m.last(t); len(sent.Jobs)+len(sent.Entries) != 0 || !slices.Equal(sent.Known, []int64{996, 997, 998, 999, 1000}) {
			t.Errorf("sent jobs %v, knew %v", sent.jobs(), sent.Known)
		}
	}
}

// The phases explain the whole run: the first one begins with the process.
func TestFirstPhaseBeginsWithTheProcess(t *testing.T) {
	t.Parallel()
	databaseURL, _ := database(t)
	m := master(t, answers(nothing))
	for _, place := range []string{databaseURL, "postgres://127.0.0.1:1/shard"} {
		var stdout, stderr bytes.Buffer
		(&program{began: time.Now().Add(-time.Hour), stdout: &stdout, stderr: &stderr}).run(once(m, place))
		e := ended{stdout: stdout.String(), stderr: stderr.String(), took: 2 * time.Hour}
		if got := e.result(t).PackedMS; got < 3600_000 {
			t.Errorf("started an hour ago, packed in %v ms", got)
		}
	}
}

// Each limit of the settings takes effect (P9).
func TestLimits(t *testing.T) {
	t.Parallel()
	databaseURL, pool := database(t)
	m := master(t, answers(jobs(101, 102, 103, 104, 105, 106, 107, 108, 109, 110, 111, 112, 113)))
	transactions := func() int { return pgtest.Query[int](t, pool, "SELECT count(DISTINCT xmin::text) FROM afe_jobs") }
	invoke(once(m, databaseURL, "--apply-chunk=3")...).want(t, exitOK)
	if n := transactions(); n != 2 {
		t.Errorf("13 new jobs in chunks of 3, four at once, were stored in %d transactions, want 2", n)
	}
	m.says(answers(strings.ReplaceAll(jobs(5, 6, 7, 8), `"owner": "o"`, `"owner": 7`)))
	for range 3 {
		invoke(once(m, databaseURL, "--history-keep=2", "--quarantine-keep=3")...).want(t, exitOK)
	}
	if n := pgtest.Query[int](t, pool, "SELECT count(*) FROM shard_client_heartbeats"); n != 2 {
		t.Errorf("%d beats in the history, want 2", n)
	}
	if n := pgtest.Query[int](t, pool, "SELECT count(*) FROM shard_client_quarantine"); n != 3 {
		t.Errorf("%d objects in quarantine, want 3", n)
	}
	if name := pgtest.Query[string](t, pool, "SELECT who FROM shard_client_owner"); !strings.Contains(name, "pid "+strconv.Itoa(os.Getpid())) {
		t.Errorf("the owner is %q", name)
	}
}
