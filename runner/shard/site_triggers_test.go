package shard_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/runner/afe"
	"shardclient/runner/beat"
	"shardclient/runner/pgtest"
)

// ofSuites are ten hosts, and nine jobs of as many suites. The last host has a group of its own, with a
// user of its own.
func ofSuites(t *testing.T) string {
	t.Helper()
	var hosts, jobs, keyvals []string
	for i := 1; i <= 9; i++ {
		hosts = append(hosts, labelled(i, 1, "l", 1, "g", user(1, "alice")))
		jobs = append(jobs, replaced(t, job(i, entry(1000+i)), `"key": "build", "value": "eve"`, fmt.Sprintf(`"key": "parent_job_id", "value": "%d"`, 900+i)))
		keyvals = append(keyvals, strings.Replace(keyval(i, "suite", "bvt"), `"job_id": 7`, fmt.Sprintf(`"job_id": %d`, 900+i), 1))
	}
	return result(append(hosts, labelled(10, 1, "l", 2, "gz", user(2, "zoe"))), jobs, keyvals)
}

// storedIDs lists the ids of hosts, jobs and suites that are here.
func storedIDs(t *testing.T, pool *pgxpool.Pool) string {
	t.Helper()
	return pgtest.Query[string](t, pool, `SELECT concat_ws('; ',
		(SELECT string_agg(id::text, ' ' ORDER BY id) FROM afe_hosts),
		(SELECT string_agg(id::text, ' ' ORDER BY id) FROM afe_jobs),
		(SELECT string_agg(job_id::text, ' ' ORDER BY job_id) FROM afe_job_keyvals WHERE key = 'suite'))`)
}

// A trigger of the site may raise what PostgreSQL raises for concurrent transactions, always. What it
// concerns is left for the next beat, as after a real conflict, and all else is stored.
func TestAConflictThatDoesNotEndHoldsUpOnlyItsObject(t *testing.T) {
	for _, state := range []string{"40001", "40P01"} {
		for _, chunk := range []int{1, 500} {
			t.Run(fmt.Sprintf("%s in chunks of %d", state, chunk), func(t *testing.T) {
				pool, master := pgtest.Pool(t), newMaster(t)
				o := options()
				o.ApplyChunk = chunk
				client := newClient(t, pool, wire(t, master, afe.Protocol2019), o)
				pgtest.Exec(t, pool, fmt.Sprintf(`CREATE FUNCTION conflict() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'conflict' USING ERRCODE = '%s'; END $$;
					CREATE TRIGGER conflict BEFORE INSERT ON afe_users FOR EACH ROW WHEN (NEW.login = 'zoe') EXECUTE FUNCTION conflict();
					CREATE TRIGGER conflict BEFORE INSERT ON afe_hosts FOR EACH ROW WHEN (NEW.id = 3) EXECUTE FUNCTION conflict();
					CREATE TRIGGER conflict BEFORE INSERT ON afe_jobs FOR EACH ROW WHEN (NEW.id = 5) EXECUTE FUNCTION conflict();
					CREATE TRIGGER conflict BEFORE INSERT ON afe_job_keyvals FOR EACH ROW WHEN (NEW.job_id = 907) EXECUTE FUNCTION conflict()`, state), simple)
				master.saysResult(ofSuites(t))
				b := client.Beat(t.Context(), time.Now())
				if b.Failure != beat.FailureDatabase || !strings.Contains(b.Error, "4 objects are left for the next beat") || !strings.Contains(b.Error, state) {
					t.Errorf("%s: %s", b.Failure, b.Error)
				}
				if got, want := storedIDs(t, pool), "1 2 4 5 6 7 8 9; 1 2 3 4 6 8 9; 901 902 903 904 905 906 908 909"; got != want {
					t.Errorf("here are %s, want %s", got, want)
				}
				if diff := cmp.Diff([]string{"in job 7 waiting_for_keyvals"}, codesAside(t, pool)); diff != "" {
					t.Errorf("set aside (-want +got):\n%s", diff)
				}
				pgtest.Exec(t, pool, "DROP FUNCTION conflict CASCADE")
				mustBeat(t, client)
				if got, want := storedIDs(t, pool), "1 2 3 4 5 6 7 8 9 10; 1 2 3 4 5 6 7 8 9; 901 902 903 904 905 906 907 908 909"; got != want || len(quarantine(t, pool)) > 0 {
					t.Errorf("after it was mended, here are %s, want %s; set aside %q", got, want, quarantine(t, pool))
				}
			})
		}
	}
}
