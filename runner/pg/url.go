package pg

import (
	"errors"
	"io/fs"
	"os"
	"regexp"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// URLError says why a connection string cannot be used. It repeats no part of the string: where the
// driver misunderstood it, any part may be the tail of a password.
type URLError struct {
	Cause string // one line, redacted
	Hint  string // what to give instead
}

func (e *URLError) Error() string { return e.Cause + ": " + e.Hint }

const urlHint = "give postgres://USER:PASSWORD@HOST:PORT/DATABASE, special characters of the password percent-encoded"

// ParseURL reads a connection string, a URL or a list of key=value, and adds what libpq's variables
// and files say. It connects to nobody. The error is a [*URLError], redacted; a nil redact hides
// nothing.
func ParseURL(url string, redact func(string) string) (*pgxpool.Config, error) {
	config, err := pgxpool.ParseConfig(url)
	cause := ""
	switch {
	case err != nil:
		cause = driverCause(err)
	case strayAt(url, config.ConnConfig.Host, config.ConnConfig.Fallbacks):
		// The driver ends a password at its first @ and takes the rest for a host name, which every
		// error would show.
		cause = "it has an @ in a host name or in the name of the database, " +
			"or its password has an @ that is not written as %40"
	default:
		return config, nil
	}
	if redact != nil {
		cause = redact(cause)
	}
	return nil, &URLError{Cause: cause, Hint: urlHint}
}

// strayAt reports whether there is an @ in a place where part of a password may have ended up.
func strayAt(url, host string, others []*pgconn.FallbackConfig) bool {
	hosts := []string{host}
	for _, other := range others {
		hosts = append(hosts, other.Host)
	}
	for _, host := range hosts {
		if strings.Contains(host, "@") && !strings.HasPrefix(host, "/") { // a directory of sockets may have one
			return true
		}
	}
	_, rest, isURL := strings.Cut(url, "://")
	if !isURL || !strings.HasPrefix(url, "postgres") {
		return false
	}
	if i := strings.IndexAny(rest, "@/"); i >= 0 && rest[i] == '@' {
		rest = rest[i+1:]
	}
	place, _, _ := strings.Cut(rest, "?")
	// In 12/x@h the driver sees a host and a database whose name is part of the password.
	return strings.Contains(place, "@")
}

// driverCause returns what the driver says, without the parts of the connection string that it
// repeats.
func driverCause(err error) string {
	const unreadable = "it cannot be read"
	var parse *pgconn.ParseConfigError
	// The driver quotes the connection string in backquotes. If the string has a backquote itself,
	// nobody knows where the quotation ends.
	if !errors.As(err, &parse) || strings.Contains(parse.ConnString, "`") {
		return unreadable
	}
	_, text, found := strings.Cut(parse.Error(), "`: ")
	if !found {
		return unreadable
	}
	inner := parse.Unwrap()
	if inner == nil {
		return withoutValues(text)
	}
	message := strings.TrimSuffix(text, " ("+inner.Error()+")")
	if strings.HasPrefix(message, "failed to parse as ") {
		return withoutValues(inner.Error())
	}
	return withoutValues(message) + ": " + innerCause(inner, parse.ConnString)
}

// innerCause returns why the driver could not do something. It shows the value that was wrong only
// where that does not stand in the connection string: a file that another file names, or what a
// variable names that holds no secret.
func innerCause(err error, url string) string {
	var number *strconv.NumError
	var file *fs.PathError
	switch {
	case errors.As(err, &number):
		return number.Err.Error()
	case errors.As(err, &file):
		return withoutValues(err.Error()) + shownUnlessIn(url, file.Path) + ": " + file.Err.Error()
	}
	cause := withoutValues(strings.TrimPrefix(err.Error(), "time: "))
	if _, value, _ := strings.Cut(err.Error(), ": "); isNamedByVariable(value) {
		cause += shownUnlessIn(url, value)
	}
	return cause
}

func shownUnlessIn(url, value string) string {
	if strings.Contains(url, value) {
		return ""
	}
	return " " + strconv.Quote(value)
}

// isNamedByVariable reports whether a value comes from one of libpq's variables that name a service
// or its file.
func isNamedByVariable(value string) bool {
	return value != "" && (value == os.Getenv("PGSERVICEFILE") || value == os.Getenv("PGSERVICE"))
}

// withoutValues leaves out the places where the driver repeats values: after a colon and in quotes.
// What it quotes of its own syntax stays.
func withoutValues(text string) string {
	text, _, _ = strings.Cut(text, ": ")
	return quoted.ReplaceAllStringFunc(text, func(value string) string {
		switch value {
		case `"="`, `"]"`, `"sslcert"`, `"sslkey"`:
			return value
		}
		return "..."
	})
}

var quoted = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)
