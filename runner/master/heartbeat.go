package master

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"shardclient/gen/master"
	"shardclient/runner/afe"
)

// maxAttempts of a transaction that PostgreSQL gave up for another's sake: a deadlock with whoever edits the tables.
// Heartbeats among themselves lock in one order.
const maxAttempts = 3

func (m *master) heartbeat(ctx context.Context, args *arguments) (result []byte, err error) {
	for attempt := 1; ; attempt++ {
		err = pgx.BeginFunc(ctx, m.pool, func(tx pgx.Tx) error {
			b := &beat{q: masterdb.New(tx), protocol: m.o.Protocol, args: args}
			result, err = b.run(ctx)
			return err
		})
		var pgErr *pgconn.PgError
		if attempt == maxAttempts || !errors.As(err, &pgErr) || !strings.HasPrefix(pgErr.Code, "40") {
			return result, err
		}
	}
}

// beat is one attempt at a heartbeat, in its transaction.
type beat struct {
	q        *masterdb.Queries
	protocol afe.Protocol
	args     *arguments
	shardID  int64
}

// assigned is a host or a job that may be sent, and whose it was when it was read.
type assigned struct{ id, shardID int64 }

// run reads what may be sent before it locks anything. What another heartbeat took since is not taken: two that run at
// the same time never both get a host or a job. Locks are taken in one order: jobs, entries, hosts, each by id.
func (b *beat) run(ctx context.Context) ([]byte, error) {
	if err := b.findCaller(ctx); err != nil {
		return nil, err
	}
	hosts, err := b.hostsToSend(ctx)
	if err != nil {
		return nil, err
	}
	jobs, err := b.jobsToSend(ctx)
	if err != nil {
		return nil, err
	}
	if err := b.storeUploads(ctx, jobs); err != nil {
		return nil, err
	}
	if err := b.storeStatuses(ctx, hosts); err != nil {
		return nil, err
	}
	hostIDs, err := b.assignHosts(ctx, hosts)
	if err != nil {
		return nil, err
	}
	jobIDs, err := b.assignJobs(ctx, jobs)
	if err != nil {
		return nil, err
	}
	return b.answer(ctx, hostIDs, jobIDs)
}

func (b *beat) findCaller(ctx context.Context) error {
	if _, err := b.q.UserAdd(ctx, b.args.user); err != nil {
		return fmt.Errorf("add user: %w", err)
	}
	id, err := b.q.ShardByHostname(ctx, b.args.shardHostname)
	if errors.Is(err, pgx.ErrNoRows) {
		return doesNotExist("Shard", "hostname", reprString(b.args.shardHostname))
	}
	if err != nil {
		return fmt.Errorf("find shard: %w", err)
	}
	b.shardID = id
	return nil
}

func (b *beat) hostsToSend(ctx context.Context) ([]assigned, error) {
	rows, err := b.q.HostsToSend(ctx, b.shardID, b.args.knownHostIDs)
	if err != nil {
		return nil, fmt.Errorf("find hosts to send: %w", err)
	}
	hosts := make([]assigned, len(rows))
	for i, row := range rows {
		hosts[i] = assigned{row.ID, row.ShardID}
	}
	return hosts, nil
}

func (b *beat) jobsToSend(ctx context.Context) ([]assigned, error) {
	rows, err := b.q.JobsToSend(ctx, masterdb.JobsToSendParams{
		ShardID: b.shardID, MetaHosts: b.protocol == afe.Protocol2019, KnownJobIds: b.args.knownJobIDs,
	})
	if err != nil {
		return nil, fmt.Errorf("find jobs to send: %w", err)
	}
	jobs := make([]assigned, len(rows))
	for i, row := range rows {
		jobs[i] = assigned{row.ID, row.ShardID}
	}
	return jobs, nil
}

func (b *beat) storeUploads(ctx context.Context, toSend []assigned) error {
	lock := idsOf(toSend)
	for _, record := range b.args.jobs {
		lock = append(lock, recordID(record))
	}
	var locked []masterdb.JobLockRow
	if len(lock) > 0 {
		var err error
		if locked, err = b.q.JobLock(ctx, lock); err != nil {
			return fmt.Errorf("lock jobs: %w", err)
		}
	}
	stored, err := b.storeJobs(ctx, locked)
	if err != nil {
		return err
	}
	return b.storeEntries(ctx, stored)
}

func (b *beat) storeStatuses(ctx context.Context, toSend []assigned) error {
	ids, statuses := b.args.knownHostIDs, b.args.knownStatuses
	if b.protocol == afe.Protocol2015 {
		ids, statuses = nil, nil
	}
	if len(ids) != len(statuses) {
		return &fault{name: "AssertionError"}
	}
	if len(ids) > 0 {
		if err := b.checkStatuses(ctx); err != nil {
			return err
		}
	}
	if len(ids)+len(toSend) == 0 {
		return nil
	}
	if _, err := b.q.HostLock(ctx, masterdb.HostLockParams{
		CandidateIds: idsOf(toSend), Ids: ids, Statuses: statuses,
	}); err != nil {
		return fmt.Errorf("lock hosts: %w", err)
	}
	if _, err := b.q.HostSetStatus(ctx, ids, statuses); err != nil {
		return fmt.Errorf("store host statuses: %w", err)
	}
	return nil
}

func (b *beat) checkStatuses(ctx context.Context) error {
	refused, err := b.q.HostStatusRefused(ctx, masterdb.HostStatusRefusedParams{
		Ids: b.args.knownHostIDs, Statuses: b.args.knownStatuses, Login: b.args.user,
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

// doesNotExist is Django's error of a lookup that finds nothing.
func doesNotExist(kind, field, value string) error {
	return &fault{name: "DoesNotExist", message: fmt.Sprintf(
		"%s matching query does not exist. Lookup parameters were {'%s': %s}", kind, field, value)}
}
