package apply

import (
	"cmp"
	"context"
	"fmt"

	"shardclient/gen/sharddb"
	"shardclient/runner/guard"
	"shardclient/runner/pg"
	"shardclient/runner/plain"
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
	Size    int    `json:"payload_bytes"` // of the whole payload
}

// bounded returns the object as the quarantine keeps it.
func (o badObject) bounded() badObject {
	o.Size = len(o.Payload)
	o.Payload = o.Payload[:min(len(o.Payload), MaxPayload)]
	o.Reason = plain.Line(o.Reason, MaxReason)
	return o
}

// setAside adds an object to those that cannot be stored.
func (a *applier) setAside(object badObject, code string, reason error) {
	object.Code = code
	object.Reason = a.o.Redact(pg.Reason(reason)) // it quotes values, and what PostgreSQL says
	a.bad = append(a.bad, object)
	a.badIDs[objectKey{object.Kind, object.ID}] = true
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

// quarantine writes down what was set aside, one row an object. It writes no more rows than are
// kept at all (P9).
func (a *applier) quarantine(ctx context.Context, objects []badObject) error {
	if len(objects) == 0 {
		return nil
	}
	var rows []badObject
	for _, o := range objects[:min(int64(len(objects)), a.o.QuarantineKeep)] {
		rows = append(rows, o.bounded())
	}
	body, err := guard.JSON(rows)
	if err == nil {
		err = a.o.Lock.Write(ctx, func(q *sharddb.Queries) error {
			_, err := q.QuarantineAdd(ctx, directionIn, body)
			// Pruned in the same transaction, so that nobody ever sees more rows than are kept.
			_, pruned := q.HistoryPrune(ctx, a.o.HistoryKeep, a.o.QuarantineKeep)
			return cmp.Or(err, pruned)
		})
	}
	if err != nil {
		return fmt.Errorf("write %d objects to the quarantine: %w", len(rows), err)
	}
	return nil
}

// logSetAside logs in one line how many objects were set aside and what is wrong with the first.
// Jobs that wait for their host are no alarm.
func (a *applier) logSetAside(objects []badObject) {
	waiting, first := 0, badObject{}
	for _, o := range objects {
		if o.Code == codeWaitingForHost {
			waiting++
		} else if first.Code == "" {
			first = o
		}
	}
	if waiting > 0 {
		a.o.Logger.Debug("jobs wait for hosts that are not here yet", "jobs", waiting)
	}
	if bad := len(objects) - waiting; bad > 0 {
		a.o.Logger.Warn("objects of the master set aside; see `shard-client quarantine list`",
			"objects", bad, "first_kind", first.Kind, "first_id", first.ID, "first_code", first.Code,
			"first_reason", plain.Line(first.Reason, MaxReason))
	}
}
