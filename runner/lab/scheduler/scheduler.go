// Package scheduler is the toy scheduler. It stands in for monitor_db and lucifer where there is no
// lab.
//
// It owns the way of host queue entries from Queued to their end. It does not run any tests, and it
// must not know of shard-client.
//
// # What it writes
//
// It writes only what docs/scheduler-contract.md allows. Each statement commits by itself and is
// never part of a transaction. So every interleaving of that contract can happen between it and a
// beat.
//
// # What it remembers
//
// Its progress is in the tables: another scheduler goes on where this one ended, wherever that was.
// Only two things are in memory: the job objects, because monitor_db caches them too, and how long
// each phase has lasted.
package scheduler

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"shardclient/gen/labdb"
	"shardclient/runner/pg"
)

const (
	// defaultTick lets an entry take about two seconds. A lab of 60 hosts then works off 600 jobs
	// in half a minute.
	defaultTick = 100 * time.Millisecond

	defaultReport = 10 * time.Second
)

// Options of a scheduler. The zero value is usable.
type Options struct {
	// Seed decides everything that is drawn, together with the ids and contents of the tables: how
	// a job ends, which entries fail, how many turns a phase takes.
	Seed uint64

	// FailShare is the share of the entries that fail, from 0 to 1.
	FailShare float64

	// Hostless makes the scheduler run only entries that need no host, and release leased hosts
	// that nobody uses, as a master's own scheduler does. Without it, the scheduler leaves such
	// entries alone.
	Hostless bool

	Tick   time.Duration    // Run's pause between two turns; 0 means 100 ms
	Report time.Duration    // between two lines in the log; 0 means 10 s
	Now    func() time.Time // nil means time.Now
	Log    *slog.Logger     // nil means that nothing is logged
}

// Scheduler is the only scheduler of a database. It is not safe for concurrent use.
type Scheduler struct {
	o    Options
	q    *labdb.Queries
	pool resetter // nil unless the database is a pool

	looks int // how many turns could read the tables
	cache map[int64]*cachedJob

	open, leases memories

	tasks bool // whether the tables of a real scheduler are there
}

// resetter is what a pool of connections can do: leave them all.
type resetter interface{ Reset() }

// errTakesNoWrites means that the server is a standby by now, or read-only.
var errTakesNoWrites = errors.New("the server takes no writes any more")

// memories are kept by entry id. That goes for the memories of leases too, because a host is leased
// again and again, while an entry ends only once.
type memories map[int64]*memory

// memory is what the scheduler knows of an open entry, or of the lease of its host, beside the row.
type memory struct {
	next string // the name of the step that waits
	due  int    // the turn in which it is taken
	// found means that the first turn found it: nobody knows how long it has waited, so its steps
	// are due at once, up to the first one that leaves something in the tables.
	found bool

	final string // the status that the entry ends with, once that is decided
	asked bool   // the NULL of its end was written, or left out
}

// New returns a scheduler that has not looked at its database yet. Each statement that it gives to
// db must commit by itself: pass a connection or a pool, not a transaction. The error names what
// cannot be used.
func New(db labdb.DBTX, o Options) (*Scheduler, error) {
	if db == nil {
		return nil, errors.New("scheduler: db is nil: want the database of the shard or of the master")
	}
	if !(o.FailShare >= 0 && o.FailShare <= 1) {
		return nil, fmt.Errorf("scheduler: Options.FailShare is %v: want a number from 0 to 1", o.FailShare)
	}
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
	pool, _ := db.(resetter)
	return &Scheduler{
		o:      o,
		pool:   pool,
		q:      labdb.New(db),
		cache:  map[int64]*cachedJob{},
		open:   memories{},
		leases: memories{},
	}, nil
}

// Work counts what one turn or several turns did.
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

// Ended returns how many entries ended, whatever their status.
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

// Turn looks at the tables once and takes every step that is due. After an error, the next turn
// goes on from what was written. A pool whose server takes no writes any more is reset, so that the
// next turn finds the server that does.
func (s *Scheduler) Turn(ctx context.Context) (Work, error) {
	work, err := s.turn(ctx)
	if err == nil {
		return work, nil
	}
	if s.pool != nil && (errors.Is(err, errTakesNoWrites) || pg.Classify(err) == pg.ReadOnly) {
		s.pool.Reset()
	}
	return work, fmt.Errorf("scheduler: %w", err)
}

func (s *Scheduler) turn(ctx context.Context) (Work, error) {
	server, err := s.q.SchedulerServer(ctx)
	if err != nil {
		return Work{}, fmt.Errorf("ask whether the server takes writes: %w", err)
	}
	if len(server) != 1 || !server[0].TakesWrites {
		return Work{}, errTakesNoWrites
	}
	s.tasks = server[0].HasTasks
	t, err := s.look(ctx)
	if err != nil {
		return Work{}, err
	}
	for _, part := range []func() error{t.assign, t.advance, t.release} {
		if err := part(); err != nil {
			return t.work, err
		}
	}
	s.forget(t)
	return t.work, nil
}

// forget drops the memories of entries, leases and jobs that this turn has not found.
func (s *Scheduler) forget(t *turn) {
	maps.DeleteFunc(s.open, func(id int64, _ *memory) bool { return t.entries[id] == nil })
	maps.DeleteFunc(s.leases, func(id int64, _ *memory) bool { return !t.leased[id] })
	maps.DeleteFunc(s.cache, func(id int64, _ *cachedJob) bool { return !t.seenJobs[id] })
}

// remember returns the memory of an id, which is new when the id was not found before.
func (s *Scheduler) remember(of memories, id int64) *memory {
	if of[id] == nil {
		of[id] = &memory{found: s.looks == 1}
	}
	return of[id]
}

// step is one statement or a few, or a decision. It waits for a number of turns from atLeast to
// atMost, drawn by its name and the id of the entry. A negative number counts as 0, so a negative
// atLeast makes it more likely that the step does not wait.
type step struct {
	name            string
	atLeast, atMost int
	held            bool // not to be taken, however long it has waited
	passing         bool // leaves nothing in the tables, and is lost when the scheduler ends
	do              func() error
}

// spread returns a step that mostly does not wait, such as between two statements of one end.
func spread(name string, do func() error) *step {
	return &step{name: name, atLeast: -2, atMost: 2, do: do}
}

// isDue reports whether the step is to be taken in this turn.
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

// now returns the time as the tables hold it, in milliseconds: more is not sent to the master.
func (s *Scheduler) now() pgtype.Timestamp {
	return pgtype.Timestamp{Time: s.o.Now().UTC().Truncate(time.Millisecond), Valid: true}
}
