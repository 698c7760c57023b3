//go:build mariadb

package move_test

import (
	"strings"
	"testing"

	"shardclient/runner/pgtest"
)

// A second import finds each value that is not as an import would store it, in each table, and
// changes nothing. What has come since to PostgreSQL alone is no difference.
func TestSecondImportComparesContents(t *testing.T) {
	t.Parallel()
	old := newOldShard(t)
	old.run("testdata/broken.sql")
	database := pgtest.Database(t)
	db := pool(t, database)
	again := func(args ...string) ended {
		t.Helper()
		return client(t, append([]string{"import", "--from", old.address(), "--database-url", database}, args...)...)
	}
	again("--all").want(t, 0)
	const everything = "everything of this MySQL is here already; nothing was changed"
	again().want(t, 0, everything)
	again("--all").want(t, 0, everything)
	again("--dry-run").want(t, 0, everything)

	for _, one := range []struct{ here, want, back string }{
		{"UPDATE afe_jobs SET control_file = 'y' WHERE id = 100", "afe_jobs id 100: control_file is 'y' here, 'x' in MySQL", "UPDATE afe_jobs SET control_file = 'x' WHERE id = 100"},
		{"UPDATE afe_jobs SET shard_id = 7 WHERE id = 102", "afe_jobs id 102: shard_id is 7 here, NULL in MySQL", "UPDATE afe_jobs SET shard_id = NULL WHERE id = 102"},
		{"UPDATE afe_jobs SET parent_job_id = NULL WHERE id = 101", "afe_jobs id 101: parent_job_id is NULL here, 105 in MySQL", "UPDATE afe_jobs SET parent_job_id = 105 WHERE id = 101"},
		{"UPDATE afe_jobs SET parent_job_id = 105 WHERE id = 100", "afe_jobs id 100: parent_job_id is 105 here, NULL in MySQL", "UPDATE afe_jobs SET parent_job_id = NULL WHERE id = 100"},
		{"UPDATE afe_jobs SET created_on = created_on + interval '1 microsecond' WHERE id = 100", "afe_jobs id 100: created_on is 2019-03-10 02:30:00.000001 here, 2019-03-10 02:30:00 in MySQL", "UPDATE afe_jobs SET created_on = '2019-03-10 02:30' WHERE id = 100"},
		{"UPDATE afe_host_queue_entries SET complete = true WHERE id = 1000", "afe_host_queue_entries id 1000: complete is true here, false in MySQL", "UPDATE afe_host_queue_entries SET complete = false WHERE id = 1000"},
		{"UPDATE afe_hosts SET lock_reason = NULL WHERE id = 11", "afe_hosts id 11: lock_reason is NULL here, 'dünn' in MySQL", "UPDATE afe_hosts SET lock_reason = 'dünn' WHERE id = 11"},
		{"UPDATE afe_users SET access_level = 1 WHERE id = 2", "afe_users id 2: access_level is 1 here, 0 in MySQL", "UPDATE afe_users SET access_level = 0 WHERE id = 2"},
		{"UPDATE afe_aborted_host_queue_entries SET aborted_by_id = 1 WHERE queue_entry_id = 1005", "afe_aborted_host_queue_entries queue_entry_id 1005: aborted_by_id is 1 here, 2 in MySQL", "UPDATE afe_aborted_host_queue_entries SET aborted_by_id = 2"},
		{"DELETE FROM afe_job_keyvals WHERE id = 2", "afe_job_keyvals id 2 is not here", "INSERT INTO afe_job_keyvals VALUES (2, 90, 'suite', 'bvt')"},
		{"DELETE FROM afe_hosts_labels", "afe_hosts_labels id 1 is not here", "INSERT INTO afe_hosts_labels VALUES (1, 11, 1)"},
	} {
		change(t, db, one.here)
		e := again().want(t, 1, one.want, "nothing was changed; 1 values or rows differ: ", "hint: import into a new database")
		if strings.Count(e.stderr, " here, ")+strings.Count(e.stderr, "is not here") != 1 {
			t.Errorf("%s: %s", one.here, e.stderr)
		}
		change(t, db, one.back)
		again().want(t, 0, everything)
	}
	change(t, db, "INSERT INTO afe_hosts (hostname) VALUES ('has come since')")
	again().want(t, 0, everything)
	old.do("INSERT INTO afe_hosts (id, hostname, protection, dirty) VALUES (50, 'new', 0, 0)")
	again("--dry-run").want(t, 1, "afe_hosts id 50 is not here")
	change(t, db, "UPDATE afe_host_queue_entries SET status = 'x'")
	change(t, db, "UPDATE afe_hosts SET status = 'x'")
	again().want(t, 1, "and 3 more")
}
