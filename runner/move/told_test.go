//go:build mariadb

package move_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"shardclient/runner/faults"
	"shardclient/runner/pgtest"
)

// However the server is set, as MySQL's own default is ONLY_FULL_GROUP_BY, a shard moves in and
// back.
func TestServersOwnModeIsNoMatter(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"ONLY_FULL_GROUP_BY,STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE", "ANSI_QUOTES,PAD_CHAR_TO_FULL_LENGTH,PIPES_AS_CONCAT", "ORACLE"} {
		server, err := startMariaDB("--sql-mode=" + mode)
		if err != nil {
			t.Fatal(err)
		}
		defer server.stop()
		old := server.shard(t)
		old.run("testdata/broken.sql")
		database := pgtest.Database(t)
		client(t, "import", "--from", old.address(), "--database-url", database).want(t, 0, "repairs: 37")
		change(t, pool(t, database), "INSERT INTO afe_hosts (hostname, lock_reason) VALUES (repeat('h', 300), '')")
		client(t, "export", "--to", old.address(), "--database-url", database).want(t, 0, "MySQL shortened, or wrote in other characters, values of 1 rows")
	}
}

// Rows of no job, and tables that the user may not see, stay behind, and are in the report.
func TestNothingStaysBehindInSilence(t *testing.T) {
	t.Parallel()
	old := newOldShard(t)
	old.run("testdata/broken.sql")
	old.do("INSERT INTO afe_host_queue_entries (id, job_id, host_id, status, complete, deleted, execution_subdir) VALUES (1020, NULL, 11, 'Queued', 0, 0, '')")
	old.do("INSERT INTO afe_aborted_host_queue_entries VALUES (1020, 2, '2019-03-10 02:30:00')")
	old.do("INSERT INTO afe_ineligible_host_queues VALUES (3, NULL, 11)")
	old.do("CREATE USER " + old.name + "_few@localhost IDENTIFIED BY 'CANARY'")
	for table := range strings.FieldsSeq(old.ask("SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name <> 'afe_special_tasks'")) {
		old.do("GRANT SELECT ON " + table + " TO " + old.name + "_few@localhost")
	}
	database := pgtest.Database(t)
	client(t, "migrate", "up", "--with", "scheduler", "--database-url", database).want(t, 0)
	few := strings.Replace(old.address(), old.name+":", old.name+"_few:", 1)
	client(t, "import", "--dry-run", "--from", few, "--database-url", database).want(t, 0,
		"afe_host_queue_entries.job_id: names nothing: left out: 1\n    id 1020: NULL -> NULL",
		"afe_aborted_host_queue_entries.queue_entry_id: names a row of afe_host_queue_entries that is not there: left out: 2",
		"afe_ineligible_host_queues                  2          2          0", // here, too, a block needs no job
		"tables that MySQL does not have, or does not show to this user: ", " afe_special_tasks, ")
	if e := client(t, "import", "--from", old.address(), "--database-url", database).want(t, 0); strings.Contains(e.stdout, " afe_special_tasks, ") {
		t.Error(e.stdout)
	}
}

// A list without members is one in JSON, too.
func TestReportsHaveNoNulls(t *testing.T) {
	t.Parallel()
	old := newOldShard(t)
	old.do("INSERT INTO afe_shards VALUES (7, 'shard7.example')")
	old.do("INSERT INTO afe_jobs (id, name, created_on, synch_count, timeout, email_list, reboot_before, reboot_after, max_runtime_hrs, max_runtime_mins, timeout_mins) VALUES (1, 'j', '2019-03-10', 0, 0, '', 0, 0, 0, 0, 0)")
	database := pgtest.Database(t)
	for _, args := range [][]string{{"import", "--dry-run", "--from"}, {"import", "--from"}, {"import", "--from"}, {"export", "--to"}} {
		args = append(args, old.address(), "--database-url", database, "--output", "json")
		var report map[string]any
		if err := json.Unmarshal([]byte(client(t, args...).want(t, 0).stdout), &report); err != nil {
			t.Fatal(err)
		}
		for name, value := range report {
			if value == nil {
				t.Errorf("%s: %s is null", args[0], name)
			}
		}
	}
}

// Who cannot read the report is told whether it was done.
func TestReportThatCannotBePrinted(t *testing.T) {
	t.Parallel()
	old := newOldShard(t)
	old.run("testdata/broken.sql")
	database := pgtest.Database(t)
	for _, one := range []struct {
		args []string
		want string
	}{
		{[]string{"import", "--from", "--dry-run"}, "nothing is changed"},
		{[]string{"import", "--from"}, "all that it tells of is done"},
		{[]string{"export", "--to", "--dry-run"}, "nothing is changed"},
		{[]string{"export", "--to"}, "all that it tells of is done"},
	} {
		full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		var stderr bytes.Buffer
		args := append([]string{one.args[0], one.args[1], old.address(), "--database-url", database}, one.args[2:]...)
		cmd := exec.Command(built+"shard-client", args...)
		cmd.Stdout, cmd.Stderr = full, &stderr
		_ = cmd.Run() // the exit code says it
		if text := stderr.String(); cmd.ProcessState.ExitCode() != 1 || !strings.Contains(text, one.want) || !strings.Contains(text, "\nhint: let it print where there is room") {
			t.Errorf("%s: exit %d: %s", one.args, cmd.ProcessState.ExitCode(), text)
		}
		if err := full.Close(); err != nil {
			t.Fatal(err)
		}
	}
	client(t, "import", "--from", old.address(), "--database-url", database).want(t, 1, "nothing was changed") // the export has mended MySQL
}

// Who presses ^C reads that, and not what it cut short.
func TestInterruptedMove(t *testing.T) {
	t.Parallel()
	c := newCutting(t)
	args := []string{"import", "--from", c.mysql, "--database-url", c.postgres}
	for _, n := range []int{5, 20, 40} {
		gone := make(chan bool)
		c.gate.Strike(faults.At(n, faults.Before, func() faults.Verdict {
			_ = (<-c.process).Signal(syscall.SIGINT)
			<-gone // PostgreSQL's answer does not come first
			return faults.Cut
		}))
		e := dies(t, c.process, args...)
		close(gone)
		c.gate.Strike(nil)
		e.want(t, 1, "shard-client: interrupted by a signal\nhint: start it again: nothing was changed")
	}
	client(t, args...).want(t, 0, "the same jobs wait for their upload")
}

// A completion that MySQL has got since its import is not taken back by an export.
func TestExportTakesNoCompletionBack(t *testing.T) {
	t.Parallel()
	old := newOldShard(t)
	old.run("testdata/broken.sql")
	database := pgtest.Database(t)
	client(t, "import", "--from", old.address(), "--database-url", database).want(t, 0)
	old.do("UPDATE afe_host_queue_entries SET complete = 1, active = 0, status = 'Completed' WHERE id = 1002")
	before := old.everything()
	e := client(t, "export", "--to", old.address(), "--database-url", database)
	e.want(t, 1, "entries that are open here are complete in MySQL: 1002: somebody has worked there since the import; nothing was changed",
		"hint: stop the scheduler and the Python client on MySQL")
	if old.everything() != before {
		t.Error("MySQL has changed")
	}
	change(t, pool(t, database), "UPDATE afe_host_queue_entries SET complete = true, active = false, status = 'Completed' WHERE id = 1002")
	client(t, "export", "--to", old.address(), "--database-url", database).want(t, 0)
}

// Two entries of a job have changed hosts since the import: MySQL, which lets no job have a host
// twice, takes that.
func TestExportOfExchangedHosts(t *testing.T) {
	t.Parallel()
	old := newOldShard(t)
	old.run("testdata/broken.sql")
	old.do("INSERT INTO afe_host_queue_entries (id, job_id, host_id, status, complete, deleted, execution_subdir) VALUES (1020, 100, 11, 'Queued', 0, 0, ''), (1021, 100, 13, 'Queued', 0, 0, '')")
	database := pgtest.Database(t)
	client(t, "import", "--from", old.address(), "--database-url", database).want(t, 0)
	change(t, pool(t, database), "UPDATE afe_host_queue_entries SET host_id = 24 - host_id WHERE id IN (1020, 1021)")
	args := []string{"export", "--to", old.address(), "--database-url", database}
	client(t, append(args, "--dry-run")...).want(t, 0)
	client(t, args...).want(t, 0)
	const hosts = "SELECT id, host_id FROM afe_host_queue_entries WHERE id IN (1020, 1021) ORDER BY id"
	if got := old.ask(hosts); got != "1020|13\n1021|11" {
		t.Error(got)
	}
	client(t, args...).want(t, 0, "afe_host_queue_entries                      0          0")
}

// A MySQL of another master has the same ids, and nothing is written there.
func TestExportToAnotherMastersShard(t *testing.T) {
	t.Parallel()
	old, other := newOldShard(t), newOldShard(t)
	old.run("testdata/broken.sql")
	other.run("testdata/broken.sql")
	other.do("UPDATE afe_hosts SET hostname = CONCAT('other-', hostname)")
	other.do("UPDATE afe_jobs SET name = CONCAT('other-', name)")
	database := pgtest.Database(t)
	client(t, "import", "--from", old.address(), "--database-url", database).want(t, 0)
	client(t, "export", "--to", other.address(), "--database-url", database).want(t, 1, "it is not the one that was imported; nothing was changed")
	other.do("UPDATE afe_hosts SET hostname = 'host-d' WHERE id = 13")
	client(t, "export", "--to", other.address(), "--database-url", database).want(t, 0)
}

// Tables of Autotest's names in another schema are no part of the shard: a broken reference there
// is no reason against an import, and one here is, in whichever of the tables.
func TestReferencesOfTheShardCount(t *testing.T) {
	t.Parallel()
	old := newOldShard(t)
	old.run("testdata/broken.sql")
	database := pgtest.Database(t)
	db := pool(t, database)
	change(t, db, "CREATE SCHEMA other CREATE TABLE afe_a (id bigint PRIMARY KEY) CREATE TABLE afe_b (a bigint)")
	change(t, db, "ALTER TABLE other.afe_b ADD FOREIGN KEY (a) REFERENCES other.afe_a NOT VALID")
	client(t, "migrate", "up", "--with", "scheduler", "--database-url", database).want(t, 0)
	args := []string{"import", "--from", old.address(), "--database-url", database}
	client(t, append(args, "--dry-run")...).want(t, 0)
	change(t, db, "ALTER TABLE tko_tests DISABLE TRIGGER ALL")
	client(t, args...).want(t, 1, "foreign keys are not kept here: tko_tests_", "hint: shard-client migrate repair")
	change(t, db, "ALTER TABLE tko_tests ENABLE TRIGGER ALL")
	client(t, args...).want(t, 0)
}
