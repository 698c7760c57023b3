package shard

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/gen/sharddb"
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

// The server takes a moment to notice that the previous client was killed; only
// a lock that is held longer belongs to a living one.
const (
	lockPatience = time.Second
	lockRetry    = 20 * time.Millisecond
)

// owner is the right to write: an advisory lock on a connection of its own, and
// the epoch that fences every write transaction. The lock alone does not survive
// a lost connection or a fail-over; the epoch does.
type owner struct {
	pool  *pgxpool.Pool
	who   string
	conn  *pgx.Conn
	epoch int64 // the last one that was taken, also after the connection broke
}

// ensure takes the lock, or checks that its connection lives. After a break it
// takes the lock anew under a new epoch; writes of the old one find no row.
func (o *owner) ensure(ctx context.Context) error {
	if o.conn != nil {
		if o.conn.Ping(ctx) == nil {
			return nil
		}
		o.release(ctx)
	}
	pooled, err := o.pool.Acquire(ctx) // the pool's opener knows today's password
	if err != nil {
		return fmt.Errorf("take the lock: connect: %w", err)
	}
	conn := pooled.Hijack()
	epoch, err := o.take(ctx, sharddb.New(conn))
	if err != nil {
		conn.Close(ctx)
		return err
	}
	o.conn, o.epoch = conn, epoch
	return nil
}

func (o *owner) take(ctx context.Context, q *sharddb.Queries) (int64, error) {
	for patience := lockPatience; ; patience -= lockRetry {
		locked, err := q.OwnerTryLock(ctx)
		if err != nil {
			return 0, fmt.Errorf("take the lock: %w", err)
		}
		if locked {
			break
		}
		if patience <= 0 {
			return 0, o.heldBy(ctx, q)
		}
		select {
		case <-ctx.Done():
			return 0, fmt.Errorf("take the lock: %w", ctx.Err())
		case <-time.After(lockRetry):
		}
	}
	epoch, err := q.OwnerTake(ctx, o.who)
	if err != nil {
		return 0, fmt.Errorf("take the lock: raise the epoch: %w", err)
	}
	return epoch, nil
}

// heldBy names the holder. A connection of our own that the server has not yet
// noticed to be dead is no other client: it is waited for, beat by beat.
func (o *owner) heldBy(ctx context.Context, q *sharddb.Queries) error {
	holders, err := q.OwnerHolder(ctx)
	if err != nil {
		return fmt.Errorf("find out who holds the lock: %w", err)
	}
	if len(holders) == 0 {
		return fmt.Errorf("take the lock: its holder left just now; it is free for the next attempt")
	}
	h := holders[0]
	if h.Epoch == o.epoch && o.epoch != 0 {
		return fmt.Errorf("take the lock: this client's broken connection (database backend %d) still holds it", h.BackendPid)
	}
	return &HeldError{Who: h.Who, Since: h.Since, BackendPID: h.BackendPid}
}

// release gives the lock back and closes its connection. The unlock is for the
// next client, which may start before the server has noticed the close.
func (o *owner) release(ctx context.Context) {
	if o.conn != nil {
		ctx, cancel := context.WithTimeout(ctx, lockPatience)
		defer cancel()
		_ = sharddb.New(o.conn).OwnerUnlock(ctx) // a broken connection holds nothing
		o.conn.Close(ctx)
	}
	o.conn = nil
}
