package pg

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// Unprepared sends each statement that returns rows whole, in one round trip. It is for statements
// that a connection runs once, and for those that may meet another server process than the one
// that prepared them. The driver then guesses the types of parameters: the statement says them, or
// has none.
type Unprepared struct{ *pgx.Conn }

// Query runs one statement.
func (u Unprepared) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	return u.Conn.Query(ctx, sql, whole(args)...)
}

// QueryRow runs one statement.
func (u Unprepared) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	return u.Conn.QueryRow(ctx, sql, whole(args)...)
}

func whole(args []any) []any { return append([]any{pgx.QueryExecModeExec}, args...) }
