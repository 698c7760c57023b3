// Package converge finds out whether shards and their master agree, from their databases.
//
// It owns the comparison, entry by entry and field by field. It writes nothing, and does not help
// agreement to come about. While beats and schedulers run, its findings hold only for that moment;
// a verdict needs them at rest.
package converge

import (
	"context"
	"fmt"

	"shardclient/gen/labdb"
	"shardclient/runner/afe"
)

// pageJobs is how many jobs are sent from one database to the other at a time, some MB.
const pageJobs = 5000

// Kinds of a [Disagreement].
const (
	KindHost  = "host"
	KindJob   = "job"
	KindEntry = "entry"
)

// Shard is one shard's database and the name that the master knows it by.
type Shard struct {
	Hostname string
	DB       labdb.DBTX
}

// Disagreement is one field that differs between a shard and the master. Three fields are special:
// "exists" means that only one side has the object, "shard" that the master gave the job to another
// shard, and "uploaded" that the job waits for its upload.
type Disagreement struct {
	Shard  string `json:"shard"`
	Kind   string `json:"kind"`
	ID     int64  `json:"id"`
	JobID  int64  `json:"job_id"` // the job itself, or the job of the entry
	Field  string `json:"field"`
	Here   string `json:"here"`   // the value on the shard; "NULL" for NULL
	Master string `json:"master"` // the value on the master
}

// String returns a line such as "shard1: entry 7 of job 3: status is Failed here, Queued on the
// master".
func (d Disagreement) String() string {
	object := fmt.Sprintf("%s %d", d.Kind, d.ID)
	if d.Kind == KindEntry {
		object += fmt.Sprintf(" of job %d", d.JobID)
	}
	return fmt.Sprintf("%s: %s: %s is %s here, %s on the master", d.Shard, object, d.Field, d.Here, d.Master)
}

// lost reports whether an entry is complete on the shard, but not on the master.
func (d Disagreement) lost() bool {
	if d.Kind != KindEntry {
		return false
	}
	return d.Field == "complete" && d.Here == "true" || d.Field == "exists" && d.Here == "complete"
}

// Report holds what a check found.
type Report struct {
	Jobs     int `json:"jobs"`     // on the shards
	Entries  int `json:"entries"`  // on the shards
	Complete int `json:"complete"` // how many of those entries are complete
	Agreed   int `json:"agreed"`   // how many have the same values on the master in all fields compared
	// Lost counts the entries that are complete on a shard but not on the master. While an upload
	// is under way such an entry is not lost yet; when everything is at rest, it is.
	Lost int `json:"lost"`
	// Duplicated counts the entries that ran on more than one shard.
	Duplicated int `json:"duplicated"`
	// Disagreements are ordered by shard; within a shard hosts come first, then jobs and entries.
	Disagreements []Disagreement `json:"disagreements"`
}

// Agree reports whether nothing differs and nothing ran twice.
func (r *Report) Agree() bool { return len(r.Disagreements) == 0 && r.Duplicated == 0 }

// Check compares every shard with the master. protocol decides what the master can know: in 2015 it
// is told neither the statuses of hosts nor the hosts of entries.
func Check(ctx context.Context, master labdb.DBTX, shards []Shard, protocol afe.Protocol) (*Report, error) {
	c := &check{
		report: &Report{Disagreements: []Disagreement{}},
		master: labdb.New(master),
		newer:  protocol != afe.Protocol2015,
		ranOn:  map[int64]string{},
	}
	for _, shard := range shards {
		c.shard, c.here = shard.Hostname, labdb.New(shard.DB)
		if err := c.hosts(ctx); err != nil {
			return nil, fmt.Errorf("compare hosts of %s with the master: %w", shard.Hostname, err)
		}
		if err := c.jobs(ctx); err != nil {
			return nil, fmt.Errorf("compare jobs of %s with the master: %w", shard.Hostname, err)
		}
	}
	return c.report, nil
}

// check is one call of Check. It looks at one shard after the other.
type check struct {
	report *Report
	master *labdb.Queries
	newer  bool             // the protocol is newer than 2015
	ranOn  map[int64]string // the shard on which an entry ran, by entry

	shard string
	here  *labdb.Queries
}

func (c *check) hosts(ctx context.Context) error {
	hosts, err := c.here.ConvergeHosts(ctx)
	if err != nil {
		return err
	}
	rows, err := c.master.ConvergeHostDiff(ctx, labdb.ConvergeHostDiffParams{
		ShardHostname: c.shard, Hosts: []byte(hosts), Statuses: c.newer,
	})
	for _, r := range rows {
		c.disagree(Disagreement{Kind: KindHost, ID: r.ID, Field: r.Field, Here: r.ShardValue, Master: r.MasterValue})
	}
	return err
}

func (c *check) jobs(ctx context.Context) error {
	for after := int64(0); ; {
		page, err := c.here.ConvergePage(ctx, labdb.ConvergePageParams{AfterID: after, Jobs: pageJobs, HostIds: c.newer})
		if err != nil {
			return err
		}
		last := page.Jobs < pageJobs
		if err := c.page(ctx, page, after, last); err != nil || last {
			return err
		}
		after = page.LastID
	}
}

func (c *check) page(ctx context.Context, page labdb.ConvergePageRow, after int64, last bool) error {
	args := labdb.ConvergeDiffParams{
		ShardHostname: c.shard, Records: []byte(page.Records), AfterID: after, UntilID: page.LastID,
	}
	if last {
		args.UntilID = 1<<63 - 1 // includes jobs that the master assigned and that have not arrived
	}
	rows, err := c.master.ConvergeDiff(ctx, args)
	if err != nil {
		return err
	}
	disagreed := map[int64]bool{}
	for _, r := range rows {
		d := Disagreement{
			Kind:   r.Kind,
			ID:     r.ID,
			JobID:  r.JobID,
			Field:  r.Field,
			Here:   r.ShardValue,
			Master: r.MasterValue,
		}
		c.disagree(d)
		if d.lost() {
			c.report.Lost++
		}
		if d.Kind == KindEntry && (d.Field != "exists" || d.Here != "no") {
			disagreed[d.ID] = true
		}
	}
	c.report.Jobs += int(page.Jobs)
	c.report.Entries += int(page.Entries)
	c.report.Complete += int(page.CompleteEntries)
	c.report.Agreed += int(page.Entries) - len(disagreed)
	for _, id := range page.Ran {
		if other, twice := c.ranOn[id]; twice && other != c.shard {
			c.report.Duplicated++
		}
		c.ranOn[id] = c.shard
	}
	return nil
}

func (c *check) disagree(d Disagreement) {
	d.Shard = c.shard
	c.report.Disagreements = append(c.report.Disagreements, d)
}
