package master_test

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/runner/afe"
	"shardclient/runner/pgtest"
)

// loadShared makes n hosts and n jobs (two entries each) that carry a label of shard 1 and one of shard 2.
func loadShared(t testing.TB, pool *pgxpool.Pool, n int) {
	t.Helper()
	for _, sql := range []string{
		`INSERT INTO afe_shards (id, hostname) VALUES (1, 'one'), (2, 'two')`,
		`INSERT INTO afe_labels (id, name) VALUES (1, 'board:a'), (2, 'board:b'), (3, 'other')`,
		`INSERT INTO afe_shards_labels (shard_id, label_id) VALUES (1, 1), (2, 2)`,
		`INSERT INTO afe_users (login, access_level) VALUES ('chromeos-test', 100)`,
	} {
		exec(t, pool, sql)
	}
	for _, sql := range []string{
		`INSERT INTO afe_hosts (id, hostname, leased) SELECT i, 'h' || i, false FROM generate_series(1, $1::int) AS i`,
		`INSERT INTO afe_hosts_labels (host_id, label_id) SELECT i, l FROM generate_series(1, $1::int) AS i, generate_series(1, 2) AS l`,
		`INSERT INTO afe_jobs (id, owner, name, created_on) SELECT i, 'o', 'j', now() FROM generate_series(1, $1::int) AS i`,
		`INSERT INTO afe_jobs_dependency_labels (job_id, label_id) SELECT i, l FROM generate_series(1, $1::int) AS i, generate_series(1, 2) AS l`,
		`INSERT INTO afe_host_queue_entries (id, job_id, status) SELECT 2 * i + e, i, 'Queued' FROM generate_series(1, $1::int) AS i, generate_series(0, 1) AS e`,
	} {
		exec(t, pool, sql, n)
	}
}

// Both heartbeats have read what they may take before either may take it: a lock of the tables holds them there. Two
// pools stand for two master processes.
func TestConcurrentHeartbeatsShareNothing(t *testing.T) {
	const n, rounds = 20, 40
	for _, protocol := range protocols {
		databaseURL := pgtest.Database(t)
		var pools []*pgxpool.Pool
		for range 2 {
			pool, err := pgxpool.New(t.Context(), databaseURL)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(pool.Close)
			pools = append(pools, pool)
		}
		loadShared(t, pools[0], n)
		urls := []string{serve(t, pools[0], protocol), serve(t, pools[1], protocol)}
		for round := range rounds {
			exec(t, pools[0], "UPDATE afe_hosts SET shard_id = NULL")
			exec(t, pools[0], "UPDATE afe_jobs SET shard_id = NULL")
			one, two := together(t, pools[0], urls)
			for _, section := range []string{"hosts", "jobs"} {
				all := slices.Concat(ids(t, one, section), ids(t, two, section))
				if len(all) != n || len(slices.Compact(slices.Sorted(slices.Values(all)))) != n {
					t.Fatalf("round %d: %s %v, want %d, each once", round, section, all, n)
				}
			}
		}
	}
}

// together sends two heartbeats that overlap in the database.
func together(t *testing.T, pool *pgxpool.Pool, urls []string) (one, two *reply) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	type outcome struct {
		reply *reply
		err   error
	}
	outcomes := [2]chan outcome{make(chan outcome, 1), make(chan outcome, 1)}
	err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "LOCK TABLE afe_jobs, afe_hosts IN EXCLUSIVE MODE"); err != nil {
			return err
		}
		for i, shard := range []string{"one", "two"} {
			go func() {
				r, err := post(ctx, urls[i], "chromeos-test", heartbeat(`{"shard_hostname": "`+shard+`"}`))
				outcomes[i] <- outcome{r, err}
			}()
		}
		for waiting := 0; waiting < 2; {
			if err := tx.QueryRow(ctx, `SELECT count(*) FROM pg_locks AS l, pg_sleep(0.002)
				WHERE NOT l.granted AND l.relation = 'afe_jobs'::regclass`).Scan(&waiting); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	first, second := <-outcomes[0], <-outcomes[1]
	if first.err != nil || second.err != nil {
		t.Fatal(first.err, second.err)
	}
	return first.reply, second.reply
}

type counter struct{ queries atomic.Int64 }

func (c *counter) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	c.queries.Add(1)
	return ctx
}
func (*counter) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

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
			entries += fmt.Sprintf(`{"id": %d, "status": "Completed"},`, 2*i)
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

// Which hosts and jobs are sent, case by case, to shard 1 (label 1).
func TestRules(t *testing.T) {
	for _, c := range []struct {
		name, edit, args      string
		hosts, jobs, jobs2015 []int64
		incorrect             []int64
	}{
		{name: "all", hosts: []int64{1, 2}, jobs: []int64{1, 2}},
		{name: "known", args: `, "known_host_ids": [1], "known_job_ids": [2]`, hosts: []int64{2}, jobs: []int64{1}, incorrect: []int64{1}},
		{name: "leased", edit: "UPDATE afe_hosts SET leased = true, shard_id = 1 WHERE id = 1", hosts: []int64{2}, jobs: []int64{1, 2}},
		{name: "another shard's", edit: "UPDATE afe_hosts SET shard_id = 2; UPDATE afe_jobs SET shard_id = 2", hosts: []int64{1, 2}, jobs: []int64{1, 2}},
		{name: "label gone", edit: "DELETE FROM afe_shards_labels; UPDATE afe_hosts SET shard_id = 1", hosts: []int64{}, jobs: []int64{}},
		{name: "one entry complete", edit: "UPDATE afe_host_queue_entries SET complete = true, aborted = true WHERE id = 2", hosts: []int64{1, 2}, jobs: []int64{2}},
		{name: "one entry active", edit: "UPDATE afe_host_queue_entries SET active = true WHERE id = 2", hosts: []int64{1, 2}, jobs: []int64{2}},
		{name: "known, half aborted", edit: "UPDATE afe_host_queue_entries SET aborted = true WHERE id = 2", args: `, "known_job_ids": [1]`, hosts: []int64{1, 2}, jobs: []int64{2}},
		{name: "known, all aborted", edit: "UPDATE afe_host_queue_entries SET aborted = true WHERE job_id = 1", args: `, "known_job_ids": [1, 2]`, hosts: []int64{1, 2}, jobs: []int64{1}},
		{name: "by meta host", edit: "DELETE FROM afe_jobs_dependency_labels WHERE job_id = 1; UPDATE afe_host_queue_entries SET meta_host = 1 WHERE id = 2", hosts: []int64{1, 2}, jobs: []int64{1, 2}, jobs2015: []int64{2}},
		{name: "by host", edit: "DELETE FROM afe_jobs_dependency_labels WHERE job_id = 1; UPDATE afe_host_queue_entries SET host_id = 1 WHERE id = 2", hosts: []int64{1, 2}, jobs: []int64{1, 2}},
		{name: "by host, other meta host", edit: "DELETE FROM afe_jobs_dependency_labels WHERE job_id = 1; UPDATE afe_host_queue_entries SET host_id = 1, meta_host = 3 WHERE id = 2", hosts: []int64{1, 2}, jobs: []int64{2}},
		{name: "hostless", edit: "DELETE FROM afe_jobs_dependency_labels WHERE job_id = 1", hosts: []int64{1, 2}, jobs: []int64{2}},
		{name: "no entries", edit: "DELETE FROM afe_host_queue_entries WHERE job_id = 1", hosts: []int64{1, 2}, jobs: []int64{2}},
		{name: "uploaded in this beat", args: `, "jobs": [{"id": 1}], "hqes": [{"id": 2, "status": "Failed"}]`, hosts: []int64{1, 2}, jobs: []int64{2}},
	} {
		for _, protocol := range protocols {
			pool := pgtest.Pool(t)
			loadShared(t, pool, 2)
			if c.edit != "" {
				exec(t, pool, c.edit)
			}
			args, jobs := c.args, c.jobs
			if protocol == afe.Protocol2019 && len(c.incorrect) > 0 {
				args += `, "known_host_statuses": ["Ready"]`
			}
			if protocol == afe.Protocol2015 && c.jobs2015 != nil {
				jobs = c.jobs2015
			}
			r := call(t, serve(t, pool, protocol), heartbeat(`{"shard_hostname": "one"`+args+`}`))
			if diff := cmp.Diff([][]int64{c.hosts, jobs}, [][]int64{ids(t, r, "hosts"), ids(t, r, "jobs")}); diff != "" {
				t.Errorf("%s %s: hosts and jobs (-want +sent):\n%s", protocol, c.name, diff)
			}
			if _, sent := r.Result["incorrect_host_ids"]; sent != (protocol == afe.Protocol2019) {
				t.Errorf("%s %s: incorrect_host_ids in the answer: %t", protocol, c.name, sent)
			} else if sent && len(c.incorrect) != len(ids(t, r, "incorrect_host_ids")) {
				t.Errorf("%s: incorrect hosts %v, want %v", c.name, ids(t, r, "incorrect_host_ids"), c.incorrect)
			}
		}
	}
}
