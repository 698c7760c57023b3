package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/runner/pgtest"
	"shardclient/runner/wait"
)

// mend is a command line that mends the quarantine of a database.
func mend(databaseURL string, words ...string) []string {
	return append(append([]string{"quarantine"}, words...), "--database-url", databaseURL, "--shard-hostname", ourShard)
}

// setAside makes a shard with records that the master refuses, for longer than any test takes: job
// 2, which has a complete entry and an open one, job 3, which is finished, and host 4. Host 5 and
// job 10 have ids that are taken.
func setAside(t testing.TB, pool *pgxpool.Pool) {
	t.Helper()
	pgtest.Exec(t, pool, `INSERT INTO afe_shards (id, hostname) VALUES (1, '`+ourShard+`');
		INSERT INTO afe_hosts (id, hostname) VALUES (4, 'h4'), (5, 'h5');
		INSERT INTO afe_jobs (id, created_on, owner, name) VALUES
			(2, '2019-03-15T11:30:15', 'o', 'n'), (3, '2019-03-15T11:30:15', 'o', 'n'), (10, '2019-03-15T11:30:15', 'another', 'n');
		INSERT INTO afe_host_queue_entries (id, job_id, host_id, status, complete) VALUES
			(20, 2, NULL, 'Completed', true), (21, 2, NULL, 'Running', false), (30, 3, NULL, 'Completed', true),
			(100, 10, 5, 'Completed', true), (101, 10, NULL, 'Queued', false);
		INSERT INTO shard_client_quarantine (direction, kind, object_id, code, reason, payload, payload_bytes, payload_digest, retry_at, last_seen)
		SELECT 'out', o.kind, o.id, 'refused', 'no', '', 0, '', now() + '1 year', now() + '1 year' FROM (VALUES ('job', 2), ('job', 3), ('host', 4)) AS o (kind, id);
		INSERT INTO shard_client_taken (kind, object_id, reason) VALUES ('job', 10, 'another job'), ('host', 5, 'another host')`)
}

// beatsMore waits until so many more requests than now have come.
func beatsMore(t testing.TB, m *fakeMaster, more int) {
	t.Helper()
	now := len(m.received())
	wait.Until(t, "for more beats", func() bool { return len(m.received()) >= now+more })
}

// uploads reports whether a request of these holds the job.
func uploads(requests []request, id int64) bool {
	return slices.ContainsFunc(requests, func(r request) bool { return slices.Contains(r.jobs(), id) })
}

// A record that rests is tried with the next beat of the client that runs meanwhile, and passes.
func TestP6RetryBesideTheClient(t *testing.T) {
	t.Parallel()
	databaseURL, pool := database(t)
	setAside(t, pool)
	m := master(t, answers(nothing))
	p := startRun(t, m, databaseURL)
	beatsMore(t, m, 3)
	if uploads(m.received(), 2) || uploads(m.received(), 3) {
		t.Error("a record that rests was sent")
	}
	e := invoke(mend(databaseURL, "retry", "out", "job", "3")...).want(t, exitOK)
	if !strings.HasPrefix(e.stdout, "out job 3 is due now") {
		t.Errorf("%v", e)
	}
	wait.Until(t, "for job 3 to leave the quarantine", func() bool {
		return pgtest.Query[int](t, pool, "SELECT count(*) FROM shard_client_quarantine WHERE object_id = 3") == 0
	})
	if !uploads(m.received(), 3) || uploads(m.received(), 2) {
		t.Error("want job 3 sent and job 2 not")
	}
	// The taken ones are not sent, however often somebody asks for it.
	if e := invoke(append(mend(databaseURL, "drop", "out", "job", "2", "--give-up", "--yes"), "--shard-hostname=unheard")...).want(t, exitFailed); e.stdout != "" {
		t.Errorf("what failed is a result, too: %v", e)
	}
	invoke(mend(databaseURL, "retry", "out", "job", "10")...).want(t, exitFailed).says(t, "nothing was done about 1 of 1")
	invoke(mend(databaseURL, "retry", "--all", "--yes")...).want(t, exitFailed).says(t, "nothing was done about 2 of 4 objects")
	wait.Until(t, "for all others to pass", func() bool {
		return pgtest.Query[int](t, pool, "SELECT count(*) FROM shard_client_quarantine") == 0
	})
	if uploads(m.received(), 10) {
		t.Error("a job whose id is taken was sent")
	}
	p.stop().want(t, exitOK)
}

// A host that is gone on the master, and one that was renamed there.
func TestRetireAndRename(t *testing.T) {
	t.Parallel()
	databaseURL, pool := database(t)
	setAside(t, pool)
	pgtest.Exec(t, pool, "INSERT INTO afe_host_queue_entries (id, job_id, host_id) VALUES (102, 3, 4)")
	invoke(mend(databaseURL, "retire", "6", "--yes")...).want(t, exitFailed).says(t, "no such host")
	invoke(mend(databaseURL, "retire", "4")...).want(t, exitUsage).says(t, "--yes")
	invoke(mend(databaseURL, "retire", "4", "--yes")...).want(t, exitOK)
	if pgtest.Query[int](t, pool, `SELECT count(*) FROM afe_hosts AS h JOIN afe_host_queue_entries AS e ON e.host_id = h.id
		WHERE h.id = 4 AND h.invalid AND e.aborted AND NOT EXISTS (SELECT FROM shard_client_quarantine WHERE object_id = 4)`) != 1 {
		t.Error("want host 4 invalid, its open entry aborted, and nothing set aside of it")
	}
	invoke(mend(databaseURL, "rename", "4", "h4new", "--yes")...).want(t, exitFailed).says(t, "not taken")
	invoke(mend(databaseURL, "rename", "5", "h 5", "--yes")...).want(t, exitUsage)
	invoke(mend(databaseURL, "rename", "5", "h5new", "--yes")...).want(t, exitOK)
	m := master(t, answers(`{"hosts": [{"id": 5, "hostname": "h5new"}], "jobs": [], "suite_keyvals": [], "incorrect_host_ids": []}`))
	invoke(once(m, databaseURL)...).want(t, exitOK)
	if n := pgtest.Query[int](t, pool, "SELECT count(*) FROM shard_client_taken WHERE kind = 'host'"); n != 0 {
		t.Error("the master's host is the one that is here, and its id still counts as taken")
	}
}

// Hosts and jobs are the master's to send again. A suite keyval is stored, but over nothing newer.
func TestRetryOfWhatCame(t *testing.T) {
	t.Parallel()
	databaseURL, pool := database(t)
	for id, payload := range map[int]string{
		6: `{"id": 6}`, 70: `{"id": 70, "job_id": 900, "key": "suite", "value": "bvt"}`, 71: `{"id": 71, "job_id": 900, "key": "build", "value": 7}`,
	} {
		kind := "suite_keyval"
		if id == 6 {
			kind = "job"
		}
		pgtest.Exec(t, pool, `INSERT INTO shard_client_quarantine (direction, kind, object_id, code, reason, payload, payload_bytes, payload_digest)
			VALUES ('in', $1, $2, 'malformed', 'no', $3, $4, '')`, kind, id, []byte(payload), len(payload))
	}
	e := invoke(mend(databaseURL, "retry", "--all", "--yes", "--output", "json")...).want(t, exitFailed)
	var all []struct {
		Kind    string
		ID      int
		Done    string
		Refused bool
	}
	if err := json.Unmarshal([]byte(e.stdout), &all); err != nil || len(all) != 3 ||
		all[0].Refused || !strings.Contains(all[0].Done, "every answer that holds it") ||
		all[1].Refused || all[1].ID != 70 || !strings.Contains(all[1].Done, "suite = bvt") ||
		!all[2].Refused || !strings.Contains(all[2].Done, "value") || !strings.Contains(all[2].Done, "--payload") {
		t.Fatalf("%v: %v", err, e)
	}
	file := filepath.Join(t.TempDir(), "corrected.json")
	if err := os.WriteFile(file, []byte(`{"id": 71, "job_id": 900, "key": "build", "value": "7"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	invoke(mend(databaseURL, "retry", "in", "job", "6", "--payload", file)...).want(t, exitUsage).says(t, "two shards")
	pgtest.Exec(t, pool, "INSERT INTO afe_job_keyvals (job_id, key, value) VALUES (900, 'build', '8')")
	e = invoke(mend(databaseURL, "retry", "in", "suite_keyval", "71", "--payload", file)...).want(t, exitFailed)
	if !strings.Contains(e.stdout, "build = 8 by now") {
		t.Errorf("%v", e)
	}
	pgtest.Exec(t, pool, "DELETE FROM afe_job_keyvals WHERE key = 'build'")
	invoke(mend(databaseURL, "retry", "in", "suite_keyval", "71", "--payload", file)...).want(t, exitOK)
	if got := pgtest.Query[string](t, pool, "SELECT string_agg(key || '=' || value, ' ' ORDER BY key) FROM afe_job_keyvals WHERE job_id = 900"); got != "build=7 suite=bvt" {
		t.Errorf("keyvals %q", got)
	}
	invoke(mend(databaseURL, "drop", "in", "job", "6", "--yes")...).want(t, exitOK)
	invoke(mend(databaseURL, "drop", "in", "job", "6", "--yes")...).want(t, exitFailed).says(t, "no such object")
	if e := invoke(mend(databaseURL, "list")...).want(t, exitOK); e.stdout != "the quarantine is empty\n" {
		t.Errorf("%v", e)
	}
}

// Everything about an object is shown, and nothing of it moves a terminal.
func TestQuarantineShow(t *testing.T) {
	t.Parallel()
	databaseURL, _ := database(t)
	hostile := `{"id": 6, "owner": 7, "name": "` + "\u202e\u009b31m" + `", "created_on": "2019-03-15T11:30:15", "hostqueueentry_set": []}`
	m := master(t, answers(strings.Replace(nothing, `"jobs": [`, `"jobs": [`+hostile, 1)))
	invoke(once(m, databaseURL)...).want(t, exitOK)
	show := mend(databaseURL, "show", "in", "job", "6")
	e := invoke(show...).want(t, exitOK)
	for _, want := range []string{"in job 6\n  code        malformed\n", "  times       1\n", "owner", "\n  \"name\": \"\\u202e\\u009b31m\",\n", strconv.Itoa(len(hostile)) + " bytes"} {
		if !strings.Contains(e.stdout, want) {
			t.Errorf("want %q: %v", want, e)
		}
	}
	if strings.ContainsAny(e.stdout, "\u202e\u009b") {
		t.Errorf("hostile characters reach the terminal: %q", e.stdout)
	}
	if e := invoke(append(show, "--raw")...).want(t, exitOK); e.stdout != hostile {
		t.Errorf("raw: %q, want %q", e.stdout, hostile)
	}
	var all []map[string]any
	e = invoke(append(show, "--output", "json")...).want(t, exitOK)
	if err := json.Unmarshal([]byte(e.stdout), &all); err != nil || len(all) != 1 || all[0]["payload"].(map[string]any)["owner"] != 7.0 ||
		all[0]["payload_bytes"] != float64(len(hostile)) || all[0]["code"] != "malformed" || all[0]["payload_base64"] == "" {
		t.Errorf("%v: %v", err, e)
	}
	invoke(mend(databaseURL, "show", "out", "job", "6")...).want(t, exitFailed).says(t, "quarantine list")
	for _, wrong := range [][]string{{"show"}, {"show", "job", "six"}, {"show", "jobs", "6"}, {"show", "in", "job", "6", "7"}, {"retry"}, {"drop", "job", "6", "--all"}} {
		invoke(mend(databaseURL, wrong...)...).want(t, exitUsage).silent(t)
	}
}

// Whatever the client does under the rights of docs/grants.sql, its operator can mend, but for what
// is deleted.
func TestMendWithLeastRights(t *testing.T) {
	t.Parallel()
	databaseURL, owner := leastRights(t)
	setAside(t, owner)
	for _, words := range [][]string{
		{"list"}, {"show", "out", "job", "2"}, {"retry", "out", "job", "2"}, {"drop", "out", "job", "2", "--give-up", "--yes"},
		{"drop", "out", "job", "3", "--give-up", "--yes"}, {"retire", "4", "--yes"}, {"rename", "5", "h5new", "--yes"},
	} {
		if err := permitted(invoke(mend(databaseURL, words...)...)); err != nil {
			t.Errorf("%q: %v", words, err)
		}
	}
	for _, words := range [][]string{{"packet"}, {"once", "--dry-run"}, {"adopt"}, {"sessions", "list"}} {
		if err := permitted(invoke(append(words, "--database-url", databaseURL, "--shard-hostname", ourShard)...)); err != nil {
			t.Errorf("%q: %v", words, err)
		}
	}
	invoke(mend(databaseURL, "drop", "out", "job", "10", "--give-up", "--yes")...).want(t, exitFailed).
		says(t, "permission denied", "as the role that owns the tables")
}
