package shard_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/runner/afe"
	"shardclient/runner/master"
	"shardclient/runner/pgtest"
	"shardclient/runner/shard"
)

// refusing is a reference master behind which a test can put its own refusals.
type refusing struct {
	master, shard *pgxpool.Pool
	client        *shard.Client
	next          http.Handler
	// answer may answer instead of the master; it returns whether it did.
	answer func(w http.ResponseWriter, r *http.Request, p packetSent) bool
	failed int
}

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

// newRefusing makes a shard with n finished jobs, one entry each, and a host, all known to the master.
func newRefusing(t *testing.T, protocol afe.Protocol, n int) *refusing {
	t.Helper()
	r := &refusing{master: pgtest.Pool(t), shard: pgtest.Pool(t)}
	for _, pool := range []*pgxpool.Pool{r.master, r.shard} {
		exec(t, pool, `INSERT INTO afe_shards (id, hostname) VALUES (1, $1), (2, 'other')`, ourShard)
		exec(t, pool, `INSERT INTO afe_users (login) VALUES ('chromeos-test')`)
		exec(t, pool, `INSERT INTO afe_hosts (id, hostname, leased, shard_id) SELECT i, 'h' || i, true, 1 FROM generate_series(1, 3) AS i`)
		exec(t, pool, `INSERT INTO afe_jobs (id, owner, name, created_on, shard_id) SELECT i, 'o', 'j', '2026-01-01', 1 FROM generate_series(1, $1::int) AS i`, n)
		exec(t, pool, `INSERT INTO afe_host_queue_entries (id, job_id, status) SELECT 10000 + i, i, 'Queued' FROM generate_series(1, $1::int) AS i`, n)
	}
	exec(t, r.shard, `UPDATE afe_host_queue_entries SET status = 'Completed', complete = true`)
	exec(t, r.shard, `UPDATE afe_jobs SET shard_id = NULL`)
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
	wire := afe.NewClient(afe.Options{
		Master: address, User: "chromeos-test", Protocol: protocol, Timeout: time.Minute, MaxResponseBytes: 64 << 20, UserAgent: "test",
	})
	t.Cleanup(wire.Close)
	r.client = newClient(t, r.shard, wire, options())
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

// beats until no beat is to follow soon, at most so many, and counts those that failed.
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

// aside lists what is set aside, "job 7" by "job 7".
func (r *refusing) aside(t *testing.T) string {
	t.Helper()
	return query[string](t, r.shard, `SELECT coalesce(string_agg(kind || ' ' || object_id, ', ' ORDER BY kind, object_id), '') FROM shard_client_quarantine WHERE direction = 'out'`)
}

func (r *refusing) open(t *testing.T) int64 {
	t.Helper()
	return query[int64](t, r.master, `SELECT count(*) FROM afe_host_queue_entries WHERE NOT complete`)
}

func html500(w http.ResponseWriter) bool {
	w.WriteHeader(http.StatusInternalServerError)
	_, _ = io.WriteString(w, "<html><head><body>UnicodeEncodeError</body></html>")
	return true
}

// Each kind of record that the original master refuses the whole call for: it alone is set aside, all else arrives.
func TestP6RefusedRecordHarmsOnlyItself(t *testing.T) {
	const n = 40
	for _, c := range []struct {
		name     string
		protocol afe.Protocol
		master   string // makes the record bad there
		answer   func(http.ResponseWriter, *http.Request, packetSent) bool
		aside    string
		left     int64 // entries that stay open on the master
		failed   int   // at most
	}{
		{name: "unknown job", protocol: afe.Protocol2019, master: `DELETE FROM afe_host_queue_entries WHERE job_id = 7; DELETE FROM afe_jobs WHERE id = 7`, aside: "job 7", failed: 1},
		{name: "unknown entry", protocol: afe.Protocol2019, master: `DELETE FROM afe_host_queue_entries WHERE job_id = 7`, aside: "job 7", failed: 1},
		{name: "job of another shard", protocol: afe.Protocol2015, master: `UPDATE afe_jobs SET shard_id = 2 WHERE id = 7`, aside: "job 7", left: 1, failed: 1},
		{name: "two unknown jobs", protocol: afe.Protocol2019, master: `DELETE FROM afe_host_queue_entries WHERE job_id IN (7, 31); DELETE FROM afe_jobs WHERE id IN (7, 31)`, aside: "job 31, job 7", failed: 2},
		{name: "host status that ACLs forbid", protocol: afe.Protocol2019, master: `UPDATE afe_hosts SET status = 'Dead' WHERE id = 2`, aside: "host 2", failed: 1},
		{name: "host that is gone", protocol: afe.Protocol2019, master: `DELETE FROM afe_hosts WHERE id = 2`, aside: "host 2", failed: 1},
		{name: "unreadable, unnamed", protocol: afe.Protocol2019, aside: "job 7", left: 1, failed: boundOf(n + 3), answer: func(w http.ResponseWriter, _ *http.Request, p packetSent) bool {
			return p.hasJob(7) && html500(w)
		}},
		{name: "unnamed host", protocol: afe.Protocol2019, aside: "host 3", failed: boundOf(n + 3), answer: func(w http.ResponseWriter, _ *http.Request, p packetSent) bool {
			return slices.Contains(p.HostIDs, 3) && html500(w)
		}},
		{name: "three unreadable", protocol: afe.Protocol2019, aside: "job 1, job 8, job 9", left: 3, failed: 3 * boundOf(n+3), answer: func(w http.ResponseWriter, _ *http.Request, p packetSent) bool {
			return (p.hasJob(8) || p.hasJob(1) || p.hasJob(9)) && html500(w)
		}},
		{name: "a message that names the wrong record", protocol: afe.Protocol2019, aside: "job 7", left: 1, failed: boundOf(n+3) + 1, answer: func(w http.ResponseWriter, _ *http.Request, p packetSent) bool {
			if p.hasJob(7) {
				_, _ = io.WriteString(w, `{"result": null, "id": "jsonrpc", "error": {"name": "X", "traceback": "", "message": "Job id=9 is assigned to shard (2). Cannot"}}`)
			}
			return p.hasJob(7)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := newRefusing(t, c.protocol, n)
			r.answer = c.answer
			for _, sql := range strings.Split(c.master, ";") {
				exec(t, r.master, sql)
			}
			r.beats(t, 60)
			if got := r.aside(t); sorted(got) != sorted(c.aside) || r.failed > c.failed {
				t.Errorf("set aside %q after %d failed beats, want %q after at most %d", got, r.failed, c.aside, c.failed)
			}
			if got := r.open(t); got != c.left {
				t.Errorf("%d entries are open on the master, want %d", got, c.left)
			}
			if rows := query[int64](t, r.shard, "SELECT count(*) FROM shard_client_suspects"); rows != 0 {
				t.Errorf("%d suspects are left when the search is over", rows)
			}
		})
	}
}

func sorted(list string) string {
	parts := strings.Split(list, ", ")
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}

// boundOf is how many beats may fail for one bad record among n.
func boundOf(n int) int { return int(math.Ceil(math.Log2(float64(n)))) + 3 }

func TestP6FailedBeatsOfASearchAreBounded(t *testing.T) {
	const n = 500
	for _, bad := range []int64{1, 2, 250, 499, 500} {
		t.Run(fmt.Sprint(bad), func(t *testing.T) {
			t.Parallel()
			r := newRefusing(t, afe.Protocol2019, n)
			r.answer = func(w http.ResponseWriter, _ *http.Request, p packetSent) bool { return p.hasJob(bad) && html500(w) }
			r.beats(t, 40)
			if got, want := r.aside(t), fmt.Sprintf("job %d", bad); got != want || r.failed > boundOf(n+3) {
				t.Errorf("set aside %q after %d failed beats, want %q after at most %d", got, r.failed, want, boundOf(n+3))
			}
		})
	}
}

// A master that refuses everything, whatever is in the packet, empties nobody into the quarantine.
func TestP6SickMasterSetsNothingAside(t *testing.T) {
	for name, answer := range map[string]string{
		"unknown shard":  `{"result": null, "id": "jsonrpc", "error": {"name": "DoesNotExist", "traceback": "", "message": "Shard matching query does not exist. Lookup parameters were {'hostname': 'x'}"}}`,
		"unknown method": `{"result": null, "id": "jsonrpc", "error": {"name": "ServiceMethodNotFound", "traceback": "", "message": "shard_heartbeat"}}`,
		"names a job":    `{"result": null, "id": "jsonrpc", "error": {"name": "X", "traceback": "", "message": "Job id=3 is assigned to shard (2). Cannot"}}`,
		"page":           "",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRefusing(t, afe.Protocol2019, 20)
			r.answer = func(w http.ResponseWriter, _ *http.Request, _ packetSent) bool {
				if answer == "" {
					return html500(w)
				}
				_, _ = io.WriteString(w, answer)
				return true
			}
			soon := 0
			for range 12 {
				b := r.client.Beat(t.Context(), time.Now())
				if b.OK() {
					t.Fatal("the beat is ok")
				}
				if b.Soon {
					soon++
				}
			}
			if got := r.aside(t); got != "" {
				t.Errorf("set aside: %s", got)
			}
			if soon > 8 {
				t.Errorf("%d of 12 beats want the next one soon; a sick master is to be left alone", soon)
			}
			r.answer = nil
			r.beats(t, 20)
			if got := r.open(t); got != 0 || r.aside(t) != "" {
				t.Errorf("once the master is well: %d entries open there, set aside: %s", got, r.aside(t))
			}
		})
	}
}

// What is tried so far stands in the database: a new process for every beat finds the same record with as many beats.
func TestP6SearchSurvivesTheProcess(t *testing.T) {
	r := newRefusing(t, afe.Protocol2019, 60)
	r.answer = func(w http.ResponseWriter, _ *http.Request, p packetSent) bool { return p.hasJob(33) && html500(w) }
	failed := 0
	for range 30 {
		r.client.Close(context.Background())
		b := r.client.Beat(t.Context(), time.Now())
		if !b.OK() {
			failed++
		} else if !b.Soon {
			break
		}
	}
	if got := r.aside(t); got != "job 33" || failed > boundOf(63) || r.open(t) != 1 {
		t.Errorf("set aside %q after %d failed beats, %d entries open", got, failed, r.open(t))
	}
}

// What is set aside is not sent again and again, but is tried later, alone, with growing pauses, and at once forgotten
// when it passes.
func TestP6RefusedRecordIsTriedAgain(t *testing.T) {
	r := newRefusing(t, afe.Protocol2019, 10)
	exec(t, r.master, `UPDATE afe_host_queue_entries SET job_id = 1 WHERE job_id = 7`)
	exec(t, r.master, `DELETE FROM afe_jobs WHERE id = 7`)
	r.beats(t, 10)
	if got := r.aside(t); got != "job 7" {
		t.Fatalf("set aside: %q", got)
	}
	r.failed = 0
	r.beats(t, 1)
	if r.failed != 0 || !query[bool](t, r.shard, "SELECT shard_id IS NULL FROM afe_jobs WHERE id = 7") {
		t.Error("the record goes up before its time, or is taken for uploaded")
	}
	pause := func() time.Duration {
		return query[time.Duration](t, r.shard, "SELECT retry_at - last_seen FROM shard_client_quarantine WHERE direction = 'out'")
	}
	for _, want := range []time.Duration{time.Minute, 2 * time.Minute, 4 * time.Minute} {
		if got := pause(); got != want {
			t.Errorf("tried again after %s, want %s", got, want)
		}
		exec(t, r.shard, "UPDATE shard_client_quarantine SET retry_at = now()")
		if b := r.client.Beat(t.Context(), time.Now()); b.OK() {
			t.Error("the record was not tried")
		}
		r.beats(t, 1) // a beat without it comes next
	}
	for range 12 {
		exec(t, r.shard, "UPDATE shard_client_quarantine SET retry_at = now()")
		r.client.Beat(t.Context(), time.Now())
		r.beats(t, 1)
	}
	if got := pause(); got != 6*time.Hour {
		t.Errorf("the longest pause is %s, want 6 h", got)
	}
	exec(t, r.master, `INSERT INTO afe_jobs (id, created_on, shard_id) VALUES (7, now(), 1)`)
	exec(t, r.master, `UPDATE afe_host_queue_entries SET job_id = 7 WHERE id = 10007`)
	exec(t, r.shard, "UPDATE shard_client_quarantine SET retry_at = now()")
	r.beats(t, 3)
	if got := r.aside(t); got != "" || r.open(t) != 0 {
		t.Errorf("once the master has the job: set aside %q, %d entries open there", got, r.open(t))
	}
}

// A record that has changed is tried after a minute, whatever its pause has grown to.
func TestP6ChangedRecordIsTriedSooner(t *testing.T) {
	r := newRefusing(t, afe.Protocol2019, 10)
	exec(t, r.master, `DELETE FROM afe_host_queue_entries WHERE job_id = 7`)
	r.beats(t, 10)
	exec(t, r.shard, "UPDATE shard_client_quarantine SET retry_at = now() + interval '6 hours', last_seen = now() - interval '2 minutes'")
	r.failed = 0
	r.beats(t, 1)
	if r.failed != 0 {
		t.Error("a record that has not changed is tried before its time")
	}
	exec(t, r.shard, "UPDATE afe_host_queue_entries SET status = 'Failed' WHERE job_id = 7")
	exec(t, r.master, `INSERT INTO afe_host_queue_entries (id, job_id, status) VALUES (10007, 7, 'Queued')`)
	r.beats(t, 3)
	if got := r.aside(t); got != "" || r.open(t) != 0 {
		t.Errorf("set aside %q, %d entries open on the master", got, r.open(t))
	}
}

// The whole way is refused again in the middle of a search: nothing is proven by that.
func TestP6MasterThatFallsSickInASearch(t *testing.T) {
	r := newRefusing(t, afe.Protocol2019, 30)
	calls := 0
	r.answer = func(w http.ResponseWriter, _ *http.Request, p packetSent) bool {
		calls++
		return (calls == 1 || calls > 4 && calls < 12) && html500(w)
	}
	r.beats(t, 60)
	if got := r.aside(t); strings.Contains(got, ",") || r.open(t) > 1 {
		t.Errorf("set aside %q, %d entries open; want one innocent at most", got, r.open(t))
	}
	exec(t, r.shard, "UPDATE shard_client_quarantine SET retry_at = now()")
	r.beats(t, 5)
	if got := r.aside(t); got != "" || r.open(t) != 0 {
		t.Errorf("set aside %q, %d entries open, once it was tried again", got, r.open(t))
	}
}
