package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"shardclient/runner/binaries"
	"shardclient/runner/pgtest"
)

// What a database needs that no statement gives it.
const (
	aSession = "a session of somebody else, for 4711"
	aBeat    = "a beat"
)

// runbookExamples are the examples of docs/runbook.md by their first line, with what the database
// needs beside what [setAside] leaves there, and what they print.
var runbookExamples = map[string]struct{ needs, prints string }{
	"shard-client sessions list":                        {aSession, "4711"},
	"shard-client quarantine show in job 42":            {quarantined("job", 42, `{"id": 42}`), `malformed`},
	"shard-client quarantine retire 7":                  {"INSERT INTO afe_hosts (id, hostname) VALUES (7, 'h7')", "host 7"},
	"shard-client quarantine drop --give-up out job 10": {"", "job 10"},
	"shard-client quarantine rename 5 new-name":         {"", "new-name"},
	"shard-client quarantine drop --give-up out host 5": {"", "host 5"},
	"shard-client quarantine show --raw in suite_keyval 77 > keyval.json": {
		quarantined("suite_keyval", 77, `{"id": 77, "job_id": 76, "key": "build", "value": "R74"}`), "suite_keyval 77",
	},
	"shard-client quarantine retry out job 2": {"", "out job 2 is due now"},
	"shard-client quarantine drop --give-up out host 3": {
		`INSERT INTO afe_hosts (id, hostname) VALUES (3, 'h3');
			UPDATE shard_client_quarantine SET object_id = 3 WHERE kind = 'host'`, "host 3",
	},
	"shard-client quarantine drop --give-up out job 2":        {"", "job 2"},
	"shard-client once --dry-run":                             {"", "job"},
	"shard-client history                       # 20 of them": {aBeat, "ok"},
}

// quarantined sets an object of the master aside.
func quarantined(kind string, id int, payload string) string {
	return `INSERT INTO shard_client_quarantine (direction, kind, object_id, code, reason, payload, payload_bytes, payload_digest)
		VALUES ('in', '` + kind + `', ` + strconv.Itoa(id) + `, 'malformed', 'no', '` + payload + `', ` + strconv.Itoa(len(payload)) + `, '')`
}

// asks is a command that asks at a terminal, and wants --yes elsewhere.
var asks = regexp.MustCompile(`(?m)^shard-client (?:quarantine (?:drop|retire|rename|retry --code)|sessions end) .*$`)

// Whatever stands in the runbook as an example does what the runbook says, on a shard that is in
// the state that it is about.
func TestTheRunbooksExamplesRun(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "runbook.md"))
	if err != nil {
		t.Fatal(err)
	}
	path := "PATH=" + filepath.Dir(binaries.ShardClient(t)) + ":" + os.Getenv("PATH")
	ran := map[string]bool{}
	for _, example := range regexp.MustCompile(`(?m)(?:^    shard-client .*\n)+`).FindAllString(string(page), -1) {
		example = strings.TrimSpace(regexp.MustCompile(`(?m)^ +`).ReplaceAllString(example, ""))
		first, _, _ := strings.Cut(example, "\n")
		state, known := runbookExamples[first]
		if !known {
			t.Errorf("an example that no test runs: %s", example)
			continue
		}
		ran[first] = true
		t.Run(first, func(t *testing.T) {
			t.Parallel()
			databaseURL, pool := database(t)
			setAside(t, pool)
			needs, prints := state.needs, state.prints
			switch needs {
			case aSession:
				other, err := pool.Acquire(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				defer other.Release()
				pgtest.Exec(t, other, "BEGIN")
				prints = strconv.Itoa(int(other.Conn().PgConn().PID()))
				example = strings.ReplaceAll(example, "4711", prints)
			case aBeat:
				invoke("once", "--master", master(t, answers(nothing)).URL, "--database-url", databaseURL, "--shard-hostname", ourShard).want(t, exitOK)
			case "":
			default:
				pgtest.Exec(t, pool, needs)
			}
			run := exec.Command("sh", "-e", "-c", asks.ReplaceAllString(example, "$0 --yes"))
			run.Dir = t.TempDir()
			run.Env = append(os.Environ(), path, "SHARD_CLIENT_DATABASE_URL="+databaseURL, "SHARD_CLIENT_SHARD_HOSTNAME="+ourShard,
				"SHARD_CLIENT_MASTER=http://127.0.0.1:1")
			if output, err := run.CombinedOutput(); err != nil || !strings.Contains(string(output), prints) {
				t.Errorf("%v; want one that prints %q:\n%s\n%s", err, prints, example, output)
			}
		})
	}
	for _, line := range regexp.MustCompile("(?m)^(?:    \\S|```).*").FindAllString(string(page), -1) {
		if !strings.HasPrefix(line, "    shard-client ") && !strings.HasPrefix(line, "    level=") { // of the log
			t.Errorf("an example that no test runs: %s", line)
		}
	}
	for first := range runbookExamples {
		if !ran[first] {
			t.Errorf("this example is not in the runbook any more: %s", first)
		}
	}
}

// Whatever the runbook tells people to type is a command line.
func TestTheRunbooksCommandsExist(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "runbook.md"))
	if err != nil {
		t.Fatal(err)
	}
	lines := regexp.MustCompile("(?m)(?:^    |`)shard-client ([a-z][^`\n>#]*)").FindAllStringSubmatch(string(page), -1)
	if len(lines) < 20 {
		t.Fatalf("only %d command lines", len(lines))
	}
	names := map[string]bool{}
	for _, line := range lines {
		args := strings.Fields(line[1])
		if args[0] == "starts" || args[0] == "ends" { // messages of the log
			continue
		}
		var stderr strings.Builder
		p := &program{stdout: io.Discard, stderr: &stderr}
		asked, _ := p.parse(args)
		bare := strings.Contains(stderr.String(), "say which object") || strings.Contains(stderr.String(), "missing: <") ||
			args[len(args)-1] == "quarantine" // where a line ends
		if asked == nil && !bare {
			t.Errorf("shard-client %s: %s", line[1], stderr.String())
		}
		names[strings.Join(args[:min(2, len(args))], " ")] = true
	}
	for _, name := range []string{"quarantine show", "quarantine retry", "quarantine drop", "quarantine retire", "quarantine rename", "sessions list", "sessions end", "adopt", "migrate repair", "once --dry-run"} {
		if !names[name] {
			t.Errorf("the runbook does not say when to use %s", name)
		}
	}
}
