package lock_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/goleak"

	"shardclient/gen/sharddb"
	"shardclient/runner/lock"
	"shardclient/runner/pgtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.WithServer(m)) }

func newLock(t *testing.T, pool *pgxpool.Pool, who string) *lock.Lock {
	t.Helper()
	l, err := lock.New(pool, who)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Release(context.Background()) })
	return l
}

func hold(t *testing.T, l *lock.Lock) {
	t.Helper()
	if err := l.Hold(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// write stores a keyval under the lock.
func write(t *testing.T, l *lock.Lock) error {
	t.Helper()
	return l.Write(t.Context(), func(q *sharddb.Queries) error {
		_, err := q.SuiteKeyvalsStore(t.Context(), []byte(`[{"id": 1, "job_id": 7, "key": "k", "value": "v"}]`))
		return err
	})
}

func rows(t *testing.T, pool *pgxpool.Pool) (n int) {
	t.Helper()
	if err := pool.QueryRow(t.Context(), "SELECT count(*) FROM afe_job_keyvals").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestNewNamesWhatIsMissing(t *testing.T) {
	t.Parallel()
	if _, err := lock.New(nil, "test"); err == nil || !strings.Contains(err.Error(), "pool") {
		t.Errorf("without a pool: %v", err)
	}
	if _, err := lock.New(&pgxpool.Pool{}, ""); err == nil || !strings.Contains(err.Error(), "who") {
		t.Errorf("without a name: %v", err)
	}
}

func TestP7TheHolderIsNamed(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	first, second := newLock(t, pool, "the first"), newLock(t, pool, "the second")
	hold(t, first)
	hold(t, first) // to hold it twice changes nothing
	var held *lock.HeldError
	if err := second.Hold(t.Context()); !errors.As(err, &held) || held.Who != "the first" || held.BackendPID == 0 {
		t.Fatalf("the second: %v, want a *HeldError that names the first", err)
	}
	first.Release(t.Context())
	hold(t, second)
	if second.Epoch() != first.Epoch()+1 {
		t.Errorf("epochs %d and %d, want one after the other", first.Epoch(), second.Epoch())
	}
}

func TestP7NothingIsWrittenWithoutTheLock(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	first, second := newLock(t, pool, "the first"), newLock(t, pool, "the second")
	if err := write(t, first); !errors.Is(err, lock.ErrLost) {
		t.Errorf("before the lock was held: %v, want ErrLost", err)
	}
	hold(t, first)
	if err := write(t, first); err != nil || rows(t, pool) != 1 {
		t.Fatalf("with the lock: %v, %d rows", err, rows(t, pool))
	}
	first.Release(t.Context())
	if err := write(t, first); !errors.Is(err, lock.ErrLost) {
		t.Errorf("after it was given back: %v, want ErrLost", err)
	}
	hold(t, second)
	if err := write(t, first); !errors.Is(err, lock.ErrLost) {
		t.Errorf("after another took it: %v, want ErrLost", err)
	}
	if n := rows(t, pool); n != 1 {
		t.Errorf("%d rows, want 1", n)
	}
}

// A read also finds out whether the lock is still held, and takes no number of a transaction.
func TestReadWritesNothing(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	first, second := newLock(t, pool, "the first"), newLock(t, pool, "the second")
	nothing := func(*sharddb.Queries) error { return nil }
	if err := first.Read(t.Context(), nothing); !errors.Is(err, lock.ErrLost) {
		t.Errorf("before the lock was held: %v, want ErrLost", err)
	}
	hold(t, first)
	before := pgtest.Query[string](t, pool, "SELECT xmax::text FROM shard_client_owner")
	if err := first.Read(t.Context(), nothing); err != nil {
		t.Errorf("with the lock: %v", err)
	}
	if after := pgtest.Query[string](t, pool, "SELECT xmax::text FROM shard_client_owner"); after != before {
		t.Errorf("the row of the owner is locked by transaction %s, was %s", after, before)
	}
	first.Release(t.Context())
	hold(t, second)
	if err := first.Read(t.Context(), nothing); !errors.Is(err, lock.ErrLost) {
		t.Errorf("after another took it: %v, want ErrLost", err)
	}
}

func TestABrokenConnectionIsReplacedUnderANewEpoch(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	l := newLock(t, pool, "test")
	hold(t, l)
	before := l.Epoch()
	if _, err := pool.Exec(t.Context(), "SELECT pg_terminate_backend(backend_pid) FROM shard_client_owner"); err != nil {
		t.Fatal(err)
	}
	for l.Epoch() == before { // the server may not have noticed yet
		if err := l.Hold(t.Context()); err != nil && t.Context().Err() != nil {
			t.Fatal(err)
		}
	}
	if err := write(t, l); err != nil {
		t.Error(err)
	}
}
