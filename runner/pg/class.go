package pg

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// Class says what may be done about an error of PostgreSQL.
type Class int

const (
	// Other errors end the beat; the next one tries again. So does everything that is not an
	// error of PostgreSQL.
	Other Class = iota
	// Data is an object's own fault: a value that does not fit, a constraint that is broken.
	Data
	// Conflict is a fault of concurrent transactions; the transaction may run again.
	Conflict
	// Cancelled means that the statement took too long.
	Cancelled
	// ReadOnly is a standby, or a server that takes no writes any more.
	ReadOnly
)

// classes go by the SQLSTATE or its first two characters, never by text.
var classes = map[string]Class{
	"21": Data, "22": Data, "23": Data, "54": Data, "40": Conflict, "25006": ReadOnly, "57014": Cancelled,
}

// classLength is how much of a SQLSTATE names its class.
const classLength = 2

// Classify reads the class from an error's SQLSTATE. A broken proxy or pooler may send an error
// without one, or with anything else in its place: that is Other.
func Classify(err error) Class {
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) || len(pgErr.Code) < classLength {
		return Other
	}
	return cmp.Or(classes[pgErr.Code], classes[pgErr.Code[:classLength]])
}

// Reason returns what PostgreSQL said, with the detail that names the value; of any other error its
// text.
func Reason(err error) string {
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) {
		return err.Error()
	}
	return fmt.Sprintf("%s (SQLSTATE %s)", strings.TrimSuffix(pgErr.Message+": "+pgErr.Detail, ": "), pgErr.Code)
}
