// Package status owns what the status page of a shard says: how the shard is in one sentence, its
// last beats, what waits, what is set aside and why, and the settings. Package page owns how that
// looks.
//
// A [Board] observes every [beat.Report], as metrics and health do, so that the page has something
// to say while the database does not answer. Of the database it reads what the process itself does
// not know, the beats before it and the rows of the quarantine: when somebody looks, at most once
// in ten seconds, within two, and on a connection of its own, so that no beat waits for a reader.
//
// Everyone who can reach the address reads the page. It holds no secret; it does hold names and the
// texts of errors.
package status

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/runner/beat"
	"shardclient/runner/config"
	"shardclient/runner/hint"
	"shardclient/runner/operator"
	"shardclient/runner/ops"
	"shardclient/runner/page"
)

const (
	// askEvery is for how long the page shows the same rows of the database, and askFor how long it
	// waits for them.
	askEvery = 10 * time.Second
	askFor   = 2 * time.Second
	// shownObjects is how many objects of the quarantine the page lists.
	shownObjects = 50
)

// Options are what a board knows from the start. All are required.
type Options struct {
	ShardHostname, Master, Version string
	Began                          time.Time // the process
	Health                         *ops.Health
	// Connect opens a pool for one question to the database.
	Connect func(context.Context) (*pgxpool.Pool, error)
	// Settings returns the settings.
	Settings func() []config.Setting
	// Redact and RedactError take secrets out of names and settings, and out of errors.
	Redact      func(string) string
	RedactError func(error) string
}

// Board is what the page shows. It is safe for concurrent use.
type Board struct {
	o Options
	// read reads the newest beats and the newest objects of the quarantine, at most so many.
	read func(ctx context.Context, beats, objects int64) ([]operator.Beat, []operator.Quarantined, error)

	mu   sync.Mutex
	seen seen

	// Only one page is made at a time, which alone asks.
	asking sync.Mutex
	stored stored
}

// seen is what the beats of this process have shown.
type seen struct {
	beats      []operator.Beat // the oldest first
	sent       bool            // a packet is known; before that, the counts mean nothing
	knownJobs  int
	knownHosts int
	pending    int
	batch      beat.Batch
	quarantine *beat.Quarantine // nil: not known
	hint       string           // what to do about the last beat, if that has failed
}

// stored is what the database said when it was asked last.
type stored struct {
	asked, answered time.Time // zero: never
	err             string    // of the last time; "": it answered
	beats           []operator.Beat
	objects         []operator.Quarantined
}

// New returns a board that has seen no beat. The error names what is missing.
func New(o Options) (*Board, error) {
	if o.ShardHostname == "" || o.Health == nil || o.Connect == nil || o.Settings == nil || o.Redact == nil || o.RedactError == nil {
		return nil, errors.New("status: a field of Options is missing: all are required")
	}
	return &Board{o: o, read: o.read}, nil
}

// Handler serves the page.
func (b *Board) Handler() http.Handler { return page.Handler(b.document, time.Now) }

// Recall notes what is known of the beats before the start of this process.
func (b *Board) Recall(p *beat.Past) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.seen.sent = !p.LastBeat().IsZero()
	b.seen.knownJobs, b.seen.knownHosts, b.seen.pending = p.KnownJobs, p.KnownHosts, p.Pending
	b.seen.batch, b.seen.quarantine = p.Batch, &p.Quarantine
}

// Observe notes a beat that has just ended.
func (b *Board) Observe(r *beat.Report) {
	ended := operator.Beat{StartedAt: time.Now(), Report: *r}
	ended.Err = nil // it may hold an answer
	for _, took := range r.Phases() {
		ended.TookMS += float64(took) / float64(time.Millisecond)
		ended.StartedAt = ended.StartedAt.Add(-took)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	s := &b.seen
	s.beats = newest(append(s.beats, ended))
	s.batch, s.hint = r.Batch, hint.For(r.Failure, r.Err)
	if r.Sent() {
		s.sent, s.knownJobs, s.knownHosts, s.pending = true, r.KnownJobs, r.KnownHosts, r.StillPending()
	}
	if r.Quarantine != nil {
		s.quarantine = r.Quarantine
	}
}

// newest returns the beats that have a place in the plot.
func newest(beats []operator.Beat) []operator.Beat {
	return append([]operator.Beat(nil), beats[max(0, len(beats)-page.Bars):]...)
}

// document makes the page.
func (b *Board) document(ctx context.Context) *page.Document {
	b.asking.Lock()
	defer b.asking.Unlock()
	health := b.o.Health.Status()
	if !strings.HasPrefix(health.Doing, waitsForDatabase) { // who is refused or in vain already asks often enough
		b.ask(ctx)
	}
	b.mu.Lock()
	seen := b.seen
	b.mu.Unlock()
	seen.beats = newest(append(append([]operator.Beat(nil), b.stored.beats...), seen.beats...))
	v := &view{now: time.Now(), health: health, seen: seen, stored: b.stored, o: &b.o}
	return v.document()
}

// waitsForDatabase begins what `run` does before it has its database.
const waitsForDatabase = "wait for the database"

// ask asks the database, unless it was asked a moment ago. What it said stays when it does not
// answer.
func (b *Board) ask(ctx context.Context) {
	s := &b.stored
	if !s.asked.IsZero() && time.Since(s.asked) < askEvery {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	most := int64(0)
	if s.answered.IsZero() { // beats of earlier processes do not change any more
		most = page.Bars
	}
	beats, objects, err := b.read(ctx, most, shownObjects+1)
	if s.asked, s.err = time.Now(), ""; err != nil {
		s.err = b.o.RedactError(err)
		return
	}
	for _, old := range slices.Backward(beats) {
		if old.StartedAt.Before(b.o.Began) { // this process has seen its own
			s.beats = append(s.beats, old)
		}
	}
	s.objects, s.answered = objects, s.asked
}

// read connects, asks, and closes the connection.
func (o *Options) read(ctx context.Context, atMost, objects int64) (
	beats []operator.Beat, quarantined []operator.Quarantined, err error,
) {
	pool, err := o.Connect(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer pool.Close()
	if atMost > 0 {
		if beats, err = operator.History(ctx, pool, operator.Which{Most: atMost}); err != nil {
			return nil, nil, err
		}
	}
	quarantined, err = operator.NewestQuarantined(ctx, pool, objects)
	return beats, quarantined, err
}
