// Package pg is the one door to PostgreSQL: from a connection string to a pool whose every session
// is in a known state, from an error to what may be done about it, and the transactions that a beat
// is made of.
//
// It knows no table. What is done with a shard's tables is in packages lock and shard.
package pg

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	// connectTimeout is for a database host that does not answer at all.
	connectTimeout = 15 * time.Second
	// silence is how long a connection waits before it asks whether the host lives, and between two
	// such questions; after so many in vain the host is dead.
	silence      = 15 * time.Second
	silenceCount = 3
	// statementTimeout ends a statement that waits for a lock or reads too much; a chunk that meets
	// it is halved. 300 times what the largest default chunk needs.
	statementTimeout = "60s"
	// poolConnections: a beat uses one at a time, beside the one that holds the lock.
	poolConnections = 2
)

// Door says how the connections of one program are made. What the connection string says goes
// before our own settings.
type Door struct {
	URL  string // postgres:// or a list of key=value; "": libpq's variables
	Name string // application_name
	// Redact takes secrets out of what the driver says of the URL; nil: there are none.
	Redact func(string) string
	// Password returns the password of the day; "" leaves what the URL or PGPASSFILE says. It is
	// asked for each new connection, so that a rotated password serves without a restart. Nil: there
	// is none.
	Password func() (string, error)
}

// Open returns a pool whose connections are made by [Door.BeforeConnect]. A database that is down
// shows only when the pool is used. The error is a *URLError, or that of Password.
func (d *Door) Open(ctx context.Context) (*pgxpool.Pool, error) {
	config, err := d.Check()
	if err != nil {
		return nil, err
	}
	config.MaxConns = poolConnections
	for key, value := range map[string]string{"application_name": d.Name, "statement_timeout": statementTimeout} {
		if config.ConnConfig.RuntimeParams[key] == "" {
			config.ConnConfig.RuntimeParams[key] = value
		}
	}
	if config.PingTimeout == 0 {
		// The driver asks a connection that was idle whether it lives, with no statement that the
		// server would bound.
		config.PingTimeout = connectTimeout
	}
	config.BeforeConnect = d.BeforeConnect
	return pgxpool.NewWithConfig(ctx, config)
}

// Check tells a connection string that cannot be meant from a database that is down. It calls
// nobody, but the password of the day is read once.
func (d *Door) Check() (*pgxpool.Config, error) {
	config, err := ParseURL(d.URL, d.Redact)
	if err != nil {
		return nil, err
	}
	return config, d.setPassword(config.ConnConfig)
}

// BeforeConnect is for each new connection, whoever opens it: a pool, or goose through
// database/sql.
func (d *Door) BeforeConnect(_ context.Context, connection *pgx.ConnConfig) error {
	if connection.ConnectTimeout == 0 {
		connection.ConnectTimeout = connectTimeout
	}
	connection.DialFunc = bounded(dialer.DialContext, silenceOf(connection.RuntimeParams["statement_timeout"]))
	// Of several servers only the primary is of use, and of a single name the one behind it today.
	// The driver takes any server that answers; an operator who wants one that is read-only, to look
	// at a quarantine, says so in the URL.
	if connection.ValidateConnect == nil {
		connection.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
	return d.setPassword(connection)
}

func (d *Door) setPassword(connection *pgx.ConnConfig) error {
	if d.Password == nil {
		return nil
	}
	password, err := d.Password()
	if err == nil && password != "" {
		connection.Password = password
	}
	return err
}

// dialer notices a database host that falls silent within a minute or so; a statement_timeout is
// the server's and cannot tell.
var dialer = &net.Dialer{
	Timeout:         connectTimeout,
	KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: silence, Interval: silence, Count: silenceCount},
	ControlContext:  boundUnanswered,
}

// IsAnswer reports whether err is PostgreSQL's own: the server was reached and said no.
func IsAnswer(err error) bool {
	var pgErr *pgconn.PgError
	return errors.As(err, &pgErr)
}
