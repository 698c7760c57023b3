package shard_test

import (
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"shardclient/runner/afe"
	"shardclient/runner/pgtest"
	"shardclient/runner/wait"
)

// An old request must have been dead when the whole packet left; when the answer comes it is too
// late for that.
func TestALateRequestOutlivesASlowAnswer(t *testing.T) {
	t.Parallel()
	// The steps before the wait must be over within the deadline: a machine that is too busy for
	// that gets a longer one.
	for deadline := 2 * time.Second; !outlivesASlowAnswer(t, deadline); deadline *= 2 {
		t.Logf("%s were too short here", deadline)
	}
}

// outlivesASlowAnswer reports false when the old request counted as dead too early to show
// anything.
func outlivesASlowAnswer(t *testing.T, deadline time.Duration) bool {
	t.Helper()
	pool := pgtest.Pool(t)
	o := options()
	o.RPCTimeout = deadline
	client := newClient(t, pool, nobody{}, o)
	const dead = "SELECT min(unsure_since) < now() - make_interval(secs => $1) FROM shard_client_packets"
	finish(t, pool, 1, "x")
	pgtest.Exec(t, pool, "UPDATE afe_host_queue_entries SET complete = false WHERE id = 12")
	if _, err := client.Pack(t.Context()); err != nil { // and is killed: the request waits in the master's queue
		t.Fatal(err)
	}
	pgtest.Exec(t, pool, "UPDATE afe_host_queue_entries SET complete = true WHERE id = 12")
	whole, err := client.Pack(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if pgtest.Query[bool](t, pool, dead, deadline.Seconds()) {
		return false
	}
	wait.Until(t, "the answer, which is slow", func() bool {
		return pgtest.Query[bool](t, pool, dead, deadline.Seconds()+0.1)
	})
	if err := client.Acknowledge(t.Context(), whole); err != nil {
		t.Fatal(err)
	}
	if again, err := client.Pack(t.Context()); err != nil || len(again.Packet.Jobs) != 1 {
		t.Errorf("the whole job is not uploaded once more: %v", err)
	}
	return true
}

// A completion that a late request undid is sent again although another entry of its job stays
// open.
func TestALateRequestIsMendedWhileAnEntryIsOpen(t *testing.T) {
	t.Parallel()
	pool, master := pgtest.Pool(t), newMaster(t)
	client := newClient(t, pool, wire(t, master, afe.Protocol2019), options())
	finish(t, pool, 1, "x")
	pgtest.Exec(t, pool, "INSERT INTO afe_host_queue_entries (id, job_id, status) VALUES (13, 1, 'Running')")
	pgtest.Exec(t, pool, "UPDATE afe_host_queue_entries SET complete = false WHERE id = 12")
	master.say(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "<html>no answer</html>")
	}))
	client.Beat(t.Context(), time.Now())
	pgtest.Exec(t, pool, "UPDATE afe_host_queue_entries SET complete = true WHERE id = 12")
	master.saysResult(result(nil, nil, nil))
	for _, want := range []int{1, 0} {
		if b := mustBeat(t, client); b.UploadedJobs != want {
			t.Errorf("uploaded %d jobs, want %d", b.UploadedJobs, want)
		}
	}
	pass(t, pool, 31*time.Minute)
	for _, want := range []int{1, 0} {
		if b := mustBeat(t, client); b.UploadedJobs != want {
			t.Errorf("once the late request must be dead: uploaded %d jobs, want %d", b.UploadedJobs, want)
		}
	}
}

// A retried request may have been stored before, and may wait to be stored again: its answer does
// not settle a job with an open entry.
func TestARetriedRequestIsNoClearAnswer(t *testing.T) {
	t.Parallel()
	pool, master := pgtest.Pool(t), newMaster(t)
	client := newClient(t, pool, wire(t, master, afe.Protocol2019), options())
	finish(t, pool, 1, "x")
	pgtest.Exec(t, pool, "UPDATE afe_host_queue_entries SET complete = false, status = 'Running' WHERE id = 12")
	calls := 0
	master.say(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if calls++; calls == 1 {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		_, _ = fmt.Fprintf(w, `{"result": %s, "error": null}`, result(nil, nil, nil))
	}))
	mustBeat(t, client)
	if pgtest.Query[bool](t, pool, "SELECT unsure_since IS NULL FROM shard_client_packets") {
		t.Error("a retried request settled the job")
	}
	pgtest.Exec(t, pool, "UPDATE afe_host_queue_entries SET complete = true, status = 'Completed' WHERE id = 12")
	if b := mustBeat(t, client); b.UploadedJobs != 1 {
		t.Errorf("uploaded %d jobs after the completion, want 1", b.UploadedJobs)
	}
	if b := mustBeat(t, client); b.UploadedJobs != 0 {
		t.Errorf("uploaded %d jobs before the lost request must be dead, want 0", b.UploadedJobs)
	}
	pass(t, pool, 31*time.Minute)
	if b := mustBeat(t, client); b.UploadedJobs != 1 {
		t.Errorf("uploaded %d jobs once the lost request must be dead, want 1", b.UploadedJobs)
	}
	if n := pgtest.Query[int](t, pool, "SELECT count(*) FROM shard_client_uploads"); n != 0 {
		t.Errorf("%d rows are left in the ledger", n)
	}
}

// A late request that says what the master has acknowledged meanwhile undoes nothing: its jobs are
// not uploaded once more, or an outage would upload a whole backlog twice.
func TestALateRequestThatSaysTheSameCostsNothing(t *testing.T) {
	t.Parallel()
	pool, master := pgtest.Pool(t), newMaster(t)
	client := newClient(t, pool, wire(t, master, afe.Protocol2019), options())
	finish(t, pool, 1, "x")
	finish(t, pool, 2, "x")
	pgtest.Exec(t, pool, "UPDATE afe_host_queue_entries SET complete = false WHERE id = 12")
	master.say(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "<html>no answer</html>")
	}))
	client.Beat(t.Context(), time.Now())
	master.saysResult(result(nil, nil, nil))
	for _, want := range []int{2, 0} {
		if b := mustBeat(t, client); b.UploadedJobs != want {
			t.Errorf("uploaded %d jobs, want %d", b.UploadedJobs, want)
		}
	}
	pass(t, pool, 31*time.Minute)
	if b := mustBeat(t, client); b.UploadedJobs != 0 {
		t.Errorf("once the late request must be dead: uploaded %d jobs, want 0", b.UploadedJobs)
	}
}
