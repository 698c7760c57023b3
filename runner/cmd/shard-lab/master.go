package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/runner/afe"
	"shardclient/runner/config"
	"shardclient/runner/master"
	"shardclient/runner/memory"
	"shardclient/runner/ops"
	"shardclient/runner/pg"
	"shardclient/schema"
)

const (
	// reachTimeout bounds the wait for a database host that does not answer at all.
	reachTimeout = 15 * time.Second

	// headerTimeout ends connections that never become a request.
	headerTimeout = 10 * time.Second
)

// garbage bounds the memory of the master: eleven times what it needs, 50 to 100 MB for packets of
// 1,000 jobs, and less where that would be past the limit. To look for garbage every 4 MB, as Go
// does, takes a core that the database could use.
var garbage = memory.Bound{GarbagePercent: 1000, Limit: 512 << 20, LeastPercent: 40, Beside: 8 << 20}

type masterCommand struct {
	DatabaseURL    config.DatabaseURL `required:"yes" env:"SHARD_LAB_DATABASE_URL" placeholder:"URL" help:"The master's PostgreSQL, as URL or key=value list. Use the environment for passwords: flags show in ps."`
	Listen         string             `default:"127.0.0.1:8001" placeholder:"HOST:PORT" help:"Where to serve; port 0: a free one."`
	Protocol       string             `enum:"2015,2019" default:"2019" help:"Version of the protocol."`
	NameCollation  string             `enum:"exact,nocase" default:"exact" help:"How names of shards, users and the group Everyone compare: exact, or nocase: neither case nor trailing spaces count, as in MariaDB."`
	MaxConnections int32              `default:"10" help:"Connections to the database, which is also how many heartbeats run at the same time. The others wait."`
	StopTimeout    time.Duration      `default:"5s" help:"How long heartbeats in flight may take to finish after SIGINT or SIGTERM."`
	LogLevel       string             `enum:"debug,info,warn,error" default:"info" help:"Least severe lines to log. info logs a line for each heartbeat."`
}

// Help is what --help says below the usage line.
func (*masterCommand) Help() string {
	return `Serves shard_heartbeat from a migrated database of its own (shard-client migrate up). It prints its URL when it
listens; give that to shard-client as --master. URL itself is a page about its shards, and URL/stats shows what it has
done and what that cost, as JSON. Any number of masters may share one database.`
}

// Validate refuses values that make no sense.
func (c *masterCommand) Validate() error {
	if c.MaxConnections < 1 {
		return fmt.Errorf("--max-connections %d: give 1 or more", c.MaxConnections)
	}
	_, err := parseDatabaseURL(c.DatabaseURL)
	return err
}

// Run serves until the context ends.
func (c *masterCommand) Run(ctx context.Context, out output) error {
	garbage.Set()
	log, err := c.logger(out)
	if err != nil {
		return err
	}
	stats := &master.Stats{}
	pool, err := master.Connect(ctx, string(c.DatabaseURL), c.MaxConnections, stats)
	if err != nil {
		return c.unreachable(err)
	}
	defer pool.Close()
	if err := c.check(ctx, pool); err != nil {
		return err
	}
	handler, err := master.New(pool, master.Options{
		Protocol: afe.Protocol(c.Protocol), NocaseNames: c.NameCollation == "nocase", Log: log, Stats: stats,
	})
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return c.unusableAddress(err)
	}
	if _, err := fmt.Fprintln(out.stdout, "http://"+reachableAddress(listener.Addr())); err != nil {
		_ = listener.Close()                            // nobody has called it
		return fmt.Errorf("print the address: %w", err) // nobody could find it
	}
	return c.serve(ctx, listener, handler, log)
}

// logger returns a logger that keeps its lines short, whatever a shard sends.
func (c *masterCommand) logger(out output) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.LogLevel)); err != nil {
		return nil, fmt.Errorf("--log-level: %w", err)
	}
	// Without a file there is nothing to close.
	log, _, err := ops.NewLogger(ops.LogOptions{Writer: out.stderr, Level: level})
	return log, err
}

func (c *masterCommand) check(ctx context.Context, pool *pgxpool.Pool) error {
	ctx, cancel := context.WithTimeout(ctx, reachTimeout)
	defer cancel()
	err := schema.Check(ctx, pool)
	var version *schema.VersionError
	var old *pg.ServerError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &old):
		return fmt.Errorf("database %s: %w", c.DatabaseURL, old)
	case errors.As(err, &version) && version.Have < version.Want:
		return fmt.Errorf("database %s: %w, with SHARD_CLIENT_DATABASE_URL set to the value of SHARD_LAB_DATABASE_URL",
			c.DatabaseURL, err)
	case errors.As(err, &version):
		return fmt.Errorf("database %s: %w", c.DatabaseURL, err)
	}
	return c.unreachable(err)
}

func (c *masterCommand) unreachable(err error) error {
	hint := "see that PostgreSQL runs and that --database-url (or SHARD_LAB_DATABASE_URL) is its URL"
	if pg.IsAnswer(err) {
		hint = "see that --database-url (or SHARD_LAB_DATABASE_URL) names the right database, user and password"
	}
	settings := &config.Config{DatabaseURL: c.DatabaseURL}
	cause := settings.Secrets(nil).Redact(err.Error())
	cause = strings.ReplaceAll(cause, "\n\t", " ") // the driver prints a line for each attempt
	return fmt.Errorf("reach the database %s: %s; %s", c.DatabaseURL, cause, hint)
}

func (c *masterCommand) unusableAddress(err error) error {
	hint := "give --listen HOST:PORT of this machine"
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		hint = "stop the program that listens there, or give --listen HOST:PORT with another port; port 0 is a free one"
	case errors.Is(err, os.ErrPermission):
		hint = "only root may use ports below 1024: give --listen HOST:PORT with a higher one"
	}
	return fmt.Errorf("serve heartbeats: %w; %s", err, hint)
}

// reachableAddress returns an address to connect to: "every address of this machine" is not one.
func reachableAddress(bound net.Addr) string {
	if tcp, ok := bound.(*net.TCPAddr); ok && tcp.IP.IsUnspecified() {
		return net.JoinHostPort("localhost", fmt.Sprint(tcp.Port))
	}
	return bound.String()
}

func (c *masterCommand) serve(
	ctx context.Context, listener net.Listener, handler http.Handler, log *slog.Logger,
) error {
	var inFlight sync.WaitGroup
	server := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			inFlight.Add(1)
			defer inFlight.Done()
			handler.ServeHTTP(w, r)
		}),
		ReadHeaderTimeout: headerTimeout,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	select {
	case err := <-served:
		return fmt.Errorf("serve heartbeats: %w", err)
	case <-ctx.Done():
	}
	log.Info("stopping after the heartbeats in flight; a second signal stops at once",
		"stop_timeout_ms", c.StopTimeout.Milliseconds())
	finish, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.StopTimeout)
	defer cancel()
	err := server.Shutdown(finish)
	if errors.Is(err, context.DeadlineExceeded) {
		log.Warn("heartbeats in flight were cut off; nothing of them is stored",
			"stop_timeout_ms", c.StopTimeout.Milliseconds())
		err = server.Close()
	}
	if ended := <-served; !errors.Is(ended, http.ErrServerClosed) {
		err = errors.Join(err, ended)
	}
	inFlight.Wait() // heartbeats whose callers are gone end at once, and log that
	return err
}
