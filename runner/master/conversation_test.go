package master_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/runner/afe"
	"shardclient/runner/lab/replay"
	"shardclient/runner/pgtest"
)

var protocols = []afe.Protocol{afe.Protocol2015, afe.Protocol2019}

// edits are what was done on the real master between two exchanges.
var edits = map[string][]string{
	"04_after_abort_on_master": {"UPDATE afe_host_queue_entries SET aborted = true WHERE job_id = 4"},
	"07_incorrect_host_ids": {
		"UPDATE afe_hosts SET shard_id = 2 WHERE id = 3",
		"DELETE FROM afe_hosts_labels WHERE host_id = 3 AND label_id = 1",
	},
	"09_idle_after_master_side_host_edit": {
		"UPDATE afe_hosts SET locked = false, locked_by_id = NULL WHERE id = 1",
		"UPDATE afe_host_attributes SET value = 'CHANGED' WHERE host_id = 2 AND attribute = 'servo_host'",
	},
}

// An unmodified original client gets the recorded answers, and the database is the recorded one
// after each.
func TestConversation(t *testing.T) {
	for _, protocol := range protocols {
		t.Run(string(protocol), func(t *testing.T) {
			exchanges, err := replay.Conversation(string(protocol))
			if err != nil {
				t.Fatal(err)
			}
			pool := pgtest.Pool(t)
			loadRecorded(t, pool, protocol)
			url := serve(t, pool, protocol)
			for _, e := range exchanges {
				for _, edit := range edits[e.Name] {
					pgtest.Exec(t, pool, edit)
				}
				r := call(t, url, string(e.Request))
				if r.status != e.Response.Status || r.contentType != e.Response.ContentType {
					t.Errorf("%s: %d %s, want %d %s", e.Name, r.status, r.contentType, e.Response.Status, e.Response.ContentType)
				}
				if diff := cmp.Diff(normal(t, e.Response.Body), normal(t, r.body)); diff != "" {
					t.Errorf("%s: answer (-recorded +given):\n%s", e.Name, diff)
				}
				after, err := replay.ReadSnapshot(t.Context(), pool)
				if err != nil {
					t.Fatal(err)
				}
				if diff := after.Diff(e.Master); diff != "" {
					t.Errorf("%s: database (-recorded +stored):\n%s", e.Name, diff)
				}
			}
		})
	}
}

// loadRecorded makes the database that the real master had before the first heartbeat: what its
// answer and the state after it show, with nothing assigned.
func loadRecorded(t testing.TB, pool *pgxpool.Pool, protocol afe.Protocol) {
	t.Helper()
	base := filepath.Join("..", "lab", "replay", "testdata", "wire", string(protocol), "01_first_heartbeat")
	state, err := os.ReadFile(base + ".master-db.json")
	if err != nil {
		t.Fatal(err)
	}
	answer := string(readResponse(t, base+".response.http").body)
	pgtest.Exec(t, pool, `INSERT INTO afe_shards SELECT s.* FROM jsonb_populate_recordset(NULL::afe_shards, $1::jsonb -> 'shards') AS s`, string(state))
	loadAnswer(t, pool, answer)
	loadState(t, pool, string(state))
	pgtest.Exec(t, pool, `SELECT setval(pg_get_serial_sequence('afe_users', 'id'), max(id)) FROM afe_users`)
}

// loadAnswer makes the hosts and jobs of a recorded answer and what belongs to them; not entries
// and keyvals of jobs. board:eve is shard 1's.
func loadAnswer(t testing.TB, pool *pgxpool.Pool, answer string) {
	t.Helper()
	for _, sql := range []string{
		`INSERT INTO afe_labels SELECT DISTINCT l.* FROM (
			SELECT jsonb_path_query($1::jsonb, '$.result.hosts[*].labels[*]')
			UNION SELECT jsonb_path_query($1::jsonb, '$.result.jobs[*].dependency_labels[*]')
		) AS d (doc), jsonb_populate_record(NULL::afe_labels, d.doc) AS l`,
		`INSERT INTO afe_acl_groups SELECT DISTINCT g.id, g.name, g.description
			FROM jsonb_path_query($1::jsonb, '$.result.hosts[*].aclgroup_set[*]') AS d, jsonb_populate_record(NULL::afe_acl_groups, d) AS g`,
		`INSERT INTO afe_users SELECT DISTINCT u.*
			FROM jsonb_path_query($1::jsonb, '$.result.hosts[*].aclgroup_set[*].users[*]') AS d, jsonb_populate_record(NULL::afe_users, d) AS u`,
		`INSERT INTO afe_acl_groups_users (aclgroup_id, user_id) SELECT DISTINCT (g ->> 'id')::bigint, (u ->> 'id')::bigint
			FROM jsonb_path_query($1::jsonb, '$.result.hosts[*].aclgroup_set[*]') AS g, jsonb_array_elements(g -> 'users') AS u`,
		`INSERT INTO afe_hosts SELECT h.* FROM jsonb_populate_recordset(NULL::afe_hosts, $1::jsonb -> 'result' -> 'hosts') AS h`,
		`INSERT INTO afe_hosts_labels (host_id, label_id) SELECT (h ->> 'id')::bigint, (l ->> 'id')::bigint
			FROM jsonb_path_query($1::jsonb, '$.result.hosts[*]') AS h, jsonb_array_elements(h -> 'labels') AS l`,
		`INSERT INTO afe_acl_groups_hosts (host_id, aclgroup_id) SELECT (h ->> 'id')::bigint, (g ->> 'id')::bigint
			FROM jsonb_path_query($1::jsonb, '$.result.hosts[*]') AS h, jsonb_array_elements(h -> 'aclgroup_set') AS g`,
		`INSERT INTO afe_host_attributes SELECT a.*
			FROM jsonb_path_query($1::jsonb, '$.result.hosts[*].hostattribute_set[*]') AS d, jsonb_populate_record(NULL::afe_host_attributes, d) AS a`,
		`INSERT INTO afe_jobs SELECT j.* FROM jsonb_populate_recordset(NULL::afe_jobs, $1::jsonb -> 'result' -> 'jobs') AS j`,
		`INSERT INTO afe_jobs_dependency_labels (job_id, label_id) SELECT (j ->> 'id')::bigint, (l ->> 'id')::bigint
			FROM jsonb_path_query($1::jsonb, '$.result.jobs[*]') AS j, jsonb_array_elements(j -> 'dependency_labels') AS l`,
		`INSERT INTO afe_shards_labels (shard_id, label_id) SELECT 1, id FROM afe_labels WHERE name = 'board:eve' AND $1::text <> ''`,
	} {
		pgtest.Exec(t, pool, sql, answer)
	}
}

// loadState adds what an answer does not show: the suite's parent, a host of nobody, entries' jobs,
// microseconds.
func loadState(t testing.TB, pool *pgxpool.Pool, state string) {
	t.Helper()
	for _, sql := range []string{
		`INSERT INTO afe_hosts (id, hostname, leased, dirty) SELECT h.id, h.hostname, h.leased, false
			FROM jsonb_populate_recordset(NULL::afe_hosts, $1::jsonb -> 'hosts') AS h ON CONFLICT (id) DO NOTHING`,
		`UPDATE afe_hosts AS here SET lock_time = h.lock_time, locked_by_id = h.locked_by_id
			FROM jsonb_populate_recordset(NULL::afe_hosts, $1::jsonb -> 'hosts') AS h WHERE here.id = h.id`,
		`INSERT INTO afe_labels (id, name) SELECT 1000, 'board:other' WHERE $1::text <> ''`,
		`INSERT INTO afe_hosts_labels (host_id, label_id) SELECT 4, 1000 WHERE $1::text <> ''`,
		`INSERT INTO afe_acl_groups_hosts (host_id, aclgroup_id) SELECT 4, id FROM afe_acl_groups WHERE name = 'Everyone' AND $1::text <> ''`,
		`INSERT INTO afe_jobs (id, owner, name, created_on) SELECT j.id, j.owner, j.name, j.created_on
			FROM jsonb_populate_recordset(NULL::afe_jobs, $1::jsonb -> 'jobs') AS j ON CONFLICT (id) DO NOTHING`,
		`UPDATE afe_jobs AS here SET created_on = j.created_on, parent_job_id = j.parent_job_id
			FROM jsonb_populate_recordset(NULL::afe_jobs, $1::jsonb -> 'jobs') AS j WHERE here.id = j.id`,
		`INSERT INTO afe_host_queue_entries SELECT e.id, e.job_id, e.host_id, e.status, (d ->> 'meta_host_id')::bigint,
				e.active, e.complete, e.deleted, e.execution_subdir, NULL, e.aborted, e.started_on, e.finished_on
			FROM jsonb_array_elements($1::jsonb -> 'hqes') AS d, jsonb_populate_record(NULL::afe_host_queue_entries, d) AS e`,
		`INSERT INTO afe_job_keyvals (job_id, key, value) SELECT (k ->> 0)::bigint, k ->> 1, k ->> 2
			FROM jsonb_array_elements($1::jsonb -> 'job_keyvals') AS k`,
	} {
		pgtest.Exec(t, pool, sql, state)
	}
}

// normal makes answers comparable: lists of objects by id, ids of keyvals aside.
func normal(t testing.TB, body []byte) any {
	t.Helper()
	var value any
	if err := json.Unmarshal(body, &value); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	return normalize(value)
}

func normalize(value any) any {
	switch v := value.(type) {
	case map[string]any:
		if _, keyval := v["key"]; keyval {
			delete(v, "id")
		}
		for key, item := range v {
			v[key] = normalize(item)
		}
	case []any:
		for i := range v {
			v[i] = normalize(v[i])
		}
		slices.SortStableFunc(v, func(a, b any) int { return strings.Compare(sortKey(a), sortKey(b)) })
	}
	return value
}

func sortKey(value any) string {
	object, ok := value.(map[string]any)
	if !ok {
		return fmt.Sprint(value)
	}
	if id, ok := object["id"].(float64); ok {
		return fmt.Sprintf("%09.0f", id)
	}
	return fmt.Sprint(object["job_id"], object["key"], object["value"])
}

func readResponse(t testing.TB, name string) *reply {
	t.Helper()
	raw, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(raw)), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	r := &reply{status: response.StatusCode, contentType: response.Header.Get("Content-Type")}
	if r.body, err = io.ReadAll(response.Body); err != nil {
		t.Fatal(err)
	}
	if r.status == http.StatusOK {
		if err := json.Unmarshal(r.body, r); err != nil {
			t.Fatal(err)
		}
	}
	return r
}
