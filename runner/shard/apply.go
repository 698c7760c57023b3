package shard

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"shardclient/gen/sharddb"
	"shardclient/runner/afe"
	"shardclient/runner/pg"
)

// maxSplits bounds how often a beat halves a chunk that PostgreSQL refuses (P9):
// some seconds, enough for a hundred bad objects that stand apart. 100,000 would
// take 200,000 transactions. Only tests change it.
var maxSplits = 1000

// applier stores one response.
type applier struct {
	c      *Client
	bad    []setAside
	badIDs map[objectKey]bool // see forget

	parentsByChunk bool
	noKeyvals      bool // the suite keyvals could not be read

	// suite holds the suite keyvals that this beat stored: their values by job and key.
	suite map[int64]map[string]string

	splits int
	left   int   // objects for the next beat, because splits ran out
	reason error // of the last chunk that was left
}

// objectKey names an object of a response.
type objectKey struct {
	kind string
	id   int64
}

// apply stores a response and returns how many of its objects were set aside. An
// object is stored whole or not at all (P4), a bad one harms only itself (P6).
func (c *Client) apply(ctx context.Context, r *afe.Response) (int, error) {
	a := &applier{c: c, noKeyvals: r.Incomplete != nil && r.SuiteKeyvals == nil, badIDs: map[objectKey]bool{}, suite: map[int64]map[string]string{}}
	for _, m := range r.Malformed {
		a.setAside(setAside{Kind: sectionKind[m.Section], Payload: m.Raw}, codeMalformed, m.Err)
	}
	hosts, jobs, keyvals := sift(a, r.Hosts, kindHost), sift(a, r.Jobs, kindJob), sift(a, r.SuiteKeyvals, kindSuiteKeyval)
	parents := collectParents(hosts, jobs)
	isInvalid := func(u unit[afe.Host]) bool { return u.object.Invalid.Value }
	invalid := slices.DeleteFunc(slices.Clone(hosts), func(u unit[afe.Host]) bool { return !isInvalid(u) })
	valid := slices.DeleteFunc(hosts, isInvalid)

	// Incorrect hosts go first and invalid ones next, so that a newcomer may have
	// their name. Incorrect ones once more after the jobs, so that entries that came
	// with this response are aborted. Suite keyvals go before the jobs: a beat that
	// breaks off in between has them again only as long as their jobs are not here.
	// Afterwards all is as if they had come last; see jobKeyvals.
	steps := []func() error{
		func() error { return a.removeIncorrectHosts(ctx, r.IncorrectHostIDs) },
		func() error { return a.storeParents(ctx, parents) },
		func() error { return storeAll(ctx, a, kindHost, invalid, a.storeHosts) },
		func() error { return storeAll(ctx, a, kindHost, valid, a.storeHosts) },
		func() error { return storeAll(ctx, a, kindSuiteKeyval, keyvals, a.storeSuiteKeyvals) },
		func() error { return storeAll(ctx, a, kindJob, jobs, a.storeJobs) },
		func() error { return a.removeIncorrectHosts(ctx, r.IncorrectHostIDs) },
		func() error { return c.quarantine(ctx, directionIn, a.bad) },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return len(a.bad), err
		}
	}
	c.logSetAside(a.bad)
	if a.left > 0 {
		return len(a.bad), fmt.Errorf("%d objects are left for the next beat, in chunks that PostgreSQL refused: %w", a.left, a.reason)
	}
	return len(a.bad), nil
}

// unit is what is stored whole or set aside alone.
type unit[T any] struct {
	object *T
	aside  setAside // kind, id and payload, should it come to that
}

// sift sorts out what was not understood, and a second and different object with
// an id that was already there. Identical copies are no fault.
func sift[T any](a *applier, list []afe.Received[T], kind string) []unit[T] {
	units := make([]unit[T], 0, len(list))
	first := make(map[int64]*afe.Received[T], len(list))
	for i := range list {
		r := &list[i]
		u := unit[T]{object: &r.Object, aside: setAside{Kind: kind, ID: r.ID, Payload: r.Raw}}
		switch before := first[r.ID]; {
		case r.Err != nil:
			a.setAside(u.aside, codeMalformed, r.Err)
		case before == nil || r.ID == 0:
			first[r.ID] = r
			units = append(units, u)
		case !sameJSON(before.Raw, r.Raw):
			a.setAside(u.aside, codeDuplicateID, fmt.Errorf("another %s with id %d came first in this response", kind, r.ID))
		}
	}
	return units
}

// storeAll stores units chunk by chunk, each chunk in one transaction. Those that
// PostgreSQL refused before come last, the longest ago first: so the splits of a
// beat go to objects that were not told apart yet, and each has its turn.
func storeAll[T any](ctx context.Context, a *applier, kind string, units []unit[T], store storeFunc[T]) error {
	if len(units) == 0 {
		return nil
	}
	refused, err := sharddb.New(a.c.pool).QuarantineRefusedBefore(ctx, kind)
	if err != nil {
		return fmt.Errorf("store %d objects: look which were refused before: %w", len(units), err)
	}
	turn := make(map[int64]int, len(refused))
	for i, id := range refused {
		turn[id] = i + 1
	}
	slices.SortStableFunc(units, func(x, y unit[T]) int { return cmp.Compare(turn[x.aside.ID], turn[y.aside.ID]) })
	for chunk := range slices.Chunk(units, a.c.options.ApplyChunk) {
		if err := storeChunk(ctx, a, chunk, store); err != nil {
			return fmt.Errorf("store %d objects of kind %s: %w", len(units), kind, err)
		}
	}
	return nil
}

// storeFunc stores a chunk within a transaction and returns what it set aside,
// which counts only if the transaction commits.
type storeFunc[T any] func(ctx context.Context, q *sharddb.Queries, chunk []unit[T]) ([]setAside, error)

// storeChunk halves a chunk that holds a bad object until the object is alone, or
// leaves it to the next beat when this one has halved enough.
func storeChunk[T any](ctx context.Context, a *applier, chunk []unit[T], store storeFunc[T]) error {
	var bad []setAside
	err := a.c.lock.Write(ctx, func(q *sharddb.Queries) (err error) {
		bad, err = store(ctx, q, chunk)
		return err
	})
	switch class := pg.Classify(err); {
	case err == nil:
		a.bad = append(a.bad, bad...)
	case len(chunk) > 1 && (class == pg.Data || class == pg.Cancelled) && a.splits < maxSplits:
		a.splits++
		half := len(chunk) / 2
		return errors.Join(storeChunk(ctx, a, chunk[:half], store), storeChunk(ctx, a, chunk[half:], store))
	case class != pg.Data:
		return err
	case len(chunk) == 1:
		a.setAside(chunk[0].aside, codeDatabase, err)
	default:
		a.left, a.reason = a.left+len(chunk), err
	}
	return nil
}

// removeIncorrectHosts takes out of use the hosts that the master gave to others.
func (a *applier) removeIncorrectHosts(ctx context.Context, ids []int64) error {
	if len(ids) == 0 {
		return nil
	}
	err := a.c.lock.Write(ctx, func(q *sharddb.Queries) error {
		_, err := q.IncorrectHostsRemove(ctx, ids)
		return err
	})
	if err != nil {
		return fmt.Errorf("remove %d incorrect hosts: %w", len(ids), err)
	}
	return nil
}
