package shard_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/runner/afe"
	"shardclient/runner/pgtest"
)

// Two answers about the same host, job and suite; in the second everything is different but what
// says that they are the same.
const firstAnswer = `{
	"hosts": [{"id": 1, "hostname": "h1", "status": "Ready", "leased": false, "locked": false, "dirty": false,
		"protection": 0, "labels": [{"id": 1, "name": "a"}],
		"aclgroup_set": [{"id": 1, "name": "g", "users": [{"id": 1, "login": "alice"}]}],
		"hostattribute_set": [{"attribute": "k", "value": "v"}, {"attribute": "gone", "value": "x"}],
		"shard": {"id": 1, "hostname": "s"}}],
	"jobs": [{"id": 1, "owner": "o", "name": "n", "created_on": "2019-01-01T00:00:00",
		"dependency_labels": [{"id": 1, "name": "a"}],
		"hostqueueentry_set": [{"id": 1, "status": "Running", "host_id": 1, "active": false,
			"meta_host": {"id": 1, "name": "a"}}],
		"jobkeyval_set": [{"key": "k", "value": "v"}, {"key": "gone", "value": "x"}],
		"shard": {"id": 1, "hostname": "s"}}],
	"suite_keyvals": [{"job_id": 9, "key": "build", "value": "1"}, {"job_id": 9, "key": "kept", "value": "1"}]}`

const changedAnswer = `{
	"hosts": [{"id": 1, "hostname": "H1", "status": "Repairing", "leased": true, "locked": true, "dirty": true,
		"invalid": true, "protection": 2, "synch_id": 7, "lock_time": "2020-01-01T00:00:00", "lock_reason": "r",
		"labels": [{"id": 2, "name": "b"}],
		"aclgroup_set": [{"id": 2, "name": "g2", "users": []}, {"id": 1, "name": "g-new", "description": "d",
			"users": [{"id": 2, "login": "bob", "access_level": 5}]}],
		"hostattribute_set": [{"attribute": "k", "value": "v2"}],
		"shard": {"id": 2, "hostname": "s2"}}],
	"jobs": [{"id": 1, "owner": "o", "name": "n", "priority": 1, "created_on": "2019-01-01T00:00:00.5",
		"control_file": "x", "timeout": 1, "test_retry": 3,
		"dependency_labels": [{"id": 2, "name": "b", "platform": true}, {"id": 1, "name": "a-new", "platform": true}],
		"hostqueueentry_set": [{"id": 1, "status": "Queued", "host_id": null, "meta_host": {"id": 2, "name": "b"},
			"active": true, "complete": true, "deleted": true, "aborted": true, "execution_subdir": "x",
			"started_on": "2020-01-01T00:00:00", "finished_on": "2020-01-01T00:00:00"}],
		"jobkeyval_set": [{"key": "k", "value": "v2"}],
		"shard": {"id": 2, "hostname": "s2"}}],
	"suite_keyvals": [{"job_id": 9, "key": "build", "value": "2"}]}`

// On rows that exist the master changes exactly what it may.
func TestP5TheLocalTruthWins(t *testing.T) {
	t.Parallel()
	pool, master := pgtest.Pool(t), newMaster(t)
	client := newClient(t, pool, wire(t, master, afe.Protocol2019), options())
	master.saysResult(firstAnswer)
	mustBeat(t, client)
	if running := pgtest.Query[bool](t, pool, "SELECT active AND NOT complete FROM afe_host_queue_entries"); !running {
		t.Error("a new entry's active and complete do not follow from its status Running")
	}
	before := rowsAsJSON(t, pool)
	master.saysResult(changedAnswer)
	mustBeat(t, client)
	want := map[string]string{
		"afe_hosts 1 invalid": "false -> true", "afe_hosts 1 shard_id": "1 -> 2",
		"afe_jobs 1 shard_id":                "1 -> 2",
		"afe_host_queue_entries 1 aborted":   "false -> true",
		"afe_host_queue_entries 1 meta_host": "1 -> 2",
		"afe_labels 1 name":                  `"a" -> "a-new"`,
		"afe_acl_groups 1 name":              `"g" -> "g-new"`,
	}
	got := map[string]string{}
	for row, fields := range rowsAsJSON(t, pool) {
		for field, value := range fields {
			if was, ok := before[row]; ok && was[field] != value {
				got[row+" "+field] = was[field] + " -> " + value
			}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("changed fields (-want +got):\n%s", diff)
	}
	for what, sql := range map[string]string{
		"1=a-new 1=b":    "SELECT string_agg(host_id || '=' || name, ' ' ORDER BY name) FROM afe_hosts_labels m JOIN afe_labels l ON l.id = m.label_id",
		"a-new b":        "SELECT string_agg(name, ' ' ORDER BY name) FROM afe_jobs_dependency_labels m JOIN afe_labels l ON l.id = m.label_id",
		"g-new g2":       "SELECT string_agg(name, ' ' ORDER BY name) FROM afe_acl_groups_hosts m JOIN afe_acl_groups g ON g.id = m.aclgroup_id",
		"alice bob":      "SELECT string_agg(login, ' ' ORDER BY login) FROM afe_acl_groups_users m JOIN afe_users u ON u.id = m.user_id WHERE aclgroup_id = 1",
		"k=v2":           "SELECT string_agg(attribute || '=' || value, ' ' ORDER BY id) FROM afe_host_attributes",
		"1k=v2":          "SELECT string_agg(job_id || key || '=' || value, ' ' ORDER BY id) FROM afe_job_keyvals WHERE job_id = 1",
		"build=2 kept=1": "SELECT string_agg(key || '=' || value, ' ' ORDER BY key) FROM afe_job_keyvals WHERE job_id = 9",
	} {
		if got := pgtest.Query[string](t, pool, sql); got != what {
			t.Errorf("%s: %q, want %q", sql, got, what)
		}
	}

	// NULL is the scheduler's; a field that is left out changes nothing.
	pgtest.Exec(t, pool, "UPDATE afe_jobs SET shard_id = NULL")
	before = rowsAsJSON(t, pool)
	master.saysResult(`{"hosts": [{"id": 1, "hostname": "h1"}], "jobs": [
		{"id": 1, "owner": "o", "name": "n", "created_on": "2019-01-01T00:00:00", "hostqueueentry_set": [{"id": 1, "status": "Queued"}], "shard": {"id": 1, "hostname": "s"}}],
		"suite_keyvals": []}`)
	mustBeat(t, client)
	if diff := cmp.Diff(before, rowsAsJSON(t, pool)); diff != "" {
		t.Errorf("fields that were not sent, and a NULL (-before +after):\n%s", diff)
	}
}

// rowsAsJSON returns, by table and id, each row of the AFE tables whose ids are the master's.
func rowsAsJSON(t *testing.T, pool *pgxpool.Pool) map[string]map[string]string {
	t.Helper()
	all := map[string]map[string]string{}
	for _, table := range []string{"afe_shards", "afe_labels", "afe_users", "afe_acl_groups", "afe_hosts", "afe_jobs", "afe_host_queue_entries"} {
		rows, err := pool.Query(t.Context(), fmt.Sprintf("SELECT id, to_jsonb(r) FROM %s AS r", table))
		if err != nil {
			t.Fatal(err)
		}
		var id int64
		var fields map[string]json.RawMessage
		if _, err := pgx.ForEachRow(rows, []any{&id, &fields}, func() error {
			row := map[string]string{}
			for _, k := range slices.Sorted(maps.Keys(fields)) {
				row[k] = string(fields[k])
			}
			all[fmt.Sprintf("%s %d", table, id)] = row
			fields = nil
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	return all
}
