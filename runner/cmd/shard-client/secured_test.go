package main

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/runner/pgtest"
	"shardclient/runner/postgres"
)

// The server of pgtest lets every role in. This one listens on TCP and asks for passwords.
var (
	securedOnce   = sync.OnceValue(startSecured)
	securedServer atomic.Pointer[postgres.Server]
	securedCount  atomic.Int64
)

// startSecured does not use the context of a test, because the server serves all tests.
func startSecured() error {
	server, err := postgres.Start(context.Background(), postgres.Options{TCP: true})
	securedServer.Store(server)
	return err
}

func stopSecured() error {
	if server := securedServer.Load(); server != nil {
		return server.Stop()
	}
	return nil
}

// secured is an empty database that belongs to a role with a password.
type secured struct {
	t              testing.TB
	role, database string
	address        string
	admin          *pgxpool.Pool // of the superuser
}

func securedDatabase(t testing.TB, password string) *secured {
	t.Helper()
	if err := securedOnce(); err != nil {
		t.Fatal(err)
	}
	server := securedServer.Load()
	name := fmt.Sprintf("secured_%d", securedCount.Add(1))
	s := &secured{t: t, role: name, database: name, address: server.Address(), admin: open(t, server.SocketURL("postgres"))}
	pgtest.Exec(t, s.admin, "CREATE ROLE "+name+" LOGIN")
	s.setPassword(password)
	pgtest.Exec(t, s.admin, "CREATE DATABASE "+name+" OWNER "+name+" STRATEGY file_copy")
	s.admin = open(t, server.SocketURL(name))
	return s
}

func (s *secured) setPassword(password string) {
	s.t.Helper()
	pgtest.Exec(s.t, s.admin, "ALTER ROLE "+s.role+" PASSWORD '"+strings.ReplaceAll(password, "'", "''")+"'")
}

// disconnect ends the sessions of the role.
func (s *secured) disconnect() {
	s.t.Helper()
	pgtest.Exec(s.t, s.admin, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1", s.role)
}

// url returns the address, with the password unless it is "".
func (s *secured) url(password string) string {
	u := url.URL{Scheme: "postgres", User: url.User(s.role), Host: s.address, Path: "/" + s.database, RawQuery: "sslmode=disable"}
	if password != "" {
		u.User = url.UserPassword(s.role, password)
	}
	return u.String()
}

// passfile returns a file for PGPASSFILE.
func (s *secured) passfile(password string) string {
	escaped := strings.NewReplacer(`\`, `\\`, `:`, `\:`).Replace(password)
	return secretFile(s.t, s.address+":"+s.database+":"+s.role+":"+escaped+"\n")
}
