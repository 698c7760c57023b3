package postgres

import (
	"context"
	"fmt"
	"sync"

	"github.com/jackc/pgx/v5"
)

// Guest is a server that another process has started and will stop. A guest has databases there,
// and drops them.
type Guest struct {
	at Server // as much of it as its databases need

	// admin is kept for the life of this process: a connection for each of hundreds of databases
	// costs as much again as half of the database itself.
	mu    sync.Mutex
	admin *pgx.Conn
}

// Visit returns the server whose Directory is given. A server that does not answer is an error.
func Visit(ctx context.Context, directoryPath string) (*Guest, error) {
	found, err := newSearch("").find()
	if err != nil {
		return nil, err
	}
	g := &Guest{at: Server{binaries: found, dir: &directory{path: directoryPath}, port: socketPort}}
	if err := proveOurs(ctx, g.URL("postgres"), g.at.DataDir()); err != nil {
		return nil, fmt.Errorf("visit the private PostgreSQL in %s: %w", directoryPath, err)
	}
	return g, nil
}

// CreateDatabase is that of Server.
func (g *Guest) CreateDatabase(ctx context.Context, name, template string) error {
	return createDatabase(ctx, g.administer, g.at.Version(), name, template)
}

// DropDatabase is that of Server.
func (g *Guest) DropDatabase(ctx context.Context, name string) error {
	return dropDatabase(ctx, g.administer, name)
}

// administer runs one statement in the database postgres.
func (g *Guest) administer(ctx context.Context, statement string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.admin == nil || g.admin.IsClosed() {
		var err error
		if g.admin, err = pgx.Connect(ctx, g.at.SocketURL("postgres")); err != nil {
			return err
		}
	}
	// Not prepared: no statement comes twice.
	_, err := g.admin.Exec(ctx, statement, pgx.QueryExecModeSimpleProtocol)
	return err
}

// URL returns the address of a database, through the socket.
func (g *Guest) URL(database string) string { return g.at.SocketURL(database) }

// Program is that of Server.
func (g *Guest) Program(name string) string { return g.at.Program(name) }
