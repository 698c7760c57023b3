package shard

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"shardclient/gen/shard"
	"shardclient/runner/afe"
)

// packed is a packet and what must be remembered of it until it is answered.
type packed struct {
	at      time.Time // just before the snapshot
	packet  *afe.Packet
	jobs    []sharddb.ShardClientUploadJob
	entries []sharddb.ShardClientUploadEntry
	// open are jobs of the packet with an entry that is still open; settleable are
	// those of them for which no earlier packet may still be on its way.
	open, settleable []int64
	pending          int // finished jobs, those of this packet included
	large            largeTurn
}

// largeTurn is how jobs that exceed the upload limit take turns with all others.
type largeTurn struct {
	waiting bool   // such a job was left waiting by this beat
	jobID   *int64 // such a job went alone in this beat
}

// pack reads what the packet says in one snapshot.
func (c *Client) pack(ctx context.Context) (*packed, error) {
	var p *packed
	snapshot := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err := pgx.BeginTxFunc(ctx, c.pool, snapshot, func(tx pgx.Tx) (err error) {
		p, err = c.packFrom(ctx, sharddb.New(tx))
		return err
	})
	return p, err
}

func (c *Client) packFrom(ctx context.Context, q *sharddb.Queries) (*packed, error) {
	at := time.Now()
	hosts, err := q.PackHosts(ctx)
	if err != nil {
		return nil, fmt.Errorf("read known hosts: %w", err)
	}
	open, err := q.PackOpenJobs(ctx)
	if err != nil {
		return nil, fmt.Errorf("read known jobs: %w", err)
	}
	pending, err := q.PackPending(ctx, c.options.RPCTimeout.Seconds())
	if err != nil {
		return nil, fmt.Errorf("read jobs to upload: %w", err)
	}
	packet := &afe.Packet{ShardHostname: c.options.ShardHostname, KnownJobIDs: knownJobs(open, pending, nil)}
	for _, host := range hosts {
		if !afe.ASCII(host.Status).Sent {
			continue // the master could not read the packet; it may send the host again, harmlessly
		}
		packet.KnownHostIDs = append(packet.KnownHostIDs, host.ID)
		packet.KnownHostStatuses = append(packet.KnownHostStatuses, host.Status)
	}
	// The limit is on the request; its frame is measured with every id in it.
	frame, err := packet.Body(afe.Protocol2019)
	if err != nil {
		return nil, err
	}
	p := &packed{at: at, packet: packet}
	if err := c.chooseJobs(ctx, q, p, pending, c.options.MaxUploadBytes-int64(len(frame))); err != nil {
		return nil, err
	}
	packet.KnownJobIDs = knownJobs(open, pending, p.jobs)
	p.pending = len(pending)
	p.open = openJobs(p.entries)
	return p, nil
}

// knownJobs are the jobs with an open entry, and the finished ones that wait
// but are not in this packet: left out, the master would send each of those
// again, whole, at every beat. Ascending, each once.
func knownJobs(open []int64, pending []sharddb.PackPendingRow, sent []sharddb.ShardClientUploadJob) []int64 {
	inPacket := make(map[int64]bool, len(sent))
	for _, job := range sent {
		inPacket[job.ID] = true
	}
	ids := slices.Clone(open)
	for _, job := range pending {
		if !inPacket[job.ID] {
			ids = append(ids, job.ID)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

func openJobs(entries []sharddb.ShardClientUploadEntry) []int64 {
	var ids []int64
	for _, e := range entries {
		if !e.Complete {
			ids = append(ids, e.JobID)
		}
	}
	return slices.Compact(ids) // entries come by job
}

// chooseJobs puts into the packet the oldest finished jobs that fit the limits
// on jobs and bytes. A job larger than the byte limit goes alone, in turns with
// the others, so that it blocks nobody and nobody blocks it.
func (c *Client) chooseJobs(ctx context.Context, q *sharddb.Queries, p *packed, pending []sharddb.PackPendingRow, budget int64) error {
	if len(pending) == 0 {
		return nil
	}
	last, err := q.HeartbeatLastLarge(ctx)
	if err != nil {
		return fmt.Errorf("read whose turn it is: %w", err)
	}
	batch, large := cutByText(pending, c.options.MaxUploadJobs, budget)
	candidates, err := readJobs(ctx, q, batch)
	if err != nil {
		return err
	}
	var fitting []candidate
	var size int64
	for _, job := range candidates {
		switch {
		case job.size > budget:
			large = append(large, job.row.ID)
		case size+job.size <= budget:
			size += job.size
			fitting = append(fitting, job)
		}
	}
	if len(large) > 0 && (len(fitting) == 0 || last.Waiting) {
		id := nextAfter(large, last.LastJobID)
		if fitting, err = readJobs(ctx, q, []int64{id}); err != nil {
			return err
		}
		p.large = largeTurn{jobID: &id}
	} else {
		p.large.waiting = len(large) > 0
	}
	for _, job := range fitting {
		p.add(job)
	}
	return nil
}

// cutByText bounds what is read before sizes are known exactly (P9). The text of
// a job is less than what it adds to the request.
func cutByText(pending []sharddb.PackPendingRow, maxJobs int, budget int64) (batch, large []int64) {
	var text int64
	for _, job := range pending {
		if job.TextBytes > budget {
			large = append(large, job.ID)
			continue
		}
		if text += job.TextBytes; len(batch) == maxJobs || text > budget {
			break
		}
		batch = append(batch, job.ID)
	}
	return batch, large
}

// nextAfter takes turns among large jobs: the first id after the last one sent.
func nextAfter(ids []int64, last int64) int64 {
	slices.Sort(ids)
	i, found := slices.BinarySearch(ids, last)
	if found {
		i++
	}
	return ids[i%len(ids)]
}

// candidate is a finished job with all its entries, as rows and as they travel.
type candidate struct {
	row     sharddb.ShardClientUploadJob
	entries []sharddb.ShardClientUploadEntry
	job     afe.UploadJob
	hqes    []afe.UploadEntry
	size    int64 // bytes in the request
}

func (p *packed) add(job candidate) {
	p.jobs = append(p.jobs, job.row)
	p.entries = append(p.entries, job.entries...)
	p.packet.Jobs = append(p.packet.Jobs, job.job)
	p.packet.Entries = append(p.packet.Entries, job.hqes...)
}

func readJobs(ctx context.Context, q *sharddb.Queries, ids []int64) ([]candidate, error) {
	rows, err := q.PackJobs(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("read %d jobs to upload: %w", len(ids), err)
	}
	entries, err := q.PackEntries(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("read entries of %d jobs to upload: %w", len(ids), err)
	}
	jobs := make([]candidate, len(rows))
	for i, row := range rows {
		job := candidate{row: row, job: uploadJob(&row)}
		for len(entries) > 0 && entries[0].JobID == row.ID {
			job.entries = append(job.entries, entries[0])
			job.hqes = append(job.hqes, uploadEntry(&entries[0]))
			entries = entries[1:]
		}
		size, err := afe.Size(&job.job, job.hqes)
		if err != nil {
			return nil, fmt.Errorf("encode job %d: %w", row.ID, err)
		}
		job.size = int64(size)
		jobs[i] = job
	}
	return jobs, nil
}

func uploadJob(j *sharddb.ShardClientUploadJob) afe.UploadJob {
	return afe.UploadJob{
		ID: j.ID, Owner: afe.ASCII(j.Owner), Name: afe.ASCII(j.Name), Priority: j.Priority,
		ControlFile: afe.ASCIIOrNull(j.ControlFile), ControlType: j.ControlType,
		CreatedOn: uploadTime(j.CreatedOn), SynchCount: j.SynchCount, Timeout: j.Timeout,
		TimeoutMins: j.TimeoutMins, MaxRuntimeHrs: j.MaxRuntimeHrs, MaxRuntimeMins: j.MaxRuntimeMins,
		RunVerify: j.RunVerify, RunReset: j.RunReset, EmailList: afe.ASCII(j.EmailList),
		RebootBefore: j.RebootBefore, RebootAfter: j.RebootAfter,
		ParseFailedRepair: j.ParseFailedRepair, TestRetry: j.TestRetry, RequireSSP: j.RequireSsp,
	}
}

func uploadEntry(e *sharddb.ShardClientUploadEntry) afe.UploadEntry {
	return afe.UploadEntry{
		ID: e.ID, Status: afe.ASCII(e.Status), Active: e.Active, Complete: e.Complete, Deleted: e.Deleted,
		Aborted: e.Aborted, ExecutionSubdir: afe.ASCII(e.ExecutionSubdir),
		StartedOn: uploadTime(e.StartedOn), FinishedOn: uploadTime(e.FinishedOn), HostID: afe.Sent(e.HostID),
	}
}

// uploadTime knows no infinity, which the master could not read.
func uploadTime(t pgtype.Timestamp) *string {
	if !t.Valid || t.InfinityModifier != pgtype.Finite {
		return nil
	}
	s := afe.FormatTime(t.Time.In(time.UTC))
	return &s
}
