package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"shardclient/runner/process"
)

const (
	// portAttempts is how many ports are tried when a server with TCP ends while it starts:
	// somebody can take the chosen port before the server binds it.
	portAttempts = 5

	// fastStop, immediateStop and killStop bound the three ways to stop a server, the gentlest
	// first. What SIGKILL does not end within killStop hangs in the kernel.
	fastStop      = 10 * time.Second
	immediateStop = 6 * time.Second // the postmaster itself waits 5 s for its children
	killStop      = time.Minute
)

// ServerExitedError means that the server ended although nobody stopped it.
type ServerExitedError struct {
	Err error  // how it ended; nil after a regular end
	Log string // the last lines of its log
}

func (e *ServerExitedError) Error() string {
	how := "exit status 0"
	if e.Err != nil {
		how = e.Err.Error()
	}
	return fmt.Sprintf("the server ended on its own: %s; the end of its log:\n%s", how, e.Log)
}

func (e *ServerExitedError) Unwrap() error { return e.Err }

// initialise creates the data directory. Nothing is synced to disk: the directory is not meant to
// outlive a crash, and initdb takes half as long again when it syncs.
func (s *Server) initialise(ctx context.Context) error {
	if taken, err := s.takeFresh(); taken || err != nil {
		return err
	}
	args := []string{
		"--pgdata=" + s.DataDir(), "--username=" + superuser, "--no-sync",
		// The environment's locale would cost another 0.6 s, and results would depend on the
		// machine.
		"--encoding=UTF8", "--locale=C",
		// The socket is in a directory of mode 0700, so nobody else reaches it.
		"--auth-local=trust",
	}
	if s.options.TCP || s.options.Share {
		passwordFile, err := s.writePassword()
		if err != nil {
			return err
		}
		defer func() { _ = os.Remove(passwordFile) }() // otherwise it goes with its directory
		args = append(args, "--auth-host=scram-sha-256", "--pwfile="+passwordFile)
	} else {
		args = append(args, "--auth-host=reject")
	}
	if err := s.finish(ctx, "create data directory", "initdb", args); err != nil || !s.options.Share {
		return err
	}
	return s.keepFresh()
}

// finish runs one of PostgreSQL's programs to its end.
func (s *Server) finish(ctx context.Context, what, program string, args []string) error {
	running, err := s.launch(program, args)
	if err != nil {
		return err
	}
	err = running.Wait(ctx)
	if ctx.Err() != nil {
		return ctx.Err() // the log of what was cancelled explains nothing
	}
	if err != nil {
		return fmt.Errorf("%s with %s: %w\n%s", what, s.binaries.path(program), err, s.endOfLog())
	}
	return nil
}

// writePassword makes up the password and writes it to a file for initdb.
func (s *Server) writePassword() (path string, err error) {
	s.password = rand.Text()
	path = filepath.Join(s.dir.path, "password")
	return path, s.writeSecret(path, s.password)
}

// serve starts the server and waits until it answers. With TCP it tries another port when the
// server ends at once.
func (s *Server) serve(ctx context.Context) error {
	for attempt := 1; ; attempt++ {
		err := s.serveOnce(ctx)
		if err == nil {
			return nil
		}
		var exited *ServerExitedError
		if !s.options.TCP || !errors.As(err, &exited) || attempt == portAttempts {
			return err
		}
		s.options.Logger.Info("private PostgreSQL tries another port", "port", s.port, "error", err)
	}
}

func (s *Server) serveOnce(ctx context.Context) (err error) {
	if s.options.TCP {
		if s.port, err = s.options.pickPort(); err != nil {
			return fmt.Errorf("find a free port: %w", err)
		}
	}
	return s.launchServer(ctx)
}

// launchServer starts the server at its port and waits until it answers.
func (s *Server) launchServer(ctx context.Context) error {
	server, err := s.launch("postgres", s.serverArgs())
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.server, s.killed = server, false
	s.mu.Unlock()
	if err := s.waitReady(ctx); err != nil {
		_ = s.shutDown() // it may have ended already; err says more
		return err
	}
	return nil
}

// serverArgs puts our defaults first, so that the caller's settings override them, and the address
// of the server last, so that nothing overrides it. Shared memory that processes hand to each other
// lives in files of the data directory, where a killed server leaves nothing behind.
func (s *Server) serverArgs() []string {
	args := []string{"-D", s.DataDir(), "-c", "dynamic_shared_memory_type=mmap"}
	if !s.options.Durable {
		args = append(args, "-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off",
			// Compiling a statement takes 0.4 s. It pays where one reads for minutes, and
			// PostgreSQL, which knows nothing of tables as young as ours, expects that of a few
			// rows.
			"-c", "jit=off")
	}
	for name, value := range s.options.Settings {
		args = append(args, "-c", name+"="+value)
	}
	host, _, _ := net.SplitHostPort(s.Address()) // "" without TCP: listen nowhere
	return append(args, "-c", "listen_addresses="+host, "-c", "port="+strconv.Itoa(s.port),
		"-c", "unix_socket_directories="+s.dir.path)
}

// launch runs one of PostgreSQL's programs in the private directory and appends its output to the
// log there.
func (s *Server) launch(program string, args []string) (*process.Process, error) {
	log, err := os.OpenFile(s.logPath(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open log of %s: %w", program, err)
	}
	defer func() { _ = log.Close() }() // the child writes through a copy of its own
	cmd := exec.Command(s.binaries.path(program), args...)
	// The caller's directory may be closed to the server's user, and initdb insists on returning to
	// where it started.
	cmd.Dir = s.dir.path
	cmd.Env = serverEnvironment(os.Environ())
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.account.credential()}
	running, err := process.Start(cmd, syscall.SIGQUIT) // PostgreSQL's immediate shutdown
	if err != nil {
		return nil, fmt.Errorf("run %s as %s: %w", cmd.Path, s.account.name, err)
	}
	return running, nil
}

// serverEnvironment drops the variables that would steer initdb or postgres from outside (PGDATA,
// PGPORT, a locale) and makes the messages in the log English.
func serverEnvironment(inherited []string) []string {
	var kept []string
	for _, entry := range inherited {
		foreign := strings.HasPrefix(entry, "PG") || strings.HasPrefix(entry, "LC_") || strings.HasPrefix(entry, "LANG")
		if !foreign {
			kept = append(kept, entry)
		}
	}
	return append(kept, "LC_ALL=C", "TZ=UTC")
}

// shutDown ends the server: first by disconnecting its clients in an orderly way, then at once,
// then by force.
func (s *Server) shutDown() error {
	s.mu.Lock()
	server, killed := s.server, s.killed
	s.mu.Unlock()
	if killed {
		return nil
	}
	if server.Ended() {
		return &ServerExitedError{Err: server.Err(), Log: s.endOfLog()}
	}
	if server.SignalAndWait(syscall.SIGINT, fastStop) || server.SignalAndWait(syscall.SIGQUIT, immediateStop) {
		return nil
	}
	server.SignalGroup(syscall.SIGKILL)
	if server.SignalAndWait(syscall.SIGKILL, killStop) {
		return nil
	}
	return fmt.Errorf("server process %d does not end, even when killed", server.PID())
}

func (s *Server) logPath() string { return filepath.Join(s.dir.path, "log") }

// endOfLog returns the last lines of the server's log.
func (s *Server) endOfLog() string { return process.EndOf(s.logPath()) }

// freePort asks the kernel for a port that nobody uses at the moment.
func freePort() (int, error) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return listener.Addr().(*net.TCPAddr).Port, listener.Close()
}
