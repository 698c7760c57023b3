package main

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/runner/beat"
	"shardclient/runner/pgtest"
)

// Every class of failure that the master or the network can cause ends with exit code 1, a result
// all the same, and a text that says what happened.
func TestOnceFailures(t *testing.T) {
	t.Parallel()
	html := "<html>\n<title>It " + strings.Repeat("really ", 200) + "broke</title>"
	unavailable := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", "0")
		page(http.StatusServiceUnavailable, "down for the night").ServeHTTP(w, r)
	})
	for name, tt := range map[string]struct {
		answer   http.Handler
		flags    []string
		failure  string
		requests int
		says     []string
	}{
		"answer breaks off":  {breaksOff, nil, "transport", 1, []string{"read answer", "unexpected EOF"}},
		"answer never comes": {hangs(nil, nil), []string{"--rpc-timeout=8s"}, "deadline", 1, []string{"8s", "--rpc-timeout"}},
		"500":                {page(500, html), nil, "http_status", 1, []string{"HTTP 500", "<html> <title>It really really"}},
		"301": {
			http.RedirectHandler("/elsewhere", http.StatusMovedPermanently), nil, "http_status", 1,
			[]string{"HTTP 301", "redirects are not followed"},
		},
		"404":                    {page(404, "no such page"), nil, "http_status", 1, []string{"HTTP 404", "no such page"}},
		"503 to the end":         {unavailable, nil, "http_status", 4, []string{"HTTP 503", "down for the night"}},
		"recorded 500":           {recorded(t, "2019/21_error_malformed_json"), nil, "http_status", 1, []string{"HTTP 500", "django"}},
		"page of a proxy":        {page(200, "<html><body>Please log in</body>"), nil, "undecodable", 1, []string{"not JSON-RPC", "Please log in"}},
		"nothing":                {page(200, ""), nil, "undecodable", 1, []string{"empty"}},
		"neither result nor err": {page(200, `{"id": "jsonrpc"}`), nil, "undecodable", 1, []string{"neither result nor error"}},
		"result not an object":   {answers(`[1]`), nil, "undecodable", 1, nil},
		"too large": {
			answers(jobs(1, 2, 3)), []string{"--max-response-bytes=100B"}, "too_large", 1,
			[]string{"100 bytes", "--max-response-bytes"},
		},
		"unknown shard": {
			recorded(t, "2019/20_error_unknown_shard"), nil, "rpc_error", 1,
			[]string{"DoesNotExist: Shard matching query does not exist"},
		},
		"unexpected argument": {recorded(t, "2019/26_error_unexpected_argument"), nil, "rpc_error", 1, []string{"TypeError"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			databaseURL, pool := database(t)
			finish(t, pool, 1, "x")
			m := master(t, tt.answer)
			e := invoke(once(m, databaseURL, tt.flags...)...).want(t, exitFailed).says(t, "level=WARN", "failure="+tt.failure)
			got := e.result(t)
			if want := (beat.Report{Outcome: "failed", Failure: tt.failure}); counts(got) != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
			for _, text := range append(tt.says, m.URL) {
				if !strings.Contains(got.Error, text) {
					t.Errorf("error does not say %q: %s", text, got.Error)
				}
			}
			if len(got.Error) > 2100 || strings.Contains(got.Error, "broke") || strings.ContainsAny(got.Error, "\n\r") {
				t.Errorf("error of %d bytes: %s", len(got.Error), got.Error)
			}
			if n := len(m.received()); n != tt.requests {
				t.Errorf("%d requests, want %d", n, tt.requests)
			}
			if !pgtest.Query[bool](t, pool, "SELECT shard_id IS NULL FROM afe_jobs") {
				t.Error("a job was acknowledged")
			}
			if got := pgtest.Query[string](t, pool, "SELECT outcome || ' ' || failure FROM shard_client_heartbeats"); got != "failed "+tt.failure {
				t.Errorf("history says %q", got)
			}
		})
	}
}

// A master that does not listen is called four times within the beat, over seven seconds.
func TestOnceWithoutMaster(t *testing.T) {
	t.Parallel()
	databaseURL, _ := database(t)
	got := invoke(once(nobody, databaseURL)...).want(t, exitFailed).result(t)
	if counts(got) != (beat.Report{Outcome: "failed", Failure: "transport"}) || !strings.Contains(got.Error, "connection refused") {
		t.Errorf("got %+v", got)
	}
}

// A master that restarts is met again within the beat.
func TestOnceRetries(t *testing.T) {
	t.Parallel()
	databaseURL, _ := database(t)
	m := masterThat(t, func(number int, _ []byte) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if number < 3 {
				w.Header().Set("Retry-After", "0")
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			answers(jobs(1)).ServeHTTP(w, r)
		})
	})
	got := invoke(once(m, databaseURL)...).want(t, exitOK).result(t)
	if want := (beat.Report{Outcome: "ok", ReceivedJobs: 1}); counts(got) != want || len(m.received()) != 3 {
		t.Errorf("got %+v after %d requests, want %+v after 3", got, len(m.received()), want)
	}
}

func TestOnceWithoutDatabase(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	m := master(t, answers(nothing))
	for name, broken := range map[string]string{
		"no server":   "postgres://127.0.0.1:1/shard",
		"no socket":   "postgres:///shard?host=/no/such/directory",
		"no database": edit(t, databaseURL, func(u *url.URL) { u.Path = "/nosuch" }),
		"no role":     edit(t, databaseURL, func(u *url.URL) { u.RawQuery = strings.Replace(u.RawQuery, "user=shard", "user=nosuch", 1) }),
	} {
		got := invoke(once(m, broken)...).want(t, exitFailed).says(t, "failure=database").result(t)
		if counts(got) != (beat.Report{Outcome: "failed", Failure: "database"}) ||
			got.PackedMS == 0 || !strings.Contains(got.Error, "failed to connect") {
			t.Errorf("%s: got %+v", name, got)
		}
	}
	if len(m.received()) != 0 {
		t.Error("the master was called without a database to call for")
	}
}

// A beat that loses its lock under way stores and acknowledges nothing: it must not touch what
// another client may have written since.
func TestOnceLockLost(t *testing.T) {
	t.Parallel()
	databaseURL, pool := database(t)
	finish(t, pool, 1, "x")
	m := master(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		endLockHolder(t, pool)
		answers(jobs(2)).ServeHTTP(w, r)
	}))
	got := invoke(once(m, databaseURL)...).want(t, exitFailed).result(t)
	want := beat.Report{Outcome: "failed", Failure: "lock_lost", ReceivedJobs: 1}
	if counts(got) != want || !strings.Contains(got.Error, "lock of this shard is lost") {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if n := pgtest.Query[int](t, pool, "SELECT count(*) FROM afe_jobs WHERE id = 1 AND shard_id IS NULL"); n != 1 {
		t.Error("the beat acknowledged after it had lost the lock")
	}
	if n := pgtest.Query[int](t, pool, "SELECT count(*) FROM afe_jobs"); n != 1 {
		t.Error("the beat stored a job after it had lost the lock")
	}
}

// endLockHolder breaks the connection that holds the lock, and waits until it is gone.
func endLockHolder(t *testing.T, pool *pgxpool.Pool) {
	// It waits for this very process: a client that runs may have another one at once.
	if !pgtest.Query[bool](t, pool, "SELECT pg_terminate_backend(backend_pid, 300000) FROM shard_client_owner") {
		t.Error("the lock's connection does not end")
	}
}

// A database that breaks in the middle of the beat is a failure of the database, not of the master.
func TestOnceDatabaseFailsUnderWay(t *testing.T) {
	t.Parallel()
	databaseURL, pool := database(t)
	m := master(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		pgtest.Exec(t, pool, "ALTER TABLE afe_jobs RENAME TO elsewhere")
		answers(jobs(2)).ServeHTTP(w, r)
	}))
	got := invoke(once(m, databaseURL)...).want(t, exitFailed).result(t)
	want := beat.Report{Outcome: "failed", Failure: "database", ReceivedJobs: 1}
	if counts(got) != want || !strings.Contains(got.Error, "afe_jobs") {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
