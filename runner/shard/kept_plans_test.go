package shard_test

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/runner/afe"
	"shardclient/runner/pgtest"
)

// plans are those that PostgreSQL really used, with what each did.
type plans struct {
	mu    sync.Mutex
	texts []string
}

// since returns the plans after the first n. Without any, a test of them would prove nothing.
func (p *plans) since(t testing.TB, n int) []string {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.texts) == n {
		t.Error("PostgreSQL has told no plan")
	}
	return p.texts[n:]
}

func (p *plans) len() int { p.mu.Lock(); defer p.mu.Unlock(); return len(p.texts) }

// explainingPool is a pool whose sessions tell every plan as they run it.
func explainingPool(t testing.TB, url string) (*pgxpool.Pool, *plans) {
	t.Helper()
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	seen := &plans{}
	config.ConnConfig.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) {
		if strings.Contains(n.Message, "plan:") {
			seen.mu.Lock()
			defer seen.mu.Unlock()
			seen.texts = append(seen.texts, n.Message)
		}
	}
	config.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, `LOAD 'auto_explain'; SET auto_explain.log_min_duration = 0; SET auto_explain.log_level = 'notice';
			SET auto_explain.log_analyze = on; SET auto_explain.log_timing = off`, simple)
		return err
	}
	config.MaxConns = 2
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool, seen
}

var (
	nodes   = regexp.MustCompile(`Scan[^\n]* on (afe_\w+)[^\n]*\(actual rows=(\d+) loops=(\d+)\)([^>]*)`)
	removed = regexp.MustCompile(`Rows Removed by (?:Filter|Join Filter): (\d+)`)
	named   = regexp.MustCompile(`-- name: (\w+)`)
)

// visits returns how many rows of tables a statement visited at most in one node of its plan.
func visits(text string) (name string, most int, where string) {
	if m := named.FindStringSubmatch(text); m != nil {
		name = m[1]
	}
	_, text, _ = strings.Cut(text, "plan:")
	for _, m := range nodes.FindAllStringSubmatch(text, -1) {
		rows, _ := strconv.Atoi(m[2])
		loops, _ := strconv.Atoi(m[3])
		for _, r := range removed.FindAllStringSubmatch(m[4], -1) {
			n, _ := strconv.Atoi(r[1])
			rows += n
		}
		if rows*loops > most {
			most, where = rows*loops, strings.SplitN(m[0], "\n", 2)[0]
		}
	}
	return name, most, where
}

func report(t *testing.T, seen []string, most int) {
	t.Helper()
	for _, text := range seen {
		if name, n, where := visits(text); n > most {
			t.Errorf("%s visits %d rows: %s", name, n, where)
		}
	}
}

// grown are jobs as they are once they were stored.
const grown = `SET session_replication_role = replica;
	INSERT INTO afe_jobs (id, owner, name, created_on, shard_id, priority, control_file) SELECT n, 'alice', 'job' || n, '2019-03-15T10:20:31.123', 1, 20, 'NAME = ''x''' FROM generate_series(%[1]d, %[2]d) AS n;
	INSERT INTO afe_host_queue_entries (id, job_id, status, complete) SELECT n, n, 'Queued', n NOT BETWEEN 60000 AND 60002 FROM generate_series(%[1]d, %[2]d) AS n;
	INSERT INTO afe_job_keyvals (job_id, key, value) SELECT n, 'build', 'eve' FROM generate_series(%[1]d, %[2]d) AS n;
	RESET session_replication_role`

func abortedJobs(t *testing.T, first, n int, value string) []string {
	t.Helper()
	var jobs []string
	for i := first; i < first+n; i++ {
		jobs = append(jobs, replaced(t, job(i, entry(i, `"aborted": true`)), "eve", value))
	}
	return jobs
}

// A plan that a session made while there were few jobs does not stay when there are many: what a
// beat costs follows what changes (P8), whatever PostgreSQL was told about the tables and when.
func TestPlansOfASmallShardDoNotStay(t *testing.T) {
	for _, small := range []int{0, 200} { // jobs that are here when the tables are analysed
		t.Run(fmt.Sprint(small), func(t *testing.T) {
			url := pgtest.Database(t)
			pool, seen := explainingPool(t, url)
			plain, err := pgxpool.New(t.Context(), url)
			if err != nil {
				t.Fatal(err)
			}
			defer plain.Close()
			pgtest.Exec(t, plain, "INSERT INTO afe_shards (id, hostname) VALUES (1, 'shard1.example')")
			if small > 0 {
				pgtest.Exec(t, plain, fmt.Sprintf(grown, 10001, 10000+small), simple)
			}
			pgtest.Exec(t, plain, "VACUUM ANALYZE")
			master := newMaster(t)
			client := newClient(t, pool, wire(t, master, afe.Protocol2019), options())
			// A young shard: a job comes, is aborted, and uploaded.
			master.saysResult(result(nil, abortedJobs(t, 1, 1, "a"), nil))
			mustBeat(t, client)
			master.saysResult(result(nil, abortedJobs(t, 1, 1, "b"), nil))
			mustBeat(t, client)
			finish := func(id int) {
				pgtest.Exec(t, plain, fmt.Sprintf("UPDATE afe_host_queue_entries SET complete = true, status = 'Completed' WHERE job_id = %d", id))
				pgtest.Exec(t, plain, fmt.Sprintf("UPDATE afe_jobs SET shard_id = NULL WHERE id = %d", id))
			}
			finish(1)
			master.saysResult(result(nil, nil, nil))
			mustBeat(t, client)
			// Many come, before PostgreSQL looks at the tables again.
			pgtest.Exec(t, plain, fmt.Sprintf(grown, 20001, 70000), simple)
			before := seen.len()
			master.saysResult(result(nil, abortedJobs(t, 60000, 3, "c"), nil))
			mustBeat(t, client)
			finish(50000)
			master.saysResult(result(nil, nil, nil))
			mustBeat(t, client)
			report(t, seen.since(t, before), 5000)
		})
	}
}

// A plan that was made while there were no keyvals does not compare each of many with each that
// goes. The first job of the shard has none; the tables were vacuumed while they were empty.
func TestPlansOfNoKeyvalsDoNotStay(t *testing.T) {
	url := pgtest.Database(t)
	pool, seen := explainingPool(t, url)
	plain, err := pgxpool.New(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	pgtest.Exec(t, plain, "INSERT INTO afe_shards (id, hostname) VALUES (1, 'shard1.example')")
	pgtest.Exec(t, plain, "VACUUM ANALYZE")
	master := newMaster(t)
	client := newClient(t, pool, wire(t, master, afe.Protocol2019), options())
	for _, aborted := range []string{"false", "true"} {
		master.saysResult(result(nil, []string{strings.Replace(job(1, entry(1, `"aborted": `+aborted)), `{"id": 1, "key": "build", "value": "eve"}`, "", 1)}, nil))
		mustBeat(t, client)
	}
	pgtest.Exec(t, plain, fmt.Sprintf(grown, 20001, 70000), simple)
	before := seen.len()
	master.saysResult(result(nil, abortedJobs(t, 50000, 500, "c"), nil))
	mustBeat(t, client)
	for _, text := range seen.since(t, before) {
		name, _, _ := visits(text)
		for _, m := range compared.FindAllStringSubmatch(text, -1) {
			if n, _ := strconv.Atoi(m[1]); n > 1_000_000 {
				t.Errorf("%s compares %d pairs of rows:\n%s", name, n, text[strings.Index(text, "plan:"):])
			}
		}
	}
}

var compared = regexp.MustCompile(`Rows Removed by Join Filter: (\d+)`)
