package admin

import (
	"context"
	"fmt"

	"shardclient/gen/masterdb"
)

// AbortedJob is a job that [Admin.AbortJobs] reached.
type AbortedJob struct {
	ID      int64 `json:"id"`
	Entries int   `json:"aborted_entries"` // 0 when all of them were complete or aborted already
}

// AbortJobs marks the entries of jobs and of their child jobs as aborted, in the name of a user,
// who is made if missing. Entries that are complete or marked already stay as they are. AbortJobs
// only sets the marks: the shard ends the entries, when the job is sent to it again.
//
// Autotest reaches the children of a parent only while an entry of the parent is open; AbortJobs
// always reaches them.
func (a *Admin) AbortJobs(ctx context.Context, by string, ids ...int64) ([]AbortedJob, error) {
	return write(ctx, a, "abort jobs", func(q *masterdb.Queries) ([]AbortedJob, error) {
		if len(ids) == 0 {
			return nil, &InvalidError{Kind: "job", Cause: "none is named"}
		}
		userID, err := ensureUser(ctx, q, by)
		if err != nil {
			return nil, err
		}
		found, err := q.AdminJobsWithID(ctx, ids)
		if err != nil {
			return nil, fmt.Errorf("find jobs: %w", err)
		}
		if err := missingIDs(ids, found); err != nil {
			return nil, err
		}
		tree, err := q.AdminJobTree(ctx, ids)
		if err != nil {
			return nil, fmt.Errorf("find the jobs of suites: %w", err)
		}
		return abortJobs(ctx, q, userID, tree)
	})
}

func abortJobs(ctx context.Context, q *masterdb.Queries, userID int64, jobIDs []int64) ([]AbortedJob, error) {
	entries, err := q.AdminEntryLockOfJobs(ctx, jobIDs)
	if err != nil {
		return nil, fmt.Errorf("lock entries: %w", err)
	}
	counts := map[int64]int{}
	ids := make([]int64, len(entries))
	for i, entry := range entries {
		ids[i] = entry.ID
		counts[entry.JobID]++
	}
	if _, err := abortEntries(ctx, q, userID, ids); err != nil {
		return nil, err
	}
	jobs := make([]AbortedJob, len(jobIDs))
	for i, id := range jobIDs {
		jobs[i] = AbortedJob{id, counts[id]}
	}
	return jobs, nil
}

// abortEntries marks locked entries.
func abortEntries(ctx context.Context, q *masterdb.Queries, userID int64, ids []int64) (int64, error) {
	if len(ids) == 0 {
		return 0, nil
	}
	aborted, err := q.AdminEntryAbort(ctx, masterdb.AdminEntryAbortParams{Ids: ids, AbortedByID: userID, AbortedOn: now()})
	if err != nil {
		return 0, fmt.Errorf("abort entries: %w", err)
	}
	return aborted, nil
}
