//go:build mariadb

package move_test

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/go-sql-driver/mysql"
	"go.uber.org/goleak"

	"shardclient/runner/binaries"
	"shardclient/runner/pgtest"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(pgtest.WithServer(binaries.WithBinaries(server{m})))
}

// private is the MariaDB of all tests.
var private *mariaDB

// mariaDB is a running server, which listens on a socket and nothing else.
type mariaDB struct {
	socket string
	stop   func()
}

// server runs tests beside a private MariaDB.
type server struct{ pgtest.M }

func (s server) Run() int {
	var err error
	if private, err = startMariaDB(); err != nil {
		fmt.Fprintln(os.Stderr, "start MariaDB:", err)
		return 1
	}
	defer private.stop()
	return s.M.Run()
}

// startMariaDB makes a data directory and starts a server in it, which says in its log when it is
// ready.
func startMariaDB(settings ...string) (*mariaDB, error) {
	directory, err := os.MkdirTemp("", "shard-mariadb")
	if err != nil {
		return nil, err
	}
	data := filepath.Join(directory, "data")
	own := []string{"--no-defaults", "--user=" + owner(), "--datadir=" + data, "--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=32M",
		"--tmpdir=" + directory} // two servers that begin in one of them disturb each other
	install := exec.Command("mariadb-install-db", append(own, "--auth-root-authentication-method=normal", "--skip-test-db")...)
	if output, err := install.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w\n%s", err, output)
	}
	path, err := exec.LookPath("mariadbd")
	if err != nil {
		path = "/usr/sbin/mariadbd"
	}
	m := &mariaDB{socket: filepath.Join(directory, "socket")}
	own = append(own, "--socket="+m.socket, "--skip-networking", "--pid-file="+filepath.Join(directory, "pid"))
	program := exec.Command(path, append(own, settings...)...)
	program.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	program.Stderr = write
	if err := program.Start(); err != nil {
		return nil, err
	}
	_ = write.Close()
	log, ready := &bytes.Buffer{}, make(chan bool, 1)
	go func() {
		part := make([]byte, 4096)
		for told := false; ; {
			n, err := read.Read(part)
			log.Write(part[:n])
			if now := strings.Contains(log.String(), "ready for connections"); !told && (now || err != nil) {
				told = true
				ready <- now
			}
			if err != nil {
				close(ready)
				return
			}
		}
	}()
	if !<-ready {
		return nil, fmt.Errorf("it ended\n%s", log)
	}
	m.stop = func() {
		_ = program.Process.Signal(syscall.SIGTERM)
		for range ready {
		}
		_ = program.Wait()
		_ = read.Close()
		_ = os.RemoveAll(directory)
	}
	return m, nil
}

// owner is the user that the server runs as: it refuses root unless that is asked for.
func owner() string {
	if os.Geteuid() == 0 {
		return "root"
	}
	return os.Getenv("USER")
}

// oldShard is a MySQL of a shard.
type oldShard struct {
	t      testing.TB
	server *mariaDB
	name   string
	db     *sql.DB
}

// shards counts them.
var shards atomic.Int64

// newOldShard makes a database with Autotest's tables.
func newOldShard(t testing.TB) *oldShard {
	t.Helper()
	return private.shard(t)
}

func (m *mariaDB) shard(t testing.TB) *oldShard {
	t.Helper()
	o := &oldShard{t: t, server: m, name: fmt.Sprintf("shard%d", shards.Add(1))}
	o.db = m.connect(t, "root", "", "")
	o.do("CREATE DATABASE " + o.name)
	o.do("CREATE USER " + o.name + "@localhost IDENTIFIED BY 'CANARY'")
	o.do("GRANT ALL ON " + o.name + ".* TO " + o.name + "@localhost")
	o.db = m.connect(t, "root", "", o.name)
	o.run("testdata/autotest.sql")
	return o
}

// connect opens a session that stays.
func (m *mariaDB) connect(t testing.TB, user, password, database string) *sql.DB {
	t.Helper()
	c := mysql.NewConfig()
	c.User, c.Passwd, c.Net, c.Addr, c.DBName, c.MultiStatements = user, password, "unix", m.socket, database, true
	c.Logger = &mysql.NopLogger{}
	connector, err := mysql.NewConnector(c)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func (o *oldShard) do(statement string, args ...any) {
	o.t.Helper()
	if _, err := o.db.ExecContext(context.Background(), statement, args...); err != nil {
		o.t.Fatalf("%s: %v", statement[:min(len(statement), 200)], err)
	}
}

func (o *oldShard) run(path string) {
	o.t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		o.t.Fatal(err)
	}
	o.do(string(text))
}

// ask returns all rows of a query, a line each.
func (o *oldShard) ask(query string) string {
	o.t.Helper()
	var lines []string
	_, rows := o.query(query)
	for _, values := range rows {
		lines = append(lines, strings.Join(values, "|"))
	}
	return strings.Join(lines, "\n")
}

// rows returns a table's rows by their columns.
func (o *oldShard) rows(table string) (list []map[string]string) {
	o.t.Helper()
	columns, rows := o.query("SELECT * FROM " + table)
	for _, values := range rows {
		row := map[string]string{}
		for i, name := range columns {
			row[name] = values[i]
		}
		list = append(list, row)
	}
	return list
}

// everything returns all rows of all tables, but for ids that an export gives anew.
func (o *oldShard) everything() string {
	o.t.Helper()
	var b strings.Builder
	for table := range strings.FieldsSeq(o.ask("SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() ORDER BY 1")) {
		columns := o.ask("SELECT GROUP_CONCAT('`', column_name, '`' ORDER BY ordinal_position) FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = '" + table + "'")
		if owned[table] {
			columns = strings.TrimPrefix(columns, "`id`,")
		}
		b.WriteString(table + "\n" + o.ask("SELECT "+columns+" FROM "+table+" ORDER BY "+columns) + "\n")
	}
	return b.String()
}

func (o *oldShard) query(query string) (columns []string, list [][]string) {
	o.t.Helper()
	rows, err := o.db.QueryContext(context.Background(), query)
	if err != nil {
		o.t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	columns, _ = rows.Columns()
	for rows.Next() {
		values, places := make([]sql.NullString, len(columns)), make([]any, len(columns))
		for i := range values {
			places[i] = &values[i]
		}
		if err := rows.Scan(places...); err != nil {
			o.t.Fatal(err)
		}
		var texts []string
		for _, v := range values {
			if !v.Valid {
				v.String = "NULL"
			}
			texts = append(texts, v.String)
		}
		list = append(list, texts)
	}
	return columns, list
}

// address is the URL of the database, with a password that nobody may see.
func (o *oldShard) address() string {
	return "mysql://" + o.name + ":CANARY@localhost/" + o.name + "?socket=" + o.server.socket
}
