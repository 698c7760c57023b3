package search_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"shardclient/runner/afe"
	"shardclient/runner/pgtest"
	"shardclient/runner/shard"
)

// A flood of bad objects from the master pushes out no record that it refuses: the record would go
// into the next packet, and the search for it would begin again.
func TestP6P9AFloodOfBadObjectsPushesOutNoRefusedRecord(t *testing.T) {
	r := newRefusing(t, afe.Protocol2019, 10)
	r.client.Close(context.Background())
	o := options()
	o.QuarantineKeep = 5
	var err error
	if r.client, err = shard.NewClient(r.shard, r, o); err != nil {
		t.Fatal(err)
	}
	r.answer = func(w http.ResponseWriter, _ *http.Request, p packetSent) bool {
		return (p.hasJob(7) || p.hasJob(8)) && html500(w)
	}
	r.beats(t, 40)
	if got := r.aside(t); got != "job 7, job 8" {
		t.Fatalf("set aside %q", got)
	}
	refuses, first := r.answer, 100
	r.answer = func(w http.ResponseWriter, request *http.Request, p packetSent) bool {
		if refuses(w, request, p) {
			return true
		}
		var bad []string
		for id := range 40 {
			bad = append(bad, fmt.Sprintf(`{"id": %d, "hostname": 7}`, first+id))
		}
		first += 40
		_, _ = io.WriteString(w, `{"id": "jsonrpc", "error": null, "result": {"jobs": [], "suite_keyvals": [], "incorrect_host_ids": [], "hosts": [`+
			strings.Join(bad, ",")+`]}}`)
		return true
	}
	for range 3 {
		if b := r.client.Beat(t.Context(), time.Now()); !b.OK() || b.Quarantine.In != 5 || b.Quarantine.Out != 2 {
			t.Errorf("%s %s; in quarantine: %+v", b.Outcome, b.Error, b.Quarantine)
		}
	}
}

// The master sends a job, or a host, that it refuses: what comes is stored, and what was to go
// stays set aside.
func TestP6StoringAnObjectForgetsNoRefusedRecord(t *testing.T) {
	r := newRefusing(t, afe.Protocol2019, 10)
	r.answer = func(w http.ResponseWriter, _ *http.Request, p packetSent) bool {
		return (p.hasJob(7) || len(p.HostIDs) == 3) && html500(w)
	}
	r.beats(t, 40)
	const want = "host 3, job 7"
	if got := r.aside(t); got != want {
		t.Fatalf("set aside %q", got)
	}
	// The job's only entry is open again, so the master's answer changes nothing but its abort.
	pgtest.Exec(t, r.shard, "UPDATE afe_host_queue_entries SET complete = false WHERE job_id = 7")
	r.answer = func(w http.ResponseWriter, _ *http.Request, _ packetSent) bool {
		_, _ = io.WriteString(w, `{"id": "jsonrpc", "error": null, "result": {"suite_keyvals": [], "incorrect_host_ids": [],
			"hosts": [{"id": 3, "hostname": "h3", "status": "Ready", "shard": {"id": 1, "hostname": "`+ourShard+`"}}],
			"jobs": [{"id": 7, "owner": "o", "name": "j", "created_on": "2026-01-01T00:00:00", "dependency_labels": [], "jobkeyval_set": [],
				"shard": {"id": 1, "hostname": "`+ourShard+`"}, "hostqueueentry_set": [{"id": 10007, "status": "Queued", "aborted": true}]}]}}`)
		return true
	}
	if b := r.client.Beat(t.Context(), time.Now()); !b.OK() || b.Quarantined != 0 {
		t.Errorf("%s %s, %d set aside", b.Outcome, b.Error, b.Quarantined)
	}
	if !pgtest.Query[bool](t, r.shard, "SELECT aborted FROM afe_host_queue_entries WHERE job_id = 7") {
		t.Error("the job was not stored: this test shows nothing")
	}
	if got := r.aside(t); got != want {
		t.Errorf("set aside %q, want %q", got, want)
	}
}

// A host that was set aside is tried again after its pause, alone among those that are set aside,
// and waits longer if it is refused again. It is forgotten when it passes.
func TestP6RefusedHostIsTriedAgain(t *testing.T) {
	r := newRefusing(t, afe.Protocol2019, 10)
	bad := map[int64]bool{1: true, 3: true}
	r.answer = func(w http.ResponseWriter, _ *http.Request, p packetSent) bool {
		for _, id := range p.HostIDs {
			if bad[id] {
				return html500(w)
			}
		}
		return false
	}
	r.beats(t, 40)
	if got := r.aside(t); got != "host 1, host 3" || r.open(t) != 0 {
		t.Fatalf("set aside %q, %d entries open", got, r.open(t))
	}
	due := func() {
		pgtest.Exec(t, r.shard, "UPDATE shard_client_quarantine SET retry_at = now() WHERE object_id = 3")
	}
	known := func() string { return fmt.Sprint(r.sent.KnownHostIDs) }
	due()
	if b := r.client.Beat(t.Context(), time.Now()); b.OK() || known() != "[2 3]" {
		t.Errorf("host 3 was to be tried: ok %t, knew hosts %s", b.OK(), known())
	}
	if pause := pgtest.Query[time.Duration](t, r.shard, "SELECT retry_at - last_seen FROM shard_client_quarantine WHERE object_id = 3"); pause != 2*time.Minute {
		t.Errorf("refused again, it waits for %s; want 2m", pause)
	}
	r.beats(t, 1)
	if known() != "[2]" {
		t.Errorf("between the tries, hosts %s are known; want host 2 alone", known())
	}
	delete(bad, 3)
	due()
	if b := r.client.Beat(t.Context(), time.Now()); !b.OK() || known() != "[2 3]" {
		t.Errorf("host 3 was to pass: ok %t, knew hosts %s", b.OK(), known())
	}
	r.beats(t, 1)
	if got := r.aside(t); got != "host 1" || known() != "[2 3]" {
		t.Errorf("set aside %q, hosts %s are known", got, known())
	}
}

// A host that is under suspicion turns invalid, or goes, before its half is sent: the search ends.
func TestP6SuspectThatGoesEndsTheSearch(t *testing.T) {
	for name, goes := range map[string]string{
		"hosts turn invalid":   "UPDATE afe_hosts SET invalid = true WHERE id > 1",
		"hosts go":             "DELETE FROM afe_hosts WHERE id > 1",
		"all hosts go":         "DELETE FROM afe_hosts",
		"all jobs are settled": "UPDATE afe_jobs SET shard_id = 1",
		"a status not ASCII":   "UPDATE afe_hosts SET status = 'é'",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRefusing(t, afe.Protocol2019, 4)
			calls := 0
			r.answer = func(w http.ResponseWriter, _ *http.Request, _ packetSent) bool {
				calls++
				return calls == 1 && html500(w)
			}
			r.client.Beat(t.Context(), time.Now()) // refused: all are suspects
			r.client.Beat(t.Context(), time.Now()) // the empty packet passes
			pgtest.Exec(t, r.shard, goes)
			r.beats(t, 8)
			if n := pgtest.Query[int](t, r.shard, "SELECT count(*) FROM shard_client_suspects"); n != 0 || r.aside(t) != "" || r.failed != 0 {
				t.Errorf("%d suspects are left, set aside %q, %d beats failed", n, r.aside(t), r.failed)
			}
		})
	}
}

// A message that names an innocent record costs one failed beat, and that record goes up with the
// others as soon as the guilty one is known. One that names a record outside the packet costs none.
func TestP6MessageThatNamesTheWrongRecord(t *testing.T) {
	for name, message := range map[string]string{
		"another job":      "Job id=9 is assigned to shard (2). Cannot",
		"a job elsewhere":  "Job id=4711 is assigned to shard (2). Cannot",
		"an entry":         "Object with pk 10009 of type <class 'frontend.afe.models.HostQueueEntry'> does not exist",
		"a host":           "Host matching query does not exist. Lookup parameters were {'pk': 2}",
		"a host elsewhere": "Host matching query does not exist. Lookup parameters were {'pk': 4711}",
		"a host by name":   "User(chromeos-test) does not have access to h2",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRefusing(t, afe.Protocol2019, 20)
			r.answer = func(w http.ResponseWriter, _ *http.Request, p packetSent) bool {
				if !p.hasJob(7) {
					return false
				}
				_, _ = fmt.Fprintf(w, `{"result": null, "id": "jsonrpc", "error": {"name": "X", "traceback": "", "message": %q}}`, message)
				return true
			}
			r.beats(t, 40)
			most := boundOf(23) + 1
			if strings.Contains(message, "4711") {
				most--
			}
			if got := r.aside(t); got != "job 7" || r.open(t) != 1 || r.failed > most {
				t.Errorf("set aside %q, %d entries open, %d failed beats; want job 7 alone after at most %d", got, r.open(t), r.failed, most)
			}
			if known := fmt.Sprint(r.sent.KnownHostIDs); known != "[1 2 3]" {
				t.Errorf("hosts %s are known", known)
			}
		})
	}
}
