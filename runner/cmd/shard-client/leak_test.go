package main

import (
	"encoding/base64"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"shardclient/runner/pgtest"
)

// given is how a start of shard-client learns of its database and the password.
type given struct {
	variable, value string // of the environment
	databaseURL     string
	more            []string
}

// placesOfAPassword are all of them, and databases that cannot be used.
func placesOfAPassword(t *testing.T, password string) map[string]func(*secured) given {
	t.Helper()
	userinfo := withUserinfo(password)
	quoted := "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(password) + "'"
	inFile := func(password string) []string {
		return []string{"--database-password-file", secretFile(t, password)}
	}
	return map[string]func(s *secured) given{
		"in the URL": func(s *secured) given { return given{databaseURL: s.url(password)} },
		"in its query": func(s *secured) given {
			return given{databaseURL: s.url("") + "&password=" + strings.ReplaceAll(url.QueryEscape(password), "+", "%20")}
		},
		"in a list": func(s *secured) given {
			host, port, _ := strings.Cut(s.address, ":")
			return given{databaseURL: fmt.Sprintf("host=%s port=%s dbname=%s user=%s sslmode=disable password=%s", host, port, s.database, s.role, quoted)}
		},
		"in the variable": func(s *secured) given { return given{variable: "SHARD_CLIENT_DATABASE_URL", value: s.url(password)} },
		"in PGPASSWORD":   func(s *secured) given { return given{variable: "PGPASSWORD", value: password, databaseURL: s.url("")} },
		"in PGPASSFILE": func(s *secured) given {
			return given{variable: "PGPASSFILE", value: s.passfile(password), databaseURL: s.url("")}
		},
		"in a file": func(s *secured) given { return given{databaseURL: s.url(""), more: inFile(password)} },
		"in Autotest's file": func(s *secured) given {
			host, port, _ := strings.Cut(s.address, ":")
			return given{more: autotestsFile(t, host, port, s.database, s.role, password)}
		},
		"down, in Autotest's file": func(*secured) given {
			return given{more: autotestsFile(t, "127.0.0.1", "1", "x", "y", password)}
		},
		"down, in the URL": func(*secured) given { return given{databaseURL: userinfo("postgres://%s@127.0.0.1:1/x")} },
		"down, in a list":  func(*secured) given { return given{databaseURL: "host=127.0.0.1 port=1 password=" + quoted} },
		"down, in a file":  func(*secured) given { return given{databaseURL: "postgres://127.0.0.1:1/x", more: inFile(password)} },
		"wrong":            func(s *secured) given { return given{databaseURL: s.url("CANARY" + password)} },
		"wrong, in a file": func(s *secured) given { return given{databaseURL: s.url(""), more: inFile("CANARY" + password)} },
		"no such database": func(s *secured) given {
			return given{databaseURL: strings.Replace(s.url(password), "/"+s.database, "/nosuch", 1)}
		},
	}
}

func autotestsFile(t *testing.T, host, port, database, user, password string) []string {
	t.Helper()
	return []string{"--autotest-config", iniFile(t, "shadow_config.ini", fmt.Sprintf(
		"[AUTOTEST_WEB]\nhost: %s\nport: %s\ndatabase: %s\nuser: %s\npassword: %s\n", host, port, database, user, password))}
}

// No output shows the password of the database, wherever it comes from and whatever fails.
func TestDatabasePasswordIsNeverShown(t *testing.T) {
	t.Parallel()
	for i, password := range passwords {
		for name, place := range placesOfAPassword(t, password) {
			// Named by its number: directories have the name of the test, and are shown.
			t.Run(fmt.Sprint(i, " ", name), func(t *testing.T) {
				t.Parallel()
				s := securedDatabase(t, password)
				tt := place(s)
				if tt.databaseURL != "" {
					tt.more = append(tt.more, "--database-url", tt.databaseURL)
				}
				outcome := exitOK
				if strings.HasPrefix(name, "down") || strings.HasPrefix(name, "wrong") || strings.HasPrefix(name, "no such") {
					outcome = exitFailed
				}
				l := newListener(t)
				if tt.variable != "" {
					l.environment = []string{tt.variable + "=" + tt.value}
				}
				everyCommand(t, l, outcome, tt.more)
				if outcome == exitOK {
					l.reads(s.admin)
					l.runs(exitOK, append([]string{"migrate", "down"}, tt.more...)...)
				}
				l.heardNothing()
			})
		}
	}
}

// everyCommand runs each, through beats that are ok and beats that fail. Without its database a
// beat fails before it asks the master, whatever that would answer.
func everyCommand(t *testing.T, l *listener, outcome int, more []string) {
	t.Helper()
	m := master(t, answers(jobs(1)))
	beats := append(beatArgs(m.URL), more...)
	if outcome == exitOK {
		l.runs(exitSchema, append([]string{"once"}, beats...)...)
		l.runs(exitSchema, append([]string{"run"}, beats...)...)
	}
	l.runs(exitOK, append([]string{"config"}, more...)...)
	l.runs(outcome, append([]string{"migrate", "up"}, more...)...)
	l.runs(outcome, append([]string{"migrate", "status"}, more...)...)
	if outcome != exitOK {
		l.runs(outcome, append([]string{"quarantine", "list"}, more...)...)
		l.runs(outcome, append([]string{"once"}, beats...)...)
		l.beats("tries", beats...) // the database is down, or refuses this client
		if n := len(m.received()); n > 0 {
			t.Errorf("the master was asked %d times", n)
		}
		return
	}
	for _, answer := range []http.Handler{
		answers(nothing), answers(strings.Replace(jobs(1), `"owner": "o"`, `"owner": 7`, 1)),
	} {
		m.says(answer)
		l.runs(outcome, append([]string{"once"}, beats...)...)
	}
	for _, answer := range []http.Handler{page(500, "<html>Oops"), page(200, "<html>"), refuses("DoesNotExist", "no such shard"), breaksOff} {
		m.says(answer)
		l.runs(exitFailed, append([]string{"once"}, beats...)...)
	}
	l.beats("heartbeat failed", beats...)
	l.runs(exitFailed, append(append([]string{"once", "--rpc-timeout=500ms"}, beatArgs(nobody.URL)...), more...)...)
	l.runs(outcome, append([]string{"quarantine", "list"}, more...)...)
}

func beatArgs(master string) []string {
	return []string{"--shard-hostname", ourShard, "--master", master, "--startup-splay=0"}
}

// Not even half of the password is shown when the URL of the database stands in a wrong place of
// the command line, or cannot be used.
func TestMistypedPasswordIsNeverShown(t *testing.T) {
	for _, password := range passwords {
		t.Run(password, func(t *testing.T) { neverShowsMistypedPassword(t, password) })
	}
}

func neverShowsMistypedPassword(t *testing.T, password string) {
	t.Parallel()
	userinfo := withUserinfo(password)
	l := newListener(t)
	for _, args := range [][]string{
		{"once", "postgres://u:" + password + "@h/d"},
		{"migrate", "up", userinfo("postgres://%s@h/d")},
		{"migrate", userinfo("postgresql://%s@h/d")},
		{"once", "--database-ur1", userinfo("postgres://%s@h/d")},
		{"once", "--master", userinfo("https://%s@m")},
		{"once", "--master", userinfo("%s@m")},
		{"once", "--heartbeat-pause", userinfo("postgres://%s@h/d")},
	} {
		l.runs(exitUsage, args...)
	}
	l.runs(exitOK, "version")
	l.directory = writeLog(t)
	l.heardNothing()
}

// writeLog is a directory with a file, for a listener whose commands write none.
func writeLog(t *testing.T) string {
	t.Helper()
	directory := t.TempDir()
	writeSecret(t, filepath.Join(directory, "empty"), "")
	return directory
}

// repeats answers with a page, an exception or a broken answer that repeats the headers of the
// request, and the credentials in them.
func repeats(format func(said string) (int, string)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := r.Header.Get("Proxy-Authorization")
		plain, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(header, "Basic "))
		if err != nil || len(plain) == 0 {
			http.Error(w, "no credentials came", http.StatusTeapot)
			return
		}
		_, password, _ := strings.Cut(string(plain), ":")
		said := strings.Join([]string{
			header, string(plain), url.QueryEscape(password), url.PathEscape(password), html.EscapeString(password), strconv.Quote(password),
		}, " | ")
		status, text := format(said)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text)
	})
}

// No output shows the credentials of a proxy, even when the proxy itself repeats them: in a page,
// in an exception, in a broken answer.
func TestProxyCredentialsAreNeverShown(t *testing.T) {
	t.Parallel()
	for _, password := range passwords {
		t.Run(password, func(t *testing.T) {
			t.Parallel()
			neverShowsProxyCredentials(t, password)
		})
	}
}

func neverShowsProxyCredentials(t *testing.T, password string) {
	m := master(t, answers(nothing))
	for name, tt := range map[string]struct {
		answer http.Handler
		exit   int
		shown  bool // something stands where the credentials were
	}{
		"a beat": {nil, exitOK, false},
		"a page": {repeats(func(said string) (int, string) { return 407, "<html>Who is " + said }), exitFailed, true},
		"a cut page": {repeats(func(said string) (int, string) {
			return 407, strings.Repeat(".", 512-10-strings.Index(strings.ToUpper(said), "CANARY")) + said
		}), exitFailed, true},
		"no JSON":  {repeats(func(said string) (int, string) { return 200, "<html>" + said }), exitFailed, true},
		"an error": {repeats(func(said string) (int, string) { return 200, `{"error": ` + rpcError(said) + `}` }), exitFailed, true},
		"an object": {repeats(func(said string) (int, string) {
			return 200, `{"result": ` + strings.Replace(jobs(1), `"id": 1, "owner": "o"`, `"id": 1, "owner": 7, "priority": `+quotedJSON(said), 1) + `}`
		}), exitOK, false},
		"retries": {repeats(func(said string) (int, string) { return 503, said }), exitFailed, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			databaseURL, pool := database(t)
			l := newListener(t)
			l.environment = []string{"HTTP_PROXY=" + startProxy(t, m, tt.answer).address("user", password)}
			args := append(beatArgs("http://master.test"), "--database-url", databaseURL)
			for range 2 {
				e := l.hears(tt.exit, l.starts(append([]string{"once"}, args...)...).end())
				if tt.shown && !(strings.Contains(e.stdout, "xxxxx") && strings.Contains(e.stderr, "xxxxx")) {
					t.Errorf("the proxy's words did not arrive: %v", e)
				}
			}
			l.beats("packed_ms", args...)
			history := pgtest.Query[string](t, pool, "SELECT string_agg(error, ' ') FROM shard_client_heartbeats")
			if tt.shown && !strings.Contains(history, "xxxxx") {
				t.Errorf("the proxy's words did not reach the history: %s", history)
			}
			pgtest.Exec(t, pool, "UPDATE shard_client_quarantine SET payload = ''") // it holds the object as it came, byte for byte
			l.reads(pool)
			l.heardNothing()
		})
	}
}

// A proxy that is down is named without its credentials.
func TestProxyThatIsDown(t *testing.T) {
	t.Parallel()
	userinfo := withUserinfo(oddPassword)
	databaseURL, pool := database(t)
	l := newListener(t)
	l.environment = []string{"HTTP_PROXY=" + userinfo("http://%s@127.0.0.1:1")}
	args := append(beatArgs("http://master.test"), "--database-url", databaseURL)
	e := l.hears(exitFailed, l.starts(append([]string{"once"}, args...)...).end())
	if !strings.Contains(e.stdout, "proxyconnect") || !strings.Contains(e.stdout, "127.0.0.1:1") {
		t.Errorf("it does not say what is down: %v", e)
	}
	l.reads(pool)
	l.heardNothing()
}

// When the database repeats a password, as a trigger might, neither the quarantine nor its list
// quotes it.
func TestPasswordInAReasonIsNeverShown(t *testing.T) {
	for _, password := range passwords {
		t.Run(password, func(t *testing.T) { neverShowsPasswordInAReason(t, password) })
	}
}

func neverShowsPasswordInAReason(t *testing.T, password string) {
	t.Parallel()
	db := securedDatabase(t, password)
	l := newListener(t)
	more := []string{"--database-url", db.url(password)}
	l.runs(exitOK, append([]string{"migrate", "up"}, more...)...)
	pgtest.Exec(t, db.admin, `CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS $f$
		BEGIN RAISE EXCEPTION USING ERRCODE = '23514', MESSAGE = $m$refused by `+password+`$m$; END $f$`)
	pgtest.Exec(t, db.admin, "CREATE TRIGGER tell BEFORE INSERT ON afe_jobs FOR EACH ROW EXECUTE FUNCTION tell()")
	m := master(t, answers(jobs(1)))
	l.runs(exitOK, append(append([]string{"once"}, beatArgs(m.URL)...), more...)...)
	l.runs(exitOK, append([]string{"quarantine", "list"}, more...)...)
	if rows := l.reads(db.admin); !strings.Contains(rows, "refused by xxxxx") {
		t.Errorf("the reason did not reach the quarantine: %s", rows)
	}
	l.heardNothing()
}

// rpcError is the master's exception, in JSON.
func rpcError(message string) string {
	return `{"name": "Error", "message": ` + quotedJSON(message) + `, "traceback": ""}`
}

func quotedJSON(text string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text) + `"`
}

// withUserinfo returns what makes an address with a user and a password in it, percent-encoded.
func withUserinfo(password string) func(format string) string {
	return func(format string) string { return fmt.Sprintf(format, url.UserPassword("u", password)) }
}

// A password that is a word of ours, or a number, does not take these out of lines, and is still
// hidden where it was given. One that is too short to be hidden well is warned of.
func TestPasswordThatIsAWordOfOurs(t *testing.T) {
	t.Parallel()
	m := master(t, answers(nothing))
	for password, short := range map[string]bool{"shard": true, "1": true, "heartbeat": false, "database": false} {
		args := []string{
			"--shard-hostname=shard9.example", "--master", m.URL, "--startup-splay=0",
			"--database-url", "postgres://u:" + password + "@127.0.0.1:1/shard",
		}
		p := start(t, append([]string{"run"}, args...)...)
		p.logs("waiting for the database")
		e := p.stop().says(t, "shard-client starts", "shard_hostname=shard9.example", "database=postgres://u@127.0.0.1:1/shard",
			"waiting for the database", "127.0.0.1:1", "connection refused")
		if warned := strings.Contains(e.stderr, "a password has fewer than six characters"); warned != short {
			t.Errorf("%s: warned %t: %v", password, warned, e)
		}
		if strings.Contains(e.stderr, "xxxxx") || strings.Contains(e.stderr, ":"+password+"@") {
			t.Errorf("%s: %v", password, e)
		}
		e = invoke("once", "postgres://u:"+password+"@h/d").want(t, exitUsage)
		if !strings.Contains(e.stderr, "postgres://u:xxxxx@h/d") {
			t.Errorf("%s: %v", password, e)
		}
	}
}
