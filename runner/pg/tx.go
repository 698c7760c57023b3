package pg

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// repeats is how often a transaction that met a deadlock or a serialization failure is tried again
// before the beat gives up.
const repeats = 3

// Write runs fn in a READ COMMITTED transaction, whatever the role's default is: after a lock is
// won, the next statement must see what its holder has committed. fn runs again after a deadlock or
// a serialization failure, at most three times.
func Write(ctx context.Context, pool *pgxpool.Pool, fn func(pgx.Tx) error) error {
	readCommitted := pgx.TxOptions{IsoLevel: pgx.ReadCommitted}
	for try := 0; ; try++ {
		err := pgx.BeginTxFunc(ctx, pool, readCommitted, fn)
		if Classify(err) != Conflict || try == repeats {
			return err
		}
	}
}

// Read runs fn in one read-only snapshot.
func Read(ctx context.Context, pool *pgxpool.Pool, fn func(pgx.Tx) error) error {
	return pgx.BeginTxFunc(ctx, pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, fn)
}
