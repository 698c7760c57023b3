package pg_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"shardclient/runner/pg"
)

// The error repeats no part of a string that cannot be used: half a password may be anywhere in it.
func TestUnusableURLIsNotRepeated(t *testing.T) {
	for url, want := range map[string]string{
		// An @ anywhere in the password, before one host, and before the first or second of two.
		"postgres://u:CANARY@CANARY@h/d":           "an @ that is not written as %40",
		"postgres://u:@CANARY@h/d":                 "an @ that is not written as %40",
		"postgres://u:CANARY@@h/d":                 "an @ that is not written as %40",
		"postgres://u:CANARY@CANARY@h1,h2/d":       "an @ that is not written as %40",
		"postgres://u:@CANARY@h1,h2/d":             "an @ that is not written as %40",
		"postgres://u:CANARY@@h1:1,h2:2/d":         "an @ that is not written as %40",
		"postgres://u:x@h1,CANARY@h2/d":            "an @ that is not written as %40",
		"postgres://u:x@h1,CANARY@CANARY@h2:5/d":   "an @ that is not written as %40",
		"postgresql://u:CANARY@CANARY,CANARY@h2/d": "an @ that is not written as %40",
		"postgres://u:12/CANARY@h/d":               "an @ that is not written as %40",
		"host=CANARY@h dbname=d":                   "an @ that is not written as %40",
		// Other characters that have a meaning in a URL.
		"postgres://u:CANARY/CANARY@h/d":                         "invalid port",
		"postgres://u:CANARY%zzCANARY@h/d":                       "invalid percent-encoded token in password",
		"postgres://u:12/%zzCANARY@h/d":                          "invalid percent-encoded token",
		"postgres://u:x@h1,h2:CANARY@h3/d":                       "invalid port",
		"postgres://u:12/x?CANARY@h/d":                           `missing key/value separator "=" in URI query parameter`,
		"postgres://[CANARY/d":                                   `matching "]"`,
		"postgres://u:12/x?connect_timeout=CANARY":               "invalid connect_timeout: invalid syntax",
		"postgres://h/d?pool_max_conns=CANARY":                   "cannot parse pool_max_conns: invalid syntax",
		"postgres://h/d?pool_ping_timeout=CANARY":                "cannot parse pool_ping_timeout: invalid duration",
		"postgres://h/d?target_session_attrs=CANARY":             "unknown target_session_attrs value",
		"postgres://h/d?target_session_attrs=`: CANARY":          "it cannot be read",
		"postgres://h/d?min_protocol_version=CANARY":             "invalid min_protocol_version",
		"postgres://h/d?sslmode=CANARY":                          "sslmode is invalid",
		"postgres://h/d?sslmode=verify-full&sslrootcert=/CANARY": "unable to read CA file: no such file or directory",
		"host=h password=CANARY CANARY":                          "invalid keyword/value",
		"host=h password=x CANARY dbname=d":                      `missing "=" after ...`,
		"host=h password='CANARY":                                "unterminated quoted string",
		"CANARY":                                                 "",
	} {
		_, err := pg.ParseURL(url, nil)
		var unusable *pg.URLError
		if !errors.As(err, &unusable) || unusable.Hint == "" {
			t.Errorf("%s: %v, want a URLError", url, err)
			continue
		}
		if !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "CANARY") {
			t.Errorf("%s: %v, want %q and no CANARY", url, err, want)
		}
	}
}

func TestUsableURL(t *testing.T) {
	for _, name := range []string{"PGHOST", "PGSERVICE", "PGPASSFILE", "PGPORT"} {
		t.Setenv(name, "")
		if err := os.Unsetenv(name); err != nil { // Setenv has seen to it that the value comes back
			t.Fatal(err)
		}
	}
	for url, want := range map[string]string{
		"postgres://u:a%40b@h1,h2:5/d":                  "h1 h2",
		"postgres://h/d%40x":                            "h",
		"postgres:///d?host=/tmp/@x":                    "/tmp/@x",
		"host=h1,h2 user=u password=a@b":                "h1 h2",
		"postgres://u@h/d?password=a@b":                 "h",
		"postgres://u:p@[::1]:5/d":                      "::1",
		"postgresql://u:p%3A%2F%3F@h/d?sslmode=disable": "h",
	} {
		config, err := pg.ParseURL(url, nil)
		if err != nil {
			t.Errorf("%s: %v", url, err)
			continue
		}
		hosts := []string{config.ConnConfig.Host}
		for _, other := range config.ConnConfig.Fallbacks {
			if other.Host != hosts[len(hosts)-1] { // each host stands twice where TLS is tried first
				hosts = append(hosts, other.Host)
			}
		}
		if got := strings.Join(hosts, " "); got != want {
			t.Errorf("%s: hosts %q, want %q", url, got, want)
		}
	}
}

// What the caller knows to be a secret is hidden in whatever the driver says.
func TestCauseIsRedacted(t *testing.T) {
	redact := func(text string) string { return strings.ReplaceAll(text, "invalid", "xxxxx") }
	_, err := pg.ParseURL("postgres://h:port/d", redact)
	if err == nil || !strings.Contains(err.Error(), "xxxxx port") {
		t.Errorf("%v, want it redacted", err)
	}
}

// A file that a variable or another file names is shown; one that stands in the string may be the
// tail of a password.
func TestFilesOfOthersAreNamed(t *testing.T) {
	service := filepath.Join(t.TempDir(), "service.conf")
	if err := os.WriteFile(service, []byte("[x]\nhost=h\nsslmode=require\nsslcert=/nope/cert\nsslkey=/nope/key\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		variables map[string]string
		url       string
		want      string // "": nothing that begins with /nope
	}{
		{map[string]string{"PGSERVICE": "x", "PGSERVICEFILE": "/nope/service"}, "", `service file "/nope/service"`},
		{map[string]string{"PGSERVICE": "y", "PGSERVICEFILE": service}, "", `service "y"`},
		{map[string]string{"PGSERVICE": "x", "PGSERVICEFILE": service}, "", `sslkey "/nope/key": no such file`},
		{map[string]string{"PGSSLROOTCERT": "/nope/ca", "PGSSLMODE": "verify-full"}, "host=h", `CA file "/nope/ca": no such file`},
		{nil, "postgres://u@h/d?sslmode=verify-full&sslrootcert=/nope/ca", ""},
		{nil, "postgres://u:p@h/d?service=x&servicefile=/nope/service", ""},
		{map[string]string{"PGSERVICEFILE": "/nope/service"}, "service=x servicefile=/nope/service", ""},
	} {
		for _, name := range []string{"PGSERVICE", "PGSERVICEFILE", "PGSSLROOTCERT", "PGSSLMODE"} {
			t.Setenv(name, tt.variables[name])
		}
		_, err := pg.ParseURL(tt.url, nil)
		if err == nil || !strings.Contains(err.Error(), tt.want) || tt.want == "" && strings.Contains(err.Error(), "/nope") {
			t.Errorf("%v %s: %v, want %s", tt.variables, tt.url, err, tt.want)
		}
	}
}
