package pg

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// Class says what may be done about an error of PostgreSQL.
type Class int

const (
	// Other is everything else, errors that are not PostgreSQL's included: the beat ends, and the
	// next one tries again.
	Other Class = iota
	// Data means that an object itself is at fault: a value does not fit, or breaks a constraint.
	Data
	// Conflict means that concurrent transactions got in each other's way: it may run again. So may
	// one in which a number that PostgreSQL itself gave was taken already.
	Conflict
	// Cancelled means that the statement took too long.
	Cancelled
	// Locked means that the statement waited for a lock of another session for too long: for a
	// table a smaller one would wait, too.
	Locked
	// ReadOnly means that the server is a standby, or no longer takes writes.
	ReadOnly
)

// classes maps a SQLSTATE, or its first two characters, to a class.
var classes = map[string]Class{
	"21":    Data, // cardinality violation
	"22":    Data, // data exception
	"23":    Data, // integrity constraint violation
	"2F":    Data, // exception in a function; here and below, a trigger of the site has refused a row
	"38":    Data, // exception in a function outside SQL
	"39":    Data, // what such a function returned
	"44":    Data, // a view's check option is violated
	"45":    Data, // for users to give
	"P0":    Data, // PL/pgSQL raised an exception
	"54":    Data, // program limit exceeded
	"40":    Conflict,
	"25006": ReadOnly,
	"55P03": Locked,
	"57014": Cancelled,
}

// insufficientPrivilege is the SQLSTATE of a right that is missing.
const insufficientPrivilege = "42501"

// classLength is the length of the part of a SQLSTATE that names its class.
const classLength = 2

// A duplicate of a primary key is never an object's fault: a statement that brings its ids along
// passes over those that exist, and all other ids are PostgreSQL's
// (docs/decisions/0031-identities-pass-the-highest-id.md). The name is the one that PostgreSQL
// gives to a primary key.
const (
	uniqueViolation  = "23505"
	primaryKeySuffix = "_pkey"
)

// Classify reads the class of an error from its SQLSTATE and the constraint, never from its text. A
// broken proxy or pooler may send an error without a SQLSTATE, or with something else in its place:
// that is [Other].
func Classify(err error) Class {
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) || len(pgErr.Code) < classLength {
		return Other
	}
	if pgErr.Code == uniqueViolation && strings.HasSuffix(pgErr.ConstraintName, primaryKeySuffix) {
		return Conflict
	}
	return cmp.Or(classes[pgErr.Code], classes[pgErr.Code[:classLength]])
}

// TookTooLong reports whether a statement took too long by itself, and not the beat as a whole.
func TookTooLong(ctx context.Context, err error) bool {
	return Classify(err) == Cancelled && ctx.Err() == nil
}

// OfOneObject reports whether an object may be what a statement failed for, so that smaller ones
// are worth trying.
func OfOneObject(ctx context.Context, err error) bool {
	return Classify(err) == Data || TookTooLong(ctx, err)
}

// Forbidden reports whether the role lacks a right.
func Forbidden(err error) bool {
	var pgErr *pgconn.PgError
	return errors.As(err, &pgErr) && pgErr.Code == insufficientPrivilege
}

// IsAnswer reports whether err is PostgreSQL's own: the server was reached, and said no.
func IsAnswer(err error) bool {
	var pgErr *pgconn.PgError
	return errors.As(err, &pgErr)
}

// Reason returns what PostgreSQL said, with the detail that names the value. For any other error it
// returns the error's text.
func Reason(err error) string {
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) {
		return err.Error()
	}
	return fmt.Sprintf("%s (SQLSTATE %s)", strings.TrimSuffix(pgErr.Message+": "+pgErr.Detail, ": "), pgErr.Code)
}

// Failed returns err as what came of doing something; nil stays nil.
func Failed(err error, format string, what ...any) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", fmt.Sprintf(format, what...), err)
}

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
