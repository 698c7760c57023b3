package shard_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/runner/afe"
	"shardclient/runner/beat"
	"shardclient/runner/pgtest"
)

// ofSuites are ten hosts, and nine jobs of as many suites. The last host has a group of its own,
// with a user of its own.
func ofSuites(t *testing.T) string {
	t.Helper()
	var hosts, jobs, keyvals []string
	for i := 1; i <= 9; i++ {
		hosts = append(hosts, labelled(i, 1, "l", 1, "g", user(1, "alice")))
		jobs = append(jobs, replaced(t, job(i, entry(1000+i)), `"key": "build", "value": "eve"`, fmt.Sprintf(`"key": "parent_job_id", "value": "%d"`, 900+i)))
		keyvals = append(keyvals, strings.Replace(keyval(i, "suite", "bvt"), `"job_id": 7`, fmt.Sprintf(`"job_id": %d`, 900+i), 1))
	}
	return result(append(hosts, labelled(10, 1, "l", 2, "gz", user(2, "zoe"))), jobs, keyvals)
}

// storedIDs lists the ids of hosts, jobs and suites that are here.
func storedIDs(t *testing.T, pool *pgxpool.Pool) string {
	t.Helper()
	return pgtest.Query[string](t, pool, `SELECT concat_ws('; ',
		(SELECT string_agg(id::text, ' ' ORDER BY id) FROM afe_hosts),
		(SELECT string_agg(id::text, ' ' ORDER BY id) FROM afe_jobs),
		(SELECT string_agg(job_id::text, ' ' ORDER BY job_id) FROM afe_job_keyvals WHERE key = 'suite'))`)
}

// A trigger of the site may raise what PostgreSQL raises for concurrent transactions, always. What
// it concerns is left for the next beat, as after a real conflict, and all else is stored.
func TestAConflictThatDoesNotEndHoldsUpOnlyItsObject(t *testing.T) {
	t.Parallel()
	for _, state := range []string{"40001", "40P01"} {
		for _, chunk := range []int{1, 500} {
			t.Run(fmt.Sprintf("%s in chunks of %d", state, chunk), func(t *testing.T) {
				pool, master := pgtest.Pool(t), newMaster(t)
				o := options()
				o.ApplyChunk = chunk
				client := newClient(t, pool, wire(t, master, afe.Protocol2019), o)
				pgtest.Exec(t, pool, fmt.Sprintf(`CREATE FUNCTION conflict() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'conflict' USING ERRCODE = '%s'; END $$;
					CREATE TRIGGER conflict BEFORE INSERT ON afe_users FOR EACH ROW WHEN (NEW.login = 'zoe') EXECUTE FUNCTION conflict();
					CREATE TRIGGER conflict BEFORE INSERT ON afe_hosts FOR EACH ROW WHEN (NEW.id = 3) EXECUTE FUNCTION conflict();
					CREATE TRIGGER conflict BEFORE INSERT ON afe_jobs FOR EACH ROW WHEN (NEW.id = 5) EXECUTE FUNCTION conflict();
					CREATE TRIGGER conflict BEFORE INSERT ON afe_job_keyvals FOR EACH ROW WHEN (NEW.job_id = 907) EXECUTE FUNCTION conflict()`, state), simple)
				master.saysResult(ofSuites(t))
				b := client.Beat(t.Context(), time.Now())
				if b.Failure != beat.FailureDatabase || !strings.Contains(b.Error, "4 objects are left for the next beat") || !strings.Contains(b.Error, state) {
					t.Errorf("%s: %s", b.Failure, b.Error)
				}
				if got, want := storedIDs(t, pool), "1 2 4 5 6 7 8 9; 1 2 3 4 6 8 9; 901 902 903 904 905 906 908 909"; got != want {
					t.Errorf("here are %s, want %s", got, want)
				}
				if diff := cmp.Diff([]string{"in job 7 waiting_for_keyvals"}, codesAside(t, pool)); diff != "" {
					t.Errorf("set aside (-want +got):\n%s", diff)
				}
				pgtest.Exec(t, pool, "DROP FUNCTION conflict CASCADE")
				mustBeat(t, client)
				if got, want := storedIDs(t, pool), "1 2 3 4 5 6 7 8 9 10; 1 2 3 4 5 6 7 8 9; 901 902 903 904 905 906 907 908 909"; got != want || len(quarantine(t, pool)) > 0 {
					t.Errorf("after it was mended, here are %s, want %s; set aside %q", got, want, quarantine(t, pool))
				}
			})
		}
	}
}

// wholeAnswer has ten hosts, nine jobs and as many suite keyvals, with rows for every table. The
// last host has parents of its own. If it has changed, each object has something new, and something
// else.
func wholeAnswer(changed bool) string {
	name, value, shardID, more := "", "1", 1, func(string) string { return "" }
	if changed {
		name, value, shardID, more = " renamed", "2", 2, func(s string) string { return s }
	}
	shard := fmt.Sprintf(`"shard": {"id": %d, "hostname": "shard%d.example"}`, shardID, shardID)
	var hosts, jobs, keyvals []string
	for i := 1; i <= 9; i++ {
		hosts = append(hosts, fmt.Sprintf(`{"id": %d, "hostname": "h%d", "labels": [{"id": 1, "name": "l"}%s], "aclgroup_set": [{"id": 1, "name": "g", "users": [%s]}%s],
			"hostattribute_set": [{"attribute": "a", "value": "%s"}], %s}`,
			i, i, more(`, {"id": 3, "name": "more"}`), user(1, "alice"), more(`, {"id": 3, "name": "more", "users": []}`), value, shard))
		jobs = append(jobs, fmt.Sprintf(`{"id": %d, "owner": "o", "name": "n", "created_on": "2019-01-01T00:00:00", "hostqueueentry_set": [{"id": %d, "status": "Queued", "aborted": %t}, %s%s],
			"dependency_labels": [{"id": 1, "name": "l"}%s], "jobkeyval_set": [{"key": "k", "value": "%s"}], %s}`,
			i, 1000+i, changed, entry(2000+i), more(","+entry(3000+i)), more(`, {"id": 3, "name": "more"}`), value, shard))
		keyvals = append(keyvals, fmt.Sprintf(`{"id": %d, "job_id": %d, "key": "suite", "value": "%s"}`, i, 900+i, value))
	}
	hosts = append(hosts, fmt.Sprintf(`{"id": 10, "hostname": "h10", "labels": [{"id": 2, "name": "own%s"}], "aclgroup_set": [{"id": 2, "name": "gz%s", "users": [%s%s]}], "shard": {"id": 7, "hostname": "shard7%s"}}`,
		name, name, user(2, "zoe"), more(","+user(3, "yan")), name))
	return result(hosts, jobs, keyvals, strings.Fields(more("11"))...)
}

// wholes describes each object that is here, with its rows in all tables.
func wholes(t *testing.T, pool *pgxpool.Pool) map[string]string {
	t.Helper()
	rows, err := pool.Query(t.Context(), `
		SELECT 'host ' || h.id, concat_ws('; ', h.invalid, h.shard_id,
			(SELECT string_agg(l.name, ' ' ORDER BY l.id) FROM afe_hosts_labels AS hl JOIN afe_labels AS l ON l.id = hl.label_id WHERE hl.host_id = h.id),
			(SELECT string_agg(g.name || '=' || concat((SELECT string_agg(u.login, '+' ORDER BY u.id) FROM afe_acl_groups_users AS gu JOIN afe_users AS u ON u.id = gu.user_id WHERE gu.aclgroup_id = g.id)), ' ' ORDER BY g.id)
				FROM afe_acl_groups_hosts AS gh JOIN afe_acl_groups AS g ON g.id = gh.aclgroup_id WHERE gh.host_id = h.id),
			(SELECT string_agg(a.attribute || '=' || a.value, ' ' ORDER BY a.id) FROM afe_host_attributes AS a WHERE a.host_id = h.id),
			(SELECT s.hostname FROM afe_shards AS s WHERE s.id = h.shard_id))
		FROM afe_hosts AS h
		UNION ALL
		SELECT 'job ' || j.id, concat_ws('; ', j.shard_id,
			(SELECT string_agg(e.id || ' ' || e.aborted, ' ' ORDER BY e.id) FROM afe_host_queue_entries AS e WHERE e.job_id = j.id),
			(SELECT string_agg(d.label_id::text, ' ' ORDER BY d.label_id) FROM afe_jobs_dependency_labels AS d WHERE d.job_id = j.id),
			(SELECT string_agg(k.key || '=' || k.value, ' ' ORDER BY k.id) FROM afe_job_keyvals AS k WHERE k.job_id = j.id))
		FROM afe_jobs AS j
		UNION ALL
		SELECT 'suite_keyval ' || k.job_id - 900, k.value FROM afe_job_keyvals AS k WHERE k.job_id > 900`)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	var object, whole string
	if _, err := pgx.ForEachRow(rows, []any{&object, &whole}, func() error { all[object] = whole; return nil }); err != nil {
		t.Fatal(err)
	}
	return all
}

// A trigger of the site that returns NULL for a row of an object keeps the whole object out, and is
// told: no object is stored in part (P4). All others are stored.
func TestASwallowedRowKeepsItsObjectOut(t *testing.T) {
	t.Parallel()
	pool, master := pgtest.Pool(t), newMaster(t)
	client := newClient(t, pool, wire(t, master, afe.Protocol2019), options())
	for _, tt := range []struct {
		isHere        bool // what the answer changes
		event, object string
	}{
		{false, "INSERT ON afe_jobs WHEN NEW.id = 3", "job 3"},
		{false, "INSERT ON afe_host_queue_entries WHEN NEW.id = 2003", "job 3"},
		{false, "INSERT ON afe_jobs_dependency_labels WHEN NEW.job_id = 3", "job 3"},
		{false, "INSERT ON afe_job_keyvals WHEN NEW.job_id = 3", "job 3"},
		{false, "INSERT ON afe_job_keyvals WHEN NEW.job_id = 907", "suite_keyval 7"},
		{false, "INSERT ON afe_hosts WHEN NEW.id = 3", "host 3"},
		{false, "INSERT ON afe_hosts_labels WHEN NEW.host_id = 3", "host 3"},
		{false, "INSERT ON afe_acl_groups_hosts WHEN NEW.host_id = 3", "host 3"},
		{false, "INSERT ON afe_host_attributes WHEN NEW.host_id = 3", "host 3"},
		{false, "INSERT ON afe_shards WHEN NEW.id = 7", "host 10"},
		{false, "INSERT ON afe_labels WHEN NEW.id = 2", "host 10"},
		{false, "INSERT ON afe_acl_groups WHEN NEW.id = 2", "host 10"},
		{false, "INSERT ON afe_users WHEN NEW.id = 2", "host 10"},
		{false, "INSERT ON afe_acl_groups_users WHEN NEW.user_id = 2", "host 10"},
		{true, "UPDATE ON afe_jobs WHEN NEW.id = 3", "job 3"},
		{true, "INSERT ON afe_host_queue_entries WHEN NEW.id = 3003", "job 3"},
		{true, "UPDATE ON afe_host_queue_entries WHEN NEW.id = 1003", "job 3"},
		{true, "INSERT ON afe_jobs_dependency_labels WHEN NEW.job_id = 3", "job 3"},
		{true, "INSERT ON afe_job_keyvals WHEN NEW.job_id = 3", "job 3"},
		{true, "DELETE ON afe_job_keyvals WHEN OLD.job_id = 3", "job 3"},
		{true, "UPDATE ON afe_job_keyvals WHEN NEW.job_id = 907", "suite_keyval 7"},
		{true, "UPDATE ON afe_hosts WHEN NEW.id = 3", "host 3"},
		{true, "UPDATE ON afe_hosts WHEN NEW.id = 11", "host 11"},
		{true, "INSERT ON afe_hosts_labels WHEN NEW.host_id = 3", "host 3"},
		{true, "INSERT ON afe_acl_groups_hosts WHEN NEW.host_id = 3", "host 3"},
		{true, "INSERT ON afe_host_attributes WHEN NEW.host_id = 3", "host 3"},
		{true, "DELETE ON afe_host_attributes WHEN OLD.host_id = 3", "host 3"},
		{true, "UPDATE ON afe_shards WHEN NEW.id = 7", "host 10"},
		{true, "UPDATE ON afe_labels WHEN NEW.id = 2", "host 10"},
		{true, "UPDATE ON afe_acl_groups WHEN NEW.id = 2", "host 10"},
		{true, "INSERT ON afe_users WHEN NEW.id = 3", "host 10"},
		{true, "INSERT ON afe_acl_groups_users WHEN NEW.user_id = 3", "host 10"},
	} {
		t.Run(fmt.Sprintf("%s, here %t", tt.event, tt.isHere), func(t *testing.T) {
			empty(t, pool)
			pgtest.Exec(t, pool, "INSERT INTO afe_hosts (id, hostname) VALUES (11, 'h11')")
			if tt.isHere {
				master.saysResult(wholeAnswer(false))
				mustBeat(t, client)
			}
			before := wholes(t, pool)
			on, when, _ := strings.Cut(tt.event, " WHEN ")
			pgtest.Exec(t, pool, fmt.Sprintf(`CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
				CREATE TRIGGER swallow BEFORE %s FOR EACH ROW WHEN (%s) EXECUTE FUNCTION swallow()`, on, when), simple)
			master.saysResult(wholeAnswer(tt.isHere))
			mustBeat(t, client)
			table := strings.Fields(tt.event)[2]
			line := aside(t, pool, "in ")
			isTold := strings.Contains(line, "swallowed a row") || strings.Contains(line, "violates foreign key constraint") // what refers to the row fails first
			if !isTold || !strings.HasPrefix(line, "in "+tt.object+" database: ") || !strings.Contains(line, table) {
				t.Errorf("set aside: %s; want %s, with the table", line, tt.object)
			}
			during := wholes(t, pool)
			pgtest.Exec(t, pool, "DROP FUNCTION swallow CASCADE")
			mustBeat(t, client)
			want := wholes(t, pool)
			if len(want) != 11+9+9 || len(quarantine(t, pool)) > 0 {
				t.Errorf("after it was mended: %v; set aside %q", want, quarantine(t, pool))
			}
			if want[tt.object] = before[tt.object]; want[tt.object] == "" {
				delete(want, tt.object)
			}
			if diff := cmp.Diff(want, during); diff != "" {
				t.Errorf("stored (-want +got):\n%s", diff)
			}
		})
	}
}

// Another session stores the same membership, and commits while the beat waits for it: nothing was
// swallowed.
func TestWhatAnotherSessionStoresIsNotSwallowed(t *testing.T) {
	t.Parallel()
	for table, statement := range map[string]string{
		"labels":     "INSERT INTO afe_hosts_labels (host_id, label_id) VALUES (1, 2)",
		"ACL groups": "INSERT INTO afe_acl_groups_hosts (host_id, aclgroup_id) VALUES (1, 2)",
	} {
		t.Run(table, func(t *testing.T) {
			pool, master := pgtest.Pool(t), newMaster(t)
			client := newClient(t, pool, wire(t, master, afe.Protocol2019), options())
			both := labelled(1, 1, "l", 1, "g")
			master.saysResult(result([]string{both, labelled(2, 2, "m", 2, "h")}, nil, nil))
			mustBeat(t, client)
			both = replaced(t, both, `"labels": [`, `"labels": [{"id": 2, "name": "m"}, `)
			both = replaced(t, both, `"aclgroup_set": [`, `"aclgroup_set": [{"id": 2, "name": "h", "users": []}, `)
			master.saysResult(result([]string{both}, nil, nil))
			if b := besides(t, pool, client, statement, "SELECT 1"); !b.OK() || len(quarantine(t, pool)) > 0 {
				t.Errorf("%s: %s; set aside %q", b.Failure, b.Error, quarantine(t, pool))
			}
			if got := pgtest.Query[int](t, pool, "SELECT (SELECT count(*) FROM afe_hosts_labels) * 10 + (SELECT count(*) FROM afe_acl_groups_hosts)"); got != 33 {
				t.Errorf("%d, want 3 labels and 3 groups of hosts", got)
			}
		})
	}
}
