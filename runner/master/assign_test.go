package master_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/runner/afe"
	"shardclient/runner/pgtest"
)

// loadShared makes n hosts and n jobs (two entries each) that carry a label of shard 1 and one of
// shard 2.
func loadShared(t testing.TB, pool *pgxpool.Pool, n int) {
	t.Helper()
	for _, sql := range []string{
		`INSERT INTO afe_shards (id, hostname) VALUES (1, 'one'), (2, 'two')`,
		`INSERT INTO afe_labels (id, name) VALUES (1, 'board:a'), (2, 'board:b'), (3, 'other')`,
		`INSERT INTO afe_shards_labels (shard_id, label_id) VALUES (1, 1), (2, 2)`,
		`INSERT INTO afe_users (login, access_level) VALUES ('chromeos-test', 100)`,
	} {
		pgtest.Exec(t, pool, sql)
	}
	for _, sql := range []string{
		`INSERT INTO afe_hosts (id, hostname, leased) SELECT i, 'h' || i, false FROM generate_series(1, $1::int) AS i`,
		`INSERT INTO afe_hosts_labels (host_id, label_id) SELECT i, l FROM generate_series(1, $1::int) AS i, generate_series(1, 2) AS l`,
		`INSERT INTO afe_jobs (id, owner, name, created_on) SELECT i, 'o', 'j', now() FROM generate_series(1, $1::int) AS i`,
		`INSERT INTO afe_jobs_dependency_labels (job_id, label_id) SELECT i, l FROM generate_series(1, $1::int) AS i, generate_series(1, 2) AS l`,
		`INSERT INTO afe_host_queue_entries (id, job_id, status) SELECT 2 * i + e, i, 'Queued' FROM generate_series(1, $1::int) AS i, generate_series(0, 1) AS e`,
	} {
		pgtest.Exec(t, pool, sql, n)
	}
}

// Which hosts and jobs are sent, case by case, to shard 1 (label 1).
func TestRules(t *testing.T) {
	for _, c := range []struct {
		name, edit            string
		args, statuses        string // arguments of both protocols, and those of 2019
		hosts, jobs, jobs2015 []int64
		incorrect             []int64
	}{
		{name: "all", hosts: []int64{1, 2}, jobs: []int64{1, 2}},
		{name: "known", args: `, "known_host_ids": [1], "known_job_ids": [2]`, statuses: `"Ready"`, hosts: []int64{2}, jobs: []int64{1}, incorrect: []int64{1}},
		{name: "leased", edit: "UPDATE afe_hosts SET leased = true, shard_id = 1 WHERE id = 1", hosts: []int64{2}, jobs: []int64{1, 2}},
		{name: "known, its own and another's", edit: "UPDATE afe_hosts SET shard_id = id", args: `, "known_host_ids": [1, 2], "known_job_ids": [1, 2]`, statuses: `"Ready", "Ready"`, hosts: []int64{}, jobs: []int64{}, incorrect: []int64{2}},
		{name: "completed", edit: "UPDATE afe_host_queue_entries SET complete = true, status = 'Completed' WHERE job_id = 1", hosts: []int64{1, 2}, jobs: []int64{2}},
		{name: "another shard's", edit: "UPDATE afe_hosts SET shard_id = 2; UPDATE afe_jobs SET shard_id = 2", hosts: []int64{1, 2}, jobs: []int64{1, 2}},
		{name: "label gone", edit: "DELETE FROM afe_shards_labels; UPDATE afe_hosts SET shard_id = 1", hosts: []int64{}, jobs: []int64{}},
		{name: "one entry complete", edit: "UPDATE afe_host_queue_entries SET complete = true, aborted = true WHERE id = 2", hosts: []int64{1, 2}, jobs: []int64{2}},
		{name: "one entry active", edit: "UPDATE afe_host_queue_entries SET active = true WHERE id = 2", hosts: []int64{1, 2}, jobs: []int64{2}},
		{name: "known, half aborted", edit: "UPDATE afe_host_queue_entries SET aborted = true WHERE id = 2", args: `, "known_job_ids": [1]`, hosts: []int64{1, 2}, jobs: []int64{2}},
		{name: "known, all aborted", edit: "UPDATE afe_host_queue_entries SET aborted = true WHERE job_id = 1", args: `, "known_job_ids": [1, 2]`, hosts: []int64{1, 2}, jobs: []int64{1}},
		{name: "by meta host", edit: "DELETE FROM afe_jobs_dependency_labels WHERE job_id = 1; UPDATE afe_host_queue_entries SET meta_host = 1 WHERE id = 2", hosts: []int64{1, 2}, jobs: []int64{1, 2}, jobs2015: []int64{2}},
		{name: "by host", edit: "DELETE FROM afe_jobs_dependency_labels WHERE job_id = 1; UPDATE afe_host_queue_entries SET host_id = 1 WHERE id = 2", hosts: []int64{1, 2}, jobs: []int64{1, 2}},
		{name: "by host, other meta host", edit: "DELETE FROM afe_jobs_dependency_labels WHERE job_id = 1; UPDATE afe_host_queue_entries SET host_id = 1, meta_host = 3 WHERE id = 2", hosts: []int64{1, 2}, jobs: []int64{2}},
		{name: "hostless", edit: "DELETE FROM afe_jobs_dependency_labels WHERE job_id = 1", hosts: []int64{1, 2}, jobs: []int64{2}},
		{name: "no entries", edit: "DELETE FROM afe_host_queue_entries WHERE job_id = 1", hosts: []int64{1, 2}, jobs: []int64{2}, jobs2015: []int64{1, 2}},
		{name: "no entries, known", edit: "DELETE FROM afe_host_queue_entries WHERE job_id = 1", args: `, "known_job_ids": [1, 2]`, hosts: []int64{1, 2}, jobs: []int64{}, jobs2015: []int64{1}},
		{name: "no entries, not its label", edit: "DELETE FROM afe_host_queue_entries; DELETE FROM afe_jobs_dependency_labels WHERE job_id = 1 AND label_id = 1", hosts: []int64{1, 2}, jobs: []int64{}, jobs2015: []int64{2}},
		{name: "uploaded in this beat", args: `, "jobs": [{"id": 1}], "hqes": [{"id": 2, "status": "Failed", "complete": true}]`, hosts: []int64{1, 2}, jobs: []int64{2}},
	} {
		for _, protocol := range protocols {
			pool := pgtest.Pool(t)
			loadShared(t, pool, 2)
			if c.edit != "" {
				pgtest.Exec(t, pool, c.edit)
			}
			args, jobs := c.args, c.jobs
			if protocol == afe.Protocol2019 && c.statuses != "" {
				args += `, "known_host_statuses": [` + c.statuses + `]`
			}
			if protocol == afe.Protocol2015 && c.jobs2015 != nil {
				jobs = c.jobs2015
			}
			r := call(t, serve(t, pool, protocol), heartbeat(`{"shard_hostname": "one"`+args+`}`))
			if diff := cmp.Diff([][]int64{c.hosts, jobs}, [][]int64{ids(t, r, "hosts"), ids(t, r, "jobs")}); diff != "" {
				t.Errorf("%s %s: hosts and jobs (-want +sent):\n%s", protocol, c.name, diff)
			}
			if n := pgtest.Query[int](t, pool, `SELECT (SELECT count(*) FROM afe_hosts WHERE id = ANY ($1) AND shard_id = 1) +
				(SELECT count(*) FROM afe_jobs WHERE id = ANY ($2) AND shard_id = 1)`, c.hosts, jobs); n != len(c.hosts)+len(jobs) {
				t.Errorf("%s %s: %d of hosts %v and jobs %v are the shard's now", protocol, c.name, n, c.hosts, jobs)
			}
			if _, sent := r.Result["incorrect_host_ids"]; sent != (protocol == afe.Protocol2019) {
				t.Errorf("%s %s: incorrect_host_ids in the answer: %t", protocol, c.name, sent)
			} else if sent && !slices.Equal(c.incorrect, ids(t, r, "incorrect_host_ids")) {
				t.Errorf("%s: incorrect hosts %v, want %v", c.name, ids(t, r, "incorrect_host_ids"), c.incorrect)
			}
		}
	}
}

// The answer, or what the shard stored of it, was lost: the shard does not name it as known, and
// gets all of it again. An abort that it knows too comes again, until its end is uploaded.
func TestSendsAgainWhatTheShardDoesNotKnow(t *testing.T) {
	for _, protocol := range protocols {
		pool := pgtest.Pool(t)
		loadShared(t, pool, 2)
		pgtest.Exec(t, pool, "UPDATE afe_host_queue_entries SET aborted = true WHERE job_id = 2")
		url := serve(t, pool, protocol)
		first := call(t, url, heartbeat(`{"shard_hostname": "one"}`))
		if diff := cmp.Diff([]int64{1, 2}, ids(t, first, "jobs")); diff != "" {
			t.Fatalf("%s: jobs (-want +sent):\n%s", protocol, diff)
		}
		for range 2 {
			if diff := cmp.Diff(first.Result, call(t, url, heartbeat(`{"shard_hostname": "one"}`)).Result); diff != "" {
				t.Errorf("%s: nothing known, second answer (-first +second):\n%s", protocol, diff)
			}
			again := call(t, url, heartbeat(`{"shard_hostname": "one", "known_job_ids": [1, 2]}`))
			if diff := cmp.Diff([]int64{2}, ids(t, again, "jobs")); diff != "" {
				t.Errorf("%s: jobs known, jobs (-want +sent):\n%s", protocol, diff)
			}
		}
		ended := call(t, url, heartbeat(`{"shard_hostname": "one", "known_job_ids": [1], "jobs": [{"id": 2}],
			"hqes": [{"id": 4, "status": "Aborted", "complete": true}, {"id": 5, "status": "Aborted", "complete": true}]}`))
		last := call(t, url, heartbeat(`{"shard_hostname": "one", "known_job_ids": [1]}`))
		if diff := cmp.Diff([][]int64{{}, {}}, [][]int64{ids(t, ended, "jobs"), ids(t, last, "jobs")}); diff != "" {
			t.Errorf("%s: jobs after the upload (-want +sent):\n%s", protocol, diff)
		}
	}
}

// Jobs are looked for in windows of ids that hold an open one: none falls between two windows,
// however far apart.
func TestDependentJobsAreFoundAtAnyDistance(t *testing.T) {
	pool := pgtest.Pool(t)
	loadShared(t, pool, 0)
	want := []int64{7, 8, 1030, 1031, 1032, 2054, 2055, 2056, 3079, 1000000, 9000000000, 9000001023, 9000001024}
	pgtest.Exec(t, pool, `INSERT INTO afe_jobs (id, owner, name, created_on) SELECT i, 'o', 'j', now() FROM unnest($1::bigint[]) AS i`, want)
	pgtest.Exec(t, pool, `INSERT INTO afe_jobs_dependency_labels (job_id, label_id) SELECT id, 1 FROM afe_jobs`)
	pgtest.Exec(t, pool, `INSERT INTO afe_host_queue_entries (job_id, status) SELECT id, 'Queued' FROM afe_jobs`)
	r := call(t, serve(t, pool, afe.Protocol2019), heartbeat(`{"shard_hostname": "one"}`))
	if diff := cmp.Diff(want, ids(t, r, "jobs")); diff != "" {
		t.Errorf("jobs (-want +sent):\n%s", diff)
	}
}
