package shard_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/runner/afe"
	"shardclient/runner/lab/replay"
	"shardclient/runner/lock"
	"shardclient/runner/pgtest"
)

// rowVersions identifies every stored row and its last writer.
func rowVersions(t *testing.T, pool *pgxpool.Pool) map[string]int {
	t.Helper()
	versions := map[string]int{}
	for _, table := range []string{
		"afe_shards", "afe_labels", "afe_users", "afe_acl_groups", "afe_acl_groups_users", "afe_acl_groups_hosts",
		"afe_hosts", "afe_hosts_labels", "afe_host_attributes", "afe_jobs", "afe_jobs_dependency_labels",
		"afe_job_keyvals", "afe_host_queue_entries",
	} {
		rows, err := pool.Query(t.Context(), fmt.Sprintf("SELECT '%s ' || id || ' ' || xmin FROM %s", table, table))
		if err != nil {
			t.Fatal(err)
		}
		ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range ids {
			versions[id]++
		}
	}
	return versions
}

func large(t testing.TB) http.Handler {
	body, err := os.ReadFile(largeResponse)
	if err != nil {
		t.Fatal(err)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(body) })
}

// Applying the same response again leaves every row as it is, untouched.
func TestP3ABeatIsRepeatable(t *testing.T) {
	pool, master := pgtest.Pool(t), newMaster(t)
	client := newClient(t, pool, wire(t, master, afe.Protocol2019), options())
	master.say(large(t))
	mustBeat(t, client)
	before := rowVersions(t, pool)
	mustBeat(t, client)
	if diff := cmp.Diff(before, rowVersions(t, pool)); diff != "" {
		t.Errorf("rows written by a repeated beat (-before +after):\n%.2000s", diff)
	}
}

// A job is never visible without its entries, nor a host without its labels,
// while a response is stored and when storing it fails halfway.
func TestP4ObjectsAppearWhole(t *testing.T) {
	const halves = `SELECT
		(SELECT count(*) FROM afe_jobs j WHERE NOT EXISTS (SELECT FROM afe_host_queue_entries e WHERE e.job_id = j.id)
			OR NOT EXISTS (SELECT FROM afe_job_keyvals k WHERE k.job_id = j.id))
		+ (SELECT count(*) FROM afe_hosts h WHERE NOT EXISTS (SELECT FROM afe_hosts_labels l WHERE l.host_id = h.id)
			OR NOT EXISTS (SELECT FROM afe_acl_groups_hosts g WHERE g.host_id = h.id)
			OR NOT EXISTS (SELECT FROM afe_host_attributes a WHERE a.host_id = h.id))`
	pool, master := pgtest.Pool(t), newMaster(t)
	o := options()
	o.ApplyChunk = 50
	client := newClient(t, pool, wire(t, master, afe.Protocol2019), o)
	master.say(large(t))

	// The last statement of a chunk fails: nothing of the chunk is there.
	exec(t, pool, `CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'broken' USING ERRCODE = '53100'; END $$`)
	exec(t, pool, `CREATE TRIGGER broken BEFORE INSERT ON afe_job_keyvals FOR EACH ROW WHEN (NEW.job_id = 500) EXECUTE FUNCTION fail()`)
	if b := client.Beat(t.Context(), time.Now()); b.Failure != "database" {
		t.Fatalf("beat with a broken table: %s %s, want a database failure", b.Outcome, b.Failure)
	}
	if n := query[int](t, pool, halves); n != 0 {
		t.Errorf("%d objects are half stored after a failure", n)
	}
	exec(t, pool, "DROP TRIGGER broken ON afe_job_keyvals")

	done := make(chan struct{})
	seen := make(chan int, 1)
	go func() {
		worst := 0
		for {
			select {
			case <-done:
				seen <- worst
				return
			default:
				var n int
				if err := pool.QueryRow(context.Background(), halves).Scan(&n); err == nil {
					worst = max(worst, n)
				}
			}
		}
	}()
	mustBeat(t, client)
	close(done)
	if worst := <-seen; worst != 0 {
		t.Errorf("%d half stored objects were seen while the response was stored", worst)
	}
}

// On rows that exist the master changes exactly what it may.
func TestP5TheLocalTruthWins(t *testing.T) {
	pool, master := pgtest.Pool(t), newMaster(t)
	client := newClient(t, pool, wire(t, master, afe.Protocol2019), options())
	const first = `{"hosts": [{"id": 1, "hostname": "h1", "status": "Ready", "leased": false, "locked": false, "dirty": false, "protection": 0,
			"labels": [{"id": 1, "name": "a"}], "aclgroup_set": [{"id": 1, "name": "g", "users": [{"id": 1, "login": "alice"}]}],
			"hostattribute_set": [{"attribute": "k", "value": "v"}, {"attribute": "gone", "value": "x"}], "shard": {"id": 1, "hostname": "s"}}],
		"jobs": [{"id": 1, "owner": "o", "name": "n", "created_on": "2019-01-01T00:00:00", "dependency_labels": [{"id": 1, "name": "a"}],
			"hostqueueentry_set": [{"id": 1, "status": "Running", "host_id": 1, "meta_host": {"id": 1, "name": "a"}, "active": false}],
			"jobkeyval_set": [{"key": "k", "value": "v"}, {"key": "gone", "value": "x"}], "shard": {"id": 1, "hostname": "s"}}],
		"suite_keyvals": [{"job_id": 9, "key": "build", "value": "1"}, {"job_id": 9, "key": "kept", "value": "1"}]}`
	const second = `{"hosts": [{"id": 1, "hostname": "other", "status": "Repairing", "leased": true, "locked": true, "dirty": true, "invalid": true, "protection": 2,
			"synch_id": 7, "lock_time": "2020-01-01T00:00:00", "lock_reason": "r",
			"labels": [{"id": 2, "name": "b"}], "aclgroup_set": [{"id": 2, "name": "g2", "users": []}, {"id": 1, "name": "g-new", "description": "d", "users": [{"id": 2, "login": "bob", "access_level": 5}]}],
			"hostattribute_set": [{"attribute": "k", "value": "v2"}], "shard": {"id": 2, "hostname": "s2"}}],
		"jobs": [{"id": 1, "owner": "o2", "name": "n2", "priority": 1, "created_on": "2020-01-01T00:00:00", "control_file": "x", "timeout": 1, "test_retry": 3,
			"dependency_labels": [{"id": 2, "name": "b", "platform": true}, {"id": 1, "name": "a-new", "platform": true}],
			"hostqueueentry_set": [{"id": 1, "status": "Queued", "host_id": null, "meta_host": {"id": 2, "name": "b"}, "active": true, "complete": true, "deleted": true,
				"aborted": true, "execution_subdir": "x", "started_on": "2020-01-01T00:00:00", "finished_on": "2020-01-01T00:00:00"}],
			"jobkeyval_set": [{"key": "k", "value": "v2"}], "shard": {"id": 2, "hostname": "s2"}}],
		"suite_keyvals": [{"job_id": 9, "key": "build", "value": "2"}]}`
	master.saysResult(first)
	mustBeat(t, client)
	if running := query[bool](t, pool, "SELECT active AND NOT complete FROM afe_host_queue_entries"); !running {
		t.Error("a new entry's active and complete do not follow from its status Running")
	}
	before := rowsAsJSON(t, pool)
	master.saysResult(second)
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
		if got := query[string](t, pool, sql); got != what {
			t.Errorf("%s: %q, want %q", sql, got, what)
		}
	}

	// NULL is the scheduler's; a field that is left out changes nothing.
	exec(t, pool, "UPDATE afe_jobs SET shard_id = NULL")
	before = rowsAsJSON(t, pool)
	master.saysResult(`{"hosts": [{"id": 1, "hostname": "h1"}], "jobs": [
		{"id": 1, "owner": "o", "name": "n", "created_on": "2019-01-01T00:00:00", "hostqueueentry_set": [{"id": 1, "status": "Queued"}], "shard": {"id": 1, "hostname": "s"}}],
		"suite_keyvals": []}`)
	mustBeat(t, client)
	if diff := cmp.Diff(before, rowsAsJSON(t, pool)); diff != "" {
		t.Errorf("fields that were not sent, and a NULL (-before +after):\n%s", diff)
	}
}

// rowsAsJSON is each row of the AFE tables whose id is the master's, or that
// hangs on one, by table and id.
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

func TestP7OneClientPerShard(t *testing.T) {
	pool, master := pgtest.Pool(t), newMaster(t)
	master.saysResult(result(nil, nil, nil))
	o := options()
	o.Who = "the first"
	first := newClient(t, pool, wire(t, master, afe.Protocol2019), o)
	mustBeat(t, first)
	o.Who = "the second"
	second := newClient(t, pool, wire(t, master, afe.Protocol2019), o)
	b := second.Beat(t.Context(), time.Now())
	var held *lock.HeldError
	if !errors.As(b.Err, &held) || held.Who != "the first" || held.BackendPID == 0 {
		t.Fatalf("second client: %v, want a HeldError that names the first", b.Err)
	}
	mustBeat(t, first) // undisturbed

	// Somebody empties our tables beneath us: one beat is lost, the next takes the
	// lock anew.
	exec(t, pool, "DELETE FROM shard_client_owner")
	master.saysResult(result([]string{host(1, "h1")}, nil, nil))
	if b := first.Beat(t.Context(), time.Now()); b.Failure != "lock_lost" {
		t.Errorf("beat without an owner row: %s %q, want lock_lost", b.Outcome, b.Failure)
	}
	mustBeat(t, first)
	held.BackendPID = query[int32](t, pool, "SELECT backend_pid FROM shard_client_owner")

	// The connection that holds the lock breaks between two beats: the client goes
	// on under a new epoch.
	epoch := query[int64](t, pool, "SELECT epoch FROM shard_client_owner")
	exec(t, pool, "SELECT pg_terminate_backend($1)", held.BackendPID)
	mustBeat(t, first)
	if now := query[int64](t, pool, "SELECT epoch FROM shard_client_owner"); now != epoch+1 {
		t.Errorf("epoch is %d after the lock was taken anew, want %d", now, epoch+1)
	}
}

// A client that lost the lock within a beat writes nothing more, whether another
// has taken over already or not yet.
func TestP7WhoLostTheLockWritesNothing(t *testing.T) {
	for _, takenOver := range []bool{false, true} {
		t.Run(fmt.Sprintf("taken over %v", takenOver), func(t *testing.T) {
			pool, master := pgtest.Pool(t), newMaster(t)
			first := newClient(t, pool, wire(t, master, afe.Protocol2019), options())
			o := options()
			o.Who = "another"
			second := newClient(t, pool, wire(t, master, afe.Protocol2019), o)
			response := result([]string{host(1, "h1")}, goodJobs(1), nil)
			master.say(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				exec(t, pool, "SELECT pg_terminate_backend(backend_pid) FROM shard_client_owner")
				for query[bool](t, pool, "SELECT EXISTS (SELECT FROM pg_stat_activity JOIN shard_client_owner ON pid = backend_pid)") {
					continue // it is told to end, but not yet gone
				}
				if takenOver {
					if err := second.Own(context.Background()); err != nil {
						t.Error(err)
					}
				}
				_, _ = fmt.Fprintf(w, `{"result": %s, "error": null}`, response)
			}))
			b := first.Beat(t.Context(), time.Now())
			if b.Failure != "lock_lost" || !errors.Is(b.Err, lock.ErrLost) {
				t.Errorf("beat: %q: %v, want lock_lost", b.Failure, b.Err)
			}
			if n := query[int](t, pool, "SELECT (SELECT count(*) FROM afe_jobs) + (SELECT count(*) FROM afe_hosts) + (SELECT count(*) FROM shard_client_heartbeats)"); n != 0 {
				t.Errorf("%d rows were written after the lock was lost", n)
			}
			master.saysResult(response)
			b = first.Beat(t.Context(), time.Now())
			if held := (*lock.HeldError)(nil); takenOver != errors.As(b.Err, &held) || takenOver == b.OK() {
				t.Errorf("the next beat: %s: %v", b.Outcome, b.Err)
			}
		})
	}
}

func TestP9HistoryAndQuarantineAreBounded(t *testing.T) {
	pool, master := pgtest.Pool(t), newMaster(t)
	o := options()
	o.HistoryKeep, o.QuarantineKeep = 3, 5
	client := newClient(t, pool, wire(t, master, afe.Protocol2019), o)
	var bad []string
	for id := range 40 {
		bad = append(bad, fmt.Sprintf(`{"id": %d, "hostname": 7}`, id+1))
	}
	for i := range 6 {
		master.saysResult(result(bad[i:], nil, nil))
		if b := mustBeat(t, client); b.Quarantined != 40-i {
			t.Errorf("set aside %d hosts, want %d", b.Quarantined, 40-i)
		}
	}
	if n := query[int](t, pool, "SELECT count(*) FROM shard_client_heartbeats"); n != 3 {
		t.Errorf("the history has %d rows, want 3", n)
	}
	if n := query[int](t, pool, "SELECT count(*) FROM shard_client_quarantine"); n != 5 {
		t.Errorf("the quarantine has %d rows, want 5", n)
	}
	exec(t, pool, "UPDATE shard_client_quarantine SET last_seen = now() - interval '8 days'")
	master.saysResult(result(nil, nil, nil))
	mustBeat(t, client)
	if n := query[int](t, pool, "SELECT count(*) FROM shard_client_quarantine"); n != 0 {
		t.Errorf("%d rows of the quarantine were not seen for 8 days and are still there", n)
	}
}

// After any mix of faults, two beats bring both sides together.
func TestP10Convergence(t *testing.T) {
	pool, master := pgtest.Pool(t), newMaster(t)
	client := newClient(t, pool, wire(t, master, afe.Protocol2019), options())
	exchanges, err := replay.Conversation("2019")
	if err != nil {
		t.Fatal(err)
	}
	broken := func(status int, body string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = fmt.Fprint(w, body)
		})
	}
	for _, e := range exchanges[:3] {
		before, err := replay.ReadSnapshot(t.Context(), pool)
		if err != nil {
			t.Fatal(err)
		}
		if err := before.WriteAsScheduler(t.Context(), pool, e.After); err != nil {
			t.Fatal(err)
		}
		for _, fault := range []http.Handler{
			broken(404, "<html>"), broken(200, "<html>"), broken(200, ""), broken(200, `{"result": [], "error": null}`),
			broken(200, `{"result": null, "error": {"name": "DoesNotExist", "message": "x", "traceback": ""}}`),
			broken(200, string(e.Response.Body[:len(e.Response.Body)/2])),
		} {
			master.say(fault)
			if b := client.Beat(t.Context(), time.Now()); b.OK() {
				t.Errorf("%s: a broken answer was taken for a good one", e.Name)
			}
		}
		master.say(e.Response)
		mustBeat(t, client)
		if diff := replay.DiffRequests(e.Request, master.last(t)); diff != "" {
			t.Errorf("%s: request after faults (-recorded +sent):\n%s", e.Name, diff)
		}
		after, err := replay.ReadSnapshot(t.Context(), pool)
		if err != nil {
			t.Fatal(err)
		}
		if diff := after.Diff(e.After); diff != "" {
			t.Errorf("%s: database after faults (-recorded +stored):\n%s", e.Name, diff)
		}
	}
	if !strings.Contains(string(master.last(t)), `"id":2`) {
		t.Error("the conversation uploaded nothing: this test shows nothing")
	}
}
