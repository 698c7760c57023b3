package process_test

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"shardclient/runner/faults"
	"shardclient/runner/pgtest"
	"shardclient/runner/wait"
)

// versions identifies every row of a shard's database and the transaction that wrote it.
func versions(t *testing.T, s *faults.Shard) map[string]bool {
	t.Helper()
	tables := texts(t, s, "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'")
	found := map[string]bool{}
	for _, table := range tables {
		for _, row := range texts(t, s, "SELECT '"+table+" ' || ctid || ' ' || xmin FROM "+table) {
			found[row] = true
		}
	}
	return found
}

func texts(t *testing.T, s *faults.Shard, sql string) []string {
	t.Helper()
	rows, err := s.DB.Query(t.Context(), sql)
	must(t)(rows, err)
	list, err := pgx.CollectRows(rows, pgx.RowTo[string])
	must(t)(list, err)
	return list
}

// lose starts a client whose lock's connection is terminated while the master's answer is on its
// way; then happens before the answer arrives. It returns the rows as they were before the answer,
// and when the client next asks for the lock.
func lose(t *testing.T, l *faults.Lab, then func()) (client *faults.Program, before, after map[string]bool) {
	t.Helper()
	s, gate := l.Shards[0], l.Gate(l.Shards[0])
	compared := make(chan struct{})
	answered := faults.Once(faults.StepHeartbeat, faults.After, func() faults.Verdict {
		pgtest.Exec(t, s.DB, "SELECT pg_terminate_backend(backend_pid, 300000) FROM shard_client_owner")
		then()
		before = versions(t, s)
		return faults.GoOn
	})
	again := faults.Once("OwnerTryLock", faults.Before, func() faults.Verdict {
		after = versions(t, s)
		close(compared)
		return faults.GoOn
	})
	gate.Strike(func(step faults.Step, side faults.Side) faults.Verdict {
		if before != nil {
			again(step, side)
		}
		return answered(step, side)
	})
	client = l.Start(s, "run", "--database-url="+gate.DatabaseURL())
	wait.For(t, "for a client that asks for the lock again", compared, client.Log)
	return client, before, after
}

// A client that lost its lock while the master answered writes nothing more: not what the answer
// says, not even its history. Then it meets who has the shard now and exits, or takes the shard
// again.
func TestP7LockConnectionLost(t *testing.T) {
	t.Parallel()
	r := newRich(t)
	for name, tt := range map[string]struct {
		taken, stays bool // another client takes the shard over, and keeps it
		exit         int
	}{
		"another has it":   {true, true, 3},
		"another had it":   {true, false, 0},
		"nobody has taken": {false, false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := r.Clone(t)
			truth := localTruth(t, l)
			other := newClient(t, l)
			client, before, after := lose(t, l, func() {
				if tt.taken {
					must(t)(nil, other.Own(t.Context()))
				}
				if !tt.stays {
					other.Close(context.Background())
				}
			})
			if diff := cmp.Diff(before, after); diff != "" {
				t.Fatalf("written without the lock (-before +after):\n%.2000s", diff)
			}
			client.Says("failure=lock_lost")
			if tt.exit == 0 {
				client.Says("msg=heartbeat ")
				client.Stop()
			} else if code := client.End(); code != tt.exit || !strings.Contains(client.Log(), "another shard-client holds the lock of this shard: test") {
				t.Errorf("the client ended with %d, want %d and who holds the lock:\n%s", code, tt.exit, client.Log())
			}
			other.Close(context.Background())
			holds(t, l, truth)
			r.recovers(t, l)
		})
	}
}
