package shard

import (
	"context"
	"fmt"
	"slices"
	"time"

	"shardclient/gen/shard"
)

// How a completion cannot be lost (P1, P2), whatever the scheduler writes
// meanwhile and whatever becomes of the request. The scheduler completes entries
// and sets shard_id to NULL in statements of their own, in either order, and may
// leave the NULL out; so neither alone says what is to be uploaded. The ledger,
// shard_client_uploads, remembers for each job that was uploaded with an open
// entry which completions the master has acknowledged. What a packet holds is
// compared, value by value, with what the rows say once they are locked.

// markUnsure notes, before the packet leaves, which jobs it could undo later: a
// request that holds an open entry and waits in the master's queue may be stored
// after a newer one (docs/decisions.md, fault 3a).
func (c *Client) markUnsure(ctx context.Context, p *packed) error {
	if len(p.open) == 0 {
		return nil
	}
	return c.write(ctx, func(q *sharddb.Queries) error {
		rows, err := q.UploadMarkUnsure(ctx, p.open, c.options.RPCTimeout.Seconds())
		if err != nil {
			return fmt.Errorf("mark %d jobs in the upload ledger: %w", len(p.open), err)
		}
		p.settleable = nil
		for _, row := range rows {
			if !row.Outstanding {
				p.settleable = append(p.settleable, row.JobID)
			}
		}
		return nil
	})
}

// settle writes to the ledger what a failed heartbeat leaves behind.
func (c *Client) settle(ctx context.Context, p *packed, clear bool) error {
	if len(p.open) == 0 {
		return nil
	}
	return c.write(ctx, func(q *sharddb.Queries) error { return settle(ctx, q, p, clear) })
}

func settle(ctx context.Context, q *sharddb.Queries, p *packed, clear bool) error {
	var err error
	if clear {
		_, err = q.UploadClearUnsure(ctx, p.settleable)
	} else {
		_, err = q.UploadStillUnsure(ctx, p.open)
	}
	if err != nil {
		return fmt.Errorf("settle %d jobs in the upload ledger: %w", len(p.open), err)
	}
	return nil
}

// acknowledged counts what the master has and this shard agrees with.
type acknowledged struct{ jobs, entries int }

// acknowledge notes that the master has stored the packet. sure tells that no
// other copy of it is on its way.
func (c *Client) acknowledge(ctx context.Context, p *packed, sure bool) (acknowledged, error) {
	if len(p.jobs) == 0 {
		return acknowledged{}, nil
	}
	var changed []int64
	known := true
	err := c.write(ctx, func(q *sharddb.Queries) error {
		own, err := q.OwnShard(ctx, c.options.ShardHostname)
		if err != nil {
			return fmt.Errorf("look up own shard: %w", err)
		}
		if known = len(own) > 0; !known {
			return settle(ctx, q, p, sure)
		}
		changed, err = mark(ctx, q, p, own[0])
		if err != nil {
			return err
		}
		return c.remember(ctx, q, p, sure)
	})
	if err != nil {
		return acknowledged{}, err
	}
	if !known {
		c.log.Warn("upload not acknowledged: the master has not yet named this shard here; the jobs are uploaded again",
			"shard_hostname", c.options.ShardHostname, "jobs", len(p.jobs))
		return acknowledged{}, nil
	}
	count := acknowledged{jobs: len(p.jobs) - len(changed)}
	for _, e := range p.entries {
		if _, found := slices.BinarySearch(changed, e.JobID); !found {
			count.entries++
		}
	}
	return count, nil
}

// mark locks what was sent, entries before jobs, and sets shard_id by what the
// rows say then. It returns the jobs that changed since they were packed.
func mark(ctx context.Context, q *sharddb.Queries, p *packed, own int64) ([]int64, error) {
	args := sharddb.AcknowledgeJobsParams{OwnShardID: own}
	for _, e := range p.entries {
		args.EntryIds = append(args.EntryIds, e.ID)
		args.EntryDigests = append(args.EntryDigests, e.Digest)
	}
	for _, j := range p.jobs {
		args.JobIds = append(args.JobIds, j.ID)
		args.JobDigests = append(args.JobDigests, j.Digest)
	}
	if _, err := q.AcknowledgeLockEntries(ctx, args.EntryIds); err != nil {
		return nil, fmt.Errorf("lock entries: %w", err)
	}
	if _, err := q.AcknowledgeLockJobs(ctx, args.JobIds); err != nil {
		return nil, fmt.Errorf("lock jobs: %w", err)
	}
	changed, err := q.AcknowledgeJobs(ctx, args)
	if err != nil {
		return nil, fmt.Errorf("compare with what was sent: %w", err)
	}
	return changed, nil
}

// remember writes the ledger: what was sent as complete of jobs that have a row,
// and no row any longer for jobs that were sent whole.
func (c *Client) remember(ctx context.Context, q *sharddb.Queries, p *packed, sure bool) error {
	var jobs, entries, whole []int64
	for _, e := range p.entries {
		if e.Complete {
			jobs, entries = append(jobs, e.JobID), append(entries, e.ID)
		}
	}
	if _, err := q.UploadRecordSent(ctx, jobs, entries); err != nil {
		return fmt.Errorf("record what was sent: %w", err)
	}
	for _, j := range p.jobs {
		if _, open := slices.BinarySearch(p.open, j.ID); !open {
			whole = append(whole, j.ID)
		}
	}
	// An older request must have been dead when this packet left, not just by now:
	// it could have been stored over this one meanwhile.
	dead := c.options.RPCTimeout + time.Since(p.at)
	if _, err := q.UploadForgetSettled(ctx, whole, dead.Seconds()); err != nil {
		return fmt.Errorf("forget settled jobs: %w", err)
	}
	return settle(ctx, q, p, sure)
}
