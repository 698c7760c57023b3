package lock_test

import (
	"testing"

	"shardclient/gen/sharddb"
	"shardclient/runner/pgtest"
)

// A job may have 32,768 entries. Taking the lock read all of them for each that was open, which
// took longer than a statement may: no client of such a shard could begin.
func TestTakingTheLockReadsEachEntryFewTimes(t *testing.T) {
	pool := pgtest.Pool(t)
	const entries = 2000
	pgtest.Exec(t, pool, "INSERT INTO afe_shards (id, hostname) VALUES (1, 's')")
	pgtest.Exec(t, pool, "INSERT INTO afe_jobs (id, created_on, shard_id) VALUES (1, now(), 1)")
	pgtest.Exec(t, pool, `INSERT INTO afe_host_queue_entries (id, job_id, status, complete)
		SELECT n, 1, 'Queued', false FROM generate_series(1, $1::integer) AS n`, entries)
	tx, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(t.Context()) }()
	if _, err := sharddb.New(tx).OwnerTake(t.Context(), "test"); err != nil {
		t.Fatal(err)
	}
	var read int64
	err = tx.QueryRow(t.Context(), `SELECT seq_tup_read + coalesce(idx_tup_fetch, 0) FROM pg_stat_xact_user_tables
		WHERE relname = 'afe_host_queue_entries'`).Scan(&read)
	if err != nil || read == 0 || read > 5*entries {
		t.Errorf("%d of %d entries read, error %v; want each of them, and none more than a few times", read, entries, err)
	}
}
