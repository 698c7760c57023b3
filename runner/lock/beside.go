package lock

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/gen/sharddb"
	"shardclient/runner/pg"
)

// besidePatience is how long a person's change waits for the client's transaction that is under
// way, which may store a large chunk.
const besidePatience = 30 * time.Second

// Beside runs fn in one transaction of a person's command, while a client may serve the shard. It
// does not take the client's lock: it holds the row with the epoch, so that it stands between two
// transactions of the client, whose next one waits in its fence, with nothing in its hands (P12).
// To a beat it is what a scheduler's transaction is, after which each beat can be run (P3). Keep it
// short: a fence that waits longer than timeout fails its beat, and so does a statement of fn that
// waits for a row. fn runs again after a conflict, as in [Lock.Write].
func Beside(ctx context.Context, pool *pgxpool.Pool, timeout time.Duration, fn func(*sharddb.Queries) error) error {
	pause := func(db pg.DB) error {
		return pg.Failed(sharddb.New(db).OwnerPause(ctx), "wait for the client that serves this shard")
	}
	waits := (&Lock{Timeout: besidePatience}).bounds(ctx)
	return Explain(ctx, pool, pg.Write(ctx, pool, func(tx *pg.Tx) error {
		if err := tx.Together(ctx, append(append(waits, pause), (&Lock{Timeout: timeout}).bounds(ctx)...)...); err != nil {
			return err
		}
		return fn(sharddb.New(tx))
	}))
}

// Look finds out what [Lock.Hold] would, and takes nothing: the error is a [*HeldError] when a
// client serves the shard, and a [*CopyError] when the database is a copy.
func Look(ctx context.Context, pool *pgxpool.Pool) error {
	nobody := &Lock{pool: pool}
	q := sharddb.New(pool)
	holders, err := q.OwnerHolder(ctx)
	if err != nil {
		return fmt.Errorf("find out who holds the lock: %w", err)
	}
	if len(holders) > 0 {
		return nobody.heldBy(ctx, q)
	}
	_, _, err = nobody.look(ctx, q)
	return err
}
