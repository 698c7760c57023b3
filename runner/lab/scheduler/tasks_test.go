package scheduler_test

import (
	"strings"
	"testing"

	"shardclient/runner/lab/scheduler"
	"shardclient/runner/pgtest"
)

// restsInItsOwnTables makes sure that nothing is left open in the tables of a real scheduler.
func (d *desk) restsInItsOwnTables() {
	d.t.Helper()
	d.must("each special task is complete", "SELECT * FROM afe_special_tasks WHERE NOT is_complete OR is_active OR time_finished IS NULL")
	d.must("no block is left", "SELECT * FROM afe_ineligible_host_queues")
	d.must("each hand-off has ended", "SELECT * FROM afe_job_handoffs WHERE NOT completed")
	d.must("a job has a host once", "SELECT job_id, host_id FROM afe_host_queue_entries WHERE host_id IS NOT NULL GROUP BY 1, 2 HAVING count(*) > 1")
	if n := pgtest.Query[int](d.t, d.pool, "SELECT count(*) FROM afe_special_tasks"); n == 0 {
		d.t.Error("no special task was written")
	}
}

// Where a real scheduler's tables are, it is written there what that one writes: a block with the
// host, a task that prepares it, a hand-off to lucifer; and all of it ends with the job.
func TestARealSchedulersTables(t *testing.T) {
	t.Parallel()
	sql := oneHost + moreHosts(4) + "INSERT INTO afe_users (id, login) VALUES (1, 'alice');"
	for id := int64(1); id <= 12; id++ {
		sql += jobSQL(id, 2, 0)
	}
	d := newRealDesk(t, sql)
	blocked, active, handed := false, false, false
	d.run(d.scheduler(scheduler.Options{Seed: 3, FailShare: 0.3}), func() {
		blocked = blocked || pgtest.Query[bool](t, d.pool, "SELECT EXISTS (SELECT FROM afe_ineligible_host_queues)")
		active = active || pgtest.Query[bool](t, d.pool, "SELECT EXISTS (SELECT FROM afe_special_tasks WHERE is_active)")
		handed = handed || pgtest.Query[bool](t, d.pool, "SELECT EXISTS (SELECT FROM afe_job_handoffs WHERE NOT completed)")
	})
	if !blocked || !active || !handed {
		t.Errorf("seen: a block %t, an active task %t, a job that is handed off %t; want all", blocked, active, handed)
	}
	d.restsInItsOwnTables()
	d.must("a task belongs to the entry of its host", `SELECT t.* FROM afe_special_tasks AS t
		JOIN afe_host_queue_entries AS e ON e.id = t.queue_entry_id WHERE e.host_id <> t.host_id`)
}

// The statements at the end of an entry come as the dispatcher of 2019 was seen to write them.
func TestARealCompletion(t *testing.T) {
	t.Parallel()
	for seed := range uint64(40) {
		d := newDesk(t, oneHost+jobSQL(7, 1, 0))
		d.run(d.scheduler(scheduler.Options{Seed: seed}), nil)
		var end []string
		for _, line := range d.written() {
			if strings.HasPrefix(line, "host ") {
				continue
			}
			if _, what, _ := strings.Cut(line, ": "); strings.Contains(what, "Parsing") || len(end) > 0 {
				end = append(end, strings.SplitN(what, "=", 2)[0]+map[bool]string{true: "=" + strings.SplitN(what, "=", 2)[1]}[strings.HasPrefix(what, "status")])
			}
		}
		got := strings.Join(end, "; ")
		if got == "status=Parsing; active; status=Completed; finished_on; shard_id; complete" {
			return
		}
		t.Logf("seed %d: %s", seed, got)
	}
	t.Error("no seed ends an entry as it was seen")
}
