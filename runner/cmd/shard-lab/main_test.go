package main

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"shardclient/runner/binaries"
	"shardclient/runner/pgtest"
	"shardclient/schema"
)

func TestMain(m *testing.M) {
	// A developer's own, for another database.
	if err := os.Unsetenv("SHARD_LAB_DATABASE_URL"); err != nil {
		panic(err)
	}
	// os/signal starts one goroutine for the process, for good.
	goleak.VerifyTestMain(binaries.WithBinaries(pgtest.WithServer(m)), goleak.IgnoreTopFunction("os/signal.signal_recv"), goleak.IgnoreTopFunction("os/signal.loop"))
}

// invoke runs shard-lab as main would.
func invoke(args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = run(context.Background(), args, output{&out, &errs})
	return code, out.String(), errs.String()
}

func TestUsageErrorsExitWith2(t *testing.T) {
	for _, args := range [][]string{
		{}, {"nonsense"}, {"postgres", "--nonsense"}, {"postgres", "--tcp=maybe"},
		{"postgres", "--database", "a", "--database", "a"}, {"postgres", "--database="},
		{"scheduler"}, {"scheduler", "--database-url", "postgres://h/x?sslmode=x"},
		{"scheduler", "--database-url", "postgres://h/x", "--tick", "0s"},
		{"scheduler", "--database-url", "postgres://h/x", "--fail-share", "NaN"},
		{"scheduler", "--database-url", "postgres://h/x", "--fail-share", "1.01"},
		{"scheduler", "--database-url", "postgres://h/x", "--seed", "-1"},
	} {
		code, stdout, stderr := invoke(args...)
		help := "try: shard-lab --help"
		if len(args) > 0 && args[0] != "nonsense" {
			help = "try: shard-lab " + args[0] + " --help"
		}
		if code != exitUsage || stdout != "" || !strings.HasSuffix(stderr, help+"\n") {
			t.Errorf("%q: exit %d, stdout %q, stderr %q; want exit 2 and %q", args, code, stdout, stderr, help)
		}
	}
}

func TestHelpAndVersionExitWith0(t *testing.T) {
	for _, args := range [][]string{{"--help"}, {"postgres", "--help"}, {"scheduler", "--help"}, {"--version"}} {
		if code, stdout, stderr := invoke(args...); code != exitOK || stdout == "" || stderr != "" {
			t.Errorf("%q: exit %d, stdout %q, stderr %q", args, code, stdout, stderr)
		}
	}
}

// The help of each command shows what it is asked for by, and fits a terminal but for examples.
func TestHelpOfEveryCommand(t *testing.T) {
	for _, c := range commands() {
		code, stdout, stderr := invoke(append(strings.Fields(c.Name), "--help")...)
		if code != exitOK || stderr != "" || !strings.Contains(stdout, c.About) || !strings.Contains(stdout, "--version") {
			t.Errorf("%q: exit %d, stdout %q, stderr %q", c.Name, code, stdout, stderr)
		}
		for line := range strings.Lines(stdout) {
			if len(line) > 81 && !strings.HasPrefix(line, "  shard-lab ") {
				t.Errorf("the help of %q is wider than 80 columns: %s", c.Name, line)
			}
		}
	}
}

// What is missing or too much is named.
func TestWrongWords(t *testing.T) {
	for line, want := range map[string]string{
		"": "no command given; want one of demo, ", "hots": `unknown command "hots", did you mean host?`, "host": "want one of host add, host list", "host ad h1": `unknown command "host ad", did you mean host add?`,
		"host add": "missing: <hostname>...", "label attach a": "missing: <host>...", "label remove a b": `unexpected argument "b"`,
		"host lock h1": "missing: --reason", "master": "missing: --database-url", "job abort 1 x": `"x" is not an id`,
		"job list --open --finished": "give one of them", "job create j --keyval a": "KEY=VALUE", "bench --jobs 1,x": `"x" is not a whole number`,
	} {
		code, stdout, stderr := invoke(strings.Fields(line)...)
		if code != exitUsage || stdout != "" || !strings.Contains(stderr, want) || !strings.Contains(stderr, "\ntry: shard-lab ") {
			t.Errorf("%q: exit %d, stdout %q, stderr %q; want exit 2 and %q", line, code, stdout, stderr, want)
		}
	}
}

func TestPostgresRunsACommand(t *testing.T) {
	code, stdout, stderr := invoke("postgres", "--no-migrate", "--", "sh", "-c", `
		[ "$DATABASE_URL" = "$SHARD_CLIENT_DATABASE_URL" ] && echo "$DATABASE_URL"; exit 7`)
	if code != 7 || !strings.HasPrefix(stdout, "postgres:///shard?host=/") {
		t.Errorf("exit %d, stdout %q, stderr %q; want the command's exit code 7 and the database's URL", code, stdout, stderr)
	}
	_, directory, _ := strings.Cut(stdout, "host=")
	directory, _, _ = strings.Cut(directory, "&")
	if _, err := os.Stat(directory); !os.IsNotExist(err) {
		t.Errorf("%s after the command: %v, want it gone", directory, err)
	}
}

// A command gets the first of several databases, all of them migrated.
func TestPostgresMakesSeveralDatabases(t *testing.T) {
	code, stdout, stderr := invoke("postgres", "--database", "master", "--database", "shard 1", "--", "sh", "-c", `
		[ "$DATABASE_URL" = "$SHARD_CLIENT_DATABASE_URL" ] && echo "$DATABASE_URL"`)
	if code != exitOK || !strings.HasPrefix(stdout, "postgres:///master?host=/") || stderr != "" {
		t.Errorf("exit %d, stdout %q, stderr %q; want the URL of the first", code, stdout, stderr)
	}
}

// Served, one database is a line with its URL, several are lines with name and URL.
func TestPostgresPrintsItsDatabases(t *testing.T) {
	for _, c := range []struct {
		args, prefixes []string
	}{
		{nil, []string{"postgres:///shard?host=/"}},
		{[]string{"--database", "lab"}, []string{"postgres:///lab?host=/"}},
		{[]string{"--database", "master", "--database", "shard1"}, []string{"master\tpostgres:///master?host=/", "shard1\tpostgres:///shard1?host=/"}},
	} {
		stdout, stderr := &watched{}, &watched{}
		ended := make(chan int, 1)
		go func() {
			ended <- run(context.Background(), append([]string{"postgres"}, c.args...), output{stdout, stderr})
		}()
		stderr.waitFor(t, "serving until Ctrl-C")
		lines := strings.Split(strings.TrimSpace(stdout.String()), "\n")
		for i, prefix := range c.prefixes {
			if len(lines) != len(c.prefixes) || !strings.HasPrefix(lines[i], prefix) {
				t.Errorf("%q prints %q, want lines with %q", c.args, lines, c.prefixes)
				break
			}
			_, databaseURL, found := strings.Cut(lines[i], "\t")
			if !found {
				databaseURL = lines[i]
			}
			if err := schema.Check(t.Context(), connect(t, databaseURL)); err != nil {
				t.Errorf("%q: %s: %v", c.args, lines[i], err)
			}
		}
		terminate(t)
		if code := <-ended; code != exitOK {
			t.Errorf("%q: exit %d, want 0; stderr:\n%s", c.args, code, stderr)
		}
	}
}

func TestPostgresReportsASignalAsAShellDoes(t *testing.T) {
	if code, _, stderr := invoke("postgres", "--no-migrate", "--", "sh", "-c", "kill -9 $$"); code != 137 {
		t.Errorf("exit %d, stderr %q; want 128 + 9", code, stderr)
	}
}

func TestPostgresSaysWhichCommandDoesNotRun(t *testing.T) {
	code, _, stderr := invoke("postgres", "--no-migrate", "--", "/no/such/command")
	if code != exitFailed || !strings.Contains(stderr, "run /no/such/command") {
		t.Errorf("exit %d, stderr %q", code, stderr)
	}
}
