package main

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/runner/lock"
	"shardclient/runner/operator"
	"shardclient/runner/pgtest"
)

// noteBeat puts a beat into the history that ended so long ago and took a tenth of a second.
func noteBeat(t *testing.T, pool *pgxpool.Pool, ago time.Duration, failure string) {
	t.Helper()
	outcome, text := "ok", ""
	if failure != "" {
		outcome, text = "failed", "master h: "+failure
	}
	pgtest.Exec(t, pool, `INSERT INTO shard_client_heartbeats (started_at, epoch, protocol, outcome, failure, error, packed_ms, rpc_ms,
			ack_ms, apply_ms, known_jobs, known_hosts, uploaded_jobs, uploaded_entries, received_hosts, received_jobs, received_keyvals,
			quarantined, large_waiting)
		VALUES (now() - $1::interval - interval '100 ms', 1, '2019', $2, $3, $4, 10, 20, 30, 40, 5, 6, 7, 8, 9, 10, 11, 12, false)`,
		ago.String(), outcome, failure, text)
}

// hold lets a client have the lock until the test ends.
func hold(t *testing.T, pool *pgxpool.Pool, who string) *lock.Lock {
	t.Helper()
	l, err := lock.New(pool, who)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Hold(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Release(t.Context()) })
	return l
}

func statusOf(t *testing.T, databaseURL string, more ...string) (status operator.Status) {
	t.Helper()
	e := invoke(append([]string{"status", "--output=json", "--database-url", databaseURL}, more...)...).want(t, exitOK)
	if err := json.Unmarshal([]byte(e.stdout), &status); err != nil || strings.Count(e.stdout, "\n") != 1 {
		t.Fatalf("%v: %v", err, e)
	}
	return status
}

// Each state is told from the database alone, in a word and in a sentence.
func TestStatusStates(t *testing.T) {
	t.Parallel()
	databaseURL, pool := database(t)
	check := func(state string, words ...string) operator.Status {
		t.Helper()
		s := statusOf(t, databaseURL)
		for _, word := range words {
			if !strings.Contains(s.Sentence, word) {
				t.Errorf("%q does not say %q", s.Sentence, word)
			}
		}
		if s.State != state {
			t.Errorf("the state is %s, want %s: %s", s.State, state, s.Sentence)
		}
		return s
	}
	if s := check("new", "No client has served"); s.Holder != nil || s.LastHolder != nil || s.LastSuccess != nil || len(s.Beats) != 0 || s.Schema == 0 {
		t.Errorf("%+v", s)
	}
	l := hold(t, pool, "shard-client 1.2 on h1, pid 17")
	check("silent", "no beat has ended yet")
	noteBeat(t, pool, 2*time.Minute, "")
	s := check("ok", "All is well", "2m")
	if s.Holder == nil || s.Holder.Who != "shard-client 1.2 on h1, pid 17" || s.Holder.BackendPID == 0 || s.LastSuccessAge == nil || *s.LastSuccessAge < 120 {
		t.Errorf("%+v", s)
	}
	noteBeat(t, pool, 121*time.Second, "transport")
	noteBeat(t, pool, 30*time.Second, "rpc_error")
	s = check("failing", "The last 2 beats failed (rpc_error), for 2m")
	if s.Hint != "read the log of the master, which has raised this exception" {
		t.Errorf("hint %q", s.Hint)
	}
	if s.FailuresInARow != 2 || s.Failure != "rpc_error" || s.Error != "master h: rpc_error" || s.FailingSince == nil || len(s.Beats) != 3 || s.Beats[2].Failure != "rpc_error" {
		t.Errorf("%+v", s)
	}
	l.Release(t.Context())
	if s = check("stopped", "No client runs", "failed (rpc_error)"); s.Holder != nil || s.LastHolder == nil || s.LastHolder.Epoch != 1 {
		t.Errorf("%+v", s)
	}
	noteBeat(t, pool, time.Minute, "")
	if s = check("stopped", "ended 1m", "ago and was ok"); !strings.Contains(s.Hint, "read the end of its log, then start it") {
		t.Errorf("hint %q", s.Hint)
	}
	pgtest.Exec(t, pool, "UPDATE shard_client_heartbeats SET started_at = started_at - interval '1 hour'")
	hold(t, pool, "the next one")
	pgtest.Exec(t, pool, "UPDATE shard_client_owner SET since = now() + interval '1 hour'")
	check("ok") // it has just begun
	pgtest.Exec(t, pool, "UPDATE shard_client_owner SET since = now() - interval '20 minutes'")
	check("silent", "its last beat ended 1h0")
	noteBeat(t, pool, time.Second, "")
	pgtest.Exec(t, pool, `INSERT INTO shard_client_quarantine (direction, kind, object_id, code, reason, payload, payload_bytes, payload_digest)
		VALUES ('in', 'job', 7, 'waiting_for_host', 'r', '', 0, ''), ('out', 'host', 2, 'refused', 'r', '', 0, '')`)
	check("ok", "Beats are good", "1 set aside")
}

// What waits, what is open and what is set aside is counted as the next beat would.
func TestStatusCounts(t *testing.T) {
	t.Parallel()
	databaseURL, pool := database(t)
	for id := 1; id <= 4; id++ {
		finish(t, pool, id, "x")
	}
	pgtest.Exec(t, pool, `UPDATE afe_host_queue_entries SET finished_on = now() AT TIME ZONE 'UTC' - interval '3 hours' WHERE id = 21;
		UPDATE afe_host_queue_entries SET complete = false, active = true, status = 'Running' WHERE id IN (31, 41, 42);
		UPDATE afe_jobs SET shard_id = 1 WHERE id = 3;
		INSERT INTO shard_client_taken (kind, object_id, reason) VALUES ('job', 1, 'r');
		INSERT INTO afe_hosts (id, hostname, invalid) VALUES (1, 'a', false), (2, 'b', true);
		INSERT INTO shard_client_quarantine (direction, kind, object_id, code, reason, payload, payload_bytes, payload_digest)
			VALUES ('in', 'job', 7, 'waiting_for_host', 'r', '', 0, ''), ('in', 'job', 8, 'malformed', 'r', '', 0, ''), ('out', 'job', 2, 'refused', 'r', '', 0, '')`)
	m := master(t, answers(nothing))
	s := statusOf(t, databaseURL)
	if s.Pending.Jobs != 2 || s.Pending.More { // 2, and 3 by the ledger; 1 is taken, 4 has nothing complete
		t.Errorf("pending: %+v", s.Pending)
	}
	if want := (operator.Open{Jobs: 2, Entries: 3, Active: 3, Hosts: 1}); s.Open != want {
		t.Errorf("open: %+v, want %+v", s.Open, want)
	}
	if want := (operator.Aside{In: 2, Out: 1, WaitingForHost: 1, Taken: 1}); s.Quarantine != want {
		t.Errorf("set aside: %+v, want %+v", s.Quarantine, want)
	}
	text := invoke("status", "--database-url", databaseURL).want(t, exitOK).stdout
	for _, line := range []string{
		"uploads    2 jobs to upload", "open       2 jobs; 3 of 3 entries run; 1 host",
		"set aside  2 that came (1 for want of a host), 1 that the master refuses, 1 with\n           ids that are taken; see", "lock       free, and never held", "beats      none",
	} {
		if !strings.Contains(text, line) {
			t.Errorf("no %q in:\n%s", line, text)
		}
	}
	if n := len(m.received()); n != 0 {
		t.Errorf("the master was called %d times", n)
	}
}

// Scripts read the keys.
func TestStatusJSONKeys(t *testing.T) {
	t.Parallel()
	databaseURL, pool := database(t)
	noteBeat(t, pool, time.Minute, "")
	var object map[string]any
	if err := json.Unmarshal([]byte(invoke("status", "--output=json", "--database-url", databaseURL).want(t, exitOK).stdout), &object); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"at", "beats", "error", "failing_since", "failure", "failures_in_a_row", "hint", "last_holder", "last_success",
		"last_success_age_seconds", "lock_holder", "open", "pending_uploads", "quarantine", "schema_version", "sentence", "standby", "state", "unknown",
	}
	if got := slices.Sorted(maps.Keys(object)); !slices.Equal(got, want) {
		t.Errorf("keys %q, want %q", got, want)
	}
}

// What cannot be counted in time is left out, and all else is said.
func TestStatusGoesWithoutWhatIsLocked(t *testing.T) {
	t.Parallel()
	databaseURL, pool := database(t)
	tx, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(t.Context()) }()
	if _, err := tx.Exec(t.Context(), "LOCK TABLE afe_jobs"); err != nil {
		t.Fatal(err)
	}
	s := statusOf(t, databaseURL, "--lock-timeout=10ms")
	if s.State != "new" || len(s.Unknown) != 1 || !strings.Contains(s.Unknown["pending_uploads"], "lock timeout") {
		t.Errorf("%+v", s)
	}
	text := invoke("status", "--lock-timeout=10ms", "--database-url", databaseURL).want(t, exitOK).stdout
	if !strings.Contains(text, "uploads    not known: canceling statement due to lock timeout") {
		t.Errorf("%s", text)
	}
}

// The status is said again after each interval, also where the database is away for a while, until
// Ctrl-C, which is how it ends.
func TestStatusWatch(t *testing.T) {
	databaseURL, pool := database(t)
	clock := make(chan time.Time)
	asked := make(chan time.Duration)
	for _, output := range []string{"text", "json"} {
		var stdout, stderr bytes.Buffer
		p := &program{began: time.Now(), stdout: &stdout, stderr: &stderr, after: func(d time.Duration) <-chan time.Time { asked <- d; return clock }}
		ended := make(chan int)
		go func() {
			ended <- p.run([]string{"status", "--watch", "--interval=7s", "--output", output, "--database-url", databaseURL})
		}()
		if d := <-asked; d != 7*time.Second {
			t.Errorf("waits %v", d)
		}
		noteBeat(t, pool, time.Second, "transport")
		clock <- time.Time{}
		<-asked
		pgtest.Exec(t, pool, "ALTER TABLE shard_client_heartbeats RENAME TO away")
		clock <- time.Time{}
		<-asked
		pgtest.Exec(t, pool, "ALTER TABLE away RENAME TO shard_client_heartbeats")
		clock <- time.Time{}
		<-asked
		if err := syscall.Kill(syscall.Getpid(), syscall.SIGINT); err != nil {
			t.Fatal(err)
		}
		if code := <-ended; code != exitOK {
			t.Errorf("exit %d: %s", code, &stderr)
		}
		if output == "json" {
			if lines := strings.Split(strings.TrimSpace(stdout.String()), "\n"); len(lines) != 3 || !json.Valid([]byte(lines[2])) || !strings.Contains(stderr.String(), "no answer: ") {
				t.Errorf("%d lines: %s", len(lines), &stdout)
			}
			continue
		}
		parts := strings.Split(stdout.String(), "\nschema ")
		if len(parts) != 4 || strings.Contains(parts[0], "×") || !strings.Contains(parts[1], "×") || !strings.Contains(parts[2], "no answer: ") {
			t.Errorf("%d parts:\n%s", len(parts)-1, &stdout)
		}
		if stderr.Len() > 0 {
			t.Errorf("on stderr: %s", &stderr)
		}
	}
}

// The history lists beats, the newest last, and leaves out what is not asked for.
func TestHistory(t *testing.T) {
	t.Parallel()
	databaseURL, pool := database(t)
	ask := func(args ...string) string {
		t.Helper()
		return invoke(append([]string{"history", "--database-url", databaseURL}, args...)...).want(t, exitOK).stdout
	}
	if got := ask(); got != "no such beat in the history\n" {
		t.Errorf("%q", got)
	}
	if got := ask("--output=json"); got != "" {
		t.Errorf("%q", got)
	}
	for i, failure := range []string{"", "transport", "", "rpc_error", ""} {
		noteBeat(t, pool, time.Duration(5-i)*time.Hour, failure)
	}
	for _, tt := range []struct {
		args []string
		want []int64
	}{
		{nil, []int64{1, 2, 3, 4, 5}}, {[]string{"--limit=2"}, []int64{4, 5}}, {[]string{"--failed"}, []int64{2, 4}},
		{[]string{"--since=150m"}, []int64{4, 5}}, {[]string{"--since=150m", "--failed"}, []int64{4}},
		{[]string{"--since", time.Now().Add(-200 * time.Minute).UTC().Format(time.RFC3339)}, []int64{3, 4, 5}},
		{[]string{"--failed", "--limit=1"}, []int64{4}}, {[]string{"--since=2000-01-01"}, []int64{1, 2, 3, 4, 5}}, {[]string{"--since=1s"}, nil},
	} {
		var got []int64
		for line := range strings.Lines(ask(append(tt.args, "--output=json")...)) {
			var b operator.Beat
			if err := json.Unmarshal([]byte(line), &b); err != nil {
				t.Fatal(err)
			}
			got = append(got, b.ID)
			if b.TookMS != 100 || b.KnownJobs != 5 || b.ReceivedJobs != 10 || b.Protocol != "2019" || b.Quarantined != 12 {
				t.Errorf("%+v", b)
			}
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%q lists %v, want %v", tt.args, got, tt.want)
		}
	}
	pgtest.Exec(t, pool, "UPDATE shard_client_heartbeats SET error = repeat('e', 300) WHERE id = 2")
	lines := strings.Split(ask(), "\n")
	if fields := strings.Fields(lines[2]); len(lines) != 7 || !slices.Equal(fields[1:8], []string{"transport", "100", "ms", "5/6", "7", "10/9", "12"}) ||
		fields[8] != strings.Repeat("e", 300) {
		t.Errorf("%q", lines)
	}
	for _, wrong := range []string{"--since=yesterday", "--since=-5m", "--limit=0"} {
		invoke("history", wrong, "--database-url", databaseURL).want(t, exitUsage).says(t, strings.Split(wrong, "=")[0])
	}
}

// check says all that can be said, whatever the environment holds, and ends with 1 when a beat
// cannot be ok.
func TestCheck(t *testing.T) {
	databaseURL, _ := database(t)
	m := masterThat(t, func(_ int, body []byte) http.Handler {
		if bytes.Contains(body, []byte("get_shards")) {
			return answers(`[{"id": 1, "hostname": "` + ourShard + `", "labels": ["board:x"]}]`)
		}
		return refuses("TypeError", "shard_heartbeat() takes at least 1 argument (1 given)")
	})
	well := []string{"check", "--shard-hostname", ourShard, "--master", m.URL, "--database-url", databaseURL}
	e := invoke(append(well, "--output=json")...).want(t, exitOK)
	var results []map[string]string
	if err := json.Unmarshal([]byte(e.stdout), &results); err != nil || len(results) < 15 || e.stderr != "" {
		t.Fatalf("%v: %v", err, e)
	}
	for _, r := range results {
		if r["level"] != "ok" && r["check"] != "time zone" || len(r) != 4 {
			t.Errorf("%v", r)
		}
	}
	text := invoke(well...).want(t, exitOK).stdout
	if !strings.HasPrefix(text, "ok      settings   all settings can be used\nok      database ") || !strings.HasSuffix(text, "\n\n19 ok, 1 skipped\n") {
		t.Errorf("%s", text)
	}
	for line := range strings.Lines(text) {
		if len(line) > 81 && !strings.Contains(line, "/") {
			t.Errorf("more than 80 columns: %s", line)
		}
	}

	t.Setenv("SHARD_CLIENT_RPC_TIMEOUT", "soon")
	t.Setenv("SHARD_CLIENT_RPC_TIMEOUTS", "9s")
	e = invoke("check", "--master", m.URL, "--database-url", "postgres://u:CANARY@127.0.0.1:1/x").want(t, exitFailed)
	if e.stderr != "" || strings.Contains(e.stdout, "CANARY") {
		t.Errorf("%v", e)
	}
	for _, part := range []string{
		"fail    settings   SHARD_CLIENT_RPC_TIMEOUT: ", "fail    settings   --shard-hostname: ", "SHARD_CLIENT_RPC_TIMEOUTS",
		"warn    settings   a password stands on the command line", "fail    database ", "skipped rights     not checked: database comes first",
		"ok      master ", "skipped shard      not checked: --shard-hostname is not given", "ok      spool ",
	} {
		if !strings.Contains(e.stdout, part) {
			t.Errorf("no %q in:\n%s", part, e.stdout)
		}
	}
	if err := json.Unmarshal([]byte(invoke("check", "--output=json", "--heartbeat-pause=-1s").stdout), &results); err != nil {
		t.Error(err)
	}
	for _, r := range results {
		if r["level"] == "fail" && (r["hint"] == "" || strings.Contains(r["text"], r["hint"])) {
			t.Errorf("%v does not say what to do, or says it twice", r)
		}
	}
	e = invoke("check").want(t, exitFailed)
	for _, mistake := range []string{"--shard-hostname: ", "--master: ", "--database-url: "} {
		if strings.Count(e.stdout, mistake) != 1 {
			t.Errorf("%sis not told once:\n%s", mistake, e.stdout)
		}
	}
	invoke("check", "--no-such-flag").want(t, exitUsage).silent(t)
}
