package shard_test

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/runner/afe"
	"shardclient/runner/beat"
	"shardclient/runner/pgtest"
	"shardclient/runner/shard"
	"shardclient/runner/wait"
)

// gate holds up the first statement with this name, and whatever travels with it.
type gate struct {
	statements
	name    string
	reached sync.Once
	open    chan struct{}
}

func (g *gate) TraceBatchStart(ctx context.Context, c *pgx.Conn, b pgx.TraceBatchStartData) context.Context {
	if slices.ContainsFunc(b.Batch.QueuedQueries, func(q *pgx.QueuedQuery) bool { return strings.HasPrefix(q.SQL, "-- name: "+g.name+" ") }) {
		g.reached.Do(func() { <-g.open })
	}
	return g.statements.TraceBatchStart(ctx, c, b)
}

// A beat uses two connections, also the first one of a process, while what warms one of them is
// slow and a signal comes: a role may have no third.
func TestWarmOpensNoThirdConnection(t *testing.T) {
	t.Cleanup(shard.SetWarmPatience(time.Hour))
	url := pgtest.Database(t)
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	slow := &gate{name: "HistoryRecall", open: make(chan struct{})}
	config.ConnConfig.Tracer = slow
	config.MaxConns = 2
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	other, err := pgxpool.New(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(other.Close)
	master := newMaster(t)
	master.saysResult(result(nil, nil, nil))
	c := newClient(t, pool, wire(t, master, afe.Protocol2019), options())
	untilSignal, signal := context.WithCancel(t.Context())
	c.Warm(untilSignal)
	ended := make(chan beat.Report, 1)
	go func() { ended <- c.Beat(t.Context(), time.Now()) }()
	wait.Until(t, "for the lock of the shard", func() bool {
		return pgtest.Query[bool](t, other, "SELECT EXISTS (SELECT FROM shard_client_owner WHERE epoch > 0)")
	})
	signal()
	close(slow.open)
	if b := wait.For(t, "the end of the beat", ended); !b.OK() {
		t.Errorf("beat: %s: %s", b.Failure, b.Error)
	}
	if n := pool.Stat().NewConnsCount(); n > 2 {
		t.Errorf("the first beat opened %d connections, want 2", n)
	}
}

// Whatever else waits for a locked table, a start does not.
func TestWarmWaitsForNoLock(t *testing.T) {
	t.Cleanup(shard.SetWarmPatience(time.Hour))
	for _, table := range []string{"afe_hosts", "shard_client_heartbeats"} {
		pool := pgtest.Pool(t)
		other, err := pgxpool.NewWithConfig(t.Context(), pool.Config())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(other.Close)
		lockTable(t, other, table)
		c := newClient(t, pool, nobody{}, options())
		c.Warm(t.Context())
		owned := make(chan error, 1)
		go func() { owned <- c.Own(t.Context()) }()
		if err := wait.For(t, "the lock of the shard, while "+table+" is locked", owned); err != nil {
			t.Error(err)
		}
	}
}

// An answer that comes again is compared in few round trips: each lets PostgreSQL and the client
// wait for each other.
func TestAnAnswerThatComesAgainTakesFewTrips(t *testing.T) {
	t.Parallel()
	pool, seen := tracedPool(t, pgtest.Database(t))
	master := newMaster(t)
	client := newClient(t, pool, wire(t, master, afe.Protocol2019), options())
	var hosts, keyvals []string
	for i := 1; i <= 20; i++ {
		hosts = append(hosts, host(i, "h"+strconv.Itoa(i)))
		keyvals = append(keyvals, keyval(i, "k"+strconv.Itoa(i), "v")) // they are here in another order than the job's
	}
	trips := func(answer string) int {
		t.Helper()
		master.saysResult(answer)
		before := seen.trips
		mustBeat(t, client)
		return seen.trips - before
	}
	answer := result(hosts, goodJobs(20), keyvals)
	trips(answer)
	idle, again := trips(result(nil, nil, nil)), trips(answer)
	if extra := again - idle; extra > 4 {
		t.Errorf("an answer that is here already takes %d round trips, want 4 at most: what comes before jobs, "+
			"which were refused before, what jobs name, jobs", extra)
	}
}
