package move

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
)

// The statements whose table is only known when both sides have been asked for theirs. sqlc would
// spell out each column, and the releases of Autotest differ in these.
//
//go:embed sql/*.sql
var statements embed.FS

// statement returns one with its table, key and ids. Names come from a catalogue, ids are numbers.
func statement(name string, pairs ...string) string {
	text, err := statements.ReadFile("sql/" + name + ".sql")
	if err != nil {
		panic(err) // it is embedded
	}
	return strings.NewReplacer(pairs...).Replace(string(text))
}

func listed(ids []int64) string {
	texts := make([]string, len(ids))
	for i, id := range ids {
		texts[i] = strconv.FormatInt(id, 10)
	}
	return strings.Join(texts, ",")
}

// AddressError is an address of MySQL that cannot be used. It repeats nothing of it: a password may
// stand anywhere in a URL that is no URL.
type AddressError struct{ Cause string }

func (e *AddressError) Error() string { return e.Cause }

// ParseAddress reads mysql://USER[:PASSWORD]@HOST[:PORT]/DATABASE with the parameters socket (the
// path of a Unix socket), tls (true, skip-verify, preferred) and tls-ca (a file of authorities). A
// password that is not in it is the other one.
func ParseAddress(address, password string) (*mysql.Config, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, &AddressError{"it is no URL: give mysql://USER@HOST:PORT/DATABASE, with the special characters of a password as %XX"}
	}
	database := strings.Trim(u.Path, "/")
	switch {
	case u.Scheme != "mysql" && u.Scheme != "mariadb":
		return nil, &AddressError{"it does not begin with mysql://: give mysql://USER@HOST:PORT/DATABASE"}
	case database == "" || strings.Contains(database, "/"):
		return nil, &AddressError{"it names no database: give mysql://USER@HOST:PORT/DATABASE; Autotest's is chromeos_autotest_db or autotest_web"}
	case u.User.Username() == "":
		return nil, &AddressError{"it names no user: give mysql://USER@HOST:PORT/DATABASE"}
	}
	c := mysql.NewConfig()
	c.User, c.DBName, c.Net = u.User.Username(), database, "tcp"
	c.Addr = net.JoinHostPort(or(u.Hostname(), "localhost"), or(u.Port(), "3306"))
	c.Passwd = password
	if own, given := u.User.Password(); given {
		c.Passwd = own
	}
	// Times stay texts: that of an hour that a zone leaves out is as good as any other.
	c.ParseTime, c.Timeout, c.AllowNativePasswords = false, 30*time.Second, true
	c.Logger = &mysql.NopLogger{} // what it has to say comes back as an error, too
	// Whatever the server is set to, statements mean the same, and, as when Autotest writes, a text
	// that is too long is cut.
	c.Params = map[string]string{"sql_mode": "'NO_AUTO_VALUE_ON_ZERO'"}
	if err := c.Apply(mysql.Charset("utf8mb4", "")); err != nil {
		return nil, err
	}
	for name, values := range u.Query() {
		value := values[len(values)-1]
		switch name {
		case "socket":
			c.Net, c.Addr = "unix", value
		case "tls":
			if !slices.Contains([]string{"true", "false", "skip-verify", "preferred"}, value) {
				return nil, &AddressError{"its tls is unknown: give true, false, skip-verify or preferred"}
			}
			c.TLSConfig = value
		case "tls-ca":
			if c.TLS, err = trusting(value, u.Hostname()); err != nil {
				return nil, err
			}
		default:
			return nil, &AddressError{fmt.Sprintf("its parameter %q is unknown: there are socket, tls and tls-ca", name)}
		}
	}
	return c, nil
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

func trusting(path, host string) (*tls.Config, error) {
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, &AddressError{"its tls-ca cannot be read (" + err.Error() + "): give a file of certificates in PEM that this user can read"}
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, &AddressError{"its tls-ca " + path + " holds no certificate: give that of the authority, in PEM"}
	}
	return &tls.Config{RootCAs: pool, ServerName: host, MinVersion: tls.VersionTLS12}, nil
}

// Source is a shard's MySQL, as it is at one moment. Nothing is written.
type Source struct {
	db     *sql.DB
	tx     *sql.Tx
	tables []string
	others []string // who else is connected to that database, as far as the user may see it
}

// Open opens a MySQL for reading.
func Open(ctx context.Context, config *mysql.Config) (*Source, error) {
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return nil, ofMySQL(err)
	}
	s := &Source{db: sql.OpenDB(connector)}
	s.tx, err = s.db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	if err = ofMySQL(err); err == nil {
		s.tables, err = s.texts(ctx, statement("tables"))
	}
	if err == nil {
		s.others, err = s.texts(ctx, statement("others"))
	}
	if err != nil {
		s.Close()
		return nil, fmt.Errorf("read MySQL at %s: %w", config.Addr, err)
	}
	for _, w := range back {
		if !slices.Contains(s.tables, w.table) {
			s.Close()
			return nil, &Refusal{
				Cause:  fmt.Sprintf("the database %s of MySQL shows no table %s: it is no Autotest shard's, or the user may not see it", config.DBName, w.table),
				Remedy: "name the right database in the URL, or grant the user SELECT on all of its tables",
			}
		}
	}
	return s, nil
}

// Refusal is a state of one of the two databases that nothing can be done with, and what to do
// about it.
type Refusal struct{ Cause, Remedy string }

func (e *Refusal) Error() string { return e.Cause }

// Hint says what to do about it.
func (e *Refusal) Hint() string { return e.Remedy }

// Close gives the connections back.
func (s *Source) Close() {
	if s.tx != nil {
		_ = s.tx.Rollback() // it only reads
	}
	_ = s.db.Close()
}

func (s *Source) texts(ctx context.Context, query string) ([]string, error) {
	list := []string{}
	_, err := s.read(ctx, query, func(_ []string, row []*string) {
		if row[0] != nil {
			list = append(list, *row[0])
		}
	})
	return list, err
}

func (s *Source) ids(ctx context.Context, query string) ([]int64, error) {
	texts, err := s.texts(ctx, query)
	var list []int64
	for _, text := range texts {
		id, wrong := strconv.ParseInt(text, 10, 64)
		if err = errors.Join(err, wrong); err == nil {
			list = append(list, id)
		}
	}
	return list, err
}

// read calls use for each row. The values are texts as the server writes them; nil is NULL.
func (s *Source) read(ctx context.Context, query string, use func(columns []string, row []*string)) (columns []string, err error) {
	rows, err := s.tx.QueryContext(ctx, query)
	if err != nil {
		return nil, ofMySQL(err)
	}
	defer func() { err = ofMySQL(cmp.Or(err, rows.Close())) }()
	if columns, err = rows.Columns(); err != nil {
		return nil, err
	}
	values, places := make([]sql.NullString, len(columns)), make([]any, len(columns))
	for i := range values {
		places[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(places...); err != nil {
			return nil, err
		}
		row := make([]*string, len(columns))
		for i, v := range values {
			if v.Valid {
				row[i] = &v.String
				values[i] = sql.NullString{}
			}
		}
		use(columns, row)
	}
	return columns, rows.Err()
}
