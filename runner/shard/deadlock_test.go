package shard_test

import (
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/runner/afe"
	"shardclient/runner/beat"
	"shardclient/runner/pgtest"
	"shardclient/runner/shard"
	"shardclient/runner/wait"
)

// grouped is a host with a label and a group that has both users.
func grouped(id int, more string) string {
	return strings.Replace(labelled(id, 1, "l", 1, "g", user(1, "alice"), user(2, "bob")), `"labels"`, more+`"labels"`, 1)
}

// twoOfEach are two hosts, two open jobs and two finished ones.
func twoOfEach(t *testing.T) (*pgxpool.Pool, *scriptedMaster, *shard.Client) {
	t.Helper()
	pool, master := pgtest.Pool(t), newMaster(t)
	o := options()
	o.LockTimeout = 20 * time.Millisecond
	client := newClient(t, pool, wire(t, master, afe.Protocol2019), o)
	fillTwoOfEach(t, pool, master, client)
	return pool, master, client
}

func fillTwoOfEach(t *testing.T, pool *pgxpool.Pool, master *scriptedMaster, client *shard.Client) {
	t.Helper()
	master.saysResult(result([]string{grouped(1, ""), grouped(2, "")}, []string{
		job(1, entry(1001, `"host_id": 1`)), job(2, entry(1002, `"host_id": 2`)), job(3, entry(1003)), job(4, entry(1004)),
	}, []string{`{"id": 1, "job_id": 77, "key": "a", "value": "1"}`, `{"id": 2, "job_id": 78, "key": "a", "value": "1"}`}))
	mustBeat(t, client)
	pgtest.Exec(t, pool, "UPDATE afe_host_queue_entries SET status = 'Completed', complete = true WHERE job_id IN (3, 4)")
	pgtest.Exec(t, pool, "UPDATE afe_jobs SET shard_id = NULL WHERE id IN (3, 4)")
}

// A scheduler updates two rows in one transaction, in either order, while a beat is under way that
// needs both. PostgreSQL would end a deadlock by ending the scheduler's transaction, whose
// deadlock_timeout is the default here. So the beat waits for none of the rows; what needs them is
// stored by the next beat.
func TestP12TheSchedulerIsNeverTheVictim(t *testing.T) {
	t.Parallel()
	const unchanged, changed = "", "locked"
	elsewhere := `"shard": {"id": 2, "hostname": "shard2.example"}`
	pool, master, client := twoOfEach(t)
	for name, tt := range map[string]struct {
		first, second string // of the scheduler
		answer        string
		failure       string // of the beat in between
	}{
		"users that hosts refer to": {
			"UPDATE afe_hosts SET locked_by_id = 2 WHERE id = 1", "UPDATE afe_hosts SET locked_by_id = 1 WHERE id = 2",
			result([]string{grouped(3, "")}, nil, nil), unchanged,
		},
		"users that are renamed": {
			"UPDATE afe_hosts SET locked_by_id = 2 WHERE id = 1", "UPDATE afe_hosts SET locked_by_id = 1 WHERE id = 2",
			strings.NewReplacer("alice", "carol", "bob", "dave").Replace(result([]string{grouped(3, "")}, nil, nil)), changed,
		},
		"hosts and jobs that stay as they are": {
			"UPDATE afe_hosts SET status = 'Running' WHERE id = 1", "UPDATE afe_host_queue_entries SET status = 'Running' WHERE id = 1002",
			result([]string{grouped(1, ""), grouped(2, "")}, []string{job(1, entry(1001)), job(2, entry(1002))}, nil), unchanged,
		},
		"entries that are aborted": {
			"UPDATE afe_host_queue_entries SET status = 'Running' WHERE id = 1001", "UPDATE afe_host_queue_entries SET status = 'Running' WHERE id = 1002",
			result(nil, []string{job(1, entry(1001, `"aborted": true`)), job(2, entry(1002, `"aborted": true`))}, nil), changed,
		},
		"jobs that change their shard": {
			"UPDATE afe_jobs SET priority = 1 WHERE id = 1", "UPDATE afe_jobs SET priority = 1 WHERE id = 2",
			strings.ReplaceAll(result(nil, []string{job(1, entry(1001)), job(2, entry(1002))}, nil), `"shard": {"id": 1, "hostname": "shard1.example"}`, elsewhere), changed,
		},
		"a job and an entry of another": {
			"UPDATE afe_jobs SET priority = 1 WHERE id = 1", "UPDATE afe_host_queue_entries SET status = 'Running' WHERE id = 1002",
			strings.ReplaceAll(result(nil, []string{job(1, entry(1001, `"aborted": true`)), job(2, entry(1002, `"aborted": true`))}, nil),
				`"shard": {"id": 1, "hostname": "shard1.example"}`, elsewhere), changed,
		},
		"incorrect hosts": {
			"UPDATE afe_hosts SET status = 'Running' WHERE id = 1", "UPDATE afe_hosts SET status = 'Running' WHERE id = 2",
			result(nil, nil, nil, "1", "2"), changed,
		},
		"an incorrect host and the entry of another": {
			"UPDATE afe_host_queue_entries SET status = 'Running' WHERE id = 1001", "UPDATE afe_hosts SET status = 'Running' WHERE id = 2",
			result(nil, nil, nil, "1", "2"), changed,
		},
		"hosts that become invalid": {
			"UPDATE afe_hosts SET status = 'Running' WHERE id = 1", "UPDATE afe_hosts SET status = 'Running' WHERE id = 2",
			result([]string{grouped(1, `"invalid": true, `), grouped(2, `"invalid": true, `)}, nil, nil), changed,
		},
		"a shard that has a new id": {
			"UPDATE afe_hosts SET status = 'Running' WHERE id = 1", "UPDATE afe_jobs SET priority = 1 WHERE id = 2",
			strings.ReplaceAll(result([]string{grouped(3, "")}, nil, nil), `"shard": {"id": 1`, `"shard": {"id": 5`), changed,
		},
		"jobs that are acknowledged": {
			"UPDATE afe_host_queue_entries SET deleted = true WHERE id = 1003", "UPDATE afe_host_queue_entries SET deleted = true WHERE id = 1004",
			result(nil, nil, nil), changed,
		},
		"a job that is acknowledged and the entry of another": {
			"UPDATE afe_jobs SET priority = 1 WHERE id = 3", "UPDATE afe_host_queue_entries SET deleted = true WHERE id = 1004",
			result(nil, nil, nil), changed,
		},
		"attributes that are replaced": {
			"UPDATE afe_host_attributes SET value = 'x' WHERE host_id = 1", "UPDATE afe_host_attributes SET value = 'x' WHERE host_id = 2",
			result([]string{grouped(1, `"hostattribute_set": [], `), grouped(2, `"hostattribute_set": [], `)}, nil, nil), changed,
		},
		"keyvals that are replaced": {
			"UPDATE afe_job_keyvals SET value = 'x' WHERE job_id = 77", "UPDATE afe_job_keyvals SET value = 'x' WHERE job_id = 78",
			result(nil, nil, []string{`{"id": 1, "job_id": 77, "key": "a", "value": "2"}`, `{"id": 2, "job_id": 78, "key": "a", "value": "2"}`}), changed,
		},
	} {
		for order, statements := range map[string][]string{"": {tt.first, tt.second}, ", the other way": {tt.second, tt.first}} {
			t.Run(name+order, func(t *testing.T) {
				empty(t, pool)
				fillTwoOfEach(t, pool, master, client)
				pgtest.Exec(t, pool, "INSERT INTO afe_host_attributes (host_id, attribute, value) VALUES (1, 'a', '1'), (2, 'a', '1')")
				master.saysResult(tt.answer)
				if b := besides(t, pool, client, statements[0], statements[1]); b.Failure != tt.failure {
					t.Errorf("the beat in between: %q: %s, want %q", b.Failure, b.Error, tt.failure)
				}
				mustBeat(t, client)
				mustBeat(t, client) // what the scheduler changed while it was acknowledged
				if n := pgtest.Query[int](t, pool, "SELECT count(*) FROM afe_jobs WHERE id IN (3, 4) AND shard_id IS NULL"); n != 0 {
					t.Errorf("%d jobs are still to be uploaded", n)
				}
			})
		}
	}
}

// besides runs a beat between two statements of a scheduler's transaction, which must commit. A
// beat that waits for the scheduler is still under way when the second statement comes.
func besides(t *testing.T, pool *pgxpool.Pool, client *shard.Client, first, second string) beat.Report {
	t.Helper()
	scheduler, err := pgx.ConnectConfig(t.Context(), pool.Config().ConnConfig)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = scheduler.Close(t.Context()) }()
	exec := func(sql string) {
		t.Helper()
		if _, err := scheduler.Exec(t.Context(), sql); err != nil {
			t.Errorf("the scheduler's transaction ends: %s: %v", sql, err)
		}
	}
	exec("BEGIN")
	exec(first)
	done := make(chan beat.Report, 1)
	go func() { done <- client.Beat(t.Context(), time.Now()) }()
	wait.Until(t, "the beat has ended, or waits for the scheduler", func() bool {
		return len(done) == 1 || pgtest.Query[bool](t, pool, `SELECT EXISTS (
			SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')`)
	})
	exec(second)
	exec("COMMIT")
	return wait.For(t, "the beat to end", done)
}

// A row that stays as it is, is not locked at all, whether it is a parent, an object or a
// membership: xmax names the last transaction that locked it.
func TestUnchangedRowsAreNotLocked(t *testing.T) {
	t.Parallel()
	pool, master, client := twoOfEach(t)
	answer := []string{grouped(1, ""), grouped(2, "")}
	jobs := []string{job(1, entry(1001, `"host_id": 1`)), job(2, entry(1002, `"host_id": 2`))}
	keyvals := []string{`{"id": 1, "job_id": 77, "key": "a", "value": "1"}`}
	master.saysResult(result(answer, jobs, keyvals, "99"))
	mustBeat(t, client)
	locks := func() string {
		return pgtest.Query[string](t, pool, `SELECT
			(SELECT string_agg(concat('shard ', id, ' ', xmax), ', ' ORDER BY id) FROM afe_shards)
			|| (SELECT string_agg(concat('label ', id, ' ', xmax), ', ' ORDER BY id) FROM afe_labels)
			|| (SELECT string_agg(concat('group ', id, ' ', xmax), ', ' ORDER BY id) FROM afe_acl_groups)
			|| (SELECT string_agg(concat('user ', id, ' ', xmax), ', ' ORDER BY id) FROM afe_users)
			|| (SELECT string_agg(concat('member ', id, ' ', xmax), ', ' ORDER BY id) FROM afe_acl_groups_users)
			|| (SELECT string_agg(concat('host ', id, ' ', xmax), ', ' ORDER BY id) FROM afe_hosts)
			|| (SELECT string_agg(concat('host label ', id, ' ', xmax), ', ' ORDER BY id) FROM afe_hosts_labels)
			|| (SELECT string_agg(concat('host group ', id, ' ', xmax), ', ' ORDER BY id) FROM afe_acl_groups_hosts)
			|| (SELECT string_agg(concat('job ', id, ' ', xmax), ', ' ORDER BY id) FROM afe_jobs WHERE id < 3)
			|| (SELECT string_agg(concat('entry ', id, ' ', xmax), ', ' ORDER BY id) FROM afe_host_queue_entries WHERE job_id < 3)
			|| (SELECT string_agg(concat('keyval ', id, ' ', xmax), ', ' ORDER BY id) FROM afe_job_keyvals)`)
	}
	before := locks()
	mustBeat(t, client)
	if after := locks(); after != before {
		t.Errorf("xmax before and after an answer that changes nothing:\n%s\n%s", before, after)
	}
}
