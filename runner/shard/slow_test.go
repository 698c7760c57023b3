package shard_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/runner/afe"
	"shardclient/runner/beat"
	"shardclient/runner/pgtest"
)

// slowToRead lets every statement be cancelled that reads the records of a job's entries.
func slowToRead(t *testing.T, pool *pgxpool.Pool, job int) {
	t.Helper()
	pgtest.Exec(t, pool, fmt.Sprintf(`CREATE FUNCTION slow(id bigint) RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$ BEGIN
			IF id = %d THEN RAISE 'canceling statement due to statement timeout' USING ERRCODE = '57014'; END IF;
			RETURN true; END $$;
		CREATE POLICY slow ON afe_host_queue_entries USING (current_query() NOT LIKE '%%name: RecordsOfEntries%%' OR slow(job_id));
		ALTER TABLE afe_host_queue_entries ENABLE ROW LEVEL SECURITY`, job), simple)
}

// limited returns connections to the same database whose role has to obey policies.
func limited(t *testing.T, pool *pgxpool.Pool) *pgxpool.Pool {
	t.Helper()
	config := pool.Config()
	config.ConnConfig.User = config.ConnConfig.Database + "_limited"
	pgtest.Exec(t, pool, fmt.Sprintf(`CREATE ROLE %s LOGIN; GRANT ALL ON ALL TABLES IN SCHEMA public TO %[1]s`, config.ConnConfig.User), simple)
	other, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(other.Close)
	return other
}

// quick makes it as quick as any other.
func quick(t *testing.T, pool *pgxpool.Pool) {
	t.Helper()
	pgtest.Exec(t, pool, "CREATE OR REPLACE FUNCTION slow(id bigint) RETURNS boolean LANGUAGE sql AS 'SELECT true'", simple)
}

const twelveFinished = `INSERT INTO afe_jobs (id, created_on) SELECT n, now() FROM generate_series(1, 12) AS n;
	INSERT INTO afe_host_queue_entries (id, job_id, status, complete) SELECT n, n, 'Completed', true FROM generate_series(1, 12) AS n`

const unsent = "SELECT coalesce(string_agg(id::text, ' ' ORDER BY id), '') FROM afe_jobs WHERE shard_id IS NULL"

// refusesToAcknowledge lets a trigger refuse every write of a job, as one of the site may.
func refusesToAcknowledge(code string) func(*testing.T, *pgxpool.Pool, int) {
	return func(t *testing.T, pool *pgxpool.Pool, job int) {
		t.Helper()
		pgtest.Exec(t, pool, fmt.Sprintf(`CREATE FUNCTION slow(id bigint) RETURNS boolean LANGUAGE sql AS 'SELECT id <> %d';
			CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
				IF NOT slow(NEW.id) THEN RAISE 'no' USING ERRCODE = '%s'; END IF;
				RETURN NEW; END $$;
			CREATE TRIGGER refuse BEFORE UPDATE ON afe_jobs FOR EACH ROW EXECUTE FUNCTION refuse()`, job, code), simple)
	}
}

// A finished job that PostgreSQL does not let go, because it takes too long to read or to compare
// or because a trigger refuses it, is set aside, and all others go. When nothing is in its way any
// more, it goes, too.
func TestP6AJobThatCannotGoHarmsOnlyItself(t *testing.T) {
	t.Parallel()
	for name, slow := range map[string]func(*testing.T, *pgxpool.Pool, int){
		"too_slow: canceling statement due to statement timeout (SQLSTATE 57014)": slowToRead,
		"too_slow: no (SQLSTATE 57014)":                                           refusesToAcknowledge("57014"),
		"database: no (SQLSTATE P0001)":                                           refusesToAcknowledge("P0001"),
		"database: no (SQLSTATE 23514)":                                           refusesToAcknowledge("23514"),
	} {
		for _, job := range []int{1, 5, 12} {
			t.Run(fmt.Sprint("job ", job, " ", name), func(t *testing.T) {
				pool := pgtest.Pool(t)
				master := newMaster(t)
				client := newClient(t, limited(t, pool), wire(t, master, afe.Protocol2019), options())
				master.saysResult(result([]string{host(1, "h1")}, nil, nil))
				mustBeat(t, client)
				pgtest.Exec(t, pool, twelveFinished, simple)
				slow(t, pool, job)
				var failed int
				for range 12 {
					b := client.Beat(t.Context(), time.Now())
					if !b.OK() {
						failed++
					}
					if b.Failure != "" && b.Failure != beat.FailureDatabase {
						t.Fatalf("%s: %s", b.Failure, b.Error)
					}
				}
				if got := pgtest.Query[string](t, pool, unsent); got != fmt.Sprint(job) || failed > 4 {
					t.Errorf("not acknowledged: %s, after %d failed beats; want all but job %d", got, failed, job)
				}
				want := []string{fmt.Sprintf("out job %d %s", job, name)}
				if diff := cmp.Diff(want, quarantine(t, pool)); diff != "" {
					t.Error(diff)
				}
				// It is tried again, and each time in vain its pause doubles.
				again := "UPDATE shard_client_quarantine SET retry_at = now(), last_seen = now() - interval '1 hour'"
				pgtest.Exec(t, pool, again)
				mustBeat(t, client)
				mustBeat(t, client)
				const tried = "SELECT occurrences || ' ' || round(extract(epoch FROM retry_at - last_seen)) FROM shard_client_quarantine"
				if got := pgtest.Query[string](t, pool, tried); got != "2 120" {
					t.Errorf("set aside so many times, for so many seconds: %s; want 2 120", got)
				}
				quick(t, pool)
				mustBeat(t, client)
				if got := pgtest.Query[string](t, pool, unsent); got != fmt.Sprint(job) {
					t.Errorf("not acknowledged: %q; job %d is not due yet", got, job)
				}
				pgtest.Exec(t, pool, again)
				mustBeat(t, client)
				if got := pgtest.Query[string](t, pool, unsent); got != "" || len(quarantine(t, pool)) != 0 {
					t.Errorf("not acknowledged: %s; set aside: %q", got, quarantine(t, pool))
				}
			})
		}
	}
}

// A database that is slow with everything does not fail for ever when it is quick again.
func TestASlowDatabaseSetsNothingAsideForGood(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	master := newMaster(t)
	client := newClient(t, limited(t, pool), wire(t, master, afe.Protocol2019), options())
	master.saysResult(result([]string{host(1, "h1")}, nil, nil))
	mustBeat(t, client)
	pgtest.Exec(t, pool, twelveFinished, simple)
	slowToRead(t, pool, 1)
	pgtest.Exec(t, pool, `CREATE OR REPLACE FUNCTION slow(id bigint) RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$ BEGIN
		RAISE 'canceling statement due to statement timeout' USING ERRCODE = '57014'; END $$`, simple)
	for range 4 {
		if b := client.Beat(t.Context(), time.Now()); b.Failure != beat.FailureDatabase {
			t.Fatalf("%q: %s; want %s", b.Failure, b.Error, beat.FailureDatabase)
		}
	}
	quick(t, pool)
	for range 20 {
		pgtest.Exec(t, pool, "UPDATE shard_client_quarantine SET retry_at = now()")
		mustBeat(t, client)
	}
	if got := pgtest.Query[string](t, pool, unsent); got != "" || len(quarantine(t, pool)) != 0 {
		t.Errorf("not acknowledged: %s; set aside: %q", got, quarantine(t, pool))
	}
}

// slowRow lets every statement be cancelled that does something to a row with the id 17, or to more
// than so many rows of a table in one transaction.
func slowRow(t *testing.T, pool *pgxpool.Pool, does, table string, most int) {
	t.Helper()
	pgtest.Exec(t, pool, fmt.Sprintf(`CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			IF NEW.id = 17 OR (SELECT count(*) FROM %[2]s WHERE xmin = pg_current_xact_id()::xid) > %[3]d THEN
				RAISE 'canceling statement due to statement timeout' USING ERRCODE = '57014';
			END IF;
			RETURN NEW; END $$;
		CREATE TRIGGER slow BEFORE %[1]s ON %[2]s FOR EACH ROW EXECUTE FUNCTION slow()`, does, table, most), simple)
}

// What was refused in an earlier beat is tried apart from what was not, and what took too long is
// tried alone: else it would cost all others of its chunk a time-out for each time that the chunk
// is halved.
func TestWhatWasRefusedBeforeCostsNoOther(t *testing.T) {
	t.Parallel()
	for name, slow := range map[string]func(*testing.T, *pgxpool.Pool){
		"too slow": func(t *testing.T, pool *pgxpool.Pool) { slowRow(t, pool, "INSERT", "afe_jobs", 1000) },
		"refused": func(t *testing.T, pool *pgxpool.Pool) {
			pgtest.Exec(t, pool, "ALTER TABLE afe_jobs ADD CONSTRAINT no CHECK (id <> 17)")
		},
	} {
		t.Run(name, func(t *testing.T) {
			pool, seen := tracedPool(t, pgtest.Database(t))
			master := newMaster(t)
			client := newClient(t, pool, wire(t, master, afe.Protocol2019), options())
			slow(t, pool)
			master.saysResult(result([]string{host(1, "h1")}, goodJobs(20), nil))
			if b := mustBeat(t, client); b.Quarantined != 1 {
				t.Fatalf("%d set aside, want job 17", b.Quarantined)
			}
			seen.sql = nil
			master.saysResult(result(nil, goodJobs(60), nil)) // 40 of them are new
			if b := mustBeat(t, client); b.Quarantined != 1 || pgtest.Query[int](t, pool, "SELECT count(*) FROM afe_jobs") != 59 {
				t.Errorf("%d set aside, want job 17 alone", b.Quarantined)
			}
			if n := seen.count("JobsFind"); n != 2 {
				t.Errorf("%d transactions that store jobs, want one for all that are new, and one for job 17", n)
			}
		})
	}
}

// Two that took too long are tried one by one.
func TestWhatTookTooLongIsTriedAlone(t *testing.T) {
	t.Parallel()
	pool, seen := tracedPool(t, pgtest.Database(t))
	master := newMaster(t)
	client := newClient(t, pool, wire(t, master, afe.Protocol2019), options())
	pgtest.Exec(t, pool, `INSERT INTO shard_client_quarantine (direction, kind, object_id, code, reason, payload, payload_bytes, payload_digest)
		SELECT 'in', 'job', n, 'too_slow', 'x', '', 0, '' FROM generate_series(15, 18) AS n`)
	slowRow(t, pool, "INSERT", "afe_jobs", 1000)
	master.saysResult(result([]string{host(1, "h1")}, goodJobs(20), nil))
	if b := mustBeat(t, client); b.Quarantined != 1 {
		t.Errorf("%d set aside, want job 17 alone", b.Quarantined)
	}
	if n := seen.count("JobsFind"); n != 5 {
		t.Errorf("%d transactions that store jobs, want one for 16 of them, and four for the others", n)
	}
}

// Incorrect hosts of which one takes too long by itself, or all of them together, are taken out of
// use in halves. What takes too long alone is set aside, until it is quick again.
func TestP6IncorrectHostsThatTakeTooLong(t *testing.T) {
	t.Parallel()
	pool, seen := tracedPool(t, pgtest.Database(t))
	master, o := newMaster(t), options()
	o.ApplyChunk = 64
	client := newClient(t, pool, wire(t, master, afe.Protocol2019), o)
	var hosts, ids []string
	for id := range 100 {
		hosts, ids = append(hosts, host(id+1, fmt.Sprint("h", id+1))), append(ids, fmt.Sprint(id+1))
	}
	master.saysResult(result(hosts, nil, nil))
	mustBeat(t, client)
	slowRow(t, pool, "UPDATE", "afe_hosts", 40)
	master.saysResult(result(nil, nil, nil, ids...))
	aside := []string{"in host 17 too_slow: canceling statement due to statement timeout (SQLSTATE 57014)"}
	for _, halved := range []bool{true, false} {
		seen.sql = nil
		mustBeat(t, client)
		if got := pgtest.Query[string](t, pool, "SELECT string_agg(id::text, ' ') FROM afe_hosts WHERE NOT invalid"); got != "17" {
			t.Errorf("still in use: %s; want host 17", got)
		}
		if diff := cmp.Diff(aside, quarantine(t, pool)); diff != "" {
			t.Error(diff)
		}
		// Before the hosts of an answer and after its jobs: two chunks each time, and host 17 once.
		if n := seen.count("IncorrectHostsRemove"); !halved && n != 5 {
			t.Errorf("hosts were removed by %d statements, want 5", n)
		}
	}
	pgtest.Exec(t, pool, "ALTER TABLE afe_hosts DISABLE TRIGGER slow")
	mustBeat(t, client)
	if n := pgtest.Query[int](t, pool, "SELECT count(*) FROM afe_hosts WHERE NOT invalid"); n != 0 || len(quarantine(t, pool)) != 0 {
		t.Errorf("%d hosts are in use, set aside: %q", n, quarantine(t, pool))
	}
}
