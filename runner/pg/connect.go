// Package pg is the one door to PostgreSQL. It knows no table; packages lock and shard do.
//
// # Connections
//
// A [Door] leads from a connection string to a pool in which every session is in a known state: on
// the primary, with the password of the day, with a limit on each statement, and with an end to
// every silence. [ParseURL] says why a connection string cannot be used, and repeats no part of it.
//
// # Errors
//
// [Classify] reads from an error what may be done about it, by its SQLSTATE and never by its text.
//
// # Transactions
//
// [Read] and [Write] are the two kinds of transaction that a beat is made of. Only package lock
// calls Write on a shard's tables.
package pg

import (
	"context"
	"errors"
	"maps"
	"net"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	// ConnectTimeout ends the wait for a database host that does not answer at all.
	ConnectTimeout = 15 * time.Second
	// An idle connection asks after keepAlive whether the host is alive, and again after each
	// keepAlive; after keepAliveCount questions without an answer the host counts as dead.
	keepAlive      = 15 * time.Second
	keepAliveCount = 3
	// unanswered is how long either side waits in all for a word of the other's machine.
	unanswered = keepAlive * (keepAliveCount + 1)
	// statementCache is how many prepared statements a connection keeps, as the driver has it.
	statementCache = 512
	// poolConnections is enough: a beat uses one at a time, beside the one that holds the lock.
	poolConnections = 2
)

// Door says how the connections of one program are made. Of the connection string's settings some
// win over the ones of this package, such as statement_timeout; see session.go.
type Door struct {
	// URL is a postgres:// URL or a list of key=value; "" uses libpq's environment variables.
	URL string
	// Name is the application_name of each session.
	Name string
	// Redact takes secrets out of what the driver says about the URL; nil: there are none.
	Redact func(string) string
	// Password returns the password of the day; "" keeps the one of the URL or of PGPASSFILE. It is
	// called for each new connection, so that a rotated password works without a restart. Nil:
	// there is none.
	Password func() (string, error)
	// Migrates lets statements take as long as they need, and leaves the search_path as it is
	// given: it says where new tables go.
	Migrates bool
	// AnyServer leads to a server that takes no writes, too, for looking at it.
	AnyServer bool
	// LockTimeout is how long a statement waits for what another session has locked, unless the URL
	// says it; 0: as long as statement_timeout allows. A session that migrates has no limit.
	LockTimeout time.Duration
}

// Open returns a pool whose connections are prepared by [Door.BeforeConnect]. It connects to
// nobody, so a database that is down shows only when the pool is used. The error is a [*URLError],
// or the one of Password.
func (d *Door) Open(ctx context.Context) (*pgxpool.Pool, error) {
	config, err := d.Check()
	if err != nil {
		return nil, err
	}
	config.MaxConns = poolConnections
	if config.PingTimeout == 0 {
		// The driver asks a connection that was idle whether it is alive. It does so without a
		// statement, so statement_timeout does not apply.
		config.PingTimeout = ConnectTimeout
	}
	config.BeforeConnect = d.BeforeConnect
	config.AfterConnect = QuickArrays
	return pgxpool.NewWithConfig(ctx, config)
}

// Check returns the error of a connection string that cannot be used, which no retry would mend, as
// opposed to a database that is down. It connects to nobody, but reads the password of the day.
func (d *Door) Check() (*pgxpool.Config, error) {
	if d.Name == "" {
		return nil, errors.New("pg: Door.Name is empty: want a name for the sessions, by which people find them")
	}
	config, err := ParseURL(d.URL, d.Redact)
	if err != nil {
		return nil, err
	}
	if _, err := newSession(maps.Clone(config.ConnConfig.RuntimeParams), d); err != nil {
		return nil, err
	}
	return config, d.setPassword(config.ConnConfig)
}

// BeforeConnect prepares a new connection, whoever opens it: a pool, or goose through database/sql.
func (d *Door) BeforeConnect(_ context.Context, connection *pgx.ConnConfig) error {
	if connection.ConnectTimeout == 0 {
		connection.ConnectTimeout = ConnectTimeout
	}
	if connection.RuntimeParams["application_name"] == "" {
		connection.RuntimeParams["application_name"] = d.Name
	}
	begins, err := newSession(connection.RuntimeParams, d)
	if err != nil {
		return err
	}
	connection.DialFunc = bounded(dialer.DialContext, maxSilence(begins.known["statement_timeout"]))
	// Only the primary is of use, be it one of several hosts or the one that a name stands for
	// today.
	if d.AnyServer {
		connection.ValidateConnect = nil // also that of a URL which wants a primary
	} else {
		WantWrites(connection)
	}
	begins.validate, connection.ValidateConnect = connection.ValidateConnect, begins.begin
	prepareStatements(connection)
	return d.setPassword(connection)
}

// prepareStatements overrules the driver's settings of the connection string: with other modes than
// this one the driver guesses the types of parameters, and is wrong about some of ours. They are
// for poolers that give each statement another session, which is refused anyway.
func prepareStatements(connection *pgx.ConnConfig) {
	connection.DefaultQueryExecMode = pgx.QueryExecModeCacheStatement
	connection.StatementCacheCapacity = max(connection.StatementCacheCapacity, statementCache)
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

// dialer notices within about a minute that a database host fell silent. statement_timeout cannot:
// the server itself enforces it.
var dialer = &net.Dialer{
	Timeout: ConnectTimeout,
	KeepAliveConfig: net.KeepAliveConfig{
		Enable:   true,
		Idle:     keepAlive,
		Interval: keepAlive,
		Count:    keepAliveCount,
	},
	ControlContext: boundUnanswered,
}
