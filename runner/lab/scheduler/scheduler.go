// Package scheduler is the toy scheduler: it stands in for monitor_db and lucifer where there is no lab.
//
// It owns the walk of host queue entries from Queued to their end. It writes only what docs/scheduler-contract.md
// allows, one statement at a time, each committed by itself and never in a transaction, so that every interleaving of
// that contract can happen between it and a beat. It runs no test, and it must not know of the shard-client.
//
// What it is in the middle of stands in the tables: another scheduler goes on where this one ended, wherever that was.
// In memory are only the job objects, because monitor_db caches them too, and how long each phase has lasted.
package scheduler

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"shardclient/gen/labdb"
)

const (
	// defaultTick lets an entry take some two seconds, so that a lab of 60 hosts works off 600 jobs in half a minute.
	defaultTick = 100 * time.Millisecond

	defaultReport = 10 * time.Second
)

// Options of a scheduler. The zero value is usable.
type Options struct {
	// Seed decides, with ids and what the tables hold, everything that is drawn: how a job ends, which entries fail,
	// how many turns a phase takes.
	Seed uint64

	// FailShare is the share of the entries that fail, from 0 to 1.
	FailShare float64

	// Hostless runs only the entries that want no host, as a master's own scheduler does; otherwise they are left alone.
	Hostless bool

	Tick   time.Duration    // Run's pause between two turns; 0: 100 ms
	Report time.Duration    // between two lines in the log; 0: 10 s
	Now    func() time.Time // nil: time.Now
	Log    *slog.Logger     // nil: nothing is logged
}

// Scheduler is the one scheduler of a database. It is not safe for concurrent use.
type Scheduler struct {
	o Options
	q *labdb.Queries

	looks int // turns that could read the tables
	cache map[int64]*cachedJob

	open, leases memories
}

// memories are kept by entry id, those of a lease too: a host is leased again, an entry ends once.
type memories map[int64]*memory

// memory is what is known of an open entry, or of the lease of its host, beside the row.
type memory struct {
	next  string // the step that waits
	due   int    // the turn in which it is taken
	found bool   // in the first turn: how long it has waited is not known, so it is due, up to a step that lasts

	final string // of an entry: the status that it ends with, once that is decided
	asked bool   // the NULL of its end is written, or left out
}

// New returns a scheduler that has not looked at its database yet. Every call of db must be a statement that commits by
// itself: pass a connection or a pool, not a transaction.
func New(db labdb.DBTX, o Options) *Scheduler {
	if o.Tick <= 0 {
		o.Tick = defaultTick
	}
	if o.Report <= 0 {
		o.Report = defaultReport
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Scheduler{
		o: o, q: labdb.New(db), cache: map[int64]*cachedJob{},
		open: memories{}, leases: memories{},
	}
}

// Work is what turns did.
type Work struct {
	Turns      int
	Statements int // that changed something
	Assigned   int // entries that got a host
	Released   int // hosts
	Asked      int // jobs whose shard_id was set to NULL

	Completed, Failed, Aborted, Stopped int // entries, by the status they ended with

	Open int // entries that were open when the last turn ended
	Busy int // hosts that were leased when it ended
}

// Ended counts entries.
func (w Work) Ended() int { return w.Completed + w.Failed + w.Aborted + w.Stopped }

func (w *Work) add(o Work) {
	w.Turns += o.Turns
	w.Statements += o.Statements
	w.Assigned += o.Assigned
	w.Released += o.Released
	w.Asked += o.Asked
	w.Completed += o.Completed
	w.Failed += o.Failed
	w.Aborted += o.Aborted
	w.Stopped += o.Stopped
	if o.Turns > 0 {
		w.Open, w.Busy = o.Open, o.Busy
	}
}

// Turn looks at the tables once and takes every step that is due. After an error the next turn goes on from what was
// written.
func (s *Scheduler) Turn(ctx context.Context) (Work, error) {
	t, err := s.look(ctx)
	if err != nil {
		return Work{}, fmt.Errorf("scheduler: %w", err)
	}
	for _, part := range []func() error{t.assign, t.advance, t.release} {
		if err := part(); err != nil {
			return t.work, fmt.Errorf("scheduler: %w", err)
		}
	}
	s.forget(t)
	return t.work, nil
}

// forget drops what is remembered of entries, leases and jobs that this turn has not met.
func (s *Scheduler) forget(t *turn) {
	maps.DeleteFunc(s.open, func(id int64, _ *memory) bool { return t.entries[id] == nil })
	maps.DeleteFunc(s.leases, func(id int64, _ *memory) bool { return !t.leased[id] })
	maps.DeleteFunc(s.cache, func(id int64, _ *cachedJob) bool { return !t.seenJobs[id] })
}

// remember returns the memory of an id, a new one when it was not met before.
func (s *Scheduler) remember(of memories, id int64) *memory {
	if of[id] == nil {
		of[id] = &memory{found: s.looks == 1}
	}
	return of[id]
}

// step is a statement or a few, or a decision. The draw of the turns before it depends on its name and the id of what
// takes it. atLeast may be negative: then that many more chances are for no turn at all.
type step struct {
	name            string
	atLeast, atMost int
	held            bool // however long it has waited
	passing         bool // leaves nothing in the tables: a scheduler that ends now has not taken it
	do              func() error
}

// spread is the wait between two statements of one end: mostly none.
func spread(name string, do func() error) *step {
	return &step{name: name, atLeast: -2, atMost: 2, do: do}
}

// isDue says whether the step is to be taken in this turn.
func (s *Scheduler) isDue(m *memory, id int64, next *step) bool {
	if m.next != next.name {
		m.next, m.due = next.name, s.looks
		if !m.found {
			m.due += s.turns(next, id)
		}
		m.found = m.found && next.passing
	}
	return s.looks >= m.due && !next.held
}

// now is the time as the tables hold it, in milliseconds because no more travels to the master.
func (s *Scheduler) now() pgtype.Timestamp {
	return pgtype.Timestamp{Time: s.o.Now().UTC().Truncate(time.Millisecond), Valid: true}
}
