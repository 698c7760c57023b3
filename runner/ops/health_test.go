package ops

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"shardclient/runner/beat"
)

const hangLimit = 39 * time.Minute

// healthz reads the page as an orchestrator does.
func healthz(t *testing.T, h *Health) (status int, body string) {
	t.Helper()
	w := get(t, paths(someMetrics(), h, nil, slog.New(slog.DiscardHandler)), "/healthz")
	if kind := w.Header().Get("Content-Type"); kind != "application/json" {
		t.Errorf("content type %q", kind)
	}
	return w.Code, w.Body.String()
}

func alive(t *testing.T, h *Health, when string) {
	t.Helper()
	if status, body := healthz(t, h); status != http.StatusOK {
		t.Errorf("%s: status %d, want 200: %s", when, status, body)
	}
}

// Whatever the client does, it counts as hanging only when it stops going on.
func TestHealthIsThatTheLoopTurns(t *testing.T) {
	for _, tt := range []struct {
		doing string
		begin func(*Health) // nil: it has only started
	}{
		{"start", nil},
		{"wait for the database", func(h *Health) { h.Doing("wait for the database") }},
		{"beat", func(h *Health) { h.Doing("beat") }},
		{"pause", func(h *Health) { h.Doing("beat"); h.Observe(goodBeat()) }},
		{"pause", func(h *Health) { h.Doing("beat"); h.Observe(failed("transport")) }},
	} {
		synctest.Test(t, func(t *testing.T) {
			h := newHealth(hangLimit)
			if tt.begin != nil {
				<-time.After(hangLimit / 2)
				tt.begin(h)
			}
			<-time.After(hangLimit)
			alive(t, h, "at the limit of "+tt.doing)
			<-time.After(time.Second)
			status, body := healthz(t, h)
			var r struct{ Status, Doing string }
			err := json.Unmarshal([]byte(body), &r)
			if err != nil || status != http.StatusServiceUnavailable || r.Status != "hanging" || r.Doing != tt.doing {
				t.Errorf("past the limit of %s: status %d, want 503: %s", tt.doing, status, body)
			}
			h.Doing("beat")
			alive(t, h, "when it goes on")
		})
	}
}

// A restart does not mend the master, so a client lives through an outage of a week.
func TestAnOutageIsNoIllness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHealth(hangLimit)
		for range 7 * 24 * 2 {
			h.Doing("beat")
			<-time.After(30 * time.Minute) // every RPC runs into its deadline
			alive(t, h, "in a beat")
			h.Observe(failed("deadline"))
			<-time.After(time.Minute)
			alive(t, h, "between beats")
		}
	})
}

func TestHealthGolden(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHealth(hangLimit)
		text := func() string { _, body := healthz(t, h); return body }
		all := text()
		<-time.After(1500 * time.Millisecond)
		h.Observe(goodBeat())
		all += text()
		<-time.After(time.Minute)
		h.Doing("beat")
		<-time.After(time.Minute)
		h.Observe(failed("rpc_error"))
		<-time.After(hangLimit + time.Minute)
		all += text()
		golden(t, "healthz.txt", all)
	})
}

// Ready is a client whose last beat was ok.
func TestReady(t *testing.T) {
	h := newHealth(time.Hour)
	handler := paths(someMetrics(), h, nil, slog.New(slog.DiscardHandler))
	is := func(status int, text string) {
		t.Helper()
		if w := get(t, handler, "/readyz"); w.Code != status || !strings.Contains(w.Body.String(), text) {
			t.Errorf("status %d, %s; want %d and %s", w.Code, w.Body, status, text)
		}
	}
	h.Doing("wait for the database")
	is(503, "no beat of this process has ended yet: wait for the database")
	h.Recall(&beat.Past{LastSuccess: time.Now()}) // what another process did says nothing about this one
	is(503, `"ready": false`)
	h.Observe(goodBeat())
	is(200, `"ready": true`)
	h.Doing("beat")
	is(200, `"reason": ""`)
	h.Observe(failed("transport"))
	is(503, "the last beat failed: transport")
	h.Observe(goodBeat())
	is(200, `"ready": true`)
}
