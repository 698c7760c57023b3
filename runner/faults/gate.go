package faults

import (
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

// Side says where in a round trip a fault strikes.
type Side int

const (
	Before Side = iota // the request has not been forwarded
	After              // it was answered, and the answer has not been relayed
)

func (s Side) String() string { return [...]string{"before", "after"}[s] }

// Verdict says what becomes of a round trip.
type Verdict int

const (
	GoOn Verdict = iota // relay it
	Cut                 // close its connection in both directions
)

// Step is a round trip of a shard-client, to its database or to the master.
type Step struct {
	Number     int // counted over all connections, from 1
	Connection int // which connection to the database, from 1; 0 means the master
	// What is the name of the statement in queries/, the SQL of a statement without a name, or one
	// of the constants below; of several that travel together, all in a row.
	What string
}

// together stands between the names of statements that travel together.
const together = ", "

// Has reports whether the step is, or holds, a statement.
func (s Step) Has(what string) bool { return slices.Contains(strings.Split(s.What, together), what) }

// Steps that are not statements.
const (
	StepStartup   = "startup" // of a connection; its end is no step
	StepCopyDone  = "copy done"
	StepCopyFail  = "copy fail"
	StepHeartbeat = "heartbeat" // the HTTP request
)

// Strike is called on both sides of each step and decides what becomes of it. It may kill the
// client. It may also wait; nothing moves on the connection meanwhile.
type Strike func(step Step, side Side) Verdict

// At returns a Strike that strikes on one side of the n-th step.
func At(n int, side Side, strike func() Verdict) Strike {
	return func(step Step, at Side) Verdict {
		if step.Number != n || at != side {
			return GoOn
		}
		return strike()
	}
}

// Once returns a Strike that strikes one time: on one side of the next step with that name.
func Once(what string, side Side, strike func() Verdict) Strike {
	var mu sync.Mutex
	struck := false
	return func(step Step, at Side) Verdict {
		mu.Lock()
		hit := !struck && step.Has(what) && at == side
		struck = struck || hit
		mu.Unlock()
		if !hit {
			return GoOn
		}
		return strike()
	}
}

// Gate stands on the wires of a shard-client. Through it a test reaches every step of a beat of the
// real program, which has no failpoints. It knows just enough of PostgreSQL's protocol to tell one
// round trip from the next.
type Gate struct {
	t           testing.TB
	listener    net.Listener
	network     string // of the database server behind it
	address     string // likewise
	databaseURL string
	running     sync.WaitGroup

	mu          sync.Mutex
	strike      Strike
	steps       []Step
	connections int
	open        map[net.Conn]bool
	closed      bool
}

// Gate puts a gate before the database of a shard and before the master. It ends with the test. The
// URL of the shard's database must lead through the server's socket, which asks for no password.
// The client must be started with --database-url=g.DatabaseURL().
func (l *Lab) Gate(s *Shard) *Gate {
	l.t.Helper()
	config, err := pgconn.ParseConfig(s.DatabaseURL)
	if err != nil {
		l.t.Fatal(err)
	}
	// t.TempDir contains the test's name: that may hold commas, which separate hosts in a URL, and
	// its path may be too long for a socket.
	directory, err := os.MkdirTemp("", "gate-")
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { _ = os.RemoveAll(directory) })
	g := &Gate{t: l.t, open: map[net.Conn]bool{}}
	g.network, g.address = pgconn.NetworkAddress(config.Host, config.Port)
	query := url.Values{"host": {directory}, "port": {strconv.Itoa(int(config.Port))}, "user": {config.User}}
	g.databaseURL = "postgres:///" + config.Database + "?" + query.Encode()
	socket := filepath.Join(directory, ".s.PGSQL."+strconv.Itoa(int(config.Port)))
	if g.listener, err = net.Listen("unix", socket); err != nil {
		l.t.Fatal(err)
	}
	g.running.Go(g.accept)
	l.t.Cleanup(g.close)
	l.Between(g.between)
	return g
}

// DatabaseURL returns the URL of the shard's database that leads through the gate.
func (g *Gate) DatabaseURL() string { return g.databaseURL }

// Strike starts to count steps from 1 again, and asks strike about each. With nil everything
// passes.
func (g *Gate) Strike(strike Strike) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.strike, g.steps = strike, nil
}

// Steps returns the steps since the last call of Strike.
func (g *Gate) Steps() []Step {
	g.mu.Lock()
	defer g.mu.Unlock()
	return append([]Step(nil), g.steps...)
}

// count numbers a step.
func (g *Gate) count(connection int, what string) Step {
	g.mu.Lock()
	defer g.mu.Unlock()
	step := Step{Number: len(g.steps) + 1, Connection: connection, What: what}
	g.steps = append(g.steps, step)
	return step
}

func (g *Gate) judge(step Step, side Side) Verdict {
	g.mu.Lock()
	strike := g.strike
	g.mu.Unlock()
	if strike == nil {
		return GoOn
	}
	return strike(step, side)
}

// between returns the gate before the master.
func (g *Gate) between(master http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		step := g.count(0, StepHeartbeat)
		if g.judge(step, Before) == Cut {
			panic(http.ErrAbortHandler)
		}
		answer := httptest.NewRecorder()
		master.ServeHTTP(answer, r)
		if g.judge(step, After) == Cut {
			panic(http.ErrAbortHandler)
		}
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes()) // a client that was killed reads nothing
	})
}

func (g *Gate) accept() {
	for {
		client, err := g.listener.Accept()
		if err != nil {
			return // closed
		}
		server, err := net.Dial(g.network, g.address)
		if err != nil {
			_ = client.Close() // the server is down: the client meets what it would meet there
			continue
		}
		g.mu.Lock()
		closed := g.closed
		g.open[client], g.open[server] = true, true
		g.connections++
		c := newRelay(g, g.connections, client, server)
		g.mu.Unlock()
		if closed {
			c.cut()
		}
		g.running.Go(c.up)
		g.running.Go(c.down)
	}
}

// forget drops connections that were closed.
func (g *Gate) forget(connections ...net.Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, c := range connections {
		delete(g.open, c)
	}
}

func (g *Gate) close() {
	_ = g.listener.Close()
	g.mu.Lock()
	g.closed = true
	for c := range g.open {
		_ = c.Close()
	}
	g.mu.Unlock()
	g.running.Wait()
}

// sqlcName matches the comment with which sqlc begins a statement.
var sqlcName = regexp.MustCompile(`^-- name: (\w+)`)

// nameOf returns the name that sqlc gave a statement; without one, the statement itself.
func nameOf(sql string) string {
	if found := sqlcName.FindStringSubmatch(sql); found != nil {
		return found[1]
	}
	return sql
}
