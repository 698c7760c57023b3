package main

import (
	"testing"

	"github.com/jackc/pgx/v5"

	"shardclient/runner/pgtest"
)

// Whatever table somebody has locked, a beat ends by itself and says what it is. Without a limit on
// statements, nothing else would end it.
func TestALockedTableEndsTheBeat(t *testing.T) {
	t.Parallel()
	databaseURL, pool := database(t)
	m := master(t, answers(nothing))
	invoke(once(m, databaseURL)...).want(t, exitOK)
	for _, table := range []string{
		"afe_hosts", "afe_jobs", "afe_host_queue_entries", "shard_client_owner", "shard_client_heartbeats",
		"shard_client_quarantine", "shard_client_suspects",
	} {
		tx, err := pool.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		pgtest.Exec(t, tx, "LOCK TABLE "+pgx.Identifier{table}.Sanitize()+" IN ACCESS EXCLUSIVE MODE")
		invoke(once(m, databaseURL+"&statement_timeout=0", "--lock-timeout=50ms")...).want(t, exitFailed).says(t, "failure=locked")
		if err := tx.Rollback(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	invoke(once(m, databaseURL)...).want(t, exitOK)
}
