package postgres

import (
	"context"
	"fmt"
)

// Guest is a server that another process has started and will stop. A guest has databases there,
// and drops them.
type Guest struct {
	at Server // as much of it as its databases need
}

// Visit returns the server whose Directory is given. A server that does not answer is an error.
func Visit(ctx context.Context, directoryPath string) (*Guest, error) {
	found, err := newSearch("").find()
	if err != nil {
		return nil, err
	}
	g := &Guest{Server{binaries: found, dir: &directory{path: directoryPath}, port: socketPort}}
	if err := proveOurs(ctx, g.URL("postgres"), g.at.DataDir()); err != nil {
		return nil, fmt.Errorf("visit the private PostgreSQL in %s: %w", directoryPath, err)
	}
	return g, nil
}

// CreateDatabase is that of Server.
func (g *Guest) CreateDatabase(ctx context.Context, name, template string) error {
	return g.at.CreateDatabase(ctx, name, template)
}

// DropDatabase is that of Server.
func (g *Guest) DropDatabase(ctx context.Context, name string) error {
	return g.at.DropDatabase(ctx, name)
}

// URL returns the address of a database, through the socket.
func (g *Guest) URL(database string) string { return g.at.SocketURL(database) }

// Program is that of Server.
func (g *Guest) Program(name string) string { return g.at.Program(name) }
