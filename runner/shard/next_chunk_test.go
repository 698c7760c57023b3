package shard_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"shardclient/runner/afe"
	"shardclient/runner/pgtest"
)

// An answer that names a job here contradicts itself when it gives an entry of that job to another
// one, also if what it says about the job here cannot be used: nothing is noted against the job
// here, which would keep its result from being uploaded.
func TestAJobHereThatComesInTheNextChunkAndIsSetAside(t *testing.T) {
	want := []string{"in job 20 entry_taken", "in job 9 duplicate_id"}
	for _, chunk := range []int{500, 1} {
		pool, master := pgtest.Pool(t), newMaster(t)
		o := options()
		o.ApplyChunk = chunk
		client := newClient(t, pool, wire(t, master, afe.Protocol2019), o)
		pgtest.Exec(t, pool, knownJob9, simple)
		jobs := append(jobsThatDepend(t, 7, 5, "early"), job(20, entry(1009)))                                   // two chunks of four
		jobs = append(jobs, depends(t, job(9, entry(1009, `"aborted": true`)), 5, "late"), job(10, entry(1010))) // the third one
		master.saysResult(result([]string{host(1, "h1")}, jobs, nil))
		mustBeat(t, client)
		got := codesAside(t, pool)
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("in chunks of %d: set aside (-want +got):\n%s", chunk, diff)
		}
		// The job that is here ends.
		pgtest.Exec(t, pool, "UPDATE afe_host_queue_entries SET complete = true, status = 'Completed' WHERE job_id = 9")
		pgtest.Exec(t, pool, "UPDATE afe_jobs SET shard_id = NULL WHERE id = 9")
		if b := mustBeat(t, client); b.UploadedJobs != 1 {
			t.Errorf("in chunks of %d: %d jobs are uploaded, want 1", chunk, b.UploadedJobs)
		}
	}
}

// The quarantine counts how often an object came, and since when, although another one with its id
// is good and was stored in the chunk before.
func TestTheQuarantineCountsADuplicate(t *testing.T) {
	for _, chunk := range []int{500, 1} {
		pool, master := pgtest.Pool(t), newMaster(t)
		o := options()
		o.ApplyChunk = chunk
		client := newClient(t, pool, wire(t, master, afe.Protocol2019), o)
		jobs := append(goodJobs(4), job(1, entry(2000)), job(10, entry(1010)))
		master.saysResult(result([]string{host(1, "h1")}, jobs, nil))
		for range 3 {
			mustBeat(t, client)
		}
		if n := pgtest.Query[int64](t, pool, "SELECT occurrences FROM shard_client_quarantine"); n != 3 {
			t.Errorf("in chunks of %d: it came %d times, want 3", chunk, n)
		}
	}
}
