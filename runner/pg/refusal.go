package pg

import (
	"crypto/tls"
	"errors"

	"github.com/jackc/pgx/v5/pgconn"
)

// refusals says what to do about the errors that no waiting mends, by SQLSTATE or its first two
// characters.
var refusals = map[string]string{
	"28": "correct the user or the password (--database-url, --database-password-file, PGPASSFILE), " +
		"or pg_hba.conf of the server",
	"3D000":               "correct the name of the database in --database-url, or create it",
	insufficientPrivilege: "give the role its rights, see docs/grants.sql",
	"22023":               "correct the settings in --database-url or PGOPTIONS",
	"42704":               "correct the settings in --database-url or PGOPTIONS",
	"42602":               "correct the settings in --database-url or PGOPTIONS",
}

// Refusal returns what to do about a setting that can never work, such as a wrong password; "" for
// any other error, such as that of a database that is down.
func Refusal(err error) string {
	var untrusted *tls.CertificateVerificationError
	if errors.As(err, &untrusted) {
		return "correct sslrootcert in --database-url, or the certificate of the server"
	}
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) || len(pgErr.Code) < classLength {
		return ""
	}
	if hint := refusals[pgErr.Code]; hint != "" {
		return hint
	}
	return refusals[pgErr.Code[:classLength]]
}
