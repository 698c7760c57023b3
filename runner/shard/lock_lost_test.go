package shard_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"shardclient/runner/afe"
	"shardclient/runner/lock"
	"shardclient/runner/pgtest"
)

func TestP7OneClientPerShard(t *testing.T) {
	t.Parallel()
	pool, master := pgtest.Pool(t), newMaster(t)
	master.saysResult(result(nil, nil, nil))
	o := options()
	o.Who = "the first"
	first := newClient(t, pool, wire(t, master, afe.Protocol2019), o)
	mustBeat(t, first)
	o.Who = "the second"
	second := newClient(t, pool, wire(t, master, afe.Protocol2019), o)
	b := second.Beat(t.Context(), time.Now())
	var held *lock.HeldError
	if !errors.As(b.Err, &held) || held.Who != "the first" || held.BackendPID == 0 {
		t.Fatalf("second client: %v, want a HeldError that names the first", b.Err)
	}
	mustBeat(t, first) // undisturbed

	// Somebody empties our tables while the client runs: the next beat takes the lock anew.
	pgtest.Exec(t, pool, "DELETE FROM shard_client_owner")
	master.saysResult(result([]string{host(1, "h1")}, nil, nil))
	mustBeat(t, first)
	held.BackendPID = pgtest.Query[int32](t, pool, "SELECT backend_pid FROM shard_client_owner")

	// The connection that holds the lock breaks between two beats: the client goes on, under a new
	// epoch.
	epoch := pgtest.Query[int64](t, pool, "SELECT epoch FROM shard_client_owner")
	pgtest.Exec(t, pool, "SELECT pg_terminate_backend($1)", held.BackendPID)
	mustBeat(t, first)
	if now := pgtest.Query[int64](t, pool, "SELECT epoch FROM shard_client_owner"); now != epoch+1 {
		t.Errorf("epoch is %d after the lock was taken anew, want %d", now, epoch+1)
	}
}

// A client that lost the lock within a beat writes nothing more, whether another has taken over
// already or not yet.
func TestP7WhoLostTheLockWritesNothing(t *testing.T) {
	t.Parallel()
	for _, takenOver := range []bool{false, true} {
		t.Run(fmt.Sprintf("taken over %v", takenOver), func(t *testing.T) {
			pool, master := pgtest.Pool(t), newMaster(t)
			first := newClient(t, pool, wire(t, master, afe.Protocol2019), options())
			o := options()
			o.Who = "another"
			second := newClient(t, pool, wire(t, master, afe.Protocol2019), o)
			response := result([]string{host(1, "h1")}, goodJobs(1), nil)
			master.say(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				pgtest.Exec(t, pool, "SELECT pg_terminate_backend(backend_pid) FROM shard_client_owner")
				for pgtest.Query[bool](t, pool, "SELECT EXISTS (SELECT FROM pg_stat_activity JOIN shard_client_owner ON pid = backend_pid)") {
					continue // it was told to end, but is not gone yet
				}
				if takenOver {
					if err := second.Own(context.Background()); err != nil {
						t.Error(err)
					}
				}
				_, _ = fmt.Fprintf(w, `{"result": %s, "error": null}`, response)
			}))
			b := first.Beat(t.Context(), time.Now())
			if b.Failure != "lock_lost" || !errors.Is(b.Err, lock.ErrLost) {
				t.Errorf("beat: %q: %v, want lock_lost", b.Failure, b.Err)
			}
			const written = `SELECT (SELECT count(*) FROM afe_jobs) + (SELECT count(*) FROM afe_hosts)
				+ (SELECT count(*) FROM shard_client_heartbeats)`
			if n := pgtest.Query[int](t, pool, written); n != 0 {
				t.Errorf("%d rows were written after the lock was lost", n)
			}
			master.saysResult(response)
			b = first.Beat(t.Context(), time.Now())
			if held := (*lock.HeldError)(nil); takenOver != errors.As(b.Err, &held) || takenOver == b.OK() {
				t.Errorf("the next beat: %s: %v", b.Outcome, b.Err)
			}
		})
	}
}
