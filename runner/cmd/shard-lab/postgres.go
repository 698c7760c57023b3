package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"

	"shardclient/runner/postgres"
	"shardclient/schema"
)

type postgresCommand struct {
	Durable   bool     `help:"Survive a crash of the machine, as PostgreSQL usually does: slower writes, on disk."`
	TCP       bool     `name:"tcp" help:"Also listen on 127.0.0.1, at a free port, with a password."`
	Database  list     `placeholder:"NAME" help:"Create this database; may be given several times. Default: shard."`
	EnvFile   list     `placeholder:"PATH" help:"Write the URL of a database to this file, as the variables that the other commands read; once for each --database, in their order. It goes with the server."`
	NoMigrate bool     `help:"Leave the databases empty."`
	Command   []string `arg:"After --: run this with SHARD_CLIENT_DATABASE_URL, SHARD_LAB_DATABASE_URL and DATABASE_URL set, then stop." optional:"yes"`
}

// Help is what --help says below the usage line.
func (*postgresCommand) Help() string {
	return `Without a command it prints the URL of the database and serves until SIGINT or SIGTERM. For several databases
it prints one line each: NAME, a tab and the URL; a command gets the URL of the first.
The server and all that it stores vanish with this process. Its programs are found on PATH, by pg_config or where
distributions put them; to use others, set SHARD_LAB_PG_BIN to their directory.

Example:
  shard-lab postgres -- shard-client migrate status
  shard-lab postgres --env-file lab.env   and elsewhere: set -a; . ./lab.env; set +a`
}

// Run returns the command's exit code as an *exitError.
func (c *postgresCommand) Run(ctx context.Context, out output) (err error) {
	server, err := postgres.Start(ctx, postgres.Options{
		Durable: c.Durable,
		TCP:     c.TCP,
		Logger:  slog.New(slog.NewTextHandler(out.stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	if err != nil {
		return err
	}
	// The command's exit code says more than the error of a server that did not stop properly.
	defer func() { err = firstError(err, server.Stop()) }()
	if err := c.prepare(ctx, server); err != nil {
		return err
	}
	defer c.removeEnvFiles()
	if err := c.writeEnvFiles(server); err != nil {
		return err
	}
	if len(c.Command) == 0 {
		return c.serve(ctx, server, out)
	}
	return c.runCommand(server, out)
}

func firstError(first, second error) error {
	if first != nil {
		return first
	}
	return second
}

// Validate refuses values that make no sense.
func (c *postgresCommand) Validate() error {
	if len(c.Database) == 0 {
		c.Database = list{"shard"}
	}
	seen := map[string]bool{}
	for _, name := range c.Database {
		if name == "" || seen[name] {
			return fmt.Errorf("--database %q: give each database a name of its own", name)
		}
		seen[name] = true
	}
	if n := len(c.EnvFile); n > 0 && n != len(c.Database) {
		return fmt.Errorf("--env-file: %d files for %d databases: give it once for each --database, in their order",
			n, len(c.Database))
	}
	return nil
}

func (c *postgresCommand) prepare(ctx context.Context, server *postgres.Server) error {
	for _, name := range c.Database {
		if err := server.CreateDatabase(ctx, name, "template1"); err != nil {
			return err
		}
		if c.NoMigrate {
			continue
		}
		if _, err := schema.Up(ctx, server.URL(name)); err != nil {
			return fmt.Errorf("database %s: %w", name, err)
		}
	}
	return nil
}

// serve waits for a signal, or for the server to end on its own; Stop reports the latter.
func (c *postgresCommand) serve(ctx context.Context, server *postgres.Server, out output) error {
	for _, name := range c.Database {
		line := server.URL(name) + "\n"
		if len(c.Database) > 1 {
			line = name + "\t" + line
		}
		if _, err := io.WriteString(out.stdout, line); err != nil {
			return fmt.Errorf("print the URL: %w", err) // nobody could find the server
		}
	}
	_, _ = fmt.Fprintln(out.stderr, "serving until Ctrl-C")
	select {
	case <-ctx.Done():
	case <-server.Done():
	}
	return nil
}

// urlVariables are those by which commands, ours and others, take the URL of a database.
var urlVariables = []string{"SHARD_CLIENT_DATABASE_URL", "SHARD_LAB_DATABASE_URL", "DATABASE_URL"}

// writeEnvFiles writes each file at once, and whole, so that whoever waits for it finds all of it.
func (c *postgresCommand) writeEnvFiles(server *postgres.Server) error {
	for i, path := range c.EnvFile {
		var text strings.Builder
		for _, name := range urlVariables {
			// A URL of ours has no quote in it. In quotes, its & is one for a shell, too.
			fmt.Fprintf(&text, "%s='%s'\n", name, server.URL(c.Database[i]))
		}
		err := os.WriteFile(path+".new", []byte(text.String()), 0o600)
		if err == nil {
			err = os.Rename(path+".new", path)
		}
		if err != nil {
			return fmt.Errorf("--env-file: %w; give a path where a file can be made", err)
		}
	}
	return nil
}

// removeEnvFiles leaves no address of a server that is gone.
func (c *postgresCommand) removeEnvFiles() {
	for _, path := range c.EnvFile {
		_ = os.Remove(path) // it may never have been written, or be gone
	}
}

func (c *postgresCommand) runCommand(server *postgres.Server, out output) error {
	cmd := exec.Command(c.Command[0], c.Command[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, out.passedOn(), out.stderr
	cmd.Env = os.Environ()
	for _, name := range urlVariables {
		cmd.Env = append(cmd.Env, name+"="+server.URL(c.Database[0]))
	}

	// The command decides when to end. A Ctrl-C reaches it from the terminal without our help; we
	// pass on a SIGTERM.
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("run %s: %w", c.Command[0], err)
	}
	ended := make(chan struct{})
	defer close(ended)
	go forwardTerminate(signals, cmd.Process, ended)
	return commandError(c.Command[0], cmd.Wait())
}

func forwardTerminate(signals <-chan os.Signal, to *os.Process, ended <-chan struct{}) {
	for {
		select {
		case received := <-signals:
			if received == syscall.SIGTERM {
				_ = to.Signal(received)
			}
		case <-ended:
			return
		}
	}
}

// commandError returns the end of a command as the exit code that a shell would report.
func commandError(name string, err error) error {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		if err != nil {
			return fmt.Errorf("run %s: %w", name, err)
		}
		return nil
	}
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return &exitError{128 + int(status.Signal())}
	}
	return &exitError{exit.ExitCode()}
}
