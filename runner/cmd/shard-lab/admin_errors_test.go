package main

import (
	"os"
	"strings"
	"testing"

	"shardclient/runner/pgtest"
)

func TestAdministrationUsageErrors(t *testing.T) {
	setUp(t)
	for command, want := range map[string]string{
		"shard":                                  "--help",
		"shard add":                              "hostname",
		"host lock h1":                           "--reason",
		"host move h1":                           "--to",
		"job list --open --finished":             "--open",
		"job list --limit -1":                    "limit",
		"job list --output xml":                  "xml",
		"job abort x":                            "x",
		"job create j":                           "job j: it needs a host or a meta host, or to be hostless",
		"job create j --host h1 --synch-count 2": "synch count",
		"job create j --host h1 --control-file /no/such/file":      "/no/such/file",
		"job create j --host h1 --control-text x --control-file y": "control",
		"job create j --host h1 --keyval x":                        "key",
		"job create j --children 2 --host h1":                      "--suite",
		"job create j --suite-keyval a=b --host h1":                "--suite",
		"job create j --suite --meta-host a":                       "--children",
		"job create j --suite --children 2 --hostless":             "--hostless",
		"job create j --suite --children 2 --parent 1":             "--parent",
		"host move h1 --to a":                                      "board:",
	} {
		if code, stdout, stderr := invoke(strings.Fields(command)...); code != exitUsage || stdout != "" || !strings.Contains(stderr, want) {
			t.Errorf("%s: exit %d, stdout %q, stderr %q; want exit 2 and %q", command, code, stdout, stderr, want)
		}
	}
}

func TestAdministrationFails(t *testing.T) {
	setUp(t)
	for command, want := range map[string]string{
		"shard add s2 --label a":    "add shard: label a belongs to shard s, not to s2; remove it there first",
		"shard remove nope":         "remove shard: no such shard: nope",
		"label remove a":            "remove label: label a is in use by shard s, hosts (2); take it from them first",
		"label attach nope h1":      "attach label: no such label: nope; add it first",
		"host lock nope --reason x": "lock hosts: no such host: nope",
		"host add h9 --acl nope":    "add hosts: no such ACL group: nope; add it first",
		"job abort 77":              "abort jobs: no such job: 77",
		"job list --shard nope":     "list jobs: no such shard: nope",
	} {
		code, stdout, stderr := invoke(strings.Fields(command)...)
		if code != exitFailed || stdout != "" || stderr != "shard-lab: "+want+"\n" {
			t.Errorf("%s: exit %d, stdout %q, stderr %q; want exit 1 and %q", command, code, stdout, stderr, want)
		}
	}
}

// Where the database is wrong, the message says what to do, and never the password.
func TestAdministrationDatabase(t *testing.T) {
	pool := masterOf(t)
	if _, err := pool.Exec(t.Context(), "INSERT INTO shard_client_owner (epoch) VALUES (1) ON CONFLICT (only_row) DO UPDATE SET epoch = 1"); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, url string
		code      int
		want      string
	}{
		{"none", "", exitUsage, "set SHARD_LAB_DATABASE_URL"},
		{"nonsense", "postgres://u:secret%zz@h/d", exitUsage, "--database-url: invalid percent-encoded token in password: give postgres://"},
		{"space", "postgres://u:sec ret@h/d", exitUsage, "--database-url: "},
		{"at sign", "postgres://u:secret@secret@h/d", exitUsage, "an @ that is not written as %40"},
		{"down", "postgres://u:secret@127.0.0.1:1/d", exitFailed, "connection refused"},
		{"not migrated", pgtest.EmptyDatabase(t), exitFailed, "run `shard-client migrate up`"},
		{"of a shard", os.Getenv("SHARD_LAB_DATABASE_URL"), exitFailed, "this is a shard's database"},
	} {
		t.Setenv("SHARD_LAB_DATABASE_URL", c.url)
		for _, command := range []string{"shard list", "label add x"} {
			code, stdout, stderr := invoke(strings.Fields(command)...)
			if code != c.code || stdout != "" || !strings.Contains(stderr, c.want) || strings.Contains(stderr, "sec") {
				t.Errorf("%s, %s: exit %d, stdout %q, stderr %q; want exit %d and %q", c.name, command, code, stdout, stderr, c.code, c.want)
			}
		}
	}
}
