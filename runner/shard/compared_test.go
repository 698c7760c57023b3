package shard_test

import (
	"slices"
	"testing"

	"github.com/jackc/pgx/v5/pgtype"

	"shardclient/gen/sharddb"
	"shardclient/runner/pgtest"
)

// Job 2 waits for its upload, because its entry is complete and its shard_id set. It is named even
// if the master now sends that entry as one of job 1, which differs for that.
func TestAnEntrySentAsAnothersIsComparedForBoth(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	pgtest.Exec(t, pool, `INSERT INTO afe_shards (id, hostname) VALUES (1, 'shard1.example');
		INSERT INTO afe_jobs (id, owner, name, created_on, shard_id) SELECT n, 'o', 'n', '2019-03-15', 1 FROM generate_series(1, 3) AS n;
		INSERT INTO afe_host_queue_entries (id, job_id, status, complete) VALUES (10, 2, 'Completed', true), (11, 3, 'Queued', false)`)
	at := pgtest.Query[pgtype.Timestamp](t, pool, "SELECT timestamp '2019-03-15'")
	named, err := sharddb.New(pool).JobsToStore(t.Context(), sharddb.JobsToStoreParams{
		Ids: []int64{1, 2, 3}, Owners: []string{"o", "o", "o"}, Names: []string{"n", "n", "n"}, CreatedOn: []pgtype.Timestamp{at, at, at},
		ShardSent: []bool{true, true, true}, ShardIds: []int64{1, 1, 1}, KeyvalsSent: []bool{false, false, false}, Keyvals: []string{"", "", ""},
		EntryJobs: []int64{1, 3}, EntryIds: []int64{10, 11}, AbortedSent: []bool{false, false}, Aborted: []bool{false, false},
		MetaHostSent: []bool{false, false}, MetaHosts: []int64{0, 0},
	})
	slices.Sort(named)
	if named = slices.Compact(named); err != nil || !slices.Equal(named, []int64{1, 2}) {
		t.Errorf("named to be stored: %v, %v, want jobs 1 and 2", named, err)
	}
}
