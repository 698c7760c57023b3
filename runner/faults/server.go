package faults

import (
	"context"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"shardclient/runner/lab"
	"shardclient/schema"
)

// startPatience bounds the start of a server on a machine that is busy compiling.
const startPatience = 2 * time.Minute

// template is the migrated database that Database clones.
const template = "faults_template"

// Server is a PostgreSQL of the test's own, for faults that all databases of a server would feel.
type Server struct {
	*lab.Postgres
	databases atomic.Int64
}

// StartServer starts one that ends with the test. It is made without TCP unless the options ask for it.
func StartServer(t testing.TB, o lab.PostgresOptions) *Server {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), startPatience)
	defer cancel()
	if err := lab.ForgetLibpqSettings(); err != nil {
		t.Fatal(err)
	}
	postgres, err := lab.StartPostgres(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := postgres.Stop(); err != nil {
			t.Error(err)
		}
	})
	if err := postgres.CreateDatabase(ctx, template, "template1"); err != nil {
		t.Fatal(err)
	}
	if _, err := schema.Up(ctx, postgres.SocketURL(template)); err != nil {
		t.Fatal(err)
	}
	return &Server{Postgres: postgres}
}

// Database returns the URL of a fresh, migrated database. It ends with the server.
func (s *Server) Database(t testing.TB) string {
	t.Helper()
	name := "faults_" + strconv.FormatInt(s.databases.Add(1), 10)
	if err := s.CreateDatabase(t.Context(), name, template); err != nil {
		t.Fatal(err)
	}
	return s.URL(name)
}
