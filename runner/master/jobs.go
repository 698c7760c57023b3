package master

import (
	"context"

	"shardclient/gen/masterdb"
	"shardclient/runner/pg"
)

// givenJobs are jobs that are sent, with all that belongs to them. What belongs to a job stands in
// the order of the jobs.
type givenJobs struct {
	jobs         []masterdb.JobsGivenRow
	dependencies []masterdb.DependenciesGivenRow
	keyvals      []masterdb.AfeJobKeyval
	entries      []masterdb.EntriesGivenRow
	suite        []masterdb.AfeJobKeyval
}

// read reads the jobs with these ids.
func (g *givenJobs) read(ctx context.Context, ids []int64) []pg.Ask {
	if len(ids) == 0 {
		return nil
	}
	return []pg.Ask{
		ask(&g.jobs, "read jobs", func(q *masterdb.Queries) ([]masterdb.JobsGivenRow, error) { return q.JobsGiven(ctx, ids) }),
		ask(&g.dependencies, "read dependency labels", func(q *masterdb.Queries) ([]masterdb.DependenciesGivenRow, error) {
			return q.DependenciesGiven(ctx, ids)
		}),
		ask(&g.keyvals, "read keyvals", func(q *masterdb.Queries) ([]masterdb.AfeJobKeyval, error) { return q.KeyvalsGiven(ctx, ids) }),
		ask(&g.entries, "read entries", func(q *masterdb.Queries) ([]masterdb.EntriesGivenRow, error) { return q.EntriesGiven(ctx, ids) }),
	}
}

// readSuites reads the keyvals of the parents of the jobs, each once.
func (g *givenJobs) readSuites(ctx context.Context) []pg.Ask {
	var parents []int64
	for _, j := range g.jobs {
		if j.ParentJobID != nil {
			parents = append(parents, *j.ParentJobID)
		}
	}
	if len(parents) == 0 {
		return nil
	}
	parents = once(parents)
	return []pg.Ask{ask(&g.suite, "read suite keyvals", func(q *masterdb.Queries) ([]masterdb.AfeJobKeyval, error) {
		return q.SuiteKeyvalsGiven(ctx, parents)
	})}
}

// labelIDs returns the ids of the labels that jobs and entries name.
func (g *givenJobs) labelIDs() []int64 {
	ids := make([]int64, 0, len(g.dependencies)+len(g.entries))
	for _, d := range g.dependencies {
		ids = append(ids, d.LabelID)
	}
	for _, e := range g.entries {
		if e.MetaHost != nil {
			ids = append(ids, *e.MetaHost)
		}
	}
	return ids
}

// first cuts off the items at the beginning of a list that belong to a job, host or group.
func first[T any](items *[]T, id int64, of func(T) int64) []T {
	n := 0
	for n < len(*items) && of((*items)[n]) == id {
		n++
	}
	cut := (*items)[:n]
	*items = (*items)[n:]
	return cut
}

// jobs writes the jobs of a shard as a member.
func (t *text) jobs(g givenJobs, labels map[int64]text, shard masterdb.AfeShard) {
	list(t, "jobs", g.jobs, func(j masterdb.JobsGivenRow) {
		*t = append(*t, '{')
		t.job(j)
		t.shard(shard)
		dependencies := first(&g.dependencies, j.ID, func(d masterdb.DependenciesGivenRow) int64 { return d.JobID })
		list(t, "dependency_labels", dependencies, func(d masterdb.DependenciesGivenRow) { *t = append(*t, labels[d.LabelID]...) })
		t.keyvals("jobkeyval_set", first(&g.keyvals, j.ID, func(k masterdb.AfeJobKeyval) int64 { return k.JobID }))
		entries := first(&g.entries, j.ID, func(e masterdb.EntriesGivenRow) int64 { return e.JobID })
		list(t, "hostqueueentry_set", entries, func(e masterdb.EntriesGivenRow) { t.entry(e, labels) })
		*t = append(*t, '}')
	})
}

// job writes the columns of a job.
func (t *text) job(j masterdb.JobsGivenRow) {
	t.integer("id", j.ID)
	t.string("owner", j.Owner)
	t.string("name", j.Name)
	t.integer("priority", int64(j.Priority))
	orNull(t, "control_file", j.ControlFile, t.string)
	t.integer("control_type", int64(j.ControlType))
	t.integer("synch_count", int64(j.SynchCount))
	t.integer("timeout", int64(j.Timeout))
	t.integer("timeout_mins", int64(j.TimeoutMins))
	t.integer("max_runtime_hrs", int64(j.MaxRuntimeHrs))
	t.integer("max_runtime_mins", int64(j.MaxRuntimeMins))
	t.boolean("run_verify", j.RunVerify)
	t.boolean("run_reset", j.RunReset)
	t.string("email_list", j.EmailList)
	t.integer("reboot_before", int64(j.RebootBefore))
	t.integer("reboot_after", int64(j.RebootAfter))
	t.boolean("parse_failed_repair", j.ParseFailedRepair)
	t.integer("test_retry", int64(j.TestRetry))
	orNull(t, "require_ssp", j.RequireSsp, t.boolean)
	t.moment("created_on", j.CreatedOn)
}

func (t *text) entry(e masterdb.EntriesGivenRow, labels map[int64]text) {
	*t = append(*t, '{')
	t.integer("id", e.ID)
	t.string("status", e.Status)
	t.boolean("active", e.Active)
	t.boolean("complete", e.Complete)
	t.boolean("deleted", e.Deleted)
	t.boolean("aborted", e.Aborted)
	t.string("execution_subdir", e.ExecutionSubdir)
	orNull(t, "host_id", e.HostID, t.integer)
	t.moment("started_on", e.StartedOn)
	t.moment("finished_on", e.FinishedOn)
	orNull(t, "meta_host", e.MetaHost, func(name string, id int64) {
		t.name(name)
		*t = append(*t, labels[id]...)
	})
	*t = append(*t, '}')
}

func (t *text) keyvals(name string, keyvals []masterdb.AfeJobKeyval) {
	list(t, name, keyvals, func(k masterdb.AfeJobKeyval) {
		*t = append(*t, '{')
		t.integer("id", k.ID)
		t.integer("job_id", k.JobID)
		t.string("key", k.Key)
		t.string("value", k.Value)
		*t = append(*t, '}')
	})
}
