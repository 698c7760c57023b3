package move

import (
	"context"
	"crypto/x509"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"regexp"
	"slices"
	"strconv"
	"syscall"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgconn"
)

// MySQLError is an error of MySQL, or of the way to it.
type MySQLError struct{ Err error }

func (e *MySQLError) Error() string { return e.Err.Error() }
func (e *MySQLError) Unwrap() error { return e.Err }

// Hint says what to do about it, as package hint does for PostgreSQL and the master.
func (e *MySQLError) Hint() string {
	for _, c := range causes {
		if c.is(e.Err) {
			return c.remedy
		}
	}
	return "read the log of MySQL, mend the cause and start it again: nothing was changed"
}

// ofMySQL marks an error as MySQL's. That of the context is the caller's own.
func ofMySQL(err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	return &MySQLError{err}
}

// causes are what an error of MySQL may come from; the first that fits counts.
var causes = []struct {
	is     func(error) bool
	remedy string
}{
	{says(1045, 1698), "correct user and password (--mysql-password-file, MYSQL_PWD or the URL), or create the user for this machine; " +
		"one that must come by TLS wants ?tls=true or ?tls-ca=FILE behind the database"},
	{says(1130), "let MySQL take connections from this machine: CREATE USER, or GRANT, for the user at this host"},
	{says(1044), "correct the name of the database in the URL, or grant the user SELECT on all of its tables"},
	{says(1142, 1143, 1370), "grant the user SELECT on all tables of that database, for an export INSERT, UPDATE and DELETE, too"},
	{says(1049), "correct the name of the database in the URL; Autotest's is chromeos_autotest_db or autotest_web, and [AUTOTEST_WEB] of the shard names it"},
	{says(1054, 1146), "bring MySQL to the tables that Autotest of 2015 or newer has, with its own database/migrate.py, or name the right database"},
	{says(3159), "write ?tls=true or ?tls-ca=FILE behind the database in the URL: this server takes no other connections"},
	{says(1040, 1203, 1226), "end sessions of MySQL that nobody needs, or raise max_connections or the limit of the user"},
	{says(1205, 1213), "stop the Python client and the scheduler on MySQL, which hold locks there, then start it again"},
	{says(1290, 1792, 1836), "name the MySQL server that takes writes: this one is read-only"},
	{says(1021, 1114, 3), "make room on the disk of the MySQL server"},
	{says(1153), "raise max_allowed_packet of MySQL: a row is larger"},
	{says(1451, 1452, 1062), "look at the row in both databases: MySQL's keys do not take it as it is here"},
	{says(1251, 1275, 1524, 2059), "give the user of MySQL a password of the kind mysql_native_password, caching_sha2_password or ed25519"},
	{among(mysql.ErrNativePassword, mysql.ErrOldPassword, mysql.ErrCleartextPassword, mysql.ErrUnknownPlugin),
		"give the user of MySQL a password of the kind mysql_native_password, caching_sha2_password or ed25519"},
	{among(mysql.ErrNoTLS), "switch TLS on at the MySQL server, or write ?tls=false or ?tls=preferred"},
	{among(mysql.ErrPktTooLarge), "raise max_allowed_packet of MySQL: a row is larger"},
	{isA[x509.UnknownAuthorityError], "give the file of the authority that vouches for the MySQL server: ?tls-ca=FILE behind the database"},
	{isA[x509.HostnameError], "write the host in the URL of MySQL as the server's certificate names it"},
	{isA[x509.CertificateInvalidError], "renew the certificate of the MySQL server, or set the clock of this machine"},
	{isA[*net.DNSError], "correct the host name in the URL of MySQL, or the name server of this machine"},
	{isA[*net.AddrError], "correct the port in the URL of MySQL"},
	{among(fs.ErrNotExist), "start MySQL, or correct the socket in the URL: ?socket=/run/mysqld/mysqld.sock is Debian's"},
	{among(syscall.ECONNREFUSED), "start MySQL, or correct host and port in its URL; one that listens on a socket only wants ?socket=PATH"},
	{among(syscall.EACCES), "run it as a user who may open MySQL's socket, or name host and port"},
	{silent, "look at the routes and firewalls between here and MySQL, and at host and port of its URL"},
	{says(1053, 1317, 1927), "look why somebody ended this session of MySQL, then start it again"},
	{among(mysql.ErrInvalidConn, driver.ErrBadConn, io.ErrUnexpectedEOF, io.EOF, syscall.ECONNRESET, syscall.EPIPE),
		"look whether MySQL is up, then start it again: an import finds out what is stored, an export may be done twice"},
}

// says reports whether MySQL's error has one of these numbers.
func says(numbers ...uint16) func(error) bool {
	return func(err error) bool {
		answer, ok := errors.AsType[*mysql.MySQLError](err)
		return ok && slices.Contains(numbers, answer.Number)
	}
}

func among(list ...error) func(error) bool {
	return func(err error) bool {
		return slices.ContainsFunc(list, func(one error) bool { return errors.Is(err, one) })
	}
}

func isA[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

// silent reports whether nobody answered in time, or a router says that nobody is there.
func silent(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && (op.Timeout() || errors.Is(op, syscall.EHOSTUNREACH) || errors.Is(op, syscall.ENETUNREACH)) || errors.Is(err, context.DeadlineExceeded)
}

var lineOfCopy = regexp.MustCompile(`^COPY \S+, line (\d+)`)

// ofRow names the row that PostgreSQL does not take: its own message only counts them.
func ofRow(err error, rows []row) error {
	refused, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return err
	}
	if found := lineOfCopy.FindStringSubmatch(refused.Where); found != nil {
		if line, _ := strconv.Atoi(found[1]); line > 0 && line <= len(rows) {
			err = fmt.Errorf("%s: %w", rows[line-1].name, err)
		}
	}
	if class := refused.Code[:2]; class != "22" && class != "23" && class != "54" {
		return err
	}
	return &rowError{err}
}

// rowError is a row that nothing but PostgreSQL knows to be wrong, such as one that a check of the
// site refuses.
type rowError struct{ error }

func (e *rowError) Unwrap() error { return e.error }

// Hint says what to do about it.
func (e *rowError) Hint() string {
	return "mend this row in MySQL, or take the constraint or trigger of the site away that refuses it, then start it again: nothing was stored"
}
