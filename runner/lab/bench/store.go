package bench

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// lookPause is the time between two looks whether the connections of a client have ended.
const lookPause = 5 * time.Millisecond

// store lets a client store an answer in an empty database, and then the same answer again.
func (at *site) store(ctx context.Context, p *program, l load) (s stored, err error) {
	transfer, err := at.stub.transfer(ctx, l.answer)
	if err != nil {
		return s, err
	}
	db, err := at.fresh(ctx, p.template)
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, db.drop(ctx)) }()
	if err := at.storeTwice(ctx, p, db, l, &s); err != nil {
		return s, err
	}
	s.decode -= float64(transfer) / float64(time.Millisecond)
	if p != at.subject {
		return s, nil // it has another schema, perhaps
	}
	if s.digest, err = db.BenchDigest(ctx); err != nil {
		return s, err
	}
	s.rewritten, err = at.rewritten(ctx, p, db, l)
	return s, err
}

// storeTwice measures the first two beats of a client. The counters are read while it waits for an
// answer, when everything that belongs to the beat before is over.
func (at *site) storeTwice(ctx context.Context, p *program, db *database, l load, s *stored) error {
	c, err := p.run(at.stub.url, db.url)
	if err != nil {
		return err
	}
	defer c.stop()
	request, err := c.request(ctx, at.stub)
	if err != nil {
		return err
	}
	before, err := at.sample(ctx, db, c.used)
	if err != nil {
		return err
	}
	request.answer <- l.answer
	first, err := c.beat(ctx)
	if err != nil {
		return err
	}
	used, err := c.used() // at once: the next beat begins in a moment
	if err != nil {
		return err
	}
	s.peak, s.client = float64(used.Peak), used.CPU-before.client
	s.apply, s.total, s.decode = first.ApplyMS, first.total(), first.RPCMS
	if request, err = c.request(ctx, at.stub); err != nil {
		return err
	}
	between, err := at.sample(ctx, db, c.used)
	if err != nil {
		return err
	}
	s.wal, s.server = between.wal-before.wal, between.server-before.server
	request.answer <- l.answer
	again, err := c.beat(ctx)
	if err != nil {
		return err
	}
	s.again = again.ApplyMS
	if _, err := c.request(ctx, at.stub); err != nil {
		return err
	}
	after, err := at.sample(ctx, db, c.used)
	s.againWAL = after.wal - between.wal
	if first.ReceivedJobs != len(l.rows.jobs) || again.ReceivedJobs != len(l.rows.jobs) {
		return fmt.Errorf("shard-client has received %d and %d jobs, want %d both times", first.ReceivedJobs, again.ReceivedJobs, len(l.rows.jobs))
	}
	return err
}

// rewritten counts the rows that a new client writes when it is sent what is here already. The
// server counts what a connection did for certain only once that connection has ended.
func (at *site) rewritten(ctx context.Context, p *program, db *database, l load) (float64, error) {
	if err := at.alone(ctx, db.name, 1); err != nil {
		return 0, err
	}
	before, err := db.BenchRowsWritten(ctx)
	if err != nil {
		return 0, err
	}
	c, err := p.run(at.stub.url, db.url)
	if err != nil {
		return 0, err
	}
	_, err = c.exchange(ctx, at.stub, l.answer)
	c.stop()
	if err != nil {
		return 0, err
	}
	if err := at.alone(ctx, db.name, 1); err != nil {
		return 0, err
	}
	after, err := db.BenchRowsWritten(ctx)
	return float64(after - before), err
}

// alone waits until only so many connections to a database are left, which are the bench's own.
func (at *site) alone(ctx context.Context, name string, own int64) error {
	ticker := time.NewTicker(lookPause)
	defer ticker.Stop()
	for {
		connected, err := at.admin.BenchConnected(ctx, name)
		if err != nil || connected <= own {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}
