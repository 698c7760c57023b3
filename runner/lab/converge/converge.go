// Package converge tells whether shards and their master agree, by what is in their databases.
//
// It owns the comparison, entry by entry and field by field. It writes nothing, and takes no part in how agreement comes
// about. What it finds while beats and schedulers run is of that moment; a verdict needs them at rest.
package converge

import (
	"context"
	"fmt"

	"shardclient/gen/labdb"
	"shardclient/runner/afe"
)

// pageJobs is how many jobs travel from one database to the other at a time, some MB.
const pageJobs = 5000

// Kinds of a Disagreement.
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

// Disagreement is one field that reads otherwise on the shard than on the master. The field "exists" is for what only one
// of them has, "shard" for a job that the master gave to another, "uploaded" for a job that waits for its upload.
type Disagreement struct {
	Shard  string `json:"shard"`
	Kind   string `json:"kind"`
	ID     int64  `json:"id"`
	JobID  int64  `json:"job_id"` // of an entry or a job
	Field  string `json:"field"`
	Here   string `json:"here"`   // on the shard; NULL is "NULL"
	Master string `json:"master"` // the master's
}

// String reads "shard1: entry 7 of job 3: status is Failed here, Queued on the master".
func (d Disagreement) String() string {
	object := fmt.Sprintf("%s %d", d.Kind, d.ID)
	if d.Kind == KindEntry {
		object += fmt.Sprintf(" of job %d", d.JobID)
	}
	return fmt.Sprintf("%s: %s: %s is %s here, %s on the master", d.Shard, object, d.Field, d.Here, d.Master)
}

// lost tells a completion that the master does not have.
func (d Disagreement) lost() bool {
	if d.Kind != KindEntry {
		return false
	}
	return d.Field == "complete" && d.Here == "true" || d.Field == "exists" && d.Here == "complete"
}

// Report is what a check found.
type Report struct {
	Jobs     int `json:"jobs"`     // on the shards
	Entries  int `json:"entries"`  // on the shards
	Complete int `json:"complete"` // of those entries
	Agreed   int `json:"agreed"`   // of those entries: every field that is compared is the same on the master
	// Lost are entries that are complete on a shard and not on the master. While an upload is under way that is no loss
	// yet; it is one when everything is at rest.
	Lost int `json:"lost"`
	// Duplicated are entries that ran on more than one shard.
	Duplicated int `json:"duplicated"`
	// Disagreements are in the order of the shards, then hosts, then jobs and entries by page.
	Disagreements []Disagreement `json:"disagreements"`
}

// Agree tells that nothing reads otherwise anywhere, and nothing ran twice.
func (r *Report) Agree() bool { return len(r.Disagreements) == 0 && r.Duplicated == 0 }

// Check compares every shard with the master. protocol decides what the master can know: a 2015 one is told no host
// statuses, and no hosts of entries.
func Check(ctx context.Context, master labdb.DBTX, shards []Shard, protocol afe.Protocol) (*Report, error) {
	c := &check{
		report: &Report{Disagreements: []Disagreement{}}, master: labdb.New(master),
		newer: protocol != afe.Protocol2015, ranOn: map[int64]string{},
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

// check is one run, at one shard at a time.
type check struct {
	report *Report
	master *labdb.Queries
	newer  bool // than 2015
	ranOn  map[int64]string

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
		args.UntilID = 1<<63 - 1 // also what the master gave to the shard and has not arrived
	}
	rows, err := c.master.ConvergeDiff(ctx, args)
	if err != nil {
		return err
	}
	disagreed := map[int64]bool{}
	for _, r := range rows {
		d := Disagreement{Kind: r.Kind, ID: r.ID, JobID: r.JobID, Field: r.Field, Here: r.ShardValue, Master: r.MasterValue}
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
