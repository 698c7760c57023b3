package apply

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strconv"

	"shardclient/gen/sharddb"
	"shardclient/runner/aside"
	"shardclient/runner/lock"
	"shardclient/runner/objects"
	"shardclient/runner/pg"
	"shardclient/runner/reading"
	"shardclient/runner/rows"
)

// storeAll stores objects, and fails if some are left for the next beat. Those that PostgreSQL
// refused in earlier beats come last, the longest ago first. So the splits of this beat are spent
// on objects that were not yet told apart, and each refused one has its turn.
func storeAll[T any](
	ctx context.Context, a *applier, s *reading.Source[T], refs []reading.Ref, diff diffFunc[T], store storeFunc[T],
) error {
	if len(refs) == 0 {
		return nil
	}
	left, err := storeFree(ctx, a, s, inTurn(ctx, a, s, refs), diff, store)
	return stored(s.Kind, len(refs), left, err)
}

func stored(kind string, all int, left map[int64]string, err error) error {
	return pg.Failed(pg.Together(err, pg.LeftFor(kind, left)), "store %d objects of kind %s", all, kind)
}

// feed are objects in the order in which they are stored, in chunks.
type feed[T any] = iter.Seq2[[]unit[T], error]

// inTurn reads objects whose ids are known in the order in which they are stored.
func inTurn[T any](ctx context.Context, a *applier, s *reading.Source[T], refs []reading.Ref) feed[T] {
	return func(yield func([]unit[T], error) bool) {
		if len(refs) == 0 {
			return
		}
		turns, err := a.Turns(ctx, s.Kind)
		if err != nil {
			yield(nil, err)
			return
		}
		sortByTurn(refs, turns)
		s.Chunks(slices.Values(refs), a.most())(yield)
	}
}

// sortByTurn puts objects that were refused before behind all others, in chunks of their own.
func sortByTurn(refs []reading.Ref, turns map[int64]reading.Ref) {
	for i := range refs {
		refs[i].Turn, refs[i].Alone = turns[refs[i].ID].Turn, turns[refs[i].ID].Alone
	}
	slices.SortStableFunc(refs, func(x, y reading.Ref) int { return cmp.Compare(x.Turn, y.Turn) })
}

// storeFree stores objects chunk by chunk, each chunk in one transaction. It returns those that
// need what another session has locked, each with what that is.
func storeFree[T any](
	ctx context.Context, a *applier, s *reading.Source[T], objects feed[T], diff diffFunc[T], store storeFunc[T],
) (left map[int64]string, err error) {
	for try := 1; ; try++ {
		left = map[int64]string{}
		var again []reading.Ref
		for some, failed := range objects {
			if failed != nil {
				return left, pg.Together(err, failed)
			}
			before := a.left
			failed = storeSome(ctx, a, some, left, diff, store)
			if err = pg.Together(err, failed); err != nil && !a.goesOn(err) {
				return left, err
			}
			if failed := a.FlushMany(ctx); failed != nil {
				return left, pg.Together(err, failed)
			}
			for _, u := range some {
				if left[u.ID] != "" {
					again = append(again, u.Ref)
				} else if failed == nil && a.left == before && !a.Has(u.Kind, u.ID) {
					a.settle(u.Object)
				}
			}
		}
		if len(left) == 0 || !a.o.Lock.Pause(ctx, a.o.LockTimeout, try) {
			return left, err
		}
		objects = s.Chunks(slices.Values(again), a.most())
	}
}

// storeSome stores those of some objects that are not here as they were sent.
func storeSome[T any](
	ctx context.Context, a *applier, some []unit[T], left map[int64]string, diff diffFunc[T], store storeFunc[T],
) error {
	chunks, err := toStore(ctx, a, some, diff)
	for _, chunk := range chunks {
		if err == nil || a.goesOn(err) {
			err = pg.Together(err, storeChunk(ctx, a, chunk, left, store))
		}
	}
	if errors.Is(err, errNotNew) {
		a.allNew = false
		return storeSome(ctx, a, some, left, diff, store)
	}
	return err
}

// goesOn reports whether the next chunk is tried after one that failed: an object that takes too
// long by itself harms only itself.
func (a *applier) goesOn(err error) bool {
	return pg.Classify(err) == pg.Cancelled && a.timeouts < maxTimeouts
}

// tookTooLong counts a statement that took too long by itself, and reports whether a smaller one
// may be tried.
func (a *applier) tookTooLong(ctx context.Context, err error) bool {
	if !pg.TookTooLong(ctx, err) {
		return false
	}
	a.timeouts++
	return a.goesOn(err)
}

// briefly lets the statements of a transaction wait for locks no longer than briefWait, nor than
// --lock-timeout.
func (a *applier) briefly(ctx context.Context) pg.Ask {
	wait := max(1, min(briefWait, a.o.LockTimeout).Milliseconds())
	return func(db pg.DB) error { return sharddb.New(db).WriteBoundsSet(ctx, wait) }
}

// storeFunc stores a chunk within a transaction. It returns what it set aside, which counts only if
// the transaction commits, and the ids that it left out, each with what another session has locked.
type storeFunc[T any] func(context.Context, *sharddb.Queries, []unit[T]) ([]aside.Object, map[int64]string, error)

// storeChunk halves a chunk that holds a bad object until that object is alone, or leaves the chunk
// to the next beat when this one has halved enough. A chunk that waited for a locked table would
// wait in halves, too, so it is not halved; one that met a key which another session is about to
// insert is, and the object with that key is left for the next beat. So is one whose transaction
// ends in a conflict although it was repeated. An object that takes too long although it is alone
// is set aside, too: a beat that failed for it would fail for ever.
func storeChunk[T any](
	ctx context.Context, a *applier, chunk []unit[T], left map[int64]string, store storeFunc[T],
) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var bad []aside.Object
	var locked map[int64]string
	var asks []pg.Ask
	if a.waits > 0 {
		asks = append(asks, a.briefly(ctx))
	}
	if jobs, of := any(chunk).([]unit[objects.Job]); of {
		asks = append(asks, pg.PlansByKey(ctx), a.find(ctx, jobs))
	}
	err := a.o.Lock.Write(ctx, func(q *sharddb.Queries) (err error) {
		a.inserted = false
		bad, locked, err = store(ctx, q, chunk)
		return err
	}, asks...)
	if err != nil && a.pending.Len() > 0 {
		pending := a.pending
		a.pending = rows.NewParents()
		if failed := a.storeParents(ctx, pending); failed != nil && lock.KeyInTheWay(failed) == "" {
			return err
		}
		return storeChunk(ctx, a, chunk, left, store)
	}
	if a.inserted {
		a.pending = rows.NewParents()
	}
	key := lock.KeyInTheWay(err)
	class := pg.Classify(err)
	if class == pg.Cancelled {
		a.timeouts++
	}
	if key != "" {
		a.waits++
	}
	switch {
	case err == nil:
		for _, o := range bad {
			a.Add(o)
		}
		maps.Copy(left, locked)
	case key != "" && len(chunk) == 1:
		left[chunk[0].ID] = "that is not committed yet, " + key
	case len(chunk) > 1 && a.splits < a.o.MaxSplits && (mayBeAlone(class) || a.goesOn(err) || key != "" && a.waits < maxWaits):
		a.splits++
		return storeHalves(ctx, a, chunk, left, store)
	case pg.TookTooLong(ctx, err) && len(chunk) == 1:
		a.SetAside(asBad(chunk[0]), aside.CodeTooSlow, err)
		if !a.goesOn(err) {
			return err
		}
	case !mayBeAlone(class):
		return err
	case len(chunk) == 1 && class == pg.Data:
		a.SetAside(asBad(chunk[0]), aside.CodeDatabase, err)
	default:
		leave(a, chunk, err)
	}
	return nil
}

// mayBeAlone reports whether a single object may be what a transaction failed for, so that the
// others are stored without it. A conflict that comes again and again is one that a trigger of the
// site raises.
func mayBeAlone(class pg.Class) bool { return class == pg.Data || class == pg.Conflict }

// leave leaves a chunk for the next beat. Jobs whose suite keyvals are left wait for these.
func leave[T any](a *applier, chunk []unit[T], err error) {
	a.reason = cmp.Or(a.reason, fmt.Errorf("%s %d: %w", chunk[0].Kind, chunk[0].ID, err))
	a.left += len(chunk)
	for _, u := range chunk {
		if k, isKeyval := any(u.Object).(*objects.Keyval); isKeyval {
			a.leftKeyvals[strconv.FormatInt(k.JobID, 10)] = true
		}
	}
}

// storeHalves stores a chunk in two. The second half has its turn unless the first one met what the
// second would meet, too.
func storeHalves[T any](
	ctx context.Context, a *applier, chunk []unit[T], left map[int64]string, store storeFunc[T],
) error {
	half := len(chunk) / 2
	err := storeChunk(ctx, a, chunk[:half], left, store)
	if err != nil && !a.goesOn(err) && lock.KeyInTheWay(err) == "" {
		return err
	}
	return pg.Together(err, storeChunk(ctx, a, chunk[half:], left, store))
}

// unstorable is a row of a statement that finds the objects which cannot be stored.
type unstorable = struct {
	ID           int64
	Code, Reason string
}

// split sets aside the objects of a chunk that a statement found unstorable.
func split[T any, R ~unstorable](chunk []unit[T], found []R) (good []unit[T], bad []aside.Object) {
	reasons := make(map[int64]unstorable, len(found))
	for _, row := range found {
		reasons[unstorable(row).ID] = unstorable(row)
	}
	for _, u := range chunk {
		if r, found := reasons[u.ID]; found {
			o := asBad(u)
			o.Code, o.Reason = r.Code, r.Reason
			bad = append(bad, o)
			continue
		}
		good = append(good, u)
	}
	return good, bad
}

// forget takes what was stored out of the quarantine, unless this very beat has set aside another
// object with the same id.
func forget[T any](ctx context.Context, a *applier, q *sharddb.Queries, kind string, chunk []unit[T]) error {
	ids := slices.DeleteFunc(reading.IDs(chunk), func(id int64) bool { return a.Has(kind, id) })
	args := sharddb.QuarantineForgetParams{Direction: aside.DirectionIn, Kind: kind, ObjectIds: ids}
	_, err := q.QuarantineForget(ctx, args)
	return pg.Failed(err, "take out of the quarantine")
}
