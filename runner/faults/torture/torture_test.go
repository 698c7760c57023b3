package torture

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"shardclient/runner/faults"
	"shardclient/runner/pgtest"
	"shardclient/runner/postgres"
	"shardclient/runner/wait"
)

const (
	victims = 3
	hosts   = 6 // of each shard

	tortureRPCTimeout = 1500 * time.Millisecond

	maxOpen = 90 // entries on the master: past it, people wait
)

// TestTorture lets three shards work with the real program while faults are drawn from a seed, and
// looks in the end whether a completion is lost or an entry ran twice.
func TestTorture(t *testing.T) {
	t.Parallel()
	if *seed == 0 {
		*seed = rand.Uint64() >> 1
	}
	t.Logf("seed %d, for %d s", *seed, *seconds)
	x := newRack(t)
	until, stopped := context.WithTimeout(t.Context(), time.Duration(*seconds)*time.Second)
	defer stopped()
	var people sync.WaitGroup
	people.Go(func() { x.work(until) })
	x.inject(until)
	people.Wait()
	x.settle()
	x.tell()
}

// rack is the lab under torture.
type rack struct {
	t       *testing.T
	lab     *faults.Lab
	server  *faults.Server // of all shards' databases
	victims []*victim
	road    *road
	began   time.Time
	settled time.Duration

	rest      func() // ends the schedulers
	scheduler sync.WaitGroup

	counts                counts
	jobs, aborts, moves   atomic.Int64
	interrupted, restarts atomic.Int64 // turns of schedulers; clients that ended by themselves
	cut                   atomic.Int64 // connections
}

// victim is a shard with the program that serves it.
type victim struct {
	*faults.Shard
	program *faults.Program
}

// counts are faults by kind.
type counts struct {
	mu sync.Mutex
	of map[string]int
}

func (c *counts) add(kind string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.of[kind]++
}

// number is how often a fault has happened.
func (c *counts) number(kind string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.of[kind]
}

func newRack(t *testing.T) *rack {
	x := &rack{t: t, counts: counts{of: map[string]int{}}, began: time.Now()}
	x.server = faults.StartServer(t, postgres.Options{Durable: true})
	x.lab = faults.NewLab(t, faults.Options{Shards: victims, HostsPerShard: hosts, Server: x.server, FailShare: 0.2, Seed: *seed})
	x.road = newRoad(&x.counts, rand.New(rand.NewPCG(*seed, 1)))
	x.lab.Between(x.road.between)
	ctx, rest := context.WithCancel(context.WithoutCancel(t.Context()))
	x.rest = sync.OnceFunc(func() {
		rest()
		x.scheduler.Wait()
	})
	t.Cleanup(x.rest)
	for _, s := range x.lab.Shards {
		v := &victim{Shard: s}
		x.victims = append(x.victims, v)
		x.start(v)
		x.scheduler.Go(func() { x.schedule(ctx, v) })
	}
	return x
}

func (x *rack) start(v *victim) { v.program = x.launch(v) }

func (x *rack) launch(v *victim) *faults.Program {
	x.t.Helper()
	return x.lab.Start(v.Shard, "run", "--rpc-timeout="+tortureRPCTimeout.String(), "--history-keep=1000000", "--log-level=warn")
}

// schedule takes turns. One that the database interrupts goes on from what was written, as the real
// one does after a restart.
func (x *rack) schedule(ctx context.Context, v *victim) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := v.Scheduler.Turn(context.WithoutCancel(ctx)); err != nil {
			x.interrupted.Add(1)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// work is that of people: suites all the time, an abort and a host that moves now and then.
func (x *rack) work(until context.Context) {
	draw := rand.New(rand.NewPCG(*seed, 2))
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	var ids []int64
	for n := 0; ; n++ {
		select {
		case <-until.Done():
			return
		case <-tick.C:
		}
		var err error
		switch {
		case n%10 == 5 && len(ids) > 0:
			_, err = x.lab.People.AbortJobs(x.t.Context(), "alice", ids[max(0, len(ids)-1-draw.IntN(30))])
			x.aborts.Add(1)
		case n%20 == 12:
			host := fmt.Sprintf("shard%d-host%d", 1+draw.IntN(victims), 1+draw.IntN(hosts))
			_, err = x.lab.People.MoveHosts(x.t.Context(), x.victims[draw.IntN(victims)].Board, host)
			x.moves.Add(1)
		case x.open() < maxOpen:
			ids, err = x.suite(draw, ids)
		}
		if err != nil {
			x.t.Errorf("people: %v", err)
		}
	}
}

// open are the entries that wait for their end, of those that go to shards.
func (x *rack) open() int {
	return pgtest.Query[int](x.t, x.lab.Master, "SELECT count(*) FROM afe_host_queue_entries WHERE meta_host IS NOT NULL AND NOT complete")
}

// settle ends the faults and waits until all that people asked for is done and both sides agree.
func (x *rack) settle() {
	x.t.Helper()
	began := time.Now()
	x.road.calm()
	for i, v := range x.victims {
		for n := range hosts {
			if _, err := x.lab.People.MoveHosts(x.t.Context(), v.Board, fmt.Sprintf("shard%d-host%d", i+1, n+1)); err != nil {
				x.t.Fatal(err)
			}
		}
	}
	wait.Until(x.t, "for everything to come to its end", func() bool {
		x.revive()
		return x.open() == 0 && x.lab.Compare().Agree() && len(x.aside()) == 0
	}, func() string { return fmt.Sprintf("%d entries are open; set aside: %v", x.open(), x.aside()) })
	for _, v := range x.victims {
		v.program.Stop()
	}
	x.rest()
	x.settled = time.Since(began)
}
