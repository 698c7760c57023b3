package converge_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/goleak"

	"shardclient/runner/afe"
	"shardclient/runner/lab/converge"
	"shardclient/runner/pgtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.WithServer(m)) }

func fill(t *testing.T, pool *pgxpool.Pool, statements ...string) {
	t.Helper()
	for _, sql := range statements {
		pgtest.Exec(t, pool, sql)
	}
}

const (
	shards = `INSERT INTO afe_shards (id, hostname) VALUES (1, 'one'), (2, 'two')`
	hosts  = `INSERT INTO afe_hosts (id, hostname, leased, shard_id) VALUES (1, 'h1', false, 1), (2, 'h2', false, 1)`
	jobs   = `INSERT INTO afe_jobs (id, owner, name, created_on, shard_id) VALUES
		(1, 'alice', 'done', '2026-01-01 10:00', 1), (2, 'alice', 'half', '2026-01-01 10:00:00.123', 1)`
	// The first entry is complete, the third still runs here and waits on the master.
	entries = `INSERT INTO afe_host_queue_entries (id, job_id, host_id, status, active, complete, started_on, finished_on) VALUES
		(11, 1, 1, 'Completed', false, true, '2026-01-01 11:00:00.1234', '2026-01-01 12:00'),
		(21, 2, 1, 'Failed', false, true, '2026-01-01 11:00', '2026-01-01 12:00'),
		(22, 2, 2, 'Running', true, false, '2026-01-01 11:00', NULL)`
	label = `INSERT INTO afe_labels (id, name) VALUES (1, 'board:a')`
)

// pair is a shard and its master, in agreement but for what a test does to them.
func pair(t *testing.T) (master, shard *pgxpool.Pool) {
	t.Helper()
	master, shard = pgtest.Pool(t), pgtest.Pool(t)
	for _, pool := range []*pgxpool.Pool{master, shard} {
		fill(t, pool, shards, label, hosts, jobs, entries)
	}
	fill(t, master,
		`INSERT INTO afe_shards_labels (shard_id, label_id) VALUES (1, 1)`,
		`INSERT INTO afe_hosts_labels (host_id, label_id) VALUES (1, 1), (2, 1)`,
		`UPDATE afe_host_queue_entries SET started_on = date_trunc('milliseconds', started_on)`,
		`UPDATE afe_host_queue_entries SET status = 'Queued', active = false, started_on = NULL, host_id = NULL WHERE id = 22`)
	return master, shard
}

func check(t *testing.T, master *pgxpool.Pool, protocol afe.Protocol, shards ...converge.Shard) *converge.Report {
	t.Helper()
	report, err := converge.Check(t.Context(), master, shards, protocol)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func TestAgreement(t *testing.T) {
	master, shard := pair(t)
	got := check(t, master, afe.Protocol2019, converge.Shard{Hostname: "one", DB: shard})
	want := &converge.Report{Jobs: 2, Entries: 3, Complete: 2, Agreed: 3, Disagreements: []converge.Disagreement{}}
	if diff := cmp.Diff(want, got); diff != "" || !got.Agree() {
		t.Errorf("agree %t (-want +got):\n%s", got.Agree(), diff)
	}
}

func TestEveryDisagreementIsNamed(t *testing.T) {
	for _, c := range []struct {
		name, here, there string
		want              []string
		lost              int
		agreed            int
	}{
		{name: "completion lost", there: `UPDATE afe_host_queue_entries SET complete = false, status = 'Queued' WHERE id = 21`, lost: 1, agreed: 2,
			want: []string{"one: entry 21 of job 2: complete is true here, false on the master", "one: entry 21 of job 2: status is Failed here, Queued on the master"}},
		{name: "completion of an unknown entry", there: `DELETE FROM afe_host_queue_entries WHERE id = 21`, lost: 1, agreed: 2,
			want: []string{"one: entry 21 of job 2: exists is complete here, no on the master"}},
		{name: "completion from nowhere", there: `UPDATE afe_host_queue_entries SET complete = true WHERE id = 22`, agreed: 2,
			want: []string{"one: entry 22 of job 2: complete is false here, true on the master"}},
		{name: "time", there: `UPDATE afe_host_queue_entries SET started_on = NULL WHERE id = 11`, agreed: 2,
			want: []string{"one: entry 11 of job 1: started_on is 2026-01-01T11:00:00.123 here, NULL on the master"}},
		{name: "job lost", there: `DELETE FROM afe_host_queue_entries WHERE job_id = 1; DELETE FROM afe_jobs WHERE id = 1`, lost: 1, agreed: 2,
			want: []string{"one: entry 11 of job 1: exists is complete here, no on the master", "one: job 1: exists is yes here, no on the master"}},
		{name: "job that never came", there: `INSERT INTO afe_jobs (id, created_on, shard_id) VALUES (3, now(), 1), (4, now(), 2), (5, now(), NULL)`, agreed: 3,
			want: []string{"one: job 3: exists is no here, yes on the master"}},
		{name: "job of another", there: `UPDATE afe_jobs SET shard_id = 2 WHERE id = 1`, agreed: 3, want: []string{"one: job 1: shard is one here, two on the master"}},
		{name: "job field", there: `UPDATE afe_jobs SET owner = 'bob' WHERE id = 1`, agreed: 3, want: []string{"one: job 1: owner is alice here, bob on the master"}},
		{name: "upload waits", here: `UPDATE afe_jobs SET shard_id = NULL WHERE id = 1`, agreed: 3, want: []string{"one: job 1: uploaded is waits here, not yet on the master"}},
		{name: "entry only there", there: `INSERT INTO afe_host_queue_entries (id, job_id) VALUES (23, 2)`, agreed: 3, want: []string{"one: entry 23 of job 2: exists is no here, yes on the master"}},
		{name: "host moved", there: `UPDATE afe_hosts SET shard_id = 2 WHERE id = 1`, agreed: 3, want: []string{"one: host 1: exists is yes here, no on the master"}},
		{name: "host not here", here: `UPDATE afe_hosts SET invalid = true WHERE id = 1`, agreed: 3, want: []string{"one: host 1: exists is no here, yes on the master"}},
		{name: "leased host not here", here: `UPDATE afe_hosts SET invalid = true WHERE id = 1`, there: `UPDATE afe_hosts SET leased = true WHERE id = 1`, agreed: 3},
		{name: "host status", here: `UPDATE afe_hosts SET status = 'Dead' WHERE id = 2`, agreed: 3, want: []string{"one: host 2: status is Dead here, Ready on the master"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			master, shard := pair(t)
			if c.here != "" {
				fill(t, shard, c.here)
			}
			if c.there != "" {
				fill(t, master, c.there)
			}
			report := check(t, master, afe.Protocol2019, converge.Shard{Hostname: "one", DB: shard})
			var got []string
			for _, d := range report.Disagreements {
				got = append(got, d.String())
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("disagreements (-want +got):\n%s", diff)
			}
			if report.Lost != c.lost || report.Agreed != c.agreed || report.Agree() != (c.want == nil) {
				t.Errorf("lost %d, agreed %d, agree %t; want %d, %d, %t", report.Lost, report.Agreed, report.Agree(), c.lost, c.agreed, c.want == nil)
			}
		})
	}
}

// A 2015 master is told neither the statuses of hosts nor which host an entry ran on.
func TestWhat2015MastersCannotKnow(t *testing.T) {
	master, shard := pair(t)
	fill(t, shard, `UPDATE afe_hosts SET status = 'Dead'`)
	fill(t, master, `UPDATE afe_host_queue_entries SET host_id = NULL`)
	if report := check(t, master, afe.Protocol2015, converge.Shard{Hostname: "one", DB: shard}); !report.Agree() {
		t.Errorf("2015: %v", report.Disagreements)
	}
	if report := check(t, master, afe.Protocol2019, converge.Shard{Hostname: "one", DB: shard}); len(report.Disagreements) != 4 {
		t.Errorf("2019: %v, want 4 disagreements", report.Disagreements)
	}
}

// An entry that began on two shards ran twice, whatever the master says of it.
func TestDuplicates(t *testing.T) {
	master, one := pair(t)
	two := pgtest.Pool(t)
	fill(t, two, shards, `INSERT INTO afe_jobs (id, owner, name, created_on, shard_id) VALUES (1, 'alice', 'done', '2026-01-01 10:00', 1)`,
		`INSERT INTO afe_host_queue_entries (id, job_id, status) VALUES (11, 1, 'Queued')`)
	both := []converge.Shard{{Hostname: "one", DB: one}, {Hostname: "two", DB: two}}
	if report := check(t, master, afe.Protocol2019, both...); report.Duplicated != 0 || report.Agree() {
		t.Errorf("duplicated %d, agree %t; the job only waits there: want 0, and a job of another shard", report.Duplicated, report.Agree())
	}
	fill(t, two, `UPDATE afe_host_queue_entries SET started_on = now()`)
	if report := check(t, master, afe.Protocol2019, both...); report.Duplicated != 1 {
		t.Errorf("duplicated %d, want 1", report.Duplicated)
	}
}

// More jobs than travel at once: nothing between two pages or after the last is missed.
func TestPages(t *testing.T) {
	master, shard := pgtest.Pool(t), pgtest.Pool(t)
	for _, pool := range []*pgxpool.Pool{master, shard} {
		fill(t, pool, shards, `INSERT INTO afe_jobs (id, created_on, shard_id) SELECT i, '2026-01-01', 1 FROM generate_series(1, 12000) AS i`)
	}
	fill(t, shard, `DELETE FROM afe_jobs WHERE id IN (1, 5001, 12000)`)
	report := check(t, master, afe.Protocol2019, converge.Shard{Hostname: "one", DB: shard})
	if report.Jobs != 11997 || len(report.Disagreements) != 3 {
		t.Errorf("%d jobs and %v, want 11997 and 3 disagreements", report.Jobs, report.Disagreements)
	}
}
