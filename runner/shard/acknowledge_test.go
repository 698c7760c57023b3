package shard_test

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"shardclient/runner/afe"
	"shardclient/runner/pgtest"
)

// A row may still change between being sent and being acknowledged. Then its job is uploaded again,
// as the rows read now (P2).
func TestP2NothingIsAcknowledgedThatWasNotSent(t *testing.T) {
	t.Parallel()
	rig := newRig(t, pgtest.Database(t))
	defer rig.close()
	changes := map[string]string{
		"an entry":     "UPDATE afe_host_queue_entries SET finished_on = '2019-03-15 12:00' WHERE id = 102",
		"aborted":      "UPDATE afe_host_queue_entries SET aborted = true WHERE id = 101",
		"the job":      "UPDATE afe_jobs SET priority = 99 WHERE id = 10",
		"new entry":    "INSERT INTO afe_host_queue_entries (id, job_id, status, complete) VALUES (109, 10, 'Completed', true)",
		"only written": "UPDATE afe_host_queue_entries SET finished_on = finished_on WHERE id = 102",
		"nothing":      "",
	}
	for what, sql := range changes {
		for _, position := range []string{"answer-acknowledge", "blocked"} {
			if position == "blocked" && (what == "new entry" || what == "only written") {
				continue // an insert locks no row that acknowledge wants; what is locked is left, whatever it will be
			}
			t.Run(fmt.Sprintf("%s changes, %s", what, position), func(t *testing.T) {
				s := scenario{entries: 2, position: position}
				if err := rig.reset(s); err != nil {
					t.Fatal(err)
				}
				for _, st := range variants(2)["fresh"] {
					if err := rig.run(st); err != nil {
						t.Fatal(err)
					}
				}
				p, err := rig.client.Pack(t.Context())
				if err != nil || len(p.Packet.Jobs) != 1 {
					t.Fatalf("pack: %v", err)
				}
				change := statement{what, func(*schedulerState) string { return sql }}
				if position == "answer-acknowledge" {
					if err := rig.run(change); err != nil {
						t.Fatal(err)
					}
				}
				if err := rig.acknowledge(s, change, p); err != nil {
					t.Fatal(err)
				}
				again, err := rig.client.Pack(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				want := 1
				if what == "nothing" || what == "only written" {
					want = 0
				}
				if n := len(again.Packet.Jobs); n != want {
					t.Errorf("%d jobs are uploaded next, want %d", n, want)
				}
			})
		}
	}
}

// What nobody has written since it was read is the same, so its records are not made again.
func TestUnwrittenRowsAreNotReadTwice(t *testing.T) {
	t.Parallel()
	pool, master := pgtest.Pool(t), newMaster(t)
	for id := 1; id <= 3; id++ {
		finish(t, pool, id, "x")
	}
	client := newClient(t, limited(t, pool), wire(t, master, afe.Protocol2019), options())
	master.say(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		slowToRead(t, pool, 1)
		pgtest.Exec(t, pool, "UPDATE afe_host_queue_entries SET execution_subdir = 'host2' WHERE id = 21")
		_, _ = io.WriteString(w, `{"result": `+result(nil, nil, nil)+`, "error": null, "id": "jsonrpc"}`)
	}))
	if b := client.Beat(t.Context(), time.Now()); b.Err != nil || b.UploadedJobs != 2 {
		t.Errorf("%d jobs acknowledged, error %v; want 2 and no error", b.UploadedJobs, b.Err)
	}
	if got := pgtest.Query[string](t, pool, unsent); got != "2" {
		t.Errorf("jobs to upload: %q, want only the one that was written", got)
	}
}

// Entries that nobody has written are acknowledged without a lock of their own: the scheduler need
// not wait for them. Those of a job are locked and compared if another session has ever locked one,
// such as for a foreign key: it might be writing.
func TestUnwrittenEntriesAreNotLocked(t *testing.T) {
	t.Parallel()
	pool, master := pgtest.Pool(t), newMaster(t)
	for id := 1; id <= 3; id++ {
		finish(t, pool, id, "x")
	}
	pgtest.Exec(t, pool, "SELECT FROM afe_host_queue_entries WHERE id = 21 FOR KEY SHARE")
	client := newClient(t, pool, wire(t, master, afe.Protocol2019), options())
	master.saysResult(result(nil, nil, nil))
	const locked = "SELECT array_agg(id ORDER BY id) FROM afe_host_queue_entries WHERE xmax <> 0"
	if got := pgtest.Query[[]int64](t, pool, locked); !slices.Equal(got, []int64{21}) {
		t.Fatalf("entries that were ever locked: %v, want 21", got)
	}
	if b := client.Beat(t.Context(), time.Now()); b.Err != nil || b.UploadedJobs != 3 {
		t.Errorf("%d jobs acknowledged, error %v; want 3 and no error", b.UploadedJobs, b.Err)
	}
	if got := pgtest.Query[[]int64](t, pool, locked); !slices.Equal(got, []int64{21, 22}) {
		t.Errorf("entries that were ever locked: %v, want those of job 2", got)
	}
}

// A trigger of the site on jobs may write entries. It finds them locked, and so waits for no
// scheduler that waits for the job.
func TestEntriesThatATriggerMayWriteAreLocked(t *testing.T) {
	t.Parallel()
	const create = "CREATE TRIGGER of_the_site AFTER UPDATE ON afe_jobs FOR EACH ROW EXECUTE FUNCTION write_entries()"
	for _, c := range []struct {
		trigger string
		locked  bool
	}{
		{create, true},
		{strings.Replace(create, "UPDATE", "INSERT OR UPDATE OF shard_id", 1), true},
		{strings.Replace(create, "UPDATE", "INSERT", 1), false},
		{create + "; ALTER TABLE afe_jobs DISABLE TRIGGER of_the_site", false},
		{strings.Replace(create, "ON afe_jobs", "ON afe_hosts", 1), false},
	} {
		pool, master := pgtest.Pool(t), newMaster(t)
		finish(t, pool, 1, "x")
		pgtest.Exec(t, pool, "CREATE FUNCTION write_entries() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'")
		pgtest.Exec(t, pool, c.trigger)
		client := newClient(t, pool, wire(t, master, afe.Protocol2019), options())
		master.saysResult(result(nil, nil, nil))
		if b := client.Beat(t.Context(), time.Now()); b.Err != nil || b.UploadedJobs != 1 {
			t.Errorf("%s: %d jobs acknowledged, error %v; want 1 and no error", c.trigger, b.UploadedJobs, b.Err)
		}
		if locked := pgtest.Query[bool](t, pool, "SELECT bool_and(xmax <> 0) FROM afe_host_queue_entries"); locked != c.locked {
			t.Errorf("%s: entries were locked: %t", c.trigger, locked)
		}
	}
}

// A job that has its shard already, and is uploaded for what the ledger says, is not written: the
// scheduler need not wait for it, and no other client sees an acknowledgment.
func TestAcknowledgedJobsAreNotWrittenAgain(t *testing.T) {
	t.Parallel()
	pool, master := pgtest.Pool(t), newMaster(t)
	finish(t, pool, 1, "x")
	pgtest.Exec(t, pool, "UPDATE afe_jobs SET shard_id = 1") // another client's acknowledgment
	const version = "SELECT xmin::text FROM afe_jobs"
	before := pgtest.Query[string](t, pool, version)
	client := newClient(t, pool, wire(t, master, afe.Protocol2019), options())
	master.saysResult(result(nil, nil, nil))
	if b := client.Beat(t.Context(), time.Now()); b.Err != nil || b.UploadedJobs != 1 {
		t.Errorf("%d jobs acknowledged, error %v; want 1 and no error", b.UploadedJobs, b.Err)
	}
	if after := pgtest.Query[string](t, pool, version); after != before {
		t.Errorf("the job was written again: version %s, before %s", after, before)
	}
}
