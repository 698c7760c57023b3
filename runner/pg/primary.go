package pg

import (
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// TakesNoWrites reports whether a connection was refused because its server takes no writes.
func TakesNoWrites(err error) bool {
	return errors.Is(err, pgconn.ErrReadOnlyConnection) || errors.Is(err, pgconn.ErrStandbyConnection)
}

// WantWrites makes new connections go past servers that take no writes, unless the connection
// string asks for another kind of server. A connection that is open already learns nothing of it:
// after an error of class [ReadOnly] its pool must be reset.
func WantWrites(connection *pgx.ConnConfig) {
	if connection.ValidateConnect == nil {
		connection.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
}
