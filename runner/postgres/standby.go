package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
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

// copyPrimary makes the data directory a copy of the primary's, as pg_basebackup does, but by the
// files: not every package of PostgreSQL has that program, and that of another version will not do.
func (s *Server) copyPrimary(ctx context.Context) error {
	// More copies at a time than the server has replication slots would fail.
	s.primary.copying.Lock()
	defer s.primary.copying.Unlock()
	conn, err := pgx.Connect(ctx, s.primary.SocketURL("postgres"))
	if err != nil {
		return fmt.Errorf("copy primary: %w", err)
	}
	defer hangUp(ctx, conn) // ends the backup, if there still is one, and the slot
	label, err := s.copyBetween(ctx, conn)
	if err != nil {
		return fmt.Errorf("copy primary: %w", err)
	}
	if err := s.writeSecret(filepath.Join(s.DataDir(), "backup_label"), label); err != nil || !s.follows {
		return err
	}
	return s.follow()
}

// copyBetween copies the primary between the start and the stop of a backup, and returns its label.
// The log comes last: without all of it the files are not of one moment. The slot keeps it over the
// checkpoints of others.
func (s *Server) copyBetween(ctx context.Context, conn *pgx.Conn) (label string, err error) {
	for _, statement := range []string{
		"SELECT pg_create_physical_replication_slot('copy', true, true)", "SELECT pg_backup_start('copy', true)",
	} {
		if _, err := conn.Exec(ctx, statement); err != nil {
			return "", err
		}
	}
	if err := s.copyFiles(s.primary.DataDir(), s.DataDir(), notCopied); err != nil {
		return "", err
	}
	if err := conn.QueryRow(ctx, "SELECT labelfile FROM pg_backup_stop(false)").Scan(&label); err != nil {
		return "", err
	}
	log := filepath.Join(s.DataDir(), "pg_wal")
	err = s.copyFiles(filepath.Join(s.primary.DataDir(), "pg_wal"), log, func(name string) bool {
		return strings.Contains(name, "_") || name == "summaries" // the server makes them itself
	})
	if err != nil {
		return "", err
	}
	// Without this it goes some time after the connection, and the next copy wants the name.
	_, err = conn.Exec(ctx, "SELECT pg_drop_replication_slot('copy')")
	return label, err
}

// notCopied reports whether a file belongs to the running server alone. Of some directories only
// the contents do; that of the log is copied by itself.
func notCopied(name string) bool {
	switch filepath.Dir(name) {
	case "pg_replslot", "pg_dynshmem", "pg_notify", "pg_serial", "pg_snapshots", "pg_stat_tmp", "pg_subtrans":
		return true
	}
	base := filepath.Base(name)
	return name == "pg_wal" || strings.HasPrefix(base, "postmaster.") || strings.HasPrefix(base, "pgsql_tmp") ||
		strings.HasPrefix(base, "pg_internal.init")
}

// follow makes the copy a standby of its primary.
func (s *Server) follow() error {
	passwords := filepath.Join(s.dir.path, "passwords")
	if err := s.writeSecret(passwords, "*:*:*:*:"+s.password); err != nil {
		return err
	}
	// The standby needs the password whenever it reconnects, so the file stays as long as it lives.
	source := fmt.Sprintf("host=127.0.0.1 port=%d user=%s passfile=%s application_name=%s sslmode=disable",
		s.primary.port, superuser, passwords, StandbyName)
	settings := filepath.Join(s.DataDir(), "postgresql.auto.conf")
	present, err := os.ReadFile(settings)
	if err != nil {
		return fmt.Errorf("read settings of the copy: %w", err)
	}
	if err := s.writeSecret(settings, string(present)+"primary_conninfo = '"+source+"'"); err != nil {
		return err
	}
	return s.writeSecret(filepath.Join(s.DataDir(), "standby.signal"), "")
}

// writeSecret writes lines to a file that only the server's user can read.
func (s *Server) writeSecret(path, lines string) error {
	if err := os.WriteFile(path, []byte(lines+"\n"), 0o600); err != nil {
		return fmt.Errorf("write file for the server: %w", err)
	}
	if err := os.Chown(path, s.account.uid, s.account.gid); err != nil {
		return fmt.Errorf("hand %s to %s: %w", path, s.account.name, err)
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
