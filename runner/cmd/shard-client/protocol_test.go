package main

import (
	"bytes"
	"net/http"
	"testing"

	"shardclient/runner/beat"
	"shardclient/runner/wait"
)

// master2015 refuses the statuses of hosts, as a master of 2015 does.
func master2015(_ int, body []byte) http.Handler {
	if bytes.Contains(body, []byte("known_host_statuses")) {
		return refuses("TypeError", "shard_heartbeat() got an unexpected keyword argument 'known_host_statuses'")
	}
	return answers(`{"hosts": [], "jobs": [], "suite_keyvals": []}`)
}

// A beat that meets a 2015 master falls back at once: it sends a second request, without the
// arguments that the master does not have.
func TestAutoFallsBackWithinOneBeat(t *testing.T) {
	t.Parallel()
	databaseURL, pool := database(t)
	finish(t, pool, 1, "x")
	m := masterThat(t, master2015)
	want := beat.Report{Outcome: "ok", UploadedJobs: 1, UploadedEntries: 2}
	e := invoke(once(m, databaseURL)...).want(t, exitOK)
	e.says(t, "master speaks another protocol", "protocol=2015")
	if got := e.result(t); counts(got) != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	requests := m.received()
	if len(requests) != 2 || requests[0].Statuses == nil || requests[1].Statuses != nil || len(requests[1].Jobs) != 1 {
		t.Fatalf("requests %+v, want two, the second without statuses", requests)
	}
	if bytes.Contains(requests[1].body, []byte("host_id\"")) || requests[1].path != "POST /afe/server/noauth/rpc/" {
		t.Errorf("second request to %s: %s", requests[1].path, requests[1].body)
	}
}

// A protocol that is set stays: the complaint of the master is an RPC error.
func TestPinnedProtocol(t *testing.T) {
	t.Parallel()
	databaseURL, _ := database(t)
	m := masterThat(t, master2015)
	got := invoke(once(m, databaseURL, "--protocol=2019")...).want(t, exitFailed).result(t)
	if got.Failure != "rpc_error" || len(m.received()) != 1 {
		t.Errorf("got %+v after %d requests, want rpc_error after one", got, len(m.received()))
	}
	invoke(once(m, databaseURL, "--protocol=2015")...).want(t, exitOK)
	if n := len(m.received()); n != 2 {
		t.Errorf("%d requests, want one more", n)
	}
}

// run remembers the protocol of the master, and notices that the master was upgraded.
func TestRunRemembersTheProtocol(t *testing.T) {
	t.Parallel()
	databaseURL, _ := database(t)
	m := masterThat(t, func(number int, body []byte) http.Handler {
		switch statuses := bytes.Contains(body, []byte("known_host_statuses")); {
		case number <= 4:
			return master2015(number, body)
		case !statuses:
			return refuses("AssertionError", "")
		}
		return answers(nothing)
	})
	p := startRun(t, m, databaseURL)
	wait.Until(t, "for the 7th request", func() bool { return len(m.received()) >= 7 })
	p.stop()
	for i, want := range []bool{true, false, false, false, false, true, true} {
		if got := m.received()[i].Statuses != nil; got != want {
			t.Errorf("request %d has statuses: %v, want %v", i+1, got, want)
		}
	}
}
