package hint

import (
	"crypto/x509"
	"errors"
	"io/fs"
	"net"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"
)

// causesOfDatabase are what an error of PostgreSQL, or of the way to it, may come from; the first
// that fits counts.
var causesOfDatabase = []cause{
	// First what one of several tries met: without TLS, the next one is often refused as such.
	{readOnly, "read only connection|SQLSTATE 25006", "name the server that takes writes in --database-url, or both servers of a pair"},

	{noPassword, "", "give the password of this role: none is set, see Secrets in install.md"},
	{sqlstate("28P01"), "SQLSTATE 28P01", "correct the password (--database-password-file, PGPASSFILE, SHARD_CLIENT_DATABASE_URL) or the user"},
	{noEntry, "pg_hba.conf", "let pg_hba.conf of the server accept this user, database and host, with SSL or without as the message says"},
	{sqlstate("28"), "SQLSTATE 28", "let this role log in, or correct the user in --database-url; where the server wants a certificate, give sslcert and sslkey"},
	{sqlstate("3D000"), "SQLSTATE 3D000", "correct the name of the database in --database-url, or create it"},
	{sqlstate("42501"), "SQLSTATE 42501", "give the role its rights: shard-client migrate grant, as the owner; a trigger of the site wants SECURITY DEFINER, row-level security BYPASSRLS"},
	{sqlstate("53300"), "SQLSTATE 53300", "raise max_connections of the server or the limit of the role, or end sessions that nobody needs"},
	{sqlstate("53100"), "SQLSTATE 53100", "make room on the disk of the database server"},
	{sqlstate("57P03"), "SQLSTATE 57P03", "wait, the server starts, stops or recovers; if it stays, read its log"},
	{sqlstate("57014"), "SQLSTATE 57014", "look why statements are slow: locks, load, or a short statement_timeout in --database-url"},
	{sqlstate("55P03"), "SQLSTATE 55P03", "wait until the session that holds the lock ends, or end it: shard-client sessions list shows it"},
	{sqlstate("22023", "42704", "42602"), "SQLSTATE 22023|SQLSTATE 42704|SQLSTATE 42602", "correct the settings in --database-url or PGOPTIONS"},
	{sqlstate("42P01", "42703", "42883", "0A000"), "SQLSTATE 42P01|SQLSTATE 42703|SQLSTATE 42883|SQLSTATE 0A000", "compare the schema with this binary: shard-client check names what differs"},
	{sqlstate("42P07", "42723"), "SQLSTATE 42P07|SQLSTATE 42723", "rename or drop what somebody has made under this name, as its owner, then try again"},
	{sqlstate("23505"), "SQLSTATE 23505", "find the rows that share the values which must be unique, keep one of them (of two entries the complete one), then try again"},
	{takesNobody, "is not currently accepting connections", "let the database take connections, its ALLOW_CONNECTIONS is false"},

	{isA[x509.UnknownAuthorityError], "unknown authority", "give sslrootcert in --database-url the authority that vouches for the server"},
	{isA[x509.HostnameError], "certificate is valid for|doesn't contain any IP SANs|is not valid for any names", "write the host of --database-url as the server's certificate names it"},
	{isNotYet, notYet, "set the clock of this machine, or wait: the certificate of the database server is not valid yet"},
	{isExpired, "certificate has expired", "renew the certificate of the database server, or set the clock of this machine"},
	{refusesTLS, "server refused TLS connection", "write sslmode=disable in --database-url, or switch SSL on at the server"},
	{hungUp, "failed to write startup message|remote error: tls", "read the log of the database server, which hung up; if it wants a certificate, give sslcert and sslkey of an authority that it trusts"},
	{isA[*net.DNSError], "no such host|server misbehaving", "correct the host name in --database-url, or the name server of this machine"},
	{noSocket, "connect: no such file or directory", "start PostgreSQL, or correct host and port of --database-url: no socket is there"},
	{is(syscall.ECONNREFUSED), "connection refused", "start PostgreSQL, or correct host and port of --database-url"},
	{socketHangs, "", "look what holds the PostgreSQL of this machine: its socket takes connections, and nothing answers"},
	{silent, "i/o timeout|no route to host|network is unreachable", "look at the routes and firewalls between here and PostgreSQL, and at host and port of --database-url"},
}

// isOfDatabase reports whether an error is PostgreSQL's, or one of the way to it.
func isOfDatabase(err error) bool { return isA[*pgconn.PgError](err) || isA[*pgconn.ConnectError](err) }

// sqlstate reports whether PostgreSQL's error has one of these codes, or begins with it.
func sqlstate(codes ...string) func(error) bool {
	return func(err error) bool {
		answer, ok := errors.AsType[*pgconn.PgError](err)
		for _, code := range codes {
			if ok && strings.HasPrefix(answer.Code, code) {
				return true
			}
		}
		return false
	}
}

// noPassword reports whether the server wants a password, and the client has none.
func noPassword(err error) bool {
	failure, ok := errors.AsType[*pgconn.ConnectError](err)
	return ok && failure.Config.Password == "" && sqlstate("28P01")(err)
}

// noEntry reports whether pg_hba.conf is what refuses. The name of the file is in the message of
// every language.
func noEntry(err error) bool {
	return sqlstate("28000")(err) && strings.Contains(err.Error(), "pg_hba.conf")
}

func readOnly(err error) bool {
	return sqlstate("25006")(err) || isA[*pgconn.ConnectError](err) && strings.Contains(err.Error(), "read only connection")
}

func takesNobody(err error) bool {
	return isA[*pgconn.ConnectError](err) && sqlstate("55000")(err)
}

// refusesTLS reports whether the server has no SSL. The driver has no other sign of it than a text.
func refusesTLS(err error) bool {
	return isA[*pgconn.ConnectError](err) && strings.Contains(err.Error(), "server refused TLS connection")
}

// hungUp reports whether the server, or what stands before it, ended a connection before it could
// be used. With TLS 1.3 the refusal of a certificate looks like this, or comes as an alert: which
// of them is met first depends on the network.
func hungUp(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && isA[*pgconn.ConnectError](err) && (op.Op == "remote error" || errors.Is(op, syscall.ECONNRESET) || errors.Is(op, syscall.EPIPE))
}

func noSocket(err error) bool {
	return isA[*pgconn.ConnectError](err) && errors.Is(err, fs.ErrNotExist)
}

func socketHangs(err error) bool {
	failure, ok := errors.AsType[*pgconn.ConnectError](err)
	return ok && pgconn.Timeout(err) && strings.HasPrefix(failure.Config.Host, "/")
}

func silent(err error) bool {
	return isUnreachable(err) || isA[*pgconn.ConnectError](err) && pgconn.Timeout(err)
}
