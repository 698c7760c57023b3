package shard_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/gen/sharddb"
	"shardclient/runner/afe"
	"shardclient/runner/pgtest"
)

// packetSent is what a request said about the records that a master could refuse.
type packetSent struct {
	HostIDs []int64 `json:"known_host_ids"`
	JobIDs  []int64 `json:"known_job_ids"`
	Jobs    []struct {
		ID int64 `json:"id"`
	} `json:"jobs"`
}

func (p packetSent) hasJob(id int64) bool {
	return slices.ContainsFunc(p.Jobs, func(j struct {
		ID int64 `json:"id"`
	}) bool {
		return j.ID == id
	})
}

// lastPacket returns the last packet that the master received.
func lastPacket(t *testing.T, master *scriptedMaster) packetSent {
	t.Helper()
	var call struct {
		Params []packetSent `json:"params"`
	}
	if err := json.Unmarshal(master.last(t), &call); err != nil || len(call.Params) != 1 {
		t.Fatalf("no packet: %v", err)
	}
	return call.Params[0]
}

// replaced returns s with one text for another, which must be there.
func replaced(t *testing.T, s, old, now string) string {
	t.Helper()
	if !strings.Contains(s, old) {
		t.Fatalf("%q is not in %s", old, s)
	}
	return strings.Replace(s, old, now, 1)
}

// aside returns the only row of the quarantine with a code, and fails the test if there is another
// number of them.
func aside(t *testing.T, pool *pgxpool.Pool, begin string) string {
	t.Helper()
	var found []string
	for _, line := range quarantine(t, pool) {
		if strings.HasPrefix(line, begin) {
			found = append(found, line)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d rows begin with %q in %q", len(found), begin, quarantine(t, pool))
	}
	return found[0]
}

// A master that was put back from a backup gives the id of a job that is here to another one. The
// job here is told from it by what nobody can edit. Nothing is stored, and nothing is sent under
// the id, whatever happens to the quarantine, until the master sends the job that is here.
func TestAJobWhoseIDIsTaken(t *testing.T) {
	t.Parallel()
	ours := job(10, entry(100))
	for name, theirs := range map[string]string{
		"owner":                   replaced(t, ours, `"alice"`, `"bob"`),
		"name":                    replaced(t, ours, `"job10"`, `"job 10"`),
		"a name for the terminal": replaced(t, ours, `"job10"`, `"job\u001b[31m\n10"`),
		"created later":           replaced(t, ours, `10:20:31.123`, `10:20:32.123`),
		"created before":          replaced(t, ours, `10:20:31.123`, `10:20:30.123`),
		"all entries":             job(10, entry(101), entry(102)),
		"everything": replaced(t, replaced(t, replaced(t, job(10, entry(101)),
			`"alice"`, `"bob"`), `"job10"`, `"other"`), `2019-03-15`, `2026-01-01`),
	} {
		for _, shardID := range []string{"1", "NULL"} {
			t.Run(name+", shard "+shardID, func(t *testing.T) {
				pool, master := pgtest.Pool(t), newMaster(t)
				client := newClient(t, pool, wire(t, master, afe.Protocol2015), options())
				master.saysResult(result(nil, []string{ours}, nil))
				mustBeat(t, client)
				pgtest.Exec(t, pool, "UPDATE afe_host_queue_entries SET status = 'Completed', complete = true")
				if shardID == "NULL" { // the job ends just before the master forgets it
					pgtest.Exec(t, pool, "INSERT INTO shard_client_taken (kind, object_id, reason) VALUES ('job', 10, 'as if seen before')")
					pgtest.Exec(t, pool, "UPDATE afe_jobs SET shard_id = NULL")
				}
				before := rowsAsJSON(t, pool)
				master.saysResult(result(nil, []string{theirs}, nil))
				for range 2 {
					b := mustBeat(t, client)
					if b.Quarantined != 1 || b.Pending != 0 || b.Quarantine.Taken != 1 {
						t.Errorf("%d set aside, %d to upload, %d ids taken; want 1, 0 and 1", b.Quarantined, b.Pending, b.Quarantine.Taken)
					}
					if p := lastPacket(t, master); len(p.Jobs) != 0 || len(p.JobIDs) != 0 {
						t.Errorf("job 10 is uploaded or known: %+v", p)
					}
					// The quarantine forgets what it has not seen for a week.
					reason := aside(t, pool, "in job 10 job_taken: the master gave its id to another job: ")
					if sent := aside(t, pool, "out job 10 job_taken: "); sent != "out"+reason[len("in"):] {
						t.Errorf("%q and %q", sent, reason)
					}
					if !strings.Contains(reason, "; the job here is job10 of alice, created 2019-03-15 10:20:31.123, entries 100") {
						t.Errorf("the reason does not name the job here: %s", reason)
					}
					pgtest.Exec(t, pool, "DELETE FROM shard_client_quarantine")
				}
				if diff := cmp.Diff(before, rowsAsJSON(t, pool)); diff != "" {
					t.Errorf("rows changed (-before +after):\n%s", diff)
				}
				// The master knows the job again.
				master.saysResult(result(nil, []string{ours}, nil))
				mustBeat(t, client)
				master.saysResult(result(nil, nil, nil))
				if b := mustBeat(t, client); b.UploadedJobs != 1 || b.Quarantine.Taken != 0 || len(quarantine(t, pool)) != 0 {
					t.Errorf("uploaded %d jobs, %d ids taken, quarantine %q", b.UploadedJobs, b.Quarantine.Taken, quarantine(t, pool))
				}
			})
		}
	}
}

// A job that is here is the same one when its time has gone through a master without fractions,
// when its editable fields are others, and when entries were added or are left out.
func TestAJobThatIsSentAgainIsTheSame(t *testing.T) {
	t.Parallel()
	pool, master := pgtest.Pool(t), newMaster(t)
	client := newClient(t, pool, wire(t, master, afe.Protocol2015), options())
	ours := replaced(t, job(10, entry(100), entry(101)), `10:20:31.123`, `10:20:31.923`)
	master.saysResult(result(nil, []string{ours, job(11)}, nil))
	mustBeat(t, client)
	for _, again := range []string{
		ours,
		replaced(t, ours, `10:20:31.923`, `10:20:31`),
		replaced(t, ours, `10:20:31.923`, `10:20:32`),
		replaced(t, ours, `"priority": 20`, `"priority": 40, "timeout": 7, "email_list": "x", "test_retry": 9`),
		replaced(t, ours, `NAME = 'x'`, `NAME = 'y'`),
		replaced(t, job(10, entry(101), entry(102)), `10:20:31.123`, `10:20:31.923`),
		replaced(t, job(10), `10:20:31.123`, `10:20:31.923`),
		job(11, entry(110)), // a 2015 master sends a job before its entries
	} {
		master.saysResult(result(nil, []string{again}, nil))
		if b := mustBeat(t, client); b.Quarantined != 0 || b.Quarantine.Taken != 0 {
			t.Errorf("%s\nis another job: %q", again, quarantine(t, pool))
		}
	}
	if ids := pgtest.Query[string](t, pool, "SELECT string_agg(id::text, ' ' ORDER BY id) FROM afe_host_queue_entries"); ids != "100 101 102 110" {
		t.Errorf("entries %s", ids)
	}
}

// Two objects with one id are copies only if every integer is the same, also beyond what a floating
// point number can tell apart. The order of keys makes no difference.
func TestCopiesAreComparedByTheirIntegers(t *testing.T) {
	t.Parallel()
	pool, master := pgtest.Pool(t), newMaster(t)
	client := newClient(t, pool, wire(t, master, afe.Protocol2019), options())
	const first, second = 1<<53 + 1, 1 << 53
	copied := strings.NewReplacer(`"owner": "alice", "name": "job1", `, "", `"priority": 20`, `"priority": 20, "name": "job1", "owner": "alice"`)
	master.saysResult(result([]string{
		labelled(1, first, "l", 1, "g"), labelled(1, second, "l", 1, "g"), labelled(2, first, "l", 1, "g"), labelled(2, first, "l", 1, "g"),
	}, []string{
		job(1, entry(first)), copied.Replace(job(1, entry(first))), job(2, entry(first+2)), job(2, entry(first+3)),
	}, nil))
	mustBeat(t, client)
	want := []string{
		"in host 1 duplicate_id: another host with id 1 came first in this response",
		"in job 2 duplicate_id: another job with id 2 came first in this response",
	}
	if diff := cmp.Diff(want, quarantine(t, pool)); diff != "" {
		t.Errorf("quarantine (-want +got):\n%s", diff)
	}
	if ids := pgtest.Query[string](t, pool, "SELECT string_agg(id::text, ' ' ORDER BY id) FROM afe_host_queue_entries"); ids != fmt.Sprint(first, " ", first+2) {
		t.Errorf("entries %s", ids)
	}
}

// An entry's id in another job: the job here that has the entry is not sent any more. A response
// that names this job, too, proves nothing.
func TestAnEntryWhoseIDIsTaken(t *testing.T) {
	t.Parallel()
	pool, master := pgtest.Pool(t), newMaster(t)
	o := options()
	o.ApplyChunk = 1
	client := newClient(t, pool, wire(t, master, afe.Protocol2019), o)
	master.saysResult(result(nil, []string{job(10, entry(100), entry(101)), job(11, entry(110))}, nil))
	mustBeat(t, client)
	pgtest.Exec(t, pool, "UPDATE afe_host_queue_entries SET status = 'Completed', complete = true WHERE id IN (100, 110)")
	master.saysResult(result(nil, []string{job(50, entry(100)), job(11, entry(110)), job(51, entry(110))}, nil))
	mustBeat(t, client)
	aside(t, pool, "in job 50 entry_taken: entry 100 belongs to job 10 here")
	aside(t, pool, "in job 51 entry_taken: entry 110 belongs to job 11 here")
	aside(t, pool, "out job 10 job_taken: the master gave the id of its entry 100 to an entry of job 50")
	pgtest.Exec(t, pool, "UPDATE afe_jobs SET shard_id = NULL")
	master.saysResult(result(nil, nil, nil))
	if b := mustBeat(t, client); b.UploadedJobs != 1 || b.Quarantine.Taken != 1 || !lastPacket(t, master).hasJob(11) {
		t.Errorf("uploaded %d jobs, %d ids taken", b.UploadedJobs, b.Quarantine.Taken)
	}
}

// A host's id under another name: the host here keeps its status to itself, and a job for the other
// host waits. The two agree again when the name is that of the master, in whatever case.
func TestAHostWhoseIDIsTaken(t *testing.T) {
	t.Parallel()
	for _, invalid := range []bool{false, true} {
		t.Run(fmt.Sprintf("invalid %t", invalid), func(t *testing.T) {
			pool, master := pgtest.Pool(t), newMaster(t)
			client := newClient(t, pool, wire(t, master, afe.Protocol2019), options())
			master.saysResult(result([]string{host(5, "a"), host(6, "c")}, nil, nil))
			mustBeat(t, client)
			pgtest.Exec(t, pool, "UPDATE afe_hosts SET invalid = $1, status = 'Repair Failed' WHERE id = 5", invalid)
			before := rowsAsJSON(t, pool)
			theirs := replaced(t, host(5, "b"), `"hostattribute_set": []`, `"hostattribute_set": [{"attribute": "k", "value": "v"}]`)
			master.saysResult(result([]string{theirs}, []string{job(1, entry(1, `"host_id": 5`))}, nil))
			for range 2 {
				if b := mustBeat(t, client); b.Quarantined != 2 || b.Quarantine.Taken != 1 {
					t.Errorf("%d set aside, %d ids taken", b.Quarantined, b.Quarantine.Taken)
				}
			}
			for _, direction := range []string{"in", "out"} {
				aside(t, pool, direction+" host 5 host_taken: the master gave its id to another host: b; the host here is a")
			}
			aside(t, pool, "in job 1 waiting_for_host: entry 1 names host 5, which is not here yet")
			if p := lastPacket(t, master); fmt.Sprint(p.HostIDs) != "[6]" {
				t.Errorf("known hosts %v, want host 6 alone", p.HostIDs)
			}
			if diff := cmp.Diff(before, rowsAsJSON(t, pool)); diff != "" {
				t.Errorf("rows changed (-before +after):\n%s", diff)
			}
			if n := pgtest.Query[int](t, pool, "SELECT count(*) FROM afe_host_attributes"); n != 0 {
				t.Errorf("%d attributes of the other host", n)
			}
			// An entry that ran on the host here says nothing about the other one; the rest of it
			// is sent.
			pgtest.Exec(t, pool, "INSERT INTO afe_jobs (id, created_on, shard_id) VALUES (2, '2019-03-15', NULL)")
			pgtest.Exec(t, pool, "INSERT INTO afe_host_queue_entries (id, job_id, host_id, status, complete) VALUES (2, 2, 5, 'Completed', true), (3, 2, 6, 'Completed', true)")
			if b := mustBeat(t, client); b.UploadedJobs != 1 {
				t.Errorf("uploaded %d jobs, want 1", b.UploadedJobs)
			}
			var sent struct {
				Params []struct{ Hqes []map[string]any }
			}
			if err := json.Unmarshal(master.last(t), &sent); err != nil || len(sent.Params[0].Hqes) != 2 {
				t.Fatalf("%v: %s", err, master.last(t))
			}
			if id, named := sent.Params[0].Hqes[0]["host_id"]; named || sent.Params[0].Hqes[0]["status"] != "Completed" {
				t.Errorf("entry 2 names host %v", id)
			}
			if sent.Params[0].Hqes[1]["host_id"] != 6.0 {
				t.Errorf("entry 3 is %v, want host 6 in it", sent.Params[0].Hqes[1])
			}
			pgtest.Exec(t, pool, "UPDATE afe_hosts SET hostname = 'B' WHERE id = 5")
			if b := mustBeat(t, client); b.Quarantined != 0 || b.Quarantine.Taken != 0 || len(quarantine(t, pool)) != 0 {
				t.Errorf("under its new name: %d set aside, %d ids taken, %q", b.Quarantined, b.Quarantine.Taken, quarantine(t, pool))
			}
		})
	}
}

// The way out, `quarantine drop --give-up`: what is here under the id goes, and the next answer is
// stored.
func TestWhatIsInTheWayOfATakenIDCanGo(t *testing.T) {
	t.Parallel()
	pool, master := pgtest.Pool(t), newMaster(t)
	client := newClient(t, pool, wire(t, master, afe.Protocol2019), options())
	master.saysResult(result([]string{labelled(5, 1, "l", 1, "g")}, []string{job(10, entry(100, `"host_id": 5`))}, nil))
	mustBeat(t, client)
	pgtest.Exec(t, pool, "UPDATE afe_host_queue_entries SET status = 'Completed', complete = true")
	other := replaced(t, job(10, entry(100, `"host_id": 5`)), "alice", "bob")
	master.saysResult(result([]string{host(5, "b")}, []string{other}, nil))
	mustBeat(t, client)
	q := sharddb.New(pool) // what `quarantine drop --give-up` runs
	for _, kind := range []string{"job", "host"} {
		id, remove := int64(10), q.RepairDeleteJobs
		if kind == "host" {
			id, remove = 5, q.RepairDeleteHosts
		}
		forgotten, err := q.RepairForgetTaken(t.Context(), kind, []int64{id})
		if err != nil || len(forgotten) != 1 {
			t.Fatalf("forgotten: %d, %v", forgotten, err)
		}
		if removed, err := remove(t.Context(), []int64{id}); err != nil || removed != 1 {
			t.Fatalf("removed: %d, %v", removed, err)
		}
	}
	if b := mustBeat(t, client); b.Quarantined != 0 || b.Quarantine.Taken != 0 || len(quarantine(t, pool)) != 0 {
		t.Errorf("set aside: %q", quarantine(t, pool))
	}
	if got := pgtest.Query[string](t, pool, "SELECT hostname || ' ' || owner FROM afe_hosts, afe_jobs"); got != "b bob" {
		t.Errorf("stored: %s", got)
	}
}

// A host that gave its name away is still the host that the master means.
func TestAHostThatGaveItsNameAwayIsTheSame(t *testing.T) {
	t.Parallel()
	pool, master := pgtest.Pool(t), newMaster(t)
	client := newClient(t, pool, wire(t, master, afe.Protocol2019), options())
	master.saysResult(result([]string{host(5, "a")}, nil, nil))
	mustBeat(t, client)
	master.saysResult(result([]string{host(6, "a")}, nil, nil, "5"))
	mustBeat(t, client)
	master.saysResult(result([]string{replaced(t, host(5, "a"), `"leased"`, `"invalid": true, "leased"`)}, nil, nil))
	if b := mustBeat(t, client); b.Quarantined != 0 || b.Quarantine.Taken != 0 {
		t.Errorf("set aside: %q", quarantine(t, pool))
	}
}
