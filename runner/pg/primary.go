package pg

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// TakesNoWrites reports whether a connection was refused because its server takes no writes.
func TakesNoWrites(err error) bool {
	return errors.Is(err, pgconn.ErrReadOnlyConnection) || errors.Is(err, pgconn.ErrStandbyConnection)
}

// WantWrites makes new connections go past servers that take no writes, unless the connection
// string asks for another kind of server, and past those older than [MinServer]. A connection that
// is open already learns nothing of it: after an error of class [ReadOnly] its pool must be reset.
func WantWrites(connection *pgx.ConnConfig) {
	wanted := connection.ValidateConnect
	if wanted == nil {
		wanted = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
	connection.ValidateConnect = func(ctx context.Context, conn *pgconn.PgConn) error {
		if err := checkServer(conn); err != nil {
			return err
		}
		return wanted(ctx, conn)
	}
}
