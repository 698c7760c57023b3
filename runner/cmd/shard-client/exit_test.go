package main

import (
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"shardclient/runner/pgtest"
	"shardclient/runner/wait"
)

// A mistake in the command line ends with exit code 2, nothing on stdout, and what to do on stderr.
func TestUsageErrors(t *testing.T) {
	for name, tt := range map[string]struct {
		args string
		says []string
	}{
		"no command":       {"", []string{"no command given; want one of run, once, check", "--help"}},
		"unknown command":  {"beat", []string{`"beat"`, "quarantine", "--help"}},
		"half a command":   {"migrate", []string{"migrate is only the beginning", "want one of migrate up, migrate down, migrate status, migrate grant, migrate repair\n"}},
		"near a command":   {"migrate upp", []string{`unknown command "migrate upp", did you mean migrate up?`}},
		"near by its end":  {"lsit", []string{`unknown command "lsit", did you mean quarantine list?`}},
		"near in help":     {"help setings", []string{`did you mean settings?`}},
		"near help":        {"helpp", []string{`unknown command "helpp", did you mean help?`}},
		"flag before it":   {"--shard-hostnam=x once", []string{"unknown flag: --shard-hostnam, did you mean --shard-hostname?\ntry: "}},
		"far":              {"migrate sideways", []string{"want one of migrate up, migrate down, migrate status, migrate grant, migrate repair\n"}},
		"too many":         {"once now", []string{`unexpected argument "now": once takes none`}},
		"value at the end": {"once --master", []string{"--master has no value: give --master HOST[:PORT]|URL"}},
		"unknown flag":     {"once --nonsense", []string{"unknown flag: --nonsense", "try: shard-client once --help"}},
		"flag before":      {"--nonsense once", []string{"shard-client: unknown flag: --nonsense\ntry: shard-client --help\n"}},
		"no value":         {"once --master --user x", []string{"--master", "value"}},
		"not its flag":     {"version --adopt", []string{"unknown flag: --adopt"}},
		"near miss":        {"once --shard-host=x", []string{"--shard-host", "--shard-hostname"}},
		"pause no unit":    {"once --heartbeat-pause=60", []string{"--heartbeat-pause", "give a duration such as"}},
		"pause no time":    {"once --heartbeat-pause soon", []string{"--heartbeat-pause", `"soon"`}},
		"pause zero":       {"run --heartbeat-pause 0", []string{"--heartbeat-pause", "longer than 0"}},
		"splay negative":   {"run --startup-splay=-1s", []string{"--startup-splay", "negative"}},
		"timeout negative": {"once --rpc-timeout=-1s", []string{"--rpc-timeout", "longer than 0"}},
		"stop negative":    {"once --stop-timeout=-1s", []string{"--stop-timeout", "negative"}},
		"lifetime":         {"run --lifetime=1d", []string{"--lifetime", `"1d"`}},
		"size K":           {"once --max-upload-bytes=5K", []string{"--max-upload-bytes", "KiB"}},
		"size fraction":    {"once --max-upload-bytes=1.5MiB", []string{"--max-upload-bytes", "whole bytes"}},
		"size zero":        {"once --max-response-bytes=0", []string{"--max-response-bytes", "from 1 to 1TiB"}},
		"size negative":    {"once --max-response-bytes=-1", []string{"--max-response-bytes"}},
		"count zero":       {"once --max-upload-jobs=0", []string{"--max-upload-jobs"}},
		"count word":       {"once --apply-chunk=many", []string{"--apply-chunk"}},
		"protocol":         {"once --protocol=2017", []string{"--protocol", `"2017"`, "auto, 2015, 2019"}},
		"output":           {"version --output=xml", []string{"--output", `"xml"`, "text, json"}},
		"log level":        {"once --log-level=loud", []string{"--log-level"}},
		"listen":           {"run --listen=9464", []string{"--listen", "missing port", "HOST:PORT"}},
		"log format":       {"once --log-format=xml", []string{"--log-format"}},
		"log dir":          {"once --shard-hostname=s --master=m --database-url=postgres:/// --log-dir=/no/such", []string{"/no/such", "--log-dir"}},
		"master path":      {"once --master=m/afe/server/noauth/rpc/", []string{"--master"}},
		"master password":  {"once --master=http://u:CANARY@m/", []string{"--master", "--user"}},
		"no master":        {"once --shard-hostname=s --database-url=postgres:///", []string{"--master", "SHARD_CLIENT_MASTER"}},
		"no database":      {"once --shard-hostname=s --master=m", []string{"--database-url", "SHARD_CLIENT_DATABASE_URL", "PGHOST"}},
		"migrate nowhere":  {"migrate up", []string{"--database-url", "SHARD_CLIENT_DATABASE_URL"}},
		"list nowhere":     {"quarantine list", []string{"--database-url", "SHARD_CLIENT_DATABASE_URL"}},
		"migrate URL":      {"migrate status --database-url=postgres://u:CANARY@h:99999/x", []string{"--database-url", "port"}},
		"shard hostname":   {"once --shard-hostname=schön", []string{"--shard-hostname", "ASCII"}},
		"several at once":  {"once --heartbeat-pause=0 --max-upload-jobs=0", []string{"--heartbeat-pause", "--max-upload-jobs"}},
	} {
		t.Run(name, func(t *testing.T) {
			e := invoke(strings.Fields(tt.args)...).want(t, exitUsage).silent(t).says(t, append(tt.says, "shard-client: ")...)
			if strings.Contains(e.stderr, "CANARY") {
				t.Errorf("a password is shown: %v", e)
			}
		})
	}
}

// Without a host name shard-client refuses to start, and says that it runs on shards only and how
// to set the name. A variable that is set but empty does not count.
func TestRunsOnShardsOnly(t *testing.T) {
	databaseURL := pgtest.Database(t)
	t.Setenv("SHARD_CLIENT_SHARD_HOSTNAME", "")
	for _, command := range []string{"once", "run"} {
		invoke(command, "--master=m", "--database-url", databaseURL, "--output=json").want(t, exitUsage).silent(t).
			says(t, "shards only", "--shard-hostname", "SHARD_CLIENT_SHARD_HOSTNAME")
	}
	for _, args := range [][]string{{"migrate", "up"}, {"migrate", "status"}, {"quarantine", "list"}, {"version"}} {
		invoke(append(args, "--database-url", databaseURL)...).want(t, exitOK)
	}
}

// The second client of a shard refuses to start, and names the first.
func TestSecondClientIsRefused(t *testing.T) {
	t.Parallel()
	databaseURL, pool := database(t)
	release := make(chan struct{})
	m := master(t, hangs(release, answers(nothing)))
	first := startRun(t, m, databaseURL)
	wait.Until(t, "for the first client's request", func() bool { return len(m.received()) == 1 })
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	since := pgtest.Query[string](t, pool, `SELECT to_char(since AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') FROM shard_client_owner`)
	var others sync.WaitGroup
	for _, args := range [][]string{once(m, databaseURL), once(m, databaseURL, "--output=text"), runArgs(m, databaseURL)} {
		others.Go(func() {
			invoke(args...).says(t, "another shard-client", host, "pid "+strconv.Itoa(first.Process.Pid), since).silent(t).expect(t, exitHeld)
		})
	}
	others.Wait()
	invoke("quarantine", "list", "--database-url", databaseURL).want(t, exitOK)
	if n := len(m.received()); n != 1 {
		t.Errorf("%d requests, want the first client's only", n)
	}
	close(release)
	first.stop()
	invoke(once(m, databaseURL)...).want(t, exitOK)
}

// Every command that works with the tables checks the schema, and none of them migrates it.
func TestSchemaMismatch(t *testing.T) {
	t.Parallel()
	m := master(t, answers(nothing))
	for name, tt := range map[string]struct {
		prepare func(t *testing.T) string
		says    []string
	}{
		"not migrated": {func(t *testing.T) string { return pgtest.EmptyDatabase(t) }, []string{"schema version is 0", "shard-client migrate up"}},
		"older": {func(t *testing.T) string {
			databaseURL := pgtest.Database(t)
			invoke("migrate", "down", "--database-url", databaseURL).want(t, exitOK)
			return databaseURL
		}, []string{"schema version is", "shard-client migrate up"}},
		"newer": {func(t *testing.T) string {
			databaseURL, pool := database(t)
			pgtest.Exec(t, pool, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, true)")
			return databaseURL
		}, []string{"schema version is 9999", "newer shard-client"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			databaseURL := tt.prepare(t)
			pool := open(t, databaseURL)
			tables := pgtest.Query[int](t, pool, "SELECT count(*) FROM pg_class")
			for _, command := range [][]string{{"once"}, {"run"}, {"quarantine", "list"}} {
				args := append(once(m, databaseURL), "--startup-splay=0")
				invoke(slices.Concat(command, args[1:])...).want(t, exitSchema).silent(t).says(t, tt.says...)
			}
			if now := pgtest.Query[int](t, pool, "SELECT count(*) FROM pg_class"); now != tables {
				t.Errorf("%d relations, %d before", now, tables)
			}
		})
	}
	if len(m.received()) != 0 {
		t.Error("the master was called")
	}
}

// Half a password must not be shown either: the driver ends a password at the first @ and would
// show the rest as a host. Any URL is used or refused, and never shown.
func TestUnusableDatabaseURL(t *testing.T) {
	t.Parallel()
	for _, databaseURL := range []string{
		"postgres://u:CAN@ARY@h/x", "postgres://u:CAN@ARY:x/x", "postgres://u:CAN%ARY@h/x", "postgres://u:CAN/ARY@h/x",
		"postgres://u:CANARY@h:99999/x", "postgres://u:CAN ARY@h/x", "postgres://u@h/x?password=CANARY&connect_timeout=x",
		"postgres://u:CAN@ARY@h1,h2/x", "postgres://u:x@h1,CAN@ARY@h2/x", "postgres://u:12/CAN@ARY@h1,h2/x",
		"postgres://u:CANARY@h/x?target_session_attrs=CANARY", "host=h password=CAN ARY", "host=h password='CANARY", "CANARY", "mysql://u:CANARY@h/x",
	} {
		for _, args := range [][]string{
			{"once", "--shard-hostname=s", "--master=m", "--output=json"}, {"run", "--shard-hostname=s", "--master=m"},
			{"migrate", "up"}, {"migrate", "down"}, {"migrate", "status"}, {"quarantine", "list"},
		} {
			e := invoke(append(args, "--database-url", databaseURL)...).want(t, exitUsage).silent(t)
			e.says(t, "--database-url", "postgres://USER:PASSWORD@HOST")
			if strings.Contains(e.stderr, "CAN") || strings.Contains(e.stderr, "ARY") {
				t.Errorf("%s: a password is shown: %v", databaseURL, e)
			}
		}
	}
}

// The help of each command shows a command line that can be typed as it is.
func TestEveryCommandHasAnExample(t *testing.T) {
	for _, c := range commands() {
		if c.Do == nil {
			continue
		}
		if c.Example == "" {
			t.Errorf("%s has no example", c.Name)
		}
		for line := range strings.Lines(c.Example) {
			_, line, _ := strings.Cut(line, "shard-client ")
			line, _, _ = strings.Cut(line, " >")
			line, _, _ = strings.Cut(strings.TrimRight(line, ")\n"), " |")
			var stderr strings.Builder
			p := &program{stdout: io.Discard, stderr: &stderr}
			asked, _ := p.parse(strings.Fields(line))
			if asked == nil || asked.Name != c.Name {
				t.Errorf("%s: %s: %s", c.Name, line, stderr.String())
			}
		}
	}
}
