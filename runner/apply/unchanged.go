package apply

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"shardclient/gen/sharddb"
	"shardclient/runner/objects"
	"shardclient/runner/pg"
	"shardclient/runner/reading"
	"shardclient/runner/rows"
)

// An answer that comes again is only compared: what is here as it was sent needs no transaction
// that writes, because the fence alone writes a page and waits for the disk.

// freshChunks is how many chunks of new objects are stored in one transaction: nobody waits for a
// row that is not here yet, and each transaction costs a flush and a look.
const freshChunks = 4

// most is how many objects are compared at once, and stored if all are new.
func (a *applier) most() int { return freshChunks * a.o.Chunk }

// diffFunc returns the units of a chunk for which anything is to be written: those that are not
// here, and those that are and differ. It may count the former among the latter.
type diffFunc[T any] func(context.Context, []unit[T]) (fresh, differ []unit[T], err error)

// askFunc returns what PostgreSQL is asked about units to compare them with what is here. The
// answers say what a diffFunc returns.
type askFunc[T any] func(ctx context.Context, units []unit[T], fresh, differ *[]unit[T]) []pg.Ask

// atOnce makes a diffFunc of what asks.
func atOnce[T any](a *applier, about askFunc[T]) diffFunc[T] {
	return func(ctx context.Context, units []unit[T]) (fresh, differ []unit[T], err error) {
		err = a.o.Lock.ReadAtOnce(ctx, about(ctx, units, &fresh, &differ)...)
		return fresh, differ, err
	}
}

// toStore compares units with what is here, and returns those that are to be stored, in chunks.
// That is all of them where nothing is compared: without a diff, if PostgreSQL cannot compare a
// value or takes too long, and after a parent could not be stored, for then what names the parent
// must wait.
func toStore[T any](ctx context.Context, a *applier, units []unit[T], diff diffFunc[T]) ([][]unit[T], error) {
	var fresh []unit[T]
	differ := units
	if diff != nil && !units[0].Alone && !a.parentsByChunk && len(a.lockedParents) == 0 {
		var err error
		fresh, differ, err = diff(ctx, units)
		if pg.Classify(err) == pg.Data || a.tookTooLong(ctx, err) {
			fresh, differ = nil, units
		} else if err != nil {
			return nil, fmt.Errorf("compare with what is here: %w", err)
		}
	}
	chunks := slices.Collect(slices.Chunk(differ, a.o.Chunk))
	if len(fresh) > 0 {
		chunks = append(chunks, fresh)
	}
	return chunks, nil
}

// aboutHosts compares hosts.
func (a *applier) aboutHosts(ctx context.Context, chunk []unit[objects.Host], fresh, differ *[]unit[objects.Host]) []pg.Ask {
	here, known := []int64{}, &rows.KnownHosts{}
	for _, u := range chunk {
		known.Add(u.Object)
	}
	return []pg.Ask{
		func(db pg.DB) (err error) { here, err = hostsHere(ctx, sharddb.New(db), chunk); return err },
		func(db pg.DB) error {
			changed, err := known.Differ(ctx, sharddb.New(db))
			others, new := reading.Parted(chunk, here)
			*fresh, *differ = new, reading.Among(others, changed)
			return err
		},
	}
}

// aboutKeyvals compares suite keyvals, of which two may set the same key: so all of them differ or
// none.
func (a *applier) aboutKeyvals(ctx context.Context, chunk []unit[objects.Keyval], _, differ *[]unit[objects.Keyval]) []pg.Ask {
	body, unwritten := reading.JSON(chunk)
	return []pg.Ask{func(db pg.DB) error {
		*differ = chunk
		if found, err := sharddb.New(db).SuiteKeyvalsDiffer(ctx, body, reading.IDs(chunk)); found || err != nil || unwritten != nil {
			return cmp.Or(unwritten, err)
		}
		*differ = nil
		a.rememberSuite(chunk)
		return nil
	}}
}

// compareJobs compares jobs. Those that are told to differ are only parted, into those that are
// here and new ones.
func (a *applier) compareJobs(
	ctx context.Context, q *sharddb.Queries, chunk []unit[objects.Job], told bool,
) (fresh, differ []unit[objects.Job], err error) {
	ids, err := q.JobsHere(ctx, reading.IDs(chunk))
	here, fresh := reading.Parted(chunk, ids)
	if err != nil || told || len(here) == 0 {
		return fresh, here, err
	}
	known, err := a.knownOf(here)
	if err != nil {
		return nil, nil, err
	}
	changed, err := known.Differ(ctx, q)
	return fresh, reading.Among(here, changed), err
}

// knownOf returns jobs that are here, as they are compared.
func (a *applier) knownOf(chunk []unit[objects.Job]) (*rows.KnownJobs, error) {
	known := rows.NewKnownJobs(len(chunk))
	for _, u := range chunk {
		keyvals, err := a.jobKeyvals(u.Object)
		if err != nil {
			return nil, err
		}
		known.Add(u.Object, keyvals)
	}
	return known, nil
}
