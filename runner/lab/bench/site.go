package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"shardclient/gen/labdb"
	"shardclient/runner/postgres"
)

// settings of the private PostgreSQL. It keeps its promises about the disk. Checkpoints and
// autovacuum come when the bench asks for them: otherwise they would hit some rounds and spare
// others.
var settings = map[string]string{
	"autovacuum":         "off",
	"checkpoint_timeout": "1d",
	"max_wal_size":       "8GB",
}

// site is what is measured, and what it is measured with.
type site struct {
	*Bench
	server    *postgres.Server
	stub      *stub
	subject   *program
	base      *program  // nil without another build
	admin     *database // for looking at other databases
	table     table
	times     curves // in seconds
	peaks     curves // in MB
	large     int    // bytes of the largest answer whose memory is measured
	databases int
	hasKnown  bool
}

// open starts the server and the stub master, and makes a database with the schema of each build.
func (b *Bench) open(ctx context.Context, settings map[string]string) (at *site, err error) {
	at = &site{Bench: b, subject: &program{name: "subject", path: b.Client, template: "subject"}}
	defer func() {
		if err != nil {
			err = errors.Join(err, at.close())
		}
	}()
	at.server, err = postgres.Start(ctx, postgres.Options{Durable: true, Settings: settings, Logger: b.Logger})
	if err != nil {
		return at, err
	}
	if at.stub, err = newStub(); err != nil {
		return at, err
	}
	if at.admin, err = at.connect(ctx, "postgres"); err != nil {
		return at, err
	}
	if b.Base != "" {
		at.base = &program{name: "base", path: b.Base, template: "base"}
	}
	for _, p := range at.programs() {
		if err := at.server.CreateDatabase(ctx, p.template, "template1"); err != nil {
			return at, err
		}
		if err := p.migrate(ctx, at.server.URL(p.template)); err != nil {
			return at, err
		}
	}
	return at, nil
}

func (at *site) close() error {
	var errs []error
	if at.stub != nil {
		errs = append(errs, at.stub.close())
	}
	if at.admin != nil {
		errs = append(errs, at.admin.Close(context.Background()))
	}
	if at.server != nil {
		errs = append(errs, at.server.Stop())
	}
	return errors.Join(errs...)
}

// programs returns the builds that are measured.
func (at *site) programs() []*program {
	if at.base == nil {
		return []*program{at.subject}
	}
	return []*program{at.subject, at.base}
}

// database is one that lives as long as one measurement.
type database struct {
	*pgx.Conn
	*labdb.Queries
	name, url string
	server    *postgres.Server
}

// fresh makes a copy of a template, and connects to it.
func (at *site) fresh(ctx context.Context, template string) (*database, error) {
	at.databases++
	name := fmt.Sprintf("bench%d", at.databases)
	if err := at.server.CreateDatabase(ctx, name, template); err != nil {
		return nil, err
	}
	return at.connect(ctx, name)
}

func (at *site) connect(ctx context.Context, name string) (*database, error) {
	url := at.server.URL(name)
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("URL of database %s: %w", name, err)
	}
	// As of shard-client itself: what a floor acknowledges is not remembered as another client's.
	config.RuntimeParams["shard_client.acknowledges"] = "on"
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("connect to database %s: %w", name, err)
	}
	return &database{conn, labdb.New(conn), name, url, at.server}, nil
}

// drop removes the database. It is called when nothing is left to be done about an error.
func (d *database) drop(ctx context.Context) error {
	ctx = context.WithoutCancel(ctx)
	return errors.Join(d.Close(ctx), d.server.DropDatabase(ctx, d.name))
}

// milliseconds since a moment.
func since(began time.Time) float64 { return float64(time.Since(began)) / float64(time.Millisecond) }
