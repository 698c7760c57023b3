package shard

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/cespare/xxhash/v2"

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
	plan     sharddb.ProbePlanRow   // which records may go
	batch    beat.Batch             // how many of them
	finished sharddb.PackPendingRow // all that wait
	waiting  []int64                // finished jobs that may go but must wait for the next packet
	// How the jobs that exceed the upload limit take turns with all others: whether this beat left
	// one waiting, and the one that went alone in this beat; nil: none did.
	largeWaiting bool
	largeID      *int64
	aside        int  // jobs that were set aside because PostgreSQL does not let them go
	packedAside  bool // the job in this packet is one of them

	upload
}

// upload is what acknowledge and the ledger need to know about the jobs in a packet.
type upload struct {
	sent     []*finishedJob // by their ids
	packetID int64          // see shard_client_packets

	// What acknowledging has shown: whether the master has named this shard yet, jobs that are
	// uploaded without progress, and how many jobs another client had acknowledged.
	known     bool
	repeated  []int64
	ofAnother int32
}

// packOnce reads everything that the packet says in one snapshot.
func (c *Client) packOnce(ctx context.Context, most finished) (packet *afe.Packet, m *memo, err error) {
	err = pg.Read(ctx, c.pool, func(tx *pg.Tx) error {
		packet, m, err = c.packFrom(ctx, tx, most)
		return err
	})
	return packet, m, err
}

// packFrom reads the packet in two round trips, of which the second one ends the snapshot. Whatever
// else is asked travels with the first one.
func (c *Client) packFrom(ctx context.Context, tx *pg.Tx, most finished, asks ...pg.Ask) (*afe.Packet, *memo, error) {
	m := &memo{}
	packet, err := c.packKnown(ctx, tx, m, asks)
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
	free, batch := c.options.MaxUploadBytes-int64(frame), m.batch
	if most != wholeBatch {
		free, batch = math.MaxInt64, beat.Batch{Jobs: int(most), Bytes: math.MaxInt64}
	}
	if err := m.packFinished(ctx, tx, packet, free, batch); err != nil {
		return nil, nil, &uploadError{fmt.Errorf("read jobs to upload: %w", err)}
	}
	slices.Sort(packet.KnownJobIDs)
	packet.KnownJobIDs = slices.Compact(packet.KnownJobIDs)
	return packet, m, nil
}

// packKnown reads what may go, and the hosts and jobs that the master need not send again.
func (c *Client) packKnown(ctx context.Context, tx *pg.Tx, m *memo, asks []pg.Ask) (*afe.Packet, error) {
	var hosts sharddb.PackHostsRow
	packet := &afe.Packet{ShardHostname: c.options.ShardHostname}
	err := tx.Together(ctx, append([]pg.Ask{
		pg.PlansByKey(ctx),
		func(db pg.DB) (err error) {
			m.plan, err = search.Plan(ctx, sharddb.New(db))
			return pg.Failed(err, "read what may go")
		},
		func(db pg.DB) (err error) {
			hosts, err = sharddb.New(db).PackHosts(ctx)
			return pg.Failed(err, "read known hosts")
		},
		func(db pg.DB) (err error) {
			packet.KnownJobIDs, err = sharddb.New(db).PackOpenJobs(ctx)
			return pg.Failed(err, "read known jobs")
		},
		func(db pg.DB) (err error) {
			m.finished, err = sharddb.New(db).PackPending(ctx, c.options.RPCTimeout.Seconds())
			return pg.Failed(err, "read which jobs are to be uploaded")
		},
	}, asks...)...)
	if err != nil {
		return nil, err
	}
	mayGo := which(m.plan.HostIds, m.plan.OnlyHosts)
	for i, id := range hosts.Ids {
		if mayGo(id) {
			packet.KnownHostIDs = append(packet.KnownHostIDs, id)
			packet.KnownHostStatuses = append(packet.KnownHostStatuses, hosts.Statuses[i])
		}
	}
	return packet, nil
}

// which returns what says whether a record may go. Some are listed: the only ones that may, or
// those that may not.
func which(ids []int64, only bool) func(id int64) bool {
	listed := make(map[int64]bool, len(ids))
	for _, id := range ids {
		listed[id] = true
	}
	return func(id int64) bool { return listed[id] == only }
}

// packFinished puts the finished jobs into the packet that may go and fit. All others are listed as
// known: if they were left out, the master would send them again, whole, at every beat. free is how
// many bytes the request may still have. The batch is for records alone: where the master is slow
// it is small, and the ids of a long backlog would leave room for one job (docs/promises.md,
// "growing uploads"). Of such a backlog only as much is read as may fit by the sizes of its texts.
func (m *memo) packFinished(ctx context.Context, tx *pg.Tx, packet *afe.Packet, free int64, batch beat.Batch) error {
	mayGo, pending := which(m.plan.JobIds, m.plan.OnlyJobs), &m.finished
	var may []*finishedJob
	for i, id := range pending.Ids {
		free -= int64(len(strconv.FormatInt(id, 10)) + 1)
		if mayGo(id) {
			may = append(may, &finishedJob{id: id, bytes: pending.Bytes[i]})
		}
	}
	space := min(free, batch.Bytes)
	jobs, large := choose(may, space, batch.Jobs, pending.LastLarge)
	jobs = append(jobs, large...)
	slices.SortFunc(jobs, func(a, b *finishedJob) int { return cmp.Compare(a.id, b.id) })
	if err := tx.Finish(ctx, readRecords(ctx, jobs)...); err != nil {
		return err
	}
	jobs, large = choose(jobs, space, len(jobs), pending.LastLarge)
	if m.largeWaiting = large != nil; m.largeWaiting && (pending.LargeTurn || len(jobs) == 0) {
		jobs, m.largeID, m.largeWaiting = large, &large[0].id, false
	}
	for _, job := range jobs {
		m.add(packet, job)
	}
	sent := jobIDs(m.sent)
	rest := slices.DeleteFunc(pending.Ids, func(id int64) bool { _, goes := slices.BinarySearch(sent, id); return goes })
	packet.KnownJobIDs = append(packet.KnownJobIDs, rest...)
	m.waiting = slices.DeleteFunc(rest, func(id int64) bool { return !mayGo(id) })
	return nil
}

// add puts a finished job into the packet.
func (m *memo) add(packet *afe.Packet, job *finishedJob) {
	all := xxhash.New() // of what the packet says about the job, and of what it leaves out
	packet.Jobs = append(packet.Jobs, job.records[0].text)
	for i, r := range job.records {
		_, _ = all.Write(r.whole)
		if i > 0 {
			packet.Entries = append(packet.Entries, r.text)
		}
	}
	job.digest = int64(all.Sum64())
	m.sent = append(m.sent, job)
}

// size returns how many jobs and bytes the packet uploads.
func (u *upload) size() (all beat.Batch) {
	for _, job := range u.sent {
		all.Bytes += job.bytes
	}
	all.Jobs = len(u.sent)
	return all
}
