package pg

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// MinServer is the oldest major version of PostgreSQL whose statements and rights are those that
// shard-client is tested with. Older ones are past their end; on them, the test of least rights
// fails, because everyone may create in the schema public.
const MinServer = 15

// ServerError says that a server is older than [MinServer].
type ServerError struct {
	Version string // as the server says it
}

func (e *ServerError) Error() string {
	return fmt.Sprintf("the server is PostgreSQL %s, and %d or newer is needed: %s", e.Version, MinServer, e.Hint())
}

// Hint says what to do; it is part of the text.
func (*ServerError) Hint() string { return "upgrade the server" }

// checkServer returns a [*ServerError] for an old server. The server, or the pooler before it, says
// its version when a connection begins; one that says nothing of a number is not old.
func checkServer(conn *pgconn.PgConn) error {
	version := conn.ParameterStatus("server_version")
	digits := len(version) - len(strings.TrimLeft(version, "0123456789"))
	if major, err := strconv.Atoi(version[:digits]); err == nil && major < MinServer {
		return &ServerError{version}
	}
	return nil
}
