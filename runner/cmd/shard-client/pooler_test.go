package main

import (
	"net/http"
	"strings"
	"testing"

	"shardclient/runner/pgtest"
	"shardclient/runner/wait"
)

// Behind a pooler in session mode everything works as it comes: migrations, beats, the lock, and
// the settings of a session.
func TestPoolerInSessionMode(t *testing.T) {
	t.Parallel()
	direct := pgtest.EmptyDatabase(t)
	pooled := pgtest.Pooled(t, direct, "session")
	pool := open(t, direct)
	for _, setting := range []string{"lock_timeout = '1ms'", "client_encoding = 'LATIN1'", "default_transaction_read_only = 'on'"} {
		pgtest.Exec(t, pool, "ALTER DATABASE "+pool.Config().ConnConfig.Database+" SET "+setting)
	}
	invoke("migrate", "up", "--database-url", pooled).want(t, exitOK)
	invoke("migrate", "status", "--database-url", pooled).want(t, exitOK)
	release := make(chan struct{})
	m := masterThat(t, func(number int, _ []byte) http.Handler {
		if number == 1 {
			return answers(strings.Replace(jobs(1), `"n"`, `"ž€"`, 1))
		}
		return hangs(release, answers(nothing))
	})
	invoke(once(m, pooled)...).want(t, exitOK)
	first := startRun(t, m, pooled+"&statement_timeout=30s")
	wait.Until(t, "for the first client's request", func() bool { return len(m.received()) == 2 })
	invoke(once(m, pooled)...).want(t, exitHeld)
	invoke(once(m, direct)...).want(t, exitHeld)
	close(release)
	first.stop()
	invoke(once(m, pooled)...).want(t, exitOK)
	invoke("quarantine", "list", "--database-url", pooled).want(t, exitOK)
}

// A pooler that gives each transaction, or each statement, another session is recognised by what it
// does, whichever server process it prefers, and refused by every command.
func TestPoolerInOtherModes(t *testing.T) {
	t.Parallel()
	direct, pool := database(t)
	m := master(t, answers(nothing))
	t.Run("each", func(t *testing.T) {
		for _, mode := range []string{"transaction", "statement"} {
			for name, settings := range map[string][]string{
				"last used":    nil,
				"longest rest": {"server_round_robin = 1", "min_pool_size = 3"},
				"two":          {"server_round_robin = 1", "min_pool_size = 2"},
				"one":          {"default_pool_size = 1"},
			} {
				t.Run(mode+" "+name, func(t *testing.T) {
					t.Parallel()
					refusesPooler(t, m, pgtest.Pooled(t, direct, mode, settings...))
				})
			}
		}
	})
	if n := pgtest.Query[int](t, pool, "SELECT count(*) FROM shard_client_owner"); n != 0 || len(m.received()) != 0 {
		t.Errorf("a lock was taken or the master was called: %d, %d", n, len(m.received()))
	}
}

func refusesPooler(t *testing.T, m *fakeMaster, pooled string) {
	t.Helper()
	for _, args := range [][]string{
		once(m, pooled), runArgs(m, pooled), once(m, pooled+"&default_query_exec_mode=simple_protocol"),
		{"migrate", "up", "--database-url", pooled}, {"migrate", "down", "--database-url", pooled},
		{"migrate", "status", "--database-url", pooled}, {"quarantine", "list", "--database-url", pooled},
	} {
		invoke(args...).want(t, exitUsage).silent(t).says(t, "--database-url", "pooler", "session mode", "pool_mode=session")
	}
}
