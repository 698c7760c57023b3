package pgtest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strconv"

	"shardclient/runner/postgres"
	"shardclient/schema"
)

// connectionsOfAPackage is what PostgreSQL itself grants a server, which one package had for
// itself.
const connectionsOfAPackage = 100

// Shared is a server with a migrated template for all packages of a run of go test. It ends with
// Stop, and with the process that started it.
type Shared struct{ server *postgres.Server }

// Share starts one. Test processes use it when they find Environment; any other starts its own.
func Share(ctx context.Context) (*Shared, error) {
	// go test runs as many packages at a time as there are processors.
	connections := strconv.Itoa(connectionsOfAPackage * runtime.GOMAXPROCS(0))
	server, err := postgres.Start(ctx, postgres.Options{Share: true, Settings: map[string]string{"max_connections": connections}})
	if err != nil {
		return nil, err
	}
	if err := makeTemplate(ctx, server); err != nil {
		return nil, errors.Join(err, server.Stop())
	}
	return &Shared{server}, nil
}

// Environment leads test processes to the server.
func (s *Shared) Environment() []string {
	return []string{postgres.SharedVariable + "=" + s.server.Directory()}
}

// Stop ends the server, with all databases that tests have left there.
func (s *Shared) Stop() error { return s.server.Stop() }

// server is what tests need of one, whoever has started it.
type server interface {
	CreateDatabase(ctx context.Context, name, template string) error
	DropDatabase(ctx context.Context, name string) error
	URL(database string) string
	Program(name string) string
}

func makeTemplate(ctx context.Context, on server) error {
	if err := on.CreateDatabase(ctx, template, blank); err != nil {
		return err
	}
	if _, err := schema.Up(ctx, on.URL(template)); err != nil {
		return fmt.Errorf("prepare the template of the test databases: %w", err)
	}
	return nil
}
