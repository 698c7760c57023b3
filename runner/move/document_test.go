//go:build mariadb

package move_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/runner/faults"
	"shardclient/runner/pgtest"
	"shardclient/runner/wait"
)

// block is one of the document: commands, and below them what they print.
type block struct{ heading, commands, output string }

// blocks reads the document.
func blocks(t *testing.T) (list []block) {
	t.Helper()
	page, err := os.ReadFile("../../docs/migrating.md")
	if err != nil {
		t.Fatal(err)
	}
	part := regexp.MustCompile("(?ms)^## ([^\n]+)$|^ *```(sh|)\n(.*?)^ *```$")
	heading := ""
	for _, found := range part.FindAllStringSubmatch(string(page), -1) {
		text := regexp.MustCompile("(?m)^   ").ReplaceAllString(found[3], "")
		switch {
		case found[1] != "":
			heading = found[1]
		case found[2] == "sh":
			list = append(list, block{heading: heading, commands: text})
		default:
			list[len(list)-1].output = text
		}
	}
	return list
}

// prints fails the test unless an output has the lines of the document in their order; "..." in a
// line, or as a line, stands for anything.
func (b block) prints(t *testing.T, output string) {
	t.Helper()
	var pattern strings.Builder
	for line := range strings.Lines(b.output) {
		if strings.TrimSpace(line) == "..." {
			pattern.WriteString("(?:[^\n]*\n)*")
			continue
		}
		pattern.WriteString(strings.ReplaceAll(regexp.QuoteMeta(line), `\.\.\.`, "[^\n]*"))
	}
	if !regexp.MustCompile("^" + pattern.String() + "$").MatchString(output) {
		t.Errorf("the document has below\n%s\n%s\nand printed was\n%s", b.commands, b.output, output)
	}
}

// databaseOf is the name of a database by its URL.
func databaseOf(t *testing.T, url string) string {
	t.Helper()
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	return config.ConnConfig.Database
}

// Every command of docs/migrating.md is run in its order by the built programs, in one shell, from
// the Python client's MySQL to PostgreSQL and back, with the output that the document shows. Only
// names of places are replaced.
func TestMigratingDocumentIsRun(t *testing.T) {
	t.Parallel()
	j := begin(t)
	j.shard = movedTo(t, j.shard, pgtest.EmptyDatabase(t), 3)
	database := j.shard.DatabaseURL
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte("CANARY\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := j.lab.Master.Exec(t.Context(), "CREATE ROLE shard_client LOGIN"); err != nil {
		t.Fatal(err)
	}
	places := strings.NewReplacer(
		"postgres://owner@localhost/shard", database,
		"mysql://autotest@localhost/chromeos_autotest_db", strings.Replace(j.old.address(), ":CANARY", "", 1),
		"/root/mysql-password", password, "shard1.example", j.shard.Hostname, "master.example", j.lab.URL(), "chromeos-test", faults.Login,
	)
	programs, err := filepath.Abs(built)
	if err != nil {
		t.Fatal(err)
	}
	environment := filepath.Join(t.TempDir(), "environment")
	if err := os.WriteFile(environment, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	ran, compared := 0, 0
	for _, b := range blocks(t) {
		if b.heading == "The way back" && ran > 0 && strings.Contains(b.commands, "export") {
			for range 4 { // the day goes on
				j.lab.CreateJobs(j.shard, 1)
				j.turn()
			}
			j.shard.DB.Close() // the scheduler stops
			wait.Until(t, "the end of the scheduler's sessions", func() bool {
				return pgtest.Query[int](t, j.lab.Master, "SELECT count(*) FROM pg_stat_activity WHERE datname = $1", databaseOf(t, database)) == 0
			})
		}
		cmd := exec.Command("bash", "-c", "set -e; set -a; . "+environment+"; set +a\n"+places.Replace(b.commands)+"\nexport -p | grep ' SHARD_CLIENT_' >"+environment)
		cmd.Env = append(os.Environ(), "PATH="+programs+":"+os.Getenv("PATH"))
		output, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", b.commands, err, output)
		}
		ran += strings.Count(b.commands, "shard-client ")
		if b.output != "" {
			compared++
			b.prints(t, string(output))
		}
		t.Logf("%s%s", b.commands, output)
	}
	if ran < 12 || compared < 5 {
		t.Errorf("only %d commands ran, and the output of %d blocks was compared", ran, compared)
	}
	// What the document promises of the way back.
	j.python.beat()
	if got := j.python.toUpload(); len(got) != 0 {
		t.Errorf("jobs %d wait for ever", got)
	}
}
