package shard_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"shardclient/runner/afe"
	"shardclient/runner/beat"
	"shardclient/runner/pgtest"
)

// A master on MariaDB knows the shard under any case, and each master by its id. It is served as it
// calls the shard.
func TestTheMasterSpellsTheShardOtherwise(t *testing.T) {
	t.Parallel()
	for _, names := range [][2]string{
		{"SHARD1.Example", "shard1.example"}, {"shard1.example", "Shard1.EXAMPLE"}, {"shard1.example.", "shard1.example"},
		{"shard1.example", "shard1.example."}, {"7", "shard1.example"}, {"shard1", "shard1 "},
	} {
		ours, theirs := names[0], names[1]
		t.Run(ours+" "+theirs, func(t *testing.T) {
			t.Parallel()
			pool, master := pgtest.Pool(t), newMaster(t)
			o := options()
			o.ShardHostname = ours
			client := newClient(t, pool, wire(t, master, afe.Protocol2019), o)
			finish(t, pool, 1, "x")
			pgtest.Exec(t, pool, "DELETE FROM afe_shards")
			ofShard := replaced(t, host(1, "h1"), fmt.Sprintf(`{"id": 1, "hostname": %q}`, ourShard),
				fmt.Sprintf(`{"id": 7, "hostname": %q}`, theirs))
			master.saysResult(result([]string{ofShard}, nil, nil))
			mustBeat(t, client) // brings the shard's row
			if b := mustBeat(t, client); b.UploadedJobs != 1 || pgtest.Query[int](t, pool, "SELECT shard_id FROM afe_jobs") != 7 {
				t.Errorf("acknowledged %d jobs", b.UploadedJobs)
			}
		})
	}
}

// Of two shards whose names differ in case only, as a master that minds it may have, neither is
// taken for ours unless it is spelt as ours.
func TestShardsThatDifferInCaseOnly(t *testing.T) {
	t.Parallel()
	for ours, want := range map[string]int{"shard1.example": 1, "SHARD1.example": 0, "SHARD1.EXAMPLE": 1} {
		pool, master := pgtest.Pool(t), newMaster(t)
		o := options()
		o.ShardHostname = ours
		client := newClient(t, pool, wire(t, master, afe.Protocol2019), o)
		finish(t, pool, 1, "x")
		pgtest.Exec(t, pool, "INSERT INTO afe_shards (id, hostname) VALUES (2, 'SHARD1.EXAMPLE')")
		master.saysResult(result(nil, nil, nil))
		b := client.Beat(t.Context(), time.Now())
		if b.UploadedJobs != want || b.OK() != (want == 1) {
			t.Errorf("%s: acknowledged %d jobs, %s %s", ours, b.UploadedJobs, b.Failure, b.Error)
		}
	}
}

// An upload that the master answers and that is to be repeated all the same is not ok at the third
// time, whatever undoes it; all else in the beat is done. A job that changes is no repetition.
func TestP11UploadWithoutProgress(t *testing.T) {
	t.Parallel()
	for name, again := range map[string]struct {
		sql, response string
		want          int // repeated jobs of the third beat
	}{
		"somebody sets NULL":    {"UPDATE afe_jobs SET shard_id = NULL WHERE id = 1", result(nil, nil, nil), 1},
		"the master forgets":    {"SELECT 1", result(nil, []string{job(1, entry(11), entry(12))}, nil), 1},
		"the job changes, too":  {"UPDATE afe_jobs SET shard_id = NULL, priority = priority + 1", result(nil, nil, nil), 0},
		"a large job, in turns": {"UPDATE afe_jobs SET shard_id = NULL WHERE id < 3", result(nil, nil, nil), 1},
		"two jobs of a backlog": {"UPDATE afe_jobs SET shard_id = NULL WHERE id < 3", result(nil, nil, nil), 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool, master := pgtest.Pool(t), newMaster(t)
			o := options()
			size, beats := 10, 3
			if strings.HasPrefix(name, "a large job") {
				o.MaxUploadBytes, size, beats = 4000, 5000, 5
			}
			client := newClient(t, pool, wire(t, master, afe.Protocol2019), o)
			finish(t, pool, 1, strings.Repeat("x", size))
			finish(t, pool, 2, "x")
			pgtest.Exec(t, pool, "UPDATE afe_jobs SET owner = 'alice', name = 'job' || id, created_on = '2019-03-15 10:20:31.123'")
			master.saysResult(again.response)
			var b beat.Report
			for i := range beats {
				if b = client.Beat(t.Context(), time.Now()); i < 2 && !b.OK() {
					t.Fatalf("beat %d: %s %s", i, b.Failure, b.Error)
				}
				pgtest.Exec(t, pool, again.sql)
			}
			if b.Repeated != again.want || b.OK() != (again.want == 0) {
				t.Errorf("%d jobs repeated, want %d: %s %s", b.Repeated, again.want, b.Failure, b.Error)
			}
			if again.want > 0 && (b.Failure != beat.FailureNoProgress || !strings.Contains(b.Error, "the first is job ") || b.UploadedJobs == 0) {
				t.Errorf("acknowledged %d jobs; %s: %s", b.UploadedJobs, b.Failure, b.Error)
			}
		})
	}
}
