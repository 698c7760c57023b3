package shard_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/runner/afe"
	"shardclient/runner/beat"
	"shardclient/runner/pgtest"
)

// sent is what a request said.
type sent struct {
	Known []int64 `json:"known_job_ids"`
	Jobs  []struct {
		ID int64 `json:"id"`
	} `json:"jobs"`
	Entries []struct {
		ID       int64 `json:"id"`
		Complete bool  `json:"complete"`
	} `json:"hqes"`
}

// complete returns the entries that the request said are complete.
func (s sent) complete() []int64 {
	var ids []int64
	for _, e := range s.Entries {
		if e.Complete {
			ids = append(ids, e.ID)
		}
	}
	return ids
}

func (s sent) jobs() []int64 {
	var ids []int64
	for _, j := range s.Jobs {
		ids = append(ids, j.ID)
	}
	return ids
}

func lastSent(t *testing.T, m *scriptedMaster) sent {
	t.Helper()
	var request struct{ Params []sent }
	if err := json.Unmarshal(m.last(t), &request); err != nil || len(request.Params) != 1 {
		t.Fatalf("request: %v", err)
	}
	return request.Params[0]
}

// finish puts a finished job with two entries and some text into the database.
func finish(t *testing.T, pool *pgxpool.Pool, id int, text string) {
	t.Helper()
	pgtest.Exec(t, pool, "INSERT INTO afe_shards (id, hostname) VALUES (1, $1) ON CONFLICT DO NOTHING", ourShard)
	pgtest.Exec(t, pool, "INSERT INTO afe_jobs (id, created_on, control_file) VALUES ($1, '2019-03-15', $2)", id, text)
	pgtest.Exec(t, pool, `INSERT INTO afe_host_queue_entries (id, job_id, status, complete)
		SELECT $1::bigint * 10 + n, $1::bigint, 'Completed', true FROM generate_series(1, 2) AS n`, id)
}

// A backlog goes up in batches, each with exactly the entries of its jobs; what waits is known, so
// that the master does not send it again (docs/promises.md, "growing uploads").
func TestUploadIsBoundedByJobs(t *testing.T) {
	t.Parallel()
	pool, master := pgtest.Pool(t), newMaster(t)
	o := options()
	o.MaxUploadJobs = 2
	client := newClient(t, pool, wire(t, master, afe.Protocol2019), o)
	for id := 1; id <= 5; id++ {
		finish(t, pool, id, "x")
	}
	master.saysResult(result(nil, nil, nil))
	for _, want := range []struct{ jobs, known []int64 }{
		{[]int64{1, 2}, []int64{3, 4, 5}}, {[]int64{3, 4}, []int64{5}}, {[]int64{5}, nil}, {nil, nil},
	} {
		b := mustBeat(t, client)
		s := lastSent(t, master)
		if !slices.Equal(s.jobs(), want.jobs) || !slices.Equal(s.Known, want.known) || len(s.Entries) != 2*len(want.jobs) {
			t.Errorf("sent jobs %v with %d entries, knew %v; want %v with %d, %v",
				s.jobs(), len(s.Entries), s.Known, want.jobs, 2*len(want.jobs), want.known)
		}
		if b.Soon != (len(want.known) > 0) || b.UploadedJobs != len(want.jobs) {
			t.Errorf("beat says more %v, uploaded %d", b.Soon, b.UploadedJobs)
		}
	}
}

// The body stays within its limit. A job that is larger goes alone, in turns with the others, and
// one that the master never takes blocks nobody.
func TestUploadIsBoundedByBytes(t *testing.T) {
	t.Parallel()
	pool, master := pgtest.Pool(t), newMaster(t)
	o := options()
	o.MaxUploadBytes = 4000
	client := newClient(t, pool, wire(t, master, afe.Protocol2019), o)
	finish(t, pool, 1, strings.Repeat("x", 50000))
	finish(t, pool, 2, strings.Repeat("\x01", 1500)) // 1,500 bytes of text, 9,000 in JSON
	for id := 3; id <= 8; id++ {
		finish(t, pool, id, strings.Repeat("y", 300))
	}
	master.say(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if len(master.last(t)) > 40000 {
			w.WriteHeader(http.StatusRequestEntityTooLarge)
			return
		}
		_, _ = fmt.Fprintf(w, `{"result": %s, "error": null}`, result(nil, nil, nil))
	}))
	uploaded := map[int64]int{}
	for range 8 {
		b := client.Beat(t.Context(), time.Now())
		s := lastSent(t, master)
		if size := len(master.last(t)); size > 4000 && len(s.Jobs) != 1 {
			t.Errorf("a body of %d bytes holds the jobs %v", size, s.jobs())
		}
		for _, id := range s.jobs() {
			if b.OK() {
				uploaded[id]++
			}
		}
	}
	for id := int64(2); id <= 8; id++ {
		if uploaded[id] != 1 {
			t.Errorf("job %d was uploaded %d times in 8 beats, want once", id, uploaded[id])
		}
	}
	if uploaded[1] != 0 {
		t.Error("the master took what it refuses")
	}
}

// The ids of the jobs that wait are in the body, too.
func TestWhatWaitsTakesRoom(t *testing.T) {
	t.Parallel()
	pool, master := pgtest.Pool(t), newMaster(t)
	o := options()
	o.MaxUploadBytes = 4000
	client := newClient(t, pool, wire(t, master, afe.Protocol2019), o)
	pgtest.Exec(t, pool, "INSERT INTO afe_shards (id, hostname) VALUES (1, $1)", ourShard)
	pgtest.Exec(t, pool, "INSERT INTO afe_jobs (id, created_on) SELECT n, now() FROM generate_series(3000000001, 3000000200) AS n")
	pgtest.Exec(t, pool, `INSERT INTO afe_host_queue_entries (id, job_id, status, complete)
		SELECT n, n, 'Completed', true FROM generate_series(3000000001, 3000000200) AS n`)
	master.saysResult(result(nil, nil, nil))
	mustBeat(t, client)
	if size, jobs := len(master.last(t)), len(lastSent(t, master).Jobs); size > 4000 || jobs < 2 {
		t.Errorf("a body of %d bytes with %d jobs, want at most 4000 with several", size, jobs)
	}
}

// A job larger than the limit has its turn also while others never end.
func TestALargeJobHasItsTurn(t *testing.T) {
	t.Parallel()
	pool, master := pgtest.Pool(t), newMaster(t)
	o := options()
	o.MaxUploadBytes = 4000
	client := newClient(t, pool, wire(t, master, afe.Protocol2019), o)
	finish(t, pool, 1, strings.Repeat("x", 5000))
	finish(t, pool, 2, strings.Repeat("x", 5000))
	master.saysResult(result(nil, nil, nil))
	var alone []int64
	for id := 10; id < 16; id++ {
		finish(t, pool, id, "small")
		mustBeat(t, client)
		if jobs := lastSent(t, master).jobs(); jobs[0] < 10 {
			alone = append(alone, jobs...)
		}
	}
	if !slices.Equal(alone, []int64{1, 2}) {
		t.Errorf("large jobs sent in six beats: %v, want 1 and 2", alone)
	}
}

// Nothing is uploaded again from a database of another client whose finished jobs have a shard_id.
func TestInheritedDatabase(t *testing.T) {
	t.Parallel()
	pool, master := pgtest.Pool(t), newMaster(t)
	client := newClient(t, pool, wire(t, master, afe.Protocol2019), options())
	if _, err := pool.Exec(t.Context(), strings.ReplaceAll(finishedJobs, "100000", "1000"), simple); err != nil {
		t.Fatal(err)
	}
	master.saysResult(result(nil, nil, nil))
	b := mustBeat(t, client)
	if b.UploadedJobs != 0 || b.KnownJobs != 50 || b.KnownHosts != 100 {
		t.Errorf("uploaded %d, knows %d jobs and %d hosts; want 0, 50, 100", b.UploadedJobs, b.KnownJobs, b.KnownHosts)
	}
}

// In such a database, a job with some entries open is uploaded once more, and watched: a completion
// without a NULL is seen.
func TestInheritedJobInTheMiddle(t *testing.T) {
	t.Parallel()
	pool, master := pgtest.Pool(t), newMaster(t)
	client := newClient(t, pool, wire(t, master, afe.Protocol2019), options())
	finish(t, pool, 1, "x")
	pgtest.Exec(t, pool, "UPDATE afe_jobs SET shard_id = 1")
	pgtest.Exec(t, pool, "UPDATE afe_host_queue_entries SET complete = false WHERE id = 12")
	master.saysResult(result(nil, nil, nil))
	for _, want := range []int{1, 0} {
		if b := mustBeat(t, client); b.UploadedJobs != want {
			t.Errorf("uploaded %d jobs in the middle of their entries, want %d", b.UploadedJobs, want)
		}
	}
	pgtest.Exec(t, pool, "UPDATE afe_host_queue_entries SET complete = true WHERE id = 12")
	if b := mustBeat(t, client); b.UploadedJobs != 1 {
		t.Errorf("uploaded %d jobs after the completion, want 1", b.UploadedJobs)
	}
	if b := mustBeat(t, client); b.UploadedJobs != 0 {
		t.Errorf("uploaded %d jobs again", b.UploadedJobs)
	}
}

// Before this shard's own row has come from the master, there is no id to acknowledge with. The
// beat says so (P11).
func TestP11NothingIsAcknowledgedWithoutAnOwnShard(t *testing.T) {
	t.Parallel()
	pool, master := pgtest.Pool(t), newMaster(t)
	client := newClient(t, pool, wire(t, master, afe.Protocol2019), options())
	client.SetMaxUploadJobs(1)
	finish(t, pool, 1, "x")
	finish(t, pool, 2, "x") // waits: without progress there is no hurry
	pgtest.Exec(t, pool, "UPDATE afe_shards SET hostname = 'another'")
	master.saysResult(result(nil, nil, nil))
	for range 2 {
		b := client.Beat(t.Context(), time.Now())
		if b.UploadedJobs != 0 || b.Soon || len(lastSent(t, master).Jobs) != 1 {
			t.Errorf("acknowledged %d jobs, sent %v", b.UploadedJobs, lastSent(t, master).jobs())
		}
		if b.Failure != beat.FailureNoProgress || b.Repeated != 1 ||
			!strings.Contains(b.Error, `"shard1.example"`) || !strings.Contains(b.Error, `["another"]`) {
			t.Errorf("%s %s, %d repeated: %s", b.Outcome, b.Failure, b.Repeated, b.Error)
		}
	}
	// The shard was removed from the master and added again: its id is another.
	pgtest.Exec(t, pool, "INSERT INTO afe_shards (id, hostname) VALUES (77, $1)", ourShard)
	if b := mustBeat(t, client); b.UploadedJobs != 1 || pgtest.Query[int64](t, pool, "SELECT shard_id FROM afe_jobs WHERE id = 1") != 77 {
		t.Errorf("acknowledged %d jobs", b.UploadedJobs)
	}
}

// A string outside ASCII would make the original master answer 500 to the whole request: the field
// is left out.
func TestNonASCIIStringsAreLeftOut(t *testing.T) {
	t.Parallel()
	pool, master := pgtest.Pool(t), newMaster(t)
	client := newClient(t, pool, wire(t, master, afe.Protocol2019), options())
	finish(t, pool, 1, "naïve")
	pgtest.Exec(t, pool, "UPDATE afe_jobs SET name = 'né'")
	pgtest.Exec(t, pool, "UPDATE afe_host_queue_entries SET status = 'Fertig ✓', execution_subdir = 'ü' WHERE id = 11")
	pgtest.Exec(t, pool, "INSERT INTO afe_hosts (id, hostname, status) VALUES (1, 'h1', 'Ready'), (2, 'h2', 'kaputt – ja')")
	master.saysResult(result(nil, nil, nil))
	mustBeat(t, client)
	body := string(master.last(t))
	for _, c := range body {
		if c >= 0x80 {
			t.Fatalf("the request holds %q: %s", c, body)
		}
	}
	for _, unwanted := range []string{`"control_file"`, `"name"`, `\u`} {
		if strings.Contains(body, unwanted) {
			t.Errorf("the request holds %s: %s", unwanted, body)
		}
	}
	if !strings.Contains(body, `"owner":""`) || !strings.Contains(body, `"known_host_ids":[1]`) ||
		strings.Count(body, `"status"`) != 1 {
		t.Errorf("the request lacks a field that is ASCII: %s", body)
	}
}
