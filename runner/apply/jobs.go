package apply

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5/pgtype"

	"shardclient/gen/sharddb"
	"shardclient/runner/objects"
)

// storeJobs stores a chunk of jobs with their entries, dependencies and keyvals.
func (a *applier) storeJobs(
	ctx context.Context, q *sharddb.Queries, chunk []unit[objects.Job],
) (bad []badObject, left map[int64]string, err error) {
	chunk, bad, err = a.storableJobs(ctx, q, chunk)
	if err != nil || len(chunk) == 0 {
		return bad, nil, err
	}
	left, err = parentsFirst(ctx, a, q, chunk, func(chunk []unit[objects.Job]) parents { return collectParents(nil, chunk) })
	if err != nil {
		return nil, nil, err
	}
	rows, err := a.stageFreeJobs(ctx, q, without(chunk, left), left)
	if err != nil {
		return nil, nil, err
	}
	if err := mergeJobs(ctx, q, &rows); err != nil {
		return nil, nil, err
	}
	return bad, left, forget(ctx, a, q, KindJob, without(chunk, left))
}

// stageFreeJobs stages the jobs of a chunk that need nothing which another session has locked, and
// adds the others to left.
func (a *applier) stageFreeJobs(
	ctx context.Context, q *sharddb.Queries, chunk []unit[objects.Job], left map[int64]string,
) (jobColumns, error) {
	for {
		rows, err := a.jobRows(chunk)
		if err != nil {
			return rows, err
		}
		if _, err := q.StageJobs(ctx, rows.jobs); err != nil {
			return rows, fmt.Errorf("stage: %w", err)
		}
		if _, err := q.StageEntries(ctx, rows.entries); err != nil {
			return rows, fmt.Errorf("stage entries: %w", err)
		}
		locked, err := q.JobsLock(ctx, sharddb.JobsLockParams{
			JobIds: rows.ids, EntryIds: rows.entryIDs, LabelJobs: rows.labelJobs, Labels: rows.labels,
			ReplacedJobIds: rows.keyvals.ReplacedJobIds, KeyvalJobs: rows.keyvals.JobIds,
			Keys: rows.keyvals.Keys, KeyvalValues: rows.keyvals.KeyvalValues,
		})
		if err != nil {
			return rows, fmt.Errorf("look for locked rows: %w", err)
		}
		if len(locked) == 0 {
			return rows, nil
		}
		maps.Copy(left, reasons(locked))
		chunk = without(chunk, left)
		for _, clear := range []func(context.Context) (int64, error){q.StagedEntriesClear, q.StagedJobsClear} {
			if _, err := clear(ctx); err != nil {
				return rows, err
			}
		}
	}
}

// mergeJobs stores the staged jobs, with their entries, dependencies and keyvals.
func mergeJobs(ctx context.Context, q *sharddb.Queries, rows *jobColumns) error {
	// Existing entries are updated before their jobs, which is the order in which acknowledge takes
	// its locks. New entries need their job first.
	for _, merge := range []func(context.Context) (int64, error){
		q.EntryUpdate, q.JobUpdate, q.JobInsert, q.EntryInsert, q.StagedEntriesClear, q.StagedJobsClear,
	} {
		if _, err := merge(ctx); err != nil {
			return err
		}
	}
	if _, err := q.JobAddDependencyLabels(ctx, rows.labelJobs, rows.labels); err != nil {
		return fmt.Errorf("dependency labels: %w", err)
	}
	if _, err := q.JobReplaceKeyvals(ctx, rows.keyvals); err != nil {
		return fmt.Errorf("keyvals: %w", err)
	}
	if _, err := q.ResyncJobs(ctx, rows.ids); err != nil {
		return fmt.Errorf("mark for upload: %w", err)
	}
	return nil
}

// storableJobs sets aside the jobs whose id, or an entry's, belongs to another job here, and those
// that wait for a host or for the keyvals of their suite.
func (a *applier) storableJobs(
	ctx context.Context, q *sharddb.Queries, chunk []unit[objects.Job],
) (good []unit[objects.Job], bad []badObject, err error) {
	var args sharddb.JobsRefusedParams
	for _, u := range chunk {
		args.Ids = append(args.Ids, u.object.ID)
		args.Owners = append(args.Owners, u.object.Owner)
		args.Names = append(args.Names, u.object.Name)
		args.CreatedOn = append(args.CreatedOn, timestamp(&u.object.CreatedOn))
		if a.waitsForKeyvals(u.object) {
			args.SuiteJobIds = append(args.SuiteJobIds, u.object.ID)
		}
		for _, e := range u.object.Entries {
			host := int64(0) // it names none
			if e.HostID != nil {
				host = *e.HostID
			}
			args.JobIds = append(args.JobIds, u.object.ID)
			args.EntryIds = append(args.EntryIds, e.ID)
			args.HostIds = append(args.HostIds, host)
		}
	}
	refused, err := q.JobsRefused(ctx, args)
	if err != nil {
		return nil, nil, fmt.Errorf("look for taken ids, unknown hosts and jobs of suites: %w", err)
	}
	good, bad = split(chunk, refused)
	if err := a.noteTaken(ctx, q, KindJob, bad); err != nil {
		return nil, nil, err
	}
	if slices.ContainsFunc(bad, func(o badObject) bool { return o.Code == codeEntryTaken }) {
		_, err = q.JobsNoteEntriesTaken(ctx, sharddb.JobsNoteEntriesTakenParams{
			JobIds: args.JobIds, EntryIds: args.EntryIds, ResponseJobIds: a.jobIDs,
		})
	}
	return good, bad, err
}

// jobColumns are the rows of a chunk, as the statements take them.
type jobColumns struct {
	ids, entryIDs     []int64
	jobs              []sharddb.StageJobsParams
	entries           []sharddb.StageEntriesParams
	labelJobs, labels []int64
	keyvals           sharddb.JobReplaceKeyvalsParams
}

func (a *applier) jobRows(chunk []unit[objects.Job]) (rows jobColumns, err error) {
	for _, u := range chunk {
		j := u.object
		rows.ids = append(rows.ids, j.ID)
		rows.jobs = append(rows.jobs, jobRow(j))
		for i := range j.Entries {
			rows.entries = append(rows.entries, entryRow(j.ID, &j.Entries[i]))
			rows.entryIDs = append(rows.entryIDs, j.Entries[i].ID)
		}
		for _, l := range j.DependencyLabels {
			rows.labelJobs = append(rows.labelJobs, j.ID)
			rows.labels = append(rows.labels, l.ID)
		}
		if j.Keyvals.Sent {
			rows.keyvals.ReplacedJobIds = append(rows.keyvals.ReplacedJobIds, j.ID)
		}
		keyvals, err := a.jobKeyvals(j)
		if err != nil {
			return rows, err
		}
		for _, k := range keyvals {
			rows.keyvals.JobIds = append(rows.keyvals.JobIds, j.ID)
			rows.keyvals.Keys = append(rows.keyvals.Keys, k.Key)
			rows.keyvals.KeyvalValues = append(rows.keyvals.KeyvalValues, k.Value)
		}
	}
	return rows, nil
}

func jobRow(j *objects.Job) sharddb.StageJobsParams {
	return sharddb.StageJobsParams{
		ID:                j.ID,
		Owner:             j.Owner,
		Name:              j.Name,
		Priority:          j.Priority,
		ControlFile:       j.ControlFile,
		ControlType:       j.ControlType,
		CreatedOn:         timestamp(&j.CreatedOn),
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
		ShardSent:         j.Shard.Sent,
		ShardID:           shardID(j.Shard),
	}
}

func entryRow(jobID int64, e *objects.Entry) sharddb.StageEntriesParams {
	row := sharddb.StageEntriesParams{
		ID:              e.ID,
		JobID:           jobID,
		HostID:          e.HostID,
		Status:          e.Status,
		MetaHostSent:    e.MetaHost.Sent,
		Deleted:         e.Deleted,
		Aborted:         e.Aborted.OrNil(),
		ExecutionSubdir: e.ExecutionSubdir,
		StartedOn:       timestamp(e.StartedOn),
		FinishedOn:      timestamp(e.FinishedOn),
	}
	if e.MetaHost.Value != nil {
		row.MetaHost = &e.MetaHost.Value.ID
	}
	return row
}

func shardID(ref objects.Maybe[*objects.Ref]) *int64 {
	if ref.Value == nil {
		return nil
	}
	return &ref.Value.ID
}

func timestamp(t *objects.Time) pgtype.Timestamp {
	if t == nil {
		return pgtype.Timestamp{}
	}
	return pgtype.Timestamp{Time: t.Time, Valid: true}
}
