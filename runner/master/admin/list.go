package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"time"

	"shardclient/gen/masterdb"
)

// Shard is a shard of the master.
type Shard struct {
	ID       int64    `json:"id"`
	Hostname string   `json:"hostname"`
	Labels   []string `json:"labels"`
	Hosts    int64    `json:"hosts"`
	OpenJobs int64    `json:"open_jobs"` // jobs with an entry that is not complete
	Jobs     int64    `json:"jobs"`
}

// Shards lists all shards by hostname.
func (a *Admin) Shards(ctx context.Context) ([]Shard, error) {
	rows, err := masterdb.New(a.pool).AdminShardList(ctx)
	if err != nil {
		return nil, fmt.Errorf("list shards: %w", err)
	}
	shards := make([]Shard, len(rows))
	for i, row := range rows {
		shards[i] = Shard{row.ID, row.Hostname, row.Labels, row.Hosts, row.OpenJobs, row.Jobs}
	}
	return shards, nil
}

// Label is a label of the master. Removed labels are not listed.
type Label struct {
	ID       int64  `json:"id"`
	Name     string `json:"name"`
	Platform bool   `json:"platform"`
	Shard    string `json:"shard"` // hostname of the shard that has it; empty if none has
	Hosts    int64  `json:"hosts"` // how many hosts carry it
}

// Labels lists all labels by name.
func (a *Admin) Labels(ctx context.Context) ([]Label, error) {
	rows, err := masterdb.New(a.pool).AdminLabelList(ctx)
	if err != nil {
		return nil, fmt.Errorf("list labels: %w", err)
	}
	labels := make([]Label, len(rows))
	for i, row := range rows {
		labels[i] = Label{row.ID, row.Name, row.Platform, row.Shard, row.Hosts}
	}
	return labels, nil
}

// Host is a host of the master. Removed hosts are not listed.
type Host struct {
	ID         int64             `json:"id"`
	Hostname   string            `json:"hostname"`
	Status     string            `json:"status"` // as its shard last reported it
	Leased     bool              `json:"leased"` // a leased host is not sent to a shard
	Locked     bool              `json:"locked"`
	LockedBy   string            `json:"locked_by"`
	LockTime   *time.Time        `json:"lock_time"`
	LockReason string            `json:"lock_reason"`
	Shard      string            `json:"shard"` // hostname of the shard that has it; empty if none has
	Labels     []string          `json:"labels"`
	ACLGroups  []string          `json:"acl_groups"`
	Attributes map[string]string `json:"attributes"`
}

// Hosts lists all hosts by hostname.
func (a *Admin) Hosts(ctx context.Context) ([]Host, error) {
	rows, err := masterdb.New(a.pool).AdminHostList(ctx)
	if err != nil {
		return nil, fmt.Errorf("list hosts: %w", err)
	}
	hosts := make([]Host, len(rows))
	for i, row := range rows {
		hosts[i] = Host{
			ID: row.ID, Hostname: row.Hostname, Status: row.Status, Leased: row.Leased,
			Locked: row.Locked, LockedBy: row.LockedBy, LockTime: timeOf(row.LockTime), LockReason: row.LockReason,
			Shard: row.Shard, Labels: row.Labels, ACLGroups: row.Groups,
		}
		if err := json.Unmarshal([]byte(row.Attributes), &hosts[i].Attributes); err != nil {
			return nil, fmt.Errorf("list hosts: attributes of %s: %w", row.Hostname, err)
		}
	}
	return hosts, nil
}

// User is a user of the master.
type User struct {
	ID        int64    `json:"id"`
	Login     string   `json:"login"`
	Superuser bool     `json:"superuser"`
	ACLGroups []string `json:"acl_groups"`
}

// Users lists all users by login.
func (a *Admin) Users(ctx context.Context) ([]User, error) {
	rows, err := masterdb.New(a.pool).AdminUserList(ctx)
	if err != nil {
		return nil, fmt.Errorf("list users: %w", err)
	}
	users := make([]User, len(rows))
	for i, row := range rows {
		users[i] = User{row.ID, row.Login, row.AccessLevel >= superuser, row.Groups}
	}
	return users, nil
}

// Job is a job of the master.
type Job struct {
	ID        int64          `json:"id"`
	Name      string         `json:"name"`
	Owner     string         `json:"owner"`
	Priority  int            `json:"priority"`
	CreatedOn time.Time      `json:"created_on"` // UTC
	Shard     string         `json:"shard"`      // hostname of the shard that has it; empty if none has
	ParentID  int64          `json:"parent_id"`  // 0 if it has none
	Entries   map[string]int `json:"entries"`    // by status, which before the end of an abort is as in "Aborted (Queued)"
}

// JobFilter chooses jobs.
type JobFilter struct {
	Shard    string // only the jobs of the shard with this hostname; empty means all
	Open     bool   // only jobs with an entry that is not complete
	Finished bool   // only jobs whose entries are all complete
	Limit    int    // only this many, the newest; 0 means all
}

// Jobs lists jobs, the newest first.
func (a *Admin) Jobs(ctx context.Context, filter JobFilter) ([]Job, error) {
	q := masterdb.New(a.pool)
	if filter.Shard != "" {
		if _, err := q.ShardByHostname(ctx, filter.Shard); err != nil {
			return nil, fmt.Errorf("list jobs: %w", shardError(filter.Shard, err))
		}
	}
	limit := int64(filter.Limit)
	if limit == 0 {
		limit = math.MaxInt64
	}
	rows, err := q.AdminJobList(ctx, masterdb.AdminJobListParams{
		Shard: filter.Shard, Open: filter.Open, Finished: filter.Finished, UpTo: limit,
	})
	if err != nil {
		return nil, fmt.Errorf("list jobs: %w", err)
	}
	jobs := make([]Job, len(rows))
	for i, row := range rows {
		jobs[i] = Job{
			ID: row.ID, Name: row.Name, Owner: row.Owner, Priority: int(row.Priority), CreatedOn: row.CreatedOn.Time,
			Shard: row.Shard, ParentID: row.ParentJobID,
		}
		if err := json.Unmarshal([]byte(row.Entries), &jobs[i].Entries); err != nil {
			return nil, fmt.Errorf("list jobs: entries of job %d: %w", row.ID, err)
		}
	}
	return jobs, nil
}
