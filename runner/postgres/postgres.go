package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
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

// Options says what kind of server Start starts. The zero value is right for tests.
type Options struct {
	// Durable keeps PostgreSQL's own promises about a crash of the machine. Without it the server never waits for
	// the disk and lives in memory where there is room: right for tests and demos, wrong for measurements of writes.
	Durable bool

	// TCP also listens on 127.0.0.1, at a free port and with a random password, for whoever needs to put something
	// between client and server. URL then names the port instead of the socket.
	TCP bool

	// Settings are further server settings (postgresql.conf); they override those that Durable implies.
	Settings map[string]string

	// BinDir holds initdb and postgres. Empty: the directory in SHARD_LAB_PG_BIN, else the first usable one found.
	BinDir string

	// Logger hears about start and stop. Nil: silence. The server's own log is a file beside its data.
	Logger *slog.Logger

	// pickPort is replaced by the test of a port that is taken between choosing and binding.
	pickPort func() (int, error)
}

// Server is a running private server. It ends with Stop, and with this process however that ends.
type Server struct {
	options  Options
	binaries binaries
	account  account
	dir      *directory
	port     int
	password string  // empty without TCP
	primary  *Server // what it is a standby of; nil: it is none

	mu     sync.Mutex // guards what Kill and Restart replace
	server *process.Process
	killed bool

	stopOnce sync.Once
	stopErr  error
}

// Start starts a PostgreSQL server of its own in a new temporary directory and returns when it answers. The
// context bounds the start only. Without usable binaries the error is ErrNoPostgres; a server that died while starting
// is a *ServerExitedError with the last lines of its log.
func Start(ctx context.Context, options Options) (*Server, error) {
	p := newServer(options)
	if err := p.start(ctx); err != nil {
		return nil, fmt.Errorf("start private PostgreSQL: %w", err)
	}
	return p, nil
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

func (p *Server) start(ctx context.Context) (err error) {
	began := time.Now()
	if p.binaries, err = newSearch(p.options.BinDir).find(); err != nil {
		return err
	}
	if p.account, err = serverAccount(); err != nil {
		return err
	}
	for _, base := range []string{memoryBase, os.TempDir(), "/tmp"} {
		removeAbandoned(base, p.account, p.options.Logger)
	}
	if p.dir, err = newDirectory(base(memoryBase, p.options.Durable, p.account), p.account); err != nil {
		return err
	}
	if err = p.initialiseAndServe(ctx); err != nil {
		return errors.Join(err, p.dir.remove())
	}
	p.options.Logger.Info("private PostgreSQL started", "version", p.binaries.version, "pid", p.PID(),
		"data_directory", p.DataDir(), "start_ms", time.Since(began).Milliseconds())
	return nil
}

func (p *Server) initialiseAndServe(ctx context.Context) error {
	fill := p.initialise
	if p.primary != nil {
		fill = p.follow
	}
	if err := fill(ctx); err != nil {
		return err
	}
	return p.serve(ctx)
}

// URL returns the address of a database, as pgx and libpq understand it. With TCP it holds the password.
func (p *Server) URL(database string) string {
	if !p.options.TCP {
		return p.SocketURL(database)
	}
	u := url.URL{
		Scheme:   "postgres",
		User:     url.UserPassword(superuser, p.password),
		Host:     p.Address(),
		Path:     "/" + database,
		RawQuery: "sslmode=disable",
	}
	return u.String()
}

// SocketURL returns the address of a database through the socket, also when the server listens on TCP.
func (p *Server) SocketURL(database string) string {
	query := url.Values{"host": {p.dir.path}, "port": {strconv.Itoa(p.port)}, "user": {superuser}}
	// A slash is legal in a query, and people read this.
	readable := strings.ReplaceAll(query.Encode(), "%2F", "/")
	u := url.URL{Scheme: "postgres", Path: "/" + database, RawQuery: readable}
	return u.Scheme + "://" + u.RequestURI()
}

// Address returns host:port of the TCP listener, or "" without TCP.
func (p *Server) Address() string {
	if !p.options.TCP {
		return ""
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(p.port))
}

// Directory returns the server's private directory, by which another process visits it. It vanishes with Stop.
func (p *Server) Directory() string { return p.dir.path }

// DataDir returns the server's data directory, which is below Directory.
func (p *Server) DataDir() string { return filepath.Join(p.dir.path, "data") }

// Program returns the path of a program that belongs to the server's version, such as pg_dump.
func (p *Server) Program(name string) string { return p.binaries.path(name) }

// Version returns the major version of the server's programs.
func (p *Server) Version() int { return p.binaries.version }

// PID returns the process id of the postmaster; after Restart it is another one.
func (p *Server) PID() int { return p.running().PID() }

// Done is closed when the server has ended: by Stop, by Kill or on its own. After Restart it is another channel.
func (p *Server) Done() <-chan struct{} { return p.running().Done() }

// running returns the server that was started last, which may have ended.
func (p *Server) running() *process.Process {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.server
}

// Stop shuts the server down, disconnecting its clients, and removes its directory. It may be called again and by
// several goroutines. A server that had ended on its own before is an error with the last lines of its log; one that
// was killed by Kill is none.
func (p *Server) Stop() error {
	p.stopOnce.Do(func() {
		if err := errors.Join(p.shutDown(), p.dir.remove()); err != nil {
			p.stopErr = fmt.Errorf("stop private PostgreSQL: %w", err)
		}
		p.options.Logger.Info("private PostgreSQL stopped", "data_directory", p.DataDir())
	})
	return p.stopErr
}
