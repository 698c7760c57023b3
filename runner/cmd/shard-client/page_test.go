package main

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"shardclient/runner/pgtest"
	"shardclient/runner/wait"
)

// The page of a real client says how it is, what a beat saw, what the database has set aside and
// what the process before has done, and no secret. It is the only page, and only read.
func TestStatusPage(t *testing.T) {
	t.Parallel()
	databaseURL, pool := database(t)
	secret := edit(t, databaseURL, func(u *url.URL) { u.User = url.UserPassword(u.User.Username(), "CANARY<secret>") })
	bad := strings.Replace(jobs(1, 2), `"owner": "o"`, `"owner": null`, 1)
	m := master(t, answers(bad))
	s, stop := runHere(t, runArgs(m, secret, "--listen=127.0.0.1:0")...)
	// What a page has asked the database for is shown for a while, so the first one is late enough.
	wait.Until(t, "for beats", func() bool { return len(m.received()) >= 3 })
	shows := func(texts ...string) {
		t.Helper()
		body := ""
		wait.Until(t, "for a page with "+strings.Join(texts, ", "), func() bool {
			status := 0
			status, body = s.get("/")
			missing := status != http.StatusOK
			for _, text := range texts {
				missing = missing || !strings.Contains(body, text)
			}
			return !missing
		}, func() string { return body })
		if canary.MatchString(body) {
			t.Errorf("a secret is shown: %s", body)
		}
	}
	shows(`data-state="warning"`, "1 object is set aside", "<bdi>malformed</bdi>", "<bdi>"+ourShard+"</bdi>", "<bdi>heartbeat-pause</bdi>", "<bdi>50ms</bdi>", "<bdi>--heartbeat-pause</bdi>", "beats since",
		`href="/metrics"`, `href="/healthz"`, `href="/readyz"`)
	for request, want := range map[string]int{"HEAD /": 200, "POST /": 405, "GET /index.html": 404, "GET /?x=1": 200} {
		method, path, _ := strings.Cut(request, " ")
		r, err := http.NewRequestWithContext(t.Context(), method, "http://"+s.address+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := s.client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != want || want == 200 && response.Header.Get("Content-Security-Policy") == "" {
			t.Errorf("%s: status %d, want %d; %v", request, response.StatusCode, want, response.Header)
		}
	}
	m.says(refuses("Oops", "</title><script>alert(1)</script>"))
	shows(`data-state="bad"`, "beats in a row failed (rpc_error) since", "&lt;/title&gt;&lt;script&gt;", "Nothing is lost")
	stop()

	pgtest.Exec(t, pool, "UPDATE shard_client_heartbeats SET error = 'of the process before' WHERE outcome <> 'ok'")
	s, stop = runHere(t, runArgs(m, secret, "--listen=127.0.0.1:0", "--startup-splay=1000h")...)
	shows(`data-state="bad"`, "of the process before", "beats in a row failed (rpc_error)", "next in")
	stop()
}
