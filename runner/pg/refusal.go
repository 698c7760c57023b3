package pg

import (
	"crypto/tls"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// refusals are the errors that no waiting mends, by SQLSTATE or its first two characters: of the
// login, the name of the database, the rights, the settings of a session.
var refusals = map[string]bool{
	"28": true, "3D000": true, insufficientPrivilege: true, "22023": true, "42704": true, "42602": true,
}

// GivenError says that the server will not have a setting of the connection string, or of what
// stands in for it: PGOPTIONS, a service. No waiting mends it.
type GivenError struct {
	Name    string // "": the server does not say which one
	Unknown bool   // to the server; otherwise it is the value
	Refusal *pgconn.PgError
}

func (e *GivenError) Error() string { return "settings of the connection string: " + e.Refusal.Error() }
func (e *GivenError) Unwrap() error { return e.Refusal }

// notHad are the SQLSTATEs by which a setting is refused: unknown, of a value that it cannot have,
// of a name that cannot be one, or not of a session.
var notHad = map[string]bool{unknownSetting: true, "22023": true, "42602": true, "55P02": true}

const unknownSetting = "42704"

// judgeGiven makes a [*GivenError] of the refusal of one of these settings.
func judgeGiven(err error, names iter.Seq[string]) error {
	refusal, ok := errors.AsType[*pgconn.PgError](err)
	if !ok || !notHad[refusal.Code] {
		return fmt.Errorf("settings of the connection string: %w", err)
	}
	given := &GivenError{Unknown: refusal.Code == unknownSetting, Refusal: refusal}
	for name := range names {
		if strings.Contains(refusal.Message, strconv.Quote(name)) {
			given.Name = name
		}
	}
	return given
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
