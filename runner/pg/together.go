package pg

import (
	"cmp"
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// DB is what generated code takes for its database.
type DB interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
	CopyFrom(ctx context.Context, table pgx.Identifier, columns []string, rows pgx.CopyFromSource) (int64, error)
}

// Ask runs exactly one statement. It is called twice: first to learn what it asks, with a database
// that answers nothing, and once more with the answer. What it returns the first time is ignored.
// If an earlier statement of its round trip fails, there is no second time.
type Ask func(DB) error

// errAsked is what a statement gets for an answer when it is only collected.
var errAsked = errors.New("pg: the statement is not sent yet")

// errNoCopy: COPY is a conversation of its own.
var errNoCopy = errors.New("pg: COPY cannot travel together with other statements")

// errCount is a fault of our own.
var errCount = errors.New("pg: an Ask must run exactly one statement")

// together sends statements in one round trip, and hands each answer to its ask.
func together(ctx context.Context, conn *pgx.Conn, asks []Ask) (err error) {
	batch := &pgx.Batch{}
	for i, ask := range asks {
		_ = ask(collector{batch}) // errAsked
		if batch.Len() != i+1 {
			return errCount
		}
	}
	results := conn.SendBatch(ctx, batch)
	defer func() { err = cmp.Or(err, results.Close()) }() // the latter tells the former again
	for _, ask := range asks {
		if err := ask(answers{results}); err != nil {
			return err
		}
	}
	return nil
}

// collector notes what it is asked.
type collector struct{ batch *pgx.Batch }

func (c collector) Exec(_ context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	c.batch.Queue(sql, args...)
	return pgconn.CommandTag{}, errAsked
}

func (c collector) Query(_ context.Context, sql string, args ...any) (pgx.Rows, error) {
	c.batch.Queue(sql, args...)
	return nil, errAsked
}

func (c collector) QueryRow(_ context.Context, sql string, args ...any) pgx.Row {
	c.batch.Queue(sql, args...)
	return failedRow{errAsked}
}

func (c collector) CopyFrom(context.Context, pgx.Identifier, []string, pgx.CopyFromSource) (int64, error) {
	return 0, errNoCopy
}

// answers hands out the results of a batch in the order of its statements.
type answers struct{ results pgx.BatchResults }

func (a answers) Exec(context.Context, string, ...any) (pgconn.CommandTag, error) {
	return a.results.Exec()
}

func (a answers) Query(context.Context, string, ...any) (pgx.Rows, error) { return a.results.Query() }

func (a answers) QueryRow(context.Context, string, ...any) pgx.Row { return a.results.QueryRow() }

func (a answers) CopyFrom(context.Context, pgx.Identifier, []string, pgx.CopyFromSource) (int64, error) {
	return 0, errNoCopy
}

// failedRow is the row of a statement that did not run.
type failedRow struct{ err error }

func (r failedRow) Scan(...any) error { return r.err }
