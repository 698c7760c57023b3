package admin_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"

	"shardclient/runner/master/admin"
	"shardclient/runner/pgtest"
	"shardclient/runner/wait"
)

// lockOrder is that of the heartbeat, within each table by id.
var lockOrder = []string{"afe_jobs", "afe_host_queue_entries", "afe_hosts"}

// An edit that waits for a row must hold no row that comes later: a heartbeat, or another edit, may
// be waiting for that one while it holds the first.
func TestEditsLockInOneOrder(t *testing.T) {
	hosts := []string{"a2", "a1"}
	for _, edit := range []struct {
		name  string
		waits []string // the tables for whose rows it waits
		do    func(ctx context.Context, l *lab, jobs []int64) error
	}{
		{"remove shard", []string{"afe_jobs", "afe_hosts"}, func(ctx context.Context, l *lab, _ []int64) error {
			_, err := l.RemoveShard(ctx, "one")
			return err
		}},
		{"remove label from shard", []string{"afe_hosts"}, func(ctx context.Context, l *lab, _ []int64) error {
			_, err := l.RemoveLabelsFromShard(ctx, "one", "board:a")
			return err
		}},
		{"remove hosts", []string{"afe_host_queue_entries", "afe_hosts"}, func(ctx context.Context, l *lab, _ []int64) error {
			_, err := l.RemoveHosts(ctx, "bob", hosts...)
			return err
		}},
		{"abort", []string{"afe_host_queue_entries"}, func(ctx context.Context, l *lab, jobs []int64) error {
			_, err := l.AbortJobs(ctx, "bob", jobs[1], jobs[0])
			return err
		}},
		{"move", []string{"afe_hosts"}, func(ctx context.Context, l *lab, _ []int64) error {
			_, err := l.MoveHosts(ctx, "board:b", hosts...)
			return err
		}},
		{"attach", []string{"afe_hosts"}, func(ctx context.Context, l *lab, _ []int64) error {
			_, err := l.AttachLabel(ctx, "pool:x", hosts...)
			return err
		}},
		{"detach", []string{"afe_hosts"}, func(ctx context.Context, l *lab, _ []int64) error {
			_, err := l.DetachLabel(ctx, "board:a", hosts...)
			return err
		}},
		{"lock", []string{"afe_hosts"}, func(ctx context.Context, l *lab, _ []int64) error {
			_, err := l.LockHosts(ctx, "bob", "r", hosts...)
			return err
		}},
		{"unlock", []string{"afe_hosts"}, func(ctx context.Context, l *lab, _ []int64) error {
			_, err := l.UnlockHosts(ctx, hosts...)
			return err
		}},
	} {
		for _, table := range edit.waits {
			for _, row := range []string{"min", "max"} {
				t.Run(fmt.Sprintf("%s/%s of %s", edit.name, row, table), func(t *testing.T) {
					l, jobs := shardOneAtWork(t)
					held := pgtest.Query[int64](l.T, l.pool, fmt.Sprintf("SELECT %s(id) FROM %s WHERE %s", row, table, ofShardOne[table]))
					l.heldBack(table, held, func(ctx context.Context) error { return edit.do(ctx, l, jobs) })
				})
			}
		}
	}
}

// ofShardOne are the rows in question.
var ofShardOne = map[string]string{
	"afe_jobs": "true", "afe_host_queue_entries": "true", "afe_hosts": "hostname <> 'b1'",
}

// shardOneAtWork has two hosts and two jobs, and rows that do not lie in the order of their ids.
func shardOneAtWork(t *testing.T) (*lab, []int64) {
	l := twoShards(t)
	job := admin.NewJob{Name: "j", Owner: "o", Dependencies: []string{"board:a"}, Hosts: []string{"a2", "a1"}}
	jobs := got(l.CreateJobs(t.Context(), job, job)).ok(l)
	l.want("heartbeat", "hosts a1 a2; jobs j j", l.hears("one", ""))
	for _, table := range lockOrder {
		pgtest.Exec(l.T, l.pool, fmt.Sprintf("UPDATE %[1]s SET id = id WHERE id = (SELECT min(id) FROM %[1]s)", table))
	}
	return l, jobs
}

// heldBack holds a row until the edit waits for it, and then looks whether every later row is free.
func (l *lab) heldBack(table string, id int64, edit func(context.Context) error) {
	l.Helper()
	ctx := wait.Context(l.T)
	result := make(chan error, 1)
	err := pgx.BeginFunc(ctx, l.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT FROM "+table+" WHERE id = $1 FOR UPDATE", id); err != nil {
			result <- nil
			return err
		}
		go func() { result <- edit(ctx) }()
		if err := waitedFor(ctx, tx); err != nil {
			return err
		}
		after := false
		for _, other := range lockOrder {
			where := "true"
			if other == table {
				where, after = fmt.Sprintf("id > %d", id), true
			}
			if !after {
				continue
			}
			var taken int
			if err := tx.QueryRow(ctx, fmt.Sprintf(`SELECT (SELECT count(*) FROM %[1]s WHERE %[2]s)
				- (SELECT count(*) FROM (SELECT FROM %[1]s WHERE %[2]s FOR UPDATE SKIP LOCKED) AS free)`, other, where)).Scan(&taken); err != nil {
				return err
			}
			if taken > 0 {
				l.Errorf("it holds %d later rows of %s", taken, other)
			}
		}
		return nil
	})
	if err := errors.Join(err, <-result); err != nil {
		l.Error(err)
	}
}

// waitedFor returns when somebody waits for this transaction.
func waitedFor(ctx context.Context, tx pgx.Tx) error {
	for waits := false; !waits; {
		if err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_locks AS l, pg_sleep(0.002)
			WHERE pg_backend_pid() = ANY (pg_blocking_pids(l.pid)))`).Scan(&waits); err != nil {
			return fmt.Errorf("the call does not wait: %w", err)
		}
	}
	return nil
}
