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
	// startTimeout bounds the start of a server that neither answers nor ends, as on a machine out of memory.
	startTimeout = 5 * time.Minute

	// readyPoll is the pause between two tries to connect to a starting server.
	readyPoll = 5 * time.Millisecond
)

// ErrForeignServer says that another server answered where ours was expected.
var ErrForeignServer = errors.New("another server answers at this address")

// waitReady returns once the server answers and is known to be ours.
func (p *Server) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	poll := time.NewTicker(readyPoll)
	defer poll.Stop()
	server := p.running()
	for {
		// The socket first: only a server that has bound its port opens it, so that the port is ours from then on.
		err := proveOurs(ctx, p.SocketURL("postgres"), p.DataDir())
		if err == nil {
			return proveOurs(ctx, p.URL("postgres"), p.DataDir())
		}
		if errors.Is(err, ErrForeignServer) {
			return err
		}
		select {
		case <-server.Done():
			return &ServerExitedError{Err: server.Err(), Log: p.endOfLog()}
		case <-ctx.Done():
			return fmt.Errorf("wait for the server to answer: %w; the last try: %w", ctx.Err(), err)
		case <-poll.C:
		}
	}
}

// proveOurs fails unless the server at the address works in our data directory. A port, and even the path of a socket,
// can belong to somebody else's server, whose databases nothing of ours may touch.
func proveOurs(ctx context.Context, databaseURL, dataDir string) error {
	conn, err := pgx.Connect(ctx, databaseURL)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var theirs string
	if err := conn.QueryRow(ctx, "SHOW data_directory").Scan(&theirs); err != nil {
		return fmt.Errorf("ask the server for its data directory: %w", err)
	}
	if !samePath(theirs, dataDir) {
		return fmt.Errorf("%w: it works in %s, ours in %s; stop it or start again", ErrForeignServer, theirs, dataDir)
	}
	return nil
}

// samePath compares two directories by what they are, not by the links that lead to them.
func samePath(a, b string) bool {
	resolvedA, errA := filepath.EvalSymlinks(a)
	resolvedB, errB := filepath.EvalSymlinks(b)
	return errA == nil && errB == nil && resolvedA == resolvedB
}

// CreateDatabase creates a database as a copy of a template ("template1" is PostgreSQL's own); nobody may be connected
// to the template meanwhile.
func (p *Server) CreateDatabase(ctx context.Context, name, template string) error {
	statement := "CREATE DATABASE " + quote(name) + " TEMPLATE " + quote(template)
	if p.binaries.version >= 15 {
		// What older ones do anyway; the newer default writes all of the copy to the log too, and takes up to four
		// times as long when nothing is synced to disk.
		statement += " STRATEGY file_copy"
	}
	err := p.administer(ctx, statement)
	if err != nil {
		return fmt.Errorf("create database %s from %s: %w", name, template, err)
	}
	return nil
}

// CreateSchema creates a schema in a database.
func (p *Server) CreateSchema(ctx context.Context, database, name string) error {
	err := execute(ctx, p.SocketURL(database), "CREATE SCHEMA "+quote(name))
	if err != nil {
		return fmt.Errorf("create schema %s in database %s: %w", name, database, err)
	}
	return nil
}

// DropDatabase removes a database and disconnects whoever still uses it.
func (p *Server) DropDatabase(ctx context.Context, name string) error {
	err := p.administer(ctx, "DROP DATABASE IF EXISTS "+quote(name)+" WITH (FORCE)")
	if err != nil {
		return fmt.Errorf("drop database %s: %w", name, err)
	}
	return nil
}

// administer runs one statement outside the databases that it is about.
func (p *Server) administer(ctx context.Context, statement string) error {
	return execute(ctx, p.SocketURL("postgres"), statement)
}

func execute(ctx context.Context, databaseURL, statement string) error {
	conn, err := pgx.Connect(ctx, databaseURL)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	_, err = conn.Exec(ctx, statement)
	return err
}

func quote(name string) string { return pgx.Identifier{name}.Sanitize() }

// ForgetLibpqSettings unsets PG* in this process. pgx would mix them into the address of a private server: a PGSERVICE
// or PGOPTIONS that suits somebody's own database would keep us from reaching ours. For the programs that live by
// private servers, before they start one.
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
