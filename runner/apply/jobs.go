package apply

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"shardclient/gen/sharddb"
	"shardclient/runner/aside"
	"shardclient/runner/objects"
	"shardclient/runner/reading"
	"shardclient/runner/rows"
)

// storeJobs stores a chunk of jobs with their entries, dependencies and keyvals.
func (a *applier) storeJobs(
	ctx context.Context, q *sharddb.Queries, chunk []unit[objects.Job],
) (bad []aside.Object, left map[int64]string, err error) {
	l, sent := a.lookAt(chunk), len(chunk)
	found := l.found
	chunk, bad, err = a.storableJobs(ctx, q, chunk, found)
	if err != nil || len(chunk) == 0 {
		return bad, nil, err
	}
	l.made.Wait()
	var free *rows.Jobs
	if len(found) == 0 && len(chunk) == sent {
		free = l.rows
	}
	left, err = parentsFirst(ctx, a, q, chunk, func(chunk []unit[objects.Job]) rows.Parents { return collectParents(nil, chunk) })
	if err != nil {
		return nil, nil, err
	}
	if len(left) > 0 {
		chunk, free = reading.Without(chunk, left), nil
	}
	err = lockFree(chunk, left, func(chunk []unit[objects.Job]) (locked map[int64]string, err error) {
		if free == nil {
			free, err = a.rowsOf(chunk, found)
		}
		if err == nil {
			locked, err = free.Lock(ctx, q)
		}
		if len(locked) > 0 {
			free = nil
		}
		return locked, err
	})
	if err != nil {
		return nil, nil, err
	}
	if err := free.Store(ctx, q, a.sortAhead); err != nil {
		return nil, nil, err
	}
	a.jobs.next.setAsideBad() // it has had the time of three COPYs
	return bad, left, forget(ctx, a, q, aside.KindJob, reading.Without(chunk, left))
}

// rowsOf makes the rows of a chunk, of which some are here.
func (a *applier) rowsOf(chunk []unit[objects.Job], found map[finding]bool) (*rows.Jobs, error) {
	all := rows.NewJobs(len(chunk))
	isHere := func(entry int64) bool { return found[finding{foundEntry, entry}] }
	for i, u := range chunk {
		reading.GiveWay(i)
		keyvals, err := a.jobKeyvals(u.Object)
		if err != nil {
			return nil, err
		}
		if found[finding{foundJob, u.Object.ID}] {
			all.AddHere(u.Object, keyvals, isHere)
		} else {
			all.AddNew(u.Object, keyvals, found[finding{foundKeyvals, u.Object.ID}])
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
)

// storableJobs sets aside the jobs whose id, or an entry's, belongs to another job here, and those
// that wait for a host or for the keyvals of their suite. It returns the others.
func (a *applier) storableJobs(
	ctx context.Context, q *sharddb.Queries, chunk []unit[objects.Job], found map[finding]bool,
) (good []unit[objects.Job], bad []aside.Object, err error) {
	if a.allNew && slices.ContainsFunc(chunk, func(u unit[objects.Job]) bool { return found[finding{foundJob, u.Object.ID}] }) {
		return nil, nil, errNotNew
	}
	var doubtful []unit[objects.Job]
	good = make([]unit[objects.Job], 0, len(chunk))
	for _, u := range chunk {
		if a.isDoubtful(u.Object, found) {
			doubtful = append(doubtful, u)
		} else {
			good = append(good, u)
		}
	}
	if len(doubtful) == 0 {
		return good, nil, nil
	}
	args := a.refusedBy(doubtful)
	refused, err := q.JobsRefused(ctx, args)
	if err != nil {
		return nil, nil, fmt.Errorf("look for taken ids, unknown hosts and jobs of suites: %w", err)
	}
	cleared, bad := split(doubtful, refused)
	if err := a.NoteTaken(ctx, q, aside.KindJob, bad); err != nil {
		return nil, nil, err
	}
	if slices.ContainsFunc(bad, func(o aside.Object) bool { return o.Code == aside.CodeEntryTaken }) {
		// A job that comes later in the response takes the note back; see JobsRefused. Of those in
		// the next chunk it is known by now, also of one that is set aside.
		a.sortAhead()
		a.jobs.next.setAsideBad()
		_, err = q.JobsNoteEntriesTaken(ctx, sharddb.JobsNoteEntriesTakenParams{
			JobIds: args.JobIds, EntryIds: args.EntryIds, ResponseJobIds: slices.Collect(maps.Keys(a.jobs.First)),
		})
	}
	return append(good, cleared...), bad, err
}

// errNotNew says that a chunk of which all jobs were expected to be new has others.
var errNotNew = errors.New("not all jobs of the chunk are new")

// finding is something that JobsFind found.
type finding struct {
	what string
	id   int64
}

// findArgs returns what JobsFind is asked about a chunk.
func findArgs(chunk []unit[objects.Job]) (args sharddb.JobsFindParams) {
	args.Ids, args.EntryIds = make([]int64, 0, len(chunk)), make([]int64, 0, 2*len(chunk))
	for _, u := range chunk {
		args.Ids = append(args.Ids, u.Object.ID)
		for i := range u.Object.Entries {
			e := &u.Object.Entries[i]
			args.EntryIds = append(args.EntryIds, e.ID)
			if e.HostID != nil {
				args.HostIds = append(args.HostIds, *e.HostID)
			}
		}
	}
	slices.Sort(args.HostIds)
	args.HostIds = slices.Compact(args.HostIds)
	slices.Sort(args.EntryIds)
	return args
}

// isDoubtful reports whether JobsRefused has to look at a job.
func (a *applier) isDoubtful(j *objects.Job, found map[finding]bool) bool {
	if len(found)+len(a.contested) == 0 {
		return a.waitsForKeyvals(j)
	}
	return found[finding{foundJob, j.ID}] || found[finding{foundTaken, j.ID}] || a.waitsForKeyvals(j) ||
		slices.ContainsFunc(j.Entries, func(e objects.Entry) bool {
			return found[finding{foundEntry, e.ID}] || a.contested[e.ID] != 0 || e.HostID != nil && found[finding{foundHost, *e.HostID}]
		})
}

// refusedBy returns why jobs may be refused.
func (a *applier) refusedBy(chunk []unit[objects.Job]) (args sharddb.JobsRefusedParams) {
	for _, u := range chunk {
		args.Ids = append(args.Ids, u.Object.ID)
		args.Owners = append(args.Owners, u.Object.Owner)
		args.Names = append(args.Names, u.Object.Name)
		args.CreatedOn = append(args.CreatedOn, rows.Timestamp(&u.Object.CreatedOn))
		if a.waitsForKeyvals(u.Object) {
			args.SuiteJobIds = append(args.SuiteJobIds, u.Object.ID)
		}
		for _, e := range u.Object.Entries {
			host := int64(0) // it names none
			if e.HostID != nil {
				host = *e.HostID
			}
			args.JobIds = append(args.JobIds, u.Object.ID)
			args.EntryIds = append(args.EntryIds, e.ID)
			args.HostIds = append(args.HostIds, host)
			args.FirstJobs = append(args.FirstJobs, cmp.Or(a.contested[e.ID], u.Object.ID))
		}
	}
	return args
}
