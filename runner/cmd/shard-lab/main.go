// Command shard-lab is a laboratory on a desk: it starts everything that a shard needs around it,
// on one machine.
//
// # Commands
//
// demo and replay show a shard at work, simulate measures what a master can carry. postgres, master
// and scheduler start one part of a lab each. shard, label, host, job and user edit the database of
// a master. Each command has a file of its own: a struct with its flags and a Run method, and a
// line in commands.
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
	"strings"
	"syscall"
	"time"

	"shardclient/runner/command"
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

// output is where a subcommand prints: results to stdout, everything else to stderr.
type output struct{ stdout, stderr io.Writer }

func main() {
	os.Exit(run(context.Background(), os.Args[1:], output{os.Stdout, os.Stderr}))
}

// sameSignal is how close two signals count as one.
const sameSignal = 50 * time.Millisecond

// run returns the exit code. The end of the context and all three signals stop any subcommand; a
// second one kills the process, as it would any other.
func run(ctx context.Context, args []string, out output) int {
	printed := &results{Writer: out.stdout}
	out.stdout = printed
	asked, code := parse(args, out)
	if asked == nil {
		return code
	}
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // the terminal is closed, and nobody has said nohup
		signals = append(signals, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(ctx, signals...)
	defer stop()
	// timeout(1) signals its child and then the child's whole group: two signals so close are one,
	// and only a later one ends the process at once.
	context.AfterFunc(ctx, func() { time.AfterFunc(sameSignal, stop) })
	// The PG* variables are meant for somebody's own database, which only the master uses.
	if asked.Name != "master" {
		if err := postgres.ForgetLibpqSettings(); err != nil {
			return exitCode(err, out)
		}
	}
	return exitCode(printed.arrived(asked.Do.(runner).Run(ctx, out)), out)
}

// parse returns the command to run, or nil and the exit code after --help, --version and usage
// errors.
func parse(args []string, out output) (*command.Line, int) {
	line, err := read(args)
	switch {
	case err != nil:
		_, _ = fmt.Fprintf(out.stderr, "shard-lab: %v\ntry: %s --help\n", err, strings.TrimSpace("shard-lab "+line.Name))
		return nil, exitUsage
	case line.Help:
		fmt.Fprint(out.stdout, line.Describe())
	case line.Version:
		fmt.Fprintln(out.stdout, version)
	default:
		return line, exitOK
	}
	if err := out.unprinted(); err != nil {
		return nil, exitCode(fmt.Errorf("print the help: %w", err), out)
	}
	return nil, exitOK
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
