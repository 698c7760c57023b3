package network

import (
	"net/http"
	"sync"
	"testing"

	"shardclient/runner/faults"
	"shardclient/runner/master/admin"
	"shardclient/runner/pgtest"
	"shardclient/runner/wait"
)

// A request whose connection broke lives on in the queue of the master, and is stored after a newer
// one. It held an entry that was open then and is complete by now: the master takes back a
// completion, and never sends the job again. The shard must upload it once more, when the old
// request is surely dead.
func TestLateRequestIsStoredAfterANewerOne(t *testing.T) {
	t.Parallel()
	t.Run("SentAgainInTheBeat", func(t *testing.T) {
		t.Parallel()
		l := newLate(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
		l.r.l.Work(l.r.s)
		l.storedLate()
		l.r.recoversEntries(2)
	})
	// After a deadline the client itself waits until the request is dead. One that is started anew
	// does not.
	t.Run("ClientKilledMeanwhile", func(t *testing.T) {
		t.Parallel()
		l := newLate(t, func(_ http.ResponseWriter, q *http.Request) { <-q.Context().Done() })
		l.r.l.Work(l.r.s)
		l.r.client.Kill()
		l.r.run(long)
		l.storedLate()
		l.r.recoversEntries(2)
	})
}

// newLate is a shard whose first upload, of one of two entries, has left and is kept.
func newLate(t *testing.T, lost http.HandlerFunc) *late {
	t.Helper()
	r := newRig(t, faults.Options{HostsPerShard: 2, Seed: 3})
	l := &late{r: r, lost: lost, held: make(chan struct{}), stored: make(chan int, 1)}
	r.l.Between(l.between)
	r.run(long)
	r.twoEntries()
	r.arrive()
	r.workUntil(l.held)
	return l
}

// storedLate waits until the kept request is stored after the newer one, and that one is
// acknowledged. Then it lets the time pass after which the kept one must be dead: the client has to
// upload once more what that one may have undone.
func (l *late) storedLate() {
	l.r.t.Helper()
	if complete := wait.For(l.r.t, "for the newer upload", l.stored, l.r.client.Log); complete != 1 {
		l.r.t.Fatalf("the master has %d complete entries after the late request, want 1: it shows nothing", complete)
	}
	wait.Until(l.r.t, "for the acknowledge of the newer upload", func() bool {
		return pgtest.Query[int](l.r.t, l.r.s.DB, "SELECT count(*) FROM afe_jobs WHERE shard_id IS NULL") == 0
	}, l.r.client.Log)
	l.r.l.ForgetUnsure()
}

// twoEntries makes a job that runs on two hosts.
func (r *rig) twoEntries() {
	r.t.Helper()
	job := admin.NewJob{Name: "job", Owner: "alice", MetaHosts: []string{r.s.Board, r.s.Board}, Dependencies: []string{r.s.Board}}
	if _, err := r.l.People.CreateJobs(r.t.Context(), job); err != nil {
		r.t.Fatal(err)
	}
	r.jobs++
}

// workUntil lets the scheduler end one entry of two, asks for its upload as lucifer does at the
// release of a host, and waits until the upload has left.
func (r *rig) workUntil(uploaded <-chan struct{}) {
	r.t.Helper()
	const ended = "SELECT count(*) FROM afe_host_queue_entries WHERE complete"
	for pgtest.Query[int](r.t, r.s.DB, ended) == 0 {
		if _, err := r.s.Scheduler.Turn(r.t.Context()); err != nil {
			r.t.Fatal(err)
		}
	}
	if n := pgtest.Query[int](r.t, r.s.DB, ended+" OR status IN ('Completed', 'Failed', 'Stopped')"); n != 1 {
		r.t.Fatalf("%d entries have ended, want one: choose another seed", n)
	}
	if _, err := r.s.DB.Exec(r.t.Context(), "UPDATE afe_jobs SET shard_id = NULL"); err != nil {
		r.t.Fatal(err)
	}
	wait.For(r.t, "for the upload of one of two entries", uploaded, r.client.Log)
}

// late keeps the first upload, and has it stored right after the first that has both entries
// complete.
type late struct {
	r      *rig
	lost   http.HandlerFunc
	held   chan struct{} // closed when the first upload is kept
	stored chan int      // complete entries at the master, once the first upload is stored at last

	mu    sync.Mutex
	first []byte
	done  bool
}

func (l *late) between(master http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, err := readAll(q)
		if err != nil {
			return
		}
		if l.keeps(body) {
			l.lost(w, q)
			return
		}
		answer := again(master, q, body)
		l.mu.Lock()
		defer l.mu.Unlock()
		if !l.done && l.first != nil && l.complete() == 2 {
			l.done = true
			again(master, q, l.first)
			l.stored <- l.complete()
		}
		pass(w, answer)
	})
}

func (l *late) keeps(body []byte) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.first != nil || uploads(body) == 0 {
		return false
	}
	l.first = body
	close(l.held)
	return true
}

// complete counts the complete entries at the master; -1: it cannot be asked.
func (l *late) complete() (n int) {
	err := l.r.l.Master.QueryRow(l.r.t.Context(), "SELECT count(*) FROM afe_host_queue_entries WHERE complete").Scan(&n)
	if err != nil {
		return -1
	}
	return n
}

// An answer is lost and the beat sends the packet again: the beat succeeds, and nothing is stored
// twice.
func TestLostAnswerIsAskedForAgainInTheBeat(t *testing.T) {
	t.Parallel()
	r := newRig(t, faults.Options{})
	var once sync.Once
	r.l.Between(func(master http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
			answer, body := serve(master, q)
			if uploads(body) > 0 {
				once.Do(func() { panic(http.ErrAbortHandler) })
			}
			pass(w, answer)
		})
	})
	r.run(long, "--log-level=debug")
	r.create(3, 0)
	r.arrive()
	r.l.Work(r.s)
	r.feels("heartbeat attempt failed", "EOF", "retry=true")
	r.recovers()
	if failed := pgtest.Query[int](t, r.s.DB, "SELECT count(*) FROM shard_client_heartbeats WHERE outcome <> 'ok'"); failed != 0 {
		t.Errorf("%d heartbeats failed, want none", failed)
	}
}
