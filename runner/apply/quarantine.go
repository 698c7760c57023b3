package apply

import (
	"cmp"
	"context"
	"fmt"

	"shardclient/gen/sharddb"
	"shardclient/runner/afe"
	"shardclient/runner/guard"
	"shardclient/runner/pg"
	"shardclient/runner/plain"
	"shardclient/runner/reading"
)

// The direction, kinds and codes of objects that are set aside.
const (
	directionIn = "in" // what goes out is set aside elsewhere

	kindHost        = "host"
	KindJob         = "job"
	kindSuiteKeyval = "suite_keyval"

	codeMalformed      = "malformed"        // it could not be understood
	codeDuplicateID    = "duplicate_id"     // another object with its id came first
	codeWaitingForHost = "waiting_for_host" // it names a host that is not here yet; no alarm
	codeDatabase       = "database"         // PostgreSQL refused it
	codeTooSlow        = "too_slow"         // storing it alone takes longer than a statement may
	codeNameTaken      = "name_taken"       // another valid host has its name
	codeEntryTaken     = "entry_taken"      // an entry of it belongs to another job
	codeJobTaken       = "job_taken"        // its id is that of another job here
	codeHostTaken      = "host_taken"       // its id is that of another host here
	// JobsRefused gives waiting_for_keyvals, too.
)

// Limits of what is kept of an object, in bytes. The payload is for an operator to look at; whole,
// it may be as large as the response.
const (
	MaxReason  = 500
	MaxPayload = 64 << 10
)

// badObject is an object that cannot be stored, and why. Its JSON is what the statements take.
type badObject struct {
	Kind    string `json:"kind"`
	ID      int64  `json:"id"` // 0: it has none
	Code    string `json:"code"`
	Reason  string `json:"reason"`
	Payload []byte `json:"payload"`
	Size    int64  `json:"payload_bytes"` // of the whole payload

	place afe.Place // where the payload stands in the response
}

// unit is an object of a response.
type unit[T any] = reading.Unit[T]

// asBad returns an object as it is set aside.
func asBad[T any](u unit[T]) badObject { return badObject{Kind: u.Kind, ID: u.ID, place: u.Place} }

// aside is what a response had of objects that cannot be stored.
type aside struct {
	count   int // of all
	waiting int // of those that are no alarm
	first   badObject
	ids     map[objectKey]bool // see forget
	rows    []badObject        // that are not in the quarantine yet
	bytes   int                // of these rows
	written int64              // how many rows were written
}

// maxAside is how many bytes of objects that cannot be stored are held before they are written down.
const maxAside = 2 << 20

// turns returns the turns of objects that PostgreSQL refused in earlier beats, by id.
func (a *applier) turns(ctx context.Context, kind string) (map[int64]reading.Ref, error) {
	refused, err := sharddb.New(a.o.Pool).QuarantineRefusedBefore(ctx, kind)
	if err != nil {
		return nil, fmt.Errorf("look which were refused before: %w", err)
	}
	turns := make(map[int64]reading.Ref, len(refused))
	for i, before := range refused {
		turns[before.ID] = reading.Ref{Turn: i + 1, Alone: before.TooSlow}
	}
	return turns, nil
}

// setAside adds an object to those that cannot be stored.
func (a *applier) setAside(object badObject, code string, reason error) {
	object.Code = code
	object.Reason = a.o.Redact(pg.Reason(reason)) // it quotes values, and what PostgreSQL says
	a.add(object)
}

// add adds an object to those that cannot be stored, as the quarantine keeps it. No more are kept
// than the quarantine takes (P9).
func (a *applier) add(object badObject) {
	s := &a.aside
	s.count++
	s.ids[objectKey{object.Kind, object.ID}] = true
	if object.Code == codeWaitingForHost {
		s.waiting++
	} else if s.first.Code == "" {
		s.first = object
	}
	if s.written+int64(len(s.rows)) >= a.o.QuarantineKeep {
		return
	}
	object.Size = object.place.Size()
	object.Payload, _ = a.r.Text(object.place, MaxPayload) // without it the row still says what is wrong
	object.Reason = plain.Line(object.Reason, MaxReason)
	s.rows = append(s.rows, object)
	s.bytes += len(object.Payload) + len(object.Reason)
}

// noteTaken notes the jobs or hosts here whose id turned out to be taken, among those that were set
// aside: nothing is sent under such an id any more.
func (a *applier) noteTaken(ctx context.Context, q *sharddb.Queries, kind string, bad []badObject) error {
	taken := sharddb.TakenNoteParams{Kind: kind}
	for _, o := range bad {
		if o.Code == codeJobTaken || o.Code == codeHostTaken {
			taken.Ids = append(taken.Ids, o.ID)
			taken.Reasons = append(taken.Reasons, plain.Line(a.o.Redact(o.Reason), MaxReason))
		}
	}
	if len(taken.Ids) == 0 {
		return nil
	}
	if _, err := q.TakenNote(ctx, taken); err != nil {
		return fmt.Errorf("note %d ids that are taken: %w", len(taken.Ids), err)
	}
	return nil
}

// quarantineMany writes down what was set aside so far, if that is much, and fails when the time of
// the beat is over.
func (a *applier) quarantineMany(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if a.aside.bytes < maxAside {
		return nil
	}
	return a.quarantine(ctx)
}

// quarantine writes down what was set aside, one row an object.
func (a *applier) quarantine(ctx context.Context) error {
	s := &a.aside
	if len(s.rows) == 0 {
		return nil
	}
	body, err := guard.JSON(s.rows)
	if err == nil {
		err = a.o.Lock.Write(ctx, func(q *sharddb.Queries) error {
			_, err := q.QuarantineAdd(ctx, directionIn, body)
			// Pruned in the same transaction, so that nobody ever sees more rows than are kept.
			_, pruned := q.HistoryPrune(ctx, a.o.HistoryKeep, a.o.QuarantineKeep)
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

// logSetAside logs in one line how many objects were set aside and what is wrong with the first.
// Jobs that wait for their host are no alarm.
func (a *applier) logSetAside() {
	s := &a.aside
	if s.waiting > 0 {
		a.o.Logger.Debug("jobs wait for hosts that are not here yet", "jobs", s.waiting)
	}
	if bad := s.count - s.waiting; bad > 0 {
		a.o.Logger.Warn("objects of the master set aside; see `shard-client quarantine list`",
			"objects", bad, "first_kind", s.first.Kind, "first_id", s.first.ID, "first_code", s.first.Code,
			"first_reason", plain.Line(s.first.Reason, MaxReason))
	}
}
