package admin_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"shardclient/runner/master/admin"
	"shardclient/runner/pgtest"
)

// An aborted job is sent again until the shard uploads its end.
func TestAbortJobs(t *testing.T) {
	l := twoShards(t)
	ctx := t.Context()
	job := admin.NewJob{Name: "j", Owner: "o", Dependencies: []string{"board:a"}, MetaHosts: []string{"board:a", "board:a"}}
	id := got(l.CreateJobs(ctx, job)).ok(l)[0]
	l.want("shard one", "hosts a1 a2; jobs j", l.hears("one", ""))
	known := l.knows("a1", "a2") + fmt.Sprintf(`, "known_job_ids": [%d]`, id)
	l.want("known", "", l.hears("one", known))

	l.want("aborted", []admin.AbortedJob{{ID: id, Entries: 2}}, got(l.AbortJobs(ctx, "bob", id)).ok(l))
	l.want("blamed", "bob 2 t", pgtest.Query[string](l.T, l.pool, `SELECT concat_ws(' ', min(u.login), count(*), min(a.aborted_on) > now() AT TIME ZONE 'UTC' - interval '1 hour')
		FROM afe_aborted_host_queue_entries AS a JOIN afe_users AS u ON u.id = a.aborted_by_id`))
	for range 2 {
		r, err := l.beat(ctx, "one", known)
		if err != nil || len(r.Jobs) != 1 || !r.Jobs[0].Entries[0].Aborted || !r.Jobs[0].Entries[1].Aborted {
			t.Fatalf("after the abort: %+v, %v; want the job with both entries aborted", r, err)
		}
	}
	l.want("aborted again", []admin.AbortedJob{{ID: id}}, got(l.AbortJobs(ctx, "amy", id)).ok(l))

	entries := pgtest.Query[string](l.T, l.pool, `SELECT string_agg('{"id": ' || id || ', "status": "Aborted", "complete": true, "aborted": true}', ', ') FROM afe_host_queue_entries`)
	l.want("upload", "", l.hears("one", l.knows("a1", "a2")+fmt.Sprintf(`, "jobs": [{"id": %d}], "hqes": [%s]`, id, entries)))
	l.want("after the end", "", l.hears("one", l.knows("a1", "a2")))
	l.want("entries", map[string]int{"Aborted": 2}, got(l.Jobs(ctx, admin.JobFilter{})).ok(l)[0].Entries)
}

// An abort of a suite reaches its jobs, and theirs; what is complete stays.
func TestAbortJobsReachesChildren(t *testing.T) {
	l := twoShards(t)
	ctx := t.Context()
	child := admin.NewJob{Name: "c", Owner: "o", MetaHosts: []string{"board:a"}}
	suite := got(l.CreateSuite(ctx, admin.NewSuite{Parent: admin.NewJob{Name: "s", Owner: "o"}, Children: []admin.NewJob{child, child}})).ok(l)
	child.ParentID = suite.ChildIDs[1]
	grandchild := got(l.CreateJobs(ctx, child, admin.NewJob{Name: "other", Owner: "o", Hostless: true})).ok(l)
	pgtest.Exec(l.T, l.pool, "UPDATE afe_host_queue_entries SET status = 'Completed', complete = true WHERE job_id = ANY ($1)", []int64{suite.ParentID, suite.ChildIDs[0]})

	l.want("aborted", []admin.AbortedJob{
		{ID: suite.ParentID}, {ID: suite.ChildIDs[0]}, {ID: suite.ChildIDs[1], Entries: 1}, {ID: grandchild[0], Entries: 1},
	}, got(l.AbortJobs(ctx, "bob", suite.ParentID, suite.ChildIDs[1])).ok(l))
	l.want("jobs with aborted entries", []int64{suite.ChildIDs[1], grandchild[0]},
		pgtest.Query[[]int64](l.T, l.pool, "SELECT array_agg(job_id ORDER BY job_id) FROM afe_host_queue_entries WHERE aborted"))
}

func TestAbortJobsRefuses(t *testing.T) {
	l := twoShards(t)
	id := got(l.CreateJobs(t.Context(), admin.NewJob{Name: "j", Owner: "o", Hostless: true})).ok(l)[0]
	before := l.everything()
	for _, c := range []struct {
		by   string
		ids  []int64
		want string
	}{
		{"bob", []int64{id, 77, 78}, "no such job: 77, 78"},
		{"bob", nil, "job: none is named"},
		{"", []int64{id}, "user: its name is empty"},
	} {
		if _, err := l.AbortJobs(t.Context(), c.by, c.ids...); err == nil || err.Error() != "abort jobs: "+c.want {
			t.Errorf("%+v: %v", c, err)
		}
	}
	l.want("database", before, l.everything())
}

// An upload that completes the entry while it is being aborted wins: a completed entry has no mark.
func TestAbortJobsWaitsForAnUpload(t *testing.T) {
	l := twoShards(t)
	id := got(l.CreateJobs(t.Context(), admin.NewJob{Name: "j", Owner: "o", MetaHosts: []string{"board:a"}})).ok(l)[0]
	aborted, err := behind(l, func(ctx context.Context) ([]admin.AbortedJob, error) {
		return l.AbortJobs(ctx, "bob", id)
	}, "UPDATE afe_host_queue_entries SET status = 'Completed', complete = true")
	if err != nil || aborted[0].Entries != 0 {
		t.Errorf("%+v, %v; want nothing aborted", aborted, err)
	}
	l.want("marks", 0, pgtest.Query[int](l.T, l.pool, `SELECT (SELECT count(*) FROM afe_host_queue_entries WHERE aborted)
		+ (SELECT count(*) FROM afe_aborted_host_queue_entries)`))
}

// A shard that had not heard of the abort uploads an entry without the mark; the next abort is
// possible, and counts.
func TestAbortJobsAfterAnUploadTookTheMark(t *testing.T) {
	l := twoShards(t)
	ctx := t.Context()
	id := got(l.CreateJobs(ctx, admin.NewJob{Name: "j", Owner: "o", MetaHosts: []string{"board:a"}})).ok(l)[0]
	got(l.AbortJobs(ctx, "bob", id)).ok(l)
	pgtest.Exec(l.T, l.pool, "UPDATE afe_host_queue_entries SET status = 'Running', active = true, aborted = false")
	l.want("aborted", []admin.AbortedJob{{ID: id, Entries: 1}}, got(l.AbortJobs(ctx, "amy", id)).ok(l))
	l.want("blamed", "amy", pgtest.Query[string](l.T, l.pool, "SELECT u.login FROM afe_aborted_host_queue_entries AS a JOIN afe_users AS u ON u.id = a.aborted_by_id"))
}

func TestCheckKnowsTheDatabaseOfAShard(t *testing.T) {
	l := newLab(t)
	if err := l.Check(t.Context()); err != nil {
		t.Errorf("fresh database: %v", err)
	}
	pgtest.Exec(l.T, l.pool, "INSERT INTO shard_client_owner (epoch) VALUES (0) ON CONFLICT DO NOTHING")
	pgtest.Exec(l.T, l.pool, "UPDATE shard_client_owner SET epoch = 1")
	if err := l.Check(t.Context()); !errors.Is(err, admin.ErrShardDatabase) {
		t.Errorf("database of a shard: %v, want ErrShardDatabase", err)
	}
}
