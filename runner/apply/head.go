package apply

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"shardclient/gen/sharddb"
	"shardclient/runner/objects"
	"shardclient/runner/pg"
	"shardclient/runner/reading"
	"shardclient/runner/rows"
)

// errApart says that something cannot be stored in the same transaction as the rest.
var errApart = errors.New("something has to be stored apart")

// storeHead stores what comes before the jobs: parents, hosts and suite keyvals. If all of it is
// new or here as it was sent, and not too much, one transaction does: nobody waits for a row that
// is not here yet, and each transaction costs a flush and several looks. Otherwise each part is
// stored apart, and what went wrong is told there.
func (a *applier) storeHead(
	ctx context.Context, hosts *reading.Source[objects.Host], hostRefs, keyvalRefs []reading.Ref, apart []func() error,
) error {
	newHosts, hostsFit, err := whole(a, hosts, hostRefs)
	if err != nil {
		return err
	}
	newKeyvals, keyvalsFit, err := whole(a, a.keyvals, keyvalRefs)
	if !hostsFit || !keyvalsFit {
		err = cmp.Or(err, errApart)
	} else if err == nil && a.parents.Len()+len(newHosts)+len(newKeyvals) > 0 {
		err = a.storeNewHead(ctx, newHosts, newKeyvals)
	}
	if pg.IsOfOneStep(err) || errors.Is(err, errApart) {
		return runSteps(ctx, apart)
	}
	return err
}

// storeNewHead stores the head, or fails if it cannot be done at once.
func (a *applier) storeNewHead(ctx context.Context, hosts []unit[objects.Host], keyvals []unit[objects.Keyval]) error {
	a.allHere = len(hosts) > 0 // an answer that comes again; one without hosts is likely to be new
	var missing []sharddb.ParentsFindRow
	var differ []unit[objects.Host]
	asks := []pg.Ask{func(db pg.DB) (err error) { missing, err = a.parents.Find(ctx, sharddb.New(db)); return err }}
	if len(hosts) > 0 {
		asks = append(asks, a.aboutHosts(ctx, hosts, &hosts, &differ)...)
	}
	if len(keyvals) > 0 {
		asks = append(asks, a.aboutKeyvals(ctx, keyvals, nil, &keyvals)...)
	}
	err := a.o.Lock.ReadAtOnce(ctx, asks...)
	if err == nil && (len(differ) > 0 || !rows.AreNew(missing)) {
		err = errApart
	}
	if err != nil || len(missing)+len(hosts)+len(keyvals) == 0 {
		return err
	}
	a.allHere = false
	err = a.o.Lock.Write(ctx, func(q *sharddb.Queries) error {
		if len(missing) > 0 {
			if locked, err := a.parents.Store(ctx, q); err != nil || len(locked) > 0 {
				return cmp.Or(err, errApart)
			}
		}
		if err := storeWhole(ctx, q, hosts, a.storeHosts); err != nil {
			return err
		}
		return storeWhole(ctx, q, keyvals, a.storeSuiteKeyvals)
	})
	a.allNew = err == nil
	return err
}

// whole reads objects that fit into one chunk, and reports whether they do.
func whole[T any](a *applier, s *reading.Source[T], refs []reading.Ref) ([]unit[T], bool, error) {
	for units, err := range s.Chunks(slices.Values(refs), a.most()) {
		return units, len(units) == len(refs), err
	}
	return nil, true, nil
}

// storeWhole stores objects within a transaction, all or none.
func storeWhole[T any](ctx context.Context, q *sharddb.Queries, units []unit[T], store storeFunc[T]) error {
	if len(units) == 0 {
		return nil
	}
	bad, left, err := store(ctx, q, units)
	if err == nil && len(bad)+len(left) > 0 {
		return errApart
	}
	return err
}
