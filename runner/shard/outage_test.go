package shard

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"shardclient/runner/afe"
)

// The lab of the outage of 2018 (docs/decisions.md).
const (
	outageShards = 50
	outageJobs   = 10000
	outageRPC    = 5 * time.Minute // the original's time-out then
	outageLimit  = 24 * time.Hour
)

// slowMaster stores one request after the other, the slower the more of them wait. A request whose client has given up
// is stored all the same.
type slowMaster struct {
	turn    chan struct{}
	over    chan struct{} // closed at the end of the test
	mu      sync.Mutex
	waiting int
	longest int // queue
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
		case <-time.After(time.Duration(100+10*jobs) * time.Millisecond * time.Duration(outageShards+load) / outageShards):
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

// outage is how 50 shards with a backlog get rid of it.
type outage struct {
	drained      time.Duration // until the last shard is idle; 0: not within the limit
	left         int           // jobs that are not acknowledged in the end
	longestQueue int
	inVain       int // most failed beats of one shard in a row
}

// drain lets all shards beat with the loop's own pauses. next decides how large the next packet is.
func drain(t *testing.T, next func(b, sent, limit Batch, err error, took time.Duration) Batch, limit Batch) (o outage) {
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
				loop := &Loop{Pause: time.Minute, Drain: time.Second, Splay: time.Minute, Logger: slog.New(slog.DiscardHandler)}
				loop.Beat = func(ctx context.Context) Beat {
					sent := Batch{Jobs: min(batch.Jobs, left), Bytes: int64(min(batch.Jobs, left)) << 10}
					began := time.Now()
					err := master.upload(ctx, sent.Jobs)
					batch = next(batch, sent, limit, err, time.Since(began))
					b := Beat{RPCMS: float64(time.Since(began).Milliseconds())}
					b.Fail(err, func(text string) string { return text })
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
				_ = loop.Run(ctx)
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

// The backlog of the outage of 2018 goes up, and no beat is repeated in vain for ever. The original's upload of everything
// at once, which is sent again when it times out, never does.
func TestOutageOf2018Drains(t *testing.T) {
	whole := Batch{Jobs: 1000, Bytes: 16 << 20}
	o := drain(t, func(b, sent, limit Batch, err error, took time.Duration) Batch {
		return b.after(sent, limit, err, took, outageRPC)
	}, whole)
	t.Logf("drained after %s, longest queue %d, at most %d beats in vain", o.drained, o.longestQueue, o.inVain)
	if o.left != 0 || o.drained == 0 {
		t.Errorf("%d jobs are left", o.left)
	}
	if o.inVain > 6 || o.longestQueue > 2*outageShards {
		t.Errorf("%d beats of one shard in vain, a queue of %d requests on the master", o.inVain, o.longestQueue)
	}
	everything := Batch{Jobs: outageJobs, Bytes: 1 << 40}
	fixed := drain(t, func(b, _, _ Batch, _ error, _ time.Duration) Batch { return b }, everything)
	t.Logf("with everything at once: drained after %s, %d jobs left, longest queue %d, %d beats in vain", fixed.drained, fixed.left, fixed.longestQueue, fixed.inVain)
	if fixed.left == 0 || fixed.longestQueue <= o.longestQueue {
		t.Errorf("everything at once drains, too: %+v; then this test shows nothing", fixed)
	}
}
