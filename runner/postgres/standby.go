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

// StandbyName is the name by which a standby is known to its primary, for
// synchronous_standby_names.
const StandbyName = "standby"

// promoteTimeout bounds a promotion, which first replays the rest of the log.
const promoteTimeout = 5 * time.Minute

// StartStandby starts a second server that copies primary and then follows it by streaming
// replication. It only answers reads until [Server.Promote]. The primary must listen on TCP, and so
// does the standby, with the primary's password and programs: TCP and BinDir of the options are
// ignored. The standby outlives the primary. The context bounds the start only.
func StartStandby(ctx context.Context, primary *Server, options Options) (*Server, error) {
	s, err := startFrom(ctx, primary, options, true)
	if err != nil {
		return nil, fmt.Errorf("start standby PostgreSQL: %w", err)
	}
	return s, nil
}

// StartCopy starts a second server with the data of another as they are now, of which it knows
// nothing afterwards. That takes a third of the time of a new server, and its databases are there
// already. What is said of StartStandby about TCP holds here too.
func StartCopy(ctx context.Context, of *Server, options Options) (*Server, error) {
	s, err := startFrom(ctx, of, options, false)
	if err != nil {
		return nil, fmt.Errorf("start copy of PostgreSQL: %w", err)
	}
	return s, nil
}

func startFrom(ctx context.Context, primary *Server, options Options, follows bool) (*Server, error) {
	if !primary.options.TCP {
		return nil, errors.New("its primary listens on no port; start the primary with TCP")
	}
	options.TCP, options.BinDir = true, primary.options.BinDir
	s := newServer(options)
	s.primary, s.password, s.follows = primary, primary.password, follows
	return s, s.start(ctx)
}

// copyPrimary makes the data directory a copy of the primary's.
func (s *Server) copyPrimary(ctx context.Context) error {
	passwords := filepath.Join(s.dir.path, "passwords")
	if err := s.writeSecret(passwords, "*:*:*:*:"+s.password); err != nil {
		return err
	}
	// The standby needs the password whenever it reconnects, so the file stays as long as it lives.
	source := fmt.Sprintf("host=127.0.0.1 port=%d user=%s passfile=%s application_name=%s sslmode=disable",
		s.primary.port, superuser, passwords, StandbyName)
	args := []string{"--pgdata=" + s.DataDir(), "--dbname=" + source, "--checkpoint=fast", "--no-sync"}
	if s.follows {
		args = append(args, "--write-recovery-conf")
	}
	// The checkpoint of another copy might remove the log that this one is about to read.
	s.primary.copying.Lock()
	defer s.primary.copying.Unlock()
	return s.finish(ctx, "copy primary", "pg_basebackup", args)
}

// writeSecret writes one line to a file that only the server's user can read.
func (s *Server) writeSecret(path, line string) error {
	if err := os.WriteFile(path, []byte(line+"\n"), 0o600); err != nil {
		return fmt.Errorf("write password: %w", err)
	}
	if err := os.Chown(path, s.account.uid, s.account.gid); err != nil {
		return fmt.Errorf("hand password to %s: %w", s.account.name, err)
	}
	return nil
}

// Promote ends a standby's recovery and returns when it takes writes.
func (s *Server) Promote(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, s.SocketURL("postgres"))
	if err != nil {
		return fmt.Errorf("promote standby: %w", err)
	}
	defer hangUp(ctx, conn)
	var promoted bool
	row := conn.QueryRow(ctx, "SELECT pg_promote(true, $1)", int(promoteTimeout.Seconds()))
	if err := row.Scan(&promoted); err != nil {
		return fmt.Errorf("promote standby: %w", err)
	}
	if !promoted {
		return fmt.Errorf("promote standby: it is still in recovery after %s; the end of its log:\n%s",
			promoteTimeout, s.endOfLog())
	}
	return nil
}
