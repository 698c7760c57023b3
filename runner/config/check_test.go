package config

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"
)

// TestSettings parses each value as flag and as environment variable, and checks it. want is a part
// of the error.
func TestSettings(t *testing.T) {
	for _, tt := range []struct{ flag, value, want string }{
		{"shard-hostname", "chromeos-shard12.lab.example.com", ""},
		{"shard-hostname", "shard 1", "contains ' '"},
		{"shard-hostname", "shard1 ", "contains ' '"},
		{"shard-hostname", "shard1\r", `contains '\r'`},
		{"shard-hostname", "schärd", `contains '\u00e4'`},
		{"user", "autotest", ""},
		{"user", `LAB\first last`, ""},
		{"user", "näme", `contains '\u00e4'`},
		{"user", "a\nInjected: header", `contains '\n'`},
		{"user", " autotest", "begins or ends with a space"},
		{"database-url", "postgres://u:p@h/d", ""},
		{"database-url", "host=h dbname=d password='a b'", ""},
		{"database-url", "mydb", "neither a postgres:// URL"},
		{"database-url", "mysql://u:p@h/d", "neither a postgres:// URL"},
		{"database-url", "host=h password='a b", "no end"},
		{"heartbeat-pause", "300ms", ""},
		{"drain-pause", "0", "must be longer than 0"},
		{"heartbeat-pause", "0", "must be longer than 0"},
		{"heartbeat-pause", "-1s", "must be longer than 0"},
		{"heartbeat-pause", "60", "give a duration such as"},
		{"heartbeat-pause", "soon", "give a duration such as"},
		{"heartbeat-pause", "2000000h", "not be longer than"},
		{"startup-splay", "0", ""},
		{"startup-splay", "5m", ""},
		{"startup-splay", "-5m", "must not be negative"},
		{"spool-dir", "/", ""},
		{"spool-dir", "/no/such/directory", "no such file or directory"},
		{"spool-dir", "/dev/null", "it is not a directory"},
		{"rpc-timeout", "1ns", ""},
		{"rpc-timeout", "0s", "must be longer than 0"},
		{"lock-timeout", "0", "must be longer than 0"},
		{"lock-timeout", "1ns", ""},
		{"stop-timeout", "0", ""},
		{"stop-timeout", "-1s", "must not be negative"},
		{"beat-timeout", "31m", ""},
		{"beat-timeout", "30m", "must be longer than --rpc-timeout, which is 30m0s"},
		{"beat-timeout", "-1s", "must be longer than --rpc-timeout"},
		{"beat-timeout", "2000000h", "not be longer than"},
		{"finish-timeout", "31s", ""},
		{"finish-timeout", "30s", "must be longer than --stop-timeout, which is 30s"},
		{"finish-timeout", "2000000h", "not be longer than"},
		{"lifetime", "0", ""},
		{"lifetime", "24h", ""},
		{"lifetime", "-1h", "must not be negative"},
		{"max-upload-jobs", "1", ""},
		{"max-upload-jobs", "0", "out of range"},
		{"max-upload-jobs", "-3", "out of range"},
		{"max-upload-jobs", "9999999999", "out of range"},
		{"max-upload-jobs", "many", "many"},
		{"max-upload-bytes", "1", ""},
		{"max-upload-bytes", "16MB", ""},
		{"max-upload-bytes", "0", "out of range"},
		{"max-upload-bytes", "2TiB", "out of range"},
		{"max-upload-bytes", "-1", "give whole bytes"},
		{"max-upload-bytes", "16M", "KiB, MiB, GiB, TiB, kB, MB, GB or TB"},
		{"max-response-bytes", "300", ""},
		{"max-response-bytes", "big", "give whole bytes"},
		{"apply-chunk", "0", "out of range"},
		{"history-keep", "0", "out of range"},
		{"quarantine-keep", "0", "out of range"},
		{"listen", "localhost:9464", ""},
		{"listen", ":9464", ""},
		{"listen", "[::1]:0", ""},
		{"listen", "[fe80::1%eth0]:65535", ""},
		{"listen", "9464", "missing port"},
		{"listen", "localhost", "missing port"},
		{"listen", "::1:9464", "too many colons"},
		{"listen", "http://localhost:9464", "too many colons"},
		{"listen", "[::1:9464", "missing ']'"},
		{"listen", "localhost:", "port is not between"},
		{"listen", ":http", "port is not between"},
		{"listen", ":65536", "port is not between"},
		{"listen", ":-1", "port is not between"},
		{"listen", "local host:9464", "contains ' '"},
		{"listen", "läb:9464", `contains '\u00e4'`},
		{"protocol", "2019", ""},
		{"protocol", "2020", "give one of"},
		{"log-format", "xml", "give one of"},
		{"log-level", "trace", "give one of"},
		{"output", "yaml", "give one of"},
	} {
		flag := []string{"once", "--" + tt.flag + "=" + tt.value}
		checkOutcome(t, "flag", tt.flag, tt.value, tt.want, nil, flag)
		vars := map[string]string{variable(tt.flag): tt.value}
		checkOutcome(t, "environment", tt.flag, tt.value, tt.want, vars, []string{"once"})
	}
}

func checkOutcome(t *testing.T, how, flag, value, want string, vars map[string]string, args []string) {
	t.Helper()
	c, err := parse(t, vars, args)
	if err == nil {
		err = c.ValidateSettings()
	}
	switch {
	case want == "" && err != nil:
		t.Errorf("%s --%s %q: %v", how, flag, value, err)
	case want != "" && (err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "--"+flag)):
		t.Errorf("%s --%s %q: error %v, want one that names the flag and says %q", how, flag, value, err, want)
	}
}

func TestErrorsAreReportedTogetherAndTyped(t *testing.T) {
	c := mustParse(t, nil, "once", "--apply-chunk=0", "--heartbeat-pause=-5s", "--master=ftp://m")
	err := c.ValidateSettings()
	want := `--master "ftp://m": its scheme "ftp" is not http or https: give a host, HOST:PORT or a URL (http://HOST[:PORT])
--heartbeat-pause "-5s": it must be longer than 0: give a duration such as 300ms, 60s or 30m
--apply-chunk "0": it is out of range: give a number from 1 to 2147483647`
	if err == nil || err.Error() != want {
		t.Errorf("error:\n%v\nwant:\n%s", err, want)
	}
	if setting, ok := errors.AsType[*SettingError](err); !ok || setting.Flag != "master" {
		t.Errorf("no *SettingError in %v", err)
	}
}

func TestValidateShard(t *testing.T) {
	complete := []string{"once", "--shard-hostname=s", "--master=m", "--user=u", "--database-url=host=h"}
	if err := mustParse(t, nil, complete...).ValidateShard(); err != nil {
		t.Errorf("complete: %v", err)
	}
	err := mustParse(t, nil, "once").ValidateShard()
	want := `--shard-hostname: none is set; shard-client runs on shards only, and a master has no shard host name: set --shard-hostname or SHARD_CLIENT_SHARD_HOSTNAME to this shard's host name as the master knows it
--master: there is no master to beat to: set --master or SHARD_CLIENT_MASTER to the master's address (host, HOST:PORT or URL)
--database-url: nothing says where the shard's PostgreSQL is: set --database-url or SHARD_CLIENT_DATABASE_URL to its URL (postgres://USER@HOST/DATABASE), or set libpq's PGHOST, PGDATABASE or PGSERVICE`
	if err == nil || err.Error() != want {
		t.Errorf("error:\n%v\nwant:\n%s", err, want)
	}
}

// Where the package is installed, its own way to the settings is named, but not to those who took
// it.
func TestThePackageHasTheSettings(t *testing.T) {
	before := ofService
	t.Cleanup(func() { ofService = before })
	for _, tt := range []struct {
		file, user string
		want       bool
	}{{os.Args[0], "root", true}, {os.Args[0], "shard-client", false}, {"/no/such/file", "root", false}} {
		ofService = tt.file
		err := mustParse(t, map[string]string{"USER": tt.user}, "once").ValidateDatabase()
		if err == nil || strings.Contains(err.Error(), "shard-clientctl in place of shard-client") != tt.want {
			t.Errorf("%+v: %v", tt, err)
		}
	}
}

func TestValidateDatabase(t *testing.T) {
	for _, name := range []string{"PGHOST", "PGPORT", "PGDATABASE", "PGSERVICE", "PGUSER"} {
		if err := mustParse(t, map[string]string{name: "5432"}, "once").ValidateDatabase(); err != nil {
			t.Errorf("%s set: %v", name, err)
		}
	}
	for _, vars := range []map[string]string{nil, {"PGHOST": ""}, {"PGPASSWORD": "x"}, {"SHARD_CLIENT_DATABASE_URL": ""}} {
		if err := mustParse(t, vars, "once").ValidateDatabase(); err == nil {
			t.Errorf("%v: no error", vars)
		}
	}
}

func TestMasterURL(t *testing.T) {
	for master, want := range map[string]string{
		"cautotest":                       "http://cautotest",
		"cautotest:8080":                  "http://cautotest:8080",
		"cautotest/":                      "http://cautotest",
		"10.0.0.1:80":                     "http://10.0.0.1:80",
		"http://cautotest":                "http://cautotest",
		"HTTPS://master.example.com:8443": "https://master.example.com:8443",
		"http://proxy/lab1/":              "http://proxy/lab1",
		"proxy:81/lab1":                   "http://proxy:81/lab1",
		"::1":                             "http://[::1]",
		"[::1]":                           "http://[::1]",
		"[2001:db8::1]:8080":              "http://[2001:db8::1]:8080",
		"https://[::1]:8443/":             "https://[::1]:8443",
	} {
		u, err := (&Config{Master: master}).MasterURL()
		if err != nil || u.String() != want {
			t.Errorf("%q: %v, error %v; want %s", master, u, err, want)
		}
	}
}

func TestMasterURLRefuses(t *testing.T) {
	for master, want := range map[string]string{
		"":                         "no master",
		"ftp://m":                  `scheme "ftp"`,
		"http:/m":                  "not followed by //",
		"http:m":                   "invalid port",
		"https:m":                  "invalid port",
		"http:///afe":              "names no host",
		"//m":                      "names no host",
		":8080":                    "names no host",
		"m:":                       "port is missing",
		"m:0":                      "port is not between",
		"m:65536":                  "port is not between",
		"m:http":                   "invalid port",
		"m name":                   "contains ' '",
		"m\r":                      `contains '\r'`,
		"mäster":                   `contains '\u00e4'`,
		"m?x=1":                    "query",
		"m?":                       "query",
		"m#top":                    "fragment",
		"http://[::1":              "missing ']'",
		"m/afe/server/noauth/rpc":  "is added to it",
		"m/afe/server/noauth/rpc/": "is added to it",
		"user:hunter2@m":           "name the user by --user",
		"http://user:hunter2@m:x":  "name the user by --user",
	} {
		_, err := (&Config{Master: master}).MasterURL()
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: error %v, want one that says %q and no password", master, err, want)
		}
		if setting, ok := errors.AsType[*SettingError](err); !ok || setting.Flag != "master" || setting.Hint == "" {
			t.Errorf("%q: error %v is not a *SettingError with a hint", master, err)
		}
	}
}

func TestLongestDurationsDoNotOverflow(t *testing.T) {
	if longest := maxDuration + maxDuration/10; longest < maxDuration || maxDuration < 10*365*24*time.Hour {
		t.Error("maxDuration leaves no room for jitter, or is too short")
	}
}
