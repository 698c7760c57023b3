package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"shardclient/runner/process"
)

// poolerProgram is the pooler of the distributions.
const poolerProgram = "pgbouncer"

// ErrNoPooler means that there is no pgbouncer here.
var ErrNoPooler = errors.New("pgbouncer is not on this machine: run runner/postgres/install.sh pgbouncer")

// Pooler is a pgbouncer before a private server. It ends with [Pooler.Stop], and with this process.
type Pooler struct {
	directory string
	program   *process.Process
}

// StartPooler starts a pgbouncer before the server at this address, which must lead through a
// socket. mode is session, transaction or statement; settings are further lines of its
// configuration.
func StartPooler(ctx context.Context, serverURL, mode string, settings ...string) (*Pooler, error) {
	p, err := startPooler(ctx, serverURL, append([]string{"pool_mode = " + mode}, settings...))
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", poolerProgram, err)
	}
	return p, nil
}

func startPooler(ctx context.Context, serverURL string, settings []string) (*Pooler, error) {
	path, err := findPooler()
	if err != nil {
		return nil, err
	}
	server, err := pgconn.ParseConfig(serverURL)
	if err != nil {
		return nil, err
	}
	owner, err := serverAccount() // whom the socket of the server lets in
	if err != nil {
		return nil, err
	}
	directory, err := os.MkdirTemp(base(memoryBase, false, owner), "shard-pooler-")
	if err != nil {
		return nil, err
	}
	p := &Pooler{directory: directory}
	if err := p.start(ctx, path, owner, server, settings); err != nil {
		return nil, errors.Join(err, p.Stop())
	}
	return p, nil
}

// findPooler looks on PATH and where ordinary users do not look for programs.
func findPooler() (string, error) {
	if path, err := exec.LookPath(poolerProgram); err == nil {
		return path, nil
	}
	for _, directory := range []string{"/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin", "/opt/homebrew/bin"} {
		if path := filepath.Join(directory, poolerProgram); unixExecutable(path) {
			return path, nil
		}
	}
	return "", ErrNoPooler
}

func unixExecutable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

func (p *Pooler) start(ctx context.Context, path string, owner account, server *pgconn.Config, settings []string) error {
	lines := append([]string{
		"[databases]",
		fmt.Sprintf("* = host=%s port=%d user=%s", server.Host, server.Port, superuser),
		"[pgbouncer]",
		"unix_socket_dir = " + p.directory, // and nothing listens on TCP
		"listen_port = " + strconv.Itoa(socketPort),
		"auth_type = any", // the directory lets nobody else in
		"logfile = " + p.log(),
	}, settings...)
	configuration := filepath.Join(p.directory, "pgbouncer.ini")
	if err := os.WriteFile(configuration, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		return err
	}
	for _, path := range []string{p.directory, configuration} {
		if err := os.Chown(path, owner.uid, owner.gid); err != nil {
			return err
		}
	}
	cmd := exec.Command(path, "--quiet", configuration)
	cmd.Env = process.Environment(os.Environ())
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: owner.credential()}
	var err error
	if p.program, err = process.Start(cmd, syscall.SIGKILL); err != nil {
		return err
	}
	return p.waitReady(ctx)
}

func (p *Pooler) log() string { return filepath.Join(p.directory, "log") }

// waitReady returns once the socket takes connections.
func (p *Pooler) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	poll := time.NewTicker(readyPoll)
	defer poll.Stop()
	for {
		conn, err := net.Dial("unix", filepath.Join(p.directory, ".s.PGSQL."+strconv.Itoa(socketPort)))
		if err == nil {
			return conn.Close()
		}
		select {
		case <-p.program.Done():
			said, _ := os.ReadFile(p.log()) // what it could not write it did not say
			return fmt.Errorf("it ended on its own: %w\n%s", p.program.Err(), said)
		case <-ctx.Done():
			return ctx.Err()
		case <-poll.C:
		}
	}
}

// URL returns the address of a database behind the pooler.
func (p *Pooler) URL(database string) string {
	query := url.Values{"host": {p.directory}, "port": {strconv.Itoa(socketPort)}, "user": {superuser}}
	return "postgres:///" + database + "?" + strings.ReplaceAll(query.Encode(), "%2F", "/")
}

// Stop ends the pooler and all connections through it.
func (p *Pooler) Stop() error {
	if p.program != nil {
		p.program.Kill()
	}
	return os.RemoveAll(p.directory)
}
