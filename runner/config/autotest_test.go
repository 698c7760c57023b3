package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"shardclient/runner/flags"
)

// globalConfig is what Autotest ships, in the places that we read.
const globalConfig = `[AUTOTEST_WEB]
host: localhost
database: chromeos_autotest_db
db_type: mysql
user: chromeosqa-admin
password: USE SHADOW PASSWORD
readonly_host: localhost

[SHARD]
# If this is not None, the instance is considered a shard.
shard_hostname:
heartbeat_pause_sec: 60

[SERVER]
hostname: cautotest
global_afe_hostname: cautotest

[CROS]
image_url_pattern: %s/update/%s
`

const shadowConfig = `[SHARD]
shard_hostname: shard1 ; the third one
heartbeat_pause_sec: 7.5

[AUTOTEST_WEB]
db_type = postgresql
port: 5433
password: it's \ SECRET
`

// complete reads the settings of a command line, with Autotest's files in a directory of their own.
func complete(t *testing.T, texts []string, args ...string) (*Config, *Sources, error) {
	t.Helper()
	for i, text := range texts {
		path := filepath.Join(t.TempDir(), []string{"global.ini", "shadow.ini", "third.ini"}[i])
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, "--autotest-config", path)
	}
	var c Config
	set := flags.New(&c)
	if err := flags.Parse(set, args); err != nil {
		t.Fatal(err)
	}
	sources, err := c.Complete(set)
	return &c, sources, err
}

// source returns value and source of a setting, the source without directories.
func source(c *Config, s *Sources, name string) (string, string) {
	for _, one := range s.Settings(c) {
		if one.Name == name {
			path, rest, _ := strings.Cut(one.Source, " ")
			return one.Value, strings.TrimSpace(filepath.Base(path) + " " + rest)
		}
	}
	return "", "no such setting"
}

func TestAutotestsFiles(t *testing.T) {
	setEnvironment(t, nil)
	t.Setenv("SHARD_CLIENT_DRAIN_PAUSE", "3s")
	c, s, err := complete(t, []string{globalConfig, shadowConfig}, "--history-keep=5")
	if err != nil {
		t.Fatal(err)
	}
	if c.ShardHostname != "shard1" || c.Master != "cautotest" || c.HeartbeatPause != 7500*time.Millisecond {
		t.Errorf("%+v", c)
	}
	if want := DatabaseURL(`host=localhost port=5433 user=chromeosqa-admin password='it\'s \\ SECRET' dbname=chromeos_autotest_db`); string(c.DatabaseURL) != string(want) {
		t.Errorf("%s, want %s", string(c.DatabaseURL), string(want))
	}
	for name, want := range map[string][2]string{
		"shard-hostname":  {"shard1", "shadow.ini:2 [SHARD] shard_hostname"},
		"heartbeat-pause": {"7.5s", "shadow.ini:3 [SHARD] heartbeat_pause_sec"},
		"master":          {"cautotest", "global.ini:16 [SERVER] global_afe_hostname"},
		"database-url":    {"host=localhost port=5433 user=chromeosqa-admin dbname=chromeos_autotest_db", "global.ini:2 [AUTOTEST_WEB] host"},
		"drain-pause":     {"3s", "SHARD_CLIENT_DRAIN_PAUSE"},
		"history-keep":    {"5", "--history-keep"},
		"rpc-timeout":     {"30m", "default"},
		"startup-splay":   {"7.5s", "default"},
		"beat-timeout":    {"35m", "default"},
	} {
		if value, from := source(c, s, name); value != want[0] || from != want[1] {
			t.Errorf("%s is %q from %q, want %q", name, value, from, want)
		}
	}
}

// A flag goes before a variable, that before a later file, that before an earlier one.
func TestPrecedenceOfFiles(t *testing.T) {
	setEnvironment(t, nil)
	files := []string{"[SHARD]\nshard_hostname: global\n", "[SHARD]\nshard_hostname: shadow\n", "[SHARD]\nshard_hostname: third\n"}
	for n, want := range []string{"", "global", "shadow", "third"} {
		if c, _, err := complete(t, files[:n]); err != nil || c.ShardHostname != want {
			t.Errorf("of %d files: %q, %v; want %q", n, c.ShardHostname, err, want)
		}
	}
	t.Setenv("SHARD_CLIENT_SHARD_HOSTNAME", "variable")
	if c, _, err := complete(t, files); err != nil || c.ShardHostname != "variable" {
		t.Errorf("%q, %v; want the variable's", c.ShardHostname, err)
	}
	if c, _, err := complete(t, files, "--shard-hostname=flag"); err != nil || c.ShardHostname != "flag" {
		t.Errorf("%q, %v; want the flag's", c.ShardHostname, err)
	}
}

// The files may be named by a variable. Old labs have the master's name elsewhere.
func TestFilesByVariable(t *testing.T) {
	setEnvironment(t, nil)
	old := filepath.Join(t.TempDir(), "old.ini")
	if err := os.WriteFile(old, []byte("[SHARD]\nglobal_afe_hostname: SET IN SHADOW IF x\nshard_hostname: a\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	shadow := filepath.Join(t.TempDir(), "shadow.ini")
	if err := os.WriteFile(shadow, []byte("[SHARD]\nglobal_afe_hostname: m\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SHARD_CLIENT_AUTOTEST_CONFIG", old)
	if c, _, err := complete(t, nil); err != nil || c.Master != "" || c.ShardHostname != "a" {
		t.Errorf("%+v, %v", c, err)
	}
	t.Setenv("SHARD_CLIENT_AUTOTEST_CONFIG", old+":"+shadow)
	if c, _, err := complete(t, nil); err != nil || c.Master != "m" {
		t.Errorf("%+v, %v", c, err)
	}
	t.Setenv("SHARD_CLIENT_AUTOTEST_CONFIG", old+":")
	if _, _, err := complete(t, nil); err == nil {
		t.Error("an empty path is read")
	}
}

// The database of [AUTOTEST_WEB] is used whole or not at all.
func TestDatabaseOfAutotest(t *testing.T) {
	postgres := strings.Replace(globalConfig, "mysql", "postgresql", 1)
	for name, tt := range map[string]struct {
		text      string
		args      []string
		variables map[string]string
		want      DatabaseURL
	}{
		"MySQL":               {text: globalConfig},
		"PostgreSQL":          {text: postgres, want: "host=localhost user=chromeosqa-admin dbname=chromeos_autotest_db"},
		"no kind":             {text: "[AUTOTEST_WEB]\nhost: h\nuser: u\npassword: p\n", want: "host=h user=u password=p"},
		"no kind, MySQL port": {text: "[AUTOTEST_WEB]\nhost: h\nport: 3306\n"},
		"PostgreSQL there":    {text: "[AUTOTEST_WEB]\nhost: h\nport: 3306\ndb_type: PostgreSQL\n", want: "host=h port=3306"},
		"password alone":      {text: "[AUTOTEST_WEB]\npassword: p\n"},
		"flag":                {text: postgres, args: []string{"--database-url=postgres://x/y"}, want: "postgres://x/y"},
		"variable":            {text: postgres, variables: map[string]string{"SHARD_CLIENT_DATABASE_URL": "postgres://x/y"}, want: "postgres://x/y"},
		"libpq":               {text: postgres, variables: map[string]string{"PGDATABASE": "d"}},
		"PGPASSWORD":          {text: "[AUTOTEST_WEB]\nhost: h\npassword: p\n", variables: map[string]string{"PGPASSWORD": "x"}, want: "host=h"},
		"password file":       {text: "[AUTOTEST_WEB]\nhost: h\npassword: p\n", args: []string{"--database-password-file=/f"}, want: "host=h"},
	} {
		t.Run(name, func(t *testing.T) {
			setEnvironment(t, tt.variables)
			c, _, err := complete(t, []string{tt.text}, tt.args...)
			if err != nil || string(c.DatabaseURL) != string(tt.want) {
				t.Errorf("%q, %v; want %q", string(c.DatabaseURL), err, string(tt.want))
			}
		})
	}
}

// An error names the setting, the place and what is allowed, and nothing of a password.
func TestWhatFilesCannotSay(t *testing.T) {
	setEnvironment(t, nil)
	for text, want := range map[string]string{
		"[SHARD]\nheartbeat_pause_sec: soon\n":          `global.ini:2 [SHARD] heartbeat_pause_sec: "soon" cannot be used: give seconds, such as 60 or 0.5`,
		"[SHARD]\nheartbeat_pause_sec: 1m6\n":           "give seconds",
		"[SHARD]\nheartbeat_pause_sec: 060\n":           "without the leading zero",
		"[SHARD]\nheartbeat_pause_sec: 0\n":             "global.ini:2 [SHARD] heartbeat_pause_sec: it must be longer than 0: give",
		"[SHARD]\nheartbeat_pause_sec: -1\n":            "it must be longer than 0",
		"[SHARD]\nshard_hostname: a b\n":                `--shard-hostname "a b": `,
		"[SHARD]\nshard_hostname: a%(b\n":               "global.ini:2: where a value has %(",
		"[SERVER]\nglobal_afe_hostname: http:/m\n":      "global.ini:2 [SERVER] global_afe_hostname: its scheme is not followed by //",
		"[AUTOTEST_WEB]\nhost: h\npassword: SECRET%(\n": "[AUTOTEST_WEB] password: ",
		"[AUTOTEST_WEB]\nhost: h\nport: x\n":            `global.ini:3 [AUTOTEST_WEB] port: "x" cannot be used: give a port from 1`,
		"[AUTOTEST_WEB]\nhost: h\nport: 05432\n":        "give a port from 1",
		"[AUTOTEST_WEB]\nhost: h\nSECRET\n":             "global.ini\": line 3: it is neither a [SECTION] nor key: value",
	} {
		c, s, err := complete(t, []string{text})
		err = errors.Join(err, c.ValidateSettings())
		s.Explain(err)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%q: %v; want %q", text, err, want)
		}
	}
	c, s, _ := complete(t, []string{globalConfig})
	err := c.ValidateDatabase()
	s.Explain(err)
	s.Explain(err) // says it once
	if err == nil || strings.Count(err.Error(), `db_type is "mysql", so the database of that section is not used`) != 1 {
		t.Errorf("%v; want why the section is not used", err)
	}
	if _, _, err := complete(t, nil, "--autotest-config=/none"); err == nil || !strings.Contains(err.Error(), `--autotest-config "/none": it cannot be read`) {
		t.Errorf("%v", err)
	}
}

// Addresses for mails count where a mail server is given, and the names of figures begin as the
// original's.
func TestWhomAutotestTells(t *testing.T) {
	const text = "[SERVER]\nhostname: cautotest.lab\n[NOTIFICATIONS]\nnotify_email: a@x\n[SCHEDULER]\nnotify_email_errors: b@x\nnotify_email_from: c@x\n"
	setEnvironment(t, nil)
	c, _, err := complete(t, []string{text})
	if err != nil || c.AlertEmailTo+c.AlertEmailFrom != "" || c.StatsdPrefix != "cautotest_lab" {
		t.Errorf("%q, %q, %q, %v; want no addresses", c.AlertEmailTo, c.AlertEmailFrom, c.StatsdPrefix, err)
	}
	c, _, err = complete(t, []string{text}, "--smtp-addr=localhost:25")
	if err != nil || c.AlertEmailTo != "a@x" || c.AlertEmailFrom != "c@x" {
		t.Errorf("%q, %q, %v; want the addresses", c.AlertEmailTo, c.AlertEmailFrom, err)
	}
	c, _, err = complete(t, []string{text}, "--smtp-addr=localhost:25", "--alert-email-to=d@x")
	if err != nil || c.AlertEmailTo != "d@x" {
		t.Errorf("%q, %v; want the flag's", c.AlertEmailTo, err)
	}
}

// The file with the password must not be open to everybody; Autotest's group may read it.
func TestExposedFileOfAutotest(t *testing.T) {
	setEnvironment(t, nil)
	c, s, err := complete(t, []string{"[AUTOTEST_WEB]\nhost: h\n", "[AUTOTEST_WEB]\npassword: p\n"})
	if err != nil {
		t.Fatal(err)
	}
	for mode, want := range map[os.FileMode]int{0o600: 0, 0o640: 0, 0o644: 1, 0o602: 1} {
		if err := errors.Join(os.Chmod(c.AutotestConfig[0], 0o644), os.Chmod(c.AutotestConfig[1], mode)); err != nil {
			t.Fatal(err)
		}
		exposed := s.ExposedFiles(c)
		if len(exposed) != want || want > 0 && (exposed[0].Path != c.AutotestConfig[1] || exposed[0].Closed() != "chmod o= "+c.AutotestConfig[1]) {
			t.Errorf("%o: %v, want %d", mode, exposed, want)
		}
	}
}

func TestSettingsHideSecrets(t *testing.T) {
	setEnvironment(t, nil)
	t.Setenv("PGHOST", "h")
	t.Setenv("PGPASSWORD", "SECRET")
	c, s, err := complete(t, nil)
	if err != nil {
		t.Fatal(err)
	}
	if value, from := source(c, s, "database-url"); value != "PGHOST=h" || from != "PGHOST" {
		t.Errorf("%q from %q, want libpq's", value, from)
	}
	c, s, err = complete(t, nil, "--database-url=postgres://u:SECRET@h/d", "--startup-splay=0", "--beat-timeout=90m")
	if value, from := source(c, s, "database-url"); err != nil || value != "postgres://u@h/d" || from != "--database-url" {
		t.Errorf("%q from %q, %v", value, from, err)
	}
	if value, _ := source(c, s, "startup-splay"); value != "0s" {
		t.Errorf("the splay is %q", value)
	}
	if value, _ := source(c, s, "beat-timeout"); value != "1h30m" {
		t.Errorf("the beat may take %q", value)
	}
}
