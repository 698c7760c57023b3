package shard_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/goleak"

	"shardclient/runner/afe"
	"shardclient/runner/beat"
	"shardclient/runner/pgtest"
	"shardclient/runner/shard"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.WithServer(m)) }

const ourShard = "shard1.example"

const simple = pgx.QueryExecModeSimpleProtocol

// options are small enough that a test can reach every limit, and large enough that none reaches
// one by accident.
func options() shard.Options {
	return shard.Options{
		ShardHostname: ourShard, Who: "test", RPCTimeout: 30 * time.Minute, StopTimeout: time.Second, LockTimeout: 2 * time.Second,
		MaxUploadJobs: 1000, MaxUploadBytes: 16 << 20, ApplyChunk: 500, HistoryKeep: 1000, QuarantineKeep: 1000,
	}
}

// scriptedMaster is a real HTTP server that gives a prepared answer and keeps the requests.
type scriptedMaster struct {
	*httptest.Server
	mu       sync.Mutex
	answer   http.Handler
	requests [][]byte
}

func newMaster(t testing.TB) *scriptedMaster {
	m := &scriptedMaster{}
	m.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("master: read request: %v", err)
		}
		m.mu.Lock()
		answer := m.answer
		m.requests = append(m.requests, body)
		m.mu.Unlock()
		answer.ServeHTTP(w, r)
	}))
	t.Cleanup(m.Close)
	return m
}

func (m *scriptedMaster) say(answer http.Handler) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.answer = answer
}

// saysResult answers with a result.
func (m *scriptedMaster) saysResult(result string) {
	m.say(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"result": `+result+`, "error": null, "id": "jsonrpc"}`)
	}))
}

func (m *scriptedMaster) last(t testing.TB) []byte {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.requests) == 0 {
		t.Fatal("the master was not called")
	}
	return m.requests[len(m.requests)-1]
}

func wire(t testing.TB, m *scriptedMaster, protocol afe.Protocol) *afe.Client {
	t.Helper()
	u, err := url.Parse(m.URL)
	if err != nil {
		t.Fatal(err)
	}
	c, err := afe.NewClient(afe.Options{
		Master: u, User: "chromeos-test", Protocol: protocol, Timeout: time.Minute,
		MaxResponseBytes: 64 << 20, UserAgent: "test",
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func newClient(t testing.TB, pool *pgxpool.Pool, master shard.Master, o shard.Options) *shard.Client {
	t.Helper()
	c, err := shard.NewClient(pool, master, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(context.Background()) })
	return c
}

// mustBeat fails the test unless the beat is ok.
func mustBeat(t testing.TB, c *shard.Client) beat.Report {
	t.Helper()
	b := c.Beat(t.Context(), time.Now())
	if !b.OK() {
		t.Fatalf("beat: %s: %s", b.Failure, b.Error)
	}
	return b
}

// empty deletes all rows but those of the lock. With it the cases of a table share a database and a
// client, whose sessions have then planned their statements. The client remembers nothing else from
// beat to beat.
func empty(t testing.TB, pool *pgxpool.Pool) {
	t.Helper()
	// In one statement, which looks at foreign keys when it is over.
	pgtest.Exec(t, pool, pgtest.Query[string](t, pool, `SELECT
			'WITH ' || string_agg(format('%1$I AS (DELETE FROM %1$I)', relname), ', ') || ' SELECT'
		FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
			AND relname NOT IN ('goose_db_version', 'shard_client_owner')`))
}

// letPass moves all that waits for a request to be dead back by an interval.
const letPass = `WITH packets AS (UPDATE shard_client_packets SET unsure_since = unsure_since - $1::text::interval)
	UPDATE shard_client_uploads SET unsure_since = unsure_since - $1::text::interval`

// pass lets time pass for the requests that may still be stored late.
func pass(t *testing.T, pool *pgxpool.Pool, d time.Duration) {
	t.Helper()
	pgtest.Exec(t, pool, letPass, d.String())
}
