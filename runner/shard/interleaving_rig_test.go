package shard_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/runner/afe"
	"shardclient/runner/pg"
	"shardclient/runner/shard"
	"shardclient/schema"
)

// rig plays scenarios on one database.
type rig struct {
	pool      *pgxpool.Pool
	scheduler *pgx.Conn
	watcher   *pgx.Conn
	client    *shard.Client
	master    *modelMaster
	state     *schedulerState
	late      []*afe.Packet // requests that wait in the master's queue
	options   shard.Options
}

func newRig(t *testing.T, url string) *rig {
	ctx := context.Background()
	r := &rig{options: options()}
	r.options.LockTimeout = time.Millisecond // see acknowledge
	_, err := schema.Scheduler.UpTelling(ctx, url, nil)
	if err != nil {
		t.Error(err)
	}
	// The same few statements run thousands of times. By itself PostgreSQL plans each again for its
	// first five times in a session, which takes longer here than to run it.
	if r.pool, err = pgxpool.New(ctx, url+"&plan_cache_mode=force_generic_plan"); err != nil {
		t.Error(err)
	}
	if r.scheduler, err = pgx.Connect(ctx, url); err != nil {
		t.Error(err)
	}
	if r.watcher, err = pgx.Connect(ctx, url); err != nil {
		t.Error(err)
	}
	// Tables that are emptied all the time are cut short by autovacuum, under a lock for which the
	// client waits no longer than its LockTimeout.
	_, err = r.scheduler.Exec(ctx, `DO $$ DECLARE one regclass; BEGIN
		FOR one IN SELECT oid FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace LOOP
			EXECUTE format('ALTER TABLE %s SET (vacuum_truncate = false)', one);
		END LOOP; END $$`)
	if err != nil {
		t.Error(err)
	}
	return r
}

func (r *rig) close() {
	ctx := context.Background()
	r.stopClient()
	r.pool.Close()
	_ = r.scheduler.Close(ctx)
	_ = r.watcher.Close(ctx)
}

func (r *rig) stopClient() {
	if r.client != nil {
		r.client.Close(context.Background())
	}
	r.client = nil
}

// reset puts the job into the database as just received and begun. The client stays: between beats
// it remembers nothing but its lock.
func (r *rig) reset(s scenario) error {
	if r.client == nil {
		r.restart()
	}
	r.client.SetMaxUploadJobs(1000)
	filler := ""
	if s.extra == cappedBatch {
		r.client.SetMaxUploadJobs(1)
		filler = `INSERT INTO afe_jobs (id, created_on) VALUES (5, now());
			INSERT INTO afe_host_queue_entries (id, job_id, status, complete) VALUES (51, 5, 'Completed', true);`
	}
	r.master, r.late = newModelMaster(s.entries), nil
	r.state = &schedulerState{readNull: func() bool {
		var isNull bool
		if err := r.scheduler.QueryRow(context.Background(), "SELECT shard_id IS NULL FROM afe_jobs WHERE id = 10").Scan(&isNull); err != nil {
			panic(err)
		}
		return isNull
	}}
	_, err := r.scheduler.Exec(context.Background(), fmt.Sprintf(`
		DELETE FROM shard_client_uploads; DELETE FROM shard_client_packets; DELETE FROM shard_client_heartbeats; DELETE FROM shard_client_quarantine;
		DELETE FROM afe_host_queue_entries; DELETE FROM afe_job_handoffs; DELETE FROM afe_jobs; DELETE FROM afe_shards;
		INSERT INTO afe_shards (id, hostname) VALUES (1, '%s');
		INSERT INTO afe_jobs (id, owner, name, created_on, shard_id) VALUES (10, 'alice', 'job', '2019-03-15 10:20:31', 1);
		INSERT INTO afe_host_queue_entries (id, job_id, status, active)
			SELECT 100 + n, 10, 'Running', true FROM generate_series(1, %d) AS n; %s`, ourShard, s.entries, filler), pgx.QueryExecModeSimpleProtocol)
	return err
}

func (r *rig) run(st statement) error {
	if sql := st.sql(r.state); sql != "" {
		_, err := r.scheduler.Exec(context.Background(), sql)
		return err
	}
	return nil
}

func (r *rig) play(s scenario) error {
	if err := r.reset(s); err != nil {
		return fmt.Errorf("reset: %w", err)
	}
	if s.extra == abortedSent {
		r.master.abort()
	}
	for i, st := range variants(s.entries)[s.variant] {
		if i == s.at {
			if err := r.beatWith(s, st); err != nil {
				return err
			}
			if err := r.secondOld(s); err != nil {
				return err
			}
			continue
		}
		if err := r.run(st); err != nil {
			return err
		}
		if s.beatsBetween() {
			if _, err := r.plainBeat(); err != nil {
				return err
			}
		}
	}
	return r.settle(s)
}

// secondOld lets a second request wait in the master's queue, behind the first one.
func (r *rig) secondOld(s scenario) error {
	switch s.extra {
	case oldOlder: // by then the first one is nearly dead
		if err := r.pass("20 minutes"); err != nil {
			return err
		}
	case oldSwapped:
	default:
		return nil
	}
	p, err := r.client.Pack(context.Background())
	if err != nil {
		return fmt.Errorf("pack: %w", err)
	}
	r.late = append(r.late, p.Packet)
	return r.client.LoseAnswer(context.Background(), p)
}

// beatWith runs the beat in which the statement commits.
func (r *rig) beatWith(s scenario, st statement) error {
	ctx := context.Background()
	here := func(position string) error {
		if s.position == position {
			return r.run(st)
		}
		return nil
	}
	if err := here("before pack"); err != nil {
		return err
	}
	p, err := r.client.Pack(ctx)
	if err != nil {
		return fmt.Errorf("pack: %w", err)
	}
	if err := here("pack-store"); err != nil {
		return err
	}
	if s.extra == resyncOpen {
		r.master.sendAnyway = true
	}
	var answer *afe.Response
	if s.requestWaits() {
		r.late = append(r.late, p.Packet)
	} else {
		r.master.store(p.Packet)
		answer = r.master.answer(p.Packet)
	}
	if err := here("store-answer"); err != nil {
		return err
	}
	if err := r.endBeat(s, st, p, answer); err != nil {
		return err
	}
	return here("after")
}

// endBeat is what happens from the answer on.
func (r *rig) endBeat(s scenario, st statement, p *shard.Packed, answer *afe.Response) error {
	ctx := context.Background()
	// A statement whose place is not reached commits when the beat is over.
	late := slices.Contains([]string{"answer-acknowledge", "blocked", "acknowledge-apply"}, s.position)
	killed := s.outcome == "kill after store"
	if killed || s.outcome == "lost answer" || answer == nil {
		if !killed { // a killed client writes nothing more, and forgets the packet
			if answer == nil { // the request was given up after a while
				if err := r.pass("20 minutes"); err != nil {
					return err
				}
			}
			if err := r.client.LoseAnswer(ctx, p); err != nil {
				return fmt.Errorf("lost answer: %w", err)
			}
		}
		if late {
			return r.run(st)
		}
		return r.check()
	}
	if s.position == "answer-acknowledge" {
		if err := r.run(st); err != nil {
			return err
		}
	}
	if err := r.acknowledge(s, st, p); err != nil {
		return fmt.Errorf("acknowledge: %w", err)
	}
	if err := r.check(); err != nil {
		return fmt.Errorf("after acknowledge: %w", err)
	}
	if s.position == "acknowledge-apply" {
		if err := r.run(st); err != nil {
			return err
		}
	}
	if s.outcome != "kill after acknowledge" {
		if err := r.client.Apply(ctx, answer); err != nil {
			return fmt.Errorf("apply: %w", err)
		}
	}
	if s.outcome == "restart" {
		r.restart()
	}
	return r.check()
}

// nobody is a master that is never called: the rig carries packets and answers by itself.
type nobody struct{ shard.Master }

func (r *rig) restart() {
	r.stopClient()
	client, err := shard.NewClient(r.pool, nobody{}, r.options)
	if err != nil {
		panic(err) // the options are this test's own
	}
	r.client = client
}

// acknowledge takes that step. With "blocked" it meets a row that the scheduler's statement has
// locked, and leaves its job for the next beat.
func (r *rig) acknowledge(s scenario, st statement, p *shard.Packed) error {
	ctx := context.Background()
	sql := ""
	if s.position == "blocked" {
		sql = st.sql(r.state)
	}
	if sql == "" {
		return r.client.Acknowledge(ctx, p)
	}
	tx, err := r.scheduler.Begin(ctx)
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, sql); err != nil {
		return err
	}
	err = r.client.Acknowledge(ctx, p)
	var locked *pg.LockedError
	if err != nil && !errors.As(err, &locked) {
		return err
	}
	return tx.Commit(ctx)
}
