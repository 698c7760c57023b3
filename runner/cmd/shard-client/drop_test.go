package main

import (
	"strings"
	"testing"

	"shardclient/runner/pgtest"
	"shardclient/runner/wait"
)

// What is given up is not sent any more. What the job says afterwards is.
func TestP1DropGivesUpNoLaterCompletion(t *testing.T) {
	t.Parallel()
	databaseURL, pool := database(t)
	setAside(t, pool)
	m := master(t, answers(nothing))
	p := startRun(t, m, databaseURL)
	beatsMore(t, m, 2)
	invoke(mend(databaseURL, "drop", "out", "job", "2", "--yes")...).want(t, exitUsage).says(t, "never reaches the master", "--give-up")
	invoke(mend(databaseURL, "drop", "out", "job", "2", "--give-up")...).want(t, exitUsage).says(t, "--yes")
	if n := pgtest.Query[int](t, pool, "SELECT count(*) FROM shard_client_quarantine"); n != 3 {
		t.Errorf("%d records, want the three: nothing was agreed to", n)
	}
	invoke(append(mend(databaseURL, "drop", "out", "job", "2", "--give-up", "--yes"), "--shard-hostname=another")...).want(t, exitFailed).
		says(t, `nothing yet that names the shard "another"`)
	invoke(mend(databaseURL, "drop", "out", "job", "2", "--give-up", "--yes")...).want(t, exitOK)
	invoke(mend(databaseURL, "drop", "out", "job", "3", "--give-up", "--yes")...).want(t, exitOK)
	beatsMore(t, m, 3)
	if uploads(m.received(), 2) || uploads(m.received(), 3) {
		t.Error("what was given up was sent")
	}
	// Also not after a restart, which sends again what no client has acknowledged.
	p.stop().want(t, exitOK)
	p = startRun(t, m, databaseURL)
	beatsMore(t, m, 3)
	if uploads(m.received(), 2) || uploads(m.received(), 3) {
		t.Error("what was given up was sent after a restart")
	}
	// The scheduler completes entry 21, in the order that leaves the NULL first.
	pgtest.Exec(t, pool, "UPDATE afe_jobs SET shard_id = NULL WHERE id = 2")
	pgtest.Exec(t, pool, "UPDATE afe_host_queue_entries SET complete = true, status = 'Completed' WHERE id = 21")
	// A beat between these two has uploaded the job without it, and does so once more.
	const acknowledged = `SELECT shard_id IS NOT NULL AND NOT EXISTS (SELECT FROM shard_client_uploads) FROM afe_jobs WHERE id = 2`
	wait.Until(t, "for the later completion", func() bool {
		return uploads(m.received(), 2) && pgtest.Query[bool](t, pool, acknowledged)
	})
	if e := p.stop().want(t, exitOK); strings.Contains(e.stderr, "another client") {
		t.Errorf("what a person gave up counts as another client's doing: %v", e)
	}
	if n := pgtest.Query[int](t, pool, "SELECT count(*) FROM shard_client_uploads"); n != 0 {
		t.Errorf("%d rows of the ledger, want none", n)
	}
}

// A record that has passed in the meantime is not given up: it may have more to say by then.
func TestP1DropLeavesAloneWhatHasPassed(t *testing.T) {
	t.Parallel()
	databaseURL, pool := database(t)
	setAside(t, pool)
	found := invoke(mend(databaseURL, "list", "--output", "json")...).want(t, exitOK)
	if strings.Count(found.stdout, `"out"`) != 5 {
		t.Fatal(found)
	}
	// The row is locked until the client has forgotten it, and with it what the drop would take.
	tx, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(t.Context()) }()
	pgtest.Exec(t, tx, "DELETE FROM shard_client_quarantine WHERE object_id = 2")
	dropped := make(chan ended, 1)
	go func() {
		dropped <- invoke(mend(databaseURL, "drop", "out", "job", "2", "--give-up", "--yes", "--lock-timeout=10m")...)
	}()
	wait.Until(t, "for the drop to wait", func() bool {
		return pgtest.Query[int](t, pool, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'") == 1
	})
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	e := wait.For(t, "the end of the drop", dropped).want(t, exitOK)
	if !strings.Contains(e.stdout, "is set aside no more") {
		t.Errorf("%v", e)
	}
	if pgtest.Query[int](t, pool, "SELECT count(*) FROM afe_jobs WHERE id = 2 AND shard_id IS NULL") != 1 {
		t.Error("job 2 was taken for sent")
	}
}

// What is here under an id that is taken goes, so that the master's object comes in; one at a time.
func TestDropTaken(t *testing.T) {
	t.Parallel()
	databaseURL, pool := database(t)
	setAside(t, pool)
	m := master(t, answers(jobs(10)))
	p := startRun(t, m, databaseURL)
	beatsMore(t, m, 2)
	invoke(mend(databaseURL, "drop", "--code", "job_taken", "--give-up", "--yes")...).want(t, exitUsage).says(t, "out job 10 is among them", "by its id")
	invoke(mend(databaseURL, "drop", "job", "10", "--give-up", "--yes")...).want(t, exitUsage).says(t, "in both directions")
	invoke(mend(databaseURL, "drop", "out", "job", "10", "--give-up", "--yes")...).want(t, exitOK)
	wait.Until(t, "for the master's job", func() bool {
		return pgtest.Query[int](t, pool, "SELECT count(*) FROM afe_jobs WHERE id = 10 AND owner = 'o'") == 1
	})
	wait.Until(t, "for it to leave the quarantine", func() bool {
		return pgtest.Query[int](t, pool, "SELECT count(*) FROM shard_client_quarantine WHERE object_id = 10") == 0
	})
	pgtest.Exec(t, pool, "INSERT INTO afe_host_queue_entries (id, job_id, host_id) VALUES (102, 3, 5)")
	invoke(mend(databaseURL, "drop", "out", "host", "5", "--give-up", "--yes")...).want(t, exitFailed).says(t, "1 entries that have not ended")
	pgtest.Exec(t, pool, "UPDATE afe_host_queue_entries SET complete = true WHERE id = 102")
	invoke(mend(databaseURL, "drop", "out", "host", "5", "--give-up", "--yes")...).want(t, exitOK)
	if n := pgtest.Query[int](t, pool, "SELECT (SELECT count(*) FROM afe_hosts WHERE id = 5) + (SELECT count(*) FROM shard_client_taken)"); n != 0 {
		t.Error("host 5 is still here")
	}
	p.stop().want(t, exitOK)
}
