//go:build mariadb

package move_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/runner/faults"
	"shardclient/runner/pgtest"
	"shardclient/runner/wait"
)

// dies starts the built program, and lets the fault have its process.
func dies(t testing.TB, process chan<- *os.Process, args ...string) ended {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := exec.Command(built+"shard-client", args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	process <- cmd.Process
	_ = cmd.Wait() // the exit code says it
	return ended{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// cutting is a shard on both sides, with a wire to each.
type cutting struct {
	t    *testing.T
	old  *oldShard
	wire *wire
	gate *faults.Gate
	db   *pgxpool.Pool

	mysql, postgres string // addresses that lead through the wires
	process         chan *os.Process
}

func newCutting(t *testing.T) *cutting {
	t.Helper()
	c := &cutting{t: t, old: newOldShard(t), process: make(chan *os.Process, 1)}
	c.old.run("testdata/broken.sql")
	l := faults.NewLab(t, faults.Options{})
	c.wire, c.gate, c.db = private.wired(t), l.Gate(l.Shards[0]), l.Shards[0].DB
	c.mysql = "mysql://" + c.old.name + ":CANARY@127.0.0.1:" + c.wire.port + "/" + c.old.name
	c.postgres = c.gate.DatabaseURL()
	return c
}

// everyStep runs a command again and again, and strikes each time some steps later, until it ends
// before the step comes: over PostgreSQL's wire or MySQL's, before the step or after, by cutting or
// by kill -9. These four share the steps, so that each is struck in one of them. After each time it
// calls check.
func (c *cutting) everyStep(check func(what string, e ended), args ...string) {
	c.t.Helper()
	const ways = 4
	way := 0
	for _, side := range []faults.Side{faults.Before, faults.After} {
		for _, kill := range []bool{false, true} {
			way++
			for _, over := range []string{"PostgreSQL", "MySQL"} {
				for n := way; ; n += ways {
					struck := make(chan bool, 1)
					fault := func() {
						process := <-c.process
						struck <- true
						if kill {
							_ = process.Kill()
						}
					}
					if over == "MySQL" {
						c.wire.strike(n, side, fault)
					} else {
						c.gate.Strike(faults.At(n, side, func() faults.Verdict { fault(); return faults.Cut }))
					}
					e := dies(c.t, c.process, args...)
					c.gate.Strike(nil)
					c.wire.strike(0, side, nil)
					if len(struck) == 0 {
						<-c.process
						e.want(c.t, 0)
						if n < 10 {
							c.t.Fatalf("only %d steps over %s", n, over)
						}
						c.t.Logf("%d steps over %s, struck %s them", n-1, over, side)
						break
					}
					wait.Until(c.t, "the end of all sessions", func() bool {
						return pgtest.Query[int](c.t, c.db, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'shard-client-move'") == 0 &&
							c.old.ask("SELECT COUNT(*) FROM information_schema.processlist WHERE user = '"+c.old.name+"'") == "0"
					}, func() string {
						return c.old.ask("SELECT * FROM information_schema.processlist") + pgtest.Query[string](c.t, c.db, "SELECT string_agg(a::text, '; ') FROM pg_stat_activity AS a WHERE datname = current_database()")
					})
					what := fmt.Sprintf("%s, %s step %d", over, side, n)
					if kill {
						what += ", killed"
					} else if e.code != 0 && !strings.Contains(e.stderr, "\nhint: ") {
						c.t.Errorf("%s: exit %d with no remedy: %s", what, e.code, e.stderr)
					}
					check(what, e)
				}
			}
		}
	}
}

const importedRows = `SELECT coalesce(string_agg(r, E'\n' ORDER BY r), '') FROM (
	SELECT 'job ' || j::text AS r FROM afe_jobs AS j UNION ALL SELECT 'host ' || h::text FROM afe_hosts AS h
	UNION ALL SELECT 'entry ' || e::text FROM afe_host_queue_entries AS e UNION ALL SELECT 'keyval ' || k::text FROM afe_job_keyvals AS k
	UNION ALL SELECT 'shard ' || s::text FROM afe_shards AS s UNION ALL SELECT 'user ' || u::text FROM afe_users AS u
	UNION ALL SELECT 'label ' || l::text FROM afe_labels AS l UNION ALL SELECT 'ledger ' || u::text FROM shard_client_uploads AS u) AS x`

// An import that is killed, or loses either database, at any step of it, has stored all or nothing,
// and works when it is started again.
func TestImportAtEveryStep(t *testing.T) {
	t.Parallel()
	c := newCutting(t)
	args := []string{"import", "--from", c.mysql, "--database-url", c.postgres}
	whole := pgtest.Database(t)
	client(t, "import", "--from", c.old.address(), "--database-url", whole).want(t, 0)
	want := pgtest.Query[string](t, pool(t, whole), importedRows)
	before := c.old.everything()
	nothing, all := 0, 0
	c.everyStep(func(what string, e ended) {
		t.Helper()
		switch pgtest.Query[string](t, c.db, importedRows) {
		case "":
			nothing++
			if e.code == 0 {
				t.Errorf("%s: it says that it has succeeded: %s", what, e.stdout)
			}
			client(t, append(args, "--dry-run")...).want(t, 0, "the same jobs wait for their upload")
		case want:
			all++
			client(t, args...).want(t, 0, "everything of this MySQL is here already")
			for _, table := range []string{"afe_shards", "afe_labels", "afe_users", "afe_acl_groups"} {
				change(t, c.db, "TRUNCATE "+table+" RESTART IDENTITY CASCADE")
			}
			change(t, c.db, "TRUNCATE afe_job_keyvals RESTART IDENTITY")
		default:
			t.Fatalf("%s: half of it is there", what)
		}
	}, args...)
	if c.old.everything() != before {
		t.Error("MySQL has changed")
	}
	t.Logf("after %d strikes nothing was stored, after %d all", nothing, all)
	if nothing < 100 || all == 0 {
		t.Errorf("the strikes fell %d times before the commit, and %d times behind it", nothing, all)
	}
}

// An export that is killed, or loses either database, at any step of it, has changed nothing or
// all, and works when it is started again.
func TestExportAtEveryStep(t *testing.T) {
	t.Parallel()
	c := newCutting(t)
	client(t, "import", "--from", c.old.address(), "--database-url", c.postgres).want(t, 0)
	for _, statement := range []string{
		"INSERT INTO afe_hosts (id, hostname, shard_id) VALUES (60, 'new', 7)",
		"INSERT INTO afe_jobs (id, name, created_on, shard_id) VALUES (200, 'new', '2019-03-11', 7)",
		"INSERT INTO afe_host_queue_entries (id, job_id, host_id, status, complete) VALUES (2000, 200, 60, 'Completed', true), (2001, 200, 13, 'Queued', false)",
		"INSERT INTO afe_job_keyvals (job_id, key, value) VALUES (200, 'build', 'R76')",
		"UPDATE afe_host_queue_entries SET complete = true, active = false, status = 'Completed' WHERE id = 1002",
		"UPDATE afe_jobs SET shard_id = 7 WHERE id = 102",
		"UPDATE afe_hosts SET status = 'Repairing' WHERE id = 13",
	} {
		change(t, c.db, statement)
	}
	other := newOldShard(t)
	other.run("testdata/broken.sql")
	client(t, "export", "--to", other.address(), "--database-url", c.postgres).want(t, 0)
	before, after := c.old.everything(), other.everything()
	if before == after {
		t.Fatal("the export changes nothing: the test shows nothing")
	}
	args := []string{"export", "--to", c.mysql, "--database-url", c.postgres}
	nothing, all := 0, 0
	c.everyStep(func(what string, e ended) {
		t.Helper()
		client(t, append(args, "--dry-run")...).want(t, 0, "waiting for upload (2): 101,200")
		switch c.old.everything() {
		case before:
			nothing++
			if e.code == 0 {
				t.Errorf("%s: it says that it has succeeded: %s", what, e.stdout)
			}
		case after:
			all++
			c.old.do("DROP DATABASE " + c.old.name)
			c.old.do("CREATE DATABASE " + c.old.name)
			c.old.do("USE " + c.old.name)
			c.old.run("testdata/autotest.sql")
			c.old.run("testdata/broken.sql")
		default:
			t.Fatalf("%s: half of it is there:\n%s", what, c.old.everything())
		}
	}, args...)
	t.Logf("after %d strikes nothing was changed, after %d all", nothing, all)
	if nothing < 50 || all == 0 {
		t.Errorf("the strikes fell %d times before the commit, and %d times behind it", nothing, all)
	}
}
