package faults

import (
	"strconv"
	"sync/atomic"
	"testing"

	"shardclient/runner/postgres"
	"shardclient/runner/wait"
	"shardclient/schema"
)

// template is the migrated database that Database clones.
const template = "faults_template"

// Server is a PostgreSQL of the test's own, for faults that every database on a server would
// suffer.
type Server struct {
	*postgres.Server
	databases atomic.Int64
}

// StartServer starts a server that ends with the test. It listens on TCP only if the options say
// so.
func StartServer(t testing.TB, o postgres.Options) *Server {
	t.Helper()
	ctx := wait.Context(t)
	if err := postgres.ForgetLibpqSettings(); err != nil {
		t.Fatal(err)
	}
	server, err := postgres.Start(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	if err := server.CreateDatabase(ctx, template, "template1"); err != nil {
		t.Fatal(err)
	}
	if _, err := schema.Up(ctx, server.SocketURL(template)); err != nil {
		t.Fatal(err)
	}
	return &Server{Server: server}
}

// Database returns the URL of a new, migrated database, which lives as long as the server.
func (s *Server) Database(t testing.TB) string {
	t.Helper()
	name := "faults_" + strconv.FormatInt(s.databases.Add(1), 10)
	if err := s.CreateDatabase(t.Context(), name, template); err != nil {
		t.Fatal(err)
	}
	return s.URL(name)
}
