// Package lock keeps one client per shard (P7): it takes the shard's lock, holds it, gives it back,
// and is the only way to write to a shard's tables.
//
// The lock is an advisory lock of PostgreSQL on a connection of its own. That alone survives neither
// a lost connection nor a fail-over, so whoever takes the lock also raises an epoch in
// shard_client_owner, and every write transaction first reads its own epoch there ([Lock.Write]).
package lock

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/gen/sharddb"
	"shardclient/runner/pg"
)

// HeldError says that another client holds the lock of this shard, and which.
type HeldError struct {
	Who        string // empty: it has not written its name yet
	Since      time.Time
	BackendPID int32 // its server process, for pg_terminate_backend
}

func (e *HeldError) Error() string {
	who := e.Who
	if who == "" {
		who = "a client that has just started"
	}
	return fmt.Sprintf("another shard-client holds the lock of this shard: %s, since %s (database backend %d); "+
		"stop it first, a shard has one client", who, e.Since.UTC().Format(time.RFC3339), e.BackendPID)
}

// ErrLost says that another client took the shard over, or that the connection that held the lock
// is gone. Nothing was written.
var ErrLost = errors.New("the lock of this shard is lost: another client took it over or its connection broke")

// The server takes a moment to notice that the previous client was killed; only a lock that is held
// longer belongs to a living one.
const (
	patience = time.Second
	retry    = 20 * time.Millisecond
)

// Lock is the right to write to a shard's tables. It is not safe for concurrent use.
type Lock struct {
	pool  *pgxpool.Pool
	who   string
	conn  *pgx.Conn // has the advisory lock; nil: not held
	epoch int64     // the last one that was taken, also after the connection broke
}

// New returns a lock that is not held yet. who names this process to another client that finds the
// lock taken.
func New(pool *pgxpool.Pool, who string) (*Lock, error) {
	if pool == nil {
		return nil, errors.New("lock: the pool is nil")
	}
	if who == "" {
		return nil, errors.New("lock: who is empty: a client that finds the lock taken could not say who has it")
	}
	return &Lock{pool: pool, who: who}, nil
}

// Epoch is the number of this client's turn: each client that takes the lock has a higher one. It
// is 0 before the lock was held.
func (l *Lock) Epoch() int64 { return l.epoch }

// Hold takes the lock, or makes sure that it is still held. After a broken connection it takes the
// lock anew under a new epoch; writes of the old one find no row. It returns a *HeldError when
// another client has the lock.
func (l *Lock) Hold(ctx context.Context) error {
	if l.conn != nil {
		if l.conn.Ping(ctx) == nil {
			return nil
		}
		l.Release(ctx)
	}
	pooled, err := l.pool.Acquire(ctx) // the pool's opener knows today's password
	if err != nil {
		return fmt.Errorf("take the lock: connect: %w", err)
	}
	conn := pooled.Hijack()
	epoch, err := l.take(ctx, sharddb.New(conn))
	if err != nil {
		_ = conn.Close(ctx) // the server lets go of what it held
		return err
	}
	l.conn, l.epoch = conn, epoch
	return nil
}

func (l *Lock) take(ctx context.Context, q *sharddb.Queries) (int64, error) {
	for left := patience; ; left -= retry {
		locked, err := q.OwnerTryLock(ctx)
		if err != nil {
			return 0, fmt.Errorf("take the lock: %w", err)
		}
		if locked {
			break
		}
		if left <= 0 {
			return 0, l.heldBy(ctx, q)
		}
		select {
		case <-ctx.Done():
			return 0, fmt.Errorf("take the lock: %w", ctx.Err())
		case <-time.After(retry):
		}
	}
	epoch, err := q.OwnerTake(ctx, l.who)
	if err != nil {
		return 0, fmt.Errorf("take the lock: raise the epoch: %w", err)
	}
	return epoch, nil
}

// heldBy names the holder. A connection of our own that the server has not yet noticed to be dead
// is not another client: it is waited for, beat by beat.
func (l *Lock) heldBy(ctx context.Context, q *sharddb.Queries) error {
	holders, err := q.OwnerHolder(ctx)
	if err != nil {
		return fmt.Errorf("find out who holds the lock: %w", err)
	}
	if len(holders) == 0 {
		return errors.New("take the lock: its holder left just now; it is free for the next attempt")
	}
	h := holders[0]
	if h.Epoch == l.epoch && l.epoch != 0 {
		return fmt.Errorf("take the lock: this client's broken connection (database backend %d) still holds it", h.BackendPid)
	}
	return &HeldError{Who: h.Who, Since: h.Since, BackendPID: h.BackendPid}
}

// Release gives the lock back and closes its connection. The unlock is for the next client, which
// may start before the server has noticed the close.
func (l *Lock) Release(ctx context.Context) {
	if l.conn != nil {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		_ = sharddb.New(l.conn).OwnerUnlock(ctx) // a broken connection holds nothing
		_ = l.conn.Close(ctx)
	}
	l.conn = nil
}

// Abandon forgets a lock whose Release broke off: its connection is of no use to anybody, and closed
// when it is collected.
func (l *Lock) Abandon() { l.conn = nil }

// Write runs fn in one fenced transaction: it fails with ErrLost, and nothing is written, unless
// this client still holds the lock. fn runs again after a deadlock or a serialization failure.
func (l *Lock) Write(ctx context.Context, fn func(*sharddb.Queries) error) error {
	return pg.Write(ctx, l.pool, func(tx pgx.Tx) error {
		q := sharddb.New(tx)
		epochs, err := q.OwnerFence(ctx, l.epoch)
		if err != nil {
			return fmt.Errorf("read own epoch: %w", err)
		}
		if len(epochs) == 0 {
			return ErrLost
		}
		return fn(q)
	})
}
