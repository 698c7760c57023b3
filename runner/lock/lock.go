// Package lock lets one client at a time work on a shard (P7). It takes the shard's lock, holds it,
// gives it back, and is the only way to write to the shard's tables.
//
// # The lock and the epoch
//
// The lock is an advisory lock of PostgreSQL, on a connection that is used for nothing else. That
// alone survives neither a lost connection nor a fail-over. So whoever takes the lock also raises
// an epoch in shard_client_owner, and every write transaction first reads its own epoch there
// ([Lock.Write]). A client that lost the lock finds another epoch, or no living holder, and writes
// nothing.
//
// # Use
//
// [Lock.Hold] before each beat, [Lock.Write] for each transaction in it, [Lock.Release] at the end.
// The error [ErrLost] ends a beat; the next Hold takes the lock anew or says in a [*HeldError]
// which other client has it. A database that is a copy of the one that was served before is a
// [*CopyError], unless [Lock.Adopt] was called.
package lock

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/gen/sharddb"
	"shardclient/runner/pg"
)

// HeldError says that another client holds the lock of this shard, and which one.
type HeldError struct {
	Who        string    // the name that the other client gave to [New]; "": it is not written yet
	Since      time.Time // when it took the lock
	BackendPID int32     // its server process, for `shard-client sessions end`
}

func (e *HeldError) Error() string {
	who := e.Who
	if who == "" {
		who = "a client that has just started"
	}
	return fmt.Sprintf("another shard-client holds the lock of this shard: %s, since %s (database backend %d); "+
		"%s", who, e.Since.UTC().Format(time.RFC3339), e.BackendPID, e.Hint())
}

// Hint says what to do; it is part of the text.
func (*HeldError) Hint() string { return "stop it first, a shard has one client" }

// ErrLost says that another client took the shard over, or that the connection that held the lock
// is gone. Nothing was written.
var ErrLost = errors.New("the lock of this shard is lost: another client took it over or its connection broke")

// The server takes a moment to notice that the previous client was killed, so a lock that is taken
// is asked for again, every retry, until patience has passed. After that its holder is alive.
const (
	patience = time.Second
	retry    = 20 * time.Millisecond
)

// Lock is the right to write to a shard's tables. It is not safe for concurrent use.
type Lock struct {
	// Timeout is how long a statement of [Lock.Write] waits for a lock of another session; 0: as
	// long as the session allows.
	Timeout time.Duration

	pool  *pgxpool.Pool
	who   string
	conn  *pgx.Conn // has the advisory lock; nil: it is not held
	epoch int64     // the last one that this client took; it stays after the connection broke
	adopt bool      // a copy is welcome
	waits int       // see Waits
}

// New returns a lock that is not held yet. who names this process to a client that finds the lock
// taken.
func New(pool *pgxpool.Pool, who string) (*Lock, error) {
	if pool == nil {
		return nil, errors.New("lock: the pool is nil")
	}
	if who == "" {
		return nil, errors.New("lock: who is empty: a client that finds the lock taken could not say who has it")
	}
	return &Lock{pool: pool, who: who}, nil
}

// Epoch returns the number under which this client last took the lock. Each taking of the lock, by
// whatever client, has a higher number than the one before; 0 means that this client never had it.
func (l *Lock) Epoch() int64 { return l.epoch }

// Hold takes the lock, or makes sure that it is still held. After a broken connection it takes the
// lock anew, under a new epoch; a write that began under the old one fails. The error is a
// [*HeldError] when another client has the lock, and a [*CopyError] when the database is a copy.
func (l *Lock) Hold(ctx context.Context) error {
	if l.conn != nil {
		held, err := sharddb.New(l.conn).OwnerHeld(ctx, l.epoch)
		if err == nil && held {
			return nil
		}
		l.Release(ctx)
	}
	pooled, err := l.pool.Acquire(ctx) // the pool knows how to connect, and today's password
	if err != nil {
		return fmt.Errorf("take the lock: connect: %w", err)
	}
	conn := pooled.Hijack()
	epoch, err := l.take(ctx, sharddb.New(pg.Unprepared{Conn: conn}))
	if err != nil {
		_ = conn.Close(ctx) // the server then releases whatever the session held
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
	return l.raise(ctx, q)
}

// raise begins a new epoch of a database that is not a copy, and notes where it is.
func (l *Lock) raise(ctx context.Context, q *sharddb.Queries) (int64, error) {
	is, settled, err := l.look(ctx, q)
	if err != nil {
		return 0, err
	}
	epoch, err := q.OwnerTake(ctx, l.who)
	if err != nil {
		return 0, fmt.Errorf("take the lock: raise the epoch: %w", err)
	}
	if !settled {
		if err := q.OwnerSettle(ctx, is.System); err != nil {
			return 0, fmt.Errorf("take the lock: note where the database is: %w", err)
		}
	}
	l.adopt = false
	return epoch, nil
}

// heldBy returns the error that names the holder. A broken connection of this client may still hold
// the lock, because the server has not noticed yet. That is not another client, so the error is not
// a [*HeldError] and the next beat tries again.
func (l *Lock) heldBy(ctx context.Context, q *sharddb.Queries) error {
	holders, err := q.OwnerHolder(ctx)
	if err != nil {
		return fmt.Errorf("find out who holds the lock: %w", err)
	}
	if len(holders) == 0 {
		return errors.New("take the lock: its holder has just left; the next attempt will find it free")
	}
	h := holders[0]
	if h.Epoch == l.epoch && l.epoch != 0 {
		return fmt.Errorf("take the lock: a broken connection of this client (database backend %d) still holds it",
			h.BackendPid)
	}
	return &HeldError{Who: h.Who, Since: h.Since, BackendPID: h.BackendPid}
}

// Release gives the lock back and closes its connection. It unlocks explicitly, because the next
// client may start before the server has noticed that the connection is closed.
func (l *Lock) Release(ctx context.Context) {
	if l.conn != nil {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		_ = sharddb.New(l.conn).OwnerUnlock(ctx) // a broken connection holds nothing
		_ = l.conn.Close(ctx)
	}
	l.conn = nil
}

// Abandon forgets the lock and its connection, for a caller whose [Lock.Release] panicked: nobody
// can use that connection any more, and the garbage collector closes it.
func (l *Lock) Abandon() { l.conn = nil }

// Write runs fn in one transaction that commits only if this client still holds the lock: otherwise
// it returns [ErrLost], and nothing is written. fn runs again after a deadlock or a serialization
// failure, so it must not keep anything from an earlier run. The settings are for this transaction,
// such as [pg.PlansByKey]; they travel with the fence.
func (l *Lock) Write(ctx context.Context, fn func(*sharddb.Queries) error, settings ...pg.Ask) error {
	return l.WriteRows(ctx, func(tx *pg.Tx) error { return fn(sharddb.New(tx)) }, settings...)
}

// WriteRows is Write for a program that brings its own statements, such as the one that moves a
// shard's rows in.
func (l *Lock) WriteRows(ctx context.Context, fn func(*pg.Tx) error, settings ...pg.Ask) error {
	return Explain(ctx, l.pool, pg.Write(ctx, l.pool, func(tx *pg.Tx) error {
		if err := tx.Together(ctx, append(l.fence(ctx), settings...)...); err != nil {
			return err
		}
		return fn(tx)
	}))
}

// WriteAtOnce is Write for statements that each write only if shard_client.fenced is on, as
// OwnerFence sets it: the whole transaction is one round trip, in which nobody can stop after the
// fence. They find their rows by keys.
func (l *Lock) WriteAtOnce(ctx context.Context, asks ...pg.Ask) error {
	return Explain(ctx, l.pool, pg.Write(ctx, l.pool, func(tx *pg.Tx) error {
		return finish(ctx, tx, l.fence(ctx), asks)
	}))
}

// finish sends statements that find their rows by keys, and ends the transaction.
func finish(ctx context.Context, tx *pg.Tx, begin, asks []pg.Ask) error {
	return tx.Finish(ctx, append(append(begin, pg.PlansByKey(ctx)), asks...)...)
}

// fence returns the first statements of every write transaction.
func (l *Lock) fence(ctx context.Context) []pg.Ask {
	fence := func(db pg.DB) error {
		rows, err := sharddb.New(db).OwnerFence(ctx, l.epoch)
		return isHeld(len(rows), err)
	}
	return append([]pg.Ask{fence}, l.bounds(ctx)...)
}

// isHeld returns [ErrLost] if no row was found that says that this client holds the lock.
func isHeld(rows int, err error) error {
	switch {
	case err != nil:
		return fmt.Errorf("read own epoch: %w", err)
	case rows == 0:
		return ErrLost
	}
	return nil
}

// Read runs fn in one read-only snapshot, whose statements wait as long as those of [Lock.Write].
// It returns [ErrLost] if this client no longer holds the lock, and writes nothing at all, not even
// to the log of the server.
func (l *Lock) Read(ctx context.Context, fn func(*sharddb.Queries) error, settings ...pg.Ask) error {
	return Explain(ctx, l.pool, pg.Read(ctx, l.pool, func(tx *pg.Tx) error {
		if err := tx.Together(ctx, append(l.glance(ctx), settings...)...); err != nil {
			return err
		}
		return fn(sharddb.New(tx))
	}))
}

// ReadAtOnce is Read for statements that find their rows by keys: the whole transaction is one
// round trip. As with all that travels together, the driver lets the server parse what is new to
// the connection before the transaction begins: the session's own lock_timeout bounds that.
func (l *Lock) ReadAtOnce(ctx context.Context, asks ...pg.Ask) error {
	return Explain(ctx, l.pool, pg.Read(ctx, l.pool, func(tx *pg.Tx) error {
		return finish(ctx, tx, l.glance(ctx), asks)
	}))
}

// glance returns the first statements of every transaction that only reads.
func (l *Lock) glance(ctx context.Context) []pg.Ask {
	look := func(db pg.DB) error {
		epochs, err := sharddb.New(db).OwnerLook(ctx, l.epoch)
		return isHeld(len(epochs), err)
	}
	return append([]pg.Ask{look}, l.bounds(ctx)...)
}

// bounds limits how long the statements of a transaction wait for locks. The lock that the fence
// waits for is that of another shard-client, which holds it for a moment only.
func (l *Lock) bounds(ctx context.Context) []pg.Ask {
	if l.Timeout <= 0 {
		return nil
	}
	return []pg.Ask{func(db pg.DB) error {
		milliseconds := min(max(l.Timeout.Milliseconds(), 1), math.MaxInt32)
		return pg.Failed(sharddb.New(db).WriteBoundsSet(ctx, milliseconds), "set lock_timeout")
	}}
}
