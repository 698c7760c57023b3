package lock_test

import (
	"errors"
	"testing"
	"time"

	"shardclient/gen/sharddb"
	"shardclient/runner/lock"
	"shardclient/runner/pgtest"
	"shardclient/runner/wait"
)

// What a person changes stands between two transactions of the client that serves the shard:
// neither sees the other half done, and the client keeps its lock.
func TestP7BesideStandsBetweenTransactions(t *testing.T) {
	t.Parallel()
	pool := openPool(t, pgtest.Database(t))
	client := newLock(t, pool, "the client")
	hold(t, client)
	begun, finish := make(chan struct{}), make(chan struct{})
	written, mended := make(chan error, 1), make(chan error, 1)
	go func() {
		written <- client.Write(t.Context(), func(*sharddb.Queries) error {
			close(begun)
			<-finish
			return nil
		})
	}()
	wait.For(t, "the client's transaction", begun)
	inside := make(chan struct{})
	go func() {
		mended <- lock.Beside(t.Context(), pool, time.Minute, func(*sharddb.Queries) error {
			close(inside)
			return nil
		})
	}()
	wait.Until(t, "for the person's transaction to wait", func() bool {
		return pgtest.Query[int](t, pool, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'") == 1
	})
	select {
	case <-inside:
		t.Error("a person's change runs within the client's transaction")
	default:
	}
	close(finish)
	if err := errors.Join(wait.For(t, "the client's commit", written), wait.For(t, "the person's commit", mended)); err != nil {
		t.Fatal(err)
	}
	if err := client.Write(t.Context(), func(*sharddb.Queries) error { return nil }); err != nil {
		t.Errorf("%v: the client has lost its lock", err)
	}
	var held *lock.HeldError
	if err := lock.Look(t.Context(), pool); !errors.As(err, &held) || held.Who != "the client" {
		t.Errorf("%v, want a *HeldError that names the client", err)
	}
	client.Release(t.Context())
	if err := lock.Look(t.Context(), pool); err != nil {
		t.Error(err)
	}
	if err := lock.Beside(t.Context(), pool, time.Minute, func(*sharddb.Queries) error { return nil }); err != nil {
		t.Errorf("%v, and nobody serves the shard", err)
	}
}
