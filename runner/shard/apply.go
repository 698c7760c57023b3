package shard

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5/pgconn"

	"shardclient/gen/shard"
	"shardclient/runner/afe"
)

// repeats is how often a transaction that met a deadlock or a serialization
// failure is tried again before the beat gives up.
const repeats = 3

// applier stores one response.
type applier struct {
	c      *Client
	bad    []setAside
	badIDs map[string]map[int64]bool // by kind; see forget

	parentsByChunk bool
}

// apply stores a response and returns how many of its objects were set aside. An
// object is stored whole or not at all (P4), a bad one harms only itself (P6).
func (c *Client) apply(ctx context.Context, r *afe.Response) (int, error) {
	a := &applier{c: c, badIDs: map[string]map[int64]bool{kindHost: {}, kindJob: {}, kindSuiteKeyval: {}}}
	for _, m := range r.Malformed {
		a.setAside(setAside{Kind: sectionKind[m.Section], Payload: m.Raw}, codeMalformed, m.Err)
	}
	hosts := sift(a, r.Hosts, kindHost, hostNames{}.check)
	jobs := sift(a, r.Jobs, kindJob, entryIDs{}.check)
	keyvals := sift(a, r.SuiteKeyvals, kindSuiteKeyval, func(*afe.Keyval) (string, error) { return "", nil })

	// Incorrect hosts go first, so that a newcomer may have their name, and once
	// more after the jobs, so that entries that came with this response are aborted.
	steps := []func() error{
		func() error { return a.removeIncorrectHosts(ctx, r.IncorrectHostIDs) },
		func() error { return a.storeParents(ctx, collectParents(hosts, jobs)) },
		func() error { return storeAll(ctx, a, "hosts", hosts, a.storeHosts) },
		func() error { return storeAll(ctx, a, "jobs", jobs, a.storeJobs) },
		func() error { return storeAll(ctx, a, "suite keyvals", keyvals, a.storeSuiteKeyvals) },
		func() error { return a.removeIncorrectHosts(ctx, r.IncorrectHostIDs) },
		func() error { return c.quarantine(ctx, directionIn, a.bad) },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return len(a.bad), err
		}
	}
	c.logSetAside(a.bad)
	return len(a.bad), nil
}

// unit is what is stored whole or set aside alone.
type unit[T any] struct {
	object *T
	aside  setAside // kind, id and payload, should it come to that
}

// sift sorts out what cannot be used: objects that were not understood, a second
// and different one with an id that was already there, and what check objects
// to. Identical copies are no fault.
func sift[T any](a *applier, list []afe.Received[T], kind string, check func(*T) (code string, err error)) []unit[T] {
	units := make([]unit[T], 0, len(list))
	first := make(map[int64]*afe.Received[T], len(list))
	for i := range list {
		r := &list[i]
		aside := setAside{Kind: kind, ID: r.ID, Payload: r.Raw}
		if r.Err != nil {
			a.setAside(aside, codeMalformed, r.Err)
			continue
		}
		if before := first[r.ID]; before != nil && r.ID != 0 {
			if !sameJSON(before.Raw, r.Raw) {
				a.setAside(aside, codeDuplicateID, fmt.Errorf("another %s with id %d came first in this response", kind, r.ID))
			}
			continue
		}
		first[r.ID] = r
		if code, err := check(&r.Object); err != nil {
			a.setAside(aside, code, err)
			continue
		}
		units = append(units, unit[T]{object: &r.Object, aside: aside})
	}
	return units
}

// storeAll stores units chunk by chunk, each chunk in one transaction.
func storeAll[T any](ctx context.Context, a *applier, what string, units []unit[T], store storeFunc[T]) error {
	for chunk := range slices.Chunk(units, a.c.options.ApplyChunk) {
		if err := storeChunk(ctx, a, chunk, store); err != nil {
			return fmt.Errorf("store %d %s: %w", len(units), what, err)
		}
	}
	return nil
}

// storeFunc stores a chunk within a transaction and returns what it set aside,
// which counts only if the transaction commits.
type storeFunc[T any] func(ctx context.Context, q *sharddb.Queries, chunk []unit[T]) ([]setAside, error)

// storeChunk halves a chunk that holds a bad object until the object is alone.
func storeChunk[T any](ctx context.Context, a *applier, chunk []unit[T], store storeFunc[T]) error {
	var bad []setAside
	err := a.c.write(ctx, func(q *sharddb.Queries) (err error) {
		bad, err = store(ctx, q, chunk)
		return err
	})
	switch class := classify(err); {
	case err == nil:
		a.bad = append(a.bad, bad...)
		return nil
	case len(chunk) > 1 && (class == dataError || class == cancelled):
		half := len(chunk) / 2
		return errors.Join(storeChunk(ctx, a, chunk[:half], store), storeChunk(ctx, a, chunk[half:], store))
	case class == dataError:
		a.setAside(chunk[0].aside, codeDatabase, err)
		return nil
	default:
		return err
	}
}

// repeat runs a transaction again that failed only because of others.
func repeat(transaction func() error) error {
	err := transaction()
	for try := 0; try < repeats && classify(err) == conflict; try++ {
		err = transaction()
	}
	return err
}

// errorClass says what may be done about a database error.
type errorClass int

const (
	otherError errorClass = iota // the beat ends; the next one tries again
	dataError                    // an object's own fault
	conflict                     // of concurrent transactions
	cancelled                    // it took too long
	readOnly                     // a standby, or a server that takes no writes any more
)

// errorClasses go by the class of the SQLSTATE, never by text.
var errorClasses = map[string]errorClass{
	"21": dataError, "22": dataError, "23": dataError, "54": dataError, "40": conflict,
}

func classify(err error) errorClass {
	var pgErr *pgconn.PgError
	switch {
	case !errors.As(err, &pgErr):
		return otherError
	case pgErr.Code == "25006":
		return readOnly
	case pgErr.Code == "57014":
		return cancelled
	}
	return errorClasses[pgErr.Code[:2]]
}

// removeIncorrectHosts takes out of use the hosts that the master gave to others.
func (a *applier) removeIncorrectHosts(ctx context.Context, ids []int64) error {
	if len(ids) == 0 {
		return nil
	}
	err := a.c.write(ctx, func(q *sharddb.Queries) error {
		_, err := q.IncorrectHostsRemove(ctx, ids)
		return err
	})
	if err != nil {
		return fmt.Errorf("remove %d incorrect hosts: %w", len(ids), err)
	}
	return nil
}
