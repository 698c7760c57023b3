package operator

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/gen/sharddb"
	"shardclient/runner/pg"
)

// patience is for one question. In a database with a million finished jobs none takes a tenth of
// it.
const patience = 5 * time.Second

// Look runs fn in a transaction in which PostgreSQL itself refuses to write, and ends a statement
// that takes longer than five seconds: a question must not make a busy server busier.
func Look(ctx context.Context, pool *pgxpool.Pool, fn func(*sharddb.Queries) error) error {
	return pg.Read(ctx, pool, func(tx *pg.Tx) error {
		err := tx.Together(ctx, func(db pg.DB) error {
			return sharddb.New(db).CheckLimit(ctx, fmt.Sprint(patience.Milliseconds()))
		})
		if err != nil {
			return err
		}
		return fn(sharddb.New(tx))
	})
}
