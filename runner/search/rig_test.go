package search_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/goleak"

	"shardclient/runner/afe"
	"shardclient/runner/master"
	"shardclient/runner/pgtest"
	"shardclient/runner/shard"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.WithServer(m)) }

const ourShard = "shard1.example"

// options are so large that no test reaches a limit.
func options() shard.Options {
	return shard.Options{
		ShardHostname: ourShard, Who: "test", RPCTimeout: 30 * time.Minute, StopTimeout: time.Second, LockTimeout: 500 * time.Millisecond,
		MaxUploadJobs: 1000, MaxUploadBytes: 16 << 20, ApplyChunk: 500, HistoryKeep: 1000, QuarantineKeep: 1000,
	}
}

// refusing is a reference master behind which a test can put its own refusals.
type refusing struct {
	master, shard *pgxpool.Pool
	client        *shard.Client
	sent          *afe.Packet // the last one
	wire          *afe.Client
	next          http.Handler
	// answer may answer instead of the master, and reports whether it did.
	answer func(w http.ResponseWriter, r *http.Request, p packetSent) bool
	failed int
	// meets returns the error that a call meets before any master sees it; nil: it meets none.
	meets func() error
}

// Heartbeat makes the rig the client's master, between the client and the wire.
func (r *refusing) Heartbeat(ctx context.Context, p *afe.Packet) (*afe.Response, error) {
	r.sent = p
	if r.meets != nil {
		if err := r.meets(); err != nil {
			return nil, err
		}
	}
	return r.wire.Heartbeat(ctx, p)
}

// Protocol is that of the wire.
func (r *refusing) Protocol() afe.Protocol { return r.wire.Protocol() }

type packetSent struct {
	HostIDs []int64 `json:"known_host_ids"`
	JobIDs  []int64 `json:"known_job_ids"`
	Jobs    []struct {
		ID int64 `json:"id"`
	} `json:"jobs"`
}

func (p packetSent) hasJob(id int64) bool {
	return slices.ContainsFunc(p.Jobs, func(j struct {
		ID int64 `json:"id"`
	}) bool {
		return j.ID == id
	})
}

// newRefusing makes a shard with three hosts and n finished jobs of one entry each, all known to
// the master.
func newRefusing(t *testing.T, protocol afe.Protocol, n int) *refusing {
	t.Helper()
	r := &refusing{master: pgtest.Pool(t), shard: pgtest.Pool(t)}
	for _, pool := range []*pgxpool.Pool{r.master, r.shard} {
		pgtest.Exec(t, pool, `INSERT INTO afe_shards (id, hostname) VALUES (1, $1), (2, 'other')`, ourShard)
		pgtest.Exec(t, pool, `INSERT INTO afe_users (login) VALUES ('chromeos-test')`)
		pgtest.Exec(t, pool, `INSERT INTO afe_hosts (id, hostname, leased, shard_id) SELECT i, 'h' || i, true, 1 FROM generate_series(1, 3) AS i`)
		pgtest.Exec(t, pool, `INSERT INTO afe_jobs (id, owner, name, created_on, shard_id) SELECT i, 'o', 'j', '2026-01-01', 1 FROM generate_series(1, $1::int) AS i`, n)
		pgtest.Exec(t, pool, `INSERT INTO afe_host_queue_entries (id, job_id, status) SELECT 10000 + i, i, 'Queued' FROM generate_series(1, $1::int) AS i`, n)
	}
	pgtest.Exec(t, r.shard, `UPDATE afe_host_queue_entries SET status = 'Completed', complete = true`)
	pgtest.Exec(t, r.shard, `UPDATE afe_jobs SET shard_id = NULL`)
	next, err := master.New(r.master, master.Options{Protocol: protocol})
	if err != nil {
		t.Fatal(err)
	}
	r.next = next
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	address, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	r.wire, err = afe.NewClient(afe.Options{
		Master: address, User: "chromeos-test", Protocol: protocol, Timeout: time.Minute,
		MaxResponseBytes: 64 << 20, UserAgent: "test",
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.wire.Close)
	r.client, err = shard.NewClient(r.shard, r, options())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.client.Close(context.Background()) })
	return r
}

func (r *refusing) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(request.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	var call struct {
		Params []packetSent `json:"params"`
	}
	if err := json.Unmarshal(body, &call); err != nil || len(call.Params) != 1 {
		http.Error(w, "no packet", http.StatusBadRequest)
		return
	}
	if r.answer != nil && r.answer(w, request, call.Params[0]) {
		return
	}
	request.Body = io.NopCloser(bytes.NewReader(body))
	r.next.ServeHTTP(w, request)
}

// beats runs beats until one is ok and wants no other soon, at most so many, and counts those that
// failed.
func (r *refusing) beats(t *testing.T, most int) {
	t.Helper()
	for range most {
		b := r.client.Beat(t.Context(), time.Now())
		if !b.OK() {
			r.failed++
		}
		if !b.Soon && b.OK() {
			return
		}
	}
	t.Fatalf("the beats do not come to an end within %d", most)
}

// aside lists what is set aside, as in "host 2, job 7".
func (r *refusing) aside(t *testing.T) string {
	t.Helper()
	return pgtest.Query[string](t, r.shard, `SELECT coalesce(string_agg(kind || ' ' || object_id, ', ' ORDER BY kind, object_id), '')
		FROM shard_client_quarantine WHERE direction = 'out'`)
}

func (r *refusing) open(t *testing.T) int64 {
	t.Helper()
	return pgtest.Query[int64](t, r.master, `SELECT count(*) FROM afe_host_queue_entries WHERE NOT complete`)
}

// tooLarge answers as a proxy before the master does when a body exceeds its limit.
func tooLarge(w http.ResponseWriter) bool {
	http.Error(w, "too large", http.StatusRequestEntityTooLarge)
	return true
}

func html500(w http.ResponseWriter) bool {
	w.WriteHeader(http.StatusInternalServerError)
	_, _ = io.WriteString(w, "<html><head><body>UnicodeEncodeError</body></html>")
	return true
}
