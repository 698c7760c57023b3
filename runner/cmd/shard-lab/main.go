// Command shard-lab is a laboratory on a desk: it starts everything that a shard needs around it,
// on one machine.
//
// # Commands
//
// demo and replay show a shard at work, simulate measures what a master can carry. postgres, master
// and scheduler start one part of a lab each. shard, label, host, job and user edit the database of
// a master. Each command has a file of its own: a struct with its flags and a Run method, and a
// line in commandLine.
//
// # Exit codes
//
// 0 means success, 1 failure, 2 a mistake on the command line, and 130 that Ctrl-C stopped a show.
// The postgres command returns the exit code of the command that it ran.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"shardclient/runner/master/admin"
	"shardclient/runner/postgres"
)

// Exit codes. A command that shard-lab runs for somebody keeps its own.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// version is set by the linker.
var version = "unknown"

// commandLine is what kong parses.
type commandLine struct {
	Demo      demoCommand      `cmd:"" help:"Play a whole lab live: a master, three shards, and some faults."`
	Replay    replayCommand    `cmd:"" help:"Play a recorded conversation: a shard's first heartbeats, on a private PostgreSQL against a recorded master."`
	Simulate  simulateCommand  `cmd:"" help:"Measure how many shards a master can serve."`
	Bench     benchCommand     `cmd:"" help:"Measure shard-client against what PostgreSQL itself needs."`
	Postgres  postgresCommand  `cmd:"" help:"Start a private PostgreSQL, for a while or for one command."`
	Master    masterCommand    `cmd:"" help:"Serve heartbeats as a master does, with a database of yours."`
	Scheduler schedulerCommand `cmd:"" help:"Run the toy scheduler on a shard's database, until a signal."`

	Shard shardCommand `cmd:"" group:"Edit the master's database" help:"Shards and their labels."`
	Label labelCommand `cmd:"" group:"Edit the master's database" help:"Labels and the hosts that carry them."`
	Host  hostCommand  `cmd:"" group:"Edit the master's database" help:"Hosts: add, lock, move, remove."`
	Job   jobCommand   `cmd:"" group:"Edit the master's database" help:"Jobs and suites: create, abort."`
	User  userCommand  `cmd:"" group:"Edit the master's database" help:"Users and ACL groups."`

	Version kong.VersionFlag `help:"Print the version and exit."`
}

// output is where a subcommand prints: results to stdout, everything else to stderr.
type output struct{ stdout, stderr io.Writer }

func main() {
	os.Exit(run(context.Background(), os.Args[1:], output{os.Stdout, os.Stderr}))
}

// sameSignal is how close two signals count as one.
const sameSignal = 50 * time.Millisecond

// run returns the exit code. The end of the context and both signals stop any subcommand; a second
// signal kills the process, as it would any other.
func run(ctx context.Context, args []string, out output) int {
	printed := &results{Writer: out.stdout}
	out.stdout = printed
	command, code := parse(args, out)
	if command == nil {
		return code
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	// timeout(1) signals its child and then the child's whole group: two signals so close are one, and
	// only a later one ends the process at once.
	context.AfterFunc(ctx, func() { time.AfterFunc(sameSignal, stop) })
	command.BindTo(ctx, (*context.Context)(nil))
	// The PG* variables are meant for somebody's own database, which only the master uses.
	if command.Command() != "master" {
		if err := postgres.ForgetLibpqSettings(); err != nil {
			return exitCode(err, out)
		}
	}
	return exitCode(printed.arrived(command.Run(out)), out)
}

// parse returns the command to run, or nil and the exit code after --help, --version and usage
// errors.
func parse(args []string, out output) (*kong.Context, int) {
	exited, code := false, exitOK
	parser, err := kong.New(&commandLine{},
		kong.Name("shard-lab"),
		kong.Description("A laboratory on a desk: what a shard needs around it, on one machine."),
		kong.Vars{"version": version},
		kong.Writers(out.stdout, out.stderr),
		// kong would exit the process after --help and --version, and a test with it.
		kong.Exit(func(status int) { exited, code = true, status }),
	)
	if err != nil {
		panic(err) // a mistake in the tags above
	}
	command, err := parser.Parse(args)
	switch {
	case out.unprinted() != nil: // help or version
		return nil, exitCode(fmt.Errorf("print the help: %w", out.unprinted()), out)
	case exited:
		return nil, code
	case err != nil:
		_, _ = fmt.Fprintf(out.stderr, "shard-lab: %v\ntry: shard-lab --help\n", err)
		return nil, exitUsage
	}
	return command, exitOK
}

// exitError carries the exit code of a command that ran on somebody's behalf.
type exitError struct{ code int }

func (e *exitError) Error() string { return fmt.Sprintf("exit status %d", e.code) }

// usageError is a mistake on the command line or in the environment that the parser cannot see.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func exitCode(err error, out output) int {
	var exit *exitError
	var usage *usageError
	var invalid *admin.InvalidError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &exit):
		return exit.code
	}
	_, _ = fmt.Fprintf(out.stderr, "shard-lab: %v\n", err)
	if errors.As(err, &usage) || errors.As(err, &invalid) {
		return exitUsage
	}
	return exitFailed
}
