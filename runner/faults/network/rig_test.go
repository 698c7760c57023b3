package network

import (
	"flag"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"shardclient/runner/binaries"
	"shardclient/runner/faults"
	"shardclient/runner/master/admin"
	"shardclient/runner/pgtest"
	"shardclient/runner/wait"
)

func TestMain(m *testing.M) {
	// These tests wait for time-outs most of their time, not for the processors. A -parallel of the
	// caller counts.
	if err := flag.Set("test.parallel", "6"); err != nil {
		panic(err)
	}
	// A link of toxiproxy whose toxic has closed one end never reads the other to its end: its
	// three goroutines wait at their channels for good. They are the fault's, not ours; all else is
	// still looked for.
	goleak.VerifyTestMain(binaries.WithBinaries(pgtest.WithServer(m)),
		goleak.IgnoreAnyFunction("github.com/Shopify/toxiproxy/v2.(*ToxicLink).read"),
		goleak.IgnoreAnyFunction("github.com/Shopify/toxiproxy/v2.(*ToxicLink).write"),
		goleak.IgnoreAnyFunction("github.com/Shopify/toxiproxy/v2/toxics.(*ToxicStub).Run"))
}

const (
	// short ends a beat before a retry could begin, which waits a second: each attempt is a beat of
	// its own. A busy machine may need longer for a beat without a fault, which counts for nothing:
	// see recoversEntries.
	short = "--rpc-timeout=900ms"
	// long is for beats that are to succeed, however slow.
	long = "--rpc-timeout=10m"
	// atMost are the failed beats that an end of a fault may be followed by: the one in hand, and
	// one with what that one left.
	atMost = 2
	// busyAtMost bounds the beats with anything to do between the end of a fault and agreement.
	busyAtMost = 12
	// bulk is the size of a control file of which six take a slow network its time.
	bulk = 40 << 10
)

// rig is one shard whose client is about to meet a fault.
type rig struct {
	t      testing.TB
	l      *faults.Lab
	s      *faults.Shard
	client *faults.Program
	jobs   int
	since  int // of the log: what stands before is of no interest
}

func newRig(t testing.TB, o faults.Options) *rig {
	t.Helper()
	l := faults.NewLab(t, o)
	return &rig{t: t, l: l, s: l.Shards[0]}
}

// run starts the client.
func (r *rig) run(flags ...string) {
	r.t.Helper()
	r.client = r.l.Start(r.s, "run", append([]string{short}, flags...)...)
}

// create makes jobs with control files of so many bytes.
func (r *rig) create(count, size int) {
	r.t.Helper()
	jobs := make([]admin.NewJob, count)
	for i := range jobs {
		jobs[i] = admin.NewJob{
			Name: "job", Owner: "alice", ControlFile: strings.Repeat("#", size),
			MetaHosts: []string{r.s.Board}, Dependencies: []string{r.s.Board},
		}
	}
	if _, err := r.l.People.CreateJobs(r.t.Context(), jobs...); err != nil {
		r.t.Fatal(err)
	}
	r.jobs += count
}

// arrive waits until all jobs are on the shard.
func (r *rig) arrive() {
	r.t.Helper()
	wait.Until(r.t, "all jobs on the shard", func() bool {
		return pgtest.Query[int](r.t, r.s.DB, "SELECT count(*) FROM afe_jobs") == r.jobs
	})
}

// fault is what play plays.
type fault struct {
	begin, end func()
	size       int           // of the jobs' control files
	felt       []string      // words of the log line by which an operator knows it
	slow       time.Duration // instead: heartbeats succeed, but no faster than this
}

// play plays a fault. Three jobs came before it and end during it, three are created during it;
// when it is over, everything must agree after a bounded number of beats.
func (r *rig) play(f fault) {
	r.t.Helper()
	r.create(3, f.size)
	r.arrive()
	before := r.beats()
	r.since = len(r.client.Log())
	f.begin()
	r.l.Work(r.s)
	r.create(3, f.size)
	if f.slow > 0 {
		wait.Until(r.t, "a slow heartbeat that uploads", func() bool {
			return pgtest.Query[int](r.t, r.s.DB, `SELECT count(*) FROM shard_client_heartbeats
				WHERE id > $1 AND outcome = 'ok' AND uploaded_jobs > 0 AND packed_ms + rpc_ms + ack_ms + apply_ms >= $2`,
				before, f.slow.Milliseconds()) > 0
		})
	} else {
		r.feels(f.felt...)
	}
	f.end()
	r.recovers()
}

// feels waits for a line with all of the words.
func (r *rig) feels(words ...string) {
	r.t.Helper()
	wait.Until(r.t, "a line of the log with "+strings.Join(words, " and "), func() bool {
		for line := range strings.SplitSeq(r.client.Log()[r.since:], "\n") {
			found := true
			for _, word := range words {
				found = found && strings.Contains(line, word)
			}
			if found {
				return true
			}
		}
		return false
	})
}

// beats is the last beat of the history.
func (r *rig) beats() int {
	r.t.Helper()
	return pgtest.Query[int](r.t, r.s.DB, "SELECT coalesce(max(id), 0) FROM shard_client_heartbeats")
}

// recovers fails the test unless the client itself comes back, in few beats, and both sides agree
// on all jobs.
func (r *rig) recovers() { r.t.Helper(); r.recoversEntries(r.jobs) }

// recoversEntries is recovers for jobs of more than one entry. Beats that ran into their deadline
// are not counted: whether 900 ms suffice says something of the machine only.
func (r *rig) recoversEntries(complete int) {
	r.t.Helper()
	since := r.beats()
	r.arrive()
	r.l.Work(r.s)
	wait.Until(r.t, "agreement", func() bool { return len(r.l.Compare().Disagreements) == 0 })
	r.client.Stop()
	r.l.Agree(complete)
	const after = "SELECT count(*) FROM shard_client_heartbeats WHERE id > $1 AND failure <> 'deadline' AND "
	if failed := pgtest.Query[int](r.t, r.s.DB, after+"outcome <> 'ok'", since); failed > atMost {
		r.t.Errorf("%d heartbeats failed after the end of the fault, want at most %d", failed, atMost)
	}
	if busy := pgtest.Query[int](r.t, r.s.DB, after+"(outcome <> 'ok' OR uploaded_jobs + received_jobs > 0)", since); busy > busyAtMost {
		r.t.Errorf("%d heartbeats had something to do after the end of the fault, want at most %d", busy, busyAtMost)
	}
}
