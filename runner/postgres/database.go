package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	// startTimeout ends the wait for a server that neither answers nor ends, as on a machine that
	// has run out of memory.
	startTimeout = 5 * time.Minute

	// readyPoll is the pause between two tries to connect to a starting server.
	readyPoll = 5 * time.Millisecond
)

// ErrForeignServer means that somebody else's server answered where ours was expected.
var ErrForeignServer = errors.New("another server answers at this address")

// waitReady returns once the server answers and is known to be ours.
func (s *Server) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	poll := time.NewTicker(readyPoll)
	defer poll.Stop()
	server := s.running()
	for {
		// The socket first: a server opens it only after binding its port, so the port is ours once
		// our socket answers.
		err := proveOurs(ctx, s.SocketURL("postgres"), s.DataDir())
		if err == nil {
			return proveOurs(ctx, s.URL("postgres"), s.DataDir())
		}
		if errors.Is(err, ErrForeignServer) {
			return err
		}
		select {
		case <-server.Done():
			return &ServerExitedError{Err: server.Err(), Log: s.endOfLog()}
		case <-ctx.Done():
			return fmt.Errorf("wait for the server to answer: %w; the last try: %w", ctx.Err(), err)
		case <-poll.C:
		}
	}
}

// proveOurs fails unless the server at the address works in our data directory. A port, and even
// the path of a socket, can belong to somebody else's server, and we must not touch its databases.
func proveOurs(ctx context.Context, databaseURL, dataDir string) error {
	conn, err := pgx.Connect(ctx, databaseURL)
	if err != nil {
		return err
	}
	defer hangUp(ctx, conn)
	var theirs string
	if err := conn.QueryRow(ctx, "SHOW data_directory").Scan(&theirs); err != nil {
		return fmt.Errorf("ask the server for its data directory: %w", err)
	}
	if !samePath(theirs, dataDir) {
		return fmt.Errorf("%w: it works in %s, ours in %s; stop it or start again", ErrForeignServer, theirs, dataDir)
	}
	return nil
}

// samePath reports whether two paths lead to the same directory, links resolved.
func samePath(a, b string) bool {
	resolvedA, errA := filepath.EvalSymlinks(a)
	resolvedB, errB := filepath.EvalSymlinks(b)
	return errA == nil && errB == nil && resolvedA == resolvedB
}

// CreateDatabase creates a database as a copy of a template ("template1" is PostgreSQL's own).
// Nobody may be connected to the template meanwhile.
func (s *Server) CreateDatabase(ctx context.Context, name, template string) error {
	return createDatabase(ctx, s.administer, s.Version(), name, template)
}

// administers runs one statement in the database postgres.
type administers func(ctx context.Context, statement string) error

func createDatabase(ctx context.Context, administer administers, version int, name, template string) error {
	statement := "CREATE DATABASE " + quote(name) + " TEMPLATE " + quote(template)
	if version >= 15 {
		// This is how versions before 15 copy. The default since then also writes the whole copy to
		// the log, and takes up to four times as long when nothing is synced to disk.
		statement += " STRATEGY file_copy"
	}
	if err := administer(ctx, statement); err != nil {
		return fmt.Errorf("create database %s from %s: %w", name, template, err)
	}
	return nil
}

// CreateSchema creates a schema in a database.
func (s *Server) CreateSchema(ctx context.Context, database, name string) error {
	err := execute(ctx, s.SocketURL(database), "CREATE SCHEMA "+quote(name))
	if err != nil {
		return fmt.Errorf("create schema %s in database %s: %w", name, database, err)
	}
	return nil
}

// DropDatabase removes a database, if it exists, and disconnects everybody who still uses it.
func (s *Server) DropDatabase(ctx context.Context, name string) error {
	return dropDatabase(ctx, s.administer, name)
}

func dropDatabase(ctx context.Context, administer administers, name string) error {
	if err := administer(ctx, "DROP DATABASE IF EXISTS "+quote(name)+" WITH (FORCE)"); err != nil {
		return fmt.Errorf("drop database %s: %w", name, err)
	}
	return nil
}

// administer runs one statement in the database postgres: a database cannot be dropped or copied by
// somebody who is connected to it.
func (s *Server) administer(ctx context.Context, statement string) error {
	return execute(ctx, s.SocketURL("postgres"), statement)
}

func execute(ctx context.Context, databaseURL, statement string) error {
	conn, err := pgx.Connect(ctx, databaseURL)
	if err != nil {
		return err
	}
	defer hangUp(ctx, conn)
	_, err = conn.Exec(ctx, statement)
	return err
}

// hangUp closes a connection that has served its purpose. How that ends changes nothing.
func hangUp(ctx context.Context, conn *pgx.Conn) { _ = conn.Close(context.WithoutCancel(ctx)) }

func quote(name string) string { return pgx.Identifier{name}.Sanitize() }

// ForgetLibpqSettings unsets the PG* variables of this process. pgx would mix them into the address
// of a private server: a PGSERVICE or PGOPTIONS that suits somebody's own database would keep us
// from reaching ours. Programs that work with private servers call it before they start one.
func ForgetLibpqSettings() error {
	for _, entry := range os.Environ() {
		name, _, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(name, "PG") {
			if err := os.Unsetenv(name); err != nil {
				return fmt.Errorf("unset %s: %w", name, err)
			}
		}
	}
	return nil
}
