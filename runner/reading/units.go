package reading

import (
	"bytes"
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"shardclient/runner/afe"
	"shardclient/runner/guard"
)

// Sieve sorts out the objects of a section as they come.
type Sieve[T any] struct {
	*Source[T]
	First map[int64]int32 // where each good object stands, by its id; int32: there may be 200,000
}

// NewSieve returns one that has seen nothing.
func NewSieve[T any](s *Source[T]) *Sieve[T] {
	return &Sieve[T]{s, make(map[int64]int32, s.Len())}
}

// Good returns the good ones of the next objects. It calls bad with those that were not understood,
// and with those whose id another one had first.
func (v *Sieve[T]) Good(units []Unit[T], bad func(u Unit[T], first afe.Place) error) ([]Unit[T], error) {
	good := units[:0]
	for _, u := range units {
		first, copied := v.First[u.ID]
		if copied = copied && u.ID != 0; u.Err != nil || copied {
			if err := bad(u, v.Place(int(first))); err != nil {
				return nil, err
			}
			continue
		}
		v.First[u.ID] = int32(u.Index)
		good = append(good, u)
	}
	return good, nil
}

// IDs returns the ids of some units.
func IDs[T any](units []Unit[T]) []int64 {
	ids := make([]int64, len(units))
	for i, u := range units {
		ids[i] = u.ID
	}
	return ids
}

// Parted returns the units with these ids, and the others.
func Parted[T any](chunk []Unit[T], ids []int64) (with, others []Unit[T]) {
	wanted := make(map[int64]bool, len(ids))
	for _, id := range ids {
		wanted[id] = true
	}
	for _, u := range chunk {
		if wanted[u.ID] {
			with = append(with, u)
		} else {
			others = append(others, u)
		}
	}
	return with, others
}

// Among returns the units with these ids.
func Among[T any](chunk []Unit[T], ids []int64) []Unit[T] {
	some, _ := Parted(chunk, ids)
	return some
}

// Without returns the units of a chunk that are not left.
func Without[T any](chunk []Unit[T], left map[int64]string) []Unit[T] {
	if len(left) == 0 {
		return chunk
	}
	return slices.DeleteFunc(slices.Clone(chunk), func(u Unit[T]) bool { return left[u.ID] != "" })
}

// JSON returns a chunk as the statements take it that unpack JSON.
func JSON[T any](chunk []Unit[T]) ([]byte, error) {
	list := make([]*T, len(chunk))
	for i, u := range chunk {
		list[i] = u.Object
	}
	return guard.JSON(list)
}

// SameJSON reports whether two objects have the same value: a copy may have its keys in another
// order, as Python 2 dictionaries do. Integers are compared as they are written: ids past 2^53
// would become the same floating point number.
func SameJSON(a, b jsontext.Value) bool {
	if bytes.Equal(a, b) {
		return true
	}
	a, b = a.Clone(), b.Clone()
	exact := jsontext.CanonicalizeRawInts(false)
	return a.Canonicalize(exact) == nil && b.Canonicalize(exact) == nil && bytes.Equal(a, b)
}
