package pgtest

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// TB is what is needed of testing.TB; a *rapid.T has it too.
type TB interface {
	Helper()
	Context() context.Context
	Fatalf(format string, args ...any)
}

// DB is a pool or a connection.
type DB interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// Exec runs one statement with arguments, or several without, and returns how many rows the last one touched.
func Exec(t TB, db DB, sql string, args ...any) int64 {
	t.Helper()
	if len(args) == 0 {
		args = []any{pgx.QueryExecModeSimpleProtocol}
	}
	// A clean-up may need a statement too, and then the test's context is over.
	tag, err := db.Exec(context.WithoutCancel(t.Context()), sql, args...)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return tag.RowsAffected()
}

// Query returns the one value that a query yields.
func Query[T any](t TB, db DB, sql string, args ...any) T {
	t.Helper()
	var value T
	if err := db.QueryRow(context.WithoutCancel(t.Context()), sql, args...).Scan(&value); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return value
}
