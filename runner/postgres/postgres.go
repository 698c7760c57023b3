package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"shardclient/runner/process"
)

const (
	// superuser is the only role of a private server.
	superuser = "shard"

	// socketPort only names the socket file; nothing listens on it unless TCP is asked for.
	socketPort = 5432
)

// Options say what kind of server [Start] starts. The zero value is right for tests.
type Options struct {
	// Durable keeps PostgreSQL's own promises about a crash of the machine. Without it, the server
	// never waits for the disk, lives in memory where there is room, and compiles no statement.
	// That is right for tests and demos, and wrong for measuring.
	Durable bool

	// TCP makes the server listen on 127.0.0.1 too, at a free port and with a random password, so
	// that something can be put between client and server. URL then names the port, not the socket.
	TCP bool

	// Share keeps the data as initdb has made them. A process that finds Directory in
	// SharedVariable copies them when it starts a server that need not be durable. All these have
	// one password, and one system identifier.
	Share bool

	// Settings are further server settings, as in postgresql.conf. They override the settings that
	// Durable implies.
	Settings map[string]string

	// BinDir holds initdb and postgres. Empty: the directory in SHARD_LAB_PG_BIN, else the first
	// usable one found.
	BinDir string

	// Logger gets a line about each start and stop; nil means silence. The server's own log is a
	// file beside its data.
	Logger *slog.Logger

	// pickPort is replaced by the test in which a port is taken between choosing and binding.
	pickPort func() (int, error)
}

// Server is a running private server. It ends with [Server.Stop], and with this process, however
// that ends.
type Server struct {
	options  Options
	binaries binaries
	account  account
	dir      *directory
	port     int
	password string  // empty without TCP
	primary  *Server // whose data this server has begun with, or nil
	follows  bool    // whether it is a standby of the primary
	copying  sync.Mutex

	mu     sync.Mutex // guards what Kill and Restart replace
	server *process.Process
	killed bool

	stopOnce sync.Once
	stopErr  error
}

// Start starts a private PostgreSQL server in a new temporary directory and returns when it
// answers. The context bounds the start only. Without usable binaries the error is [ErrNoPostgres];
// when the server dies while starting, it is a [*ServerExitedError] with the last lines of its log.
func Start(ctx context.Context, options Options) (*Server, error) {
	s := newServer(options)
	if err := s.start(ctx); err != nil {
		return nil, fmt.Errorf("start private PostgreSQL: %w", err)
	}
	return s, nil
}

func newServer(options Options) *Server {
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	if options.pickPort == nil {
		options.pickPort = freePort
	}
	return &Server{options: options, port: socketPort}
}

func (s *Server) start(ctx context.Context) (err error) {
	began := time.Now()
	if s.binaries, err = newSearch(s.options.BinDir).find(); err != nil {
		return err
	}
	if s.account, err = serverAccount(); err != nil {
		return err
	}
	for _, base := range []string{memoryBase, os.TempDir(), "/tmp"} {
		removeAbandoned(base, s.account, s.options.Logger)
	}
	if s.dir, err = newDirectory(base(memoryBase, s.options.Durable, s.account), s.account); err != nil {
		return err
	}
	if err = s.initialiseAndServe(ctx); err != nil {
		return errors.Join(err, s.dir.remove())
	}
	s.options.Logger.Info("private PostgreSQL started", "version", s.binaries.version, "pid", s.PID(),
		"data_directory", s.DataDir(), "start_ms", time.Since(began).Milliseconds())
	return nil
}

func (s *Server) initialiseAndServe(ctx context.Context) error {
	fill := s.initialise
	if s.primary != nil {
		fill = s.copyPrimary
	}
	if err := fill(ctx); err != nil {
		return err
	}
	return s.serve(ctx)
}

// URL returns the address of a database in the form that pgx and libpq understand. With TCP it
// contains the password.
func (s *Server) URL(database string) string {
	if !s.options.TCP {
		return s.SocketURL(database)
	}
	u := url.URL{
		Scheme:   "postgres",
		User:     url.UserPassword(superuser, s.password),
		Host:     s.Address(),
		Path:     "/" + database,
		RawQuery: "sslmode=disable",
	}
	return u.String()
}

// SocketURL returns the address of a database through the socket, even when the server listens on
// TCP.
func (s *Server) SocketURL(database string) string {
	query := url.Values{"host": {s.dir.path}, "port": {strconv.Itoa(s.port)}, "user": {superuser}}
	// A slash is legal in a query, and people read this.
	readable := strings.ReplaceAll(query.Encode(), "%2F", "/")
	u := url.URL{Scheme: "postgres", Path: "/" + database, RawQuery: readable}
	return u.Scheme + "://" + u.RequestURI()
}

// Address returns host:port of the TCP listener, or "" without TCP.
func (s *Server) Address() string {
	if !s.options.TCP {
		return ""
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port))
}

// Directory returns the server's private directory, by which another process can [Visit] it. Stop
// removes it.
func (s *Server) Directory() string { return s.dir.path }

// DataDir returns the server's data directory, which is below Directory.
func (s *Server) DataDir() string { return s.dir.dataDir() }

// Program returns the path of a program that belongs to the server's version, such as pg_dump.
func (s *Server) Program(name string) string { return s.binaries.path(name) }

// Version returns the major version of the server's programs.
func (s *Server) Version() int { return s.binaries.version }

// PID returns the process id of the postmaster, which changes with Restart.
func (s *Server) PID() int { return s.running().PID() }

// Done returns a channel that is closed when the server has ended: by Stop, by Kill or on its own.
// Restart makes a new one.
func (s *Server) Done() <-chan struct{} { return s.running().Done() }

// running returns the process that was started last, which may have ended.
func (s *Server) running() *process.Process {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.server
}

// Stop disconnects all clients, shuts the server down and removes its directory. It may be called
// again, and by several goroutines. It returns an error with the last lines of the log when the
// server had ended on its own before, but not when Kill had ended it.
func (s *Server) Stop() error {
	s.stopOnce.Do(func() {
		if err := errors.Join(s.shutDown(), s.dir.remove()); err != nil {
			s.stopErr = fmt.Errorf("stop private PostgreSQL: %w", err)
		}
		s.options.Logger.Info("private PostgreSQL stopped", "data_directory", s.DataDir())
	})
	return s.stopErr
}
