package search_test

import (
	"context"
	"fmt"
	"io"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"shardclient/runner/afe"
	"shardclient/runner/pgtest"
)

// For each kind of record for which the original master refuses the whole call: only that record is
// set aside, and everything else arrives.
func TestP6RefusedRecordHarmsOnlyItself(t *testing.T) {
	for _, c := range refusedRecords() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := newRefusing(t, c.protocol, refusedAmong)
			r.answer = c.answer
			for _, sql := range strings.Split(c.master, ";") {
				pgtest.Exec(t, r.master, sql)
			}
			r.beats(t, 60)
			if got := r.aside(t); sorted(got) != sorted(c.aside) || r.failed > c.failed {
				t.Errorf("set aside %q after %d failed beats, want %q after at most %d", got, r.failed, c.aside, c.failed)
			}
			if got := r.open(t); got != c.left {
				t.Errorf("%d entries are open on the master, want %d", got, c.left)
			}
			if rows := pgtest.Query[int64](t, r.shard, "SELECT count(*) FROM shard_client_suspects"); rows != 0 {
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
func boundOf(n int) int { return int(math.Ceil(math.Log2(float64(n)))) + 2 }

func TestP6FailedBeatsOfASearchAreBounded(t *testing.T) {
	const n = 500
	for _, bad := range []int64{1, 2, 250, 499, 500} {
		t.Run(fmt.Sprint(bad), func(t *testing.T) {
			t.Parallel()
			r := newRefusing(t, afe.Protocol2019, n)
			r.answer = func(w http.ResponseWriter, _ *http.Request, p packetSent) bool {
				return p.hasJob(bad) && html500(w)
			}
			r.beats(t, 40)
			if got, want := r.aside(t), fmt.Sprintf("job %d", bad); got != want || r.failed > boundOf(n+3) {
				t.Errorf("set aside %q after %d failed beats, want %q after at most %d", got, r.failed, want, boundOf(n+3))
			}
		})
	}
}

// A master that refuses everything, whatever is in the packet, fills no shard's quarantine.
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

// The state of the search is in the database: a new process for every beat finds the same record in
// as many beats.
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

// A record that is set aside is not sent in every packet. It is tried alone, after pauses that
// grow, and forgotten as soon as it passes.
func TestP6RefusedRecordIsTriedAgain(t *testing.T) {
	r := newRefusing(t, afe.Protocol2019, 10)
	pgtest.Exec(t, r.master, `UPDATE afe_host_queue_entries SET job_id = 1 WHERE job_id = 7`)
	pgtest.Exec(t, r.master, `DELETE FROM afe_jobs WHERE id = 7`)
	r.beats(t, 10)
	if got := r.aside(t); got != "job 7" {
		t.Fatalf("set aside: %q", got)
	}
	r.failed = 0
	r.beats(t, 1)
	if r.failed != 0 || !pgtest.Query[bool](t, r.shard, "SELECT shard_id IS NULL FROM afe_jobs WHERE id = 7") {
		t.Error("the record goes up before its time, or is taken for uploaded")
	}
	pause := func() time.Duration {
		return pgtest.Query[time.Duration](t, r.shard, "SELECT retry_at - last_seen FROM shard_client_quarantine WHERE direction = 'out'")
	}
	for _, want := range []time.Duration{time.Minute, 2 * time.Minute, 4 * time.Minute} {
		if got := pause(); got != want {
			t.Errorf("tried again after %s, want %s", got, want)
		}
		pgtest.Exec(t, r.shard, "UPDATE shard_client_quarantine SET retry_at = now()")
		if b := r.client.Beat(t.Context(), time.Now()); b.OK() {
			t.Error("the record was not tried")
		}
		r.beats(t, 1) // a beat without it comes next
	}
	for range 12 {
		pgtest.Exec(t, r.shard, "UPDATE shard_client_quarantine SET retry_at = now()")
		r.client.Beat(t.Context(), time.Now())
		r.beats(t, 1)
	}
	if got := pause(); got != 6*time.Hour {
		t.Errorf("the longest pause is %s, want 6 h", got)
	}
	pgtest.Exec(t, r.master, `INSERT INTO afe_jobs (id, created_on, shard_id) VALUES (7, now(), 1)`)
	pgtest.Exec(t, r.master, `UPDATE afe_host_queue_entries SET job_id = 7 WHERE id = 10007`)
	pgtest.Exec(t, r.shard, "UPDATE shard_client_quarantine SET retry_at = now()")
	r.beats(t, 3)
	if got := r.aside(t); got != "" || r.open(t) != 0 {
		t.Errorf("once the master has the job: set aside %q, %d entries open there", got, r.open(t))
	}
}

// A record that has changed is tried after a minute, whatever its pause has grown to.
func TestP6ChangedRecordIsTriedSooner(t *testing.T) {
	r := newRefusing(t, afe.Protocol2019, 10)
	pgtest.Exec(t, r.master, `DELETE FROM afe_host_queue_entries WHERE job_id = 7`)
	r.beats(t, 10)
	pgtest.Exec(t, r.shard, "UPDATE shard_client_quarantine SET retry_at = now() + interval '6 hours', last_seen = now() - interval '2 minutes'")
	r.failed = 0
	r.beats(t, 1)
	if r.failed != 0 {
		t.Error("a record that has not changed is tried before its time")
	}
	pgtest.Exec(t, r.shard, "UPDATE afe_host_queue_entries SET status = 'Failed' WHERE job_id = 7")
	pgtest.Exec(t, r.master, `INSERT INTO afe_host_queue_entries (id, job_id, status) VALUES (10007, 7, 'Queued')`)
	r.beats(t, 3)
	if got := r.aside(t); got != "" || r.open(t) != 0 {
		t.Errorf("set aside %q, %d entries open on the master", got, r.open(t))
	}
}

// A master that refuses everything in the middle of a search proves nothing by that.
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
	pgtest.Exec(t, r.shard, "UPDATE shard_client_quarantine SET retry_at = now()")
	r.beats(t, 5)
	if got := r.aside(t); got != "" || r.open(t) != 0 {
		t.Errorf("set aside %q, %d entries open, once it was tried again", got, r.open(t))
	}
}

// A record that was refused alone is not yet guilty: a sick master refuses it, too, and only when
// everything else passes is the record to blame.
func TestP6RefusedAloneIsNoProof(t *testing.T) {
	r := newRefusing(t, afe.Protocol2019, 10)
	calls := 0
	r.answer = func(w http.ResponseWriter, _ *http.Request, _ packetSent) bool {
		calls++
		return calls != 2 && html500(w) // the empty packet passes, which begins the search
	}
	for range 12 { // the seventh goes without the one that was refused alone
		r.client.Beat(t.Context(), time.Now())
	}
	if got := r.aside(t); got != "" || calls < 12 {
		t.Errorf("set aside %q after %d calls, while the master refuses everything", got, calls)
	}
	r.answer = nil
	r.beats(t, 20)
	if got := r.aside(t); got != "" || r.open(t) != 0 {
		t.Errorf("set aside %q, %d entries open, after the master is well again", got, r.open(t))
	}
}

// After a beat that failed, everything else has its turn before a record that was set aside:
// otherwise every beat could fail.
func TestP6TriedAgainOnlyAfterABeatThatPassed(t *testing.T) {
	r := newRefusing(t, afe.Protocol2019, 10)
	tried := false
	r.answer = func(w http.ResponseWriter, _ *http.Request, p packetSent) bool {
		tried = p.hasJob(7)
		return tried && html500(w)
	}
	r.beats(t, 12)
	pgtest.Exec(t, r.shard, "UPDATE shard_client_quarantine SET retry_at = now()")
	pgtest.Exec(t, r.shard, "UPDATE shard_client_heartbeats SET outcome = 'failed' WHERE id = (SELECT max(id) FROM shard_client_heartbeats)")
	if b := r.client.Beat(t.Context(), time.Now()); !b.OK() || tried {
		t.Errorf("the beat after a failed one tried the record again: %s", b.Error)
	}
	if r.client.Beat(t.Context(), time.Now()); !tried {
		t.Error("the beat after a good one did not try the record again")
	}
}

// A job that even alone is too large for the master is set aside like one that is refused; the
// others arrive.
func TestP6JobThatIsTooLargeEvenAlone(t *testing.T) {
	r := newRefusing(t, afe.Protocol2019, 6)
	r.answer = func(w http.ResponseWriter, _ *http.Request, p packetSent) bool {
		return p.hasJob(3) && tooLarge(w)
	}
	r.beats(t, 40)
	if got := r.aside(t); got != "job 3" || r.open(t) != 1 {
		t.Errorf("set aside %q, %d entries open on the master; want job 3 alone", got, r.open(t))
	}
}
