package master_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/runner/wait"
)

// beat is a heartbeat to send.
type beat struct{ url, user, arguments string }

type outcome struct {
	reply *reply
	err   error
}

// begin sends a heartbeat and does not wait for its answer.
func begin(ctx context.Context, b beat) <-chan outcome {
	ended := make(chan outcome, 1)
	go func() {
		r, err := post(ctx, b.url, b.user, heartbeat(b.arguments))
		ended <- outcome{r, err}
	}()
	return ended
}

func await(t testing.TB, ended <-chan outcome) *reply {
	t.Helper()
	o := <-ended
	if o.err != nil {
		t.Fatal(o.err)
	}
	return o.reply
}

// waiters returns once so many connections of the database wait for a lock.
func waiters(ctx context.Context, pool *pgxpool.Pool, want int) error {
	for waiting := 0; waiting < want; {
		if err := pool.QueryRow(ctx, `SELECT count(*) FROM pg_stat_activity, pg_sleep(0.002)
			WHERE datname = current_database() AND wait_event_type = 'Lock'`).Scan(&waiting); err != nil {
			return fmt.Errorf("wait for %d connections that wait for a lock: %w", want, err)
		}
	}
	return nil
}

// during runs a function in a transaction of the test, which ends with it.
func during(t testing.TB, pool *pgxpool.Pool, do func(ctx context.Context, tx pgx.Tx) error) {
	t.Helper()
	ctx := wait.Context(t)
	if err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error { return do(ctx, tx) }); err != nil {
		t.Fatal(err)
	}
}

// together sends heartbeats that overlap in the database: a lock of the tables holds each where it
// has read what it may take and may not take it yet.
func together(t testing.TB, pool *pgxpool.Pool, beats []beat) []*reply {
	t.Helper()
	var ended []<-chan outcome
	during(t, pool, func(ctx context.Context, tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "LOCK TABLE afe_jobs, afe_hosts IN EXCLUSIVE MODE"); err != nil {
			return err
		}
		for _, b := range beats {
			ended = append(ended, begin(t.Context(), b))
		}
		return waiters(ctx, pool, len(beats))
	})
	var replies []*reply
	for _, one := range ended {
		replies = append(replies, await(t, one))
	}
	return replies
}

// sixBeats of three shards, through two masters.
func sixBeats(urls []string, user string) (beats []beat) {
	for i, shard := range []string{"one", "two", "three", "one", "two", "three"} {
		beats = append(beats, beat{urls[i/3], user, `{"shard_hostname": "` + shard + `"}`})
	}
	return beats
}

// sharedBy fails unless the answers hold each of n objects once.
func sharedBy(t testing.TB, replies []*reply, section string, n int, name string) {
	t.Helper()
	var all []int64
	for _, r := range replies {
		all = append(all, ids(t, r, section)...)
	}
	if len(all) != n || len(slices.Compact(slices.Sorted(slices.Values(all)))) != n {
		t.Fatalf("%s: %s %v, want %d, each once", name, section, all, n)
	}
}

// widePool has connections for many heartbeats at once.
func widePool(t testing.TB, databaseURL string) *pgxpool.Pool {
	t.Helper()
	config, err := pgxpool.ParseConfig(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	config.MaxConns = 10
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// holdAfterReading begins a heartbeat of shard 1 and returns when it has read what it may send. It
// goes on when the transaction ends, which has made the same new user.
func holdAfterReading(t testing.TB, ctx context.Context, pool *pgxpool.Pool, tx pgx.Tx, url string) (<-chan outcome, error) {
	t.Helper()
	if _, err := tx.Exec(ctx, "INSERT INTO afe_users (login) VALUES ('new')"); err != nil {
		return nil, err
	}
	ended := begin(t.Context(), beat{url, "new", `{"shard_hostname": "one"}`})
	return ended, waiters(ctx, pool, 1)
}
