package replay

import (
	"context"
	"encoding/json"
	"fmt"
	"sort"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgtype"

	"shardclient/gen/labdb"
)

// Snapshot is what a shard's or a master's database holds, in the shape of the recordings.
type Snapshot struct {
	Shards []struct {
		ID       int64  `json:"id"`
		Hostname string `json:"hostname"`
	} `json:"shards"`
	Hosts []SnapshotHost `json:"hosts"`
	Jobs  []struct {
		ID          int64  `json:"id"`
		Owner       string `json:"owner"`
		Name        string `json:"name"`
		ShardID     *int64 `json:"shard_id"`
		ParentJobID *int64 `json:"parent_job_id"`
		CreatedOn   string `json:"created_on"`
	} `json:"jobs"`
	Entries []SnapshotEntry `json:"hqes"`
	Keyvals [][3]any        `json:"job_keyvals"`
}

// SnapshotHost is a host with the names of its labels and ACL groups.
type SnapshotHost struct {
	ID         int64             `json:"id"`
	Hostname   string            `json:"hostname"`
	Status     string            `json:"status"`
	Locked     bool              `json:"locked"`
	Leased     bool              `json:"leased"`
	Invalid    bool              `json:"invalid"`
	ShardID    *int64            `json:"shard_id"`
	LockedByID *int64            `json:"locked_by_id"`
	LockTime   *string           `json:"lock_time"`
	Labels     []string          `json:"labels"`
	ACLs       []string          `json:"acls"`
	Attributes map[string]string `json:"attributes"`
}

// SnapshotEntry is a host queue entry.
type SnapshotEntry struct {
	ID              int64   `json:"id"`
	JobID           int64   `json:"job_id"`
	HostID          *int64  `json:"host_id"`
	MetaHostID      *int64  `json:"meta_host_id"`
	Status          string  `json:"status"`
	Active          bool    `json:"active"`
	Complete        bool    `json:"complete"`
	Deleted         bool    `json:"deleted"`
	Aborted         bool    `json:"aborted"`
	ExecutionSubdir string  `json:"execution_subdir"`
	StartedOn       *string `json:"started_on"`
	FinishedOn      *string `json:"finished_on"`
}

// ReadSnapshot reads the whole of a small database.
func ReadSnapshot(ctx context.Context, db labdb.DBTX) (*Snapshot, error) {
	text, err := labdb.New(db).Snapshot(ctx)
	if err != nil {
		return nil, fmt.Errorf("read snapshot: %w", err)
	}
	return parseSnapshot([]byte(text))
}

func parseSnapshot(text []byte) (*Snapshot, error) {
	s := &Snapshot{}
	if err := json.Unmarshal(text, s); err != nil {
		return nil, fmt.Errorf("parse snapshot: %w", err)
	}
	sort.SliceStable(s.Keyvals, func(i, j int) bool { return fmt.Sprint(s.Keyvals[i]) < fmt.Sprint(s.Keyvals[j]) })
	return s, nil
}

// Diff describes how a database differs from what was recorded; "" means not at all.
func (s *Snapshot) Diff(recorded *Snapshot) string { return cmp.Diff(recorded, s) }

// WriteAsScheduler writes to a database what the scheduler had written before an exchange: host
// statuses, and entries that ended. s is the database as it is, recorded is the database after the
// exchange. Each statement commits by itself.
func (s *Snapshot) WriteAsScheduler(ctx context.Context, db labdb.DBTX, recorded *Snapshot) error {
	q := labdb.New(db)
	before := map[int64]SnapshotHost{}
	for _, h := range s.Hosts {
		before[h.ID] = h
	}
	for _, h := range recorded.Hosts {
		if was, ok := before[h.ID]; ok && was.Status != h.Status {
			if _, err := q.SchedulerSetHostStatus(ctx, h.Status, h.ID); err != nil {
				return fmt.Errorf("scheduler: host %d: %w", h.ID, err)
			}
		}
	}
	open := map[int64]bool{}
	for _, e := range s.Entries {
		open[e.ID] = !e.Complete
	}
	for _, e := range recorded.Entries {
		if e.Complete && open[e.ID] {
			if err := finishEntry(ctx, q, e); err != nil {
				return fmt.Errorf("scheduler: entry %d: %w", e.ID, err)
			}
		}
	}
	return nil
}

// finishEntry writes the end of an entry that ran, in the scheduler's own order
// (docs/scheduler-contract.md): status, active, finished_on, the job's shard_id, complete.
func finishEntry(ctx context.Context, q *labdb.Queries, e SnapshotEntry) error {
	started, err := sqlTime(e.StartedOn)
	if err != nil {
		return err
	}
	finished, err := sqlTime(e.FinishedOn)
	if err != nil {
		return err
	}
	steps := []func() (int64, error){
		func() (int64, error) {
			return q.SchedulerStartEntry(ctx, labdb.SchedulerStartEntryParams{
				ID: e.ID, HostID: e.HostID, ExecutionSubdir: e.ExecutionSubdir, StartedOn: started,
			})
		},
		func() (int64, error) { return q.SchedulerSetEntryStatus(ctx, e.Status, e.ID) },
		func() (int64, error) { return q.SchedulerSetEntryActive(ctx, false, e.ID) },
		func() (int64, error) { return q.SchedulerSetEntryFinished(ctx, finished, e.ID) },
		func() (int64, error) { return q.SchedulerAskForUpload(ctx, e.JobID) },
		func() (int64, error) { return q.SchedulerCompleteEntry(ctx, e.ID) },
	}
	for _, step := range steps {
		if _, err := step(); err != nil {
			return err
		}
	}
	return nil
}

func sqlTime(s *string) (pgtype.Timestamp, error) {
	if s == nil {
		return pgtype.Timestamp{}, nil
	}
	t, err := time.Parse("2006-01-02T15:04:05", *s)
	return pgtype.Timestamp{Time: t, Valid: err == nil}, err
}
