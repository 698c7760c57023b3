package scheduler_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"shardclient/gen/labdb"
	"shardclient/runner/pgtest"
)

// What was sent by a connection that was cut off silently comes when the network is whole again,
// and finds that the entry has ended meanwhile. The master would not hear of a change.
func TestALateStatementChangesNoCompleteEntry(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	pgtest.Exec(t, pool, "INSERT INTO afe_jobs (id, owner, name, created_on) VALUES (1, 'o', 'n', now())")
	pgtest.Exec(t, pool, "INSERT INTO afe_hosts (id, hostname) VALUES (1, 'h1')")
	pgtest.Exec(t, pool, "INSERT INTO afe_host_queue_entries (id, job_id, status, complete) VALUES (2, 1, 'Failed', true)")
	row := func() string {
		return pgtest.Query[string](t, pool, "SELECT e::text FROM afe_host_queue_entries AS e")
	}
	before, q, ctx := row(), labdb.New(pool), t.Context()
	now := pgtype.Timestamp{Time: time.Now().UTC(), Valid: true}
	for name, late := range map[string]func() (int64, error){
		"host":             func() (int64, error) { return q.SchedulerSetEntryHost(ctx, 1, 2) },
		"execution_subdir": func() (int64, error) { return q.SchedulerSetEntryExecutionSubdir(ctx, "1-o/h1", 2) },
		"started_on":       func() (int64, error) { return q.SchedulerSetEntryStarted(ctx, now, 2) },
		"status":           func() (int64, error) { return q.SchedulerSetEntryStatus(ctx, "Running", 2) },
		"active":           func() (int64, error) { return q.SchedulerSetEntryActive(ctx, true, 2) },
		"finished_on":      func() (int64, error) { return q.SchedulerSetEntryFinished(ctx, now, 2) },
		"stop":             func() (int64, error) { return q.SchedulerStopEntry(ctx, 2) },
		"start": func() (int64, error) {
			return q.SchedulerStartEntry(ctx, labdb.SchedulerStartEntryParams{ExecutionSubdir: "1-o/h1", StartedOn: now, ID: 2})
		},
		"end": func() (int64, error) {
			return q.LuciferEndEntry(ctx, labdb.LuciferEndEntryParams{Status: "Completed", FinishedOn: now, ID: 2})
		},
	} {
		if n, err := late(); n != 0 || err != nil || row() != before {
			t.Errorf("%s: %d rows, %v: the entry is %s, was %s", name, n, err, row(), before)
		}
	}
}
