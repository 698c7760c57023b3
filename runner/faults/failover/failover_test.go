package failover

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"shardclient/runner/wait"
)

// The primary dies while nothing happens. Asynchronous replication has all that was committed by
// then.
func TestPrimaryDiesWhileIdle(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	p.run(p.both())
	p.create(5)
	p.arrive(p.primary, 5)
	p.converges(p.primary, 5)
	p.replicated()
	p.failOver()
	p.goesOn(len(p.said()))
	p.create(5)
	p.arrive(p.standby, 10)
	p.converges(p.standby, 10)
}

// The primary dies between the answer of the master and the acknowledge. The upload is repeated,
// and the master takes it again. With synchronous replication the completions are on the standby
// whenever that happens.
func TestPrimaryDiesBeforeTheAcknowledge(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	p.synchronous()
	p.run(p.both())
	p.create(5)
	p.arrive(p.primary, 5)
	held, release := p.desk.whenStored()
	defer release()
	p.work(p.primary, p.scheduler(p.primary))
	wait.For(p.t, "for an upload", held)
	p.failOver()
	said := len(p.said())
	release()
	p.goesOn(said)
	p.converges(p.standby, 5)
	// A pooled connection that was idle for a second is asked whether it lives; the new one meets
	// the fence.
	p.mustSay(said, "heartbeat failed", `error="acknowledge `)
}

// The primary dies in the middle of a transaction that stores new jobs. The standby has none of it;
// the master sends the jobs again because the known ids do not hold them.
func TestPrimaryDiesDuringApply(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	p.synchronous()
	p.run(p.both())
	p.create(1)
	p.arrive(p.primary, 1)
	lock, err := p.pool(p.primary).Begin(t.Context())
	p.must(err)
	defer func() { _ = lock.Rollback(context.Background()) }() // of a server that is dead by then
	if _, err := lock.Exec(t.Context(), "LOCK TABLE afe_host_queue_entries IN SHARE MODE"); err != nil {
		t.Fatal(err)
	}
	p.create(5)
	p.wait(p.primary, "for an apply that waits", "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = 'afe_host_queue_entries'::regclass)")
	said := len(p.said())
	p.failOver()
	p.goesOn(len(p.said())) // how often it failed meanwhile is the machine's doing
	p.arrive(p.standby, 6)
	p.converges(p.standby, 6)
	p.mustSay(said, "heartbeat failed", `error="apply: `)
}

// The standby lacks the last commits: two jobs finished and uploaded, two arrived. The shard
// forgets all of it, runs the two again and gets the other two again.
func TestLastCommitsAreLost(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	p.run(p.both())
	p.create(2)
	p.arrive(p.primary, 2)
	p.cut()
	p.converges(p.primary, 2) // the master has them
	p.create(2)
	p.arrive(p.primary, 4)
	p.failOver()
	p.goesOn(len(p.said()))
	p.arrive(p.standby, 4)
	open, err := look[int](t.Context(), p.standby, "SELECT count(*) FROM afe_host_queue_entries WHERE NOT complete")
	if err != nil || open != 4 {
		t.Errorf("%d open entries on the promoted standby (%v), want 4: what was finished is forgotten there", open, err)
	}
	p.converges(p.standby, 4)
}

// Only the acknowledge is lost: the completions are on the standby, which uploads them again.
func TestLastAcknowledgeIsLost(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	p.run(p.both())
	p.create(3)
	p.arrive(p.primary, 3)
	held, release := p.desk.whenStored()
	defer release()
	p.work(p.primary, p.scheduler(p.primary))
	wait.For(p.t, "for an upload", held)
	p.cut()
	release()
	p.converges(p.primary, 3)
	p.failOver()
	p.goesOn(len(p.said()))
	p.wait(p.standby, "for the acknowledge", "SELECT NOT EXISTS (SELECT FROM afe_jobs WHERE shard_id IS NULL)")
	p.converges(p.standby, 3)
}

// A server that becomes read-only keeps its connections; an idle client would stay there for good.
// This is how a primary is demoted by hand, and what a full disk does to some managed ones.
func TestPrimaryBecomesReadOnlyAndLives(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	p.run(p.both())
	p.create(2)
	p.arrive(p.primary, 2)
	p.converges(p.primary, 2)
	p.goesOn(len(p.said()))
	p.replicated()
	p.must(p.standby.Promote(t.Context()))
	said := len(p.said())
	p.execute(p.primary, "ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()")
	p.wait(p.standby, "for the client to take the lock here", "SELECT epoch > 1 FROM shard_client_owner")
	p.goesOn(len(p.said()))
	if failed := p.count(said, `msg="heartbeat failed"`); failed != 1 {
		t.Errorf("%d heartbeats failed, want the one that met the read-only server", failed)
	}
	p.create(2)
	p.arrive(p.standby, 4)
	p.converges(p.standby, 4)
	p.mustSay(said, "25006")
}

// The old primary comes back as a standby, first in the URL: connections that break go past it.
func TestOldPrimaryComesBackReadOnly(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	p.run(p.both())
	p.create(2)
	p.arrive(p.primary, 2)
	p.replicated()
	p.failOver()
	p.goesOn(len(p.said()))
	p.must(os.WriteFile(filepath.Join(p.primary.DataDir(), "standby.signal"), nil, 0o600))
	p.must(p.primary.Restart(t.Context()))
	epoch, err := look[int](t.Context(), p.standby, "SELECT epoch FROM shard_client_owner")
	p.must(err)
	p.execute(p.standby, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'shard-client%'")
	p.wait(p.standby, "for the client to take the lock again", "SELECT epoch > $1 FROM shard_client_owner", epoch)
	p.converges(p.standby, 2)
}

// The old primary comes back and takes writes: two histories of one shard, which no client can
// join. The fence keeps the client from writing to one under the lock of the other; then it serves
// the first of the URL, whole.
func TestOldPrimaryComesBackReadWrite(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	p.run(p.both())
	p.create(2)
	p.arrive(p.primary, 2)
	p.replicated()
	p.failOver()
	p.goesOn(len(p.said()))
	p.converges(p.standby, 2)
	old := "SELECT epoch::int FROM shard_client_owner"
	p.must(p.primary.Restart(t.Context()))
	before, err := look[int](t.Context(), p.primary, old)
	p.must(err)
	said := len(p.said())
	// Only the pool's connection breaks; the lock stays at the other server.
	p.execute(p.standby, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
		WHERE application_name LIKE 'shard-client%' AND pid <> (SELECT backend_pid FROM shard_client_owner)`)
	p.wait(p.primary, "for the client to take the lock of the first server", "SELECT epoch > $1 FROM shard_client_owner", before)
	p.goesOn(said)
	held, err := look[bool](t.Context(), p.standby, "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory')")
	if err != nil || held {
		t.Errorf("the lock at the server that was left is held: %t (%v)", held, err)
	}
	p.converges(p.primary, 2)
}

// A URL that names the standby first and forgets target_session_attrs serves every command all the
// same.
func TestStandbyFirst(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	databaseURL := p.url("", p.standby, p.primary)
	p.create(1)
	for _, command := range [][]string{
		{"migrate", "up"}, {"migrate", "status", "--output=json"}, {"migrate", "down"}, {"migrate", "up"},
		{"once", "--output=json"}, {"quarantine", "list"},
	} {
		out, err := p.command(databaseURL, command...).Output()
		if err != nil {
			t.Fatalf("%s: %v\n%s", command, err, out)
		}
		if command[0] != "once" {
			continue
		}
		var beat struct {
			Outcome string
			Jobs    int `json:"received_jobs"`
		}
		if err := json.Unmarshal(out, &beat); err != nil || beat.Outcome != "ok" || beat.Jobs != 1 {
			t.Errorf("once: %v: %s", err, out)
		}
	}
	p.arrive(p.primary, 1)
	p.run(databaseURL)
	p.converges(p.primary, 1)
	shown := strings.Join(p.said(), "\n")
	if strings.Contains(shown, p.password()) || !strings.Contains(shown, p.standby.Address()+","+p.primary.Address()) {
		t.Errorf("the log does not show the hosts, or it shows the password:\n%s", shown)
	}
	p.standbyAlone()
}

// standbyAlone is a URL without a server that takes writes: the message says why nothing is
// written.
func (p *pair) standbyAlone() {
	p.t.Helper()
	out, err := p.command(p.url("&target_session_attrs=read-write", p.standby), "once", "--output=json").Output()
	if err == nil || !strings.Contains(string(out), `"failure":"database"`) || !strings.Contains(string(out), "read only connection") {
		p.t.Errorf("once at a standby: %v\n%s", err, out)
	}
	// Commands that change nothing look at it as it is, also where the primary is down.
	alone := p.url("", p.standby)
	for i, reads := range []string{
		alone, strings.Replace(alone, "@", "@127.0.0.1:1,", 1) + "&target_session_attrs=read-write",
		alone + "&target_session_attrs=primary", alone + "&target_session_attrs=prefer-standby",
	} {
		for line, want := range map[string]string{
			"status": "Seen at a standby", "history": "RESULT", "quarantine list": "the quarantine is empty", "migrate status": "VERSION",
			"sessions list": "nobody else is connected", "packet": `"shard_hostname"`, "once --dry-run": "dry run",
			"check": "a standby, which takes no writes, so that run and once would refuse it", "check --log-level=warn": "a lock is seen at the primary only",
		} {
			if i > 0 && line != "status" && line != "check" {
				continue // one way to a server is as good as another
			}
			out, _ := p.command(reads, strings.Fields(line)...).CombinedOutput() // check fails
			if text := strings.Join(strings.Fields(string(out)), " "); !strings.Contains(text, want) {
				p.t.Errorf("%s at a standby does not say %q:\n%s", line, want, out)
			}
		}
	}
}
