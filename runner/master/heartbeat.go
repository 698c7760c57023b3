package master

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"shardclient/gen/masterdb"
	"shardclient/runner/afe"
	"shardclient/runner/pg"
)

// maxAttempts is how often a transaction is tried that PostgreSQL ends for the sake of another one.
// That is a deadlock with somebody who edits the tables; heartbeats all lock in the same order.
const maxAttempts = 3

// heartbeat reads in one snapshot which objects may be sent, and then writes and answers in one
// transaction. A second attempt of that transaction takes nothing that others took since the
// snapshot.
func (m *master) heartbeat(ctx context.Context, args *arguments) (given *answer, err error) {
	conn, err := m.pool.Acquire(ctx)
	if err != nil {
		return nil, fmt.Errorf("get a connection: %w", err)
	}
	defer conn.Release()
	b := &beat{protocol: m.o.Protocol, nocase: m.o.NocaseNames, twins: m.twins, args: args}
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
	snapshot := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err = pgx.BeginTxFunc(ctx, conn, snapshot, func(tx pgx.Tx) error {
		b.q = masterdb.New(tx)
		return b.read(ctx)
	})
	if err != nil {
		return nil, err
	}
	for attempt := 1; ; attempt++ {
		err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) (err error) {
			b.q = masterdb.New(tx)
			given, err = b.write(ctx)
			return err
		})
		if err == nil {
			b.tellEnds()
		}
		if attempt == maxAttempts || !wasGivenUp(err) {
			return given, err
		}
	}
}

func wasGivenUp(err error) bool {
	var pgErr *pgconn.PgError
	return errors.As(err, &pgErr) && strings.HasPrefix(pgErr.Code, "40")
}

// beat is a heartbeat. Its statements run in the transaction that q belongs to.
type beat struct {
	q           *masterdb.Queries
	protocol    afe.Protocol
	nocase      bool // names compare without case and trailing spaces
	twins       *twins
	args        *arguments
	shard       masterdb.AfeShard
	hosts, jobs []candidate
	otherEnds   []int64 // uploaded entries that had ended otherwise
}

// read finds the shard, and the hosts and jobs that may be sent to it.
func (b *beat) read(ctx context.Context) (err error) {
	if b.shard, err = b.findShard(ctx); err != nil {
		return err
	}
	if b.hosts, err = b.hostsToSend(ctx); err != nil {
		return err
	}
	if b.jobs, err = b.jobsToSend(ctx, true); err != nil {
		return err
	}
	return b.compare(ctx)
}

// write stores the upload, and assigns only hosts and jobs that have not changed since they were
// read: of several heartbeats that overlap, only one gets a host or a job. Locks are taken in a
// fixed order: the user, labels of the shard, jobs, entries, hosts, each by id.
func (b *beat) write(ctx context.Context) (*answer, error) {
	if _, err := b.q.UserAdd(ctx, b.nocase, b.args.user); err != nil {
		return nil, fmt.Errorf("add user: %w", err)
	}
	if len(b.hosts)+len(b.jobs) > 0 {
		if _, err := b.q.ShardLabelsLock(ctx, b.shard.ID); err != nil {
			return nil, fmt.Errorf("lock labels of the shard: %w", err)
		}
	}
	jobs, err := b.storeUploads(ctx)
	if err != nil {
		return nil, err
	}
	hosts, err := b.storeStatuses(ctx)
	if err != nil {
		return nil, err
	}
	hostIDs, jobIDs, err := b.assign(ctx, hosts, jobs)
	if err != nil {
		return nil, err
	}
	return b.answer(ctx, hostIDs, jobIDs)
}

// storeUploads stores the uploaded jobs and entries. It returns the jobs that it locked, as they
// were before.
func (b *beat) storeUploads(ctx context.Context) ([]candidate, error) {
	lock := idsOf(b.jobs)
	for _, record := range b.args.jobs {
		lock = append(lock, recordID(record))
	}
	var rows []masterdb.JobLockRow
	if len(lock) > 0 {
		var err error
		if rows, err = b.q.JobLock(ctx, lock); err != nil {
			return nil, fmt.Errorf("lock jobs: %w", err)
		}
	}
	locked := make([]candidate, len(rows))
	for i, row := range rows {
		locked[i] = candidate{row.ID, row.Version}
	}
	if len(b.args.jobs) == 0 && len(b.args.entries) == 0 {
		return locked, nil
	}
	if err := b.q.SetPlanCacheMode(ctx, new("auto")); err != nil {
		return nil, fmt.Errorf("let foreign keys be checked by one plan: %w", err)
	}
	stored, err := b.storeJobs(ctx, rows)
	if err != nil {
		return nil, err
	}
	if err := b.storeEntries(ctx, stored); err != nil {
		return nil, err
	}
	if err := b.q.SetPlanCacheMode(ctx, nil); err != nil {
		return nil, fmt.Errorf("plan queries for their lists again: %w", err)
	}
	return locked, nil
}

// storeStatuses stores the statuses of known hosts. It returns the hosts that it locked, as they
// were before.
func (b *beat) storeStatuses(ctx context.Context) ([]candidate, error) {
	ids, statuses := b.args.knownHostIDs, b.args.knownStatuses
	if b.protocol == afe.Protocol2015 {
		ids, statuses = nil, nil
	}
	if len(ids) != len(statuses) {
		return nil, &fault{name: "AssertionError"}
	}
	if len(ids) > 0 {
		if err := b.checkStatuses(ctx); err != nil {
			return nil, err
		}
	}
	if len(ids)+len(b.hosts) == 0 {
		return nil, nil
	}
	rows, err := b.q.HostLock(ctx, masterdb.HostLockParams{CandidateIds: idsOf(b.hosts), Ids: ids, Statuses: statuses})
	if err != nil {
		return nil, fmt.Errorf("lock hosts: %w", err)
	}
	if len(ids) > 0 {
		if _, err := b.q.HostSetStatus(ctx, ids, statuses); err != nil {
			return nil, fmt.Errorf("store host statuses: %w", err)
		}
	}
	locked := make([]candidate, len(rows))
	for i, row := range rows {
		locked[i] = candidate{row.ID, row.Version}
	}
	return locked, nil
}

func (b *beat) checkStatuses(ctx context.Context) error {
	refused, err := b.q.HostStatusRefused(ctx, masterdb.HostStatusRefusedParams{
		Ids: b.args.knownHostIDs, Statuses: b.args.knownStatuses, Login: b.args.user, Nocase: b.nocase,
	})
	switch {
	case err != nil:
		return fmt.Errorf("check host statuses: %w", err)
	case len(refused) == 0:
		return nil
	case !refused[0].Known:
		return doesNotExist("Host", "pk", fmt.Sprint(refused[0].ID))
	}
	return &fault{name: "AclAccessViolation", message: b.args.user + " does not have access to " + refused[0].Hostname}
}
