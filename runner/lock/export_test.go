package lock

import "github.com/jackc/pgx/v5"

// Conn returns the connection that has the lock.
func Conn(l *Lock) *pgx.Conn { return l.conn }
