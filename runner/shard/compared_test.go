package shard_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgtype"

	"shardclient/gen/sharddb"
	"shardclient/runner/afe"
	"shardclient/runner/objects"
	"shardclient/runner/pgtest"
	"shardclient/runner/rows"
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
		ShardSent: []bool{true, true, true}, ShardIds: []int64{1, 1, 1}, KeyvalCounts: []int64{-1, -1, -1}, Keyvals: []string{"", "", ""},
		EntryJobs: []int64{1, 3}, EntryIds: []int64{10, 11}, AbortedSent: []bool{false, false}, Aborted: []bool{false, false},
		MetaHostSent: []bool{false, false}, MetaHosts: []int64{0, 0},
	})
	slices.Sort(named)
	if named = slices.Compact(named); err != nil || !slices.Equal(named, []int64{1, 2}) {
		t.Errorf("named to be stored: %v, %v, want jobs 1 and 2", named, err)
	}
}

// Keyvals of a job and attributes of a host are the same in whatever order they stand here. What is
// compared is one text, so a value with the separators of that text in it must not pass for others.
func TestPairsAreComparedWhole(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	pgtest.Exec(t, pool, `INSERT INTO afe_jobs (id, owner, name, created_on) VALUES (1, 'o', 'n', '2019-03-15');
		INSERT INTO afe_hosts (id, hostname) VALUES (1, 'h')`)
	type pairs [][2]string
	created := objects.Time{Time: time.Date(2019, 3, 15, 0, 0, 0, 0, time.UTC)}
	ab, ba := pairs{{"a", "1"}, {"b", "2"}}, pairs{{"b", "2"}, {"a", "1"}}
	for _, c := range []struct {
		what       string
		here, sent pairs
		differ     bool
	}{
		{"the same", ab, ab, false},
		{"none", pairs{}, pairs{}, false},
		{"another order", ab, ba, false},
		{"an empty value", pairs{{"a", ""}}, pairs{{"a", ""}}, false},
		{"twice the same, in another order", append(ab, ab[0]), append(pairs{ab[0]}, ab...), false},
		{"letters of many languages, in another order", pairs{{"ß", "ж"}, {"z", "é"}}, pairs{{"z", "é"}, {"ß", "ж"}}, false},
		{"one more here", ab, ab[:1], true},
		{"one more sent", ab[:1], ab, true},
		{"none here", pairs{}, ab, true},
		{"none here, an empty one sent", pairs{}, pairs{{"", ""}}, true},
		{"none sent", ab, pairs{}, true},
		{"another value", ab, pairs{{"a", "1"}, {"b", "3"}}, true},
		{"key and value parted elsewhere", pairs{{"a", "b1"}}, pairs{{"ab", "1"}}, true},
		{"one twice, in place of another", ab, pairs{{"a", "1"}, {"a", "1"}}, true},
		{"one here that looks like two", pairs{{"a", "1\x1eb\x1f2"}}, ab, true},
		{"one here that looks like two, and another", pairs{{"b", "2"}, {"a", "1\x1eb\x1f2"}}, pairs{{"b", "2"}, {"a", "1"}, {"b", "2"}}, true},
		{"one sent that looks like two", ab, pairs{{"a", "1\x1eb\x1f2"}}, true},
		{"as many on both sides, parted elsewhere", pairs{{"a", "1\x1eb\x1f2"}, {"c", "3"}}, pairs{{"a", "1"}, {"b", "2\x1ec\x1f3"}}, true},
		{"a key that ends where a value does", pairs{{"a\x1f1", "2"}}, pairs{{"a", "1\x1f2"}}, true},
	} {
		pgtest.Exec(t, pool, `DELETE FROM afe_job_keyvals; DELETE FROM afe_host_attributes`)
		for _, p := range c.here {
			pgtest.Exec(t, pool, `INSERT INTO afe_job_keyvals (job_id, key, value) VALUES (1, $1, $2)`, p[0], p[1])
			pgtest.Exec(t, pool, `INSERT INTO afe_host_attributes (host_id, attribute, value) VALUES (1, $1, $2)`, p[0], p[1])
		}
		job, host := objects.Job{ID: 1, Owner: "o", Name: "n", CreatedOn: created}, objects.Host{ID: 1, Hostname: "h"}
		job.Keyvals.Sent, host.Attributes.Sent = true, true
		for _, p := range c.sent {
			job.Keyvals.Value = append(job.Keyvals.Value, objects.Keyval{Key: p[0], Value: p[1]})
			host.Attributes.Value = append(host.Attributes.Value, objects.Attribute{Attribute: p[0], Value: p[1]})
		}
		jobs, hosts := rows.NewKnownJobs(1), rows.KnownHosts{}
		jobs.Add(&job, job.Keyvals.Value)
		hosts.Add(&host)
		job.Keyvals.Sent, host.Attributes.Sent = false, false
		jobs.Add(&job, job.Keyvals.Value)
		hosts.Add(&host)
		want := []int64{}
		if c.differ {
			want = append(want, 1)
		}
		if named, err := jobs.Differ(t.Context(), sharddb.New(pool)); err != nil || len(named) != len(want) {
			t.Errorf("%s: of the job as sent, and without keyvals, named %v, %v, want %v", c.what, named, err, want)
		}
		if named, err := hosts.Differ(t.Context(), sharddb.New(pool)); err != nil || len(named) != len(want) {
			t.Errorf("%s: of the host as sent, and without attributes, named %v, %v, want %v", c.what, named, err, want)
		}
	}
}

// A separator in what is sent makes a job and a host look changed in each beat. No row is written
// for that, and what does change is.
func TestP3PairsWithSeparatorsAreWrittenOnce(t *testing.T) {
	t.Parallel()
	pool, master := pgtest.Pool(t), newMaster(t)
	client := newClient(t, pool, wire(t, master, afe.Protocol2019), options())
	beat := func(value string) map[string]int {
		t.Helper()
		attributes := `"hostattribute_set": [{"attribute": "a", "value": "` + value + `"}]`
		h := strings.Replace(host(1, "h1"), `"hostattribute_set": []`, attributes, 1)
		master.saysResult(result([]string{h}, []string{job7(`[{"id": 1, "job_id": 7, "key": "a", "value": "` + value + `"}]`)}, nil))
		mustBeat(t, client)
		return rowVersions(t, pool)
	}
	before := beat(`1\u001eb\u001f2`)
	if diff := cmp.Diff(before, beat(`1\u001eb\u001f2`)); diff != "" {
		t.Errorf("rows written by a repeated beat (-before +after):\n%s", diff)
	}
	beat(`1\u001eb\u001f3`)
	const values = `SELECT array_to_string(array(SELECT value FROM afe_job_keyvals UNION ALL SELECT value FROM afe_host_attributes), ' ')`
	if got, want := pgtest.Query[string](t, pool, values), "1\x1eb\x1f3 1\x1eb\x1f3"; got != want {
		t.Errorf("the keyval and the attribute are %q, want %q", got, want)
	}
}
