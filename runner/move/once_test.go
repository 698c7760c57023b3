//go:build mariadb

package move_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/runner/faults"
	"shardclient/runner/master/admin"
	"shardclient/runner/move"
	"shardclient/runner/pgtest"
)

// journey is a shard of a lab that moves, and the master's own record of what arrives.
type journey struct {
	t      testing.TB
	lab    *faults.Lab
	shard  *faults.Shard // where it is now
	old    *oldShard
	python *pythonClient
}

// arrivals notes at the master when an entry becomes complete, and when one that is complete
// already becomes another one.
const arrivals = `CREATE TABLE arrived (entry_id bigint, what text);
	CREATE FUNCTION note_arrival() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN
		IF NOT OLD.complete AND NEW.complete THEN
			INSERT INTO arrived VALUES (NEW.id, 'complete');
		ELSIF OLD.complete AND (OLD.complete, OLD.status, OLD.host_id) IS DISTINCT FROM (NEW.complete, NEW.status, NEW.host_id) THEN
			INSERT INTO arrived VALUES (NEW.id, 'then ' || NEW.status);
		END IF;
		RETURN NULL;
	END $$;
	CREATE TRIGGER arrival AFTER UPDATE ON afe_host_queue_entries FOR EACH ROW EXECUTE FUNCTION note_arrival()`

// begin lets a shard work until it has open, unsent and half-uploaded jobs, and moves that into a
// MySQL, where the Python client has it.
func begin(t testing.TB) *journey {
	t.Helper()
	j := &journey{t: t, lab: faults.NewLab(t, faults.Options{FailShare: 0.2, HostsPerShard: 3})}
	j.shard = j.lab.Shards[0]
	change(t, j.lab.Master, arrivals)
	j.lab.CreateJobs(j.shard, 6)
	j.pairs(6)
	j.beat()
	j.untilHalf()
	j.lab.CreateJobs(j.shard, 4)
	j.beat()
	for pgtest.Query[int](t, j.shard.DB, unsent) == 0 {
		j.turn()
	}
	j.old = newOldShard(t)
	j.old.do("INSERT INTO afe_hosts (id, hostname, protection, dirty) SELECT ?, 'shard1-host1', 0, 0", pgtest.Query[int](t, j.shard.DB, "SELECT min(id) FROM afe_hosts"))
	j.export()
	j.python = newPythonClient(t, j.lab, j.old, j.shard.Hostname)
	return j
}

const unsent = `SELECT count(*) FROM afe_jobs AS j WHERE shard_id IS NULL
	AND EXISTS (SELECT FROM afe_host_queue_entries AS e WHERE e.job_id = j.id AND e.complete)`

// untilHalf goes on until a job is half uploaded.
func (j *journey) untilHalf() {
	j.t.Helper()
	for pgtest.Query[int](j.t, j.shard.DB, halves) == 0 {
		j.turn()
		j.beat()
	}
}

func (j *journey) pairs(n int) {
	j.t.Helper()
	for range n {
		job := admin.NewJob{Name: "pair", Owner: "alice", MetaHosts: []string{j.shard.Board, j.shard.Board}, Dependencies: []string{j.shard.Board}}
		if _, err := j.lab.People.CreateJobs(j.t.Context(), job); err != nil {
			j.t.Fatal(err)
		}
	}
}

// abort aborts an entry's job at the master that is in this state on the shard.
func (j *journey) abort(status string) {
	j.t.Helper()
	id := pgtest.Query[int64](j.t, j.shard.DB, "SELECT max(job_id) FROM afe_host_queue_entries WHERE NOT complete AND NOT aborted AND status = '"+status+"'")
	if _, err := j.lab.People.AbortJobs(j.t.Context(), "alice", id); err != nil {
		j.t.Fatal(err)
	}
}

func (j *journey) beat() {
	j.t.Helper()
	if p := j.lab.Start(j.shard, "once"); p.End() != 0 {
		j.t.Fatal(p.Log())
	}
}

func (j *journey) turn() {
	j.t.Helper()
	if _, err := j.shard.Scheduler.Turn(j.t.Context()); err != nil {
		j.t.Fatal(err)
	}
}

func (j *journey) export() {
	j.t.Helper()
	client(j.t, "export", "--to", j.old.address(), "--database-url", j.shard.DatabaseURL).want(j.t, 0)
}

// moveIn imports the MySQL into a new database, in which the shard goes on.
func (j *journey) moveIn() (report move.Report) {
	j.t.Helper()
	j.shard = moved(j.t, j.shard, 11)
	j.lab.Shards[0] = j.shard
	e := client(j.t, "import", "--from", j.old.address(), "--database-url", j.shard.DatabaseURL, "--output", "json").want(j.t, 0)
	if err := json.Unmarshal([]byte(e.stdout), &report); err != nil {
		j.t.Fatal(err)
	}
	return report
}

// completeHalf ends the open entry of a half-uploaded job as a job runner does that asks for no
// upload, and returns it.
func (j *journey) completeHalf() int64 {
	j.t.Helper()
	return pgtest.Query[int64](j.t, j.shard.DB, `UPDATE afe_host_queue_entries SET complete = true, active = false, status = 'Completed', finished_on = '2019-03-10 02:30'
		WHERE id = (SELECT max(e.id) FROM afe_host_queue_entries AS e JOIN afe_jobs AS j ON j.id = e.job_id WHERE NOT e.complete AND NOT e.aborted AND j.shard_id IS NOT NULL
			AND EXISTS (SELECT FROM afe_host_queue_entries AS o WHERE o.job_id = e.job_id AND o.complete)) RETURNING id`)
}

// arrived fails the test unless every entry that is complete on the master became so once, and
// stayed as it was.
func (j *journey) arrived(want int) {
	j.t.Helper()
	if got := pgtest.Query[string](j.t, j.lab.Master, `SELECT coalesce(string_agg(entry_id || ': ' || what, ', '), '') FROM (
		SELECT entry_id, string_agg(what, ', ') AS what FROM arrived GROUP BY entry_id) AS a WHERE what <> 'complete'`); got != "" {
		j.t.Errorf("more than once: %s", got)
	}
	if got := pgtest.Query[int](j.t, j.lab.Master, "SELECT count(DISTINCT entry_id) FROM arrived"); got != want {
		j.t.Errorf("%d completions have arrived, want %d", got, want)
	}
}

// A MySQL with pending, half-finished, aborted and broken rows moves while the master goes on
// creating and aborting jobs: every completion arrives exactly once, also that of a half-uploaded
// job that ends between the import and the first beat.
func TestEveryCompletionArrivesOnce(t *testing.T) {
	t.Parallel()
	j := begin(t)
	j.python.beat() // its last
	j.lab.CreateJobs(j.shard, 2)
	j.abort("Queued")
	// The scheduler ends an entry, which nobody uploads any more.
	ended := j.python.ids("SELECT MIN(e.job_id) FROM afe_host_queue_entries e WHERE e.complete = 0 AND 1 = (SELECT COUNT(*) FROM afe_host_queue_entries o WHERE o.job_id = e.job_id)")[0]
	j.old.do("UPDATE afe_host_queue_entries SET status = 'Completed', active = 0, complete = 2, finished_on = '2019-03-10 02:30:00' WHERE job_id = ?", ended)
	j.old.do("UPDATE afe_jobs SET shard_id = NULL WHERE id = ?", ended)
	// An abort has come, and has not been seen to.
	j.old.do("UPDATE afe_host_queue_entries SET aborted = 1 WHERE job_id = (SELECT m.id FROM (SELECT MIN(job_id) AS id FROM afe_host_queue_entries WHERE complete = 0 AND status = 'Queued') AS m)")
	j.old.do(`SET foreign_key_checks = 0, sql_mode = ''`)
	for _, broken := range []string{
		"UPDATE afe_jobs SET run_verify = NULL, parent_job_id = 9999, require_ssp = 2",
		"UPDATE afe_host_queue_entries SET finished_on = '0000-00-00' WHERE complete = 0",
		"INSERT INTO afe_hosts (id, hostname, invalid, protection, dirty, shard_id) SELECT 900, hostname, 1, 0, 0, 77 FROM afe_hosts ORDER BY id LIMIT 1",
		"INSERT INTO afe_acl_groups (id, name) SELECT 900, name FROM afe_acl_groups ORDER BY id LIMIT 1",
		"INSERT INTO afe_host_queue_entries (id, job_id, complete, deleted, execution_subdir) VALUES (90000, 90000, 0, 0, '')",
	} {
		j.old.do(broken)
	}
	open := pgtest.Query[int](t, j.shard.DB, "SELECT count(*) FROM afe_host_queue_entries WHERE NOT complete")
	report := j.moveIn()
	if len(report.WaitingJobs) == 0 || report.HalfUploaded == 0 || len(report.Repairs) < 8 || open < 5 {
		t.Fatalf("the shard is too plain: %+v", report)
	}
	j.lab.CreateJobs(j.shard, 3)
	j.abort("Queued")
	half := j.completeHalf()
	for range 4 {
		j.beat()
		j.turn()
		j.lab.CreateJobs(j.shard, 1)
	}
	j.abort("Queued")
	for range 3 {
		j.lab.Work(j.shard)
		j.beat()
	}
	total := 6 + 2*6 + 4 + 2 + 3 + 4
	if n := pgtest.Query[int](t, j.lab.Master, "SELECT count(*) FROM afe_host_queue_entries WHERE complete"); n != total {
		t.Errorf("%d entries are complete on the master, want %d", n, total)
	}
	if n := pgtest.Query[int](t, j.lab.Master, fmt.Sprintf("SELECT count(*) FROM arrived WHERE entry_id = %d", half)); n != 1 {
		t.Errorf("the other completion of the half-uploaded job has arrived %d times", n)
	}
	j.arrived(total)
	if r := j.lab.Compare(); r.Lost+r.Duplicated != 0 {
		t.Errorf("lost or run twice: %+v", r)
	}
}

// After a way back the Python client uploads what our client had not uploaded, and nothing else:
// its own statements say so.
func TestPythonClientUploadsWhatIsMissing(t *testing.T) {
	t.Parallel()
	j := begin(t)
	waiting := j.moveIn().WaitingJobs
	j.lab.CreateJobs(j.shard, 3)
	j.beat() // uploads what waited
	j.untilHalf()
	half := j.completeHalf()
	for pgtest.Query[int](t, j.shard.DB, unsent) < 2 {
		j.turn()
	}
	// What is complete here, and on the master not yet.
	here, there := complete(t, j.shard.DB), complete(t, j.lab.Master)
	var want []int64
	for entry, job := range here {
		if _, arrived := there[entry]; !arrived {
			want = append(want, job)
		}
	}
	slices.Sort(want)
	want = slices.Compact(want)
	j.export()
	if got := j.python.toUpload(); !slices.Equal(got, want) || !slices.Contains(want, here[half]) {
		t.Errorf("the Python client would upload %d, want %d, with %d", got, want, here[half])
	}
	for _, id := range waiting {
		if slices.Contains(want, id) && id != here[half] {
			t.Errorf("job %d went up in between: the test shows nothing", id)
		}
	}
	jobs, hosts := j.python.known()
	for query, got := range map[string][]int64{
		"SELECT json_agg(DISTINCT job_id ORDER BY job_id)::text FROM afe_host_queue_entries WHERE NOT complete": jobs,
		"SELECT json_agg(id ORDER BY id)::text FROM afe_hosts WHERE NOT invalid":                                hosts,
	} {
		var want []int64
		if err := json.Unmarshal([]byte(pgtest.Query[string](t, j.shard.DB, query)), &want); err != nil || len(want) == 0 || !slices.Equal(got, want) {
			t.Errorf("it knows %d, want %d (%v)", got, want, err)
		}
	}
	if got := j.python.beat(); !slices.Equal(got, want) {
		t.Errorf("it has uploaded %d, want %d", got, want)
	}
	if got := j.python.toUpload(); len(got) != 0 {
		t.Errorf("it would upload %d again", got)
	}
	maps.Copy(there, here)
	j.arrived(len(there))
}

// complete returns the complete entries of a database, each with its job.
func complete(t testing.TB, db *pgxpool.Pool) (list map[int64]int64) {
	t.Helper()
	text := pgtest.Query[string](t, db, "SELECT coalesce(json_object_agg(id, job_id), '{}')::text FROM afe_host_queue_entries WHERE complete")
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		t.Fatal(err)
	}
	return list
}
