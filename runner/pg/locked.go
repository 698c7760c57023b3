package pg

import (
	"errors"
	"fmt"
	"maps"
	"slices"
)

// LockedError says that something was passed over because of what another session has locked.
type LockedError struct {
	Left  int    // how many objects are left for the next beat
	First string // the first of them, such as `job 7`
	Row   string // the row that it needs: its table and id
}

func (e *LockedError) Error() string {
	return fmt.Sprintf("%d left for the next beat, %s first: another session has locked row %s; "+
		"shard-client sessions list shows who is idle in a transaction", e.Left, e.First, e.Row)
}

// LeftFor returns the error for objects that are left for the next beat, each with the row that is
// in the way; nil if there are none.
func LeftFor(kind string, left map[int64]string) error {
	if len(left) == 0 {
		return nil
	}
	first := slices.Min(slices.Collect(maps.Keys(left)))
	return &LockedError{Left: len(left), First: fmt.Sprintf("%s %d", kind, first), Row: left[first]}
}

// IsLocked reports whether locks of other sessions are all that err tells of.
func IsLocked(err error) bool {
	return all(err, func(cause error) bool {
		_, passedOver := errors.AsType[*LockedError](cause)
		return passedOver || Classify(cause) == Locked
	})
}

// IsOfOneStep reports whether another step may well succeed: PostgreSQL was reached and takes
// writes, so each cause of err is its own answer, or a lock of another session.
func IsOfOneStep(err error) bool {
	return all(err, func(cause error) bool {
		_, passedOver := errors.AsType[*LockedError](cause)
		return passedOver || IsAnswer(cause) && Classify(cause) != ReadOnly
	})
}

// Together joins errors (errors.Join), and leaves out those that tell no new cause: a table that
// somebody has locked stops many steps, and is told once.
func Together(errs ...error) error {
	var told []error
	seen := map[string]bool{}
	for _, err := range errs {
		isNew := false
		for _, cause := range causes(err) {
			reason := Reason(cause)
			isNew = isNew || !seen[reason]
			seen[reason] = true
		}
		if isNew {
			told = append(told, err)
		}
	}
	return errors.Join(told...)
}

// all reports whether err has causes and is holds for each of them.
func all(err error, is func(error) bool) bool {
	found := causes(err)
	for _, cause := range found {
		if !is(cause) {
			return false
		}
	}
	return len(found) > 0
}

// causes returns what is at the bottom of err; several, where errors were joined.
func causes(err error) []error {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var found []error
		for _, one := range joined.Unwrap() {
			found = append(found, causes(one)...)
		}
		return found
	}
	if inner := errors.Unwrap(err); inner != nil {
		return causes(inner)
	}
	return []error{err}
}
