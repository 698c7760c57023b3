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
	"log/slog"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/gen/sharddb"
	"shardclient/runner/afe"
	"shardclient/runner/lock"
	"shardclient/runner/objects"
	"shardclient/runner/pg"
)

// DefaultMaxSplits limits how often a response halves chunks that PostgreSQL refuses (P9). A
// thousand halvings take some seconds and suffice for a hundred bad objects far apart; 100,000 bad
// objects would take 200,000 transactions.
const DefaultMaxSplits = 1000

// maxTimeouts limits how many statements of a beat may take too long before it leaves the rest. To
// tell apart an object that takes too long by itself costs nine, in a chunk of 500.
const maxTimeouts = 20

// Options say how responses are stored. All must be set.
type Options struct {
	Lock        *lock.Lock    // of the shard, by which everything is written
	Pool        *pgxpool.Pool // of the shard's database
	Chunk       int           // the most objects stored in one transaction
	LockTimeout time.Duration // how long a step waits for locks of other sessions
	MaxSplits   int           // how often a response halves chunks that PostgreSQL refuses

	HistoryKeep    int64 // rows
	QuarantineKeep int64 // rows

	Redact func(string) string // takes secrets out of what others say
	Logger *slog.Logger        // hears why objects were set aside
}

// applier stores one response.
type applier struct {
	o *Options
	r *afe.Response
	aside

	lockedParents  map[objectKey]string // what is in the way of storing a parent; see storeParents
	parentsByChunk bool                 // the parents could not be stored at once; see storeParents
	noKeyvals      bool                 // the suite keyvals could not be read
	leftKeyvals    map[string]bool      // of these jobs the suite keyvals could not be stored

	jobIDs  []int64                 // of all jobs of the response
	keyvals *source[objects.Keyval] // the suite keyvals of the response
	suite   map[int64][]ref         // those that this beat stored for jobs of the response, by job

	splits, timeouts int
	left             int   // objects left for the next beat because no splits were left
	reason           error // why PostgreSQL refused the last chunk that was left
}

// objectKey names an object of a response, or a parent of one.
type objectKey struct {
	kind string
	id   int64
}

// Response stores a response and returns how many of its objects were set aside. An object is stored
// whole or not at all (P4), and a bad one harms only itself (P6). A step that failed does not keep
// the later ones from what they can do, as long as the database answers.
func Response(ctx context.Context, o *Options, r *afe.Response) (int, error) {
	a := &applier{
		o: o, r: r, aside: aside{ids: map[objectKey]bool{}}, suite: map[int64][]ref{}, leftKeyvals: map[string]bool{},
	}
	a.noKeyvals = r.Incomplete != nil && !r.SuiteKeyvals.Found()
	steps, err := a.steps(ctx, r)
	if err != nil {
		return a.aside.count, err
	}
	var failed []error
	for _, step := range steps {
		err := context.Cause(ctx)
		if err == nil {
			err = step()
		}
		failed = append(failed, err)
		if err != nil && !pg.IsOfOneStep(err) {
			return a.aside.count, pg.Together(failed...)
		}
	}
	a.logSetAside()
	if a.left > 0 {
		failed = append(failed, fmt.Errorf(
			"%d objects are left for the next beat, in chunks that PostgreSQL refused: %w", a.left, a.reason))
	}
	return a.aside.count, pg.Together(failed...)
}

// steps sorts out the objects of a response and returns in which order they are stored.
//
// Incorrect hosts go first and invalid hosts next, so that a newcomer may have their name.
// Incorrect hosts go once more after the jobs, so that entries which came with this response are
// aborted, too. Suite keyvals go before the jobs: after a beat that breaks off in between, the
// master sends them again only as long as their jobs are not here. The end state is as if they had
// come last; see jobKeyvals.
func (a *applier) steps(ctx context.Context, r *afe.Response) ([]func() error, error) {
	for _, m := range r.Malformed {
		a.setAside(badObject{Kind: sectionKind[m.Section], place: m.Place}, codeMalformed, m.Err)
	}
	incorrect := sourceOf(&r.IncorrectHosts, kindHost)
	hosts, jobs, keyvals := sourceOf(&r.Hosts, kindHost), sourceOf(&r.Jobs, KindJob), sourceOf(&r.SuiteKeyvals, kindSuiteKeyval)
	jobs.settings = []pg.Ask{pg.PlansByKey(ctx)}
	parents := newParents()
	goodIncorrect, err := sift(ctx, a, incorrect, func(ref, *int64) {})
	if err != nil {
		return nil, err
	}
	var valid, invalid []ref
	_, err = sift(ctx, a, hosts, func(r ref, h *objects.Host) {
		parents.addHost(h)
		if h.Invalid.Value {
			invalid = append(invalid, r)
		} else {
			valid = append(valid, r)
		}
	})
	if err != nil {
		return nil, err
	}
	goodJobs, err := sift(ctx, a, jobs, func(r ref, j *objects.Job) {
		parents.addJob(j)
		a.jobIDs = append(a.jobIDs, r.id)
	})
	if err != nil {
		return nil, err
	}
	slices.Sort(a.jobIDs)
	goodKeyvals, err := sift(ctx, a, keyvals, func(ref, *objects.Keyval) {})
	a.keyvals = keyvals

	return []func() error{
		func() error { return a.removeIncorrectHosts(ctx, incorrect, goodIncorrect) },
		func() error { return a.storeParents(ctx, parents) },
		func() error { return storeAll(ctx, a, hosts, invalid, a.changedHosts, a.storeHosts) },
		func() error { return storeAll(ctx, a, hosts, valid, a.changedHosts, a.storeHosts) },
		func() error { return a.storeAllKeyvals(ctx, goodKeyvals) },
		func() error { return storeAll(ctx, a, jobs, goodJobs, a.changedJobs, a.storeJobs) },
		func() error {
			return a.removeIncorrectHosts(ctx, incorrect, slices.DeleteFunc(goodIncorrect, func(r ref) bool {
				return a.aside.ids[objectKey{kindHost, r.id}] // it took too long before
			}))
		},
		func() error { return a.quarantine(ctx) },
	}, err
}

// sectionKind is the kind of object that a section of a response holds.
var sectionKind = map[string]string{
	"hosts":              kindHost,
	"incorrect_host_ids": kindHost,
	"jobs":               KindJob,
	"suite_keyvals":      kindSuiteKeyval,
}

// removeIncorrectHosts takes out of use the hosts that the master gave to other shards.
func (a *applier) removeIncorrectHosts(ctx context.Context, s *source[int64], refs []ref) error {
	left, err := storeFree(ctx, a, s, refs, nil, a.removeHosts)
	if err = pg.Together(err, pg.LeftFor(kindHost, left)); err != nil {
		return fmt.Errorf("remove %d incorrect hosts: %w", len(refs), err)
	}
	return nil
}

// removeHosts takes a chunk of hosts out of use.
func (a *applier) removeHosts(
	ctx context.Context, q *sharddb.Queries, chunk []unit[int64],
) (_ []badObject, left map[int64]string, err error) {
	ids := make([]int64, len(chunk))
	for i, u := range chunk {
		ids[i] = u.aside.ID
	}
	if _, left, err = removeFreeHosts(ctx, q, ids); err != nil {
		return nil, nil, err
	}
	return nil, left, forget(ctx, a, q, kindHost, without(chunk, left))
}

// removeFreeHosts takes hosts out of use, but for those of which another session has locked a row. It
// returns the ids of either kind, the latter with what is in the way.
func removeFreeHosts(
	ctx context.Context, q *sharddb.Queries, ids []int64,
) (free []int64, left map[int64]string, err error) {
	rows, err := q.IncorrectHostsLock(ctx, ids)
	if err != nil {
		return nil, nil, err
	}
	left = reasons(rows)
	free = slices.DeleteFunc(slices.Clone(ids), func(id int64) bool { return left[id] != "" })
	_, err = q.IncorrectHostsRemove(ctx, free)
	return free, left, err
}
