package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"shardclient/runner/binaries"
	"shardclient/runner/config"
)

// iniFile writes a configuration file of Autotest's.
func iniFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// asDocumented runs the example of docs/settings.md, with a beat in place of many.
func asDocumented(t *testing.T, global, shadow string) {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "settings.md"))
	if err != nil {
		t.Fatal(err)
	}
	example := regexp.MustCompile("(?s)```\n(cd .*?)```").FindSubmatch(page)
	if example == nil {
		t.Fatal("docs/settings.md has no example")
	}
	text := strings.NewReplacer("cd /usr/local/autotest", "cd /", "client run", "client once",
		" global_config.ini", " "+global, " shadow_config.ini", " "+shadow).Replace(string(example[1]))
	run := exec.Command("sh", "-e", "-c", text)
	run.Env = append(os.Environ(), "PATH="+filepath.Dir(binaries.ShardClient(t))+":"+os.Getenv("PATH"))
	if output, err := run.CombinedOutput(); err != nil {
		t.Errorf("%v: %s\n%s", err, text, output)
	}
}

// Autotest's own files are enough for a beat.
func TestAutotestsFilesServeABeat(t *testing.T) {
	_, pool := database(t)
	m := master(t, answers(nothing))
	for _, name := range []string{"PGHOST", "PGDATABASE", "PGUSER", "PGPORT", "PGSERVICE"} {
		t.Setenv(name, "")
	}
	c := pool.Config().ConnConfig
	global := iniFile(t, "global_config.ini", "[AUTOTEST_WEB]\nhost: localhost\ndatabase: autotest_web\ndb_type: mysql\n"+
		"[SHARD]\nshard_hostname:\nheartbeat_pause_sec: 60\n[SERVER]\nglobal_afe_hostname: "+m.URL+"\n")
	shadow := iniFile(t, "shadow_config.ini", "[SHARD]\nshard_hostname: "+ourShard+"\n"+
		"[AUTOTEST_WEB]\ndb_type: postgresql\nhost: "+c.Host+"\nuser: "+c.User+"\ndatabase: "+c.Database+"\n")
	invoke("once", "--autotest-config", global, "--autotest-config", shadow).want(t, exitOK)
	asDocumented(t, global, shadow)
	t.Setenv("SHARD_CLIENT_AUTOTEST_CONFIG", global+":"+shadow)
	invoke("once").want(t, exitOK)
	t.Setenv("SHARD_CLIENT_AUTOTEST_CONFIG", global)
	invoke("once", "--shard-hostname", ourShard).want(t, exitUsage).
		says(t, global+`:4 [AUTOTEST_WEB] db_type is "mysql"`).says(t, "db_type: postgresql")
	e := invoke("check", "--shard-hostname", ourShard, "--output=json").want(t, exitFailed)
	if n := strings.Count(e.stdout, global+`:4 [AUTOTEST_WEB] db_type is`); n != 1 {
		t.Errorf("check says it %d times: %s", n, e.stdout)
	}
}

// Whatever the command, the error about a value names its place, and there is no other about it.
func TestWrongSettingsNameTheirSource(t *testing.T) {
	file := iniFile(t, "global_config.ini", "[SHARD]\nshard_hostname: a #1\nheartbeat_pause_sec: -3\n")
	t.Setenv("SHARD_CLIENT_LISTEN", "9464")
	t.Setenv("SHARD_CLIENT_DRAIN_PAUSE", "08s")
	t.Setenv("SHARD_CLIENT_STARTUP_SPLAY", "soon")
	for _, command := range []string{"once", "config", "migrate status"} {
		e := invoke(append(strings.Fields(command), "--autotest-config", file)...).want(t, exitUsage).
			says(t, file+":2 [SHARD] shard_hostname: it contains ' '").says(t, file+":3 [SHARD] heartbeat_pause_sec: it must be longer than 0").
			says(t, "SHARD_CLIENT_LISTEN: missing port in address").says(t, "SHARD_CLIENT_DRAIN_PAUSE: invalid argument \"08s\"").
			says(t, "SHARD_CLIENT_STARTUP_SPLAY: ")
		if got, want := strings.Count(e.stderr, "\n"), len([]string{"hostname", "pause", "listen", "drain", "splay", "try:"}); got != want {
			t.Errorf("%s: %d lines, want %d:\n%s", command, got, want, e.stderr)
		}
	}
}

// config shows every setting with its value and source, and what is wrong beside it.
func TestConfig(t *testing.T) {
	shadow := iniFile(t, "shadow_config.ini", "[SHARD]\nheartbeat_pause_sec: 5\n[AUTOTEST_WEB]\nhost: h\npassword: CANARY\n"+
		"[SERVER]\nglobal_afe_hostname: m\x1b[2J\n n\n")
	for _, name := range []string{"PGHOST", "PGDATABASE", "PGUSER", "PGPORT", "PGSERVICE"} {
		t.Setenv(name, "")
	}
	t.Setenv("SHARD_CLIENT_DRAIN_PAUSE", "2s")
	args := []string{"config", "--autotest-config", shadow, "--history-keep=7", "--lock-timeout", "0"}
	e := invoke(args...).want(t, exitUsage).says(t, `--lock-timeout "0s": it must be longer than 0`)
	for _, want := range []string{
		"SETTING ", "heartbeat-pause 5s " + shadow + ":2 [SHARD] heartbeat_pause_sec\n", "database-url host=h " + shadow + ":4 [AUTOTEST_WEB] host\n",
		"drain-pause 2s SHARD_CLIENT_DRAIN_PAUSE\n", "history-keep 7 --history-keep\n", "listen - default\n", "master m?[2J n " + shadow, "startup-splay 5s default\n",
		"database-password *** " + shadow + ":5 [AUTOTEST_WEB] password\n", "database-connect-timeout 15s default\n",
	} {
		if got := strings.Join(strings.FieldsFunc(e.stdout, func(r rune) bool { return r == ' ' }), " "); !strings.Contains(got, want) {
			t.Errorf("no %q in:\n%s", want, got)
		}
	}
	if strings.Contains(e.stdout+e.stderr, "CANARY") {
		t.Errorf("the password is shown: %v", e)
	}
	t.Setenv("SHARD_CLIENT_MASTER", "https://somebody:CANARY@m/afe")
	e = invoke("config").want(t, exitUsage).says(t, "SHARD_CLIENT_MASTER: it holds a user or password")
	if !strings.Contains(e.stdout, "https://***@m/afe ") || strings.Contains(e.stdout+e.stderr, "CANARY") {
		t.Errorf("the password of the master is shown: %v", e)
	}
	t.Setenv("SHARD_CLIENT_MASTER", "")
	t.Setenv("SHARD_CLIENT_LISTN", "x")
	e = invoke("config", "--output=json").want(t, exitOK).says(t, "SHARD_CLIENT_LISTN (did you mean SHARD_CLIENT_LISTEN?) sets nothing")
	var list []config.Setting
	if err := json.Unmarshal([]byte(e.stdout), &list); err != nil || len(list) != len(settings) {
		t.Errorf("%d settings, want %d: %v, %s", len(list), len(settings), err, e.stdout)
	}
}

// Where the password is from that is used is shown, and the password is not; the same of the time
// that a connection may take.
func TestConfigShowsTheConnection(t *testing.T) {
	for _, name := range []string{"PGHOST", "PGDATABASE", "PGUSER", "PGPORT"} {
		t.Setenv(name, "")
	}
	passwords := iniFile(t, "passwords", "CANARY2\n")
	passfile := iniFile(t, "passfile", "*:*:*:*:CANARY3\n")
	service := iniFile(t, "service", "[x]\nhost=h\npassword=CANARY4\nconnect_timeout=9\n")
	for _, tt := range []struct{ url, file, variable, passfile, service, password, timeout string }{
		{"postgres://u:CANARY1@h/d?connect_timeout=7", passwords, "CANARY5", passfile, "", "*** --database-url", "7s --database-url"},
		{"postgres://u@h/d", passwords, "CANARY5", passfile, "", "*** " + passwords, "15s default"},
		{"postgres://u@h/d", "", "CANARY5", passfile, "", "*** PGPASSWORD", "15s default"},
		{"postgres://u@h/d", "", "", passfile, "", "*** " + passfile, "15s default"},
		{"postgres://u@h/d", "", "", "/dev/null", "", "- none is given", "15s default"},
		{"postgres://u@h/d", "", "CANARY5", passfile, "x", "*** service x, or " + passfile, "9s service x"},
	} {
		t.Setenv("PGPASSWORD", tt.variable)
		t.Setenv("PGPASSFILE", tt.passfile)
		t.Setenv("PGSERVICE", tt.service)
		t.Setenv("PGSERVICEFILE", service)
		e := invoke("config", "--database-url", tt.url, "--database-password-file", tt.file).want(t, exitOK)
		shown := strings.Join(strings.Fields(e.stdout), " ") + " "
		if !strings.Contains(shown, " database-password "+tt.password+" ") || !strings.Contains(shown, " database-connect-timeout "+tt.timeout+" ") ||
			strings.Contains(e.stdout+e.stderr, "CANARY") {
			t.Errorf("%+v: %v", tt, e)
		}
	}
}

// Whatever is wrong is said once, with where it stands and what to give, and without a secret.
func TestWhatIsWrongInTheSettings(t *testing.T) {
	for _, name := range []string{"PGHOST", "PGDATABASE", "PGUSER", "PGPORT", "PGSERVICE"} {
		t.Setenv(name, "")
	}
	file := iniFile(t, "global_config.ini", "[SHARD]\nheartbeat_pause_sec: -1\n")
	for _, one := range []struct{ variable, value, want string }{
		{"SHARD_CLIENT_DRAIN_PAUSE", "-1s", `--drain-pause "-1s": SHARD_CLIENT_DRAIN_PAUSE: it must be longer than 0`},
		{"SHARD_CLIENT_DRAIN_PAUSE", "010s", "SHARD_CLIENT_DRAIN_PAUSE: invalid argument"},
		{"SHARD_CLIENT_AUTOTEST_CONFIG", file, `--heartbeat-pause "-1s": ` + file + ":2 [SHARD] heartbeat_pause_sec: it must be longer than 0"},
		{"SHARD_CLIENT_MASTER", "http://u:CANARY@m", "--master: SHARD_CLIENT_MASTER: it holds a user or password"},
		{"SHARD_CLIENT_SMTP_ADDR", "u:CANARY@h:25", "--smtp-addr: SHARD_CLIENT_SMTP_ADDR: it holds a user or password"},
		{"SHARD_CLIENT_DATABASE_URL", "host=h keepalives=1", "--database-url: SHARD_CLIENT_DATABASE_URL: libpq's keepalives"},
		{"PGSERVICE", "none", `unable to find service "none": correct PGSERVICE`},
	} {
		t.Run(one.variable, func(t *testing.T) {
			t.Setenv("PGSERVICEFILE", "/dev/null")
			t.Setenv(one.variable, one.value)
			e := invoke("config").want(t, exitUsage).says(t, one.want)
			if strings.Count(e.stderr, ": give ")+strings.Count(e.stderr, ": leave ")+strings.Count(e.stderr, ": correct ") != 1 ||
				strings.Contains(e.stdout+e.stderr, "CANARY") {
				t.Errorf("not said once, or with a secret: %v", e)
			}
		})
	}
	t.Setenv("SHARD_CLIENT_SHARD_HOSTNAM", "x")
	invoke("once").want(t, exitUsage).says(t, "SHARD_CLIENT_SHARD_HOSTNAM (did you mean SHARD_CLIENT_SHARD_HOSTNAME?) sets nothing")
}

// A parameter that only libpq knows is the operator's to mend, not a database that is down.
func TestParametersOfLibpq(t *testing.T) {
	for _, command := range []string{"run", "once", "migrate status", "quarantine list"} {
		args := append(strings.Fields(command), "--shard-hostname=x", "--master=m", "--database-url", "postgres://localhost/d?keepalives=1")
		invoke(args...).want(t, exitUsage).says(t, "--database-url: libpq's keepalives cannot be heeded here: keepalives: leave it out")
	}
	t.Setenv("PGGSSENCMODE", "disable")
	t.Setenv("SHARD_CLIENT_DATABASE_URL", "postgres://localhost/d")
	invoke("quarantine", "list").want(t, exitUsage).says(t, "PGGSSENCMODE: unset it")
	for name, value := range map[string]string{"PGGSSENCMODE": "", "SHARD_CLIENT_DATABASE_URL": "", "PGHOST": "h", "PGPORT": "x"} {
		t.Setenv(name, value)
	}
	invoke("quarantine", "list").want(t, exitUsage).says(t, "--database-url: PGHOST, PGPORT: invalid port")
}
