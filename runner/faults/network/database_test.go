package network

import (
	"net/http"
	"sync"
	"syscall"
	"testing"
	"time"

	"shardclient/runner/faults"
	"shardclient/runner/pgtest"
	"shardclient/runner/postgres"
	"shardclient/runner/wait"
)

// The network between the client and its database, each of toxiproxy's toxics once and more. What
// the client stores and what it acknowledges may be cut anywhere.
func TestNetworkToTheDatabase(t *testing.T) {
	t.Parallel()
	server := faults.StartServer(t, postgres.Options{TCP: true})
	ms := func(name string, n int) map[string]int { return map[string]int{name: n} }
	tests := []struct {
		name   string
		toxics []toxic
		size   int
		felt   []string
		slow   time.Duration
	}{
		{name: "Latency", toxics: both("latency", map[string]int{"latency": 10, "jitter": 5}), slow: 100 * time.Millisecond},
		{name: "Bandwidth", toxics: both("bandwidth", ms("rate", 400)), size: bulk, slow: 200 * time.Millisecond},
		{name: "ResetBeforeAnything", toxics: []toxic{up("reset_peer", nil)},
			felt: []string{"failure=database", "connection reset by peer"}},
		{name: "ResetInsteadOfAnAnswer", toxics: []toxic{down("reset_peer", nil)},
			felt: []string{"failure=database", "connection reset by peer"}},
		{name: "StatementCut", toxics: []toxic{up("limit_data", ms("bytes", 3000))}, felt: []string{"failure=database"}},
		{name: "AnswerCut", toxics: []toxic{down("limit_data", ms("bytes", 3000))},
			felt: []string{"failure=database", "unexpected EOF"}},
		{name: "SwallowedUntilClosed", toxics: []toxic{down("timeout", ms("timeout", 150))}, felt: []string{"failure=database"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r, p := newDatabaseRig(t, server)
			r.play(fault{begin: func() { p.change(tt.toxics...) }, end: p.heal, size: tt.size, felt: tt.felt, slow: tt.slow})
		})
	}
	t.Run("Down", func(t *testing.T) {
		t.Parallel()
		r, p := newDatabaseRig(t, server)
		r.play(fault{begin: p.cut, end: p.heal, felt: []string{"failure=database", "connection refused"}})
	})
	t.Run("BlackHole", func(t *testing.T) {
		t.Parallel()
		r, p := newDatabaseRig(t, server, bounded...)
		r.play(fault{
			begin: func() { p.poison(both("timeout", nil)...) }, end: p.heal,
			// Where it begins decides which wait ends first; that the lock's is among them is for
			// the next test.
			felt: []string{"failure=database", "timeout: "},
		})
	})
	t.Run("BlackHoleAndSIGTERM", func(t *testing.T) { testSilentDatabaseAndSIGTERM(t, server) })
	t.Run("SlowClose", func(t *testing.T) { testSlowClose(t, server) })
}

// bounded are the parameters of a database URL that bound every wait for a silent database to what
// a test can wait for. All else is quicker, on a busy machine too.
var bounded = []string{"statement_timeout", "8s", "connect_timeout", "8", "pool_ping_timeout", "8s"}

// newDatabaseRig is a shard whose client, started, reaches its database through a proxy only. The
// master is not what is slow.
func newDatabaseRig(t *testing.T, server *faults.Server, parameters ...string) (*rig, *proxy) {
	t.Helper()
	r := newRig(t, faults.Options{Server: server})
	p := newProxy(t, hostOf(t, r.s.DatabaseURL))
	r.run(long, "--database-url="+p.through(r.s.DatabaseURL, parameters...))
	return r, p
}

// The database falls silent while the master stores the upload: the acknowledge waits for an answer
// that never comes, on a connection that the other side keeps alive. Nobody but the client can end
// that, and a SIGTERM must.
func testSilentDatabaseAndSIGTERM(t *testing.T, server *faults.Server) {
	t.Parallel()
	r, p := newDatabaseRig(t, server, bounded...)
	r.create(3, 0)
	r.arrive()
	var once sync.Once
	r.l.Between(func(master http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
			answer, body := serve(master, q)
			if uploads(body) > 0 {
				once.Do(func() {
					p.poison(both("timeout", nil)...)
					r.client.Signal(syscall.SIGTERM)
					r.client.Says("stopping after the beat in hand")
				})
			}
			pass(w, answer)
		})
	})
	r.l.Work(r.s)
	if code := r.client.End(); code != 0 {
		t.Fatalf("shard-client ended with %d after SIGTERM", code)
	}
	r.feels("failure=database", "acknowledge ", "the database was silent for 10s, a quarter more than its statement_timeout")
	p.heal()
	r.run(long, "--database-url="+p.through(r.s.DatabaseURL, bounded...))
	r.recovers()
}

// The network hides from the server that a client was killed: its connections stay, and the lock
// with them. The next client says so and ends, as it must while it cannot know that the other is
// dead; once the network lets go, one gets the lock.
func testSlowClose(t *testing.T, server *faults.Server) {
	t.Parallel()
	r, p := newDatabaseRig(t, server)
	p.change(up("slow_close", map[string]int{"delay": 60_000}))
	r.create(3, 0)
	r.arrive()
	r.client.Kill()
	r.l.Work(r.s)
	again := "--database-url=" + p.through(r.s.DatabaseURL)
	r.run(long, again)
	r.client.Says("another shard-client holds the lock of this shard")
	if code := r.client.End(); code != 3 {
		t.Fatalf("the next client ended with %d, want 3", code)
	}
	p.heal()
	wait.Until(t, "the end of the killed client's sessions", func() bool {
		return pgtest.Query[int](t, r.s.DB, `SELECT count(*) FROM pg_stat_activity
			WHERE datname = current_database() AND application_name LIKE 'shard-client%'`) == 0
	})
	r.run(long, again)
	r.recovers()
}
