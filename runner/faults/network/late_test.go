package network

import (
	"net/http"
	"sync"
	"testing"

	"shardclient/runner/faults"
	"shardclient/runner/master/admin"
)

// A request that the client has given up lives on in the network, or in the queue of the master, and is stored after a newer
// one. It held an entry that was open then and is complete by now: the master takes back a completion, and never sends the
// job again. The shard must upload it once more, when the old request is surely dead.
func TestLateRequestIsStoredAfterANewerOne(t *testing.T) {
	t.Parallel()
	for name, lost := range map[string]http.HandlerFunc{
		"GivenUpAtTheDeadline": func(_ http.ResponseWriter, q *http.Request) { <-q.Context().Done() },
		"SentAgainInTheBeat":   func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, faults.Options{HostsPerShard: 1})
			late := &late{r: r, lost: lost, held: make(chan struct{}), stored: make(chan int, 1)}
			r.l.Between(late.between)
			r.run("--rpc-timeout=1500ms") // a second try begins after one second
			r.twoEntries()
			r.arrive()
			r.workUntil(late.held)
			r.l.Work(r.s)
			if complete := <-late.stored; complete != 1 {
				t.Fatalf("the master has %d complete entries after the late request, want 1: it shows nothing", complete)
			}
			r.recoversEntries(2)
		})
	}
}

// twoEntries makes a job that runs twice, once after the other on the only host.
func (r *rig) twoEntries() {
	r.t.Helper()
	job := admin.NewJob{Name: "job", Owner: "alice", MetaHosts: []string{r.s.Board, r.s.Board}, Dependencies: []string{r.s.Board}}
	if _, err := r.l.People.CreateJobs(r.t.Context(), job); err != nil {
		r.t.Fatal(err)
	}
	r.jobs++
}

// workUntil lets the scheduler end one entry and ask for its upload, and waits for that.
func (r *rig) workUntil(uploaded <-chan struct{}) {
	r.t.Helper()
	faults.Eventually(r.t, "the upload of one of two entries", func() bool {
		select {
		case <-uploaded:
			return true
		default:
		}
		const asked = "SELECT count(*) FROM afe_jobs j JOIN afe_host_queue_entries e ON e.job_id = j.id WHERE e.complete AND j.shard_id IS NULL"
		if faults.Count(r.t, r.s.DB, asked) == 0 {
			if _, err := r.s.Scheduler.Turn(r.t.Context()); err != nil {
				r.t.Fatal(err)
			}
		}
		return false
	})
}

// late keeps the first upload, and has it stored right after the first that has both entries complete.
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

// An answer is lost and the beat sends the packet again: the beat succeeds, and nothing is stored twice.
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
	r.run("--rpc-timeout=10s", "--log-level=debug")
	r.create(3, 0)
	r.arrive()
	r.l.Work(r.s)
	r.feels("heartbeat attempt failed", "EOF", "retry=true")
	r.recovers()
	if failed := faults.Count(t, r.s.DB, "SELECT count(*) FROM shard_client_heartbeats WHERE outcome <> 'ok'"); failed != 0 {
		t.Errorf("%d heartbeats failed, want none", failed)
	}
}
