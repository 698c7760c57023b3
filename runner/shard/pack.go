package shard

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"shardclient/gen/sharddb"
	"shardclient/runner/afe"
	"shardclient/runner/beat"
	"shardclient/runner/guard"
	"shardclient/runner/pg"
	"shardclient/runner/search"
)

// memo is what must be remembered of a packet until the master has answered it. What travels is the
// packet.
type memo struct {
	plan        sharddb.ProbePlanRow // which records may go
	batch       beat.Batch           // how many of them
	pending     int                  // finished jobs, those in this packet included
	waiting     []int64              // finished jobs that may go but must wait for the next packet
	large       largeTurn
	aside       int  // jobs that were set aside because PostgreSQL does not let them go
	packedAside bool // the job in this packet is one of them

	upload
}

// upload is what acknowledge and the ledger need to know about the jobs in a packet.
type upload struct {
	sent     []sharddb.PackUploadRow
	digests  []int64 // what the packet says about each job, in short
	packetID int64   // see shard_client_packets

	// What acknowledging has shown: whether the master has named this shard yet, jobs that are
	// uploaded without progress, and how many jobs another client had acknowledged.
	known     bool
	repeated  []int64
	ofAnother int32
}

// largeTurn says how the jobs that exceed the upload limit take turns with all others.
type largeTurn struct {
	waiting bool   // this beat left such a job waiting
	jobID   *int64 // the job of this kind that went alone in this beat; nil: none did
}

// packOnce reads everything that the packet says in one snapshot.
func (c *Client) packOnce(ctx context.Context, most finished) (packet *afe.Packet, m *memo, err error) {
	err = pg.Read(ctx, c.pool, func(tx *pg.Tx) error {
		packet, m, err = c.packFrom(ctx, tx, most)
		return err
	})
	return packet, m, err
}

// packFrom reads the packet in two round trips, of which the second one ends the snapshot.
func (c *Client) packFrom(ctx context.Context, tx *pg.Tx, most finished) (*afe.Packet, *memo, error) {
	m := &memo{}
	packet, err := c.packKnown(ctx, tx, &m.plan)
	if err != nil {
		return nil, nil, err
	}
	m.batch = beat.Batch{Jobs: int(m.plan.BatchJobs), Bytes: m.plan.BatchBytes}.Within(c.limit())
	if most == oneJob {
		m.batch.Jobs = 1
	}
	// The limit is on the whole request, so what it takes without any job is measured.
	frame, err := packet.Size(afe.Protocol2019)
	if err != nil {
		return nil, nil, &guard.Error{Err: fmt.Errorf("encode packet: %w", err)}
	}
	limits := sharddb.PackUploadParams{
		RpcTimeoutSeconds: c.options.RPCTimeout.Seconds(),
		MaxJobs:           int64(m.batch.Jobs),
		FreeBytes:         c.options.MaxUploadBytes - int64(frame),
		BatchBytes:        m.batch.Bytes,
		JobIds:            m.plan.JobIds,
		OnlyJobs:          m.plan.OnlyJobs,
	}
	if most != wholeBatch {
		limits.MaxJobs, limits.FreeBytes, limits.BatchBytes = int64(most), math.MaxInt64, math.MaxInt64
	}
	var jobs []sharddb.PackUploadRow
	err = tx.Finish(ctx, func(db pg.DB) (err error) {
		jobs, err = sharddb.New(db).PackUpload(ctx, limits)
		return err
	})
	if err != nil {
		return nil, nil, &uploadError{fmt.Errorf("read jobs to upload: %w", err)}
	}
	for i := range jobs {
		m.add(packet, &jobs[i])
	}
	slices.Sort(packet.KnownJobIDs)
	packet.KnownJobIDs = slices.Compact(packet.KnownJobIDs)
	return packet, m, nil
}

// packKnown reads what may go, and the hosts and jobs that the master need not send again.
func (c *Client) packKnown(ctx context.Context, tx *pg.Tx, plan *sharddb.ProbePlanRow) (*afe.Packet, error) {
	var hosts sharddb.PackHostsRow
	packet := &afe.Packet{ShardHostname: c.options.ShardHostname}
	err := tx.Together(ctx,
		pg.PlansByKey(ctx),
		func(db pg.DB) (err error) {
			if *plan, err = search.Plan(ctx, sharddb.New(db)); err != nil {
				return fmt.Errorf("read what may go: %w", err)
			}
			return nil
		},
		func(db pg.DB) (err error) {
			if hosts, err = sharddb.New(db).PackHosts(ctx); err != nil {
				return fmt.Errorf("read known hosts: %w", err)
			}
			return nil
		},
		func(db pg.DB) (err error) {
			if packet.KnownJobIDs, err = sharddb.New(db).PackOpenJobs(ctx); err != nil {
				return fmt.Errorf("read known jobs: %w", err)
			}
			return nil
		})
	if err != nil {
		return nil, err
	}
	listed := make(map[int64]bool, len(plan.HostIds))
	for _, id := range plan.HostIds {
		listed[id] = true
	}
	for i, id := range hosts.Ids {
		if listed[id] == plan.OnlyHosts {
			packet.KnownHostIDs = append(packet.KnownHostIDs, id)
			packet.KnownHostStatuses = append(packet.KnownHostStatuses, hosts.Statuses[i])
		}
	}
	return packet, nil
}

// add puts a finished job into the packet. The first row is about those that must wait for a later
// packet. They are listed as known instead: if they were left out, the master would send them
// again, whole, at every beat.
func (m *memo) add(packet *afe.Packet, job *sharddb.PackUploadRow) {
	if job.IsTotal {
		m.pending, m.waiting, m.large.waiting = int(job.Pending), job.WaitingIds, job.LargeWaiting
		packet.KnownJobIDs = slices.Concat(packet.KnownJobIDs, job.HeldIds, job.WaitingIds)
		return
	}
	if job.Large {
		id := job.ID
		m.large.jobID = &id
	}
	all := sha256.New() // of what the packet says about the job, and of what it leaves out
	record := func(text string, digest []byte) jsontext.Value {
		value := jsontext.Value(text)
		if digest == nil {
			digest = value
		}
		_, _ = all.Write(digest)
		return value
	}
	packet.Jobs = append(packet.Jobs, record(job.Record, job.Digest))
	for i, text := range job.Entries {
		packet.Entries = append(packet.Entries, record(text, job.EntryDigests[i]))
	}
	m.sent = append(m.sent, *job)
	m.digests = append(m.digests, int64(binary.BigEndian.Uint64(all.Sum(nil))))
}

// jobIDs returns the ids of the jobs that the packet uploads.
func (u *upload) jobIDs() []int64 {
	ids := make([]int64, len(u.sent))
	for i := range u.sent {
		ids[i] = u.sent[i].ID
	}
	return ids
}

// uploadSize returns how many jobs and bytes the packet uploads.
func uploadSize(packet *afe.Packet) beat.Batch {
	size := beat.Batch{Jobs: len(packet.Jobs)}
	for _, records := range [][]jsontext.Value{packet.Jobs, packet.Entries} {
		for _, record := range records {
			size.Bytes += int64(len(record))
		}
	}
	return size
}
