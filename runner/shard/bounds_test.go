package shard_test

import (
	"context"
	"strings"
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

// lockTable locks a table as VACUUM FULL does, until the test ends.
func lockTable(t *testing.T, pool *pgxpool.Pool, table string) {
	t.Helper()
	tx, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tx.Rollback(context.Background()) })
	if _, err := tx.Exec(t.Context(), "LOCK TABLE "+pgx.Identifier{table}.Sanitize()); err != nil {
		t.Fatal(err)
	}
}

// waitsForALock reports whether a session of this database waits for a lock.
func waitsForALock(t *testing.T, pool *pgxpool.Pool) bool {
	t.Helper()
	return pgtest.Query[bool](t, pool, `SELECT EXISTS (SELECT FROM pg_stat_activity
		WHERE datname = current_database() AND wait_event_type = 'Lock')`)
}

// A database that makes a beat wait holds neither the beat nor the stop for ever. A beat that was
// stopped is in the history.
func TestABeatAndAStopEndBehindALockedTable(t *testing.T) {
	t.Cleanup(shard.SetFarewell(time.Hour))
	for name, tt := range map[string]struct {
		beat, finish time.Duration
		table        string
	}{
		"a beat":                   {beat: time.Second, table: "afe_hosts"},
		"a beat that may linger":   {beat: time.Second, finish: time.Hour, table: "afe_hosts"},
		"a stop, while it packs":   {finish: 2 * time.Millisecond, table: "afe_hosts"},
		"a stop, while it stores":  {finish: 2 * time.Millisecond, table: "afe_host_attributes"},
		"a stop with a long limit": {beat: time.Hour, finish: 2 * time.Millisecond, table: "afe_host_attributes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool, master := pgtest.Pool(t), newMaster(t)
			master.saysResult(result([]string{replaced(t, host(1, "h1"), `"hostattribute_set": []`, `"hostattribute_set": [{"attribute": "a", "value": "1"}]`)}, nil, nil))
			o := options()
			o.BeatTimeout, o.FinishTimeout, o.StopTimeout = tt.beat, tt.finish, time.Millisecond
			c := newClient(t, pool, wire(t, master, afe.Protocol2019), o)
			other, err := pgxpool.NewWithConfig(t.Context(), pool.Config())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(other.Close)
			lockTable(t, other, tt.table)

			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			stops := tt.finish == 2*time.Millisecond
			ended := make(chan beat.Report, 1)
			go func() { ended <- c.Beat(ctx, time.Now()) }()
			want := "the beat was ended after 1s (--beat-timeout)"
			if stops {
				wait.Until(t, "for the beat to wait for the lock", func() bool { return waitsForALock(t, other) })
				stop()
				want = "stopped: the beat was given 2ms to end (--finish-timeout)"
			}
			b := wait.For(t, "the end of the beat", ended)
			if b.OK() || !strings.HasPrefix(b.Error, want) || b.Failure != "database" || b.Fatal || b.Outage {
				t.Errorf("%+v, want a failure that begins with %s", b, want)
			}
			recorded := pgtest.Query[int](t, other, "SELECT count(*) FROM shard_client_heartbeats WHERE outcome = 'failed'")
			if stops && recorded != 1 {
				t.Errorf("%d failed beats in the history, want 1", recorded)
			}
		})
	}
}
