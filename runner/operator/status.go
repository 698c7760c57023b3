package operator

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/gen/sharddb"
	"shardclient/runner/beat"
	"shardclient/runner/pg"
	"shardclient/schema"
)

// The states of a shard, in the order in which they are looked for.
const (
	StateNew     = "new"     // no client has served this database
	StateStopped = "stopped" // no client has the lock
	StateFailing = "failing" // the last beat failed
	StateSilent  = "silent"  // a client has the lock, and its last beat is long ago
	StateOK      = "ok"
)

// Status is what the database says about a shard. Its JSON is a contract. Ages are by the clock of
// the database, and never negative.
type Status struct {
	State    string    `json:"state"`
	Sentence string    `json:"sentence"` // the state, for people
	At       time.Time `json:"at"`       // of the database, in UTC

	// LastSuccess is when the last beat ended that was ok; nil: none is known.
	LastSuccess    *time.Time `json:"last_success"`
	LastSuccessAge *float64   `json:"last_success_age_seconds"`
	// FailuresInARow counts the beats that failed since then; FailingSince is when the first began.
	FailuresInARow int64      `json:"failures_in_a_row"`
	FailingSince   *time.Time `json:"failing_since"`
	// Failure, Error and Hint are those of the last beat, if it failed.
	Failure string `json:"failure"`
	Error   string `json:"error"`
	Hint    string `json:"hint"`

	Pending    Pending `json:"pending_uploads"`
	Open       Open    `json:"open"`
	Quarantine Aside   `json:"quarantine"`
	Holder     *Holder `json:"lock_holder"` // nil: nobody
	LastHolder *Holder `json:"last_holder"` // who had the lock last; nil: nobody ever
	Schema     int64   `json:"schema_version"`
	Beats      []Beat  `json:"beats"` // the last ones, oldest first
	// Unknown are the parts, by their names here, that took too long to read, and why.
	Unknown map[string]string `json:"unknown"`
	// Standby: the database is one. It may lag behind, and shows no lock of its primary.
	Standby bool `json:"standby"`
}

// Pending are the finished jobs that wait for their upload.
type Pending struct {
	Jobs int64 `json:"jobs"`
	// More: there are more than that; no more were counted.
	More bool `json:"more"`
	// OldestAge is how long ago the first of their entries ended; nil: unknown.
	OldestAge *float64 `json:"oldest_age_seconds"`
}

// Open is what is not finished.
type Open struct {
	Jobs    int64 `json:"jobs"`
	Entries int64 `json:"entries"`
	Active  int64 `json:"active_entries"`
	Hosts   int64 `json:"hosts"` // valid ones
}

// Aside counts what is set aside.
type Aside struct {
	In             int64 `json:"in"`
	Out            int64 `json:"out"`
	WaitingForHost int64 `json:"waiting_for_host"` // of In
	Taken          int64 `json:"taken_ids"`        // not in the others
}

// Holder is a client by its lock.
type Holder struct {
	Who         string    `json:"who"`
	Since       time.Time `json:"since"`
	Address     string    `json:"address"` // "": this machine's own socket, or unknown
	Application string    `json:"application_name"`
	BackendPID  int32     `json:"backend_pid"` // 0: it does not have the lock any more
	Epoch       int64     `json:"epoch"`
}

const (
	beatsShown = 60
	// mostPending is how many finished jobs are counted at most: 100,000 take a third of a second.
	mostPending = 100_000
	// A client is silent when nothing has ended for so many pauses, and no less than silentLeast. A
	// long beat is silent, too.
	silentPauses = 5
	silentLeast  = time.Minute
)

// ReadStatus asks the database. pause is how often the client is meant to beat; zone is that of the
// scheduler's times, which travel without one. It asks for little, one thing after the other, and
// goes without what takes too long: [Status].Unknown names that.
func ReadStatus(ctx context.Context, pool *pgxpool.Pool, pause time.Duration, zone *time.Location) (*Status, error) {
	s := &Status{Unknown: map[string]string{}}
	var err error
	if s.Schema, err = schema.Latest(); err != nil {
		return nil, err
	}
	if s.Beats, err = History(ctx, pool, Which{Most: beatsShown}); err != nil {
		return nil, err
	}
	slices.Reverse(s.Beats)
	for _, part := range []struct {
		name string
		read func(context.Context, *sharddb.Queries) error
	}{
		{partOutcome, s.readOutcome},
		{partPending, func(ctx context.Context, q *sharddb.Queries) error { return s.readPending(ctx, q, zone) }},
		{partOpen, s.readOpen},
		{partAside, s.readAside},
		{partHolder, s.readHolder},
	} {
		err := Look(ctx, pool, func(q *sharddb.Queries) error { return part.read(ctx, q) })
		switch {
		case err == nil:
		case part.name == partOutcome || part.name == partHolder || !pg.TookTooLong(ctx, err) && pg.Classify(err) != pg.Locked:
			return nil, fmt.Errorf("read %s: %w", part.name, err)
		default:
			s.Unknown[part.name] = pg.Reason(err)
		}
	}
	s.judge(pause)
	return s, nil
}

// The parts of a status, by their names in JSON.
const (
	partOutcome = "last_success"
	partPending = "pending_uploads"
	partOpen    = "open"
	partAside   = "quarantine"
	partHolder  = "lock_holder"
)

func (s *Status) readOutcome(ctx context.Context, q *sharddb.Queries) error {
	o, err := q.StatusOutcome(ctx)
	s.At, s.FailuresInARow, s.Standby = o.Now.UTC(), o.Failures, o.Standby
	s.LastSuccess, s.FailingSince = moment(o.LastSuccess), moment(o.FailingSince)
	if s.LastSuccess != nil {
		s.LastSuccessAge = s.age(*s.LastSuccess)
	}
	if last := s.Last(); last != nil && !last.OK() {
		s.Failure, s.Error = last.Failure, last.Error
	}
	return err
}

func (s *Status) readPending(ctx context.Context, q *sharddb.Queries, zone *time.Location) error {
	p, err := q.StatusPending(ctx, mostPending)
	s.Pending = Pending{Jobs: p.Jobs, More: p.More}
	if oldest, wrong := time.ParseInLocation("2006-01-02T15:04:05", p.Oldest, zone); wrong == nil {
		s.Pending.OldestAge = s.age(oldest)
	}
	return err
}

func (s *Status) readOpen(ctx context.Context, q *sharddb.Queries) error {
	o, err := q.StatusOpen(ctx)
	s.Open = Open(o)
	return err
}

func (s *Status) readAside(ctx context.Context, q *sharddb.Queries) error {
	a, err := q.QuarantineSize(ctx)
	s.Quarantine = Aside{In: a.Incoming, Out: a.Outgoing, WaitingForHost: a.WaitingForHost, Taken: a.Taken}
	return err
}

func (s *Status) readHolder(ctx context.Context, q *sharddb.Queries) (err error) {
	if s.Holder, s.LastHolder, err = ReadHolder(ctx, q); s.Standby {
		s.Unknown[partHolder] = "this is a standby, and the lock is seen at its primary only"
	}
	return err
}

// ReadHolder returns who holds the lock, or else who held it last; nil: nobody.
func ReadHolder(ctx context.Context, q *sharddb.Queries) (now, last *Holder, err error) {
	owners, err := q.StatusOwner(ctx)
	if err != nil || len(owners) == 0 {
		return nil, nil, err
	}
	o := owners[0]
	holder := &Holder{
		Who: o.Who, Since: o.Since.UTC(), Address: o.Address, Application: o.ApplicationName,
		BackendPID: o.BackendPid, Epoch: o.Epoch,
	}
	if holder.Who == "" {
		holder.Who = "a client that has just started"
	}
	if holder.BackendPID == 0 {
		return nil, holder, nil
	}
	return holder, holder, nil
}

// Last returns the newest beat; nil: there is none.
func (s *Status) Last() *Beat {
	if len(s.Beats) == 0 {
		return nil
	}
	return &s.Beats[len(s.Beats)-1]
}

// age returns the seconds since then.
func (s *Status) age(then time.Time) *float64 {
	seconds := math.Round(max(s.At.Sub(then).Seconds(), 0)*1000) / 1000
	return &seconds
}

// moment returns the time of so many seconds after the beginning of 1970; 0: none.
func moment(seconds float64) *time.Time {
	if seconds == 0 {
		return nil
	}
	at := time.UnixMilli(int64(math.Round(seconds * 1000))).UTC()
	return &at
}

// words returns the number of the jobs in words: 1 job, at least 100,000 jobs.
func (p Pending) words() string {
	if p.More {
		return "at least " + beat.Jobs(int(p.Jobs))
	}
	return beat.Jobs(int(p.Jobs))
}
