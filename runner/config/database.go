package config

import (
	"fmt"
	"log/slog"
	"os"
	"strings"
)

// DatabaseURL is a PostgreSQL connection string, URL or key=value list. It holds a password as a rule, so fmt, slog and
// encoders get it redacted; string(d) is the real one, for the driver.
type DatabaseURL string

// locatingVariables are those of libpq's variables that say where a database is or as whom to find it.
var locatingVariables = []string{"PGSERVICE", "PGHOST", "PGPORT", "PGDATABASE", "PGUSER"}

// shownSettings are the connection settings that may be printed. Everything else is left out: a list of what to hide
// would miss the next secret, or the half of a password that an unquoted space made look like a setting.
var shownSettings = []string{"service", "host", "hostaddr", "port", "dbname", "database", "user", "sslmode", "target_session_attrs"}

// RedactedDatabaseURL describes the database for logs and errors, without its password: the connection string reduced to
// settings that are no secrets; or the libpq variables that are used in its place; or a text that repeats nothing of a
// string that cannot be taken apart with certainty.
func (c *Config) RedactedDatabaseURL() string {
	if c.DatabaseURL == "" {
		return fromVariables()
	}
	return c.DatabaseURL.String()
}

// String is the connection string without its secrets; see Config.RedactedDatabaseURL.
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

// check refuses a key=value list that is malformed, because the driver's error would repeat it. What the settings mean
// is left to the driver, and so are URLs, whose passwords it finds as surely as anybody.
func (d DatabaseURL) check() error {
	if d == "" || isURL(string(d)) {
		return nil
	}
	if _, err := parseKeyValues(string(d)); err != nil {
		return &SettingError{"database-url", "", err.Error(), "give postgres://USER:PASSWORD@HOST:PORT/DATABASE or a list like host=HOST dbname=DATABASE (values with spaces in single quotes)"}
	}
	return nil
}

func fromVariables() string {
	var set []string
	for _, name := range locatingVariables {
		if value := os.Getenv(name); value != "" {
			set = append(set, fmt.Sprintf("%s=%s", name, quoteValue(value)))
		}
	}
	return strings.Join(set, " ")
}
