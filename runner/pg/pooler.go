package pg

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"shardclient/gen/sessiondb"
)

// PoolerError says that a pooler lends server processes by the transaction or by the statement.
type PoolerError struct {
	// Saw is what showed it, from the numbers of the server processes.
	Saw string
}

// Cause is the error without the hint.
func (e *PoolerError) Cause() string {
	return "it leads to a pooler in transaction or statement mode: " + e.Saw
}

func (e *PoolerError) Error() string { return e.Cause() + "; " + PoolerHint }

// Hint says what to do; it is part of the text.
func (*PoolerError) Hint() string { return PoolerHint }

// PoolerHint says what to do about a [PoolerError].
const PoolerHint = "the lock of a shard lives in a session, so give the pooler's session mode " +
	"(pgbouncer: pool_mode=session for this database or role), or PostgreSQL's own address"

// turns are the connections, first and second, that ask one after the other for their server
// process. A pooler that takes back the process after each statement gives the next one either that
// which was used last, or the one that has rested longest, or any: no order of these answers every
// turn as two sessions would.
var turns = []int{0, 1, 0, 0, 1, 1, 0, 1}

// Direct returns a [*PoolerError] when a connection does not keep one server process to itself. It
// judges by what happens, not by names: nothing else says in which mode a pooler works.
func (d *Door) Direct(ctx context.Context) error {
	var met [2]int32
	var connections [2]*pgx.Conn
	for n, which := range turns {
		if connections[which] == nil {
			conn, err := d.connect(ctx)
			if err != nil {
				return err
			}
			defer func() { _ = conn.Close(ctx) }() // it was only for this
			connections[which] = conn
		}
		pid, err := sessiondb.New(unprepared{connections[which]}).SessionBackend(ctx)
		if err != nil {
			return fmt.Errorf("ask for the server process: %w", err)
		}
		if n == 0 && uint32(pid) == connections[which].PgConn().PID() {
			return nil // the process that answered the connection: nothing stands between
		}
		if met[which] != 0 && met[which] != pid {
			return &PoolerError{fmt.Sprintf("one connection met the server processes %d and %d", met[which], pid)}
		}
		met[which] = pid
		if met[0] == met[1] {
			return &PoolerError{fmt.Sprintf("two connections met the one server process %d", pid)}
		}
	}
	return nil
}

// connect opens a connection that is none of the pool's.
func (d *Door) connect(ctx context.Context) (*pgx.Conn, error) {
	config, err := d.Check()
	if err != nil {
		return nil, err
	}
	if err := d.BeforeConnect(ctx, config.ConnConfig); err != nil {
		return nil, err
	}
	return pgx.ConnectConfig(ctx, config.ConnConfig)
}

// unprepared sends each statement whole: a prepared one would be unknown to the next server
// process.
type unprepared struct{ *pgx.Conn }

func (u unprepared) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	return u.Conn.QueryRow(ctx, sql, append([]any{pgx.QueryExecModeExec}, args...)...)
}
