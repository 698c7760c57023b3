package shard_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/runner/afe"
	"shardclient/runner/beat"
	"shardclient/runner/pgtest"
)

// statements remembers what a pool was asked.
type statements struct {
	mu    sync.Mutex
	sql   []string
	args  [][]any
	trips int // of which some carried several statements
}

func (s *statements) TraceQueryStart(ctx context.Context, _ *pgx.Conn, q pgx.TraceQueryStartData) context.Context {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sql, s.args = append(s.sql, q.SQL), append(s.args, q.Args)
	s.trips++
	return ctx
}

func (s *statements) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func (s *statements) TraceBatchStart(ctx context.Context, _ *pgx.Conn, b pgx.TraceBatchStartData) context.Context {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trips++
	for _, q := range b.Batch.QueuedQueries {
		s.sql, s.args = append(s.sql, q.SQL), append(s.args, q.Arguments)
	}
	return ctx
}

func (s *statements) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}

func (s *statements) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData) {}

func tracedPool(t testing.TB, url string) (*pgxpool.Pool, *statements) {
	t.Helper()
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	seen := &statements{}
	config.ConnConfig.Tracer = seen
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool, seen
}

// finishedJobs fills a shard with jobs that ended and were acknowledged long ago.
const finishedJobs = `
	INSERT INTO afe_shards (id, hostname) VALUES (1, 'shard1.example');
	INSERT INTO afe_hosts (id, hostname, shard_id) SELECT n, 'h' || n, 1 FROM generate_series(1, 100) AS n;
	INSERT INTO afe_jobs (id, owner, name, created_on, shard_id) SELECT n, 'o', 'n', now(), 1 FROM generate_series(1, 100000) AS n;
	INSERT INTO afe_host_queue_entries (id, job_id, host_id, status, complete)
		SELECT n, n, n % 100 + 1, 'Completed', true FROM generate_series(1, 100000) AS n;
	INSERT INTO afe_labels (id, name) SELECT n, 'l' || n FROM generate_series(1, 100) AS n;
	INSERT INTO afe_jobs_dependency_labels (job_id, label_id) SELECT n, n % 100 + 1 FROM generate_series(1, 100000) AS n;
	INSERT INTO afe_jobs (id, owner, name, created_on, shard_id) SELECT n, 'o', 'n', now(), 1 FROM generate_series(200001, 200050) AS n;
	INSERT INTO afe_host_queue_entries (id, job_id, status) SELECT n, n, 'Queued' FROM generate_series(200001, 200050) AS n;`

// No statement of an idle beat, and none of an upload of one job, reads the jobs and entries that
// were finished long ago.
func TestP8CostFollowsChange(t *testing.T) {
	url := pgtest.Database(t)
	pool, seen := tracedPool(t, url)
	plain, err := pgxpool.New(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	if _, err := plain.Exec(t.Context(), finishedJobs, pgx.QueryExecModeSimpleProtocol); err != nil {
		t.Fatal(err)
	}
	pgtest.Exec(t, plain, "VACUUM ANALYZE")
	master := newMaster(t)
	client := newClient(t, pool, wire(t, master, afe.Protocol2019), options())

	master.saysResult(result(nil, nil, nil))
	mustBeat(t, client) // idle
	// A long ledger that nobody has analysed yet, as after an outage or a restore.
	pgtest.Exec(t, plain, `INSERT INTO shard_client_uploads (job_id, sent_complete) SELECT n, ARRAY[n] FROM generate_series(1, 2000) AS n`)
	mustBeat(t, client)
	pgtest.Exec(t, plain, "UPDATE afe_host_queue_entries SET complete = true WHERE id = 200001")
	pgtest.Exec(t, plain, "UPDATE afe_jobs SET shard_id = NULL WHERE id = 200001")
	if b := mustBeat(t, client); b.UploadedJobs != 1 {
		t.Fatalf("uploaded %d jobs, want 1", b.UploadedJobs)
	}
	master.saysResult(result(nil, []string{job(300000, entry(300000, `"host_id": 1`))}, nil, "7"))
	mustBeat(t, client)

	explained := 0
	for i, sql := range seen.sql {
		if !strings.Contains(sql, "afe_jobs") && !strings.Contains(sql, "afe_host_queue_entries") &&
			!strings.Contains(sql, "shard_client_upload_") || strings.Contains(sql, "copy") {
			continue
		}
		name, _, _ := strings.Cut(strings.TrimPrefix(sql, "-- name: "), " ")
		rows, err := plain.Query(t.Context(), "EXPLAIN "+sql, seen.args[i]...)
		if err != nil {
			t.Fatalf("explain %s: %v", name, err)
		}
		plan, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			if strings.Contains(sql, "-- name:") {
				t.Errorf("explain %s: %v", name, err)
			}
			continue
		}
		explained++
		for _, line := range plan {
			if strings.Contains(line, "Seq Scan on afe_jobs") || strings.Contains(line, "Seq Scan on afe_host_queue_entries") {
				t.Errorf("%s reads a whole table:\n%s", name, strings.Join(plan, "\n"))
			}
		}
	}
	if explained < 10 {
		t.Errorf("only %d statements were explained", explained)
	}
}

// A beat with one object and one with a thousand take the same number of statements
// (docs/promises.md, "statements per object").
func TestStatementsDoNotGrowWithObjects(t *testing.T) {
	t.Parallel()
	count := func(jobs int) int {
		pool, seen := tracedPool(t, pgtest.Database(t))
		master := newMaster(t)
		client := newClient(t, pool, wire(t, master, afe.Protocol2019), options())
		master.saysResult(result([]string{host(1, "h1")}, goodJobs(jobs), nil))
		mustBeat(t, client)
		return len(seen.sql)
	}
	if one, many := count(1), count(500); one != many {
		t.Errorf("%d statements for one job, %d for 500", one, many)
	}
}

// An idle beat asks who holds the lock, reads the packet in two round trips, and records itself in
// one.
func TestAnIdleBeatTakesFewRoundTrips(t *testing.T) {
	t.Parallel()
	pool, seen := tracedPool(t, pgtest.Database(t))
	master := newMaster(t)
	master.saysResult(result(nil, nil, nil))
	client := newClient(t, pool, wire(t, master, afe.Protocol2019), options())
	mustBeat(t, client) // takes the lock
	asked, trips := len(seen.sql), seen.trips
	mustBeat(t, client)
	if n := seen.trips - trips; n > 4 {
		t.Errorf("%d round trips, want at most 4:\n%s", n, strings.Join(seen.sql[asked:], "\n"))
	}
}

// BenchmarkIdleBeat measures what known jobs cost: 50,000 are a normal load (docs/promises.md,
// "drowned log"), and finished ones cost nothing.
// Of the jobs that were sent and those that changed, however many, none is compared with each
// other, either in the plan that PostgreSQL keeps in the end: it hashes a list only in some plans.
func TestAcknowledgeComparesNoListWithAnother(t *testing.T) {
	pool, seen := tracedPool(t, pgtest.Database(t))
	finish(t, pool, 1, "x")
	master := newMaster(t)
	master.saysResult(result(nil, nil, nil))
	mustBeat(t, newClient(t, pool, wire(t, master, afe.Protocol2019), options()))
	i := slices.IndexFunc(seen.sql, func(sql string) bool { return nameOf(sql) == "AcknowledgeJobs" })
	if i < 0 {
		t.Fatal("nothing was acknowledged")
	}
	conn, err := pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	run(t, conn, "SET plan_cache_mode = force_generic_plan")
	run(t, conn, "PREPARE acknowledge AS "+seen.sql[i])
	plan := pgtest.Query[string](t, conn, "EXPLAIN (VERBOSE, FORMAT JSON) EXECUTE acknowledge (NULL, NULL, NULL)", pgx.QueryExecModeSimpleProtocol)
	if strings.Count(plan, "(hashed SubPlan ") != 2 || strings.Contains(plan, "(SubPlan ") {
		t.Errorf("the list of what changed is to be hashed, in both places:\n%s", plan)
	}
}

func BenchmarkIdleBeat(b *testing.B) {
	for _, known := range []int{0, 5000, 50000} {
		b.Run(fmt.Sprintf("known %d", known), func(b *testing.B) {
			pool, master := pgtest.Pool(b), newMaster(b)
			if _, err := pool.Exec(b.Context(), finishedJobs, pgx.QueryExecModeSimpleProtocol); err != nil {
				b.Fatal(err)
			}
			pgtest.Exec(b, pool, `INSERT INTO afe_jobs (id, created_on, shard_id) SELECT n, now(), 1 FROM generate_series(300001, 300000 + $1) AS n`, known)
			pgtest.Exec(b, pool, `INSERT INTO afe_host_queue_entries (id, job_id, status) SELECT n, n, 'Queued' FROM generate_series(300001, 300000 + $1) AS n`, known)
			pgtest.Exec(b, pool, "VACUUM ANALYZE")
			master.saysResult(result(nil, nil, nil))
			client := newClient(b, pool, wire(b, master, afe.Protocol2019), options())
			var last beat.Report
			for b.Loop() {
				last = client.Beat(b.Context(), time.Now())
			}
			if !last.OK() {
				b.Fatal(last.Error)
			}
		})
	}
}
