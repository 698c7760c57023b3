package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5"
)

// StandbyName is what a standby calls itself to its primary, for synchronous_standby_names.
const StandbyName = "standby"

// promoteTimeout bounds a promotion: the rest of the log is replayed first.
const promoteTimeout = 5 * time.Minute

// StartStandby starts a server of its own that copies primary and goes on to follow it by streaming replication; it
// answers reads until Promote. The primary must listen on TCP, and so does the standby, with the primary's password and
// programs: TCP and BinDir of the options are not looked at. It outlives the primary. The context bounds the start only.
func StartStandby(ctx context.Context, primary *Server, options Options) (*Server, error) {
	options.TCP, options.BinDir = true, primary.options.BinDir
	p := newServer(options)
	p.primary, p.password = primary, primary.password
	if !primary.options.TCP {
		return nil, errors.New("start standby PostgreSQL: its primary listens on no port: start that with TCP")
	}
	if err := p.start(ctx); err != nil {
		return nil, fmt.Errorf("start standby PostgreSQL: %w", err)
	}
	return p, nil
}

// follow makes the data directory a copy of the primary's.
func (p *Server) follow(ctx context.Context) error {
	passwords := filepath.Join(p.dir.path, "passwords")
	if err := p.writeSecret(passwords, "*:*:*:*:"+p.password); err != nil {
		return err
	}
	// The password stands in a file of its own for as long as the standby lives: it is needed at each reconnection.
	source := fmt.Sprintf("host=127.0.0.1 port=%d user=%s passfile=%s application_name=%s sslmode=disable",
		p.primary.port, superuser, passwords, StandbyName)
	return p.finish(ctx, "copy primary", "pg_basebackup", []string{
		"--pgdata=" + p.DataDir(), "--dbname=" + source, "--write-recovery-conf", "--checkpoint=fast", "--no-sync",
	})
}

// writeSecret leaves a line in a file that only the server's user reads.
func (p *Server) writeSecret(path, line string) error {
	if err := os.WriteFile(path, []byte(line+"\n"), 0o600); err != nil {
		return fmt.Errorf("write password: %w", err)
	}
	if err := os.Chown(path, p.account.uid, p.account.gid); err != nil {
		return fmt.Errorf("hand password to %s: %w", p.account.name, err)
	}
	return nil
}

// Promote makes a standby a server of its own and returns when it takes writes.
func (p *Server) Promote(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, p.SocketURL("postgres"))
	if err != nil {
		return fmt.Errorf("promote standby: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var promoted bool
	row := conn.QueryRow(ctx, "SELECT pg_promote(true, $1)", int(promoteTimeout.Seconds()))
	if err := row.Scan(&promoted); err != nil {
		return fmt.Errorf("promote standby: %w", err)
	}
	if !promoted {
		return fmt.Errorf("promote standby: it is still in recovery after %s; the end of its log:\n%s", promoteTimeout, p.endOfLog())
	}
	return nil
}
