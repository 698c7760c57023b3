package master

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"shardclient/gen/masterdb"
	"shardclient/runner/afe"
	"shardclient/runner/pg"
)

// heartbeat reads in one snapshot which objects may be sent, and then writes and answers in one
// transaction. Another attempt of that transaction, after a deadlock with somebody who edits the
// tables, takes nothing that others took since the snapshot; heartbeats all lock in the same order.
func (m *master) heartbeat(ctx context.Context, args *arguments, early *ahead) (given *answer, err error) {
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
	b.ready = ready(args)
	if early.isFor(args) {
		early.wait()
		b.found, err = early.beat.found, early.err
	} else {
		err = pg.Read(ctx, m.pool, func(tx *pg.Tx) error { return b.look(ctx, tx) })
	}
	if err != nil {
		return nil, err
	}
	b.seen = b.see()
	err = pg.Write(ctx, m.pool, func(tx *pg.Tx) (err error) {
		given, err = b.write(ctx, tx)
		return err
	})
	if err != nil {
		return nil, err
	}
	b.tellEnds()
	return given, nil
}

// beat is a heartbeat.
type beat struct {
	protocol afe.Protocol
	nocase   bool // names compare without case and trailing spaces
	twins    *twins
	args     *arguments
	found
	ready     *readied
	seen      *seen   // nil: compared
	otherEnds []int64 // uploaded entries that had ended otherwise
}

// found is what a look finds.
type found struct {
	shard       masterdb.AfeShard
	hosts, jobs []candidate // that may be sent
	snapshot    string      // in which they were read
	userKnown   bool
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

// look finds the shard, and the hosts and jobs that may be sent to it. A heartbeat may have nothing
// to write, so it asks whether it could.
func (b *beat) look(ctx context.Context, tx *pg.Tx) (err error) {
	if b.shard, err = b.findShard(ctx, tx); err != nil {
		return err
	}
	var writes bool
	err = tx.Finish(ctx,
		b.hostsToSend(ctx, &b.hosts),
		b.jobsToSend(ctx, &b.jobs, true),
		ask(&b.snapshot, "name the snapshot", func(q *masterdb.Queries) (string, error) { return q.SnapshotSeen(ctx) }),
		ask(&b.userKnown, "find user", func(q *masterdb.Queries) (bool, error) { return q.UserKnown(ctx, b.args.user, b.nocase) }),
		ask(&writes, "ask whether the server takes writes", func(q *masterdb.Queries) (bool, error) { return q.ServerTakesWrites(ctx) }),
	)
	if err == nil && !writes {
		err = fmt.Errorf("look for hosts and jobs to send: %w", errTakesNoWrites)
	}
	return err
}

// locked is what a heartbeat has locked, as it was before, and what it has found out meanwhile.
type locked struct {
	jobs     []masterdb.JobLockRow
	entries  []masterdb.EntryLockRow
	jobOf    map[int64]int64 // by entry
	hosts    []masterdb.HostLockRow
	known    masterdb.HostsKnownRow
	refused  []masterdb.HostStatusRefusedRow
	snapshot string         // of a moment when all was locked
	ended    map[int64]bool // jobs with an entry that the upload has completed
	ignored  bool           // a record of the upload
}

// write stores the upload, and assigns only hosts and jobs that have not changed since they were
// read: of several heartbeats that overlap, only one gets a host or a job. Locks are taken in a
// fixed order: the user, labels of the shard, jobs, entries, hosts, each by id.
func (b *beat) write(ctx context.Context, tx *pg.Tx) (*answer, error) {
	l := &locked{}
	asks, unequal, err := b.store(ctx, tx, l)
	if err != nil {
		return nil, err
	}
	if unequal == nil && !l.known.Differ && len(b.hosts)+len(b.open(l)) == 0 {
		if err := tx.Finish(ctx, asks...); err != nil { // there is nothing left to decide
			return nil, err
		}
		b.compare()
		return b.empty(l), nil
	}
	if err := together(ctx, tx, asks); err != nil {
		return nil, err
	}
	b.compare()
	if err := cmp.Or(unequal, b.refusal(l)); err != nil {
		return nil, err
	}
	hosts, jobs, err := b.choose(ctx, tx, l)
	if err != nil {
		return nil, err
	}
	return b.answer(ctx, tx, l, hosts, jobs)
}

// store takes locks, and returns the statements that store the upload and the statuses of known
// hosts. With unequal, not one status was sent for each of these.
func (b *beat) store(ctx context.Context, tx *pg.Tx, l *locked) (asks []pg.Ask, unequal, err error) {
	asks = b.lockJobs(ctx, l)
	reports, unequal := b.compareHosts(ctx, l)
	asks = append(asks, reports...)
	uploads := len(b.args.jobs)+len(b.args.entries) > 0
	if uploads || len(reports) > 0 {
		if err := tx.Together(ctx, asks...); err != nil {
			return nil, nil, err
		}
		b.compare()
		asks = nil
	}
	if uploads {
		if asks, err = b.storeUploads(ctx, tx, l); err != nil {
			return nil, nil, err
		}
	}
	if unequal == nil {
		asks = append(asks, b.storeStatuses(ctx, l)...)
	}
	return asks, unequal, nil
}

// lockJobs locks what comes first in the order of locks. Everything but the looks for hosts and
// jobs to send finds rows by their ids, and any plan of PostgreSQL's is good for that.
func (b *beat) lockJobs(ctx context.Context, l *locked) (asks []pg.Ask) {
	if s := b.seen; s != nil && len(s.goneJobs)+len(s.goneHosts) > 0 {
		asks = append(asks, b.stillOpen(ctx, s))
	}
	asks = append(asks, b.planCacheMode(ctx, new("auto")))
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
	if jobs := once(append(idsOf(b.jobs), idsIn(b.args.jobs)...)); len(jobs) > 0 {
		asks = append(asks, ask(&l.jobs, "lock jobs", func(q *masterdb.Queries) ([]masterdb.JobLockRow, error) {
			return q.JobLock(ctx, jobs)
		}))
	}
	if entries := idsIn(b.args.entries); len(entries) > 0 {
		asks = append(asks, ask(&l.entries, "lock entries", func(q *masterdb.Queries) ([]masterdb.EntryLockRow, error) {
			return q.EntryLock(ctx, entries)
		}))
	}
	return asks
}

// planCacheMode says how the statements that follow are planned.
func (b *beat) planCacheMode(ctx context.Context, mode *string) pg.Ask {
	return do("say how to plan queries", func(q *masterdb.Queries) error { return q.SetPlanCacheMode(ctx, mode) })
}

// statuses returns the known hosts with their statuses, which a master of 2015 passes over.
func (b *beat) statuses() (ids []int64, statuses []string) {
	if b.protocol == afe.Protocol2015 {
		return nil, nil
	}
	return b.args.knownHostIDs, b.args.knownStatuses
}

// compareHosts compares the known hosts with those here. It fails if there is not one status for
// each known host.
func (b *beat) compareHosts(ctx context.Context, l *locked) ([]pg.Ask, error) {
	ids, statuses := b.statuses()
	switch {
	case len(ids) != len(statuses):
		return nil, &fault{name: "AssertionError"}
	case len(ids) == 0:
		return nil, nil
	}
	params := masterdb.HostsKnownParams{Ids: ids, Statuses: statuses, ShardID: b.shard.ID}
	return []pg.Ask{ask(&l.known, "compare known hosts", func(q *masterdb.Queries) (masterdb.HostsKnownRow, error) {
		return q.HostsKnown(ctx, params)
	})}, nil
}

// storeStatuses checks and stores the statuses of known hosts, if any differs. It locks these hosts
// and those that may be sent, and ends with the snapshot of a moment when all is locked.
func (b *beat) storeStatuses(ctx context.Context, l *locked) (asks []pg.Ask) {
	ids, statuses := b.statuses()
	if !l.known.Differ {
		ids, statuses = []int64{}, []string{}
	}
	if l.known.Differ {
		refused := masterdb.HostStatusRefusedParams{Ids: ids, Statuses: statuses, Login: b.args.user, Nocase: b.nocase}
		asks = append(asks, ask(&l.refused, "check host statuses", func(q *masterdb.Queries) ([]masterdb.HostStatusRefusedRow, error) {
			return q.HostStatusRefused(ctx, refused)
		}))
	}
	if l.known.Differ || len(b.hosts) > 0 {
		lock := masterdb.HostLockParams{CandidateIds: idsOf(b.hosts), Ids: ids, Statuses: statuses}
		asks = append(asks, ask(&l.hosts, "lock hosts", func(q *masterdb.Queries) ([]masterdb.HostLockRow, error) {
			return q.HostLock(ctx, lock)
		}))
	}
	if l.known.Differ {
		asks = append(asks, do("store host statuses", func(q *masterdb.Queries) error {
			_, err := q.HostSetStatus(ctx, ids, statuses)
			return err
		}))
	}
	if len(b.hosts)+len(b.jobs) > 0 {
		asks = append(asks, ask(&l.snapshot, "name the snapshot", func(q *masterdb.Queries) (string, error) { return q.SnapshotSeen(ctx) }))
	}
	return asks
}

// refusal says which host may not have the status that was sent. Nothing of what was stored after
// the check is committed then.
func (b *beat) refusal(l *locked) error {
	switch {
	case len(l.refused) == 0:
		return nil
	case !l.refused[0].Known:
		return doesNotExist("Host", "pk", fmt.Sprint(l.refused[0].ID))
	}
	return &fault{name: "AclAccessViolation", message: b.args.user + " does not have access to " + l.refused[0].Hostname}
}
