package search_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"shardclient/runner/afe"
	"shardclient/runner/pgtest"
)

// outages are failures that say nothing about the records of a packet.
func outages() map[string]error {
	return map[string]error{
		"504":       &afe.Error{Class: afe.HTTPStatus, Status: http.StatusGatewayTimeout, Unsure: true},
		"refused":   &afe.Error{Class: afe.Transport, Err: &net.OpError{Op: "dial", Err: errors.New("connection refused")}},
		"page, 200": &afe.Error{Class: afe.Undecodable, Unsure: true},
	}
}

// However long an outage lasts, the first good beat after it knows all hosts and uploads, and the
// backlog is gone soon after. Nothing is set aside.
func TestP6TheFirstGoodBeatAfterAnOutageUploads(t *testing.T) {
	const jobs = 30
	for name, outage := range outages() {
		for _, beats := range []int{1, 6, 9, 10, 20} {
			t.Run(fmt.Sprintf("%s, %d beats", name, beats), func(t *testing.T) {
				t.Parallel()
				r := newRefusing(t, afe.Protocol2019, jobs)
				r.meets = func() error { return outage }
				for range beats {
					if b := r.client.Beat(t.Context(), time.Now()); b.OK() || b.Soon {
						t.Fatalf("a beat in the outage: ok %t, soon %t", b.OK(), b.Soon)
					}
				}
				r.meets = nil
				b := r.client.Beat(t.Context(), time.Now())
				if !b.OK() || b.UploadedJobs == 0 || b.KnownHosts != 3 {
					t.Errorf("the first good beat uploaded %d jobs and knew %d hosts; %s", b.UploadedJobs, b.KnownHosts, b.Error)
				}
				r.failed = 0
				r.beats(t, 20)
				if got := r.aside(t); got != "" || r.failed != 0 || r.open(t) != 0 {
					t.Errorf("set aside %q, %d failed beats, %d entries open", got, r.failed, r.open(t))
				}
				if n := pgtest.Query[int](t, r.shard, "SELECT count(*) FROM shard_client_suspects"); n != 0 {
					t.Errorf("%d suspects are left", n)
				}
			})
		}
	}
}

// The only job that waits is neither set aside nor held back for long.
func TestP6AnOutageWithOneJob(t *testing.T) {
	for beats := 1; beats <= 4; beats++ {
		t.Run(fmt.Sprintf("%d beats", beats), func(t *testing.T) {
			t.Parallel()
			r := newRefusing(t, afe.Protocol2019, 1)
			r.meets = func() error { return outages()["504"] }
			for range beats {
				r.client.Beat(t.Context(), time.Now())
			}
			r.meets = nil
			r.beats(t, 3)
			if got := r.aside(t); got != "" || r.open(t) != 0 || r.failed != 0 {
				t.Errorf("set aside %q, %d entries open, %d failed beats", got, r.open(t), r.failed)
			}
		})
	}
}

// A search that had begun before an outage, or whose empty packet meets it, convicts nobody, and is
// over soon after.
func TestP6AnOutageEndsWhatItMeets(t *testing.T) {
	for name, outage := range outages() {
		for _, begins := range []int{1, 2, 3, 4} {
			t.Run(fmt.Sprintf("%s, after %d beats", name, begins), func(t *testing.T) {
				t.Parallel()
				r := newRefusing(t, afe.Protocol2019, 30)
				calls := 0
				r.answer = func(w http.ResponseWriter, _ *http.Request, _ packetSent) bool {
					calls++
					return calls == 1 && html500(w)
				}
				for range begins {
					r.client.Beat(t.Context(), time.Now())
				}
				r.meets = func() error { return outage }
				for range 9 {
					r.client.Beat(t.Context(), time.Now())
				}
				r.meets = nil
				// The empty packet met the outage, so nothing is left of the search.
				if b := r.client.Beat(t.Context(), time.Now()); begins == 1 && b.UploadedJobs == 0 {
					t.Errorf("the first good beat uploaded nothing: %s", b.Error)
				}
				r.failed = 0
				r.beats(t, 20)
				if got := r.aside(t); got != "" || r.open(t) != 0 || r.failed != 0 {
					t.Errorf("set aside %q, %d entries open, %d failed beats", got, r.open(t), r.failed)
				}
			})
		}
	}
}

// Jobs that are too much for the master one by one are found, however many there are.
func TestP6ManyJobsThatAreTooLargeEvenAlone(t *testing.T) {
	r := newRefusing(t, afe.Protocol2019, 30)
	r.answer = func(w http.ResponseWriter, _ *http.Request, p packetSent) bool {
		for id := int64(3); id <= 8; id++ {
			if p.hasJob(id) {
				return tooLarge(w)
			}
		}
		return false
	}
	r.beats(t, 60)
	if got := r.aside(t); got != "job 3, job 4, job 5, job 6, job 7, job 8" || r.open(t) != 6 {
		t.Errorf("set aside %q, %d entries open on the master", got, r.open(t))
	}
}

// What a master says about the shard, or about the call, is about no record: no search begins, and
// each packet holds everything.
func TestP6AMasterThatDoesNotKnowTheShard(t *testing.T) {
	for name, exception := range map[string]string{
		"no such shard":  `"name": "DoesNotExist", "message": "Shard matching query does not exist. Lookup parameters were {'hostname': 'shard1.example'}"`,
		"two of a name":  `"name": "MultipleObjectsReturned", "message": "get() returned more than one Shard -- it returned 2! Lookup parameters were {'hostname': 'x'}"`,
		"no such method": `"name": "ServiceMethodNotFound", "message": "shard_heartbeat"`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRefusing(t, afe.Protocol2019, 20)
			r.answer = func(w http.ResponseWriter, _ *http.Request, _ packetSent) bool {
				_, _ = io.WriteString(w, `{"result": null, "id": "jsonrpc", "error": {"traceback": "", `+exception+`}}`)
				return true
			}
			for range 5 {
				if b := r.client.Beat(t.Context(), time.Now()); b.OK() || b.Soon || len(r.sent.Jobs) != 20 || len(r.sent.KnownHostIDs) != 3 {
					t.Errorf("ok %t, soon %t, %d jobs and %d hosts", b.OK(), b.Soon, len(r.sent.Jobs), len(r.sent.KnownHostIDs))
				}
				if n := pgtest.Query[int](t, r.shard, "SELECT count(*) FROM shard_client_suspects"); n != 0 {
					t.Errorf("%d suspects", n)
				}
			}
			r.answer = nil
			if b := r.client.Beat(t.Context(), time.Now()); b.UploadedJobs != 20 {
				t.Errorf("uploaded %d jobs with the first good beat", b.UploadedJobs)
			}
		})
	}
}

// A master that refuses whatever it is sent, in words that nobody has foreseen, is asked with empty
// packets, and with a whole one after ten of them. That is a class of its own, nothing is set
// aside, and the first packet that passes ends it.
func TestAMasterThatRefusesAll(t *testing.T) {
	r := newRefusing(t, afe.Protocol2019, 30)
	unknown := &afe.Error{Class: afe.RPC, RPC: &afe.RPCError{Name: "DoesNotExist", Message: "an invented text"}}
	r.meets = func() error { return unknown }
	var whole []int
	for n := range 26 {
		b := r.client.Beat(t.Context(), time.Now())
		if b.KnownHosts > 0 {
			whole = append(whole, n)
		}
		if want := map[bool]string{true: "rpc_error", false: "refuses_all"}[b.KnownHosts > 0]; b.Failure != want {
			t.Errorf("beat %d, with %d hosts: %s: %s; want %s", n, b.KnownHosts, b.Failure, b.Error, want)
		}
		if b.Failure == "refuses_all" && (b.Soon || !strings.Contains(b.Error, "an invented text; it refuses an empty packet, too")) {
			t.Errorf("beat %d: soon %t: %s", n, b.Soon, b.Error)
		}
	}
	if !slices.Equal(whole, []int{0, 11, 22}) {
		t.Errorf("whole packets in the beats %v, want the first and one after ten empty ones", whole)
	}
	r.meets = nil
	r.failed = 0
	r.beats(t, 20)
	if got := r.aside(t); got != "" || r.failed != 0 || r.open(t) != 0 {
		t.Errorf("set aside %q, %d failed beats, %d entries open", got, r.failed, r.open(t))
	}
}
