package main

import (
	"bytes"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"

	"shardclient/runner/config"
	"shardclient/runner/pgtest"
)

// settings are the flags of the contract, each with a value that is not its default.
var settings = map[string]string{
	"autotest-config": "/dev/null",
	"shard-hostname":  "shard7", "master": "https://m:8080", "user": "autotest", "protocol": "2015",
	"ca-file": "/tmp/ca.pem", "client-cert": "/tmp/cert.pem", "client-key": "/tmp/key.pem",
	"database-url": "postgres://h/d", "database-password-file": "/tmp/password",
	"heartbeat-pause": "7s", "drain-pause": "2s", "startup-splay": "8s", "rpc-timeout": "9m",
	"stop-timeout": "300ms", "beat-timeout": "40m", "finish-timeout": "2m", "lock-timeout": "400ms",
	"lifetime": "1h30m", "max-upload-jobs": "11", "max-upload-bytes": "12MiB",
	"max-response-bytes": "13000", "spool-dir": "/", "apply-chunk": "14", "history-keep": "15", "quarantine-keep": "16",
	"log-format": "json", "log-level": "debug", "log-dir": "/tmp/logs", "output": "json", "listen": "localhost:9464",
	"pprof-listen": "localhost:6060", "statsd-addr": "statsd:8125", "statsd-prefix": "cautotest",
	"state-dir": "/", "alert-email-to": "a@lab, b@lab", "alert-email-from": "shard@lab", "smtp-addr": "mail:25",
}

// commandNames are the commands that can run.
var commandNames = func() (names []string) {
	for _, c := range commands() {
		if c.Do != nil {
			names = append(names, c.Name)
		}
	}
	return names
}()

// argumentsOf are those without which a command is refused.
var argumentsOf = map[string][]string{
	"completion":        {"bash"},
	"quarantine show":   {"in", "job", "1"},
	"quarantine retry":  {"in", "job", "1"},
	"quarantine drop":   {"in", "job", "1"},
	"quarantine retire": {"1"},
	"quarantine rename": {"1", "x"},
	"sessions end":      {"1"},
}

// parse reads a command line without running it.
func parse(t *testing.T, args ...string) *config.Config {
	t.Helper()
	var stderr bytes.Buffer
	p := &program{stdout: io.Discard, stderr: &stderr}
	command, _ := p.parse(args)
	if command == nil {
		t.Fatalf("%q: %s", args, &stderr)
	}
	return p.settings
}

// field returns a setting as a command sees it.
func field(t *testing.T, c *config.Config, flag string) any {
	t.Helper()
	value := reflect.ValueOf(c).Elem().FieldByNameFunc(func(name string) bool {
		return strings.EqualFold(name, strings.ReplaceAll(flag, "-", ""))
	})
	if !value.IsValid() {
		t.Fatalf("there is no setting --%s", flag)
	}
	if value.Kind() == reflect.Pointer && !value.IsNil() {
		value = value.Elem()
	}
	return value.Interface()
}

// Every command accepts every setting: as --x v, as --x=v, and as a variable, so that one
// environment serves them all.
func TestEveryCommandAcceptsEverySetting(t *testing.T) {
	if n := reflect.TypeFor[config.Config]().NumField(); n != len(settings) {
		t.Errorf("there are %d settings, this test knows %d", n, len(settings))
	}
	var apart, joined []string
	for flag, value := range settings {
		apart = append(apart, "--"+flag, value)
		joined = append(joined, "--"+flag+"="+value)
	}
	for _, command := range commandNames {
		words := append(strings.Fields(command), argumentsOf[command]...)
		none := parse(t, words...)
		got := map[string]*config.Config{
			"--x v": parse(t, slices.Concat(words, apart)...),
			"--x=v": parse(t, slices.Concat(words, joined)...),
		}
		t.Run(command, func(t *testing.T) {
			for flag, value := range settings {
				t.Setenv(variable(flag), value)
			}
			got["variable"] = parse(t, words...)
			for flag := range settings {
				t.Setenv(variable(flag), "")
			}
			if empty := parse(t, words...); !reflect.DeepEqual(empty, none) {
				t.Errorf("empty variables do not count as unset: %+v", empty)
			}
		})
		for flag, value := range settings {
			if reflect.DeepEqual(field(t, got["--x v"], flag), field(t, none, flag)) {
				t.Errorf("%s --%s %s changes nothing", command, flag, value)
			}
			for way, settings := range got {
				if want := field(t, got["--x v"], flag); !reflect.DeepEqual(field(t, settings, flag), want) {
					t.Errorf("%s: --%s as %s is %v, want %v", command, flag, way, field(t, settings, flag), want)
				}
			}
		}
	}
}

func variable(flag string) string {
	return "SHARD_CLIENT_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// A flag goes before a variable, and variables alone suffice for a beat.
func TestEnvironmentServesABeat(t *testing.T) {
	databaseURL, _ := database(t)
	m := master(t, answers(nothing))
	for name, value := range map[string]string{
		"SHARD_HOSTNAME": ourShard, "MASTER": m.URL, "DATABASE_URL": databaseURL, "USER": "from-environment", "OUTPUT": "json",
		"HEARTBEAT_PAUSE": "", "LOG_DIR": "", "LOG_FORMAT": "json",
	} {
		t.Setenv("SHARD_CLIENT_"+name, value)
	}
	e := invoke("once").want(t, exitOK).says(t, `"level":"INFO"`)
	if got := e.result(t); got.Outcome != "ok" || m.last(t).user != "from-environment" {
		t.Errorf("as %q: %+v", m.last(t).user, got)
	}
	invoke("once", "--user=from-flag").want(t, exitOK)
	if got := m.last(t).user; got != "from-flag" {
		t.Errorf("called as %q, want the flag's", got)
	}
}

// libpq's own variables say where the database is when nothing else does.
func TestLibpqVariables(t *testing.T) {
	databaseURL, pool := database(t)
	m := master(t, answers(nothing))
	c := pool.Config().ConnConfig
	t.Setenv("PGHOST", c.Host)
	t.Setenv("PGDATABASE", c.Database)
	t.Setenv("PGUSER", c.User)
	t.Setenv("SHARD_CLIENT_DATABASE_URL", "")
	args := slices.DeleteFunc(once(m, databaseURL), func(arg string) bool { return arg == "--database-url" || arg == databaseURL })
	invoke(args...).want(t, exitOK)
	if n := pgtest.Query[int](t, pool, "SELECT count(*) FROM shard_client_heartbeats"); n != 1 {
		t.Errorf("%d beats in the history, want 1", n)
	}
}

// The help is what a user reads first, so each change of it must be accepted: -update does.
func TestHelp(t *testing.T) {
	for _, command := range append([]string{"", "migrate", "quarantine"}, commandNames...) {
		words := strings.Fields(command)
		e := invoke(append(words, "--help")...).want(t, exitOK)
		if e.stderr != "" {
			t.Errorf("help of %q on stderr: %v", command, e)
		}
		golden(t, strings.Join(append([]string{"help"}, words...), "-")+".txt", e.stdout)
		for line := range strings.Lines(e.stdout) {
			if len(line) > 81 {
				t.Errorf("help of %q is wider than 80 columns: %s", command, line)
			}
		}
	}
	page := invoke("help", "settings").want(t, exitOK)
	golden(t, "help-settings.txt", page.stdout)
	for flag := range settings {
		if !strings.Contains(page.stdout, "--"+flag+" ") {
			t.Errorf("help settings does not name --%s", flag)
		}
	}
	for _, c := range commands() {
		for _, flag := range c.Needs {
			if _, known := settings[flag]; !known {
				t.Errorf("%s needs --%s, which is no setting", c.Name, flag)
			}
		}
	}
	if got, want := invoke("help", "quarantine", "list").want(t, exitOK), invoke("quarantine", "list", "-h"); got.stdout != want.stdout {
		t.Errorf("help quarantine list is not quarantine list -h: %s", got.stdout)
	}
	if e := invoke("-h").want(t, exitOK); e.stdout != invoke("--help").stdout {
		t.Error("-h is not --help")
	}
}
