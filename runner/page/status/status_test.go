package status

import (
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/net/html"

	"shardclient/runner/beat"
	"shardclient/runner/config"
	"shardclient/runner/operator"
	"shardclient/runner/ops"
	"shardclient/runner/page"
)

// shard is a board with what it looks at.
type shard struct {
	t       *testing.T
	health  *ops.Health
	board   *Board
	asked   int   // how often the database was asked
	atMost  int64 // of the last time
	beats   []operator.Beat
	objects []operator.Quarantined
	err     error
}

func hide(text string) string { return strings.ReplaceAll(text, "hunter2", "xxxxx") }

func newShard(t *testing.T) *shard {
	t.Helper()
	health, err := ops.NewHealth(10 * time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	s := &shard{t: t, health: health}
	s.board, err = New(Options{
		ShardHostname: "shard1.example", Master: "master.example", Version: "1.2.3", Began: time.Now(), Health: health,
		Connect: func(context.Context) (*pgxpool.Pool, error) { return nil, errors.New("not used") },
		Settings: func() []config.Setting {
			return []config.Setting{{Name: "master", Value: "hunter2.example", Source: "SHARD_CLIENT_MASTER"}, {Name: "user"}}
		},
		Redact:      hide,
		RedactError: func(err error) string { return hide(err.Error()) },
	})
	if err != nil {
		t.Fatal(err)
	}
	s.board.read = func(_ context.Context, atMost, _ int64) ([]operator.Beat, []operator.Quarantined, error) {
		s.asked, s.atMost = s.asked+1, atMost
		return s.beats, s.objects, s.err
	}
	return s
}

// page returns the text of the page as its reader sees it, and its state.
func (s *shard) page() (text, state string) {
	s.t.Helper()
	w := httptest.NewRecorder()
	s.board.Handler().ServeHTTP(w, httptest.NewRequestWithContext(s.t.Context(), "GET", "/", nil))
	root, err := html.Parse(w.Body)
	if err != nil || w.Code != 200 {
		s.t.Fatal(w.Code, err)
	}
	var words []string
	for node := range root.Descendants() {
		if node.Type == html.TextNode && node.Parent.Data != "style" && node.Parent.Data != "script" {
			words = append(words, node.Data)
		}
		for _, a := range node.Attr {
			if a.Key == "data-state" {
				state = a.Val
			}
		}
	}
	return strings.Join(strings.Fields(strings.Join(words, " ")), " "), state
}

func (s *shard) shows(when, state string, texts ...string) {
	s.t.Helper()
	text, got := s.page()
	if got != state {
		s.t.Errorf("%s: state %q, want %q", when, got, state)
	}
	for _, want := range texts {
		if !strings.Contains(text, want) {
			s.t.Errorf("%s: the page lacks %q: %s", when, want, text)
		}
	}
}

// ends lets a beat end, and the next one be planned.
func (s *shard) ends(r *beat.Report) {
	s.health.Observe(r)
	s.board.Observe(r)
	s.health.Waits(time.Now().Add(48 * time.Second))
}

func good(pending int) *beat.Report {
	return &beat.Report{
		Outcome: beat.OutcomeOK, PackedMS: 4, RPCMS: 30, AckMS: 1, ApplyMS: 2, KnownJobs: 1234, KnownHosts: 60, UploadedJobs: 3, ReceivedJobs: 5,
		Pending: pending + 3, Batch: beat.Batch{Jobs: 500, Bytes: 1 << 20}, Quarantine: &beat.Quarantine{},
	}
}

func failed(class string) *beat.Report {
	r := &beat.Report{PackedMS: 4, RPCMS: 7000, Pending: 12, Batch: beat.Batch{Jobs: 500, Bytes: 1 << 20}}
	r.Fail(errors.New(class), class, "heartbeat: <b>refused</b>\nby master")
	return r
}

// The sentence says how the shard is, and what to do when something is to be done.
func TestSentence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		<-time.After(time.Until(time.Date(2019, 3, 15, 14, 0, 0, 0, time.UTC)))
		s := newShard(t)
		s.health.Doing("wait for the database")
		s.shows("without a database", "bad", "The database does not answer, so no beat can begin. Nothing is lost", "Not read yet")
		s.health.Doing("wait for the database, which refuses this client")
		s.shows("refused by the database", "bad", "The database refuses this client")
		if s.asked != 0 {
			t.Errorf("the page has asked the database %d times beside the client", s.asked)
		}
		s.health.Doing("wait for the first beat")
		s.health.Waits(time.Now().Add(31 * time.Second))
		s.shows("before the first beat", "waiting", "No beat has ended yet, next in 31 s.", "No beats yet.", "finished jobs waiting ?")

		s.ends(good(0))
		<-time.After(12 * time.Second)
		s.shows("after a good beat", "good", "All is well: last beat 12 s ago, next in 36 s.", "Nothing is set aside",
			"hosts known 60", "jobs known and not finished 1,234", "1 beat since", "jobs uploaded in 1 beat 3", "jobs at most in an upload now 500")
		s.ends(good(1200))
		s.shows("with a backlog", "good", "1,200 finished jobs wait for the next beats.")

		s.ends(failed("transport"))
		s.shows("after a failure", "warning", "The last beat failed (transport) since ", "next in 48 s. Nothing is lost: 12 finished jobs wait.",
			"Ask whether the master is up and reachable from here.", "heartbeat: <b>refused</b> by master", "runbook, under transport")
		s.ends(failed("transport"))
		first := time.Now()
		s.ends(failed("rpc_error"))
		<-time.After(7 * time.Minute)
		s.shows("after three failures", "bad", "3 beats in a row failed (rpc_error) since "+page.Clock(first, time.Now())+" UTC, 7 min ago, next at once.",
			"Read the log of the master", "failed: rpc_error")
		s.health.Doing("beat")
		s.shows("while it tries again", "bad", "another is under way")
		<-time.After(11 * time.Minute)
		s.shows("when it hangs", "bad", "shard-client hangs: it has been busy with one thing (beat) for 11 min.", "Restart it")
		s.ends(good(0))
		s.health.Doing("beat")
		<-time.After(6 * time.Minute)
		s.shows("in a long beat", "warning", "A beat has been under way for 6 min; the last good one ended 6 min ago.")
	})
}

// More failures than the page has beats, or a start in the middle of an outage, still say since
// when.
func TestSentenceOfALongOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShard(t)
		past := beat.Past{LastSuccess: time.Now().Add(-5 * time.Hour), LastFailure: time.Now(), Failure: "deadline", Failures: 200, Pending: 1}
		s.health.Recall(&past)
		s.board.Recall(&past)
		s.shows("after a start", "bad", "200 beats in a row failed (deadline) since the last good one at "+page.Clock(past.LastSuccess, time.Now()),
			"5 h 0 min ago", "Nothing is lost: 1 finished job waits.", "Look at the load of the master")
		past.LastSuccess = time.Time{}
		s.health.Recall(&past)
		<-time.After(time.Second)
		s.shows("without any success", "bad", "200 beats in a row failed (deadline), and none was ever good.")
	})
}

// What is set aside is listed with reason and remedy, also while the database does not answer; only
// what waits for a host is no alarm.
func TestQuarantineOnThePage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShard(t)
		id := int64(4711)
		s.objects = []operator.Quarantined{{Direction: "in", Kind: "job", ID: &id, Code: "malformed", Reason: "<i>owner</i> is null", Occurrences: 14, FirstSeen: time.Now(), LastSeen: time.Now()}}
		s.err = errors.New("connection refused")
		waits := good(0)
		waits.Quarantine = &beat.Quarantine{In: 3, WaitingForHost: 3}
		s.ends(waits)
		s.shows("with jobs that wait for a host", "good", "set aside: wait for a host 3", "The database does not say what is set aside.", "connection refused")
		s.err = nil
		bad := good(0)
		bad.Quarantine = &beat.Quarantine{In: 2, WaitingForHost: 1, Taken: 1}
		s.ends(bad)
		<-time.After(askEvery)
		s.shows("with a bad object", "warning", "Beats are good, but 2 objects are set aside", "job 4711 malformed <i>owner</i> is null Correct the object on the master.",
			"14 times", "set aside: cannot be stored 1", "set aside: id is taken 1")
		s.err = errors.New("no answer")
		<-time.After(3 * time.Minute)
		s.shows("when the database is gone", "warning", "The database does not answer at present. This is 3 min old:", "no answer", "job 4711")
		for range shownObjects {
			s.objects = append(s.objects, s.objects[0])
		}
		s.err = nil
		<-time.After(askEvery)
		s.shows("with many", "warning", "These are the 50 that were seen last. shard-client quarantine list has all.")
	})
}

// The database is asked when somebody looks, once in ten seconds, and for the history once.
func TestTheDatabaseIsAskedSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShard(t)
		handler := s.board.Handler()
		look := func() {
			handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), "GET", "/", nil))
		}
		if s.ends(good(0)); s.asked != 0 {
			t.Error("asked although nobody looks")
		}
		s.err = errors.New("down")
		for range 100 {
			look()
			<-time.After(100 * time.Millisecond)
		}
		if s.asked != 1 || s.atMost != page.Bars {
			t.Errorf("asked %d times in ten seconds, last for %d beats", s.asked, s.atMost)
		}
		s.err = nil
		look()
		<-time.After(askEvery)
		look()
		if s.asked != 3 || s.atMost != 0 {
			t.Errorf("asked %d times in 20 seconds, last for %d beats, want only the quarantine", s.asked, s.atMost)
		}
	})
}

// The plot begins with the beats of the process before, and has 120 bars at most.
func TestThePlotGoesOnWhereTheLastProcessLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShard(t)
		for i := range page.Bars {
			old := operator.Beat{StartedAt: time.Now().Add(time.Duration(-i-1) * time.Minute), TookMS: 37, Report: *good(0)}
			old.UploadedJobs = 0
			s.beats = append(s.beats, old)
		}
		s.shows("at the start", "waiting", "120 beats since", "120 ok, 0 failed", "jobs uploaded in 120 beats 0")
		for i := range 5 {
			if s.ends(good(0)); i == 2 {
				s.ends(failed("transport"))
			}
		}
		<-time.After(time.Second)
		s.shows("six beats later", "good", "119 ok, 1 failed", "jobs uploaded in 120 beats 15", "failed: transport")
		for range 2 * page.Bars {
			s.ends(good(0))
		}
		<-time.After(time.Second)
		s.shows("much later", "good", "120 ok, 0 failed", "jobs uploaded in 120 beats 360")
		if n := len(s.board.seen.beats); n > page.Bars {
			t.Errorf("%d beats are kept", n)
		}
	})
}

// Nobody can reach what a report of a beat holds beside its text.
func TestNoSecretIsKept(t *testing.T) {
	s := newShard(t)
	r := failed("transport")
	r.Err = errors.New("password hunter2")
	s.ends(r)
	s.err = r.Err
	if text, _ := s.page(); !strings.Contains(text, "xxxxx.example") || !strings.Contains(text, "password xxxxx") || strings.Contains(text, "hunter2") || s.board.seen.beats[0].Err != nil {
		t.Error("the cause of a failure, which may hold a secret, is kept")
	}
}

func TestOptionsThatAreMissing(t *testing.T) {
	if b, err := New(Options{}); b != nil || err == nil {
		t.Errorf("%v, %v", b, err)
	}
}
