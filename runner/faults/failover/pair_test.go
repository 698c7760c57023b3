package failover

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/goleak"

	"shardclient/runner/afe"
	"shardclient/runner/binaries"
	"shardclient/runner/lab/converge"
	"shardclient/runner/lab/scheduler"
	"shardclient/runner/master/admin"
	"shardclient/runner/pgtest"
	"shardclient/runner/postgres"
	"shardclient/runner/process"
	"shardclient/runner/wait"
	"shardclient/schema"
)

const (
	hostname = "shard1.example"
	board    = "board:eve"
	database = "shard"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(binaries.WithBinaries(pgtest.WithServer(withModel{m})))
}

// withModel stops the model after the tests.
type withModel struct{ tests *testing.M }

func (w withModel) Run() int {
	code := w.tests.Run()
	if server := started.Load(); server != nil {
		if err := server.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, "failover:", err)
			code = max(code, 1)
		}
	}
	return code
}

// settings of all servers. They keep what they have committed when they are killed: the machine
// lives, so that nothing needs to be synced to disk.
var settings = map[string]string{
	"synchronous_commit":          "on",
	"wal_retrieve_retry_interval": "50ms", // else a standby that has just lost its primary is promoted after 5 s
}

// model is the server with a migrated database that each primary begins as a copy of: initdb and
// the migrations were half of the time of all tests here.
var (
	started atomic.Pointer[postgres.Server]
	model   = sync.OnceValues(func() (*postgres.Server, error) {
		server, err := postgres.Start(context.Background(), postgres.Options{TCP: true, Settings: settings})
		if err != nil {
			return nil, err
		}
		started.Store(server)
		if err := server.CreateDatabase(context.Background(), database, "template1"); err != nil {
			return nil, err
		}
		_, err = schema.Up(context.Background(), server.URL(database))
		return server, err
	})
)

// pair is a shard with a database of two servers, and its master.
type pair struct {
	t                *testing.T
	primary, standby *postgres.Server
	desk             *desk
	masterDB         *pgxpool.Pool
	people           *admin.Admin
	client           *process.Program
	log              string // its path
}

// newPair starts a primary and its standby, and a master with four hosts for the shard.
func newPair(t *testing.T) *pair {
	t.Helper()
	p := &pair{t: t, masterDB: pgtest.Pool(t)}
	begun, err := model()
	p.must(err)
	if p.primary, err = postgres.StartCopy(t.Context(), begun, postgres.Options{Settings: settings}); err != nil {
		t.Fatal(err)
	}
	p.stopAtEnd(p.primary)
	if p.standby, err = postgres.StartStandby(t.Context(), p.primary, postgres.Options{Settings: settings}); err != nil {
		t.Fatal(err)
	}
	p.stopAtEnd(p.standby)
	p.people, err = admin.New(p.masterDB)
	p.must(err)
	_, err = p.people.AddLabels(t.Context(), admin.NewLabel{Name: board})
	p.must(err)
	_, err = p.people.AddShard(t.Context(), hostname, board)
	p.must(err)
	for i := range 4 {
		_, err = p.people.AddHosts(t.Context(), admin.NewHost{Hostname: fmt.Sprint("host", i), Labels: []string{board}})
		p.must(err)
	}
	p.openDesk()
	return p
}

func (p *pair) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p *pair) stopAtEnd(server *postgres.Server) {
	p.t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			p.t.Error(err)
		}
	})
}

// url names several servers, in this order.
func (p *pair) url(more string, servers ...*postgres.Server) string {
	var hosts []string
	for _, s := range servers {
		hosts = append(hosts, s.Address())
	}
	u, err := url.Parse(servers[0].URL(database))
	p.must(err)
	return fmt.Sprintf("postgres://%s@%s%s?%s%s", u.User, strings.Join(hosts, ","), u.Path, u.RawQuery, more)
}

// both is the URL that an operator writes.
func (p *pair) both() string { return p.url("&target_session_attrs=read-write", p.primary, p.standby) }

// until asks until it is so. An error is what happens while servers die and others take over.
func (p *pair) until(what string, so func(context.Context) (bool, error)) {
	p.t.Helper()
	ctx := wait.Context(p.t)
	var last error
	wait.Until(p.t, what, func() bool {
		done, err := so(ctx)
		last = err
		return done && err == nil
	}, func() string { return fmt.Sprint(last) })
}

// look returns one value from one server, by a connection of its own: servers die here.
func look[T any](ctx context.Context, server *postgres.Server, sql string, args ...any) (value T, err error) {
	conn, err := pgx.Connect(ctx, server.URL(database))
	if err != nil {
		return value, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	err = conn.QueryRow(ctx, sql, args...).Scan(&value)
	return value, err
}

// wait is until for a condition in a server's tables.
func (p *pair) wait(server *postgres.Server, what, sql string, args ...any) {
	p.t.Helper()
	p.until(what, func(ctx context.Context) (bool, error) { return look[bool](ctx, server, sql, args...) })
}

// execute runs statements at one server, each by itself.
func (p *pair) execute(server *postgres.Server, statements ...string) {
	p.t.Helper()
	conn, err := pgx.Connect(p.t.Context(), server.URL(database))
	p.must(err)
	defer conn.Close(context.Background())
	for _, sql := range statements {
		pgtest.Exec(p.t, conn, sql)
	}
}

// synchronous makes the primary wait for its standby at each commit.
func (p *pair) synchronous() {
	p.t.Helper()
	p.execute(p.primary, "ALTER SYSTEM SET synchronous_standby_names = '"+postgres.StandbyName+"'", "SELECT pg_reload_conf()")
	p.wait(p.primary, "for a synchronous standby", "SELECT EXISTS (SELECT FROM pg_stat_replication WHERE sync_state = 'sync')")
}

// replicated waits until the standby has all that the primary has committed, as it mostly has when
// replication is asynchronous.
func (p *pair) replicated() {
	p.t.Helper()
	end, err := look[string](p.t.Context(), p.primary, "SELECT pg_current_wal_lsn()::text")
	p.must(err)
	p.wait(p.standby, "for the standby to catch up", "SELECT pg_last_wal_receive_lsn() >= $1::pg_lsn", end)
}

// cut ends replication: what the primary commits from now on is lost with it.
func (p *pair) cut() {
	p.t.Helper()
	p.replicated()
	p.execute(p.standby, "ALTER SYSTEM SET primary_conninfo = ''", "SELECT pg_reload_conf()")
	p.wait(p.standby, "for the end of replication", "SELECT NOT EXISTS (SELECT FROM pg_stat_wal_receiver)")
}

// failOver kills the primary as its machine would die, and promotes the standby.
func (p *pair) failOver() {
	p.t.Helper()
	p.must(p.primary.Kill())
	p.must(p.standby.Promote(p.t.Context()))
}

// create makes jobs for the shard on the master.
func (p *pair) create(n int) {
	p.t.Helper()
	var jobs []admin.NewJob
	for i := range n {
		jobs = append(jobs, admin.NewJob{
			Name: fmt.Sprint("job ", i), Owner: "alice", ControlFile: "pass", Dependencies: []string{board}, MetaHosts: []string{board},
		})
	}
	_, err := p.people.CreateJobs(p.t.Context(), jobs...)
	p.must(err)
}

// arrive waits until so many jobs are on a server.
func (p *pair) arrive(server *postgres.Server, n int) {
	p.t.Helper()
	p.wait(server, "for jobs to arrive", "SELECT count(*) = $1 FROM afe_jobs", n)
}

// work lets the shard's scheduler take turns at a server until nothing is open there.
func (p *pair) work(server *postgres.Server, s *scheduler.Scheduler) {
	p.t.Helper()
	p.until("for the scheduler to finish all jobs", func(ctx context.Context) (bool, error) {
		if _, err := s.Turn(ctx); err != nil {
			return false, err
		}
		return look[bool](ctx, server, "SELECT NOT EXISTS (SELECT FROM afe_host_queue_entries WHERE NOT complete)")
	})
}

// scheduler is that of the shard, on one server.
func (p *pair) scheduler(server *postgres.Server) *scheduler.Scheduler {
	s, err := scheduler.New(p.pool(server), scheduler.Options{Seed: 1, FailShare: 0.2})
	p.must(err)
	return s
}

func (p *pair) pool(server *postgres.Server) *pgxpool.Pool {
	p.t.Helper()
	pool, err := pgxpool.New(p.t.Context(), server.URL(database))
	p.must(err)
	p.t.Cleanup(pool.Close)
	return pool
}

// converges lets the scheduler finish everything at a server and waits until the master agrees with
// it about so many jobs, all complete: none lost, none run twice.
func (p *pair) converges(server *postgres.Server, jobs int) {
	p.t.Helper()
	pool := p.pool(server)
	s, err := scheduler.New(pool, scheduler.Options{Seed: 2, FailShare: 0.2})
	p.must(err)
	p.until("for both sides to agree", func(ctx context.Context) (bool, error) {
		if work, err := s.Turn(ctx); err != nil || work.Open > 0 {
			return false, errors.Join(err, fmt.Errorf("%d entries are open", work.Open))
		}
		r, err := converge.Check(ctx, p.masterDB, []converge.Shard{{Hostname: hostname, DB: pool}}, afe.Protocol2019)
		if err != nil {
			return false, err
		}
		if r.Agree() && r.Lost == 0 && r.Jobs == jobs && r.Complete == r.Entries {
			return true, nil
		}
		return false, fmt.Errorf("last seen: %+v", *r)
	})
	half, err := look[int](p.t.Context(), server, "SELECT count(*) FROM afe_jobs AS j WHERE NOT EXISTS (SELECT FROM afe_host_queue_entries WHERE job_id = j.id)")
	if err != nil || half != 0 {
		p.t.Errorf("%d jobs without entries (%v)", half, err)
	}
}
