package master

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/gen/masterdb"
	"shardclient/runner/pg"
)

// errNotAtOnce means that an upload must be looked at before it is stored.
var errNotAtOnce = errors.New("not every record of the upload is what was taken for granted")

// upload stores what the shard has finished, and the statuses of the hosts that it knows: of a
// packet with a host that is refused nothing is stored.
func (b *beat) upload(ctx context.Context, pool *pgxpool.Pool) (err error) {
	b.ready = ready(b.args)
	again := true
	for again {
		err = pg.Write(ctx, pool, func(tx *pg.Tx) error { return b.store(ctx, tx) })
		// An attempt that looks first finds the error that the original has, or none.
		again = b.atOnce && (errors.Is(err, errNotAtOnce) || pg.Classify(err) == pg.Data)
	}
	if err == nil {
		b.tellEnds()
	}
	return err
}

// store is one attempt at an upload.
func (b *beat) store(ctx context.Context, tx *pg.Tx) (err error) {
	b.atOnce = false
	if b.shard, err = b.findShard(ctx, tx, b.findUser(ctx)); err != nil {
		return err
	}
	b.note()
	b.known = nil
	l := &locked{}
	reports, unequal := b.compareHosts(ctx)
	asks := append(b.begin(ctx), reports...)
	b.atOnce = unequal == nil && b.canStoreAtOnce()
	if b.atOnce {
		err = b.storeAtOnce(ctx, tx, asks)
		asks = nil
	} else {
		asks, err = b.storeCarefully(ctx, tx, l, asks)
	}
	if err != nil {
		return err
	}
	if unequal != nil {
		return cmp.Or(together(ctx, tx, asks), unequal)
	}
	asks = append(asks, b.storeStatuses(ctx, l)...)
	if !b.known.Differ {
		return tx.Finish(ctx, asks...)
	}
	if err := tx.Together(ctx, asks...); err != nil {
		return err
	}
	b.known.Differ = false
	return b.refusal(l)
}

// storeCarefully locks the uploaded rows, and returns the statements that store what of it is to be
// stored.
func (b *beat) storeCarefully(ctx context.Context, tx *pg.Tx, l *locked, asks []pg.Ask) ([]pg.Ask, error) {
	if jobs := once(idsIn(b.args.jobs)); len(jobs) > 0 {
		asks = append(asks, b.lockJobs(ctx, l, jobs))
	}
	if entries := idsIn(b.args.entries); len(entries) > 0 {
		asks = append(asks, ask(&l.entries, "lock entries", func(q *masterdb.Queries) ([]masterdb.EntryLockRow, error) {
			return q.EntryLock(ctx, entries)
		}))
	}
	if err := tx.Together(ctx, asks...); err != nil {
		return nil, err
	}
	b.compare()
	<-b.ready.done
	return b.storeUploads(ctx, tx, l)
}

// canStoreAtOnce reports whether the upload may be stored before its rows are looked at. That is so
// in the first attempt, if the records themselves give no reason to look.
func (b *beat) canStoreAtOnce() bool {
	if b.careful {
		return false
	}
	b.careful = true
	<-b.ready.jobsDone
	return b.ready.plainJobs
}

// storeAtOnce stores the upload after the statements before it. That locks each row once; where
// rows are looked at first, each is locked twice. PostgreSQL stores the jobs while the columns of
// the entries are made. How many jobs were stored, and to which jobs the entries belong, then shows
// whether every record was to be stored. [errNotAtOnce] means that one was not.
func (b *beat) storeAtOnce(ctx context.Context, tx *pg.Tx, asks []pg.Ask) error {
	jobs, entries := &b.ready.jobs, &b.ready.entries
	var storedJobs int64
	var jobsOfEntries []int64
	if err := tx.Together(ctx, append(asks, b.storeJobs(ctx, jobs, &storedJobs)...)...); err != nil {
		return err
	}
	<-b.ready.done
	if storedJobs != int64(len(jobs.Ids)) || !b.ready.plainEntries {
		return errNotAtOnce
	}
	if err := together(ctx, tx, b.storeEntries(ctx, entries, true, &jobsOfEntries)); err != nil {
		return err
	}
	withoutJob := func(job int64) bool {
		_, uploaded := slices.BinarySearch(jobs.Ids, job)
		return !uploaded
	}
	if len(jobsOfEntries) != len(entries.Ids) || slices.ContainsFunc(jobsOfEntries, withoutJob) {
		return errNotAtOnce
	}
	b.compare()
	return nil
}

func (b *beat) storeJobs(ctx context.Context, jobs *masterdb.JobStoreParams, stored *int64) []pg.Ask {
	if len(jobs.Ids) == 0 {
		return nil
	}
	jobs.ShardID = b.shard.ID
	return []pg.Ask{ask(stored, fmt.Sprintf("store %d jobs", len(jobs.Ids)), func(q *masterdb.Queries) (int64, error) {
		return q.JobStore(ctx, *jobs)
	})}
}

// storeEntries stores all entries, or those that are open, and returns the job of each.
func (b *beat) storeEntries(ctx context.Context, entries *masterdb.EntryStoreParams, onlyOpen bool, of *[]int64) []pg.Ask {
	if len(entries.Ids) == 0 {
		return nil
	}
	entries.OnlyOpen = onlyOpen
	return []pg.Ask{ask(of, fmt.Sprintf("store %d entries", len(entries.Ids)), func(q *masterdb.Queries) ([]int64, error) {
		return q.EntryStore(ctx, *entries)
	})}
}

// readied are the columns of an upload, made while PostgreSQL finds the shard. They count if all
// records are accepted.
type readied struct {
	jobsDone, done chan struct{}
	jobs           masterdb.JobStoreParams
	entries        masterdb.EntryStoreParams
	failed         bool // a value cannot be converted
	// Only the rows themselves can say that a record is not to be stored: ids ascend and are such
	// as Python finds again, and no entry changes its job.
	plainJobs, plainEntries bool
}

func ready(args *arguments) *readied {
	r := &readied{jobsDone: make(chan struct{}), done: make(chan struct{})}
	refuses := func(c *columns) func(record) bool {
		return func(one record) bool { return c.add(one) != nil }
	}
	go func() {
		defer close(r.done)
		r.failed = slices.ContainsFunc(args.jobs, refuses(jobColumns(&r.jobs)))
		r.plainJobs = !r.failed && slices.IsSorted(r.jobs.Ids) && !slices.ContainsFunc(args.jobs, hasOtherID)
		close(r.jobsDone)
		r.failed = slices.ContainsFunc(args.entries, refuses(entryColumns(&r.entries))) || r.failed
		r.plainEntries = !r.failed && slices.IsSorted(r.entries.Ids) && r.entriesStay()
	}()
	return r
}

// hasOtherID reports whether Python does not find a record by its id again.
func hasOtherID(one record) bool { return !one.isID() }

// entriesStay reports whether no entry is sent with a job.
func (r *readied) entriesStay() bool {
	for row := range r.entries.Ids {
		if r.entries.Skipped[row]&^r.entries.Nulls[row]&entryJob == 0 {
			return false
		}
	}
	return true
}
