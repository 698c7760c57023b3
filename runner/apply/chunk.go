package apply

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"shardclient/gen/sharddb"
	"shardclient/runner/afe"
	"shardclient/runner/guard"
	"shardclient/runner/lock"
	"shardclient/runner/pg"
)

// sift sets aside the objects that were not understood, and those that differ from an earlier one
// with the same id. Identical copies are no fault. It returns all others, and calls each with them.
func sift[T any](ctx context.Context, a *applier, s *source[T], each func(ref, *T)) ([]ref, error) {
	good := make([]ref, 0, s.section.Len())
	first, kept := make(map[int64]int, s.section.Len()), map[int]unit[T]{}
	for units, err := range s.chunks(s.all(), maxSifted) {
		if err == nil {
			err = a.quarantineMany(ctx)
		}
		if err != nil {
			return nil, err
		}
		for _, u := range units {
			before, copied := first[u.ref.id]
			switch {
			case u.err != nil:
				a.setAside(u.aside, codeMalformed, u.err)
				continue
			case copied && u.ref.id != 0:
				if err := a.copied(u.aside, s.section.Place(before)); err != nil {
					return nil, err
				}
				continue
			}
			first[u.ref.id] = u.ref.index
			good = append(good, u.ref)
			if s.small {
				kept[u.ref.index] = u
			}
			each(u.ref, u.object)
		}
	}
	s.kept = kept
	return good, nil
}

// maxSifted is how many objects are read at once to sort them out.
const maxSifted = 256

// copied sets an object aside if it differs from the first one with its id.
func (a *applier) copied(object badObject, first afe.Place) error {
	before, err := a.r.Text(first, first.Size())
	if err != nil {
		return err
	}
	again, err := a.r.Text(object.place, object.place.Size())
	if err == nil && !sameJSON(before, again) {
		a.setAside(object, codeDuplicateID, fmt.Errorf("another %s with id %d came first in this response", object.Kind, object.ID))
	}
	return err
}

// sameJSON reports whether two objects have the same value: a copy may have its keys in another
// order, as Python 2 dictionaries do. Integers are compared as they are written: ids past 2^53 would
// become the same floating point number.
func sameJSON(a, b jsontext.Value) bool {
	if bytes.Equal(a, b) {
		return true
	}
	a, b = a.Clone(), b.Clone()
	exact := jsontext.CanonicalizeRawInts(false)
	return a.Canonicalize(exact) == nil && b.Canonicalize(exact) == nil && bytes.Equal(a, b)
}

// storeAll stores objects, and fails if some are left for the next beat.
func storeAll[T any](
	ctx context.Context, a *applier, s *source[T], refs []ref, diff diffFunc[T], store storeFunc[T],
) error {
	left, err := storeFree(ctx, a, s, refs, diff, store)
	return stored(s.kind, len(refs), left, err)
}

func stored(kind string, all int, left map[int64]string, err error) error {
	if err = pg.Together(err, pg.LeftFor(kind, left)); err != nil {
		return fmt.Errorf("store %d objects of kind %s: %w", all, kind, err)
	}
	return nil
}

// storeFree stores objects chunk by chunk, each chunk in one transaction. It returns those that need
// what another session has locked, each with what that is.
//
// Objects that PostgreSQL refused in earlier beats come last, the longest ago first, in chunks of their
// own. So the splits of this beat are spent on objects that were not yet told apart, and each refused
// one has its turn.
func storeFree[T any](
	ctx context.Context, a *applier, s *source[T], refs []ref, diff diffFunc[T], store storeFunc[T],
) (left map[int64]string, err error) {
	if len(refs) == 0 {
		return nil, nil
	}
	refused, err := sharddb.New(a.o.Pool).QuarantineRefusedBefore(ctx, s.kind)
	if err != nil {
		return nil, fmt.Errorf("look which were refused before: %w", err)
	}
	turn := make(map[int64]int, len(refused))
	for i, before := range refused {
		turn[before.ID] = i + 1
	}
	for i := range refs {
		if n := turn[refs[i].id]; n > 0 {
			refs[i].turn, refs[i].alone = n, refused[n-1].TooSlow
		}
	}
	slices.SortStableFunc(refs, func(x, y ref) int { return cmp.Compare(x.turn, y.turn) })
	for try := 1; ; try++ {
		left = map[int64]string{}
		for some, failed := range s.chunks(refs, freshChunks*a.o.Chunk) {
			if failed != nil {
				return left, pg.Together(err, failed)
			}
			chunks, failed := toStore(ctx, a, s, some, diff)
			for _, chunk := range chunks {
				if failed == nil || a.goesOn(failed) {
					failed = pg.Together(failed, storeChunk(ctx, a, s, chunk, left, store))
				}
			}
			if err = pg.Together(err, failed); err != nil && !a.goesOn(err) {
				return left, err
			}
			if failed := a.quarantineMany(ctx); failed != nil {
				return left, pg.Together(err, failed)
			}
		}
		if len(left) == 0 || !lock.Pause(ctx, a.o.LockTimeout, try) {
			return left, err
		}
		refs = slices.DeleteFunc(slices.Clone(refs), func(r ref) bool { return left[r.id] == "" })
	}
}

// goesOn reports whether the next chunk is tried after one that failed: an object that takes too
// long by itself harms only itself.
func (a *applier) goesOn(err error) bool {
	return pg.Classify(err) == pg.Cancelled && a.timeouts < maxTimeouts
}

// tookTooLong counts a statement that took too long by itself, and reports whether a smaller one may
// be tried.
func (a *applier) tookTooLong(ctx context.Context, err error) bool {
	if !pg.TookTooLong(ctx, err) {
		return false
	}
	a.timeouts++
	return a.goesOn(err)
}

// storeFunc stores a chunk within a transaction. It returns what it set aside, which counts only if
// the transaction commits, and the ids that it left out, each with what another session has locked.
type storeFunc[T any] func(context.Context, *sharddb.Queries, []unit[T]) ([]badObject, map[int64]string, error)

// storeChunk halves a chunk that holds a bad object until that object is alone, or leaves the chunk
// to the next beat when this one has halved enough. A chunk that waited for a lock would wait in
// halves, too, so it is not halved. An object that takes too long although it is alone is set aside,
// too: a beat that failed for it would fail for ever.
func storeChunk[T any](
	ctx context.Context, a *applier, s *source[T], chunk []unit[T], left map[int64]string, store storeFunc[T],
) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var bad []badObject
	var locked map[int64]string
	err := a.o.Lock.Write(ctx, func(q *sharddb.Queries) (err error) {
		bad, locked, err = store(ctx, q, chunk)
		return err
	}, s.settings...)
	class := pg.Classify(err)
	if class == pg.Cancelled {
		a.timeouts++
	}
	switch {
	case err == nil:
		for _, o := range bad {
			a.add(o)
		}
		maps.Copy(left, locked)
	case len(chunk) > 1 && a.splits < a.o.MaxSplits && (class == pg.Data || a.goesOn(err)):
		a.splits++
		half := len(chunk) / 2
		err = storeChunk(ctx, a, s, chunk[:half], left, store)
		if err != nil && !a.goesOn(err) {
			return err
		}
		return pg.Together(err, storeChunk(ctx, a, s, chunk[half:], left, store))
	case pg.TookTooLong(ctx, err) && len(chunk) == 1:
		a.setAside(chunk[0].aside, codeTooSlow, err)
		if !a.goesOn(err) {
			return err
		}
	case class != pg.Data:
		return err
	case len(chunk) == 1:
		a.setAside(chunk[0].aside, codeDatabase, err)
	default:
		a.left += len(chunk)
		a.reason = err
	}
	return nil
}

// unstorable is a row of a statement that finds the objects which cannot be stored.
type unstorable = struct {
	ID           int64
	Code, Reason string
}

// split sets aside the objects of a chunk that a statement found unstorable.
func split[T any, R ~unstorable](chunk []unit[T], found []R) (good []unit[T], bad []badObject) {
	reasons := make(map[int64]unstorable, len(found))
	for _, row := range found {
		reasons[unstorable(row).ID] = unstorable(row)
	}
	for _, u := range chunk {
		if r, found := reasons[u.aside.ID]; found {
			u.aside.Code, u.aside.Reason = r.Code, r.Reason
			bad = append(bad, u.aside)
			continue
		}
		good = append(good, u)
	}
	return good, bad
}

// forget takes what was stored out of the quarantine, unless this very beat has set aside another
// object with the same id.
func forget[T any](ctx context.Context, a *applier, q *sharddb.Queries, kind string, chunk []unit[T]) error {
	var ids []int64
	for _, u := range chunk {
		if !a.aside.ids[objectKey{kind, u.aside.ID}] {
			ids = append(ids, u.aside.ID)
		}
	}
	args := sharddb.QuarantineForgetParams{Direction: directionIn, Kind: kind, ObjectIds: ids}
	if _, err := q.QuarantineForget(ctx, args); err != nil {
		return fmt.Errorf("take out of the quarantine: %w", err)
	}
	return nil
}

// jsonList returns a chunk as the statements take it that unpack JSON.
func jsonList[T any](chunk []unit[T]) ([]byte, error) {
	objects := make([]*T, len(chunk))
	for i, u := range chunk {
		objects[i] = u.object
	}
	return guard.JSON(objects)
}
