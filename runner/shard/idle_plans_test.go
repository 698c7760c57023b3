package shard_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/gen/sessiondb"
	"shardclient/runner/afe"
	"shardclient/runner/pgtest"
	"shardclient/runner/wait"
)

// backlog is all that a young shard has when PostgreSQL looks at it: half of the jobs are open, and
// the others wait for their upload.
const backlog = `
	SET session_replication_role = replica; -- foreign keys are not checked
	INSERT INTO afe_shards (id, hostname) VALUES (1, 'shard1.example');
	INSERT INTO afe_hosts (id, hostname, shard_id) SELECT n, 'h' || n, 1 FROM generate_series(1, 100) AS n;
	INSERT INTO afe_jobs (id, owner, name, created_on) SELECT n, 'o', 'n', now() FROM generate_series(1, 10000) AS n;
	INSERT INTO afe_host_queue_entries (id, job_id, status, complete)
		SELECT n, n, 'Completed', n % 2 = 0 FROM generate_series(1, 10000) AS n;
	ANALYZE`

// history is a long life after that: what was pending and open is gone, but for its entries in the
// indexes, and many jobs came and were uploaded. The table of beats is full.
const history = `
	UPDATE afe_jobs SET shard_id = 1;
	UPDATE afe_host_queue_entries SET complete = true;
	INSERT INTO afe_jobs (id, owner, name, created_on, shard_id) SELECT n, 'o', 'n', now(), 1 FROM generate_series(10001, 100000) AS n;
	INSERT INTO afe_host_queue_entries (id, job_id, host_id, status, complete)
		SELECT n, n, n % 100 + 1, 'Completed', true FROM generate_series(10001, 100000) AS n;
	INSERT INTO afe_jobs (id, owner, name, created_on, shard_id) SELECT n, 'o', 'n', now(), 1 FROM generate_series(200001, 200050) AS n;
	INSERT INTO afe_host_queue_entries (id, job_id, status) SELECT n, n, 'Queued' FROM generate_series(200001, 200050) AS n;
	INSERT INTO shard_client_heartbeats (
			started_at, epoch, protocol, outcome, failure, error, packed_ms, rpc_ms, ack_ms, apply_ms, known_jobs, known_hosts,
			uploaded_jobs, uploaded_entries, received_hosts, received_jobs, received_keyvals, quarantined, large_waiting, batch_jobs)
		SELECT now(), 1, '2019', 'ok', '', '', 1, 1, 1, 1, 50, 100, 0, 0, 0, 0, 0, 0, false, 1000 FROM generate_series(1, 11000);
	DELETE FROM shard_client_heartbeats WHERE id <= 10000;
	RESET session_replication_role`

// What PostgreSQL believes about every table.
var statistics = []struct{ name, sql string }{
	{"analysed during a backlog", ""},
	{"never analysed", `DELETE FROM pg_statistic WHERE starelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace);
		UPDATE pg_class SET reltuples = -1, relpages = 0, relallvisible = 0
		WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'i')`},
	{"analysed while empty", `DELETE FROM pg_statistic WHERE starelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace);
		UPDATE pg_class SET reltuples = 0, relpages = 1, relallvisible = 0
		WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'i')`},
	{"as it is", "VACUUM (ANALYZE)"},
	{"of ten times as much", `UPDATE pg_class SET reltuples = 10 * reltuples, relpages = 10 * relpages
		WHERE relname IN ('afe_jobs', 'afe_host_queue_entries')`},
}

// intended is the index, or the beginning of its name, by which a statement finds what is new
// beside all that is old. Of open entries there are three, which hold the same few rows.
var intended = map[string]string{
	"PackOpenJobs":    "afe_host_queue_entries_open_",
	"PackPending":     "afe_jobs_pending_upload",
	"HeartbeatRecord": "",
	"HistoryPrune":    "shard_client_heartbeats_pkey",
	"ProbePlan":       "shard_client_heartbeats_pkey",
	"PackHosts":       "",
	"OwnerFence":      "",
	"OwnerHeld":       "",
	"QuarantineSize":  "",
	// An idle beat has none of these two; the test puts them where they would be.
	"RecordsOfJobs":    "afe_jobs_pkey",
	"RecordsOfEntries": "afe_host_queue_entries_job_id",
}

// mostPages of the buffer cache are read by one statement of an idle beat. 100,000 jobs take 2,000,
// and their primary key 270. What is dead in the indexes may be read until it is vacuumed.
const mostPages = 120

// Every statement of an idle beat finds what it needs by the same index and reads few pages,
// however many jobs are finished and whatever PostgreSQL believes about them: P8 must not hang on
// statistics. So do those that read what is uploaded.
func TestP8PlansOfAnIdleBeat(t *testing.T) {
	pool, seen := tracedPool(t, pgtest.Database(t))
	pgtest.Exec(t, pool, backlog+";"+history)
	forgotten(t, pool)
	master := newMaster(t)
	master.saysResult(result(nil, nil, nil))
	client := newClient(t, pool, wire(t, master, afe.Protocol2019), options())
	mustBeat(t, client) // takes the lock
	before := len(seen.sql)
	mustBeat(t, client)
	idle := &statements{sql: seen.sql[before:], args: seen.args[before:]}
	after := 1 + slices.IndexFunc(idle.sql, func(sql string) bool { return nameOf(sql) == "PackPending" })
	some := []any{[]int64{3, 200, 4000, 10001, 30000, 50000, 70000, 99999, 200001, 200050}}
	idle.sql = slices.Insert(slices.Clone(idle.sql), after, sessiondb.RecordsOfJobs, sessiondb.RecordsOfEntries)
	idle.args = slices.Insert(slices.Clone(idle.args), after, some, some)

	for _, state := range statistics {
		if state.sql != "" {
			pgtest.Exec(t, pool, state.sql)
		}
		for _, mode := range []string{"force_custom_plan", "force_generic_plan"} {
			t.Run(state.name+", "+mode, func(t *testing.T) { idle.check(t, pool, mode) })
		}
	}
}

// forgotten waits until nobody at this server can see the rows of the past any more. Before that,
// scans find them by the indexes each time, and a test that writes in another database of the
// server is enough for it: docs/surprises.md.
func forgotten(t *testing.T, pool *pgxpool.Pool) {
	t.Helper()
	now := pgtest.Query[int64](t, pool, "SELECT pg_current_xact_id()::text::bigint")
	wait.Until(t, "for the transactions of others to end", func() bool {
		return pgtest.Query[int64](t, pool, "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint") > now
	})
}

// check explains the statements of a beat in the order in which they came, in their transactions.
func (s *statements) check(t *testing.T, pool *pgxpool.Pool, mode string) {
	conn, err := pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	run(t, conn, "SET plan_cache_mode = "+mode)
	defer run(t, conn, "RESET plan_cache_mode")
	found := map[string]bool{}
	for i, sql := range s.sql {
		name := nameOf(sql)
		index, explain := intended[name]
		switch {
		case sql == "-- ping":
		case !explain: // it begins, ends or sets something
			run(t, conn, sql, s.args[i]...)
		default:
			found[name] = true
			run(t, conn, fmt.Sprintf("PREPARE explained AS %s", sql))
			explained(t, conn, "EXECUTE explained"+literals(s.args[i])) // reads what the session will know of the catalog
			plan := explained(t, conn, "EXECUTE explained"+literals(s.args[i]))
			plan.check(t, name, index)
			if name == "ProbePlan" && strings.Contains(plan.text, "afe_") {
				t.Error("ProbePlan reads a table of jobs, so it is planned anew when that was vacuumed (decision 0091)")
			}
			run(t, conn, "DEALLOCATE explained")
		}
	}
	for name := range intended {
		if !found[name] {
			t.Errorf("%s is not among the statements of an idle beat", name)
		}
	}
}

// explanation is what PostgreSQL did for one statement.
type explanation struct {
	pages   int64
	indexes []string
	whole   []string // tables that were read as a whole
	jit     bool
	text    string
}

func (e *explanation) check(t *testing.T, name, index string) {
	t.Helper()
	if e.jit {
		t.Errorf("%s is compiled, which takes longer than to run it", name)
	}
	if e.pages > mostPages {
		t.Errorf("%s reads %d pages, want at most %d:\n%s", name, e.pages, mostPages, e.text)
	}
	if slices.Contains(e.whole, "afe_jobs") || slices.Contains(e.whole, "afe_host_queue_entries") {
		t.Errorf("%s reads a whole table:\n%s", name, e.text)
	}
	if !slices.ContainsFunc(e.indexes, func(used string) bool { return strings.HasPrefix(used, index) }) && index != "" {
		t.Errorf("%s does not use %s:\n%s", name, index, e.text)
	}
}

// plan is a node of EXPLAIN's JSON.
type plan struct {
	Type     string `json:"Node Type"`
	Relation string `json:"Relation Name"`
	Index    string `json:"Index Name"`
	Hit      int64  `json:"Shared Hit Blocks"`
	Read     int64  `json:"Shared Read Blocks"`
	Plans    []plan
}

func (p *plan) walk(into *explanation) {
	if p.Type == "Seq Scan" {
		into.whole = append(into.whole, p.Relation)
	}
	if p.Index != "" {
		into.indexes = append(into.indexes, p.Index)
	}
	for i := range p.Plans {
		p.Plans[i].walk(into)
	}
}

// explained runs a statement and returns what was done for it.
func explained(t *testing.T, conn pgtest.DB, sql string) *explanation {
	t.Helper()
	body := pgtest.Query[[]byte](t, conn, "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) "+sql, pgx.QueryExecModeSimpleProtocol)
	var plans []struct {
		Plan plan
		JIT  json.RawMessage
	}
	if err := json.Unmarshal(body, &plans); err != nil {
		t.Fatal(err)
	}
	top := &plans[0].Plan
	e := &explanation{pages: top.Hit + top.Read, jit: plans[0].JIT != nil, text: string(body)}
	top.walk(e)
	return e
}

// literals writes arguments as EXECUTE takes them; PostgreSQL knows their types.
func literals(args []any) string {
	if len(args) == 0 {
		return ""
	}
	var all []string
	for _, arg := range args {
		var text string
		switch v := arg.(type) {
		case *int64:
			all = append(all, "NULL") // no large job in an idle beat
			continue
		case []int64:
			text = strings.NewReplacer("[", "{", "]", "}", " ", ",").Replace(fmt.Sprint(v))
		case []byte:
			text = string(v)
		case time.Time:
			text = v.Format(time.RFC3339)
		default:
			text = fmt.Sprint(v)
		}
		all = append(all, "'"+strings.ReplaceAll(text, "'", "''")+"'")
	}
	return "(" + strings.Join(all, ", ") + ")"
}

func run(t *testing.T, conn pgtest.DB, sql string, args ...any) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// nameOf returns the name of a query in queries.
func nameOf(sql string) string {
	name, _, _ := strings.Cut(strings.TrimPrefix(sql, "-- name: "), " ")
	return name
}
