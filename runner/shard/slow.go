package shard

import (
	"context"
	"errors"

	"shardclient/runner/afe"
	"shardclient/runner/aside"
	"shardclient/runner/pg"
)

// A job may be too much for PostgreSQL, within the time that a statement has, when its records are
// read or compared: it has hundreds of thousands of entries, say. Or a trigger of the site refuses
// its acknowledgment. Such a job must harm no other (P6). The packet that met it is made again with
// one job, and from there the batch grows by success, so whatever can go goes. A job that fails
// although it is alone is set aside and tried again later.

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

// tooMany reports whether fewer finished jobs may be read where these could not.
func tooMany(ctx context.Context, err error) bool {
	_, ofJobs := errors.AsType[*uploadError](err)
	return ofJobs && pg.OfOneObject(ctx, err)
}

// pack reads what the packet says. When the finished jobs cannot be read, it reads one of them;
// when that one cannot, either, it is set aside and the next one is read.
func (c *Client) pack(ctx context.Context) (*afe.Packet, *memo, error) {
	packet, m, err := c.packOnce(ctx, wholeBatch)
	if !tooMany(ctx, err) {
		return packet, m, err
	}
	if packet, m, err = c.packOnce(ctx, oneJob); !tooMany(ctx, err) {
		return packet, m, err
	}
	_, ids, listed := c.packOnce(ctx, noJob)
	if listed != nil || len(ids.waiting) == 0 {
		return nil, nil, pg.Together(err, listed)
	}
	if aside := c.setAside(ctx, ids.waiting[0], err); aside != nil {
		return nil, nil, pg.Together(err, aside)
	}
	if packet, m, err = c.packOnce(ctx, oneJob); err == nil {
		m.aside = 1
	}
	return packet, m, err
}

func (c *Client) setAside(ctx context.Context, jobID int64, cause error) error {
	code := aside.CodeDatabase
	if pg.TookTooLong(ctx, cause) {
		code = aside.CodeTooSlow
	}
	return c.search.SetAside(ctx, jobID, code, pg.Reason(cause))
}

// acknowledgeFewer goes on after the statements that acknowledge a packet failed with err. Of
// several jobs, the next packet holds one. A single one is set aside.
func (t *turn) acknowledgeFewer(ctx context.Context, sure bool, err error) error {
	m := t.memo
	if len(m.sent) > 1 {
		t.report.Batch.Jobs = 1
		return err
	}
	m.aside, m.packedAside = 1, true
	return pg.Together(t.c.setAside(ctx, m.sent[0].id, err), t.c.settle(ctx, m, sure))
}
