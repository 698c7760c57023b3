package scheduler_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"shardclient/runner/lab/scheduler"
	"shardclient/runner/pgtest"
)

// suite is a hostless job with a child on host 1, whose shard runs it.
const suite = oneHost + `
	INSERT INTO afe_jobs (id, owner, name, created_on) VALUES (5, 'alice', 'suite', now());
	INSERT INTO afe_host_queue_entries (id, job_id, status) VALUES (501, 5, 'Queued');`

func TestHostlessWaitsForItsChildren(t *testing.T) {
	t.Parallel()
	d := newDesk(t, suite+jobSQL(7, 1, 0)+"UPDATE afe_jobs SET parent_job_id = 5 WHERE id = 7")
	s := d.scheduler(scheduler.Options{Hostless: true})
	for range 50 {
		d.turn(s)
	}
	begun := []string{
		"entry 501: execution_subdir=5-alice/hostless", "entry 501: status=Starting", "entry 501: active=true",
		"entry 501: started_on=TIME", "entry 501: status=Running",
	}
	if diff := cmp.Diff(begun, normal(d.written())); diff != "" {
		t.Fatalf("while the child is open (-want +written):\n%s", diff)
	}
	pgtest.Exec(d.t, d.pool, "UPDATE afe_host_queue_entries SET complete = true WHERE id = 701")
	d.run(s, nil)
	want := slices.Concat(begun, []string{
		"entry 501: status=Gathering", "entry 501: status=Parsing", "entry 501: active=false",
		"entry 501: status=Completed", "entry 501: finished_on=TIME", "entry 501: complete=true",
	})
	if diff := cmp.Diff(want, normal(d.written())); diff != "" {
		t.Errorf("(-want +written):\n%s", diff)
	}
}

// One without children takes its turns too; an aborted one does not wait for its children.
func TestHostlessEnds(t *testing.T) {
	t.Parallel()
	for edit, status := range map[string]string{
		"UPDATE afe_jobs SET synch_count = 2": "Completed",
		"UPDATE afe_host_queue_entries SET aborted = true WHERE id = 501; UPDATE afe_jobs SET parent_job_id = 5 WHERE id = 7": "Aborted",
	} {
		d := newDesk(t, suite+jobSQL(7, 1, 0)+edit)
		s := d.scheduler(scheduler.Options{Hostless: true})
		if work := d.turn(s); work.Open != 1 || work.Ended() != 0 && status == "Completed" {
			t.Errorf("first turn: %+v", work)
		}
		d.run(s, nil)
		if got := pgtest.Query[string](t, d.pool, "SELECT status FROM afe_host_queue_entries WHERE id = 501 AND complete"); got != status {
			t.Errorf("%s: %s, want %s", edit, got, status)
		}
		d.must("nothing else is touched", "SELECT * FROM audit WHERE program = 'scheduler' AND (of_table <> 'afe_host_queue_entries' OR id <> 501)")
	}
}

// New hosts of an AFE are leased. A master's own scheduler releases those that are ready and that
// nobody uses, and nobody holds at this moment.
func TestHostlessReleasesUnusedHosts(t *testing.T) {
	t.Parallel()
	d := newDesk(t, oneHost+moreHosts(7)+jobSQL(7, 3, 0)+`
		UPDATE afe_hosts SET leased = id <> 1;
		UPDATE afe_hosts SET locked = true WHERE id = 2;
		UPDATE afe_hosts SET status = 'Repairing' WHERE id = 3;
		UPDATE afe_host_queue_entries SET host_id = 4, status = 'Running', active = true WHERE id = 701;
		UPDATE afe_host_queue_entries SET host_id = 5 WHERE id = 702`)
	tx, err := d.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	pgtest.Exec(d.t, tx, "SELECT FROM afe_hosts WHERE id = 6 FOR NO KEY UPDATE")
	s := d.scheduler(scheduler.Options{Hostless: true})
	if work := d.turn(s); work.Released != 2 {
		t.Errorf("released %d hosts, want 2", work.Released)
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.turn(s)
	d.turn(s)
	want := []string{"host 5: leased=false", "host 7: leased=false", "host 6: leased=false"}
	if diff := cmp.Diff(want, d.written()); diff != "" {
		t.Errorf("(-want +written):\n%s", diff)
	}
}

// A shard's scheduler leaves it alone, aborted or not.
func TestHostlessIsLeftAloneOtherwise(t *testing.T) {
	t.Parallel()
	d := newDesk(t, suite+jobSQL(7, 1, 0)+"UPDATE afe_host_queue_entries SET aborted = true WHERE id = 501")
	d.run(d.scheduler(scheduler.Options{}), nil)
	d.must("the hostless entry is as it was", "SELECT * FROM audit WHERE of_table = 'afe_host_queue_entries' AND id = 501")
	d.must("the others have ended", "SELECT * FROM afe_host_queue_entries WHERE id <> 501 AND NOT complete")
}
