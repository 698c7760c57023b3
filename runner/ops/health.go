package ops

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	"shardclient/runner/beat"
)

// Health tells whether a client still does its work. It is alive as long as it begins or ends something now and then;
// whether that succeeds is not its concern. An orchestrator kills what is not alive, and that mends a loop that hangs,
// but neither a master nor a database that is out of reach.
type Health struct {
	limit time.Duration

	mu     sync.Mutex
	doing  string
	since  time.Time
	report report
}

// report is what /healthz says. Texts of errors are left out: they may hold a part of an answer or of a row, and whoever
// asks here has not said who he is. Log and history have them.
type report struct {
	Status      string     `json:"status"` // alive, hanging
	Doing       string     `json:"doing"`
	Since       time.Time  `json:"since"`
	LimitS      float64    `json:"limit_s"` // of doing the same thing
	LastSuccess *time.Time `json:"last_success"`
	LastFailure *time.Time `json:"last_failure"`
	Failure     string     `json:"last_failure_class"`
	Failures    int        `json:"failures_in_a_row"`
}

// NewHealth returns the health of a client that has just started. It hangs when it does the same thing for longer than
// limit, which must be more than 0.
func NewHealth(limit time.Duration) (*Health, error) {
	if limit <= 0 {
		return nil, fmt.Errorf("ops: limit of the health is %v: want more than 0", limit)
	}
	h := &Health{limit: limit}
	h.Doing("start")
	return h, nil
}

// Doing notes what the client begins to do, in a word or two.
func (h *Health) Doing(doing string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.doing, h.since = doing, time.Now()
}

// Observe notes how a beat went that has just ended; the client now waits for the next one.
func (h *Health) Observe(b *beat.Report) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	h.doing, h.since = "pause", now
	if at := now.UTC().Truncate(time.Second); b.OK() {
		h.report.LastSuccess, h.report.Failures = &at, 0
	} else {
		h.report.LastFailure, h.report.Failure = &at, b.Failure
		h.report.Failures++
	}
}

// ServeHTTP answers 200 while the client is alive and 503 when it hangs.
func (h *Health) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	r, alive := h.now()
	body, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		panic(err) // times, numbers and plain strings
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if !alive {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_, _ = w.Write(append(body, '\n'))
}

func (h *Health) now() (r report, alive bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	r = h.report
	r.Doing, r.Since, r.LimitS = h.doing, h.since.UTC().Truncate(time.Second), h.limit.Seconds()
	if time.Since(h.since) > h.limit {
		r.Status = "hanging"
		return r, false
	}
	r.Status = "alive"
	return r, true
}
