package scheduler_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"shardclient/runner/afe"
	"shardclient/runner/lab/scheduler"
	"shardclient/runner/master"
	"shardclient/runner/pgtest"
	"shardclient/runner/shard"
)

// masterLab is what the master has: a shard with the label of all hosts, a suite (job 1, hostless)
// whose children are the other jobs, and a second shard that a host moves to.
const masterLab = `
	INSERT INTO afe_shards (id, hostname) VALUES (1, 'shard1.example'), (2, 'shard2.example');
	INSERT INTO afe_labels (id, name) VALUES (1, 'board:a'), (2, 'pool:b');
	INSERT INTO afe_shards_labels (shard_id, label_id) VALUES (1, 1);
	INSERT INTO afe_users (id, login, access_level) VALUES (1, 'alice', 0), (2, 'chromeos-test', 100);
	INSERT INTO afe_acl_groups (id, name) VALUES (1, 'Everyone'), (2, 'lab');
	INSERT INTO afe_acl_groups_users (aclgroup_id, user_id) VALUES (1, 1), (2, 1), (1, 2);
	INSERT INTO afe_hosts (id, hostname, leased) SELECT n, 'h' || n, false FROM generate_series(1, 6) AS n;
	INSERT INTO afe_hosts_labels (host_id, label_id) SELECT n, 1 FROM generate_series(1, 6) AS n;
	INSERT INTO afe_hosts_labels (host_id, label_id) SELECT n, 2 FROM generate_series(1, 3) AS n;
	INSERT INTO afe_acl_groups_hosts (host_id, aclgroup_id) SELECT n, 1 + n % 2 FROM generate_series(1, 6) AS n;
	INSERT INTO afe_jobs (id, owner, name, created_on) VALUES (1, 'alice', 'suite', '2026-03-15 09:00');
	INSERT INTO afe_host_queue_entries (id, job_id, status) VALUES (1, 1, 'Queued');
	INSERT INTO afe_jobs (id, owner, name, created_on, parent_job_id, synch_count, priority)
		SELECT n, 'alice', 'job', '2026-03-15 09:00', 1, CASE WHEN n % 3 = 0 THEN 2 ELSE 0 END, 10 * (n % 3) FROM generate_series(2, 25) AS n;
	INSERT INTO afe_jobs_dependency_labels (job_id, label_id) SELECT n, 1 FROM generate_series(2, 25) AS n;
	INSERT INTO afe_host_queue_entries (id, job_id, status, meta_host)
		SELECT 100 * n + e, n, 'Queued', CASE WHEN e = 1 THEN 1 WHEN n % 2 = 0 THEN 2 END
		FROM generate_series(2, 25) AS n, generate_series(1, 3) AS e WHERE e <= 1 + n % 3 OR n % 3 = 0;
	INSERT INTO afe_host_queue_entries (id, job_id, status, host_id) SELECT 100 * n + 9, n, 'Queued', 6 FROM generate_series(2, 25, 5) AS n`

// worldwide is a master and a shard, both with their schedulers, joined by the real client over
// HTTP.
type worldwide struct {
	t             *testing.T
	mu            sync.Mutex // the master's side of a beat is another goroutine
	random        *rand.Rand
	here, there   *desk
	scheduler     *scheduler.Scheduler
	hostless      *scheduler.Scheduler
	client        *shard.Client
	answersSilent int // uploads that were stored although the answer was an error
}

func newWorldwide(t *testing.T, seed uint64) *worldwide {
	t.Helper()
	w := &worldwide{t: t, random: rand.New(rand.NewPCG(seed, 2))}
	if seed%2 == 0 {
		w.here = newDesk(t, "SELECT")
	} else {
		w.here = newRealDesk(t, "SELECT")
	}
	w.there = newDesk(t, masterLab)
	o := scheduler.Options{Seed: seed, FailShare: 0.2}
	w.scheduler = w.here.scheduler(o)
	o.Hostless = true
	w.hostless = w.there.scheduler(o)

	handler, err := master.New(w.there.pool, master.Options{Protocol: afe.Protocol2019})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(w.between(handler))
	t.Cleanup(server.Close)
	address, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	wire, err := afe.NewClient(afe.Options{
		Master: address, User: "chromeos-test", Protocol: afe.Protocol2019, Timeout: time.Minute,
		MaxResponseBytes: 64 << 20, UserAgent: "test",
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(wire.Close)
	clientPool := open(t, w.here.pool.Config().ConnString(), "client")
	w.client, err = shard.NewClient(clientPool, wire, shard.Options{
		ShardHostname: "shard1.example", Who: "test", StopTimeout: time.Second,
		// No request is stored late here, so that a lost answer is made good in the next beat.
		RPCTimeout:    time.Millisecond,
		LockTimeout:   time.Minute,
		MaxUploadJobs: 5, MaxUploadBytes: 16 << 20, ApplyChunk: 500, HistoryKeep: 1000, QuarantineKeep: 1000,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.client.Close(context.Background()) })
	return w
}

// between lets the scheduler work while a packet is on its way, before it is stored and after, and
// loses answers.
func (w *worldwide) between(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		w.turns()
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, r)
		w.turns()
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.random.IntN(8) == 0 {
			w.answersSilent++
			_, _ = io.WriteString(out, "lost") // a page that is no answer: nothing is clear, and nothing is refused
			return
		}
		out.WriteHeader(answer.Code)
		_, _ = out.Write(answer.Body.Bytes())
	})
}

// turns takes none, one or two.
func (w *worldwide) turns() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for range w.random.IntN(3) {
		if _, err := w.scheduler.Turn(context.WithoutCancel(w.t.Context())); err != nil {
			w.t.Error(err)
		}
	}
}

// disturb does what users of the master do.
func (w *worldwide) disturb(round int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case round == 20:
		pgtest.Exec(w.there.t, w.there.pool, "UPDATE afe_hosts SET shard_id = 2 WHERE id = 6")
		pgtest.Exec(w.there.t, w.there.pool, "DELETE FROM afe_hosts_labels WHERE host_id = 6")
	case w.random.IntN(6) == 0:
		pgtest.Exec(w.there.t, w.there.pool, "UPDATE afe_host_queue_entries SET aborted = true WHERE job_id = $1 AND NOT complete", 2+w.random.IntN(24))
	}
}

// entriesOf is what both sides must say of the jobs that the shard has.
func (w *worldwide) entriesOf(d *desk) []string {
	return pgtest.Column[string](w.t, d.pool, `
		SELECT concat_ws(' ', id, job_id, status, active, complete, aborted, host_id, execution_subdir, started_on, finished_on)
		FROM afe_host_queue_entries WHERE job_id > 1 ORDER BY id`)
}

// settle lets both sides finish: the master takes an entry for complete when its status is final,
// and hears of finished_on later.
func (w *worldwide) settle() {
	w.t.Helper()
	w.here.run(w.scheduler, nil)
	for range 100 {
		beat := w.client.Beat(w.t.Context(), time.Now())
		if beat.OK() && beat.KnownJobs == 0 && beat.UploadedJobs == 0 {
			return
		}
	}
	w.t.Error("still something to upload after 100 beats")
}

// Turns and beats alternate at random, within beats too, until master and shard agree that every
// entry has ended.
func TestMasterAndShardAgree(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			w := newWorldwide(t, seed)
			const rounds = 400
			for round := range rounds {
				w.turns()
				if w.random.IntN(2) == 0 {
					w.client.Beat(t.Context(), time.Now()) // it may fail
				}
				w.disturb(round)
				w.there.turn(w.hostless)
				if pgtest.Query[int](t, w.there.pool, "SELECT count(*) FROM afe_host_queue_entries WHERE NOT complete") == 0 {
					t.Logf("all complete on the master after %d rounds, %d answers lost", round, w.answersSilent)
					break
				}
			}
			w.settle()
			if diff := cmp.Diff(w.entriesOf(w.here), w.entriesOf(w.there)); diff != "" {
				t.Errorf("entries (-shard +master):\n%s", diff)
			}
			w.there.must("every entry has ended on the master", "SELECT * FROM afe_host_queue_entries WHERE NOT complete")
			if seed%2 != 0 {
				w.here.restsInItsOwnTables()
			}
			w.here.must("nothing waits in quarantine", "SELECT kind, object_id, code, reason FROM shard_client_quarantine")
			w.there.must("the suite ended after its children", `
				SELECT e.id, s.finished_on FROM audit AS e, audit AS suite, afe_host_queue_entries AS s
				WHERE s.id = 1 AND suite.of_table = 'afe_host_queue_entries' AND suite.id = 1 AND suite.changed -> 'complete' = 'true'
					AND e.of_table = 'afe_host_queue_entries' AND e.id > 1 AND e.changed -> 'complete' = 'true' AND e.n > suite.n`)
			w.there.must("the master's own scheduler touches the suite only",
				"SELECT * FROM audit WHERE program = 'scheduler' AND (of_table <> 'afe_host_queue_entries' OR id <> 1)")
		})
	}
}
