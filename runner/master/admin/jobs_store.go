package admin

import (
	"cmp"
	"context"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5/pgtype"

	"shardclient/gen/masterdb"
)

// jobRows are the rows of new jobs. They are stored with COPY, which takes NULLs and any number of
// rows in one statement.
type jobRows struct {
	named        *named
	at           pgtype.Timestamp
	jobs         []masterdb.AdminJobAddParams
	dependencies []masterdb.AdminDependencyAddParams
	keyvals      []masterdb.AdminKeyvalAddParams
	entries      []masterdb.AdminEntryAddParams
}

func (r *jobRows) add(id int64, job *NewJob) {
	timeout := cmp.Or(job.TimeoutMins, DefaultTimeoutMins)
	row := masterdb.AdminJobAddParams{
		ID:          id,
		Owner:       job.Owner,
		Name:        job.Name,
		Priority:    int32(cmp.Or(job.Priority, defaultPriority)),
		ControlType: serverControl,
		CreatedOn:   r.at,
		SynchCount:  int32(max(job.SynchCount, 1)),

		Timeout:        int32(timeout / minutesPerHour),
		TimeoutMins:    int32(timeout),
		MaxRuntimeMins: int32(cmp.Or(job.MaxRuntimeMins, DefaultMaxRuntimeMins)),
	}
	if job.ClientSide {
		row.ControlType = clientControl
	}
	if job.ControlFile != "" {
		row.ControlFile = &job.ControlFile
	}
	if job.ParentID != 0 {
		row.ParentJobID = &job.ParentID
	}
	r.jobs = append(r.jobs, row)
	r.addDependencies(id, job)
	r.addKeyvals(id, job)
	r.addEntries(id, job)
}

func (r *jobRows) addDependencies(id int64, job *NewJob) {
	seen := map[string]bool{}
	for _, label := range job.Dependencies {
		if !seen[label] {
			r.dependencies = append(r.dependencies, masterdb.AdminDependencyAddParams{
				JobID: id, LabelID: r.named.labels[label].ID,
			})
		}
		seen[label] = true
	}
}

func (r *jobRows) addKeyvals(id int64, job *NewJob) {
	for _, key := range sortedKeys(job.Keyvals) {
		if key != ParentKeyval || job.ParentID == 0 {
			r.keyvals = append(r.keyvals, masterdb.AdminKeyvalAddParams{JobID: id, Key: key, Value: job.Keyvals[key]})
		}
	}
	if job.ParentID != 0 {
		r.keyvals = append(r.keyvals, masterdb.AdminKeyvalAddParams{
			JobID: id, Key: ParentKeyval, Value: strconv.FormatInt(job.ParentID, 10),
		})
	}
}

func (r *jobRows) addEntries(id int64, job *NewJob) {
	entry := masterdb.AdminEntryAddParams{JobID: id, Status: statusQueued}
	if job.Hostless {
		r.entries = append(r.entries, entry)
	}
	for _, label := range job.MetaHosts {
		labelID := r.named.labels[label].ID
		entry.MetaHost = &labelID
		r.entries = append(r.entries, entry)
	}
	entry.MetaHost = nil
	for _, host := range job.Hosts {
		hostID := r.named.hosts[host].ID
		entry.HostID = &hostID
		r.entries = append(r.entries, entry)
	}
}

func (r *jobRows) store(ctx context.Context, q *masterdb.Queries) error {
	if _, err := q.AdminJobAdd(ctx, r.jobs); err != nil {
		return fmt.Errorf("store jobs: %w", err)
	}
	if _, err := q.AdminDependencyAdd(ctx, r.dependencies); err != nil {
		return fmt.Errorf("store dependency labels: %w", err)
	}
	if _, err := q.AdminKeyvalAdd(ctx, r.keyvals); err != nil {
		return fmt.Errorf("store keyvals: %w", err)
	}
	if _, err := q.AdminEntryAdd(ctx, r.entries); err != nil {
		return fmt.Errorf("store entries: %w", err)
	}
	return nil
}
