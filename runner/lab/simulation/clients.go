package simulation

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"shardclient/gen/labdb"
	"shardclient/runner/afe"
	"shardclient/runner/beat"
	"shardclient/runner/loop"
	"shardclient/runner/shard"
)

// Settings of the clients, as shard-client has them by default.
const (
	rpcTimeout     = 30 * time.Minute
	stopTimeout    = time.Second
	lockTimeout    = 500 * time.Millisecond
	maxUploadJobs  = 1000
	maxUploadBytes = 16 << 20
	maxResponse    = 256 << 20
	applyChunk     = 500
	keep           = 1000
	drainPause     = time.Second

	// refillEvery is the time between two looks at how many jobs have finished.
	refillEvery = time.Second
)

// clients runs the clients of all shards, and creates a new job for each one that finished.
type clients struct {
	at     *site
	cancel context.CancelFunc
	done   sync.WaitGroup

	working  atomic.Bool    // jobs finish, and new ones come
	finished []atomic.Int64 // by shard, since the last refill
	refilled atomic.Int64   // jobs that were made for those that finished
	received atomic.Int64   // shards with at least one successful beat

	mu        sync.Mutex
	measuring bool
	latencies []time.Duration
	failed    int
	lastError error
}

// start lets every shard beat, spread over one pause.
func (at *site) start(ctx context.Context) *clients {
	ctx, cancel := context.WithCancel(ctx)
	c := &clients{at: at, cancel: cancel, finished: make([]atomic.Int64, len(at.shards))}
	for i, one := range at.shards {
		c.done.Go(func() { c.beat(ctx, i, one) })
	}
	c.done.Go(func() { c.refill(ctx) })
	return c
}

func (c *clients) stop() {
	c.cancel()
	c.done.Wait()
}

// quiet lets no further job finish; beats go on.
func (c *clients) quiet() { c.working.Store(false) }

func (c *clients) beat(ctx context.Context, number int, one *simulatedShard) {
	address, err := url.Parse(one.url)
	if err != nil {
		c.note(0, err)
		return
	}
	wire, err := afe.NewClient(afe.Options{
		Master:           address,
		User:             "chromeos-test",
		Protocol:         afe.Protocol(c.at.Protocol),
		Timeout:          rpcTimeout,
		MaxResponseBytes: maxResponse,
		UserAgent:        "shard-lab simulate",
	})
	if err != nil {
		c.note(0, err)
		return
	}
	defer wire.Close()
	client, err := shard.NewClient(one.pool, wire, shard.Options{
		ShardHostname:  one.hostname,
		Who:            "shard-lab simulate",
		RPCTimeout:     rpcTimeout,
		StopTimeout:    stopTimeout,
		LockTimeout:    lockTimeout,
		MaxUploadJobs:  maxUploadJobs,
		MaxUploadBytes: maxUploadBytes,
		ApplyChunk:     applyChunk,
		HistoryKeep:    keep,
		QuarantineKeep: keep,
	})
	if err != nil {
		c.note(0, err)
		return
	}
	defer client.Close(context.WithoutCancel(ctx))
	first := true
	turns, err := loop.New(loop.Options{
		Pause: c.at.Pause, Drain: drainPause, Splay: c.at.Pause,
		Beat: func(ctx context.Context) beat.Report {
			if err := c.finish(ctx, number, one); err != nil {
				c.note(0, err)
			}
			b := client.Beat(ctx, time.Now())
			c.note(time.Duration(b.RPCMS*float64(time.Millisecond)), b.Err)
			if first && b.OK() {
				first = false
				c.received.Add(1)
			}
			return b
		},
	})
	if err == nil {
		err = turns.Run(ctx)
	}
	if err != nil {
		c.note(0, err)
	}
}

// finish ends some jobs of a shard.
func (c *clients) finish(ctx context.Context, number int, one *simulatedShard) error {
	if !c.working.Load() {
		return nil
	}
	jobs, err := labdb.New(one.pool).SimulateFinish(ctx, int64(math.Ceil(c.at.Finish*float64(c.at.JobsPerShard))))
	if err != nil {
		return fmt.Errorf("finish jobs of %s: %w", one.hostname, err)
	}
	c.finished[number].Add(jobs)
	return nil
}

// refill makes as many new jobs as have finished.
func (c *clients) refill(ctx context.Context) {
	ticker := time.NewTicker(refillEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		want := make([]int, len(c.finished))
		all := 0
		for i := range want {
			want[i] = int(c.finished[i].Swap(0))
			all += want[i]
		}
		if err := c.at.createJobs(ctx, want); err != nil && !errors.Is(err, context.Canceled) {
			c.note(0, err)
			continue
		}
		c.refilled.Add(int64(all))
	}
}

// measured reports whether a beat has ended since the measuring began, and jobs have come for those
// that finished, if any are to finish.
func (c *clients) measured() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.latencies) > 0 && (c.refilled.Load() > 0 || c.at.Finish == 0)
}

// note keeps the latency of a beat while the measurement runs, and a failure at any time.
func (c *clients) note(latency time.Duration, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case err != nil:
		c.failed++
		c.lastError = err
	case c.measuring:
		c.latencies = append(c.latencies, latency)
	}
}
