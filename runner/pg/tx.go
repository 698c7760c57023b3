package pg

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/gen/sessiondb"
)

// repeats is how often a transaction is repeated after a deadlock or a serialization failure before
// the beat gives up.
const repeats = 3

// Write runs fn in a READ COMMITTED transaction, and commits it if fn returns nil. After a deadlock
// or a serialization failure it runs fn again, at most three times.
func Write(ctx context.Context, pool *pgxpool.Pool, fn func(*Tx) error) error {
	for try := 0; ; try++ {
		err := transact(ctx, pool, fn, func(db DB) error { return sessiondb.New(db).WriteBegin(ctx) })
		if Classify(err) != Conflict || try == repeats {
			return err
		}
	}
}

// Read runs fn in one read-only snapshot: all its statements see the same moment.
func Read(ctx context.Context, pool *pgxpool.Pool, fn func(*Tx) error) error {
	return transact(ctx, pool, fn, func(db DB) error { return sessiondb.New(db).SnapshotBegin(ctx) })
}

// PlansByKey lets the rest of a transaction find everything by an index, whatever PostgreSQL
// believes about the tables. It is not for statements that read a table which has no index.
func PlansByKey(ctx context.Context) Ask {
	return func(db DB) error { return sessiondb.New(db).PlansByKey(ctx) }
}

func transact(ctx context.Context, pool *pgxpool.Pool, fn func(*Tx) error, begin ...Ask) error {
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release() // closes the connection if the transaction could not be ended
	tx := &Tx{conn: conn.Conn(), begin: begin}
	defer tx.undo(ctx)
	if err := fn(tx); err != nil || tx.ended {
		return err
	}
	return tx.Finish(ctx)
}

// Tx is a transaction under way; generated code takes it for its database. It begins in the round
// trip of its first statement.
type Tx struct {
	conn  *pgx.Conn
	begin []Ask // how it begins; nil: it has begun
	ended bool
}

// Together runs the statements in one round trip. The error is that of the first one that failed;
// those after it did nothing.
func (t *Tx) Together(ctx context.Context, asks ...Ask) error {
	asks = append(t.begin, asks...)
	t.begin = nil
	return together(ctx, t.conn, asks)
}

// Finish runs the last statements and commits, in one round trip. A statement whose answer decides
// whether to commit must not be among them: by then, it is committed.
func (t *Tx) Finish(ctx context.Context, asks ...Ask) error {
	var tag pgconn.CommandTag
	err := t.Together(ctx, append(asks, func(db DB) (err error) {
		tag, err = sessiondb.New(db).TransactionCommit(ctx)
		return err
	})...)
	t.ended = err == nil
	if t.ended && tag.String() != "COMMIT" {
		return pgx.ErrTxCommitRollback
	}
	return err
}

// undo rolls back what is not committed. If that fails, the connection is closed, and the server
// does it.
func (t *Tx) undo(ctx context.Context) {
	if !t.conn.IsClosed() && t.conn.PgConn().TxStatus() != 'I' {
		_ = sessiondb.New(t.conn).TransactionUndo(ctx)
	}
}

// start begins the transaction for a statement that travels alone.
func (t *Tx) start(ctx context.Context) error {
	if t.begin == nil {
		return nil
	}
	return t.Together(ctx)
}

// Exec runs one statement.
func (t *Tx) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	if err := t.start(ctx); err != nil {
		return pgconn.CommandTag{}, err
	}
	return t.conn.Exec(ctx, sql, args...)
}

// Query runs one statement.
func (t *Tx) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	if err := t.start(ctx); err != nil {
		return nil, err
	}
	return t.conn.Query(ctx, sql, args...)
}

// QueryRow runs one statement.
func (t *Tx) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	if err := t.start(ctx); err != nil {
		return failedRow{err}
	}
	return t.conn.QueryRow(ctx, sql, args...)
}

// CopyFrom copies rows into a table.
func (t *Tx) CopyFrom(
	ctx context.Context, table pgx.Identifier, columns []string, rows pgx.CopyFromSource,
) (int64, error) {
	if err := t.start(ctx); err != nil {
		return 0, err
	}
	return copyFrom(ctx, t.conn, table, columns, rows)
}
