package lock

import (
	"context"

	"shardclient/runner/pg"
)

// WriteRows is [Lock.Write] for a program that brings its own statements, such as the one that moves
// a shard's rows in.
func (l *Lock) WriteRows(ctx context.Context, fn func(pg.DB) error) error {
	return Explain(ctx, l.pool, pg.Write(ctx, l.pool, func(tx *pg.Tx) error {
		if err := tx.Together(ctx, l.fence(ctx)...); err != nil {
			return err
		}
		return fn(tx)
	}))
}
