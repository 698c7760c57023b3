package shard

import (
	"context"
	"errors"

	"shardclient/runner/afe"
	"shardclient/runner/pg"
)

// A job may be too much for PostgreSQL, within the time that a statement has, when its records are
// read or compared: it has hundreds of thousands of entries, say. Such a job must harm no other
// (P6). The packet that met it is made again with one job, and from there the batch grows by
// success, so whatever can go goes. A job that is too much although it is alone is set aside and
// tried again later.

// finished says how many finished jobs are read for a packet.
type finished int

const (
	wholeBatch finished = -1
	noJob      finished = 0 // only their ids
	oneJob     finished = 1 // however large it is
)

// uploadError says that the finished jobs could not be read.
type uploadError struct{ cause error }

func (e *uploadError) Error() string { return e.cause.Error() }
func (e *uploadError) Unwrap() error { return e.cause }

// uploadTooSlow reports whether the finished jobs took too long to read.
func uploadTooSlow(ctx context.Context, err error) bool {
	_, ofJobs := errors.AsType[*uploadError](err)
	return ofJobs && pg.TookTooLong(ctx, err)
}

// pack reads what the packet says. When the finished jobs take too long, it reads one of them; when
// that one takes too long, too, it is set aside and the next one is read.
func (c *Client) pack(ctx context.Context) (*afe.Packet, *memo, error) {
	packet, m, err := c.packOnce(ctx, wholeBatch)
	if !uploadTooSlow(ctx, err) {
		return packet, m, err
	}
	if packet, m, err = c.packOnce(ctx, oneJob); !uploadTooSlow(ctx, err) {
		return packet, m, err
	}
	_, ids, listed := c.packOnce(ctx, noJob)
	if listed != nil || len(ids.waiting) == 0 {
		return nil, nil, pg.Together(err, listed)
	}
	if aside := c.search.TooSlow(ctx, ids.waiting[0], pg.Reason(err)); aside != nil {
		return nil, nil, pg.Together(err, aside)
	}
	if packet, m, err = c.packOnce(ctx, oneJob); err == nil {
		m.aside = 1
	}
	return packet, m, err
}

// acknowledgeSlow goes on after the statements that acknowledge a packet took too long: err. Of
// several jobs, the next packet holds one. A single one is set aside.
func (t *turn) acknowledgeSlow(ctx context.Context, sure bool, err error) error {
	m := t.memo
	if len(m.sent.JobIds) > 1 {
		t.report.Batch.Jobs = 1
		return err
	}
	m.aside, m.tooSlow = 1, true
	return pg.Together(t.c.search.TooSlow(ctx, m.sent.JobIds[0], pg.Reason(err)), t.c.settle(ctx, m, sure))
}
