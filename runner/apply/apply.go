// Package apply owns how a response of the master is stored: in which order, what is set aside
// alone, and what is left for the next beat because another session has locked it (P4, P5, P6 and
// P12 of docs/promises.md). It does not know beats; package shard calls [Response] in each of them.
//
// A step stores objects of one kind, chunk by chunk, each chunk in one transaction. A chunk that
// holds a bad object is halved until that object is alone. The statements are in queries/shard.
package apply

import (
	"context"
	"fmt"
	"slices"
	"time"

	"shardclient/gen/sharddb"
	"shardclient/runner/afe"
	"shardclient/runner/aside"
	"shardclient/runner/objects"
	"shardclient/runner/pg"
	"shardclient/runner/reading"
	"shardclient/runner/rows"
)

// DefaultMaxSplits limits how often a response halves chunks that PostgreSQL refuses (P9). A
// thousand halvings take some seconds and suffice for a hundred bad objects far apart; 100,000 bad
// objects would take 200,000 transactions.
const DefaultMaxSplits = 1000

// maxTimeouts limits how many statements of a beat may take too long before it leaves the rest. To
// tell apart an object that takes too long by itself costs nine, in a chunk of 500.
const maxTimeouts = 20

// maxWaits limits how often a beat waits for keys that other sessions are about to insert, before
// it leaves the rest. Only the first time it waits as long as --lock-timeout says; then briefWait.
const (
	maxWaits  = 300
	briefWait = 20 * time.Millisecond
)

// Options say how responses are stored. All must be set.
type Options struct {
	aside.Options
	Chunk       int           // the most objects stored in one transaction
	LockTimeout time.Duration // how long a step waits for locks of other sessions
	MaxSplits   int           // how often a response halves chunks that PostgreSQL refuses
}

// applier stores one response.
type applier struct {
	o *Options
	r *afe.Response
	*aside.Objects

	parentsErr     error                     // why parents of jobs could not be stored
	lockedParents  map[rows.ParentKey]string // what is in the way of storing a parent; see storeParents
	parentsByChunk bool                      // the parents could not be stored at once; see storeParents
	noKeyvals      bool                      // the suite keyvals could not be read
	leftKeyvals    map[string]bool           // of these jobs the suite keyvals could not be stored

	parents   rows.Parents                    // named by the objects that were read so far
	pending   rows.Parents                    // those of them that are stored with the next jobs; see storeParentsOf
	inserted  bool                            // they are, by the transaction that is under way
	jobs      *jobs                           // of the response
	claims    map[int64]int64                 // the first job that names an entry, of those that were read and are not here; see claim
	contested map[int64]int64                 // of those entries that another job names, too
	keyvals   *reading.Source[objects.Keyval] // the suite keyvals of the response
	suite     map[int64][]reading.Ref         // those that are here, by job

	allNew, allHere         bool  // the jobs read last were, so the next ones may be expected to be
	look                    *look // at the jobs that are in hand
	splits, timeouts, waits int
	left                    int   // objects left for the next beat because no splits were left
	reason                  error // why PostgreSQL refused the first chunk that was left
}

// Response stores a response and returns how many of its objects were set aside. An object is
// stored whole or not at all (P4), and a bad one harms only itself (P6). A step that failed does
// not keep the later ones from what they can do, as long as the database answers.
func Response(ctx context.Context, o *Options, r *afe.Response) (int, error) {
	a := &applier{
		o: o, r: r, Objects: aside.Of(&o.Options, r.Text), suite: map[int64][]reading.Ref{}, leftKeyvals: map[string]bool{},
		claims: map[int64]int64{}, contested: map[int64]int64{},
		parents: rows.NewParents(), pending: rows.NewParents(),
	}
	a.noKeyvals = r.Incomplete != nil && !r.SuiteKeyvals.Found()
	steps, err := a.steps(ctx, r)
	if a.jobs != nil {
		defer a.jobs.end()
		defer func() { a.look.wait() }()
	}
	if err == nil {
		err = runSteps(ctx, steps)
	}
	if err != nil && !pg.IsOfOneStep(err) {
		return a.Count(), err
	}
	a.Log()
	if a.left > 0 {
		err = pg.Together(err, fmt.Errorf(
			"%d objects are left for the next beat, in chunks that PostgreSQL refused: %w", a.left, a.reason))
	}
	return a.Count(), err
}

// runSteps runs steps one after the other. One that failed stops no other, as long as the database
// answers.
func runSteps(ctx context.Context, steps []func() error) error {
	var failed []error
	for _, step := range steps {
		err := context.Cause(ctx)
		if err == nil {
			err = step()
		}
		failed = append(failed, err)
		if err != nil && !pg.IsOfOneStep(err) {
			break
		}
	}
	return pg.Together(failed...)
}

// steps sorts out the objects of a response, but for jobs, and returns in which order they are
// stored.
//
// Incorrect hosts go first and invalid hosts next, so that a newcomer may have their name.
// Incorrect hosts go once more after the jobs, so that entries which came with this response are
// aborted, too. Suite keyvals go before the jobs: after a beat that breaks off in between, the
// master sends them again only as long as their jobs are not here. The end state is as if they had
// come last; see jobKeyvals.
func (a *applier) steps(ctx context.Context, r *afe.Response) ([]func() error, error) {
	for _, m := range r.Malformed {
		a.SetAside(aside.Object{Kind: sectionKind[m.Section], Place: m.Place}, aside.CodeMalformed, m.Err)
	}
	incorrect, hosts := reading.New(&r.IncorrectHosts, aside.KindHost), reading.New(&r.Hosts, aside.KindHost)
	goodIncorrect, err := sift(ctx, a, incorrect, func(reading.Ref, *int64) error { return nil })
	if err != nil {
		return nil, err
	}
	var valid, invalid []reading.Ref
	_, err = sift(ctx, a, hosts, func(r reading.Ref, h *objects.Host) error {
		if err := a.parents.HostAgrees(h); err != nil {
			return err
		}
		a.parents.AddHost(h)
		if h.Invalid.Value {
			invalid = append(invalid, r)
		} else {
			valid = append(valid, r)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	a.jobs = a.beginJobs(&r.Jobs)
	a.keyvals = reading.New(&r.SuiteKeyvals, aside.KindSuiteKeyval)
	keyvals, err := sift(ctx, a, a.keyvals, func(reading.Ref, *objects.Keyval) error { return nil })

	apart := []func() error{
		func() error { return a.storeParents(ctx, a.parents) },
		func() error { return storeAll(ctx, a, hosts, invalid, atOnce(a, a.aboutHosts), a.storeHosts) },
		func() error { return storeAll(ctx, a, hosts, valid, atOnce(a, a.aboutHosts), a.storeHosts) },
		func() error { return a.storeAllKeyvals(ctx, keyvals) },
	}
	return []func() error{
		func() error { return a.removeIncorrectHosts(ctx, incorrect, goodIncorrect) },
		func() error { return a.storeHead(ctx, hosts, slices.Concat(invalid, valid), keyvals, apart) },
		func() error { return a.storeAllJobs(ctx) },
		func() error {
			return a.removeIncorrectHosts(ctx, incorrect, slices.DeleteFunc(goodIncorrect, func(r reading.Ref) bool {
				return a.Has(aside.KindHost, r.ID) // it took too long before
			}))
		},
		func() error { return a.Flush(ctx) },
	}, err
}

// sectionKind is the kind of object that a section of a response holds.
var sectionKind = map[string]string{
	"hosts":              aside.KindHost,
	"incorrect_host_ids": aside.KindHost,
	"jobs":               aside.KindJob,
	"suite_keyvals":      aside.KindSuiteKeyval,
}

// removeIncorrectHosts takes out of use the hosts that the master gave to other shards.
func (a *applier) removeIncorrectHosts(ctx context.Context, s *reading.Source[int64], refs []reading.Ref) error {
	left, err := storeFree(ctx, a, s, inTurn(ctx, a, s, refs), nil, a.removeHosts)
	return pg.Failed(pg.Together(err, pg.LeftFor(aside.KindHost, left)), "remove %d incorrect hosts", len(refs))
}

// removeHosts takes a chunk of hosts out of use.
func (a *applier) removeHosts(
	ctx context.Context, q *sharddb.Queries, chunk []unit[int64],
) (_ []aside.Object, left map[int64]string, err error) {
	if _, left, err = removeFreeHosts(ctx, q, reading.IDs(chunk)); err != nil {
		return nil, nil, err
	}
	return nil, left, forget(ctx, a, q, aside.KindHost, reading.Without(chunk, left))
}

// removeFreeHosts takes hosts out of use, but for those of which another session has locked a row.
// It returns the ids of either kind, the latter with what is in the way.
func removeFreeHosts(
	ctx context.Context, q *sharddb.Queries, ids []int64,
) (free []int64, left map[int64]string, err error) {
	locked, err := q.IncorrectHostsLock(ctx, ids)
	if err != nil {
		return nil, nil, err
	}
	left = reasons(locked)
	free = slices.DeleteFunc(slices.Clone(ids), func(id int64) bool { return left[id] != "" })
	err = rows.Whole(rows.Step{Table: "afe_hosts or afe_host_queue_entries", Do: func() (int64, error) { return q.IncorrectHostsRemove(ctx, free) }})
	return free, left, err
}
