package scheduler_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"shardclient/runner/lab/scheduler"
	"shardclient/runner/pgtest"
)

// Which host an entry may have, case by case: job 7 of alice, who is in the group lab, and host 1.
func TestWhichHostFits(t *testing.T) {
	t.Parallel()
	const alice = `
		INSERT INTO afe_labels (id, name) VALUES (2, 'pool:b');
		INSERT INTO afe_users (id, login) VALUES (1, 'alice'), (2, 'bob');
		INSERT INTO afe_acl_groups (id, name) VALUES (2, 'lab'), (3, 'other');
		INSERT INTO afe_acl_groups_users (aclgroup_id, user_id) VALUES (2, 1), (3, 2);`
	const onlyMetaHost = "DELETE FROM afe_jobs_dependency_labels; UPDATE afe_host_queue_entries SET meta_host = "
	d := newDesk(t, "SELECT")
	for _, c := range []struct {
		name, edit string
		want       bool
	}{
		{name: "by dependency label", want: true},
		{name: "a dependency label is missing", edit: "INSERT INTO afe_jobs_dependency_labels (job_id, label_id) VALUES (7, 2)"},
		{name: "both dependency labels", want: true, edit: `
			INSERT INTO afe_jobs_dependency_labels (job_id, label_id) VALUES (7, 2);
			INSERT INTO afe_hosts_labels (host_id, label_id) VALUES (1, 2)`},
		{name: "by meta host", edit: onlyMetaHost + "1", want: true},
		{name: "another meta host", edit: onlyMetaHost + "2"},
		{name: "its own host", edit: "DELETE FROM afe_jobs_dependency_labels; UPDATE afe_host_queue_entries SET host_id = 1", want: true},
		{name: "another host", edit: `
			INSERT INTO afe_hosts (id, hostname) VALUES (2, 'h2');
			UPDATE afe_host_queue_entries SET host_id = 2`},
		{name: "hostless", edit: "DELETE FROM afe_jobs_dependency_labels"},
		{name: "invalid", edit: "UPDATE afe_hosts SET invalid = true"},
		{name: "locked", edit: "UPDATE afe_hosts SET locked = true"},
		{name: "leased", edit: "UPDATE afe_hosts SET leased = true"},
		{name: "not Ready", edit: "UPDATE afe_hosts SET status = 'Repair Failed'"},
		{name: "aborted", edit: "UPDATE afe_host_queue_entries SET aborted = true"},
		{name: "in the owner's group", edit: "UPDATE afe_acl_groups_hosts SET aclgroup_id = 2", want: true},
		{name: "in another group", edit: "UPDATE afe_acl_groups_hosts SET aclgroup_id = 3"},
		{name: "in no group", edit: "DELETE FROM afe_acl_groups_hosts"},
		{name: "an owner whom nobody knows", edit: "UPDATE afe_jobs SET owner = 'carol'", want: true},
	} {
		d.refill(oneHost + alice + jobSQL(7, 1, 0) + c.edit)
		tried := 0
		db := &hooked{DBTX: d.schedules, before: func(sql string) error {
			tried += strings.Count(sql, "name: SchedulerLeaseHost ")
			return nil
		}}
		work := d.turn(start(t, db, scheduler.Options{}))
		if want := strings.Count(fmt.Sprint(c.want), "true"); work.Assigned != want || tried != want {
			t.Errorf("%s: assigned %d after %d tries, want %d", c.name, work.Assigned, tried, want)
		}
	}
}

// A host that is taken from under the scheduler, between its read and the lease, is not taken.
func TestHostIsNoLongerFree(t *testing.T) {
	t.Parallel()
	d := newDesk(t, "SELECT")
	for _, edit := range []string{"invalid = true", "locked = true", "leased = true", "status = 'Verifying'"} {
		d.refill(oneHost + jobSQL(7, 1, 0))
		work := d.turn(start(t, &hooked{DBTX: d.schedules, before: func(sql string) error {
			if strings.Contains(sql, "name: SchedulerLeaseHost ") {
				pgtest.Exec(d.t, d.pool, "UPDATE afe_hosts SET "+edit)
			}
			return nil
		}}, scheduler.Options{}))
		if written := d.written(); work.Assigned != 0 || len(written) != 0 {
			t.Errorf("%s: assigned %d, wrote %q", edit, work.Assigned, written)
		}
	}
}

// The order is priority, then id, whichever job an entry belongs to.
func TestOrderOfAssignment(t *testing.T) {
	t.Parallel()
	d := newDesk(t, oneHost+jobSQL(7, 2, 0)+jobSQL(8, 1, 0)+jobSQL(9, 1, 0)+`
		UPDATE afe_jobs SET priority = 50 WHERE id = 9;
		UPDATE afe_host_queue_entries SET id = 699 WHERE id = 801`)
	d.run(d.scheduler(scheduler.Options{}), nil)
	order := pgtest.Column[int64](t, d.pool, "SELECT (changed ->> 'synch_id')::bigint FROM audit WHERE of_table = 'afe_hosts' AND changed -> 'leased' = 'true' ORDER BY n")
	if diff := cmp.Diff([]int64{901, 699, 701, 702}, order); diff != "" {
		t.Errorf("entries that got the host (-want +got):\n%s", diff)
	}
}

// A synchronous job gets all the hosts it needs or none, and an entry that could have several
// leaves the one that another needs.
func TestGroupGetsAllHostsOrNone(t *testing.T) {
	t.Parallel()
	const three = `
		INSERT INTO afe_labels (id, name) VALUES (2, 'b');
		INSERT INTO afe_hosts_labels (host_id, label_id) VALUES (1, 2);
		UPDATE afe_host_queue_entries SET meta_host = 2 WHERE id = 702;` // only host 1 has it
	d := newDesk(t, oneHost+moreHosts(2)+jobSQL(7, 2, 2)+three+"UPDATE afe_hosts SET locked = true WHERE id = 2")
	s := d.scheduler(scheduler.Options{Seed: 1})
	if work := d.turn(s); work.Assigned != 0 || work.Statements != 0 {
		t.Errorf("assigned %d of 2 entries with %d statements, want none", work.Assigned, work.Statements)
	}
	pgtest.Exec(d.t, d.pool, "UPDATE afe_hosts SET locked = false")
	if work := d.turn(s); work.Assigned != 2 {
		t.Errorf("assigned %d of 2 entries", work.Assigned)
	}
	d.must("each has the host that fits", "SELECT * FROM afe_host_queue_entries WHERE host_id <> 703 - id")
	d.run(s, nil)
	d.atTheEnd()
	d.together()
}

// A job with more hosts to ask for than there can be is given up, not kept for ever.
func TestTooFewEntriesForAGroup(t *testing.T) {
	t.Parallel()
	d := newDesk(t, "SELECT")
	for seed := range uint64(16) {
		d.refill(oneHost + moreHosts(3))
		s := d.scheduler(scheduler.Options{Seed: seed})
		d.turn(s) // what it finds in its first turn would wait for nothing
		pgtest.Exec(d.t, d.pool, jobSQL(7, 2, 3))
		d.run(s, nil)
		d.must("both entries are stopped, and uploaded", `
			SELECT * FROM afe_host_queue_entries AS e JOIN afe_jobs AS j ON j.id = e.job_id
			WHERE status <> 'Stopped' OR NOT complete OR started_on IS NOT NULL OR shard_id IS NOT NULL`)
		d.must("the first one stops the other", "SELECT * FROM audit WHERE program = 'scheduler' AND changed ? 'complete' AND (changed ? 'status') <> (id = 702)")
	}
}

// An entry of a group that fails before it runs takes the others with it.
func TestGroupBreaksBeforeItRuns(t *testing.T) {
	t.Parallel()
	for seed := range uint64(1000) {
		if _, early := scheduler.Fails(seed, 0.3, 701); !early {
			continue
		}
		if _, early := scheduler.Fails(seed, 0.3, 702); early {
			continue
		}
		d := newDesk(t, oneHost+moreHosts(4)+jobSQL(7, 4, 2))
		d.run(d.scheduler(scheduler.Options{Seed: seed, FailShare: 0.3}), nil)
		d.must("the first entry fails before it starts",
			"SELECT * FROM afe_host_queue_entries WHERE id = 701 AND (status <> 'Failed' OR started_on IS NOT NULL)")
		d.atTheEnd()
		d.together()
		return
	}
	t.Fatal("no seed lets entry 701 fail early")
}

// After an abort on the way to a group nobody of the job runs: who waited for another host, with
// one in hand, could wait for one that waits for it.
func TestGroupBreaksByAnAbort(t *testing.T) {
	t.Parallel()
	d := newDesk(t, "SELECT")
	for _, hosts := range []int{2, 4} {
		for seed := range uint64(6) {
			d.refill(oneHost + moreHosts(hosts) + jobSQL(7, 4, 2))
			s := d.scheduler(scheduler.Options{Seed: seed})
			d.turn(s)
			pgtest.Exec(d.t, d.pool, "UPDATE afe_host_queue_entries SET aborted = true WHERE id = 701")
			d.run(s, nil)
			d.atTheEnd()
			d.must("nobody runs, and all but the first are stopped",
				"SELECT * FROM afe_host_queue_entries WHERE started_on IS NOT NULL OR (status = 'Aborted') <> (id = 701)")
		}
	}
}

// The second group of a job waits for a whole group's hosts, also while one of the first group
// still has its host.
func TestGroupsOfOneJob(t *testing.T) {
	t.Parallel()
	d := newDesk(t, "SELECT")
	for seed := range uint64(8) {
		d.refill(oneHost + moreHosts(2) + jobSQL(7, 4, 2))
		d.run(d.scheduler(scheduler.Options{Seed: seed}), nil)
		d.atTheEnd()
		d.together()
	}
}

// What a scheduler that knows no marks has begun is taken over, its upload asked for and its host
// freed in the end.
func TestTakesOverFromAnotherScheduler(t *testing.T) {
	t.Parallel()
	d := newDesk(t, "SELECT")
	for _, variant := range scheduler.Variants() {
		for _, row := range []string{
			"status = 'Provisioning', active = true",
			"status = 'Running', active = true, started_on = now(), execution_subdir = 'elsewhere'",
			"status = 'Parsing', started_on = now(), execution_subdir = 'elsewhere'",
			"status = 'Completed', active = true, started_on = now(), execution_subdir = 'elsewhere'", // half ended
		} {
			d.refill(oneHost + jobSQL(7, 1, 0) + `
				UPDATE afe_hosts SET leased = true;
				UPDATE afe_host_queue_entries SET host_id = 1, ` + row)
			d.run(d.scheduler(scheduler.Options{Seed: seedFor(t, variant, 7)}), nil)
			d.atTheEnd()
			d.must("it ends as any other", "SELECT * FROM afe_host_queue_entries WHERE status <> 'Completed' OR execution_subdir = ''")
		}
	}
}
