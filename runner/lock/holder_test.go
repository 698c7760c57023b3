package lock_test

import (
	"context"
	"errors"
	"runtime"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/gen/sharddb"
	"shardclient/runner/lock"
	"shardclient/runner/pgtest"
	"shardclient/runner/wait"
)

// key is that of queries/shard/owner.sql.
const key = "1936220530::bigint << 32 | 'shard_client_owner'::regclass::oid::bigint"

// connect opens a session that is none of a lock's.
func connect(t *testing.T, pool *pgxpool.Pool) *pgx.Conn {
	t.Helper()
	conn, err := pgx.ConnectConfig(t.Context(), pool.Config().ConnConfig)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// stranger is a session that waits for the lock or has it, and its server process.
func stranger(t *testing.T, pool *pgxpool.Pool) (pid int32) {
	t.Helper()
	conn := connect(t, pool)
	pid = pgtest.Query[int32](t, conn, "SELECT pg_backend_pid()")
	waits := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		defer close(waits)
		_, _ = conn.Exec(ctx, "SELECT pg_advisory_lock("+key+")") // until the test ends
	}()
	t.Cleanup(func() { cancel(); <-waits })
	wait.Until(t, "for a session in the queue of the lock", func() bool {
		return pgtest.Query[bool](t, pool, "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND pid = $1)", pid)
	})
	return pid
}

// end terminates a client's session of the lock, and waits until it is gone.
func end(t *testing.T, pool *pgxpool.Pool) {
	t.Helper()
	if !pgtest.Query[bool](t, pool, "SELECT pg_terminate_backend(backend_pid, 300000) FROM shard_client_owner") {
		t.Fatal("the session of the lock does not end")
	}
}

// Only who has the lock holds it. A session that waits in its queue is neither named nor may its
// epoch write.
func TestP7ALockThatIsOnlyWaitedForIsNotHeld(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	first, second := newLock(t, pool, "the first"), newLock(t, pool, "the second")
	hold(t, first)
	holder := pgtest.Query[int32](t, pool, "SELECT backend_pid FROM shard_client_owner")
	waiting := stranger(t, pool)
	var held *lock.HeldError
	if err := second.Hold(t.Context()); !errors.As(err, &held) || held.BackendPID != holder {
		t.Errorf("%v, want a *HeldError that names server process %d, not %d", err, holder, waiting)
	}
	if holders, err := sharddb.New(pool).OwnerHolder(t.Context()); err != nil || len(holders) != 1 {
		t.Errorf("%+v, %v, want one holder", holders, err)
	}
	pgtest.Exec(t, pool, "UPDATE shard_client_owner SET backend_pid = $1", waiting)
	if err := write(t, first); !errors.Is(err, lock.ErrLost) {
		t.Errorf("a write of an epoch whose session only waits: %v, want ErrLost", err)
	}
}

// An advisory lock of another kind, such as that of the migrations, is not the lock of the shard.
func TestP7AnotherAdvisoryLockIsNotTheLock(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	first := newLock(t, pool, "the first")
	hold(t, first)
	end(t, pool)
	other := connect(t, pool)
	pid := pgtest.Query[int32](t, other, "SELECT pg_backend_pid()")
	pgtest.Exec(t, other, "SELECT pg_advisory_lock(7)")
	pgtest.Exec(t, pool, "UPDATE shard_client_owner SET backend_pid = $1", pid)
	if err := write(t, first); !errors.Is(err, lock.ErrLost) {
		t.Errorf("%v, want ErrLost", err)
	}
}

// Databases that were copied from one template have the same oids in them, and so the same keys.
// Each one's holder is its own.
func TestP7TheHolderIsThatOfThisDatabase(t *testing.T) {
	t.Parallel()
	pools := []*pgxpool.Pool{pgtest.Pool(t), pgtest.Pool(t)}
	for i, name := range []string{"one", "two"} {
		hold(t, newLock(t, pools[i], name))
	}
	for i, name := range []string{"one", "two"} {
		var held *lock.HeldError
		if holders, err := sharddb.New(pools[i]).OwnerHolder(t.Context()); err != nil || len(holders) != 1 {
			t.Errorf("database %d: %+v, %v, want one holder", i, holders, err)
		}
		if err := newLock(t, pools[i], "late").Hold(t.Context()); !errors.As(err, &held) || held.Who != name {
			t.Errorf("database %d: %v, want a *HeldError that names %s", i, err, name)
		}
	}
}

// The tables are what is locked: two search_paths that lead to them lead to one lock.
func TestP7TheLockBelongsToTheTables(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	pgtest.Exec(t, pool, "CREATE SCHEMA aside")
	config := pool.Config()
	config.ConnConfig.RuntimeParams["search_path"] = "aside, public"
	other, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(other.Close)
	hold(t, newLock(t, pool, "the first"))
	var held *lock.HeldError
	if err := newLock(t, other, "the second").Hold(t.Context()); !errors.As(err, &held) || held.Who != "the first" {
		t.Errorf("%v, want a *HeldError that names the first", err)
	}
}

// A connection of our own that the server has not missed yet is not another client: the error is
// none that ends the process.
func TestOwnDeadConnectionIsNotAnotherClient(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	l := newLock(t, pool, "test")
	hold(t, l)
	conn := lock.Conn(l)
	l.Abandon()                   // the server keeps the session, and with it the lock
	defer runtime.KeepAlive(conn) // the garbage collector would close it
	var held *lock.HeldError
	if err := l.Hold(t.Context()); err == nil || errors.As(err, &held) {
		t.Errorf("%v, want an error that is no *HeldError", err)
	}
	end(t, pool)
	hold(t, l)
}

// The session that took the lock is another one now, as behind a pooler that lends them by the
// transaction: the lock is taken anew.
func TestAnotherSessionDoesNotHoldTheLock(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	l := newLock(t, pool, "test")
	hold(t, l)
	before := l.Epoch()
	if held, err := sharddb.New(pool).OwnerHeld(t.Context(), before); err != nil || held {
		t.Errorf("a session that did not take the lock: %t, %v, want false", held, err)
	}
	pgtest.Exec(t, pool, "UPDATE shard_client_owner SET backend_pid = backend_pid + 1")
	hold(t, l)
	if l.Epoch() != before+1 {
		t.Errorf("epoch %d after %d, want a new one", l.Epoch(), before)
	}
}

// Whoever takes over waits until a write that has begun under the old epoch has ended. Otherwise it
// would read rows that the write is about to change.
func TestP7TakingOverWaitsForAWriteInFlight(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	first, second := newLock(t, pool, "the first"), newLock(t, pool, "the second")
	hold(t, first)
	taken := make(chan error, 1)
	err := first.Write(t.Context(), func(q *sharddb.Queries) error {
		end(t, pool)
		go func() { taken <- second.Hold(context.Background()) }()
		waits := false
		wait.Until(t, "for the second to wait or to have the lock", func() bool {
			waits = pgtest.Query[bool](t, pool, `SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'
				AND pid IN (SELECT pid FROM pg_stat_activity WHERE datname = current_database()))`)
			return waits || len(taken) > 0
		})
		if !waits {
			t.Error("the second has the lock while a write of the first is under way")
		}
		_, err := q.SuiteKeyvalsStore(t.Context(), []byte(`[{"id": 1, "job_id": 7, "key": "k", "value": "v"}]`))
		return err
	})
	if err != nil {
		t.Errorf("the write that had begun: %v", err)
	}
	if err := <-taken; err != nil || rows(t, pool) != 1 {
		t.Errorf("the second: %v, %d rows, want the lock and the row of the first", err, rows(t, pool))
	}
}

// Any other advisory lock of the session is none of ours.
func TestP7TheFenceAsksForOurLock(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	l := newLock(t, pool, "test")
	hold(t, l)
	for _, sql := range []string{"SELECT pg_advisory_unlock_all()", "SELECT pg_advisory_lock(1, 2)"} {
		if _, err := lock.Conn(l).Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Write(t.Context(), func(*sharddb.Queries) error { return nil }); !errors.Is(err, lock.ErrLost) {
		t.Errorf("%v, want ErrLost", err)
	}
	hold(t, l) // anew
	if err := l.Write(t.Context(), func(*sharddb.Queries) error { return nil }); err != nil {
		t.Error(err)
	}
}
