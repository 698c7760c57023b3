package pg

import (
	"errors"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// URLError says why a connection string cannot be used. It shows nothing of the string itself, in
// which half a password may stand where nobody expects it.
type URLError struct {
	Cause string // what is wrong
	Hint  string // what to give instead
}

func (e *URLError) Error() string { return e.Cause + ": " + e.Hint }

const urlHint = "give postgres://USER:PASSWORD@HOST:PORT/DATABASE, special characters of the password percent-encoded"

// ParseURL reads a connection string as the driver does, with all that libpq's variables and files
// add to it. The error is a *URLError.
func ParseURL(url string, redact func(string) string) (*pgxpool.Config, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, &URLError{redact(driverCause(err)), urlHint}
	}
	// The driver ends a password at its first @ and takes the rest for a host, which every error
	// would show. Of several hosts any may be the one.
	hosts := []string{config.ConnConfig.Host}
	for _, other := range config.ConnConfig.Fallbacks {
		hosts = append(hosts, other.Host)
	}
	for _, host := range hosts {
		if strings.Contains(host, "@") && !strings.HasPrefix(host, "/") {
			return nil, &URLError{"it has an @ in its host name, or one in its password that is not written as %40", urlHint}
		}
	}
	return config, nil
}

// driverCause is what the driver says without the connection string, which it repeats with half a
// password in it when it misunderstood where that ends.
func driverCause(err error) string {
	var parse *pgconn.ParseConfigError
	if !errors.As(err, &parse) {
		return err.Error()
	}
	if cause := parse.Unwrap(); cause != nil {
		return cause.Error()
	}
	const end = "`: " // of the connection string
	text := parse.Error()
	if i := strings.LastIndex(text, end); i >= 0 {
		return text[i+len(end):]
	}
	return "it cannot be read"
}
