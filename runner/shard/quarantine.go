package shard

import (
	"bytes"
	"cmp"
	"context"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"

	sharddb "shardclient/gen/sharddb"
	"shardclient/runner/pg"
	"shardclient/runner/plain"
)

// Directions, kinds and codes of objects that are set aside.
const (
	directionIn  = "in"
	directionOut = "out"

	kindHost        = "host"
	kindJob         = "job"
	kindSuiteKeyval = "suite_keyval"

	codeMalformed      = "malformed"        // not understood
	codeDuplicateID    = "duplicate_id"     // another one with its id came first
	codeWaitingForHost = "waiting_for_host" // names a host that is not here yet; no alarm
	codeDatabase       = "database"         // PostgreSQL refused it
	// HostsRefused and JobsRefused know name_taken, entry_taken and waiting_for_keyvals, too.
)

// sectionKind is the kind of object that a section of a response holds.
var sectionKind = map[string]string{
	"hosts": kindHost, "incorrect_host_ids": kindHost, "jobs": kindJob, "suite_keyvals": kindSuiteKeyval,
}

// Limits of what is kept, in bytes. A payload is for the eyes of an operator;
// whole it may be as large as the response.
const (
	maxReason    = 500
	maxErrorText = 2000
	maxPayload   = 64 << 10
)

// setAside is an object that cannot be stored, and why. Its JSON is what the
// statements take.
type setAside struct {
	Kind    string `json:"kind"`
	ID      int64  `json:"id"` // 0: it has none
	Code    string `json:"code"`
	Reason  string `json:"reason"`
	Payload []byte `json:"payload"`
	Size    int    `json:"payload_bytes"`
}

func (a *applier) setAside(object setAside, code string, reason error) {
	object.Code, object.Reason = code, pg.Reason(reason)
	a.bad = append(a.bad, object)
	a.badIDs[objectKey{object.Kind, object.ID}] = true
}

// quarantine writes down what was set aside, one row an object, at most as many
// as are kept at all (P9).
func (c *Client) quarantine(ctx context.Context, direction string, objects []setAside) error {
	if len(objects) == 0 {
		return nil
	}
	var rows []setAside
	for _, o := range objects[:min(int64(len(objects)), c.options.QuarantineKeep)] {
		o.Size, o.Payload, o.Reason = len(o.Payload), o.Payload[:min(len(o.Payload), maxPayload)], plain.Line(c.options.Redact(o.Reason), maxReason)
		rows = append(rows, o)
	}
	body, err := encode(rows)
	if err == nil {
		err = c.lock.Write(ctx, func(q *sharddb.Queries) error {
			_, err := q.QuarantineAdd(ctx, direction, body)
			_, pruned := q.HistoryPrune(ctx, c.options.HistoryKeep, c.options.QuarantineKeep) // nobody ever sees more rows
			return cmp.Or(err, pruned)
		})
	}
	if err != nil {
		return fmt.Errorf("write %d objects to the quarantine: %w", len(rows), err)
	}
	return nil
}

// logSetAside says in one line how many objects were set aside and what is wrong
// with the first. Jobs that wait for their host are no alarm.
func (c *Client) logSetAside(objects []setAside) {
	waiting, first := 0, setAside{}
	for _, o := range objects {
		if o.Code == codeWaitingForHost {
			waiting++
		} else if first.Code == "" {
			first = o
		}
	}
	if waiting > 0 {
		c.log.Debug("jobs wait for hosts that are not here yet", "jobs", waiting)
	}
	if bad := len(objects) - waiting; bad > 0 {
		c.log.Warn("objects of the master set aside; see `shard-client quarantine list`", "objects", bad,
			"first_kind", first.Kind, "first_id", first.ID, "first_code", first.Code, "first_reason", plain.Line(first.Reason, maxReason))
	}
}

// sameJSON compares two objects by value: a copy may have its keys in another
// order, as Python 2 dictionaries do.
func sameJSON(a, b jsontext.Value) bool {
	if bytes.Equal(a, b) {
		return true
	}
	a, b = a.Clone(), b.Clone()
	return a.Canonicalize() == nil && b.Canonicalize() == nil && bytes.Equal(a, b)
}
