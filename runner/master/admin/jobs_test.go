package admin_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"

	"shardclient/runner/master/admin"
	"shardclient/runner/pgtest"
)

// What a heartbeat brings is the job as it was given.
func TestCreateJobs(t *testing.T) {
	l := twoShards(t)
	ctx := t.Context()
	ids := got(l.CreateJobs(ctx,
		admin.NewJob{
			Name: "full", Owner: "amy", Priority: 20, SynchCount: 2, ControlFile: "run()", ClientSide: true,
			Dependencies: []string{"board:a", "pool:x", "board:a"}, MetaHosts: []string{"board:a", "board:a"}, Hosts: []string{"a2"},
			Keyvals: map[string]string{"build": "R1", "a": "x=y"},
		},
		admin.NewJob{Name: "plain", Owner: "amy", Hosts: []string{"b1"}},
		admin.NewJob{Name: "hostless", Owner: "shard-client", Hostless: true},
	)).ok(l)
	l.want("order", "full plain hostless", pgtest.Query[string](l.T, l.pool, "SELECT string_agg(name, ' ' ORDER BY array_position($1::bigint[], id)) FROM afe_jobs", ids))
	l.want("columns", "full amy 20 2 2 run() / plain amy 40 1 1 / hostless shard-client 40 1 1", pgtest.Query[string](l.T, l.pool, `SELECT
		string_agg(concat_ws(' ', name, owner, priority, control_type, synch_count, control_file), ' / ' ORDER BY id) FROM afe_jobs`))
	l.want("entries", "board:a -, board:a -, - a2, - b1, - -", pgtest.Query[string](l.T, l.pool, `SELECT string_agg(concat_ws(' ', coalesce(l.name, '-'),
		coalesce(h.hostname, '-')), ', ' ORDER BY e.id) FROM afe_host_queue_entries AS e LEFT JOIN afe_labels AS l ON l.id = e.meta_host
		LEFT JOIN afe_hosts AS h ON h.id = e.host_id WHERE e.status = 'Queued' AND NOT e.active AND NOT e.complete AND NOT e.aborted`))
	l.want("owner in", "Everyone", pgtest.Query[string](l.T, l.pool, `SELECT g.name FROM afe_users AS u JOIN afe_acl_groups_users AS gu ON gu.user_id = u.id
		JOIN afe_acl_groups AS g ON g.id = gu.aclgroup_id WHERE u.login = 'amy'`))
	if at := got(l.Jobs(ctx, admin.JobFilter{})).ok(l)[0].CreatedOn; time.Since(at).Abs() > time.Hour || at.Nanosecond()%1e6 != 0 {
		t.Errorf("created on %v, want now in UTC, in milliseconds", at)
	}

	r, err := l.beat(ctx, "one", "")
	if err != nil || len(r.Jobs) != 1 {
		t.Fatalf("heartbeat: %+v, %v", r, err)
	}
	job := r.Jobs[0]
	if job.ID != ids[0] || job.ControlFile != "run()" || len(job.Dependencies) != 2 || len(job.Entries) != 3 {
		t.Errorf("job sent: %+v", job)
	}
	l.want("keyvals", []keyval{{ids[0], "a", "x=y"}, {ids[0], "build", "R1"}}, job.Keyvals)
	l.want("shard two", "hosts b1; jobs plain", l.hears("two", ""))
}

func TestCreateJobsRefuses(t *testing.T) {
	l := twoShards(t)
	good := admin.NewJob{Name: "good", Owner: "new", Hosts: []string{"a1"}}
	before := l.everything()
	for _, c := range []struct {
		edit func(*admin.NewJob)
		want string
	}{
		{func(j *admin.NewJob) { j.Name = "" }, "job: it needs a name"},
		{func(j *admin.NewJob) { j.Owner = "" }, "job good: it needs an owner"},
		{func(j *admin.NewJob) { j.Priority = -1 }, "job good: its priority is out of range"},
		{func(j *admin.NewJob) { j.Priority = 1 << 40 }, "job good: its priority is out of range"},
		{func(j *admin.NewJob) { j.Hosts = nil }, "job good: it needs a host or a meta host, or to be hostless"},
		{func(j *admin.NewJob) { j.Hostless = true }, "job good: it is hostless, and names hosts or meta hosts"},
		{func(j *admin.NewJob) { j.Hosts, j.Hostless, j.ClientSide = nil, true, true }, "job good: it is hostless, so there is no host on which its control file could run"},
		{func(j *admin.NewJob) { j.SynchCount = 2 }, "job good: its synch count is 2, and it has 1 entries"},
		{func(j *admin.NewJob) { j.Hosts = []string{"a1", "a1"} }, "job good: host a1 is named twice"},
		{func(j *admin.NewJob) { j.Hosts = []string{"a1", "nope"} }, "no such host: nope"},
		{func(j *admin.NewJob) { j.MetaHosts = []string{"nope"} }, "no such label: nope; add it first"},
		{func(j *admin.NewJob) { j.Dependencies = []string{"nope"} }, "no such label: nope; add it first"},
		{func(j *admin.NewJob) { j.ParentID = 77 }, "no such job: 77"},
		{func(j *admin.NewJob) { j.Hosts = []string{"a1", "b1"} }, "job good would belong to two shards, one and two"},
		{func(j *admin.NewJob) { j.Dependencies = []string{"board:b"} }, "job good would belong to two shards, one and two"},
		{func(j *admin.NewJob) { j.MetaHosts = []string{"board:b"} }, "job good would belong to two shards, one and two"},
	} {
		bad := good
		c.edit(&bad)
		_, err := l.CreateJobs(t.Context(), good, bad)
		if err == nil || err.Error() != "create jobs: "+c.want {
			t.Errorf("%+v: %v, want %s", bad, err, c.want)
		}
	}
	if _, err := l.CreateJobs(t.Context()); err == nil {
		t.Error("no job: no error")
	}
	l.want("database", before, l.everything())
}

// The parent stays on the master; its keyvals travel with the children, and these name it.
func TestCreateSuite(t *testing.T) {
	l := twoShards(t)
	ctx := t.Context()
	var children []admin.NewJob
	for i := range 3 {
		children = append(children, admin.NewJob{
			Name: fmt.Sprintf("bvt/%d", i), Owner: "amy", Dependencies: []string{"board:a"}, MetaHosts: []string{"board:a"},
			Keyvals: map[string]string{"n": strconv.Itoa(i), admin.ParentKeyval: "not this"},
		})
	}
	suite := got(l.CreateSuite(ctx, admin.NewSuite{
		Parent:   admin.NewJob{Name: "bvt", Owner: "amy", Keyvals: map[string]string{"build": "R1"}},
		Children: children,
	})).ok(l)
	l.want("shard one", "hosts a1 a2; jobs bvt/0 bvt/1 bvt/2", l.hears("one", ""))
	r, err := l.beat(ctx, "one", "")
	if err != nil {
		t.Fatal(err)
	}
	l.want("suite keyvals", []keyval{{suite.ParentID, "build", "R1"}}, r.SuiteKeyvals)
	for i, job := range r.Jobs {
		l.want("id", suite.ChildIDs[i], job.ID)
		l.want("keyvals", []keyval{{job.ID, "n", strconv.Itoa(i)}, {job.ID, "parent_job_id", strconv.FormatInt(suite.ParentID, 10)}}, job.Keyvals)
	}
	l.want("children given", "not this", children[0].Keyvals[admin.ParentKeyval])
	jobs := got(l.Jobs(ctx, admin.JobFilter{})).ok(l)
	l.want("parent", admin.Job{
		ID: suite.ParentID, Name: "bvt", Owner: "amy", Priority: 40, CreatedOn: jobs[3].CreatedOn, Entries: map[string]int{"Queued": 1},
	}, jobs[3])
	l.want("parent of a child", suite.ParentID, jobs[0].ParentID)

	retry := got(l.CreateJobs(ctx, admin.NewJob{Name: "retry", Owner: "amy", MetaHosts: []string{"board:a"}, ParentID: suite.ParentID})).ok(l)
	l.want("retry's keyval", strconv.FormatInt(suite.ParentID, 10), pgtest.Query[string](l.T, l.pool, "SELECT value FROM afe_job_keyvals WHERE job_id = $1 AND key = 'parent_job_id'", retry[0]))

	empty := got(l.CreateSuite(ctx, admin.NewSuite{Parent: admin.NewJob{Name: "empty", Owner: "amy"}})).ok(l)
	text := got(json.Marshal(empty)).ok(l)
	l.want("empty suite", fmt.Sprintf(`{"parent_id":%d,"child_ids":[]}`, empty.ParentID), string(text))
	before := l.everything()
	children[2].MetaHosts = []string{"nope"}
	if _, err := l.CreateSuite(ctx, admin.NewSuite{Parent: admin.NewJob{Name: "bad", Owner: "new"}, Children: children}); err == nil {
		t.Error("a child with a label that is not there: no error")
	}
	l.want("database", before, l.everything())
}

func TestJobs(t *testing.T) {
	l := twoShards(t)
	ctx := t.Context()
	ids := got(l.CreateJobs(ctx,
		admin.NewJob{Name: "open", Owner: "o", MetaHosts: []string{"board:a", "board:a", "board:a"}},
		admin.NewJob{Name: "finished", Owner: "o", MetaHosts: []string{"board:b"}},
		admin.NewJob{Name: "nobody's", Owner: "o", Hostless: true},
	)).ok(l)
	l.hears("one", "")
	l.hears("two", "")
	pgtest.Exec(l.T, l.pool, "UPDATE afe_host_queue_entries SET status = 'Completed', complete = true, aborted = true WHERE job_id = $1", ids[1])
	pgtest.Exec(l.T, l.pool, "UPDATE afe_host_queue_entries SET status = 'Running', active = true WHERE id = (SELECT min(id) FROM afe_host_queue_entries)")
	pgtest.Exec(l.T, l.pool, "UPDATE afe_host_queue_entries SET aborted = true WHERE id = (SELECT min(id) + 1 FROM afe_host_queue_entries)")
	for _, c := range []struct {
		filter admin.JobFilter
		want   string
	}{
		{admin.JobFilter{}, "nobody's finished open"},
		{admin.JobFilter{Limit: 2}, "nobody's finished"},
		{admin.JobFilter{Open: true}, "nobody's open"},
		{admin.JobFilter{Finished: true}, "finished"},
		{admin.JobFilter{Shard: "one"}, "open"},
		{admin.JobFilter{Shard: "two", Open: true}, ""},
	} {
		names := ""
		for _, job := range got(l.Jobs(ctx, c.filter)).ok(l) {
			names += " " + job.Name
		}
		if names != "" {
			names = names[1:]
		}
		l.want(fmt.Sprintf("%+v", c.filter), c.want, names)
	}
	jobs := got(l.Jobs(ctx, admin.JobFilter{})).ok(l)
	l.want("entries", map[string]int{"Running": 1, "Aborted (Queued)": 1, "Queued": 1}, jobs[2].Entries)
	l.want("entries", map[string]int{"Completed": 1}, jobs[1].Entries)
	l.want("shards", "one two ", jobs[2].Shard+" "+jobs[1].Shard+" "+jobs[0].Shard)
	var missing *admin.MissingError
	if _, err := l.Jobs(ctx, admin.JobFilter{Shard: "nope"}); !errors.As(err, &missing) {
		t.Errorf("shard that is not there: %v, want a MissingError", err)
	}
}
