// Package poolers tells a database from a pooler that lends its sessions, in which no lock of a
// shard would last. A client asks before it begins, and `check` asks.
package poolers

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/gen/sessiondb"
	"shardclient/runner/pg"
)

// Error says that a pooler lends server processes by the transaction or by the statement.
type Error struct {
	// Saw is what showed it, from the numbers of the server processes.
	Saw string
}

// Cause is the error without the hint.
func (e *Error) Cause() string {
	return "it leads to a pooler in transaction or statement mode: " + e.Saw
}

func (e *Error) Error() string { return e.Cause() + "; " + Hint }

// Hint says what to do; it is part of the text.
func (*Error) Hint() string { return Hint }

// Hint says what to do about an [Error].
const Hint = "the lock of a shard lives in a session, so give the pooler's session mode " +
	"(pgbouncer: pool_mode=session for this database or role), or PostgreSQL's own address"

// turns are the connections, first and second, that ask one after the other for their server
// process. A pooler that takes back the process after each statement gives the next one either that
// which was used last, or the one that has rested longest, or any: no order of these answers every
// turn as two sessions would.
var turns = []int{0, 1, 0, 0, 1, 1, 0, 1}

// Direct returns an [*Error] when a connection does not keep one server process to itself. It
// judges by what happens, not by names: nothing else says in which mode a pooler works.
func Direct(ctx context.Context, door *pg.Door) error {
	var met [2]int32
	var connections [2]*pgx.Conn
	for n, which := range turns {
		if connections[which] == nil {
			conn, err := connect(ctx, door)
			if err != nil {
				return err
			}
			defer func() { _ = conn.Close(ctx) }() // it was only for this
			connections[which] = conn
		}
		pid, opened, err := backend(ctx, connections[which])
		if err != nil || n == 0 && opened {
			return err
		}
		if met[which] != 0 && met[which] != pid {
			return &Error{fmt.Sprintf("one connection met the server processes %d and %d", met[which], pid)}
		}
		met[which] = pid
		if met[0] == met[1] {
			return &Error{fmt.Sprintf("two connections met the one server process %d", pid)}
		}
	}
	return nil
}

// DirectPool is Direct for a pool of that door. Where nothing stands between, it opens no
// connection that the pool does not keep.
func DirectPool(ctx context.Context, door *pg.Door, pool *pgxpool.Pool) error {
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return err
	}
	_, opened, err := backend(ctx, conn.Conn())
	conn.Release()
	if err != nil || opened {
		return err
	}
	return Direct(ctx, door)
}

// backend returns the server process that answers a connection, and reports whether it is the one
// that opened it: then nothing stands between.
func backend(ctx context.Context, conn *pgx.Conn) (pid int32, opened bool, err error) {
	pid, err = sessiondb.New(pg.Unprepared{Conn: conn}).SessionBackend(ctx)
	if err != nil {
		return 0, false, fmt.Errorf("ask for the server process: %w", err)
	}
	return pid, uint32(pid) == conn.PgConn().PID(), nil
}

// connect opens a connection that is none of the pool's.
func connect(ctx context.Context, door *pg.Door) (*pgx.Conn, error) {
	config, err := door.Check()
	if err != nil {
		return nil, err
	}
	if err := door.BeforeConnect(ctx, config.ConnConfig); err != nil {
		return nil, err
	}
	return pgx.ConnectConfig(ctx, config.ConnConfig)
}
