package main

import (
	"context"
	"errors"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/runner/config"
)

const (
	// connectTimeout is for a database host that does not answer at all.
	connectTimeout = 15 * time.Second
	// silence is how long a connection waits before it asks whether the host lives,
	// and between two such questions; after so many in vain the host is dead.
	silence      = 15 * time.Second
	silenceCount = 3
	// statementTimeout ends a statement that waits for a lock or reads too much; a
	// chunk that meets it is halved. 300 times what the largest default chunk needs.
	statementTimeout = "60s"
	// poolConnections: a beat uses one at a time, beside the one that holds the lock.
	poolConnections = 2
)

// connect opens the pool; a database that is down shows only when it is used.
// What the URL says goes before our own settings.
func (p *program) connect(ctx context.Context) (*pgxpool.Pool, error) {
	poolConfig, err := p.databaseConfig()
	if err != nil {
		return nil, err
	}
	poolConfig.MaxConns = poolConnections
	name := "shard-client"
	if p.settings.ShardHostname != "" {
		name += " " + p.settings.ShardHostname
	}
	for key, value := range map[string]string{"application_name": name, "statement_timeout": statementTimeout} {
		if poolConfig.ConnConfig.RuntimeParams[key] == "" {
			poolConfig.ConnConfig.RuntimeParams[key] = value
		}
	}
	if poolConfig.PingTimeout == 0 {
		// The driver asks a connection that was idle whether it lives, with no statement
		// that the server would bound.
		poolConfig.PingTimeout = connectTimeout
	}
	poolConfig.BeforeConnect = p.beforeConnect
	return pgxpool.NewWithConfig(ctx, poolConfig)
}

// beforeConnect is for each new connection, whoever opens it.
func (p *program) beforeConnect(ctx context.Context, connection *pgx.ConnConfig) error {
	if connection.ConnectTimeout == 0 {
		connection.ConnectTimeout = connectTimeout
	}
	connection.DialFunc = bounded(dialer.DialContext, silenceOf(connection.RuntimeParams["statement_timeout"]))
	// Of several servers only the primary is of use, and of a single name the one behind
	// it today. The driver takes any server that answers; who wants one that is read-only,
	// to look at a quarantine, says so in the URL.
	if connection.ValidateConnect == nil {
		connection.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
	return p.readPassword(ctx, connection)
}

// dialer notices a database host that falls silent within a minute or so; a
// statement_timeout is the server's and cannot tell.
var dialer = &net.Dialer{
	Timeout:         connectTimeout,
	KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: silence, Interval: silence, Count: silenceCount},
	ControlContext:  boundUnanswered,
}

// readPassword is for each new connection, so that a rotated password serves
// without a restart.
func (p *program) readPassword(_ context.Context, connection *pgx.ConnConfig) error {
	password, err := p.settings.DatabasePassword()
	if err != nil || password == "" {
		return err
	}
	p.secrets.Add(password)
	connection.Password = password
	return nil
}

// checkDatabase tells a database URL that cannot be meant from one that is down.
func (p *program) checkDatabase() error {
	_, err := p.databaseConfig()
	return err
}

func (p *program) databaseConfig() (*pgxpool.Config, error) {
	if err := p.settings.ValidateDatabase(); err != nil {
		return nil, &usageError{err}
	}
	poolConfig, err := pgxpool.ParseConfig(string(p.settings.DatabaseURL))
	if err != nil {
		return nil, unusableDatabaseURL(p.secrets.Redact(driverCause(err)))
	}
	// The driver ends a password at its first @ and takes the rest for a host, which
	// every error would show.
	hosts := []string{poolConfig.ConnConfig.Host}
	for _, other := range poolConfig.ConnConfig.Fallbacks {
		hosts = append(hosts, other.Host)
	}
	for _, host := range hosts {
		if strings.Contains(host, "@") && !strings.HasPrefix(host, "/") {
			return nil, unusableDatabaseURL("it has an @ in its host name, or one in its password that is not written as %40")
		}
	}
	// The driver has looked into PGPASSFILE and service files.
	p.secrets.Add(poolConfig.ConnConfig.Password)
	if err := p.readPassword(context.Background(), poolConfig.ConnConfig); err != nil {
		return nil, &usageError{err}
	}
	return poolConfig, nil
}

func unusableDatabaseURL(cause string) error {
	hint := "give postgres://USER:PASSWORD@HOST:PORT/DATABASE, special characters of the password percent-encoded"
	return &usageError{&config.SettingError{Flag: "database-url", Cause: cause, Hint: hint}}
}

// driverCause is what the driver says without the connection string, which it
// repeats with half a password in it when it misunderstood where that ends.
func driverCause(err error) string {
	var parse *pgconn.ParseConfigError
	if !errors.As(err, &parse) {
		return err.Error()
	}
	if cause := parse.Unwrap(); cause != nil {
		return cause.Error()
	}
	text := parse.Error()
	return text[strings.LastIndex(text, "`: ")+len("`: "):]
}
