package pg

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"shardclient/gen/sessiondb"
)

const (
	// statementTimeout ends a statement that waits for a lock or reads too much; a chunk that meets
	// it is halved. It is 300 times what the largest default chunk needs.
	statementTimeout = "60s"
	// idleTimeout frees the locks of a transaction whose client is stopped, or was cut off without
	// a word. Between two statements of a transaction we only compute.
	idleTimeout = "60s"
)

// known is the state of every session, except for limits. What a role, a database or PGOPTIONS says
// about these is meant for others: a person at psql, or the scheduler.
var known = map[string]string{
	"client_encoding":             "UTF8", // Go has no other
	"standard_conforming_strings": "on",
	"DateStyle":                   "ISO, MDY",
	"IntervalStyle":               "postgres",
	"TimeZone":                    "UTC",
	"bytea_output":                "hex",
	"extra_float_digits":          "1",
	"array_nulls":                 "on",
	"transform_null_equals":       "off",
	"quote_all_identifiers":       "off", // check reads what the catalog calls its columns
	// A policy that hides a row is an error: half of what a beat must read would be silent loss.
	"row_security":                  "off",
	"default_transaction_isolation": "read committed",
	"default_transaction_read_only": "off",
	// The lock lives in a session that does nothing while the master thinks.
	"idle_session_timeout":                "0",
	"idle_in_transaction_session_timeout": idleTimeout,
	"transaction_timeout":                 "0", // each statement has its limit
	// What PostgreSQL believes about tables that fill and empty is often old: it compiled for half
	// a second what took a millisecond.
	"jit": "off",
}

// Known returns the state of every session, as the names and values of its settings.
func Known() map[string]string { return maps.Clone(known) }

// limits are those that the connection string may set by their own names.
var limits = map[string]func(*Door) string{
	"statement_timeout": func(*Door) string { return statementTimeout },
	"lock_timeout":      func(d *Door) string { return milliseconds(d.LockTimeout) },
	// A client that was cut off without a word loses its session, and the lock of the shard with
	// it, as soon as it gives up the server: a server's own patience is two hours. A Unix socket
	// has none of these, and says 0.
	"tcp_keepalives_idle":     func(*Door) string { return seconds(keepAlive) },
	"tcp_keepalives_interval": func(*Door) string { return seconds(keepAlive) },
	"tcp_keepalives_count":    func(*Door) string { return strconv.Itoa(keepAliveCount) },
	"tcp_user_timeout":        func(*Door) string { return milliseconds(unanswered) },
}

// milliseconds rounds up: to PostgreSQL, 0 means no limit.
func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%dms", (d+time.Millisecond-1)/time.Millisecond)
}

func seconds(d time.Duration) string { return strconv.Itoa(int(d.Seconds())) }

// isStart reports whether a setting is sent with the start of a connection. A pooler refuses
// others.
func isStart(name string) bool { return name == "application_name" }

// session is what a new session is told, and by what it is judged.
type session struct {
	given    map[string]string // by the connection string
	known    map[string]string // by us; it wins
	stay     bool              // in the search_path that it came with
	validate pgconn.ValidateConnectFunc
}

// newSession takes the settings out of the start parameters of a connection.
func newSession(parameters map[string]string, d *Door) (*session, error) {
	s := &session{given: map[string]string{}, known: maps.Clone(known), stay: d.Migrates}
	if err := parseOptions(parameters["options"], s.given); err != nil {
		return nil, err
	}
	delete(parameters, "options")
	for name, standard := range limits {
		s.known[name] = cmp.Or(parameters[name], standard(d))
	}
	if d.Migrates { // a half of a migration is no use
		s.known["statement_timeout"], s.known["lock_timeout"] = "0", "0"
	}
	maps.Copy(s.given, parameters)
	maps.DeleteFunc(s.given, func(name, _ string) bool { return isStart(name) || overruled(name) })
	maps.DeleteFunc(parameters, func(name, _ string) bool { return !isStart(name) })
	parameters["client_encoding"] = s.known["client_encoding"] // messages that refuse us come in it, too
	return s, nil
}

// overruled reports whether a setting is one of ours, in whatever case it is written.
func overruled(name string) bool {
	for ours := range known {
		if strings.EqualFold(name, ours) {
			return true
		}
	}
	_, limit := limits[strings.ToLower(name)]
	return limit
}

// parseOptions reads the -c NAME=VALUE and --NAME=VALUE of PGOPTIONS.
func parseOptions(options string, into map[string]string) error {
	words := splitOptions(options)
	for len(words) > 0 {
		word := words[0]
		words = words[1:]
		switch {
		case word == "-c" && len(words) > 0:
			word, words = words[0], words[1:]
		case strings.HasPrefix(word, "--"):
			word = word[2:]
		case strings.HasPrefix(word, "-c"):
			word = word[2:]
		default:
			word = ""
		}
		name, value, ok := strings.Cut(word, "=")
		if !ok || name == "" {
			return &URLError{
				Cause: "options (PGOPTIONS) holds something else than settings",
				Hint:  "give settings as -c NAME=VALUE or --NAME=VALUE",
			}
		}
		into[strings.ReplaceAll(name, "-", "_")] = value
	}
	return nil
}

// splitOptions splits at spaces, as the server does; a backslash takes the next character as it is.
func splitOptions(options string) []string {
	var words []string
	var word strings.Builder
	inside, escaped := false, false
	for _, r := range options {
		switch {
		case !escaped && r == '\\':
			escaped, inside = true, true
		case !escaped && strings.ContainsRune(" \t\n\r\v\f", r):
			if inside {
				words = append(words, word.String())
			}
			word.Reset()
			inside = false
		default:
			word.WriteRune(r)
			escaped, inside = false, true
		}
	}
	if inside {
		words = append(words, word.String())
	}
	return words
}

// begin brings a new session into the known state, and refuses a server that is of no use. Whoever
// opens a connection, a pool or goose, runs it before the first statement of anybody else.
func (s *session) begin(ctx context.Context, conn *pgconn.PgConn) error {
	if err := checkServer(conn); err != nil {
		return err
	}
	if err := unlimit(ctx, conn); err != nil {
		return fmt.Errorf("lift the limits of the session: %w", err)
	}
	if len(s.given) > 0 {
		if err := set(ctx, conn, sessiondb.SessionGiven, s.given); err != nil {
			return judgeGiven(err, maps.Keys(s.given))
		}
	}
	if err := set(ctx, conn, sessiondb.SessionSettle, s.known); err != nil {
		if _, ok := errors.AsType[*pgconn.PgError](err); ok { // of all that is set here, only limits are given
			return judgeGiven(err, maps.Keys(limits))
		}
		return fmt.Errorf("settings of the session: %w", err)
	}
	if !s.stay {
		if err := settings(ctx, conn, sessiondb.SessionHome); err != nil {
			return fmt.Errorf("find the schema of the tables: %w", err)
		}
	}
	if s.validate == nil {
		return nil
	}
	return s.validate(ctx, conn)
}

// unlimitTries is far more than enough: a role's limit of 1 ms meets a statement that takes a
// fiftieth of that only when the machine is slow just then.
const unlimitTries = 100

func unlimit(ctx context.Context, conn *pgconn.PgConn) error {
	for try := 1; ; try++ {
		err := settings(ctx, conn, sessiondb.SessionUnlimit)
		if Classify(err) != Cancelled || try == unlimitTries {
			return err
		}
	}
}

func set(ctx context.Context, conn *pgconn.PgConn, statement string, values map[string]string) error {
	list, err := json.Marshal(values)
	if err != nil {
		return err
	}
	return settings(ctx, conn, statement, list)
}

func settings(ctx context.Context, conn *pgconn.PgConn, statement string, values ...[]byte) error {
	return conn.ExecParams(ctx, statement, values, nil, nil, nil).Read().Err
}
