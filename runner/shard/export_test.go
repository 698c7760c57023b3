package shard

import (
	"context"
	"time"

	"shardclient/runner/afe"
	"shardclient/runner/apply"
)

// SetWarmPatience changes how long a server that is silent keeps what warms a connection, and
// changes it back.
func SetWarmPatience(d time.Duration) (restore func()) { return set(&warmPatience, d) }

// The steps of a beat one by one, for tests in which others write in between.

// SetMaxUploadJobs changes the batch of a client that exists.
func (c *Client) SetMaxUploadJobs(n int) { c.options.MaxUploadJobs = n }

// Packed is a packet and what must be remembered of it.
type Packed struct {
	Packet *afe.Packet
	memo   *memo
}

// Pack is the first step, up to the moment when the packet leaves.
func (c *Client) Pack(ctx context.Context) (*Packed, error) {
	if err := c.Own(ctx); err != nil {
		return nil, err
	}
	t := turn{c: c}
	err := t.pack(ctx)
	return &Packed{t.packet, t.memo}, err
}

// Choose says what goes of jobs with these ids and sizes, and which large one has its turn, or 0.
func Choose(ids, sizes []int64, space int64, most int, last int64) (fit []int64, large int64) {
	var jobs []*finishedJob
	for i, id := range ids {
		jobs = append(jobs, &finishedJob{id: id, bytes: sizes[i]})
	}
	chosen, alone := choose(jobs, space, most, last)
	for _, job := range chosen {
		fit = append(fit, job.id)
	}
	for _, job := range alone {
		large = job.id
	}
	return fit, large
}

// LoseAnswer is what follows when the outcome of a request is unknown.
func (c *Client) LoseAnswer(ctx context.Context, p *Packed) error {
	return c.settle(ctx, p.memo, false)
}

// Acknowledge is the step after a clear answer.
func (c *Client) Acknowledge(ctx context.Context, p *Packed) error {
	_, err := c.acknowledge(ctx, p.memo, true)
	return err
}

// Apply is the last step.
func (c *Client) Apply(ctx context.Context, r *afe.Response) error {
	_, err := apply.Response(ctx, &c.apply, r)
	return err
}

// SetMaxSplits changes how often a beat of this client halves refused chunks.
func (c *Client) SetMaxSplits(n int) { c.apply.MaxSplits = n }

// SetFarewell changes what a beat that was ended has for the history, and changes it back.
func SetFarewell(d time.Duration) (restore func()) { return set(&farewell, d) }

func set[T any](variable *T, value T) (restore func()) {
	before := *variable
	*variable = value
	return func() { *variable = before }
}
