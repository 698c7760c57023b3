package shard_test

import (
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/runner/afe"
	"shardclient/runner/pgtest"
	"shardclient/schema"
)

// With the tables of a real scheduler a job has a host once. A job of the master that has it twice
// is set aside alone (P6), with whatever is here of it.
func TestP6AHostTwiceInAJob(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	if _, err := schema.Scheduler.UpTelling(t.Context(), url, nil); err != nil {
		t.Fatal(err)
	}
	pool, err := pgxpool.New(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	master := newMaster(t)
	client := newClient(t, pool, wire(t, master, afe.Protocol2019), options())
	on := func(id, hostID int) string {
		return entry(id, fmt.Sprintf(`"host_id": %d`, hostID))
	}
	master.saysResult(result(
		[]string{labelled(1, 1, "l", 1, "g", user(1, "alice")), labelled(2, 1, "l", 1, "g", user(1, "alice"))},
		[]string{job(1, on(11, 1), on(12, 1)), job(2, on(21, 1), on(22, 2)), job(3, entry(31), entry(32))}, nil))
	for range 2 {
		if b := mustBeat(t, client); b.Quarantined != 1 {
			t.Errorf("%d objects set aside, want 1", b.Quarantined)
		}
		if have := storedIDs(t, pool); have != "1 2; 2 3" {
			t.Errorf("stored: %s", have)
		}
	}
	if code := pgtest.Query[string](t, pool, "SELECT code || ' ' || object_id FROM shard_client_quarantine"); code != "database 1" {
		t.Errorf("set aside: %s", code)
	}
}

// A parent that is not here costs no job: the master names it in a keyval, and a parent_job_id,
// which no master sends, is not read.
func TestAJobOfAnAbsentParentIsStored(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	master := newMaster(t)
	client := newClient(t, pool, wire(t, master, afe.Protocol2019), options())
	child := replaced(t, job(2, entry(21)), `"key": "build", "value": "eve"`, `"key": "parent_job_id", "value": "99"`)
	master.saysResult(result(nil, []string{replaced(t, child, `"owner": "alice"`, `"owner": "alice", "parent_job_id": 99`)}, nil))
	if b := mustBeat(t, client); b.Quarantined != 0 {
		t.Errorf("%d objects set aside", b.Quarantined)
	}
	if n := pgtest.Query[int](t, pool, "SELECT count(*) FROM afe_jobs WHERE id = 2 AND parent_job_id IS NULL"); n != 1 {
		t.Error("job 2 is not stored without its parent")
	}
}
