package loop_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"shardclient/runner/afe"
	"shardclient/runner/beat"
	"shardclient/runner/loop"
	"shardclient/runner/shard"
)

// The lab of docs/promises.md, "growing uploads".
const (
	outageShards = 50
	outageJobs   = 10000
	outageRPC    = 5 * time.Minute // the original's time-out then
	outageLimit  = 24 * time.Hour
)

// slowMaster stores one request after the other, more slowly the more of them wait. It stores a
// request even when its client has given up.
type slowMaster struct {
	turn chan struct{} // holds a value while a request is stored
	over chan struct{} // closed at the end of the test

	mu      sync.Mutex
	waiting int // requests
	longest int // the most that ever waited
}

// stores is how long the master takes for a packet of so many jobs while so many requests wait.
func stores(jobs, load int) time.Duration {
	alone := time.Duration(100+10*jobs) * time.Millisecond
	return alone * time.Duration(outageShards+load) / outageShards
}

func (m *slowMaster) upload(ctx context.Context, jobs int) error {
	m.mu.Lock()
	m.waiting++
	m.longest = max(m.longest, m.waiting)
	m.mu.Unlock()
	stored := make(chan struct{})
	go func() {
		select {
		case m.turn <- struct{}{}:
		case <-m.over:
			return
		}
		m.mu.Lock()
		load := m.waiting
		m.mu.Unlock()
		select {
		case <-time.After(stores(jobs, load)):
		case <-m.over:
		}
		<-m.turn
		m.mu.Lock()
		m.waiting--
		m.mu.Unlock()
		close(stored)
	}()
	ctx, cancel := context.WithTimeout(ctx, outageRPC)
	defer cancel()
	select {
	case <-stored:
		return nil
	case <-ctx.Done():
		return &afe.Error{Class: afe.Deadline, Err: ctx.Err()}
	}
}

// result says how 50 shards got rid of a backlog.
type result struct {
	drained      time.Duration // until the last shard is idle; 0: not within the limit
	left         int           // jobs that are not acknowledged at the end
	longestQueue int
	inVain       int // most failed beats of one shard in a row
}

// nextBatch decides how large the next packet is: b was the limit of the last one, sent its size.
type nextBatch func(b, sent, limit beat.Batch, err error, took time.Duration) beat.Batch

// drain lets all shards beat with the loop's own pauses until their backlog is gone, or for a day.
func drain(t *testing.T, next nextBatch, limit beat.Batch) (o result) {
	synctest.Test(t, func(t *testing.T) {
		master := &slowMaster{turn: make(chan struct{}, 1), over: make(chan struct{})}
		defer close(master.over)
		ctx, cancel := context.WithTimeout(t.Context(), outageLimit)
		defer cancel()
		start := time.Now()
		var mu sync.Mutex
		var shards sync.WaitGroup
		idle := 0
		for range outageShards {
			shards.Go(func() {
				batch, left, vain := limit, outageJobs, 0
				turn := func(ctx context.Context) beat.Report {
					sent := beat.Batch{Jobs: min(batch.Jobs, left), Bytes: int64(min(batch.Jobs, left)) << 10}
					began := time.Now()
					err := master.upload(ctx, sent.Jobs)
					batch = next(batch, sent, limit, err, time.Since(began))
					b := beat.Report{Outcome: beat.OutcomeOK, RPCMS: float64(time.Since(began).Milliseconds())}
					shard.Fail(&b, err, error.Error)
					mu.Lock()
					defer mu.Unlock()
					if err != nil {
						vain++
						o.inVain = max(o.inVain, vain)
						return b
					}
					left, vain = left-sent.Jobs, 0
					if b.Soon = left > 0; !b.Soon && sent.Jobs > 0 {
						if idle++; idle == outageShards {
							o.drained = time.Since(start)
							cancel()
						}
					}
					return b
				}
				l, err := loop.New(loop.Options{Beat: turn, Pause: time.Minute, Drain: time.Second, Splay: time.Minute})
				if err != nil {
					t.Error(err)
					return
				}
				_ = l.Run(ctx)
				mu.Lock()
				o.left += left
				mu.Unlock()
			})
		}
		shards.Wait()
		o.longestQueue = master.longest
	})
	return o
}

// The backlog of the incident "growing uploads" is uploaded, and no shard repeats a beat in vain
// for ever. The original uploaded everything at once and sent it again when it timed out: that
// never ends.
func TestGrowingUploadsDrain(t *testing.T) {
	whole := beat.Batch{Jobs: 1000, Bytes: 16 << 20}
	o := drain(t, func(b, sent, limit beat.Batch, err error, took time.Duration) beat.Batch {
		if err != nil {
			return b.Halved(sent)
		}
		return b.Grown(sent, limit, took, outageRPC)
	}, whole)
	t.Logf("drained after %s, longest queue %d, at most %d beats in vain", o.drained, o.longestQueue, o.inVain)
	if o.left != 0 || o.drained == 0 {
		t.Errorf("%d jobs are left", o.left)
	}
	if o.inVain > 6 || o.longestQueue > 2*outageShards {
		t.Errorf("%d beats of one shard in vain, a queue of %d requests on the master", o.inVain, o.longestQueue)
	}
	everything := beat.Batch{Jobs: outageJobs, Bytes: 1 << 40}
	fixed := drain(t, func(b, _, _ beat.Batch, _ error, _ time.Duration) beat.Batch { return b }, everything)
	t.Logf("with everything at once: drained after %s, %d jobs left, longest queue %d, %d beats in vain",
		fixed.drained, fixed.left, fixed.longestQueue, fixed.inVain)
	if fixed.left == 0 || fixed.longestQueue <= o.longestQueue {
		t.Errorf("everything at once drains too: %+v; then this test shows nothing", fixed)
	}
}
