package master_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/runner/afe"
	"shardclient/runner/pgtest"
)

// largeAnswer is a recorded one: 100 hosts, 1,000 jobs, 1,250 entries, 3,000 keyvals.
func largeAnswer(t testing.TB) string {
	t.Helper()
	answer, err := os.ReadFile(filepath.Join("..", "lab", "replay", "testdata", "wire", "2019", "large_first_heartbeat.response.json"))
	if err != nil {
		t.Fatal(err)
	}
	return string(answer)
}

// loadLarge makes the database that gives the large answer.
func loadLarge(t testing.TB, pool *pgxpool.Pool) {
	t.Helper()
	answer := largeAnswer(t)
	pgtest.Exec(t, pool, `INSERT INTO afe_shards SELECT DISTINCT s.*
		FROM jsonb_path_query($1::jsonb, '$.result.hosts[*].shard') AS d, jsonb_populate_record(NULL::afe_shards, d) AS s`, answer)
	loadAnswer(t, pool, answer)
	for _, sql := range []string{
		`INSERT INTO afe_jobs (id, owner, name, created_on) SELECT DISTINCT (k ->> 'job_id')::bigint, 'o', 'suite', now()
			FROM jsonb_path_query($1::jsonb, '$.result.suite_keyvals[*]') AS k`,
		`INSERT INTO afe_job_keyvals SELECT k.* FROM (
			SELECT jsonb_path_query($1::jsonb, '$.result.suite_keyvals[*]')
			UNION ALL SELECT jsonb_path_query($1::jsonb, '$.result.jobs[*].jobkeyval_set[*]')
		) AS d (doc), jsonb_populate_record(NULL::afe_job_keyvals, d.doc) AS k`,
		`INSERT INTO afe_host_queue_entries (id, job_id, host_id, status, meta_host)
			SELECT (e ->> 'id')::bigint, (j ->> 'id')::bigint, (e ->> 'host_id')::bigint, e ->> 'status', (e -> 'meta_host' ->> 'id')::bigint
			FROM jsonb_path_query($1::jsonb, '$.result.jobs[*]') AS j, jsonb_array_elements(j -> 'hostqueueentry_set') AS e`,
	} {
		pgtest.Exec(t, pool, sql, answer)
	}
	pgtest.Exec(t, pool, `UPDATE afe_jobs AS j SET parent_job_id = k.value::bigint FROM afe_job_keyvals AS k WHERE k.job_id = j.id AND k.key = 'parent_job_id'`)
	pgtest.Exec(t, pool, "UPDATE afe_hosts SET shard_id = NULL")
	pgtest.Exec(t, pool, "UPDATE afe_jobs SET shard_id = NULL")
	pgtest.Exec(t, pool, `SELECT setval(pg_get_serial_sequence('afe_users', 'id'), max(id)) FROM afe_users`)
}

// The recorded master's answer and ours are the same, whatever its size.
func TestLargeAnswer(t *testing.T) {
	pool := pgtest.Pool(t)
	loadLarge(t, pool)
	r := call(t, serve(t, pool, afe.Protocol2019), heartbeat(`{"shard_hostname": "shard1.example"}`))
	if diff := cmp.Diff(normal(t, []byte(largeAnswer(t))), normal(t, r.body)); diff != "" {
		t.Errorf("answer (-recorded +given):\n%.4000s", diff)
	}
}

// history is a lab beside the large answer: finished jobs of ten boards, one of them board:eve,
// 5,000 open jobs that shard 12 knows, and as many as it is told that shard 13 knows.
func loadHistory(t testing.TB, pool *pgxpool.Pool, finished, known int) {
	t.Helper()
	ids := fmt.Sprintf("generate_series(1000001, %d) AS n", 1000000+finished)
	open := fmt.Sprintf("generate_series(3000001, %d) AS n, LATERAL (SELECT CASE WHEN n <= 3005000 THEN 12 ELSE 13 END) AS s (s)", 3005000+known)
	err := pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
		for _, sql := range []string{
			"SET LOCAL session_replication_role = replica", // no checks of foreign keys
			`INSERT INTO afe_shards (id, hostname) SELECT n, 'shard' || n || '.example' FROM generate_series(11, 19) AS n`,
			`INSERT INTO afe_labels (id, name) SELECT n, 'label ' || n FROM generate_series(1011, 1059) AS n`,
			`INSERT INTO afe_shards_labels (shard_id, label_id) SELECT n, 1000 + n FROM generate_series(11, 19) AS n`,
			`INSERT INTO afe_hosts (id, hostname, leased, shard_id) SELECT n, 'h' || n, false, 11 + n % 9 FROM generate_series(1001, 1900) AS n`,
			`INSERT INTO afe_hosts_labels (host_id, label_id) SELECT n, 1011 + n % 9 FROM generate_series(1001, 1900) AS n`,
			`INSERT INTO afe_hosts_labels (host_id, label_id) SELECT n, 1020 + n % 40 FROM generate_series(1001, 1900) AS n`,
			`INSERT INTO afe_acl_groups_hosts (aclgroup_id, host_id) SELECT (SELECT min(id) FROM afe_acl_groups), n FROM generate_series(1001, 1900) AS n`,
			`INSERT INTO afe_jobs (id, owner, name, created_on, shard_id, control_file)
				SELECT n, 'o', 'name of job ' || n, now(), 11 + n % 9, repeat('x', 300) FROM ` + ids,
			`INSERT INTO afe_host_queue_entries (id, job_id, host_id, meta_host, status, complete)
				SELECT n, n, 1001 + n % 900, CASE WHEN n % 3 = 0 THEN 1011 + n % 9 END, 'Completed', true FROM ` + ids,
			`INSERT INTO afe_jobs_dependency_labels (job_id, label_id)
				SELECT n, CASE n % 10 WHEN 0 THEN (SELECT id FROM afe_labels WHERE name = 'board:eve') ELSE 1010 + n % 10 END FROM ` + ids,
			`INSERT INTO afe_job_keyvals (id, job_id, key, value) SELECT n, n, 'build', 'eve-release/R74' FROM ` + ids,
			`INSERT INTO afe_jobs (id, owner, name, created_on, shard_id) SELECT n, 'o', 'j', now(), s FROM ` + open,
			`INSERT INTO afe_host_queue_entries (id, job_id, host_id, meta_host, status) SELECT n, n,
				CASE WHEN n % 4 = 0 THEN 1001 + (s - 4) % 9 + n % 90 * 9 END, CASE WHEN n % 4 <> 0 THEN 1000 + s END, 'Queued' FROM ` + open,
			`INSERT INTO afe_jobs_dependency_labels (job_id, label_id) SELECT n, 1000 + s FROM ` + open + ` WHERE n % 3 = 0`,
		} {
			if _, err := tx.Exec(t.Context(), sql); err != nil {
				return fmt.Errorf("%s: %w", sql, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// keepWithoutStatistics keeps autovacuum away.
func keepWithoutStatistics(t testing.TB, pool *pgxpool.Pool) {
	t.Helper()
	for _, table := range []string{"afe_hosts", "afe_hosts_labels", "afe_jobs", "afe_host_queue_entries", "afe_jobs_dependency_labels", "afe_job_keyvals"} {
		pgtest.Exec(t, pool, "ALTER TABLE "+table+" SET (autovacuum_enabled = off)")
	}
}

// idle is the packet of a shard of the history, which knows everything that is its own.
func idle(t testing.TB, pool *pgxpool.Pool, shard int) (known int, body string) {
	t.Helper()
	hosts := pgtest.Query[[]int64](t, pool, "SELECT coalesce(array_agg(id), '{}') FROM afe_hosts WHERE shard_id = $1", shard)
	jobs := pgtest.Query[[]int64](t, pool, "SELECT coalesce(array_agg(id), '{}') FROM afe_jobs WHERE shard_id = $1 AND id > 3000000", shard)
	return len(jobs), packet(t, map[string]any{
		"shard_hostname": fmt.Sprintf("shard%d.example", shard), "known_host_ids": hosts,
		"known_host_statuses": slices.Repeat([]string{"Ready"}, len(hosts)), "known_job_ids": jobs,
	})
}

func packet(t testing.TB, arguments map[string]any) string {
	t.Helper()
	text, err := json.Marshal(arguments)
	if err != nil {
		t.Fatal(err)
	}
	return heartbeat(string(text))
}

// upload is the packet that ends the jobs of the large answer.
func upload(t testing.TB) string {
	t.Helper()
	var answer struct {
		Result struct{ Hosts, Jobs []map[string]any }
	}
	if err := json.Unmarshal([]byte(largeAnswer(t)), &answer); err != nil {
		t.Fatal(err)
	}
	var entries []any
	for _, job := range answer.Result.Jobs {
		for _, one := range job["hostqueueentry_set"].([]any) {
			entry := one.(map[string]any)
			delete(entry, "meta_host")
			entry["status"], entry["complete"] = "Completed", true
			entry["started_on"], entry["finished_on"] = "2019-03-15T11:00:00.123", "2019-03-15T11:30:15"
			entries = append(entries, entry)
		}
		for _, relation := range []string{"hostqueueentry_set", "dependency_labels", "jobkeyval_set", "shard"} {
			delete(job, relation)
		}
	}
	var hosts, statuses []any
	for _, host := range answer.Result.Hosts {
		hosts, statuses = append(hosts, host["id"]), append(statuses, host["status"])
	}
	return packet(t, map[string]any{
		"shard_hostname": "shard1.example", "jobs": answer.Result.Jobs, "hqes": entries,
		"known_host_ids": hosts, "known_host_statuses": statuses,
	})
}
