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
	// portAttempts is how often another port is tried when the server ends while starting with TCP: the port chosen
	// can be taken before the server binds it.
	portAttempts = 5

	// fastStop, immediateStop and killStop bound the three ways to stop a server, each ruder than the one before. What
	// SIGKILL does not end within killStop hangs in the kernel.
	fastStop      = 10 * time.Second
	immediateStop = 6 * time.Second // the postmaster itself waits 5 s for its children
	killStop      = time.Minute
)

// ServerExitedError says that the server ended although nobody stopped it.
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

// initialise creates the data directory. Nothing is synced to disk: the directory does not outlive a crash anyway, and
// syncing makes initdb slower by half.
func (p *Server) initialise(ctx context.Context) error {
	args := []string{
		"--pgdata=" + p.DataDir(), "--username=" + superuser, "--no-sync",
		// Locale C: the environment's would cost another 0.6 s and let results depend on the machine.
		"--encoding=UTF8", "--locale=C",
		// Nobody else reaches the socket in its 0700 directory.
		"--auth-local=trust",
	}
	if p.options.TCP {
		passwordFile, err := p.writePassword()
		if err != nil {
			return err
		}
		defer os.Remove(passwordFile)
		args = append(args, "--auth-host=scram-sha-256", "--pwfile="+passwordFile)
	} else {
		args = append(args, "--auth-host=reject")
	}
	return p.finish(ctx, "create data directory", "initdb", args)
}

// finish runs one of PostgreSQL's programs to its end.
func (p *Server) finish(ctx context.Context, what, program string, args []string) error {
	running, err := p.launch(program, args)
	if err != nil {
		return err
	}
	err = running.Wait(ctx)
	if ctx.Err() != nil {
		return ctx.Err() // the log of what was cancelled explains nothing
	}
	if err != nil {
		return fmt.Errorf("%s with %s: %w\n%s", what, p.binaries.path(program), err, p.endOfLog())
	}
	return nil
}

// writePassword makes up the password and leaves it where initdb reads it.
func (p *Server) writePassword() (path string, err error) {
	p.password = rand.Text()
	path = filepath.Join(p.dir.path, "password")
	return path, p.writeSecret(path, p.password)
}

// serve starts the server and waits until it answers; with TCP it tries another port when the server ends at once.
func (p *Server) serve(ctx context.Context) error {
	for attempt := 1; ; attempt++ {
		err := p.serveOnce(ctx)
		if err == nil {
			return nil
		}
		var exited *ServerExitedError
		if !p.options.TCP || !errors.As(err, &exited) || attempt == portAttempts {
			return err
		}
		p.options.Logger.Info("private PostgreSQL tries another port", "port", p.port, "error", err)
	}
}

func (p *Server) serveOnce(ctx context.Context) (err error) {
	if p.options.TCP {
		if p.port, err = p.options.pickPort(); err != nil {
			return fmt.Errorf("find a free port: %w", err)
		}
	}
	return p.launchServer(ctx)
}

// launchServer starts the server at its port and waits until it answers.
func (p *Server) launchServer(ctx context.Context) error {
	server, err := p.launch("postgres", p.serverArgs())
	if err != nil {
		return err
	}
	p.mu.Lock()
	p.server, p.killed = server, false
	p.mu.Unlock()
	if err := p.waitReady(ctx); err != nil {
		_ = p.shutDown() // it may have ended already; err says more
		return err
	}
	return nil
}

// serverArgs puts our defaults before the caller's settings and what makes the server ours after them.
func (p *Server) serverArgs() []string {
	args := []string{"-D", p.DataDir()}
	if !p.options.Durable {
		args = append(args, "-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off")
	}
	for name, value := range p.options.Settings {
		args = append(args, "-c", name+"="+value)
	}
	host, _, _ := net.SplitHostPort(p.Address()) // "" without TCP: listen nowhere
	// Segments of shared memory are files of the directory: a server that is killed leaves none behind.
	return append(args, "-c", "dynamic_shared_memory_type=mmap", "-c", "listen_addresses="+host, "-c", "port="+strconv.Itoa(p.port),
		"-c", "unix_socket_directories="+p.dir.path)
}

// launch runs one of PostgreSQL's programs in the private directory, its output appended to the log there.
func (p *Server) launch(program string, args []string) (*process.Process, error) {
	log, err := os.OpenFile(p.logPath(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open log of %s: %w", program, err)
	}
	defer log.Close()
	cmd := exec.Command(p.binaries.path(program), args...)
	// The caller's directory may be closed to the server's user, and initdb insists on returning to where it started.
	cmd.Dir = p.dir.path
	cmd.Env = serverEnvironment(os.Environ())
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: p.account.credential()}
	running, err := process.Start(cmd, syscall.SIGQUIT) // PostgreSQL's immediate shutdown
	if err != nil {
		return nil, fmt.Errorf("run %s as %s: %w", cmd.Path, p.account.name, err)
	}
	return running, nil
}

// serverEnvironment drops what would steer initdb or postgres from outside (PGDATA, PGPORT, a locale) and makes the
// messages in the log English.
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

// shutDown ends the server: first disconnecting clients in order, then at once, then by force.
func (p *Server) shutDown() error {
	p.mu.Lock()
	server, killed := p.server, p.killed
	p.mu.Unlock()
	if killed {
		return nil
	}
	if server.Ended() {
		return &ServerExitedError{Err: server.Err(), Log: p.endOfLog()}
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

func (p *Server) logPath() string { return filepath.Join(p.dir.path, "log") }

// endOfLog returns the last lines of the server's log.
func (p *Server) endOfLog() string { return process.EndOf(p.logPath()) }

// freePort asks the kernel for a port that nobody uses at this moment.
func freePort() (int, error) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return listener.Addr().(*net.TCPAddr).Port, listener.Close()
}
