package process_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"shardclient/runner/binaries"
	"shardclient/runner/faults"
	"shardclient/runner/master/admin"
	"shardclient/runner/pgtest"
	"shardclient/runner/shard"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(binaries.WithBinaries(pgtest.WithServer(m))) }

// rich is a frozen lab whose shard has something of everything before it at its next beat: finished
// jobs, a job of two entries with one open, jobs and hosts that come, one of them refused by
// PostgreSQL, an aborted job, an incorrect host.
type rich struct {
	*faults.Lab
	complete int // entries, when all is done
}

func newRich(t *testing.T) *rich {
	t.Helper()
	r := buildRich(t, nil)
	r.Freeze()
	return r
}

// buildRich builds it on a server, and does not freeze it; nil: that of pgtest.
func buildRich(t *testing.T, server *faults.Server) *rich {
	t.Helper()
	l := faults.NewLab(t, faults.Options{HostsPerShard: 5, Server: server})
	s := l.Shards[0]
	must(t)(l.People.AddLabels(t.Context(), admin.NewLabel{Name: "board:other"}))
	must(t)(l.People.AddShard(t.Context(), "other.example", "board:other"))
	jobs := l.CreateJobs(s, 4)
	pair, err := l.People.CreateJobs(t.Context(), admin.NewJob{
		Name: "pair", Owner: "alice", MetaHosts: []string{s.Board, s.Board}, Dependencies: []string{s.Board},
	})
	must(t)(pair, err)
	client := newClient(t, l)
	beat(t, client)
	client.Close(t.Context())

	// What the scheduler writes, in one go: three jobs are finished, and half of the pair.
	pgtest.Exec(t, s.DB, `UPDATE afe_host_queue_entries SET status = 'Completed', complete = true, execution_subdir = 'x',
		started_on = '2019-01-01 10:00:00', finished_on = '2019-01-01 10:01:00', host_id = (SELECT min(id) FROM afe_hosts)
		WHERE id IN (SELECT min(id) FROM afe_host_queue_entries WHERE job_id = ANY ($1) GROUP BY job_id)`, append(jobs[:3:3], pair...))
	pgtest.Exec(t, s.DB, `UPDATE afe_jobs SET shard_id = NULL WHERE id = ANY ($1)`, append(jobs[:3:3], pair...))
	pgtest.Exec(t, s.DB, `ALTER TABLE afe_jobs ADD CONSTRAINT poison CHECK (name <> 'poison')`)

	must(t)(l.People.AbortJobs(t.Context(), "alice", jobs[3]))
	must(t)(l.People.MoveHosts(t.Context(), "board:other", "shard1-host5"))
	must(t)(l.Master.Exec(t.Context(), `UPDATE afe_hosts SET shard_id = (SELECT id FROM afe_shards WHERE hostname = 'other.example')
		WHERE hostname = 'shard1-host5'`))
	must(t)(l.People.AddHosts(t.Context(), admin.NewHost{Hostname: "shard1-host6", Labels: []string{s.Board}}))
	l.CreateJobs(s, 2)
	must(t)(l.People.CreateJobs(t.Context(), admin.NewJob{
		Name: "poison", Owner: "alice", MetaHosts: []string{s.Board}, Dependencies: []string{s.Board},
	}))
	return &rich{Lab: l, complete: 4 + 2 + 3}
}

func must(t *testing.T) func(any, error) {
	return func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
}

// newClient is one in this process, for the beats that nothing disturbs.
func newClient(t *testing.T, l *faults.Lab) *shard.Client {
	t.Helper()
	client, err := shard.NewClient(l.Shards[0].DB, l.Wire(l.URL()), l.ClientOptions(l.Shards[0]))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close(context.Background()) })
	return client
}

func beat(t *testing.T, client *shard.Client) {
	t.Helper()
	if b := client.Beat(t.Context(), time.Now()); !b.OK() {
		t.Fatalf("an undisturbed beat failed: %s", b.Error)
	}
}

// state is what the shard's scheduler wrote, which no answer of the master may change (P5).
type state struct {
	ID                           int64
	Status, Subdir, Began, Ended string
	Active, Complete             bool
}

func localTruth(t *testing.T, l *faults.Lab) []state {
	t.Helper()
	rows, err := l.Shards[0].DB.Query(t.Context(), `SELECT id, status, execution_subdir, coalesce(started_on::text, ''),
		coalesce(finished_on::text, ''), active, complete FROM afe_host_queue_entries WHERE status <> 'Queued'
		UNION ALL SELECT id, status, '', '', '', leased, locked FROM afe_hosts ORDER BY 2, 1`)
	must(t)(rows, err)
	states, err := pgx.CollectRows(rows, pgx.RowToStructByPos[state])
	must(t)(states, err)
	return states
}

// holds is what must be so whenever the client is gone: objects are whole, nothing is acknowledged
// that the master has not stored, and nothing of the scheduler's is overwritten.
func holds(t *testing.T, l *faults.Lab, before []state) {
	t.Helper()
	s := l.Shards[0]
	if n := pgtest.Query[int](t, s.DB, `SELECT count(*) FROM afe_jobs AS j
		WHERE NOT EXISTS (SELECT FROM afe_host_queue_entries AS e WHERE e.job_id = j.id)`); n != 0 {
		t.Errorf("%d jobs are here without their entries", n)
	}
	var acknowledged []int64
	must(t)(nil, s.DB.QueryRow(t.Context(), `SELECT coalesce(array_agg(e.id), '{}') FROM afe_host_queue_entries AS e
		JOIN afe_jobs AS j ON j.id = e.job_id LEFT JOIN shard_client_uploads AS u ON u.job_id = j.id
		WHERE e.complete AND j.shard_id IS NOT NULL AND (u.job_id IS NULL OR e.id = ANY (u.sent_complete))`).Scan(&acknowledged))
	stored := pgtest.Query[int](t, l.Master, `SELECT count(*) FROM afe_host_queue_entries WHERE id = ANY ($1) AND complete`, acknowledged)
	if stored != len(acknowledged) {
		t.Errorf("%d entries are acknowledged as complete, the master has %d of them", len(acknowledged), stored)
	}
	known := map[state]bool{}
	for _, after := range localTruth(t, l) {
		known[after] = true
	}
	for _, b := range before {
		if !known[b] {
			t.Errorf("the scheduler's %+v is overwritten:\n%s", b, cmp.Diff(before, localTruth(t, l)))
		}
	}
}

// recovers fails the test unless beats that nothing disturbs bring all to its end: at most four
// until nothing moves.
func (r *rich) recovers(t *testing.T, l *faults.Lab) {
	t.Helper()
	l.Between(nil)
	s, client := l.Shards[0], newClient(t, l)
	pgtest.Exec(t, s.DB, `ALTER TABLE afe_jobs DROP CONSTRAINT poison`)
	beat(t, client)
	beat(t, client) // more than one when the first had to look for a record that the master refuses
	finish(t, s)
	l.ForgetUnsure()
	settle(t, client)
	l.Agree(r.complete)
}

// finish is what the scheduler writes until nothing is open, in one go: its own turns take longer
// than all else.
func finish(t *testing.T, s *faults.Shard) {
	t.Helper()
	pgtest.Exec(t, s.DB, `WITH ended AS (
			UPDATE afe_host_queue_entries SET complete = true, active = false, execution_subdir = 'y', started_on = '2019-01-02',
				finished_on = '2019-01-03', status = CASE WHEN aborted THEN 'Aborted' ELSE 'Completed' END
			WHERE NOT complete RETURNING job_id
		)
		UPDATE afe_jobs SET shard_id = NULL WHERE id IN (SELECT job_id FROM ended)`)
}

// settle beats until nothing moves.
func settle(t *testing.T, client *shard.Client) {
	t.Helper()
	for range 4 {
		b := client.Beat(t.Context(), time.Now())
		if !b.OK() {
			t.Fatalf("an undisturbed beat failed: %s", b.Error)
		}
		if b.UploadedJobs+b.ReceivedJobs+b.ReceivedHosts == 0 && b.Pending == 0 {
			return
		}
	}
	t.Error("four undisturbed beats do not come to rest")
}
