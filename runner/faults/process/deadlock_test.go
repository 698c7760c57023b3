package process_test

import (
	"context"
	"strings"
	"testing"

	"shardclient/runner/faults"
	"shardclient/runner/pgtest"
	"shardclient/runner/wait"
)

// ran counts a statement.
func ran(gate *faults.Gate, what string) (count int) {
	for _, step := range gate.Steps() {
		if step.Has(what) {
			count++
		}
	}
	return count
}

// The scheduler locks what a beat locks, in the opposite order. PostgreSQL would end one of the
// two: whichever has waited for its deadlock_timeout first. So the client waits for neither row; it
// leaves what needs them, and its next beat makes that good.
func TestDeadlocks(t *testing.T) {
	t.Parallel()
	r := newRich(t)
	const job, host = "(SELECT min(id) FROM afe_jobs)", "(SELECT max(id) FROM afe_hosts)"
	for name, tt := range map[string]struct{ statement, first, second string }{
		"acknowledge": {
			"AcknowledgeLock", "SELECT id FROM afe_jobs WHERE id = " + job + " FOR UPDATE",
			"UPDATE afe_host_queue_entries SET deleted = deleted WHERE job_id = " + job,
		},
		"apply": { // of the incorrect host
			"IncorrectHostsLock", "SELECT id FROM afe_hosts_labels WHERE host_id = " + host + " FOR UPDATE",
			"UPDATE afe_hosts SET dirty = dirty WHERE id = " + host,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := r.Clone(t)
			s, gate, truth := l.Shards[0], l.Gate(l.Shards[0]), localTruth(t, l)
			scheduler, err := s.DB.Begin(t.Context())
			must(t)(scheduler, err)
			defer func() { _ = scheduler.Rollback(context.Background()) }() // committed, unless the test failed before
			must(t)(scheduler.Exec(t.Context(), tt.first))
			client := l.Start(s, "once", "--database-url="+gate.DatabaseURL(), "--lock-timeout=50ms")
			wait.Until(t, "a client that has ended, or waits for a lock", func() bool {
				return client.Ended() || pgtest.Query[int](t, s.DB, `SELECT count(*) FROM pg_stat_activity
					WHERE application_name LIKE 'shard-client%' AND wait_event_type = 'Lock' AND datname = current_database()`) > 0
			})
			must(t)(scheduler.Exec(t.Context(), tt.second))
			must(t)(nil, scheduler.Commit(context.Background()))
			if code := client.End(); code != 1 || !strings.Contains(client.Log(), "failure=locked") {
				t.Errorf("the client ended with %d, want a beat that failed with locked:\n%s", code, client.Log())
			}
			if n := ran(gate, tt.statement); n < 2 {
				t.Errorf("%s ran %d times, want it to look again", tt.statement, n)
			}
			if n := pgtest.Query[int](t, s.DB, "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"); n != 0 {
				t.Errorf("%d deadlocks", n)
			}
			holds(t, l, truth)
			r.recovers(t, l)
		})
	}
}

// What the role or the database has as its default isolation changes nothing: a transaction that
// waits for the scheduler's locks sees what was committed under them, at its first try.
func TestDefaultIsolation(t *testing.T) {
	t.Parallel()
	r := newRich(t)
	for _, level := range []string{"serializable", "repeatable read"} {
		t.Run(level, func(t *testing.T) {
			t.Parallel()
			l := r.Clone(t)
			s, gate := l.Shards[0], l.Gate(l.Shards[0])
			pgtest.Exec(t, s.DB, "ALTER DATABASE "+s.DB.Config().ConnConfig.Database+" SET default_transaction_isolation = '"+level+"'")
			changed := faults.Once("AcknowledgeLock", faults.Before, func() faults.Verdict {
				pgtest.Exec(t, s.DB, "UPDATE afe_host_queue_entries SET status = 'Failed' WHERE job_id = (SELECT min(id) FROM afe_jobs)")
				return faults.GoOn
			})
			gate.Strike(changed)
			client := l.Start(s, "once", "--database-url="+gate.DatabaseURL())
			if code := client.End(); code != 0 {
				t.Errorf("the client ended with %d:\n%s", code, client.Log())
			}
			if n := ran(gate, "AcknowledgeLock"); n != 1 {
				t.Errorf("the rows were locked %d times, want 1", n)
			}
			if n := pgtest.Query[int](t, s.DB, "SELECT count(*) FROM afe_jobs WHERE id = (SELECT min(id) FROM afe_jobs) AND shard_id IS NULL"); n != 1 {
				t.Error("a job that changed after it was sent is acknowledged")
			}
			r.recovers(t, l)
		})
	}
}
