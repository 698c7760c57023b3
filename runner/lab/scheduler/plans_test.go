package scheduler_test

import (
	"context"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/runner/lab/scheduler"
	"shardclient/runner/pgtest"
)

// longHistory has jobs that ended long ago, all with hosts and entries that are free for none.
const longHistory = `
	INSERT INTO afe_jobs (id, owner, name, created_on, shard_id, synch_count)
		SELECT n, 'alice', 'old', now(), 1, n % 3 FROM generate_series(100001, 140000) AS n;
	INSERT INTO afe_host_queue_entries (id, job_id, host_id, status, complete)
		SELECT n, n, 1, 'Completed', true FROM generate_series(100001, 140000) AS n;
	INSERT INTO afe_jobs_dependency_labels (job_id, label_id) SELECT n, 1 FROM generate_series(100001, 140000) AS n;`

var wholeTable = regexp.MustCompile(`Seq Scan on afe_(jobs|host_queue_entries|jobs_dependency_labels) `)

// reads notes what was asked without an argument, or with the one of SchedulerFits: the reads of a
// turn.
type reads struct{ sql []string }

func (s *reads) TraceQueryStart(ctx context.Context, _ *pgx.Conn, q pgx.TraceQueryStartData) context.Context {
	if strings.HasPrefix(q.SQL, "-- name: Scheduler") && (len(q.Args) == 0 || strings.Contains(q.SQL, "SchedulerFits")) {
		s.sql = append(s.sql, strings.ReplaceAll(q.SQL, "$1", "true"))
	}
	return ctx
}

func (s *reads) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// What ended long ago is not read again, and a turn reads four times whatever there is to do.
func TestCostOfATurnFollowsOpenEntries(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	d := &desk{t: t, pool: open(t, url, "test")}
	pgtest.Exec(d.t, d.pool, oneHost+moreHosts(20)+jobSQL(7, 3, 2)+jobSQL(8, 50, 0)+`
		INSERT INTO afe_jobs (id, owner, name, created_on) VALUES (5, 'alice', 'suite', now());
		INSERT INTO afe_host_queue_entries (id, job_id, status) VALUES (501, 5, 'Queued');`+longHistory)
	pgtest.Exec(d.t, d.pool, "VACUUM ANALYZE")
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	seen := &reads{}
	config.ConnConfig.Tracer = seen
	if d.schedules, err = pgxpool.NewWithConfig(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.schedules.Close)
	for _, hostless := range []bool{false, true} {
		d.turn(d.scheduler(scheduler.Options{Hostless: hostless}))
	}
	for _, sql := range seen.sql {
		plan := strings.Join(pgtest.Column[string](t, d.pool, "EXPLAIN "+sql), "\n")
		if wholeTable.MatchString(plan) {
			t.Errorf("reads a whole table:\n%s\n%s", sql, plan)
		}
	}
	if len(seen.sql) != 7 {
		t.Errorf("%d reads, want 4 in a turn and 3 in a hostless one", len(seen.sql))
	}
}

// A busy shard: 600 jobs for 60 hosts. A turn must leave most of a tick to others.
func BenchmarkTurn(b *testing.B) {
	url := pgtest.Database(b)
	d := &desk{t: b, pool: open(b, url, "test"), schedules: open(b, url, "scheduler")}
	pgtest.Exec(d.t, d.pool, oneHost+moreHosts(60)+`
		INSERT INTO afe_users (id, login) VALUES (1, 'alice');
		INSERT INTO afe_acl_groups_users (aclgroup_id, user_id) VALUES (1, 1);
		INSERT INTO afe_labels (id, name) SELECT n, 'l' || n FROM generate_series(2, 20) AS n;
		INSERT INTO afe_hosts_labels (host_id, label_id) SELECT h, l FROM generate_series(1, 60) AS h, generate_series(2, 20) AS l;`)
	var s *scheduler.Scheduler
	var total scheduler.Work
	open := 0
	for b.Loop() {
		if open == 0 {
			b.StopTimer()
			pgtest.Exec(d.t, d.pool, `
				INSERT INTO afe_jobs (owner, name, created_on, synch_count) SELECT 'alice', 'job', now(), n % 3 FROM generate_series(1, 600) AS n;
				INSERT INTO afe_jobs_dependency_labels (job_id, label_id)
					SELECT j.id, l FROM afe_jobs AS j, generate_series(1, 2) AS l ON CONFLICT DO NOTHING;
				INSERT INTO afe_host_queue_entries (job_id, status, meta_host)
					SELECT j.id, 'Queued', 1 FROM afe_jobs AS j, generate_series(1, 1 + j.synch_count) WHERE j.shard_id IS NULL AND j.priority = 40;
				UPDATE afe_jobs SET priority = 41`)
			pgtest.Exec(d.t, d.pool, "VACUUM ANALYZE")
			s = d.scheduler(scheduler.Options{Seed: 1, FailShare: 0.1})
			b.StartTimer()
		}
		work := d.turn(s)
		open = work.Open + work.Busy
		total.Statements += work.Statements
		total.Turns++
	}
	b.ReportMetric(float64(total.Statements)/float64(total.Turns), "statements/op")
}
