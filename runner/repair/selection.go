package repair

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"shardclient/gen/sharddb"
	"shardclient/runner/operator"
)

// Selection says which objects of the quarantine a person means. The zero value is all of them.
type Selection struct {
	Direction string // "in" or "out"; "": both
	Kind      string // "": every one
	ID        *int64 // nil: any
	WithoutID bool   // those that have no id, by which they could be named
	Code      string // "": any
}

var (
	directions = []string{"in", "out"}
	kinds      = []string{"host", "job", "suite_keyval"}
)

// withoutID stands for the id of an object that has none, as in the list.
const withoutID = "-"

// Select reads a selection from the words [in|out] [KIND [ID]].
func Select(words []string, code string) (s Selection, err error) {
	s.Code = code
	if len(words) > 0 && slices.Contains(directions, words[0]) {
		s.Direction, words = words[0], words[1:]
	}
	if len(words) > 0 {
		s.Kind, words = words[0], words[1:]
		if !slices.Contains(kinds, s.Kind) {
			return s, fmt.Errorf("there is no kind %q: want one of %s", s.Kind, strings.Join(kinds, ", "))
		}
	}
	if len(words) > 0 {
		if s.WithoutID = words[0] == withoutID; !s.WithoutID {
			id, err := strconv.ParseInt(words[0], 10, 64)
			if err != nil || id <= 0 {
				return s, fmt.Errorf("%q is no id: want a number, or %s for objects that have none", words[0], withoutID)
			}
			s.ID = &id
		}
		words = words[1:]
	}
	if len(words) > 0 {
		return s, fmt.Errorf("%q is too much behind the id: want one object at a time, or --code or --all", strings.Join(words, " "))
	}
	return s, nil
}

// Named reports whether a selection names an object.
func (s *Selection) Named() bool { return s.ID != nil || s.WithoutID }

// Aside is an object that is set aside, with what is known of it beside the payload.
type Aside struct {
	operator.Quarantined
	// RetryAt is when an object of direction out is tried again; nil: not by a time.
	RetryAt *time.Time `json:"retry_at"`
	// PayloadBytes is the length of the whole payload, of which less may be kept.
	PayloadBytes int64 `json:"payload_bytes"`

	row int64 // 0: it is an id that is taken
}

// Taken reports whether the object is one here whose id the master has given to another one.
func (a *Aside) Taken() bool { return a.row == 0 }

// String names the object as a command line does.
func (a *Aside) String() string { return name(a.Direction, a.Kind, a.ID) }

func name(direction, kind string, id *int64) string {
	if id == nil {
		return direction + " " + kind + " " + withoutID
	}
	return direction + " " + kind + " " + strconv.FormatInt(*id, 10)
}

// ErrNotAside says that nothing in the quarantine is what a person has named.
var ErrNotAside = errors.New("no such object is set aside; `shard-client quarantine list` shows those that are")

// Find returns the objects of a selection in the order of the list; [ErrNotAside] if it names one
// and there is none.
func Find(ctx context.Context, db sharddb.DBTX, s Selection) ([]Aside, error) {
	rows, err := sharddb.New(db).RepairFind(ctx, sharddb.RepairFindParams{
		Direction: s.Direction, Kind: s.Kind, Code: s.Code, ID: s.ID, WithoutID: s.WithoutID,
	})
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the quarantine: %w", err)
	case len(rows) == 0 && s.Named():
		return nil, ErrNotAside
	}
	found := make([]Aside, len(rows))
	for i, r := range rows {
		found[i] = Aside{
			Quarantined: operator.Quarantined{
				Direction: r.Direction, Kind: r.Kind, ID: r.ID, Code: r.Code, Reason: r.Reason,
				Occurrences: r.Occurrences, FirstSeen: r.FirstSeen.UTC(), LastSeen: r.LastSeen.UTC(),
			},
			RetryAt: r.RetryAt, PayloadBytes: r.PayloadBytes, row: r.RowID,
		}
		if r.RetryAt != nil {
			utc := r.RetryAt.UTC()
			found[i].RetryAt = &utc
		}
	}
	return found, nil
}
