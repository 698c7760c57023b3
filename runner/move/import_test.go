//go:build mariadb

package move_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os/exec"
	"strings"
	"testing"

	"shardclient/runner/move"
	"shardclient/runner/pgtest"
)

// built is the directory of `make build`.
const built = "../../bin/"

// ended is what a program left behind.
type ended struct {
	code           int
	stdout, stderr string
}

// client runs the built shard-client.
func client(t testing.TB, args ...string) ended {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := exec.Command(built+"shard-client", args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if wrong, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		t.Fatalf("%v (make build makes it)", wrong)
	}
	e := ended{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
	if strings.Contains(e.stdout+e.stderr, "CANARY") {
		t.Errorf("%s shows the password: %+v", args[0], e)
	}
	return e
}

func (e ended) want(t testing.TB, code int, texts ...string) ended {
	t.Helper()
	if e.code != code {
		t.Fatalf("exit %d, want %d\n%s%s", e.code, code, e.stdout, e.stderr)
	}
	for _, text := range texts {
		if !strings.Contains(e.stdout+e.stderr, text) {
			t.Errorf("no %q in:\n%s%s", text, e.stdout, e.stderr)
		}
	}
	return e
}

// Rows that MySQL allows and PostgreSQL does not are mended and all listed, only what must move
// moves, and a second run changes nothing.
func TestImportMendsAndLists(t *testing.T) {
	t.Parallel()
	old := newOldShard(t)
	old.run("testdata/broken.sql")
	database := pgtest.Database(t)
	db := pool(t, database)
	args := []string{"import", "--from", old.address(), "--database-url", database, "--output", "json"}

	var tried, report move.Report
	read := func(e ended, into *move.Report) {
		t.Helper()
		if err := json.Unmarshal([]byte(e.want(t, 0).stdout), into); err != nil {
			t.Fatal(err)
		}
	}
	read(client(t, append(args, "--dry-run")...), &tried)
	if n := pgtest.Query[int](t, db, "SELECT count(*) FROM afe_hosts"); n != 0 || tried.Outcome != "dry_run" {
		t.Fatalf("a dry run stored %d hosts: %s", n, tried.Outcome)
	}
	read(client(t, args...), &report)
	report.Outcome = tried.Outcome
	if a, b := tried.Text(), report.Text(); a != b {
		t.Errorf("the dry run reported\n%s\nand the import\n%s", a, b)
	}
	for _, line := range []string{
		"afe_labels.platform: NULL, where a value is wanted: 1", "afe_labels.platform: neither 0 nor 1: 1",
		"afe_acl_groups.name: is the name of another one, too: 1", "id 4: 'Everyone' -> 'Everyone (was id 4)'",
		"afe_acl_groups_users.user_id: names a row of afe_users that is not there: left out: 1",
		"afe_hosts.hostname: is the name of another one, too: 2", "id 10: 'host-a' -> 'host-a (was id 10)'", "id 12: 'host-a' -> 'host-a (was id 12)'",
		"afe_hosts.lock_time: a date that is none: 2", "afe_hosts.locked_by_id: names a row of afe_users that is not there: 1",
		"afe_hosts.shard_id: names a shard that is not there: it is made: 1",
		"afe_acl_groups_hosts.host_id: ", "afe_hosts_labels.host_id: names a row of afe_hosts that is not there: left out: 1",
		"afe_jobs.parent_job_id: names a row of afe_jobs that is not there: 1", "id 100: '90' -> NULL",
		"afe_jobs.created_on: a date that is none: 1", "'0000-00-00 00:00:00' -> '1970-01-01 00:00:00'",
		"afe_jobs_dependency_labels.label_id: names a row of afe_labels that is not there: left out: 1",
		"afe_host_queue_entries.job_id: names a row of afe_jobs that is not there: left out: 1",
		"afe_aborted_host_queue_entries.queue_entry_id: names a row of afe_host_queue_entries that is not there: left out: 1",
		"tables that this database does not have:",
		"half uploaded, noted in the ledger: 1", "waiting for upload (1): 102", "known_job_ids (3): 100,101,104", "known_host_ids (3): 11,12,13",
	} {
		if line == "afe_acl_groups_hosts.host_id: " { // the row names no group
			line = "afe_acl_groups_hosts.aclgroup_id: names nothing: left out: 1"
		}
		if !strings.Contains(report.Text(), line) {
			t.Errorf("no %q in:\n%s", line, report.Text())
		}
	}
	for query, want := range map[string]string{
		"SELECT string_agg(id::text, ',' ORDER BY id) FROM afe_jobs":                                                                                                       "100,101,102,104,105,106",
		"SELECT string_agg(id::text, ',' ORDER BY id) FROM afe_host_queue_entries":                                                                                         "1000,1001,1002,1003,1005,1006,1007,1008",
		"SELECT string_agg(job_id::text, ',' ORDER BY id) FROM afe_job_keyvals":                                                                                            "100,90,105",
		"SELECT hostname || ' ' || status || ' ' || locked || ' ' || leased || ' ' || locked_by_id || ' ' || lock_time || ' ' || lock_reason FROM afe_hosts WHERE id = 11": "host-a Repair Failed true true 2 2019-03-10 02:30:00 dünn",
		"SELECT name FROM afe_labels WHERE id = 2":                                                                                                                         "pool:café",
		"SELECT created_on::text FROM afe_jobs WHERE id = 102":                                                                                                             "2019-03-31 02:30:00",
		"SELECT finished_on::text FROM afe_host_queue_entries WHERE id = 1001":                                                                                             "2019-03-10 02:30:00",
		"SELECT job_id || ' ' || sent_complete::text FROM shard_client_uploads":                                                                                            "101 {1001}",
		"SELECT string_agg(id || ':' || parent_job_id, ',' ORDER BY id) FROM afe_jobs WHERE parent_job_id IS NOT NULL":                                                     "101:105,104:104",
		"SELECT string_agg(queue_entry_id::text, ',') FROM afe_aborted_host_queue_entries":                                                                                 "1005",
	} {
		if got := pgtest.Query[string](t, db, query); got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
	if got := client(t, args...).want(t, 0).stdout; !strings.Contains(got, `"already_here"`) {
		t.Errorf("the second import: %s", got)
	}
	old.do("INSERT INTO afe_hosts (id, hostname, protection, dirty) VALUES (50, 'new', 0, 0)")
	client(t, args...).want(t, 1, "the database is not empty", "4 of afe_hosts")
}
