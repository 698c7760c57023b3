package master

import (
	"context"
	"errors"
	"fmt"

	"shardclient/gen/masterdb"
	"shardclient/runner/afe"
	"shardclient/runner/pg"
)

// heartbeat stores what the shard sends, reads in one snapshot which objects may be sent to it, and
// assigns and answers in another transaction. Another attempt of that one, after a deadlock with
// somebody who edits the tables, takes nothing that others took since the snapshot; heartbeats all
// lock in the same order.
func (m *master) heartbeat(ctx context.Context, args *arguments) (given *answer, err error) {
	b := m.newBeat(args)
	defer func() {
		// A server that was demoted keeps its connections. The next heartbeat finds the new one.
		if pg.Classify(err) == pg.ReadOnly || errors.Is(err, errTakesNoWrites) {
			m.o.Log.Warn("the database server takes no writes; leaving it", "error", err)
			m.pool.Reset()
		}
		if err != nil && b.shard.ID != 0 {
			m.twins.refuse(b.shard.ID)
		}
	}()
	if len(args.jobs)+len(args.entries) > 0 {
		if err := b.upload(ctx, m.pool); err != nil {
			return nil, err
		}
	}
	if err := pg.Read(ctx, m.pool, func(tx *pg.Tx) error { return b.look(ctx, tx) }); err != nil {
		return nil, err
	}
	if b.isIdle() {
		return b.empty(), nil
	}
	err = pg.Write(ctx, m.pool, func(tx *pg.Tx) (err error) {
		given, err = b.write(ctx, tx)
		return err
	})
	return given, err
}

// beat is a heartbeat.
type beat struct {
	protocol afe.Protocol
	nocase   bool // names compare without case and trailing spaces
	twins    *twins
	args     *arguments
	found
	noted     bool
	seen      *seen    // nil: compared, or not noted yet
	ready     *readied // the upload; nil: there is none
	otherEnds []int64  // uploaded entries that had ended otherwise
	atOnce    bool     // the upload is stored before its rows are looked at
	careful   bool     // and may not be so any more
}

// found is what was found of the shard.
type found struct {
	shard       masterdb.AfeShard
	userKnown   bool
	known       *masterdb.HostsKnownRow // nil: not compared yet
	hosts, jobs []candidate             // that may be sent
	snapshot    string                  // in which they were read
}

func (m *master) newBeat(args *arguments) *beat {
	return &beat{protocol: m.o.Protocol, nocase: m.o.NocaseNames, twins: m.twins, args: args}
}

// ask is a statement that travels with others. What it returns goes to into.
func ask[T any](into *T, purpose string, run func(*masterdb.Queries) (T, error)) pg.Ask {
	return func(db pg.DB) (err error) {
		if *into, err = run(masterdb.New(db)); err != nil {
			return fmt.Errorf("%s: %w", purpose, err)
		}
		return nil
	}
}

// do is a statement that travels with others and returns nothing of interest.
func do(purpose string, run func(*masterdb.Queries) error) pg.Ask {
	return ask(new(struct{}), purpose, func(q *masterdb.Queries) (struct{}, error) { return struct{}{}, run(q) })
}

// together runs statements, if there are any.
func together(ctx context.Context, tx *pg.Tx, asks []pg.Ask) error {
	if len(asks) == 0 {
		return nil
	}
	return tx.Together(ctx, asks...)
}

// look finds the shard, and the hosts and jobs that may be sent to it, and compares the hosts that
// it knows, unless that was done. A heartbeat may have nothing to write, so it asks whether it
// could.
func (b *beat) look(ctx context.Context, tx *pg.Tx) (err error) {
	if b.shard.ID == 0 {
		if b.shard, err = b.findShard(ctx, tx); err != nil {
			return err
		}
		b.note()
	}
	reports, err := b.compareHosts(ctx)
	if err != nil {
		return err
	}
	var writes bool
	err = tx.Finish(ctx, append(reports,
		b.hostsToSend(ctx, &b.hosts),
		b.jobsToSend(ctx, &b.jobs, true),
		ask(&b.snapshot, "name the snapshot", func(q *masterdb.Queries) (string, error) { return q.SnapshotSeen(ctx) }),
		b.findUser(ctx),
		ask(&writes, "ask whether the server takes writes", func(q *masterdb.Queries) (bool, error) { return q.ServerTakesWrites(ctx) }),
	)...)
	if err == nil && !writes {
		err = fmt.Errorf("look for hosts and jobs to send: %w", errTakesNoWrites)
	}
	return err
}

// isIdle reports whether there is nothing to write and nothing to send, and no sign to look into.
func (b *beat) isIdle() bool {
	if len(b.hosts)+len(b.jobs) > 0 || b.known.Differ || !b.userKnown || b.seen.wants() {
		return false
	}
	b.compare()
	return true
}

func (b *beat) findUser(ctx context.Context) pg.Ask {
	return ask(&b.userKnown, "find user", func(q *masterdb.Queries) (bool, error) { return q.UserKnown(ctx, b.args.user, b.nocase) })
}

// locked is what a transaction has locked, as it was before, and what it has found out meanwhile.
type locked struct {
	jobs     []masterdb.JobLockRow
	entries  []masterdb.EntryLockRow
	jobOf    map[int64]int64 // by entry
	ignored  bool            // a record of the upload
	hosts    []masterdb.HostLockRow
	refused  []masterdb.HostStatusRefusedRow
	snapshot string // of a moment when all was locked
}

// write assigns only hosts and jobs that have not changed since they were read: of several
// heartbeats that overlap, only one gets a host or a job. Locks are taken in a fixed order: the
// user, labels of the shard, jobs, entries, hosts, each by id.
func (b *beat) write(ctx context.Context, tx *pg.Tx) (*answer, error) {
	l := &locked{}
	asks := b.begin(ctx)
	if len(b.jobs) > 0 {
		asks = append(asks, b.lockJobs(ctx, l, idsOf(b.jobs)))
	}
	asks = append(asks, b.storeStatuses(ctx, l)...)
	if !b.known.Differ && len(b.hosts)+len(b.jobs) == 0 {
		if err := tx.Finish(ctx, asks...); err != nil { // there is nothing left to decide
			return nil, err
		}
		b.compare()
		return b.empty(), nil
	}
	if err := tx.Together(ctx, asks...); err != nil {
		return nil, err
	}
	b.compare()
	if err := b.refusal(l); err != nil {
		return nil, err
	}
	hosts, jobs, err := b.choose(ctx, tx, l)
	if err != nil {
		return nil, err
	}
	return b.answer(ctx, tx, hosts, jobs)
}

// begin takes the first locks. Everything but the looks for hosts and jobs to send finds rows by
// their ids. Any plan is good for that which goes by the index, and so locks them in the order of
// their ids.
func (b *beat) begin(ctx context.Context) (asks []pg.Ask) {
	if b.seen.wants() {
		asks = append(asks, b.stillOpen(ctx, b.seen))
	}
	asks = append(asks, b.planCacheMode(ctx, new(generic)), pg.PlansByKey(ctx))
	if !b.userKnown {
		asks = append(asks, do("add user", func(q *masterdb.Queries) error {
			_, err := q.UserAdd(ctx, b.nocase, b.args.user)
			return err
		}))
	}
	if len(b.hosts)+len(b.jobs) > 0 {
		asks = append(asks, do("lock labels of the shard", func(q *masterdb.Queries) error {
			_, err := q.ShardLabelsLock(ctx, b.shard.ID)
			return err
		}))
	}
	return asks
}

func (b *beat) lockJobs(ctx context.Context, l *locked, ids []int64) pg.Ask {
	return ask(&l.jobs, "lock jobs", func(q *masterdb.Queries) ([]masterdb.JobLockRow, error) { return q.JobLock(ctx, ids) })
}

// generic keeps plans. All that is found by ids has one plan, whatever the ids are, and to plan for
// a thousand of them takes a millisecond.
const generic = "force_generic_plan"

// planCacheMode says how the statements that follow are planned.
func (b *beat) planCacheMode(ctx context.Context, mode *string) pg.Ask {
	return do("say how to plan queries", func(q *masterdb.Queries) error { return q.SetPlanCacheMode(ctx, mode) })
}
