// Command testrun runs a command, which is a run of go test, with what its packages would otherwise
// each make for themselves: a PostgreSQL server with a migrated template, and both of our programs.
//
//	go build -o /tmp/testrun ./runner/cmd/testrun && /tmp/testrun go test ./...
//
// The exit code is the command's. Nothing is left behind when the run ends, by a signal too: only a
// SIGKILL leaves the programs in the temporary directory. A go test without testrun finds nothing
// of this and makes its own.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"shardclient/runner/binaries"
	"shardclient/runner/pgtest"
	"shardclient/runner/postgres"
)

// Exit codes beside the command's own.
const (
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: testrun go test [FLAGS] [PACKAGES]")
		os.Exit(exitUsage)
	}
	code, err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "testrun:", err)
		code = max(code, exitFailed)
	}
	os.Exit(code)
}

func run(command []string) (code int, err error) {
	if _, err := exec.LookPath(command[0]); err != nil {
		return exitFailed, err // before half a minute's work for it
	}
	// The second signal too goes to the command only: it decides when it ends, and we clean up
	// after it.
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	// The programs are big, and linking them is half a minute's work on a busy machine: PostgreSQL
	// starts meanwhile.
	started := make(chan started, 1)
	go startServer(started)
	dir, environment, err := buildPrograms()
	server := <-started
	err = errors.Join(err, server.err)
	if server.shared != nil {
		defer func() { err = errors.Join(err, server.shared.Stop()) }()
		environment = append(environment, server.shared.Environment()...)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err != nil {
		return exitFailed, err
	}
	return runCommand(command, environment, signals)
}

type started struct {
	shared *pgtest.Shared
	err    error
}

func startServer(result chan<- started) {
	err := postgres.ForgetLibpqSettings()
	if err != nil {
		result <- started{err: err}
		return
	}
	shared, err := pgtest.Share(context.Background())
	result <- started{shared, err}
}

func buildPrograms() (dir string, environment []string, err error) {
	if dir, err = os.MkdirTemp("", "shard-binaries-"); err != nil {
		return "", nil, err
	}
	environment, err = binaries.Build(dir)
	return dir, environment, err
}

// runCommand runs the command until it ends. A Ctrl-C reaches it from the terminal without our
// help, SIGTERM through us.
func runCommand(command, environment []string, signals <-chan os.Signal) (code int, err error) {
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), environment...)
	if err := cmd.Start(); err != nil {
		return exitFailed, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		select {
		case received := <-signals:
			if received == syscall.SIGTERM {
				_ = cmd.Process.Signal(received) // or it has ended meanwhile
			}
		case err := <-ended:
			return exitCode(err)
		}
	}
}

// exitCode is what a shell would give.
func exitCode(err error) (int, error) {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return 0, err
	}
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal()), nil
	}
	return exit.ExitCode(), nil
}
