package shard_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"shardclient/runner/afe"
	"shardclient/runner/beat"
	"shardclient/runner/pgtest"
)

// count counts the statements with a name.
func (s *statements) count(name string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sql := range s.sql {
		if strings.HasPrefix(sql, "-- name: "+name+" ") {
			n++
		}
	}
	return n
}

// A table that a person has locked (VACUUM FULL) costs each step that needs it one wait, however
// many objects there are: a half of a chunk would wait, too. Other steps do their work, and the
// error tells the cause once.
func TestALockedTableIsWaitedForOnce(t *testing.T) {
	t.Parallel()
	for table, want := range map[string]string{
		"afe_job_keyvals":             "job 61, job 62, job 63, abort, new entry, keyval",
		"afe_hosts_labels":            "host 3, host 4, attribute, incorrect host",
		"afe_jobs_dependency_labels":  "job 61, job 62, job 63, abort, new entry",
		"afe_acl_groups_users":        "host 3, host 4, job 61, job 62, job 63, abort, new entry, attribute",
		"shard_client_staged_parents": "host 3, host 4, attribute",
	} {
		t.Run(table, func(t *testing.T) {
			pool, seen, master, client := busyShard(t)
			master.saysResult(busyAnswer())
			release := locks(t, pool, "LOCK TABLE "+table)
			seen.sql = nil
			b := client.Beat(t.Context(), time.Now())
			release()
			if got := left(t, pool); got != want {
				t.Errorf("left: %s; want: %s", got, want)
			}
			if b.Failure != beat.FailureLocked || strings.Count(b.Error, "SQLSTATE 55P03") != 1 {
				t.Errorf("%q: %s; want locked, and the cause once", b.Failure, b.Error)
			}
			if !strings.Contains(b.Error, "another session has locked table "+table+" (database backend ") {
				t.Errorf("%s; want the table and the session", b.Error)
			}
			// What is new and what differs are tried once each.
			if looked, tried := max(seen.count("JobsHere"), seen.count("JobsToStore")), seen.count("JobsFind"); looked > 1 || tried > 2 || looked+tried == 0 {
				t.Errorf("the jobs were compared %d times and tried %d times", looked, tried)
			}
			mustBeat(t, client)
			if got := left(t, pool); got != "" {
				t.Errorf("after the next beat: %s", got)
			}
		})
	}
}

// Whichever table is locked, and whichever step of the beat meets it first, the error names the
// table and the session.
func TestEveryStepNamesTheLockedTable(t *testing.T) {
	t.Parallel()
	pool, _, master, first := busyShard(t)
	master.saysResult(busyAnswer())
	first.Close(t.Context())
	tables := pgtest.Query[[]string](t, pool, "SELECT array_agg(c.relname::text) FROM pg_class AS c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'")
	o, stopped := options(), 0
	o.LockTimeout = 20 * time.Millisecond
	for _, table := range tables {
		client := newClient(t, pool, wire(t, master, afe.Protocol2019), o)
		release := locks(t, pool, "LOCK TABLE "+table)
		b := client.Beat(t.Context(), time.Now())
		release()
		client.Close(t.Context())
		if b.OK() {
			continue
		}
		stopped++
		if b.Failure != beat.FailureLocked || !strings.Contains(b.Error, "another session has locked table "+table+" (database backend ") {
			t.Errorf("%s: %q: %s; want locked, and the table with the session", table, b.Failure, b.Error)
		}
	}
	if stopped < 10 {
		t.Errorf("of %d tables only %d stopped a step", len(tables), stopped)
	}
}

// A statement that takes too long has too much to do, so its chunk is halved. An object that takes
// too long by itself harms only itself.
func TestAChunkThatTakesTooLongIsHalved(t *testing.T) {
	t.Parallel()
	pool, seen := tracedPool(t, pgtest.Database(t))
	master, o := newMaster(t), options()
	o.ApplyChunk = 64
	client := newClient(t, pool, wire(t, master, afe.Protocol2019), o)
	pgtest.Exec(t, pool, `CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			IF NEW.id = 17 OR (SELECT count(*) FROM afe_jobs WHERE xmin = pg_current_xact_id()::xid) > 40 THEN
				RAISE 'canceling statement due to statement timeout' USING ERRCODE = '57014';
			END IF;
			RETURN NEW; END $$;
		CREATE TRIGGER slow BEFORE INSERT ON afe_jobs FOR EACH ROW EXECUTE FUNCTION slow()`, simple)
	master.saysResult(result([]string{host(1, "h1")}, goodJobs(100), nil))
	b := client.Beat(t.Context(), time.Now())
	if n := pgtest.Query[int](t, pool, "SELECT count(*) FROM afe_jobs WHERE id <> 17"); n != 99 {
		t.Errorf("%d jobs stored, want all but the one that takes too long", n)
	}
	aside := []string{"in job 17 too_slow: canceling statement due to statement timeout (SQLSTATE 57014)"}
	if diff := cmp.Diff(aside, quarantine(t, pool)); diff != "" || !b.OK() {
		t.Errorf("%q: %s; want it set aside: %s", b.Failure, b.Error, diff)
	}
	// It comes again, alone and with others, and harms none of them. On a better day it is stored.
	master.saysResult(result(nil, goodJobs(100), nil))
	mustBeat(t, client)
	master.saysResult(result(nil, goodJobs(102), nil))
	if b := mustBeat(t, client); b.Quarantined != 1 || pgtest.Query[int](t, pool, "SELECT count(*) FROM afe_jobs") != 101 {
		t.Errorf("%d set aside again, want job 17 alone", b.Quarantined)
	}
	pgtest.Exec(t, pool, "ALTER TABLE afe_jobs DISABLE TRIGGER slow")
	mustBeat(t, client)
	if rows := quarantine(t, pool); len(rows) != 0 {
		t.Errorf("still set aside: %q", rows)
	}
	pgtest.Exec(t, pool, "ALTER TABLE afe_jobs ENABLE TRIGGER slow")

	// If everything takes too long, that is not tried for ever.
	pgtest.Exec(t, pool, "DELETE FROM afe_job_keyvals; DELETE FROM afe_host_queue_entries; DELETE FROM afe_jobs; "+
		"ALTER TABLE afe_jobs ADD CHECK (id > 0); CREATE OR REPLACE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS "+
		"$$ BEGIN RAISE 'canceling statement due to statement timeout' USING ERRCODE = '57014'; END $$", simple)
	seen.sql = nil
	if b := client.Beat(t.Context(), time.Now()); b.Failure != beat.FailureDatabase || strings.Count(b.Error, "57014") != 1 {
		t.Errorf("%q: %s; want the cause once", b.Failure, b.Error)
	}
	if n := seen.count("JobsFind"); n > 30 {
		t.Errorf("%d statements took too long before the beat left the rest", n)
	}
}

// A chunk that failed is not halved any more once the time of the beat is over.
func TestNothingIsHalvedAfterTheTimeOfTheBeat(t *testing.T) {
	t.Parallel()
	pool, seen := tracedPool(t, pgtest.Database(t))
	master := newMaster(t)
	client := newClient(t, pool, wire(t, master, afe.Protocol2019), options())
	master.saysResult(result([]string{host(1, "h1")}, nil, nil))
	mustBeat(t, client)
	var hosts []string
	for id := range 64 {
		hosts = append(hosts, host(id+10, fmt.Sprint("n", id)))
	}
	response := parsed(result(hosts, nil, nil))
	over := errors.New("the time of the beat is over")
	ctx, end := context.WithCancelCause(t.Context())
	end(over)
	seen.sql = nil
	if err := client.Apply(ctx, response); !errors.Is(err, over) {
		t.Errorf("%v, want what ended the beat", err)
	}
	if n := seen.count("StageHosts"); n != 0 {
		t.Errorf("%d chunks were stored after the end", n)
	}
}

// A step that fails keeps no other from its work, as long as the database answers: what came is
// stored although nothing could be acknowledged, and jobs although hosts could not. Each cause is
// told, and told once.
func TestAFailedStepStopsNoOther(t *testing.T) {
	t.Parallel()
	for table, want := range map[string]string{
		"UPDATE ON afe_jobs":               "acknowledge 50 jobs",
		"INSERT ON afe_hosts":              "host 3, host 4",
		"UPDATE ON afe_hosts":              "incorrect host",
		"UPDATE ON afe_job_keyvals":        "job 63, keyval",
		"INSERT ON afe_labels":             "host 3, host 4, attribute",
		"INSERT ON afe_host_queue_entries": "job 61, job 62, job 63, abort, new entry",
	} {
		t.Run(table, func(t *testing.T) {
			pool, _, master, client := busyShard(t)
			master.saysResult(busyAnswer())
			pgtest.Exec(t, pool, `CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'out of order' USING ERRCODE = '55000'; END $$;
				CREATE TRIGGER fail BEFORE `+table+` FOR EACH ROW EXECUTE FUNCTION fail()`, simple)
			b := client.Beat(t.Context(), time.Now())
			if got := left(t, pool); got != want {
				t.Errorf("left: %s; want: %s", got, want)
			}
			if b.Failure != beat.FailureDatabase || strings.Count(b.Error, "out of order") != 1 {
				t.Errorf("%q: %s; want the cause once", b.Failure, b.Error)
			}
		})
	}
}

// An ACL group with so many users that storing the parents of an answer takes too long holds up
// only the host that names it.
func TestParentsThatTakeTooLongHarmOnlyTheirOwn(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	master := newMaster(t)
	client := newClient(t, pool, wire(t, master, afe.Protocol2019), options())
	pgtest.Exec(t, pool, `CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			IF NEW.id = 2 THEN RAISE 'canceling statement due to statement timeout' USING ERRCODE = '57014'; END IF;
			RETURN NEW; END $$;
		CREATE TRIGGER slow BEFORE INSERT ON afe_users FOR EACH ROW EXECUTE FUNCTION slow()`, simple)
	master.saysResult(result([]string{
		labelled(1, 1, "l1", 1, "g1", user(1, "alice")), labelled(2, 2, "l2", 2, "g2", user(2, "bob")),
	}, []string{job(61, entry(1061, `"host_id": 1`))}, nil))
	mustBeat(t, client)
	aside := []string{"in host 2 too_slow: canceling statement due to statement timeout (SQLSTATE 57014)"}
	if diff := cmp.Diff(aside, quarantine(t, pool)); diff != "" {
		t.Error(diff)
	}
	if n := pgtest.Query[int](t, pool, "SELECT (SELECT count(*) FROM afe_hosts WHERE id = 1) + (SELECT count(*) FROM afe_jobs)"); n != 2 {
		t.Errorf("%d of host 1 and job 61 are stored", n)
	}
}
