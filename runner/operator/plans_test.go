package operator_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/goleak"

	"shardclient/runner/operator"
	"shardclient/runner/pgtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.WithServer(m)) }

// However many jobs are finished and acknowledged, a status reads none of them: neither row by row
// nor by an index. The server itself counts what is read.
func TestStatusReadsNothingFinished(t *testing.T) {
	t.Parallel()
	config := pgtest.Pool(t).Config()
	config.MaxConns = 1 // one session, which is told when to report what it has read
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	pgtest.Exec(t, pool, `INSERT INTO afe_shards (id, hostname) VALUES (1, 'shard1');
		INSERT INTO afe_jobs (id, created_on, shard_id) SELECT i, now(), 1 FROM generate_series(1, 20000) AS i;
		INSERT INTO afe_host_queue_entries (id, job_id, complete) SELECT i, i, true FROM generate_series(1, 20000) AS i;
		UPDATE afe_jobs SET shard_id = NULL WHERE id <= 3;
		UPDATE afe_host_queue_entries SET complete = false WHERE id = 9;
		ANALYZE`)
	read := func() int64 {
		pgtest.Query[any](t, pool, "SELECT pg_stat_force_next_flush()")
		return pgtest.Query[int64](t, pool, `SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::bigint FROM pg_stat_user_tables
			WHERE relname IN ('afe_jobs', 'afe_host_queue_entries')`)
	}
	before := read()
	if before == 0 {
		t.Fatal("the server does not count what is read: this test looks at the wrong numbers")
	}
	status, err := operator.ReadStatus(t.Context(), pool, time.Minute, time.UTC)
	if err != nil || status.Pending.Jobs != 3 || status.Open.Jobs != 1 {
		t.Fatalf("%+v, %v", status, err)
	}
	if n := read() - before; n > 20 {
		t.Errorf("%d rows of jobs and entries were read to count four", n)
	}
}
