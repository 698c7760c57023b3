// Package rows makes of the objects of an answer the rows that the shard's tables take, and stores
// them: the new ones by COPY, straight into their tables, the others by arrays
// (docs/decisions/0049-copy-what-is-new-straight.md). It does not decide which objects are stored,
// nor open transactions; package apply does.
package rows

import (
	"context"
	"fmt"
	"slices"

	"shardclient/gen/sharddb"
	"shardclient/runner/objects"
)

// Jobs are the rows of some jobs: those that are new, as COPY takes them, and what was sent of jobs
// that are here, as the statements take it.
type Jobs struct {
	jobs    []sharddb.JobsCopyParams
	entries []sharddb.EntriesCopyParams
	labels  []sharddb.DependencyLabelsCopyParams
	keyvals []sharddb.JobKeyvalsCopyParams
	refer   references // of the new jobs

	here sharddb.JobsLockParams      // and the keyvals of jobs that have some here
	late []sharddb.EntriesCopyParams // the entries of jobs that are here
}

// NewJobs returns the rows of no jobs, with room for some.
func NewJobs(most int) *Jobs {
	return &Jobs{
		jobs:    make([]sharddb.JobsCopyParams, 0, most),
		entries: make([]sharddb.EntriesCopyParams, 0, 2*most),
		labels:  make([]sharddb.DependencyLabelsCopyParams, 0, 2*most),
		keyvals: make([]sharddb.JobKeyvalsCopyParams, 0, 4*most),
	}
}

// AddNew adds a job that is not here. awaited says that keyvals of it may have come before the job.
func (r *Jobs) AddNew(j *objects.Job, keyvals []objects.Keyval, awaited bool) {
	r.addKeyvals(j, keyvals, awaited)
	job := jobRow(j)
	r.jobs = append(r.jobs, job)
	r.refer.shards.add(j.ID, job.ShardID)
	for i := range j.Entries {
		row := entryRow(j.ID, &j.Entries[i])
		r.entries = append(r.entries, row)
		r.refer.hosts.add(j.ID, row.HostID)
		r.refer.labels.add(j.ID, row.MetaHost)
	}
	for _, id := range distinct(j.DependencyLabels, func(l *objects.Label) int64 { return l.ID }) {
		r.labels = append(r.labels, sharddb.DependencyLabelsCopyParams{JobID: j.ID, LabelID: id})
		r.refer.labels.add(j.ID, &id)
	}
}

// AddHere adds a job that is here, and those of its entries of which isHere says that they are not.
func (r *Jobs) AddHere(j *objects.Job, keyvals []objects.Keyval, isHere func(entry int64) bool) {
	r.addHere(j, isHere)
	r.addKeyvals(j, keyvals, true)
}

func (r *Jobs) addHere(j *objects.Job, isHere func(entry int64) bool) {
	r.here.JobIds = append(r.here.JobIds, j.ID)
	r.here.ShardSent = append(r.here.ShardSent, j.Shard.Sent)
	r.here.ShardIds = append(r.here.ShardIds, orZero(shardID(j.Shard)))
	for i := range j.Entries {
		e := &j.Entries[i]
		if !isHere(e.ID) {
			r.late = append(r.late, entryRow(j.ID, e))
		}
		r.here.EntryJobs = append(r.here.EntryJobs, j.ID)
		r.here.EntryIds = append(r.here.EntryIds, e.ID)
		r.here.HostIds = append(r.here.HostIds, orZero(e.HostID))
		r.here.AbortedSent = append(r.here.AbortedSent, e.Aborted.Sent)
		r.here.Aborted = append(r.here.Aborted, e.Aborted.Value)
		r.here.MetaHostSent = append(r.here.MetaHostSent, e.MetaHost.Sent)
		r.here.MetaHosts = append(r.here.MetaHosts, orZero(labelID(e.MetaHost)))
	}
	for _, l := range j.DependencyLabels {
		r.here.LabelJobs = append(r.here.LabelJobs, j.ID)
		r.here.Labels = append(r.here.Labels, l.ID)
	}
}

func (r *Jobs) addKeyvals(j *objects.Job, keyvals []objects.Keyval, replace bool) {
	if replace && j.Keyvals.Sent {
		r.here.ReplacedJobIds = append(r.here.ReplacedJobIds, j.ID)
	}
	for _, k := range keyvals {
		if !replace {
			r.keyvals = append(r.keyvals, sharddb.JobKeyvalsCopyParams{JobID: j.ID, Key: k.Key, Value: k.Value})
			continue
		}
		r.here.KeyvalJobs = append(r.here.KeyvalJobs, j.ID)
		r.here.Keys = append(r.here.Keys, k.Key)
		r.here.KeyvalValues = append(r.here.KeyvalValues, k.Value)
	}
}

// hasHere reports whether anything is to be compared with what is here.
func (r *Jobs) hasHere() bool { return len(r.here.JobIds)+len(r.here.ReplacedJobIds) > 0 }

// Lock locks what the rows need, and returns the jobs that need what another session has locked,
// each with what that is.
func (r *Jobs) Lock(ctx context.Context, q *sharddb.Queries) (map[int64]string, error) {
	locked, err := r.refer.lock(ctx, q)
	if err != nil {
		return nil, err
	}
	if !r.hasHere() {
		return locked, nil
	}
	rows, err := q.JobsLock(ctx, r.here)
	for _, row := range rows {
		locked[row.ID] = row.Reason
	}
	return locked, err
}

// Store stores the rows, whose needs are locked. It calls sent once PostgreSQL has the jobs
// themselves: they are most of what it is sent, and while their data goes out the sender needs the
// processor; after that PostgreSQL does.
func (r *Jobs) Store(ctx context.Context, q *sharddb.Queries, sent func()) error {
	if len(r.here.JobIds) > 0 {
		if err := r.update(ctx, q); err != nil {
			return err
		}
	}
	if err := r.copy(ctx, q, sent); err != nil {
		return err
	}
	if !r.hasHere() {
		return nil
	}
	keyvals := sharddb.JobReplaceKeyvalsParams{
		ReplacedJobIds: r.here.ReplacedJobIds, JobIds: r.here.KeyvalJobs, Keys: r.here.Keys, KeyvalValues: r.here.KeyvalValues,
	}
	if err := Whole(
		Step{"afe_jobs_dependency_labels", func() (int64, error) { return q.JobAddDependencyLabels(ctx, r.here.LabelJobs, r.here.Labels) }},
		Step{"afe_job_keyvals", func() (int64, error) { return q.JobReplaceKeyvals(ctx, keyvals) }},
	); err != nil {
		return fmt.Errorf("dependency labels, keyvals: %w", err)
	}
	if _, err := q.ResyncJobs(ctx, r.here.JobIds); err != nil {
		return fmt.Errorf("mark for upload: %w", err)
	}
	return nil
}

// update changes what is here. Entries are updated before their jobs, which is the order in which
// acknowledge takes its locks.
func (r *Jobs) update(ctx context.Context, q *sharddb.Queries) error {
	entries := sharddb.EntryUpdateParams{
		Ids: r.here.EntryIds, AbortedSent: r.here.AbortedSent, Aborted: r.here.Aborted,
		MetaHostSent: r.here.MetaHostSent, MetaHosts: r.here.MetaHosts,
	}
	jobs := sharddb.JobUpdateParams{Ids: r.here.JobIds, ShardSent: r.here.ShardSent, ShardIds: r.here.ShardIds}
	return Whole(
		Step{"afe_host_queue_entries", func() (int64, error) { return q.EntryUpdate(ctx, entries) }},
		Step{"afe_jobs", func() (int64, error) { return q.JobUpdate(ctx, jobs) }},
	)
}

// copy stores what is new, in the order of the foreign keys. A row that somebody else stores at the
// same time fails the transaction, which is then repeated, and finds it here.
func (r *Jobs) copy(ctx context.Context, q *sharddb.Queries, sent func()) error {
	if err := copyRows(ctx, "afe_jobs", r.jobs, q.JobsCopy); err != nil {
		return err
	}
	sent()
	if err := copyRows(ctx, "afe_host_queue_entries", append(r.entries, r.late...), q.EntriesCopy); err != nil {
		return err
	}
	if err := copyRows(ctx, "afe_jobs_dependency_labels", r.labels, q.DependencyLabelsCopy); err != nil {
		return err
	}
	return copyRows(ctx, "afe_job_keyvals", r.keyvals, q.JobKeyvalsCopy)
}

func jobRow(j *objects.Job) sharddb.JobsCopyParams {
	row := sharddb.JobsCopyParams{
		ID:                j.ID,
		Owner:             j.Owner,
		Name:              j.Name,
		Priority:          j.Priority,
		ControlFile:       j.ControlFile,
		ControlType:       j.ControlType,
		CreatedOn:         Timestamp(&j.CreatedOn),
		SynchCount:        j.SynchCount,
		Timeout:           j.Timeout,
		TimeoutMins:       j.TimeoutMins,
		MaxRuntimeHrs:     j.MaxRuntimeHrs,
		MaxRuntimeMins:    j.MaxRuntimeMins,
		TestRetry:         j.TestRetry,
		RunVerify:         j.RunVerify,
		RunReset:          j.RunReset,
		ParseFailedRepair: j.ParseFailedRepair,
		RebootBefore:      j.RebootBefore,
		RebootAfter:       j.RebootAfter,
		EmailList:         j.EmailList,
		RequireSsp:        j.RequireSSP,
		ShardID:           shardID(j.Shard),
	}
	// The resync rule; see ResyncJobs.
	if slices.ContainsFunc(j.Entries, func(e objects.Entry) bool { return isComplete[e.Status] }) {
		row.ShardID = nil
	}
	return row
}

// Whether a new entry is active or complete follows from its status, by the fixed lists of
// monitor_db (docs/protocol.md, "The shard's scheduler").
var (
	isActive = map[string]bool{
		"Starting": true, "Resetting": true, "Verifying": true, "Provisioning": true,
		"Pending": true, "Running": true, "Gathering": true, "Cleaning": true,
	}
	isComplete = map[string]bool{"Aborted": true, "Completed": true, "Failed": true, "Stopped": true, "Template": true}
)

func entryRow(jobID int64, e *objects.Entry) sharddb.EntriesCopyParams {
	return sharddb.EntriesCopyParams{
		ID:              e.ID,
		JobID:           jobID,
		HostID:          e.HostID,
		Status:          e.Status,
		Active:          isActive[e.Status],
		Complete:        isComplete[e.Status],
		Deleted:         e.Deleted,
		Aborted:         e.Aborted.Value,
		MetaHost:        labelID(e.MetaHost),
		ExecutionSubdir: e.ExecutionSubdir,
		StartedOn:       Timestamp(e.StartedOn),
		FinishedOn:      Timestamp(e.FinishedOn),
	}
}
