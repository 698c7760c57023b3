package config

import (
	"cmp"
	"fmt"
	"log/slog"
	"os"
	"strings"
)

// DatabaseURL is a PostgreSQL connection string: a URL or a key=value list. Because it usually
// holds a password, fmt, log/slog and encoders get it redacted. string(d) is the real one, for the
// driver.
type DatabaseURL string

// locatingVariables are libpq's variables that say where a database is and which user connects.
var locatingVariables = []string{"PGSERVICE", "PGHOST", "PGPORT", "PGDATABASE", "PGUSER"}

// shownSettings are the connection settings that may be printed. All others are left out: a list of
// what to hide would miss the next secret, or the half of a password that looks like a setting
// because of an unquoted space.
var shownSettings = []string{
	"service", "host", "hostaddr", "port", "dbname", "database", "user", "sslmode", "target_session_attrs",
}

// RedactedDatabaseURL describes the database for logs and errors, without its password. It returns
// the connection string reduced to settings that are not secret, or the libpq variables that are
// used in its place. Of a string that cannot be taken apart with certainty it repeats nothing.
func (c *Config) RedactedDatabaseURL() string {
	if c.DatabaseURL == "" {
		return fromVariables()
	}
	return c.DatabaseURL.String()
}

// String returns the connection string without its secrets; see [Config.RedactedDatabaseURL].
func (d DatabaseURL) String() string {
	if d == "" {
		return ""
	}
	parts, err := parseDatabaseURL(string(d))
	if err != nil {
		return "(database URL not shown: " + err.Error() + ")"
	}
	return parts.shown()
}

// GoString keeps %#v from printing the password.
func (d DatabaseURL) GoString() string { return quoted(d.String()) }

// LogValue implements slog.LogValuer.
func (d DatabaseURL) LogValue() slog.Value { return slog.StringValue(d.String()) }

// MarshalText keeps encoders from printing the password.
func (d DatabaseURL) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// ofDriver are the files that the driver reads itself, more than once, by parameter and variable.
var ofDriver = [][2]string{
	{"passfile", "PGPASSFILE"}, {"servicefile", "PGSERVICEFILE"}, {"sslrootcert", "PGSSLROOTCERT"}, {"sslcert", "PGSSLCERT"}, {"sslkey", "PGSSLKEY"},
}

// checkFiles refuses a pipe or a directory in place of one of them: the driver would wait for ever.
func (d DatabaseURL) checkFiles() error {
	parts, _ := parseDatabaseURL(string(d)) // a string that cannot be taken apart names no file
	for _, one := range ofDriver {
		path := cmp.Or(parts.value(one[0]), os.Getenv(one[1]))
		if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() && path != os.DevNull {
			return &SettingError{"database-url", "", fmt.Sprintf("%s (%s) names something that is no file", one[0], one[1]), "give a file"}
		}
	}
	return nil
}

// check refuses a malformed key=value list, because the driver's error would repeat it. The driver
// checks what the settings mean, and URLs, in which it finds the password reliably.
func (d DatabaseURL) check() error {
	if d == "" || isURL(string(d)) {
		return nil
	}
	if _, err := parseKeyValues(string(d)); err != nil {
		return &SettingError{
			Flag: "database-url", Cause: err.Error(),
			Hint: "give postgres://USER:PASSWORD@HOST:PORT/DATABASE or a list like host=HOST dbname=DATABASE " +
				"(values with spaces in single quotes)",
		}
	}
	return nil
}

// fromVariables describes the database by the libpq variables that are set.
func fromVariables() string {
	var set []string
	for _, name := range locatingVariables {
		if value := os.Getenv(name); value != "" {
			set = append(set, fmt.Sprintf("%s=%s", name, quoteValue(value)))
		}
	}
	return strings.Join(set, " ")
}
