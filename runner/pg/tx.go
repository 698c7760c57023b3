package pg

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// repeats is how often a transaction is repeated after a deadlock or a serialization failure before
// the beat gives up.
const repeats = 3

// Write runs fn in a READ COMMITTED transaction, whatever the role's default is: once a row lock is
// won, the next statement must see what its former holder has committed. After a deadlock or a
// serialization failure it runs fn again, at most three times.
func Write(ctx context.Context, pool *pgxpool.Pool, fn func(pgx.Tx) error) error {
	readCommitted := pgx.TxOptions{IsoLevel: pgx.ReadCommitted}
	for try := 0; ; try++ {
		err := pgx.BeginTxFunc(ctx, pool, readCommitted, fn)
		if Classify(err) != Conflict || try == repeats {
			return err
		}
	}
}

// Read runs fn in one read-only snapshot: all its statements see the same moment.
func Read(ctx context.Context, pool *pgxpool.Pool, fn func(pgx.Tx) error) error {
	snapshot := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	return pgx.BeginTxFunc(ctx, pool, snapshot, fn)
}
