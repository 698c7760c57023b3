package shard_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/runner/afe"
	"shardclient/runner/beat"
	"shardclient/runner/pgtest"
	"shardclient/runner/wait"
)

// A beat uses two connections, also the first one of a process, while what warms one of them is
// slow: a role may have no third.
func TestWarmOpensNoThirdConnection(t *testing.T) {
	t.Parallel()
	pool, master := pgtest.Pool(t), newMaster(t)
	master.saysResult(result(nil, nil, nil))
	other, err := pgxpool.NewWithConfig(t.Context(), pool.Config())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(other.Close)
	c := newClient(t, pool, wire(t, master, afe.Protocol2019), options())
	before := pool.Stat().NewConnsCount()
	tx, err := other.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(t.Context()) //nolint:errcheck // the test is over
	if _, err := tx.Exec(t.Context(), "LOCK TABLE shard_client_heartbeats"); err != nil {
		t.Fatal(err)
	}
	c.Warm(t.Context())
	ended := make(chan beat.Report, 1)
	go func() { ended <- c.Beat(t.Context(), time.Now()) }()
	wait.Until(t, "for the lock of the shard", func() bool {
		return pgtest.Query[bool](t, other, "SELECT EXISTS (SELECT FROM shard_client_owner WHERE epoch > 0)")
	})
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if b := wait.For(t, "the end of the beat", ended); !b.OK() {
		t.Errorf("beat: %s: %s", b.Failure, b.Error)
	}
	if n := pool.Stat().NewConnsCount() - before; n > 2 {
		t.Errorf("the first beat opened %d connections, want 2", n)
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
		keyvals = append(keyvals, keyval(i, "k"+strconv.Itoa(i), "v"))
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
