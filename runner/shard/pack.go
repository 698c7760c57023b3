package shard

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/jackc/pgx/v5"

	"shardclient/gen/sharddb"
	"shardclient/runner/afe"
)

// packed is a packet and what must be remembered of it until it is answered.
type packed struct {
	at     time.Time // just before the snapshot
	packet *afe.Packet
	// sent is what acknowledge compares; complete are the entries that were sent as complete.
	sent     sharddb.AcknowledgeJobsParams
	complete []int64
	// open are jobs of the packet with an entry that is still open, whole are the
	// others; settleable are open ones for which no earlier packet may still be on
	// its way.
	open, whole, settleable []int64
	waiting                 []int64 // finished jobs that may go, and are left for the next packet
	pending                 int     // finished jobs, those of this packet included
	large                   largeTurn

	plan  sharddb.ProbePlanRow // which records may go
	batch Batch                // how many of them
	words string               // the master's, if it refused them
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
	plan, err := q.ProbePlan(ctx, changedAfter.Seconds())
	if err != nil {
		return nil, fmt.Errorf("read what may go: %w", err)
	}
	batch := Batch{int(plan.BatchJobs), plan.BatchBytes}.within(c.limit())
	hosts, err := q.PackHosts(ctx, plan.HostIds, plan.OnlyHosts)
	if err != nil {
		return nil, fmt.Errorf("read known hosts: %w", err)
	}
	known, err := q.PackOpenJobs(ctx)
	if err != nil {
		return nil, fmt.Errorf("read known jobs: %w", err)
	}
	packet := &afe.Packet{
		ShardHostname: c.options.ShardHostname, KnownJobIDs: known,
		KnownHostIDs: hosts.Ids, KnownHostStatuses: hosts.Statuses,
	}
	// The limit is on the request: what its frame takes is measured.
	frame, err := packet.Body(afe.Protocol2019)
	if err != nil {
		return nil, err
	}
	pending, err := q.PackUpload(ctx, sharddb.PackUploadParams{
		RpcTimeoutSeconds: c.options.RPCTimeout.Seconds(),
		MaxJobs:           int64(batch.Jobs),
		FreeBytes:         min(c.options.MaxUploadBytes-int64(len(frame)), batch.Bytes),
		JobIds:            plan.JobIds,
		OnlyJobs:          plan.OnlyJobs,
	})
	if err != nil {
		return nil, fmt.Errorf("read jobs to upload: %w", err)
	}
	p := &packed{
		at: at, packet: packet, plan: plan, batch: batch, pending: len(pending),
		sent: sharddb.AcknowledgeJobsParams{ShardHostname: c.options.ShardHostname},
	}
	for i := range pending {
		p.add(&pending[i])
	}
	slices.Sort(packet.KnownJobIDs)
	packet.KnownJobIDs = slices.Compact(packet.KnownJobIDs)
	return p, nil
}

// size is what of the packet was uploaded.
func (p *packed) size() Batch {
	size := Batch{Jobs: len(p.packet.Jobs)}
	for _, record := range slices.Concat(p.packet.Jobs, p.packet.Entries) {
		size.Bytes += int64(len(record))
	}
	return size
}

// add takes a job with something to upload into the packet. One that has to wait
// is known: left out, the master would send it again, whole, at every beat.
func (p *packed) add(job *sharddb.PackUploadRow) {
	p.large.waiting = job.LargeWaiting
	switch {
	case !job.Sent:
		if job.MayGo {
			p.waiting = append(p.waiting, job.ID)
		}
		p.packet.KnownJobIDs = append(p.packet.KnownJobIDs, job.ID)
		return
	case job.Large:
		id := job.ID
		p.large.jobID = &id
	}
	p.packet.Jobs = append(p.packet.Jobs, jsontext.Value(job.Record))
	for _, record := range job.Entries {
		p.packet.Entries = append(p.packet.Entries, jsontext.Value(record))
	}
	p.sent.JobIds = append(p.sent.JobIds, job.ID)
	p.sent.JobDigests = append(p.sent.JobDigests, job.Digest)
	p.sent.EntryIds = append(p.sent.EntryIds, job.EntryIds...)
	p.sent.EntryDigests = append(p.sent.EntryDigests, job.EntryDigests...)
	p.complete = append(p.complete, job.CompleteIds...)
	if len(job.CompleteIds) < len(job.EntryIds) {
		p.open = append(p.open, job.ID)
	} else {
		p.whole = append(p.whole, job.ID)
	}
}
