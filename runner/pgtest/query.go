package pgtest

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// DB is a pool, a connection or a transaction.
type DB interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// Exec runs one statement with arguments, or several without, and returns how many rows the last
// one touched. An error ends the test.
func Exec(t T, db DB, sql string, args ...any) int64 {
	t.Helper()
	if len(args) == 0 {
		args = []any{pgx.QueryExecModeSimpleProtocol}
	}
	tag, err := db.Exec(t.Context(), sql, args...)
	if err != nil {
		t.Fatal(fmt.Errorf("%s: %w", sql, err))
	}
	return tag.RowsAffected()
}

// Query returns the one value that a query gives. An error, and no row or more than one, ends the
// test.
func Query[V any](t T, db DB, sql string, args ...any) V {
	t.Helper()
	rows, err := db.Query(t.Context(), sql, args...)
	if err != nil {
		t.Fatal(fmt.Errorf("%s: %w", sql, err))
	}
	value, err := pgx.CollectExactlyOneRow(rows, pgx.RowTo[V])
	if err != nil {
		t.Fatal(fmt.Errorf("%s: %w", sql, err))
	}
	return value
}

// Column returns the values of a query's only column. An error ends the test.
func Column[V any](t T, db DB, sql string, args ...any) []V {
	t.Helper()
	rows, err := db.Query(t.Context(), sql, args...)
	if err != nil {
		t.Fatal(fmt.Errorf("%s: %w", sql, err))
	}
	values, err := pgx.CollectRows(rows, pgx.RowTo[V])
	if err != nil {
		t.Fatal(fmt.Errorf("%s: %w", sql, err))
	}
	return values
}
