package master_test

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/runner/afe"
	"shardclient/runner/master"
	"shardclient/runner/pgtest"
)

// statements remembers what a pool was asked.
type statements struct {
	mu   sync.Mutex
	sql  []string
	args [][]any
}

func (s *statements) TraceQueryStart(ctx context.Context, _ *pgx.Conn, q pgx.TraceQueryStartData) context.Context {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sql, s.args = append(s.sql, q.SQL), append(s.args, q.Args)
	return ctx
}

func (*statements) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func (s *statements) TraceBatchStart(ctx context.Context, _ *pgx.Conn, batch pgx.TraceBatchStartData) context.Context {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, q := range batch.Batch.QueuedQueries {
		s.sql, s.args = append(s.sql, q.SQL), append(s.args, q.Arguments)
	}
	return ctx
}
func (*statements) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}
func (*statements) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData)     {}

// names returns the names of the statements that the pool has sent.
func (s *statements) names() (names []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sql := range s.sql {
		if name, ours := strings.CutPrefix(sql, "-- name: "); ours {
			names = append(names, strings.Fields(name)[0])
		}
	}
	return names
}

// connect opens a pool as the command does, and one that remembers.
func connect(t testing.TB, databaseURL string) (*pgxpool.Pool, *statements) {
	t.Helper()
	plain, err := master.Connect(t.Context(), databaseURL, 4, nil)
	if err != nil {
		t.Fatal(err)
	}
	config := plain.Config()
	plain.Close()
	seen := &statements{}
	config.ConnConfig.Tracer = seen
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool, seen
}

// wholeTable is a plan that reads all there ever was. Hosts are few, and a shard knows many of
// them.
var wholeTable = regexp.MustCompile(`Seq Scan on (afe_jobs|afe_host_queue_entries|afe_job_keyvals|afe_jobs_dependency_labels)\b`)

// wholeIndex finds what reads an index of theirs from one end to the other.
var wholeIndex = regexp.MustCompile(
	`(?m)Index (?:Only )?Scan using (\w+) on (?:afe_jobs|afe_host_queue_entries|afe_job_keyvals|afe_jobs_dependency_labels)\b[^\n]*\n\s*(?:Filter|->|$)`)

// readsAll reports whether a plan reads all there ever was. An index of what is open has little.
func readsAll(plan string) bool {
	indexes := wholeIndex.FindAllStringSubmatch(plan, -1)
	return wholeTable.MatchString(plan) ||
		slices.ContainsFunc(indexes, func(of []string) bool { return !strings.Contains(of[1], "_open_") })
}

// Nothing that a heartbeat asks reads the jobs that are long finished, before PostgreSQL has
// statistics and after.
func TestNoPlanReadsFinishedJobs(t *testing.T) {
	pool, seen := connect(t, pgtest.Database(t))
	keepWithoutStatistics(t, pool)
	loadLarge(t, pool)
	loadHistory(t, pool, 100000, 2000)
	pgtest.Exec(t, pool, "UPDATE afe_host_queue_entries SET complete = true, status = 'Completed' WHERE job_id BETWEEN 10 AND 999999")
	pgtest.Exec(t, pool, "UPDATE afe_host_queue_entries SET aborted = true WHERE job_id = 3000001")
	url := serve(t, pool, afe.Protocol2019)
	_, known := idle(t, pool, 12)
	for _, statistics := range []string{"no statistics", "statistics"} {
		if statistics == "statistics" {
			pgtest.Exec(t, pool, "VACUUM ANALYZE")
		}
		for name, body := range map[string]string{
			"idle, and an abort": known,
			"a few jobs":         heartbeat(`{"shard_hostname": "shard1.example"}`),
			"an upload": heartbeat(`{"shard_hostname": "shard13.example", "known_host_ids": [1], "known_host_statuses": ["Dead"],
				"jobs": [{"id": 3005001}], "hqes": [{"id": 3005001, "status": "Completed", "complete": true}]}`),
		} {
			seen.sql, seen.args = nil, nil
			if r := call(t, url, body); r.Error != nil {
				t.Fatalf("%s: %+v", name, r.Error)
			}
			if n := explain(t, pool, name+", "+statistics, seen.sql, seen.args); n < 6 {
				t.Errorf("%s, %s: only %d statements were explained", name, statistics, n)
			}
		}
	}
}

// looks are the statements that are planned for their lists. All others find rows by their ids, and
// PostgreSQL may come to use one plan for all lists.
var looks = regexp.MustCompile(`^-- name: (HostsToSend|JobsToSend|ForgottenByShard|SnapshotSeen|Shards\w+|ShardWithID) `)

// sets are statements that say how the rest of a transaction is planned.
var sets = regexp.MustCompile(`^-- name: (PlansByKey|SetPlanCacheMode) `)

// ends are statements that have no plan.
var ends = regexp.MustCompile(`^-- name: \w+ :\w+\s+(BEGIN|COMMIT|ROLLBACK)`)

// explain looks at the plan of each statement of ours, and returns how many there were.
func explain(t *testing.T, pool *pgxpool.Pool, name string, asked []string, args [][]any) (explained int) {
	t.Helper()
	conn, err := pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	for i, sql := range asked {
		if !strings.HasPrefix(sql, "-- name: ") {
			continue
		}
		if ends.MatchString(sql) || sets.MatchString(sql) {
			pgtest.Exec(t, conn, sql, args[i]...)
			continue
		}
		explained++
		judge(t, conn, name, sql, "EXPLAIN "+sql, args[i]...)
		if looks.MatchString(sql) || len(args[i]) == 0 {
			continue
		}
		pgtest.Exec(t, conn, "PREPARE one AS "+sql)
		pgtest.Exec(t, conn, "SET plan_cache_mode = force_generic_plan")
		// Such a plan does not depend on what is looked for.
		judge(t, conn, name+", one plan for all lists", sql, "EXPLAIN EXECUTE one (NULL"+strings.Repeat(", NULL", len(args[i])-1)+")")
		pgtest.Exec(t, conn, "RESET plan_cache_mode")
		pgtest.Exec(t, conn, "DEALLOCATE one")
	}
	return explained
}

// judge fails the test if a plan reads a whole table.
func judge(t *testing.T, conn *pgxpool.Conn, name, sql, question string, args ...any) {
	t.Helper()
	rows, err := conn.Query(t.Context(), question, args...)
	if err != nil {
		t.Fatalf("%s: explain %.60s: %v", name, sql, err)
	}
	plan, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatalf("%s: explain %.60s: %v", name, sql, err)
	}
	if text := strings.Join(plan, "\n"); readsAll(text) {
		t.Errorf("%s: a whole table is read:\n%s\n%s", name, sql, text)
	}
}
