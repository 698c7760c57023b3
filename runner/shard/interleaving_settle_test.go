package shard_test

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
)

// check makes sure that nothing is remembered as sent that the master never stored (P2).
func (r *rig) check() error {
	rows, err := r.watcher.Query(context.Background(), "SELECT unnest(sent_complete) FROM shard_client_uploads WHERE job_id = 10")
	if err != nil {
		return err
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return err
	}
	for _, id := range ids {
		if !r.master.everComplete[id] {
			return fmt.Errorf("entry %d is acknowledged as complete, but was never sent so", id)
		}
	}
	return nil
}

// plainBeat runs a beat without faults, and reports whether there was anything to do.
func (r *rig) plainBeat() (busy bool, err error) {
	ctx := context.Background()
	p, err := r.client.Pack(ctx)
	if err != nil {
		return false, fmt.Errorf("pack: %w", err)
	}
	r.master.store(p.Packet)
	answer := r.master.answer(p.Packet)
	if err := r.client.Acknowledge(ctx, p); err != nil {
		return false, fmt.Errorf("acknowledge: %w", err)
	}
	if err := r.check(); err != nil {
		return false, err
	}
	busy = len(p.Packet.Jobs)+len(p.Packet.KnownJobIDs)+answer.Jobs.Len() > 0
	return busy, r.client.Apply(ctx, answer)
}

// beatUntilIdle runs beats until there is nothing left to do, at most four.
func (r *rig) beatUntilIdle() error {
	for range 4 {
		if busy, err := r.plainBeat(); err != nil || !busy {
			return err
		}
	}
	return fmt.Errorf("still busy after four beats without a fault")
}

// pass lets time pass for the requests that may still be stored late.
func (r *rig) pass(interval string) error {
	_, err := r.scheduler.Exec(context.Background(), letPass, interval)
	return err
}

// settle runs beats without faults, stores late requests over everything newer, and lets the time
// pass after which they must be dead. Then both sides must agree.
func (r *rig) settle(s scenario) error {
	if err := r.beatUntilIdle(); err != nil {
		return err
	}
	if len(r.late) > 0 {
		if err := r.pass("15 minutes"); err != nil {
			return err
		}
		if err := r.beatUntilIdle(); err != nil {
			return err
		}
	}
	switch s.extra {
	case oldOlder:
		r.late = r.late[1:] // the first one is dead by now
	case oldSwapped:
		slices.Reverse(r.late)
	}
	for _, packet := range r.late {
		r.master.store(packet)
	}
	if err := r.pass("31 minutes"); err != nil {
		return err
	}
	if err := r.beatUntilIdle(); err != nil {
		return err
	}
	return r.agree()
}

// agree compares every entry on both sides, and makes sure that nothing is left to do.
func (r *rig) agree() error {
	ctx := context.Background()
	rows, err := r.watcher.Query(ctx, "SELECT id, status, active, complete, aborted FROM afe_host_queue_entries WHERE job_id = 10 ORDER BY id")
	if err != nil {
		return err
	}
	var id int64
	var here modelEntry
	if _, err := pgx.ForEachRow(rows, []any{&id, &here.Status, &here.Active, &here.Complete, &here.Aborted}, func() error {
		if there := r.master.entries[id]; there != here {
			return fmt.Errorf("entry %d is %+v here and %+v on the master", id, here, there)
		}
		if !here.Complete {
			return fmt.Errorf("entry %d never completed: the scenario is wrong", id)
		}
		return nil
	}); err != nil {
		return err
	}
	var rest int
	if err := r.watcher.QueryRow(ctx, "SELECT count(*) FROM shard_client_uploads").Scan(&rest); err != nil {
		return err
	}
	if rest != 0 {
		return fmt.Errorf("%d rows stay in the ledger for ever", rest)
	}
	return nil
}
