package apply

import (
	"context"
	"fmt"
	"slices"

	"shardclient/gen/sharddb"
	"shardclient/runner/objects"
	"shardclient/runner/rows"
)

// storeJobs stores a chunk of jobs with their entries, dependencies and keyvals.
func (a *applier) storeJobs(
	ctx context.Context, q *sharddb.Queries, chunk []unit[objects.Job],
) (bad []badObject, left map[int64]string, err error) {
	chunk, found, bad, err := a.storableJobs(ctx, q, chunk)
	if err != nil || len(chunk) == 0 {
		return bad, nil, err
	}
	left, err = parentsFirst(ctx, a, q, chunk, func(chunk []unit[objects.Job]) parents { return collectParents(nil, chunk) })
	if err != nil {
		return nil, nil, err
	}
	var free *rows.Jobs
	err = lockFree(without(chunk, left), left, func(chunk []unit[objects.Job]) (_ map[int64]string, err error) {
		if free, err = a.rowsOf(chunk, found); err != nil {
			return nil, err
		}
		return free.Lock(ctx, q)
	})
	if err != nil {
		return nil, nil, err
	}
	if err := free.Store(ctx, q); err != nil {
		return nil, nil, err
	}
	return bad, left, forget(ctx, a, q, KindJob, without(chunk, left))
}

// rowsOf makes the rows of a chunk, of which some are here.
func (a *applier) rowsOf(chunk []unit[objects.Job], found map[finding]bool) (*rows.Jobs, error) {
	all := &rows.Jobs{}
	isHere := func(entry int64) bool { return found[finding{foundEntry, entry}] }
	for _, u := range chunk {
		keyvals, err := a.jobKeyvals(u.object)
		if err != nil {
			return nil, err
		}
		if found[finding{foundJob, u.object.ID}] {
			all.AddHere(u.object, keyvals, isHere)
		} else {
			all.AddNew(u.object, keyvals, found[finding{foundKeyvals, u.object.ID}])
		}
	}
	return all, nil
}

// What JobsFind finds.
const (
	foundJob     = "job"
	foundEntry   = "entry"
	foundKeyvals = "keyvals"
	foundTaken   = "taken"
	foundHost    = "host"

	foundTwice = "twice" // an entry that stands in two jobs of the chunk
)

// storableJobs sets aside the jobs whose id, or an entry's, belongs to another job here, and those
// that wait for a host or for the keyvals of their suite. It returns what is here of the others.
func (a *applier) storableJobs(
	ctx context.Context, q *sharddb.Queries, chunk []unit[objects.Job],
) (good []unit[objects.Job], found map[finding]bool, bad []badObject, err error) {
	found, err = a.findJobs(ctx, q, chunk)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("look what is here: %w", err)
	}
	var doubtful []unit[objects.Job]
	for _, u := range chunk {
		if a.isDoubtful(u.object, found) {
			doubtful = append(doubtful, u)
		} else {
			good = append(good, u)
		}
	}
	if len(doubtful) == 0 {
		return good, found, nil, nil
	}
	args := a.refusedBy(doubtful)
	refused, err := q.JobsRefused(ctx, args)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("look for taken ids, unknown hosts and jobs of suites: %w", err)
	}
	cleared, bad := split(doubtful, refused)
	if err := a.noteTaken(ctx, q, KindJob, bad); err != nil {
		return nil, nil, nil, err
	}
	if slices.ContainsFunc(bad, func(o badObject) bool { return o.Code == codeEntryTaken }) {
		_, err = q.JobsNoteEntriesTaken(ctx, sharddb.JobsNoteEntriesTakenParams{
			JobIds: args.JobIds, EntryIds: args.EntryIds, ResponseJobIds: a.jobIDs,
		})
	}
	return append(good, cleared...), found, bad, err
}

// finding is something that JobsFind found.
type finding struct {
	what string
	id   int64
}

// findJobs looks what of a chunk is here, or is amiss.
func (a *applier) findJobs(ctx context.Context, q *sharddb.Queries, chunk []unit[objects.Job]) (map[finding]bool, error) {
	var args sharddb.JobsFindParams
	found, entries, hosts := map[finding]bool{}, map[int64]bool{}, map[int64]bool{}
	for _, u := range chunk {
		args.Ids = append(args.Ids, u.object.ID)
		for i := range u.object.Entries {
			e := &u.object.Entries[i]
			args.EntryIds = append(args.EntryIds, e.ID)
			if entries[e.ID] {
				found[finding{foundTwice, e.ID}] = true
			}
			entries[e.ID] = true
			if e.HostID != nil && !hosts[*e.HostID] {
				hosts[*e.HostID] = true
				args.HostIds = append(args.HostIds, *e.HostID)
			}
		}
	}
	here, err := q.JobsFind(ctx, args)
	for _, row := range here {
		found[finding{row.What, row.ID}] = true
	}
	return found, err
}

// isDoubtful reports whether JobsRefused has to look at a job.
func (a *applier) isDoubtful(j *objects.Job, found map[finding]bool) bool {
	return found[finding{foundJob, j.ID}] || found[finding{foundTaken, j.ID}] || a.waitsForKeyvals(j) ||
		slices.ContainsFunc(j.Entries, func(e objects.Entry) bool {
			return found[finding{foundEntry, e.ID}] || found[finding{foundTwice, e.ID}] || e.HostID != nil && found[finding{foundHost, *e.HostID}]
		})
}

// refusedBy returns why jobs may be refused.
func (a *applier) refusedBy(chunk []unit[objects.Job]) (args sharddb.JobsRefusedParams) {
	for _, u := range chunk {
		args.Ids = append(args.Ids, u.object.ID)
		args.Owners = append(args.Owners, u.object.Owner)
		args.Names = append(args.Names, u.object.Name)
		args.CreatedOn = append(args.CreatedOn, rows.Timestamp(&u.object.CreatedOn))
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
	return args
}
