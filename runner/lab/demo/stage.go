package demo

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/runner/master/admin"
	"shardclient/runner/postgres"
	"shardclient/runner/process"
	"shardclient/schema"
)

// pause is the pause between two beats of a shard. In a real lab it is a minute.
const pause = time.Second

// masterDatabase is the name of the master's database. A shard's database is named after its host.
const masterDatabase = "master"

// patience is how long a program may take to end before it is killed.
const patience = 5 * time.Second

// stage is everything that takes part.
type stage struct {
	server    *postgres.Server
	logs      string // a directory with a log of each program
	master    *process.Program
	masterURL string
	masterDB  *pgxpool.Pool
	people    *admin.Admin
	shards    []*shard
	programs  []*process.Program // in the order of their start
}

// shard is one shard of the lab.
type shard struct {
	hostname, board string
	listen          string // where its client shows itself
	db              *pgxpool.Pool
	client          *process.Program
}

// setStage starts everything. Even when it fails in the middle, strike ends what it has started.
func setStage(ctx context.Context, d *Demo, size size) (s *stage, err error) {
	s = &stage{logs: d.logs}
	if s.logs == "" {
		if s.logs, err = os.MkdirTemp("", "shard-demo-"); err != nil {
			return s, fmt.Errorf("make a directory for logs: %w", err)
		}
	}
	if s.server, err = postgres.Start(ctx, postgres.Options{Logger: d.Logger}); err != nil {
		return s, err
	}
	if s.masterDB, err = s.database(ctx, masterDatabase); err != nil {
		return s, err
	}
	if s.people, err = admin.New(s.masterDB); err != nil {
		return s, err
	}
	for i, board := range boards {
		if err := s.addShard(ctx, fmt.Sprintf("shard%d", i+1), board, size.boardHosts); err != nil {
			return s, err
		}
	}
	if err := s.startMaster(d); err != nil {
		return s, err
	}
	// The master's own scheduler runs the suites, which have no host.
	if err := s.start(s.scheduler(d, masterDatabase, "--hostless")); err != nil {
		return s, err
	}
	for _, one := range s.shards {
		if one.listen, err = freeAddress(); err != nil {
			return s, err
		}
		one.client = s.shardClient(d, one)
		for _, a := range []*process.Program{s.scheduler(d, one.hostname), one.client} {
			if err := s.start(a); err != nil {
				return s, err
			}
		}
	}
	return s, nil
}

// database creates a migrated database and opens it.
func (s *stage) database(ctx context.Context, name string) (*pgxpool.Pool, error) {
	if err := s.server.CreateDatabase(ctx, name, "template1"); err != nil {
		return nil, err
	}
	if _, err := schema.Up(ctx, s.server.URL(name)); err != nil {
		return nil, err
	}
	if name != masterDatabase { // a shard's scheduler writes into its own tables, too
		if _, err := schema.Scheduler.UpTelling(ctx, s.server.URL(name), nil); err != nil {
			return nil, err
		}
	}
	return pgxpool.New(ctx, s.server.URL(name))
}

func (s *stage) startMaster(d *Demo) error {
	s.master = &process.Program{Name: "master", LogDir: s.logs, Command: func() *exec.Cmd {
		listen := "127.0.0.1:0"
		if s.masterURL != "" {
			listen = s.masterURL[len("http://"):] // a restarted master keeps its address
		}
		return s.program(d.Lab, masterDatabase, "master", "--listen", listen)
	}}
	s.programs = append(s.programs, s.master)
	url, err := s.master.Greeting()
	s.masterURL = url
	return err
}

func (s *stage) scheduler(d *Demo, database string, flags ...string) *process.Program {
	arguments := append([]string{"scheduler", "--seed", strconv.FormatUint(d.Seed, 10)}, flags...)
	return &process.Program{Name: "scheduler of " + database, LogDir: s.logs, Command: func() *exec.Cmd {
		return s.program(d.Lab, database, arguments...)
	}}
}

func (s *stage) shardClient(d *Demo, one *shard) *process.Program {
	return &process.Program{Name: "shard-client of " + one.hostname, LogDir: s.logs, Command: func() *exec.Cmd {
		return s.program(d.Client, one.hostname, "run", "--shard-hostname", one.hostname, "--master", s.masterURL,
			"--user", owner, "--heartbeat-pause", pause.String(), "--startup-splay", pause.String(), "--stop-timeout", "1s",
			"--listen", one.listen)
	}}
}

// freeAddress returns an address where nothing listens. A client that is started again keeps it, so
// that a page in a browser goes on.
func freeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	return listener.Addr().String(), listener.Close()
}

// program returns a command that works on one of the databases. The URL is passed in the
// environment.
func (s *stage) program(path, database string, arguments ...string) *exec.Cmd {
	cmd := exec.Command(path, arguments...)
	url := s.server.URL(database)
	cmd.Env = append(process.Environment(os.Environ()),
		"SHARD_CLIENT_DATABASE_URL="+url, "SHARD_LAB_DATABASE_URL="+url)
	return cmd
}

func (s *stage) start(a *process.Program) error {
	s.programs = append(s.programs, a)
	return a.Start()
}

// strike ends everything in the reverse order of its start, PostgreSQL last. keepLogs leaves the
// logs for people who have to find out what went wrong.
func (s *stage) strike(keepLogs bool) error {
	for _, a := range slices.Backward(s.programs) {
		a.Stop(patience)
	}
	for _, one := range s.shards {
		one.db.Close()
	}
	if s.masterDB != nil {
		s.masterDB.Close()
	}
	var err error
	if s.server != nil {
		err = s.server.Stop()
	}
	if !keepLogs && s.logs != "" {
		err = errors.Join(err, os.RemoveAll(s.logs))
	}
	return err
}
