package shard_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/runner/afe"
	"shardclient/runner/lab/replay"
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
	t.Parallel()
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

// A job is never visible without its entries, nor a host without its labels, while a response is
// stored and when storing it fails halfway.
func TestP4ObjectsAppearWhole(t *testing.T) {
	t.Parallel()
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
	pgtest.Exec(t, pool, `CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'broken' USING ERRCODE = '53100'; END $$`)
	pgtest.Exec(t, pool, `CREATE TRIGGER broken BEFORE INSERT ON afe_job_keyvals FOR EACH ROW WHEN (NEW.job_id = 500) EXECUTE FUNCTION fail()`)
	if b := client.Beat(t.Context(), time.Now()); b.Failure != "database" {
		t.Fatalf("beat with a broken table: %s %s, want a database failure", b.Outcome, b.Failure)
	}
	if n := pgtest.Query[int](t, pool, halves); n != 0 {
		t.Errorf("%d objects are half stored after a failure", n)
	}
	pgtest.Exec(t, pool, "DROP TRIGGER broken ON afe_job_keyvals")

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

func TestP9HistoryAndQuarantineAreBounded(t *testing.T) {
	t.Parallel()
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
	if n := pgtest.Query[int](t, pool, "SELECT count(*) FROM shard_client_heartbeats"); n != 3 {
		t.Errorf("the history has %d rows, want 3", n)
	}
	if n := pgtest.Query[int](t, pool, "SELECT count(*) FROM shard_client_quarantine"); n != 5 {
		t.Errorf("the quarantine has %d rows, want 5", n)
	}
	pgtest.Exec(t, pool, "UPDATE shard_client_quarantine SET last_seen = now() - interval '8 days'")
	master.saysResult(result(nil, nil, nil))
	mustBeat(t, client)
	if n := pgtest.Query[int](t, pool, "SELECT count(*) FROM shard_client_quarantine"); n != 0 {
		t.Errorf("%d rows of the quarantine were not seen for 8 days and are still there", n)
	}
}

// After any mix of faults, two beats bring both sides together.
func TestP10Convergence(t *testing.T) {
	t.Parallel()
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
