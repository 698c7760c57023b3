package main

import (
	"bytes"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"shardclient/runner/pgtest"
)

// What fails at the database says what to do about it, once: a beat in its line of the log, another
// command in a line of its own.
func TestFailuresOfTheDatabaseSayWhatToDo(t *testing.T) {
	t.Parallel()
	databaseURL, pool := database(t)
	name := "hint" + strconv.FormatInt(time.Now().UnixNano(), 36) // roles are of the whole server
	pgtest.Exec(t, pool, strings.ReplaceAll("CREATE ROLE x_locked_out; CREATE ROLE x_no_more LOGIN CONNECTION LIMIT 0; CREATE ROLE x_poor LOGIN", "x_", name))
	as := func(role string) string { return databaseURL + "&user=" + name + role }
	m := master(t, answers(nothing))
	for name, tt := range map[string]struct{ url, hint string }{
		"refused":          {"postgres://u@localhost:1/x", "start PostgreSQL, or correct host and port of --database-url"},
		"no socket":        {"postgres:///x?host=/no/such", "start PostgreSQL, or correct host and port of --database-url: no socket is there"},
		"unknown name":     {"postgres://u@db.invalid/x", "correct the host name in --database-url"},
		"unknown database": {edit(t, databaseURL, func(u *url.URL) { u.Path = "/none_such" }), "correct the name of the database"},
		"unknown role":     {as("nobody_here"), "let this role log in, or correct the user in --database-url"},
		"may not log in":   {as("locked_out"), "let this role log in, or correct the user in --database-url"},
		"too many":         {as("no_more"), "raise max_connections of the server or the limit of the role"},
		"no rights":        {as("poor"), "shard-client migrate grant"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, args := range [][]string{once(m, tt.url), {"quarantine", "list", "--database-url", tt.url}} {
				e := invoke(args...)
				if n := strings.Count(e.stderr, tt.hint); e.code != exitFailed || n != 1 || strings.Count(e.stderr, "hint=")+strings.Count(e.stderr, "\nhint: ") != 1 {
					t.Errorf("%s: want %q once, got %v", args[0], tt.hint, e)
				}
				if strings.Count(e.stderr, "connection refused") > 1 || strings.Count(e.stderr, "no such host") > 1 {
					t.Errorf("%s: a cause is told twice: %v", args[0], e)
				}
			}
		})
	}
}

// The same of the master.
func TestFailuresOfTheMasterSayWhatToDo(t *testing.T) {
	t.Parallel()
	databaseURL, _ := database(t)
	plain := httptest.NewServer(answers(nothing))
	t.Cleanup(plain.Close)
	secure := httptest.NewUnstartedServer(answers(nothing))
	secure.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes that are meant to fail
	secure.StartTLS()
	t.Cleanup(secure.Close)
	at := func(answer http.Handler) string { return master(t, answer).URL }
	exception := func(name, text string) string {
		return at(page(http.StatusOK, `{"result":null,"error":{"name":"`+name+`","message":"`+text+`","traceback":""},"id":"jsonrpc"}`))
	}
	status := func(code int) string { return at(page(code, "no")) }
	for name, tt := range map[string]struct{ url, hint string }{
		"https to http":     {strings.Replace(plain.URL, "http:", "https:", 1), "write --master with http://"},
		"http to https":     {strings.Replace(secure.URL, "https:", "http:", 1), "write --master with https://"},
		"unknown authority": {secure.URL, "give --ca-file the certificate of the authority that vouches for the master"},
		"301":               {status(301), "name in --master the address that the redirect points to"},
		"401":               {status(401), "without a password"},
		"403":               {status(403), "accept requests from this machine"},
		"404":               {status(404), "something else than an Autotest AFE answers there"},
		"407":               {status(407), "put user and password of the proxy"},
		"413":               {status(413), "raise the limit of the proxy"},
		"418":               {status(418), "look at what answers at --master"},
		"500":               {status(500), "read the log of the master if it stays"},
		"504":               {status(504), "look at the load of the master"},
		"page of a proxy":   {at(page(http.StatusOK, "<!DOCTYPE html><html>Log in</html>")), "a page for people came"},
		"cut":               {at(page(http.StatusOK, `{"result": {`)), "look at what stands between"},
		"no such shard":     {exception("DoesNotExist", "Shard matching query does not exist."), "add this shard on the master"},
		"no such call":      {exception("ServiceMethodNotFound", ""), "this one has no shard_heartbeat"},
		"no such host":      {exception("DoesNotExist", "Host matching query does not exist."), "is set aside by itself"},
		"no right":          {exception("AclAccessViolation", "u does not have access to h"), "make the --user a superuser"},
		"a fault of its":    {exception("OperationalError", "gone away"), "read the log of the master, which has raised"},
	} {
		t.Run(name, func(t *testing.T) { // one after the other: they have one lock
			e := invoke("once", "--shard-hostname", ourShard, "--master", tt.url, "--database-url", databaseURL, "--user=u").want(t, exitFailed)
			if strings.Count(e.stderr, tt.hint) != 1 || strings.Count(e.stderr, " hint=") != 1 {
				t.Errorf("want %q once, got %v", tt.hint, e)
			}
			if e.took > 7*time.Second && strings.HasPrefix(name, "http") {
				t.Errorf("tried again, although a scheme stays wrong: %v", e)
			}
		})
	}
}

// At a terminal `once` prints its result for people, what to do below it, and no line of the log
// but on demand.
func TestOnceAtATerminal(t *testing.T) {
	t.Parallel()
	good := master(t, answers(jobs(1)))
	bad := master(t, page(http.StatusForbidden, "no"))
	watched := func(m *fakeMaster, more ...string) ended {
		var stdout, stderr bytes.Buffer
		p := &program{began: time.Now(), stdout: &stdout, stderr: &stderr, terminal: attended{true, true}, root: true}
		code := p.run(append([]string{"once", "--shard-hostname", ourShard, "--master", m.URL, "--user=u", "--database-url", pgtest.Database(t)}, more...))
		return ended{code: code, stdout: stdout.String(), stderr: stderr.String()}
	}
	if e := watched(good).want(t, exitOK); e.stderr != "" || !strings.HasPrefix(e.stdout, "heartbeat ok in ") ||
		!strings.Contains(e.stdout, "\n  received   0 hosts, 1 job, 0 keyvals\n") {
		t.Errorf("a good beat: %v", e)
	}
	if e := watched(bad).want(t, exitFailed); !strings.HasPrefix(e.stdout, "heartbeat failed (http_status): ") ||
		e.stderr != "hint: let the master's web server, or a proxy before it, accept requests from this machine\n" {
		t.Errorf("a failed beat: %v", e)
	}
	watched(good, "--log-level=info").want(t, exitOK).says(t, "level=INFO msg=heartbeat total_ms=")
	watched(bad, "--log-level=info").want(t, exitFailed).says(t, "level=WARN", "hint=")
	if e := watched(good, "--output=json").want(t, exitOK); !strings.HasPrefix(e.stdout, `{"outcome":"ok"`) || e.stderr != "" {
		t.Errorf("as JSON: %v", e)
	}
}

// Whoever waits at a terminal for the next try of `once` is told so.
func TestOnceSaysThatItTriesAgain(t *testing.T) {
	t.Parallel()
	for _, at := range []attended{{false, true}, {true, false}} {
		m := masterThat(t, func(number int, _ []byte) http.Handler {
			if number == 1 {
				return page(http.StatusServiceUnavailable, "")
			}
			return answers(nothing)
		})
		var stdout, stderr bytes.Buffer
		p := &program{began: time.Now(), stdout: &stdout, stderr: &stderr, terminal: at}
		code := p.run(once(m, pgtest.Database(t)))
		told := strings.HasPrefix(stderr.String(), "shard-client: try 1 of 4 failed: HTTP 503; next in 1s\n")
		if code != exitOK || told != at.err || strings.Count(stderr.String(), "next in") > 1 {
			t.Errorf("%+v: exit %d, said %q", at, code, &stderr)
		}
	}
}
