package failover

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/goleak"

	"shardclient/runner/afe"
	"shardclient/runner/lab"
	"shardclient/runner/lab/converge"
	"shardclient/runner/lab/scheduler"
	"shardclient/runner/master"
	"shardclient/runner/master/admin"
	"shardclient/runner/pgtest"
	"shardclient/schema"
)

const (
	hostname = "shard1.example"
	board    = "board:eve"
	database = "shard"

	// patience is for a machine that is busy with other things; nothing waits for it to pass.
	patience = 30 * time.Second
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(cleanup{pgtest.WithServer(m)}) }

type cleanup struct{ tests pgtest.M }

func (c cleanup) Run() int {
	code := c.tests.Run()
	if binaryDir != "" {
		_ = os.RemoveAll(binaryDir)
	}
	return code
}

var (
	binaryOnce = sync.OnceValues(buildBinary)
	binaryDir  string
)

// buildBinary makes the real program once for all tests.
func buildBinary() (path string, err error) {
	if binaryDir, err = os.MkdirTemp("", "shard-client-failover-"); err != nil {
		return "", err
	}
	path = filepath.Join(binaryDir, "shard-client")
	build := exec.Command("go", "build", "-buildvcs=false", "-o", path, "shardclient/runner/cmd/shard-client")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
}

// pair is a shard with a database of two servers, and its master.
type pair struct {
	t                *testing.T
	primary, standby *lab.Postgres
	desk             *desk
	masterDB         *pgxpool.Pool
	people           *admin.Admin
	client           *lab.Program
	log              string // its path
}

// newPair starts a primary and its standby, and a master with four hosts for the shard. The servers keep what they have
// committed when they are killed: the machine lives, so that nothing needs to be synced to disk.
func newPair(t *testing.T) *pair {
	t.Helper()
	p := &pair{t: t, masterDB: pgtest.Pool(t)}
	settings := map[string]string{"synchronous_commit": "on"}
	var err error
	if p.primary, err = lab.StartPostgres(t.Context(), lab.PostgresOptions{TCP: true, Settings: settings}); err != nil {
		t.Fatal(err)
	}
	p.stopAtEnd(p.primary)
	p.must(p.primary.CreateDatabase(t.Context(), database, "template1"))
	if _, err := schema.Up(t.Context(), p.primary.URL(database)); err != nil {
		t.Fatal(err)
	}
	if p.standby, err = lab.StartStandby(t.Context(), p.primary, lab.PostgresOptions{Settings: settings}); err != nil {
		t.Fatal(err)
	}
	p.stopAtEnd(p.standby)
	p.people = admin.New(p.masterDB)
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

func (p *pair) stopAtEnd(server *lab.Postgres) {
	p.t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			p.t.Error(err)
		}
	})
}

// url names several servers, in this order.
func (p *pair) url(more string, servers ...*lab.Postgres) string {
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

// command is a start of shard-client; its settings come from the environment, as an operator's do.
func (p *pair) command(databaseURL string, args ...string) *exec.Cmd {
	p.t.Helper()
	path, err := binaryOnce()
	p.must(err)
	cmd := exec.Command(path, args...)
	cmd.Env = append(lab.ProgramEnvironment(os.Environ()),
		"SHARD_CLIENT_DATABASE_URL="+databaseURL, "SHARD_CLIENT_SHARD_HOSTNAME="+hostname, "SHARD_CLIENT_MASTER="+p.desk.URL,
		"SHARD_CLIENT_USER=chromeos-test", "SHARD_CLIENT_HEARTBEAT_PAUSE=50ms", "SHARD_CLIENT_STARTUP_SPLAY=0",
		"SHARD_CLIENT_DRAIN_PAUSE=10ms", "SHARD_CLIENT_LOG_LEVEL=debug")
	return cmd
}

// run starts `shard-client run` and stops it at the end.
func (p *pair) run(databaseURL string) {
	p.t.Helper()
	dir := p.t.TempDir()
	p.log = filepath.Join(dir, "client.log")
	p.client = &lab.Program{Name: "client", LogDir: dir, Command: func() *exec.Cmd { return p.command(databaseURL, "run") }}
	p.must(p.client.Start())
	p.t.Cleanup(func() {
		p.client.Stop(patience)
		if p.t.Failed() {
			p.t.Logf("shard-client said:\n%s", strings.Join(p.said(), "\n"))
		}
	})
}

// said are the lines of the client.
func (p *pair) said() []string {
	p.t.Helper()
	text, err := os.ReadFile(p.log)
	p.must(err)
	return strings.Split(strings.TrimRight(string(text), "\n"), "\n")
}

// eventually asks until it is so.
func (p *pair) eventually(what string, so func(context.Context) (bool, error)) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), patience)
	defer cancel()
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	for {
		done, err := so(ctx)
		if done && err == nil {
			return
		}
		select {
		case <-ctx.Done():
			p.t.Fatalf("waited in vain: %s (%v)", what, err)
		case <-poll.C:
		}
	}
}

// query returns one value from one server, by a connection of its own: servers die here.
func query[T any](ctx context.Context, server *lab.Postgres, sql string, args ...any) (value T, err error) {
	conn, err := pgx.Connect(ctx, server.URL(database))
	if err != nil {
		return value, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	err = conn.QueryRow(ctx, sql, args...).Scan(&value)
	return value, err
}

// wait is eventually for a condition in a server's tables.
func (p *pair) wait(server *lab.Postgres, what, sql string, args ...any) {
	p.t.Helper()
	p.eventually(what, func(ctx context.Context) (bool, error) { return query[bool](ctx, server, sql, args...) })
}

// execute runs statements at one server, each by itself.
func (p *pair) execute(server *lab.Postgres, statements ...string) {
	p.t.Helper()
	conn, err := pgx.Connect(p.t.Context(), server.URL(database))
	p.must(err)
	defer conn.Close(context.Background())
	for _, sql := range statements {
		if _, err := conn.Exec(p.t.Context(), sql); err != nil {
			p.t.Fatalf("%s: %v", sql, err)
		}
	}
}

// synchronous makes the primary wait for its standby at each commit.
func (p *pair) synchronous() {
	p.t.Helper()
	p.execute(p.primary, "ALTER SYSTEM SET synchronous_standby_names = '"+lab.StandbyName+"'", "SELECT pg_reload_conf()")
	p.wait(p.primary, "for a synchronous standby", "SELECT EXISTS (SELECT FROM pg_stat_replication WHERE sync_state = 'sync')")
}

// replicated waits until the standby has all that the primary has committed, as it mostly has when replication is
// asynchronous.
func (p *pair) replicated() {
	p.t.Helper()
	end, err := query[string](p.t.Context(), p.primary, "SELECT pg_current_wal_lsn()::text")
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

// goesOn fails the test unless the client, which lost its server, beats again after at most two failures, which is two
// pauses; since is the number of lines that it had said before.
func (p *pair) goesOn(since int) {
	p.t.Helper()
	failed := 0
	p.eventually("for a heartbeat that succeeds", func(context.Context) (bool, error) {
		failed = 0
		for _, line := range p.said()[since:] {
			switch {
			case strings.Contains(line, `msg="heartbeat failed"`):
				failed++
			case strings.Contains(line, "msg=heartbeat "):
				return true, nil
			}
		}
		return false, nil
	})
	if failed > 2 {
		p.t.Errorf("%d heartbeats failed although the standby takes writes, want at most 2", failed)
	}
}

// count tells how many lines hold a text.
func (p *pair) count(since int, text string) int {
	p.t.Helper()
	return strings.Count(strings.Join(p.said()[since:], "\n"), text)
}

// mustSay fails the test unless one line holds all of the words.
func (p *pair) mustSay(since int, words ...string) {
	p.t.Helper()
	for _, line := range p.said()[since:] {
		missing := slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(line, word) })
		if !missing {
			return
		}
	}
	p.t.Errorf("no line with %q", words)
}

// await waits for a channel to close.
func (p *pair) await(closed <-chan struct{}) {
	p.t.Helper()
	select {
	case <-closed:
	case <-time.After(patience):
		p.t.Fatal("waited in vain for an upload")
	}
}

// password is the one that must not be shown.
func (p *pair) password() string {
	u, err := url.Parse(p.primary.URL(database))
	p.must(err)
	password, _ := u.User.Password()
	return password
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
func (p *pair) arrive(server *lab.Postgres, n int) {
	p.t.Helper()
	p.wait(server, "for jobs to arrive", "SELECT count(*) = $1 FROM afe_jobs", n)
}

// work lets the shard's scheduler take turns at a server until nothing is open there.
func (p *pair) work(server *lab.Postgres, s *scheduler.Scheduler) {
	p.t.Helper()
	p.eventually("for the scheduler to finish all jobs", func(ctx context.Context) (bool, error) {
		if _, err := s.Turn(ctx); err != nil {
			return false, err
		}
		return query[bool](ctx, server, "SELECT NOT EXISTS (SELECT FROM afe_host_queue_entries WHERE NOT complete)")
	})
}

// scheduler is that of the shard, on one server.
func (p *pair) scheduler(server *lab.Postgres) *scheduler.Scheduler {
	return scheduler.New(p.pool(server), scheduler.Options{Seed: 1, FailShare: 0.2})
}

func (p *pair) pool(server *lab.Postgres) *pgxpool.Pool {
	p.t.Helper()
	pool, err := pgxpool.New(p.t.Context(), server.URL(database))
	p.must(err)
	p.t.Cleanup(pool.Close)
	return pool
}

// converges lets the scheduler finish everything at a server and waits until the master agrees with it about so many
// jobs, all complete: none lost, none run twice.
func (p *pair) converges(server *lab.Postgres, jobs int) {
	p.t.Helper()
	pool := p.pool(server)
	s := scheduler.New(pool, scheduler.Options{Seed: 2, FailShare: 0.2})
	p.eventually("for both sides to agree", func(ctx context.Context) (bool, error) {
		if _, err := s.Turn(ctx); err != nil {
			return false, err
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
	half, err := query[int](p.t.Context(), server, "SELECT count(*) FROM afe_jobs AS j WHERE NOT EXISTS (SELECT FROM afe_host_queue_entries WHERE job_id = j.id)")
	if err != nil || half != 0 {
		p.t.Errorf("%d jobs without entries (%v)", half, err)
	}
}

// desk is the master behind a counter: what happens between the moment an upload is stored and its answer is the test's.
type desk struct {
	*httptest.Server
	mu     sync.Mutex
	stored func() // called once, when an upload with finished jobs is stored and not yet answered
}

func (p *pair) openDesk() {
	p.t.Helper()
	handler, err := master.New(p.masterDB, master.Options{Protocol: afe.Protocol2019})
	p.must(err)
	d := &desk{}
	d.Server = httptest.NewServer(d.between(handler))
	p.t.Cleanup(d.Close)
	p.desk = d
}

// between is the counter.
func (d *desk) between(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the client went away
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, r)
		if uploads(body) > 0 {
			d.mu.Lock()
			stored := d.stored
			d.stored = nil
			d.mu.Unlock()
			if stored != nil {
				stored()
			}
		}
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes())
	})
}

// uploads counts the finished jobs of a request.
func uploads(body []byte) int {
	var request struct {
		Params []struct {
			Jobs []json.RawMessage `json:"jobs"`
		} `json:"params"`
	}
	if json.Unmarshal(body, &request) != nil || len(request.Params) != 1 {
		return 0
	}
	return len(request.Params[0].Jobs)
}

// whenStored holds the answer to the next upload until the returned release is called; held is closed when it waits.
func (d *desk) whenStored() (held <-chan struct{}, release func()) {
	waits, goes := make(chan struct{}), make(chan struct{})
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stored = func() {
		close(waits)
		<-goes
	}
	return waits, sync.OnceFunc(func() { close(goes) })
}
