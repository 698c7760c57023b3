package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/runner/config"
	"shardclient/runner/lab/scheduler"
	"shardclient/runner/pg"
	"shardclient/schema"
)

const (
	// schedulerConnections is two, although the scheduler runs one statement at a time: the second
	// is needed while a broken one is replaced.
	schedulerConnections = 2

	// schedulerConnectTimeout bounds the wait for a database host that does not answer at all.
	schedulerConnectTimeout = 5 * time.Second

	// schedulerStatementTimeout ends a statement that waits for a lock, and its turn with it.
	// shard-client allows its own statements 60 s.
	schedulerStatementTimeout = "30s"
)

type schedulerCommand struct {
	DatabaseURL config.DatabaseURL `name:"database-url" env:"SHARD_LAB_DATABASE_URL" placeholder:"URL" help:"The shard's database, or with --hostless the master's. It must be migrated."`
	Seed        uint64             `default:"1" help:"Decides how jobs end, which entries fail and how long phases take."`
	Tick        time.Duration      `default:"100ms" help:"Pause between two turns."`
	FailShare   float64            `default:"0.1" help:"Share of the entries that fail, from 0 to 1."`
	Hostless    bool               `help:"Run only the entries that need no host, and release new hosts, as the master's own scheduler does."`
}

// Help is what --help says below the usage line.
func (*schedulerCommand) Help() string {
	return `Stands in for monitor_db and lucifer: gives hosts to queued entries, walks them to their end, and writes what
docs/scheduler-contract.md allows, one statement at a time. It may be killed and started again at any moment. One
database has one scheduler. Runs until SIGINT or SIGTERM, and waits for a database that goes away.

Example:
  shard-lab postgres -- shard-lab scheduler`
}

// Validate refuses values that make no sense.
func (c *schedulerCommand) Validate() error {
	if c.Tick <= 0 {
		return fmt.Errorf("--tick %s: give a pause longer than 0, like 100ms", c.Tick)
	}
	if !(c.FailShare >= 0 && c.FailShare <= 1) {
		return fmt.Errorf("--fail-share %v: give a number from 0 to 1", c.FailShare)
	}
	if c.DatabaseURL == "" {
		return errors.New("--database-url is missing: give it as postgres://USER@HOST/DATABASE, " +
			"or set SHARD_LAB_DATABASE_URL")
	}
	_, err := parseDatabaseURL(c.DatabaseURL)
	return err
}

// redact removes the password from a text.
func (c *schedulerCommand) redact(text string) string {
	return (&config.Config{DatabaseURL: c.DatabaseURL}).Secrets(nil).Redact(text)
}

// Run returns nil after a signal.
func (c *schedulerCommand) Run(ctx context.Context, out output) error {
	pool, err := c.open(ctx)
	if err != nil {
		return errors.New(c.redact(err.Error()))
	}
	defer pool.Close()
	log := slog.New(slog.NewTextHandler(out.stderr, &slog.HandlerOptions{ReplaceAttr: c.redactError}))
	log.Info("scheduler starts", "database", c.DatabaseURL, "seed", c.Seed, "tick_ms", c.Tick.Milliseconds(),
		"fail_share", c.FailShare, "hostless", c.Hostless)
	s, err := scheduler.New(pool, scheduler.Options{
		Seed:      c.Seed,
		FailShare: c.FailShare,
		Hostless:  c.Hostless,
		Tick:      c.Tick,
		Log:       log,
	})
	if err != nil {
		return err
	}
	s.Run(ctx)
	log.Info("stopped")
	return nil
}

func (c *schedulerCommand) redactError(_ []string, a slog.Attr) slog.Attr {
	if err, ok := a.Value.Any().(error); ok {
		return slog.String(a.Key, c.redact(err.Error()))
	}
	return a
}

// open fails when the database is missing or has another schema. Otherwise a mistake in the URL
// would look like a database that is down.
func (c *schedulerCommand) open(ctx context.Context) (*pgxpool.Pool, error) {
	poolConfig, err := parseDatabaseURL(c.DatabaseURL)
	if err != nil {
		return nil, err
	}
	poolConfig.MaxConns = schedulerConnections
	if poolConfig.ConnConfig.ConnectTimeout == 0 {
		poolConfig.ConnConfig.ConnectTimeout = schedulerConnectTimeout
	}
	if poolConfig.ConnConfig.RuntimeParams["statement_timeout"] == "" {
		poolConfig.ConnConfig.RuntimeParams["statement_timeout"] = schedulerStatementTimeout
	}
	// It leads to the primary, makes settings after connecting, as a pooler wants it, and gives up
	// a server that is silent for longer than a statement may take.
	poolConfig.BeforeConnect = (&pg.Door{Name: "shard-lab scheduler"}).BeforeConnect
	pool, err := pgxpool.NewWithConfig(ctx, poolConfig)
	if err != nil {
		return nil, err
	}
	if err := schema.Check(ctx, pool); err != nil {
		pool.Close()
		return nil, fmt.Errorf("scheduler of %s: %w", c.DatabaseURL, err)
	}
	return pool, nil
}
