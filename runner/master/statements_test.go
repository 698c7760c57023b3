package master_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/runner/afe"
	"shardclient/runner/pgtest"
)

type counter struct{ queries atomic.Int64 }

func (c *counter) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	c.queries.Add(1)
	return ctx
}
func (*counter) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func (c *counter) TraceBatchStart(ctx context.Context, _ *pgx.Conn, batch pgx.TraceBatchStartData) context.Context {
	c.queries.Add(int64(batch.Batch.Len()))
	return ctx
}
func (*counter) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}
func (*counter) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData)     {}

func TestStatementsDoNotGrow(t *testing.T) {
	statements := func(n int) int64 {
		config, err := pgxpool.ParseConfig(pgtest.Database(t))
		if err != nil {
			t.Fatal(err)
		}
		count := &counter{}
		config.ConnConfig.Tracer = count
		pool, err := pgxpool.NewWithConfig(t.Context(), config)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(pool.Close)
		loadShared(t, pool, 2*n)
		arguments := `{"shard_hostname": "one", "known_host_ids": [1], "known_host_statuses": ["Dead"], "jobs": [`
		entries := ""
		for i := 1; i <= n; i++ {
			arguments += fmt.Sprintf(`{"id": %d},`, i)
			entries += fmt.Sprintf(`{"id": %d, "status": "Completed", "complete": true},`, 2*i)
		}
		arguments = arguments[:len(arguments)-1] + `], "hqes": [` + entries[:len(entries)-1] + `]}`
		before := count.queries.Load()
		r := call(t, serve(t, pool, afe.Protocol2019), heartbeat(arguments))
		if jobs := ids(t, r, "jobs"); len(jobs) != n {
			t.Errorf("%d jobs sent, want %d", len(jobs), n)
		}
		return count.queries.Load() - before
	}
	small, large := statements(1), statements(500)
	t.Logf("%d statements", large)
	if small != large {
		t.Errorf("%d statements for 1 job, %d for 500", small, large)
	}
}
