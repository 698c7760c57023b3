// Package aside owns the objects of a response that cannot be stored: why, what of them an operator
// sees, and how they get into the quarantine (P6, P9 of docs/promises.md). What goes out is set
// aside by package search.
package aside

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/gen/sharddb"
	"shardclient/runner/afe"
	"shardclient/runner/guard"
	"shardclient/runner/lock"
	"shardclient/runner/pg"
	"shardclient/runner/plain"
	"shardclient/runner/reading"
)

// The direction, kinds and codes of objects that are set aside.
const (
	DirectionIn = "in" // what goes out is set aside elsewhere

	KindHost        = "host"
	KindJob         = "job"
	KindSuiteKeyval = "suite_keyval"

	CodeMalformed      = "malformed"        // it could not be understood
	CodeDuplicateID    = "duplicate_id"     // another object with its id came first
	CodeWaitingForHost = "waiting_for_host" // it names a host that is not here yet; no alarm
	CodeDatabase       = "database"         // PostgreSQL refused it
	CodeTooSlow        = "too_slow"         // storing it alone takes longer than a statement may
	CodeNameTaken      = "name_taken"       // another valid host has its name
	CodeEntryTaken     = "entry_taken"      // an entry of it belongs to another job
	CodeJobTaken       = "job_taken"        // its id is that of another job here
	CodeHostTaken      = "host_taken"       // its id is that of another host here
	// JobsRefused gives waiting_for_keyvals, too.
)

// Limits of what is kept of an object, in bytes. The payload is for an operator to look at; whole,
// it may be as large as the response.
const (
	MaxReason  = 500
	MaxPayload = 64 << 10
)

// Object is an object that cannot be stored, and why. Its JSON is what the statements take.
type Object struct {
	Kind    string `json:"kind"`
	ID      int64  `json:"id"` // 0: it has none
	Code    string `json:"code"`
	Reason  string `json:"reason"`
	Payload []byte `json:"payload"`
	Size    int64  `json:"payload_bytes"` // of the whole payload

	Place afe.Place `json:"-"` // where the payload stands in the response
}

// Options say how objects are set aside. All must be set.
type Options struct {
	Lock *lock.Lock    // of the shard, by which everything is written
	Pool *pgxpool.Pool // of the shard's database

	HistoryKeep    int64 // rows
	QuarantineKeep int64 // rows

	Redact func(string) string // takes secrets out of what others say
	Logger *slog.Logger        // hears why objects were set aside
}

// Objects are those of one response that cannot be stored.
type Objects struct {
	o       *Options
	text    func(place afe.Place, most int64) (jsontext.Value, error)
	count   int // of all
	waiting int // of those that are no alarm
	first   Object
	ids     map[key]bool // see Has
	rows    []Object     // that are not in the quarantine yet
	bytes   int          // of these rows
	written int64        // how many rows were written
}

type key struct {
	kind string
	id   int64
}

// Of returns no objects of a response whose texts a function returns.
func Of(o *Options, text func(place afe.Place, most int64) (jsontext.Value, error)) *Objects {
	return &Objects{o: o, text: text, ids: map[key]bool{}}
}

// Count returns how many objects were set aside.
func (s *Objects) Count() int { return s.count }

// Has reports whether an object with this id was set aside: another one with the same id may be
// good.
func (s *Objects) Has(kind string, id int64) bool { return s.ids[key{kind, id}] }

// maxAside is how many bytes of objects that cannot be stored are held before they are written
// down.
const maxAside = 2 << 20

// Turns returns the turns of objects that PostgreSQL refused in earlier beats, by id.
func (s *Objects) Turns(ctx context.Context, kind string) (map[int64]reading.Ref, error) {
	refused, err := sharddb.New(s.o.Pool).QuarantineRefusedBefore(ctx, kind)
	if err != nil {
		return nil, fmt.Errorf("look which were refused before: %w", err)
	}
	turns := make(map[int64]reading.Ref, len(refused))
	for i, before := range refused {
		turns[before.ID] = reading.Ref{Turn: i + 1, Alone: before.TooSlow}
	}
	return turns, nil
}

// SetAside adds an object to those that cannot be stored.
func (s *Objects) SetAside(object Object, code string, reason error) {
	object.Code = code
	object.Reason = s.o.Redact(pg.Reason(reason)) // it quotes values, and what PostgreSQL says
	s.Add(object)
}

// Add adds an object to those that cannot be stored, as the quarantine keeps it. No more are kept
// than the quarantine takes (P9).
func (s *Objects) Add(object Object) {
	s.count++
	s.ids[key{object.Kind, object.ID}] = true
	if object.Code == CodeWaitingForHost {
		s.waiting++
	} else if s.first.Code == "" {
		s.first = object
	}
	if s.written+int64(len(s.rows)) >= s.o.QuarantineKeep {
		return
	}
	object.Size = object.Place.Size()
	object.Payload, _ = s.text(object.Place, MaxPayload) // without it the row still says what is wrong
	object.Reason = plain.Line(object.Reason, MaxReason)
	s.rows = append(s.rows, object)
	s.bytes += len(object.Payload) + len(object.Reason)
}

// NoteTaken notes the jobs or hosts here whose id turned out to be taken, among those that were set
// aside: nothing is sent under such an id any more.
func (s *Objects) NoteTaken(ctx context.Context, q *sharddb.Queries, kind string, bad []Object) error {
	taken := sharddb.TakenNoteParams{Kind: kind}
	for _, o := range bad {
		if o.Code == CodeJobTaken || o.Code == CodeHostTaken {
			taken.Ids = append(taken.Ids, o.ID)
			taken.Reasons = append(taken.Reasons, plain.Line(s.o.Redact(o.Reason), MaxReason))
		}
	}
	if len(taken.Ids) == 0 {
		return nil
	}
	_, err := q.TakenNote(ctx, taken)
	return pg.Failed(err, "note %d ids that are taken", len(taken.Ids))
}

// FlushMany writes down what was set aside so far, if that is much, and fails when the time of
// the beat is over.
func (s *Objects) FlushMany(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if s.bytes < maxAside {
		return nil
	}
	return s.Flush(ctx)
}

// Flush writes down what was set aside, one row an object.
func (s *Objects) Flush(ctx context.Context) error {
	if len(s.rows) == 0 {
		return nil
	}
	body, err := guard.JSON(s.rows)
	if err == nil {
		err = s.o.Lock.Write(ctx, func(q *sharddb.Queries) error {
			_, err := q.QuarantineAdd(ctx, DirectionIn, body)
			// Pruned in the same transaction, so that nobody ever sees more rows than are kept.
			_, pruned := q.HistoryPrune(ctx, s.o.HistoryKeep, s.o.QuarantineKeep)
			return cmp.Or(err, pruned)
		})
	}
	if err != nil {
		return fmt.Errorf("write %d objects to the quarantine: %w", len(s.rows), err)
	}
	s.written += int64(len(s.rows))
	s.rows, s.bytes = nil, 0
	return nil
}

// Log logs in one line how many objects were set aside and what is wrong with the first.
// Jobs that wait for their host are no alarm.
func (s *Objects) Log() {
	if s.waiting > 0 {
		s.o.Logger.Debug("jobs wait for hosts that are not here yet", "jobs", s.waiting)
	}
	if bad := s.count - s.waiting; bad > 0 {
		s.o.Logger.Warn("objects of the master set aside; see `shard-client quarantine list`",
			"objects", bad, "first_kind", s.first.Kind, "first_id", s.first.ID, "first_code", s.first.Code,
			"first_reason", plain.Line(s.first.Reason, MaxReason))
	}
}
