package pg

import (
	"crypto/tls"
	"errors"

	"github.com/jackc/pgx/v5/pgconn"
)

// refusals are the errors that no waiting mends, by SQLSTATE or its first two characters: of the
// login, the name of the database, the rights, the settings of a session.
var refusals = map[string]bool{
	"28": true, "3D000": true, insufficientPrivilege: true, "22023": true, "42704": true, "42602": true,
}

// Refused reports whether an error is that of a setting that can never work, such as a wrong
// password, as opposed to that of a database that is down.
func Refused(err error) bool {
	if _, untrusted := errors.AsType[*tls.CertificateVerificationError](err); untrusted {
		return true
	}
	answer, ok := errors.AsType[*pgconn.PgError](err)
	return ok && len(answer.Code) >= classLength && (refusals[answer.Code] || refusals[answer.Code[:classLength]])
}
