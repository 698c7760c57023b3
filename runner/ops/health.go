package ops

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	"shardclient/runner/beat"
)

// Health answers whether a client still works. A client is alive as long as it begins or ends
// something now and then; whether that succeeds does not matter here. An orchestrator kills what is
// not alive: that mends a loop that hangs, but neither a master nor a database that is out of
// reach. It is safe for concurrent use.
type Health struct {
	limit time.Duration
	told  func(status HealthStatus, turned bool)

	mu     sync.Mutex
	status HealthStatus // without Status and LimitS
	beaten bool         // a beat of this process has ended
}

// ReadyStatus is the JSON of /readyz; its names are a contract.
type ReadyStatus struct {
	// Ready reports whether the last beat of this process was ok.
	Ready bool `json:"ready"`
	// Reason is why it is not ready; "" when it is.
	Reason string `json:"reason"`
}

// HealthStatus is the JSON of /healthz; its names are a contract. Texts of errors are left out:
// they may hold a part of an answer or of a row, and the page is open to everyone. Log and history
// have them.
type HealthStatus struct {
	// Status is "alive" or "hanging".
	Status string `json:"status"`
	// Doing is what the client does, in a word or two, and Since when it began that, in UTC.
	Doing string    `json:"doing"`
	Since time.Time `json:"since"`
	// LimitS is for how many seconds the client may do the same thing.
	LimitS float64 `json:"limit_s"`
	// NextBeat is when the next beat begins; null: one is under way, or none is planned yet.
	NextBeat *time.Time `json:"next_beat"`
	// LastSuccess and LastFailure are when beats ended, before the start of this process too; null:
	// none is known.
	LastSuccess *time.Time `json:"last_success"`
	LastFailure *time.Time `json:"last_failure"`
	// Failure is the class of the last failure.
	Failure string `json:"last_failure_class"`
	// Failures counts the failures since the last success.
	Failures int `json:"failures_in_a_row"`

	hint string // what to do about it, for the service manager
}

const (
	statusAlive   = "alive"
	statusHanging = "hanging"
)

// HangsAfter returns the limit for [NewHealth]: longer than anything that a client does while it
// works well. That is a beat that takes all its time, and the longest pause, which is the one after
// an outage: the pause with its jitter, a splay, and the time of a request that was given up.
func HangsAfter(pause, splay, beat time.Duration) time.Duration {
	return 3*pause + splay + beat + time.Minute
}

// NewHealth returns the health of a client that has just started. The client hangs when it does the
// same thing for longer than limit, which must be more than 0.
func NewHealth(limit time.Duration) (*Health, error) {
	if limit <= 0 {
		return nil, fmt.Errorf("ops: limit of the health is %v: want more than 0", limit)
	}
	h := &Health{limit: limit, told: func(HealthStatus, bool) {}}
	h.Doing("start")
	return h, nil
}

// Tell has each change told, in order; turned says that the client has begun or ended something. It
// is called before the client begins.
func (h *Health) Tell(told func(status HealthStatus, turned bool)) { h.told = told }

// Doing notes what the client begins to do now, in a word or two.
func (h *Health) Doing(doing string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.status.Doing, h.status.Since, h.status.NextBeat = doing, time.Now(), nil
	h.told(h.status, true)
}

// Advise notes what to do about what keeps the client from its first beat; "": nothing.
func (h *Health) Advise(hint string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.status.hint = hint
}

// Waits notes when the next beat begins.
func (h *Health) Waits(next time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.status.NextBeat = second(next)
	h.told(h.status, false)
}

// Recall notes what is known of the beats before the start of this process.
func (h *Health) Recall(p *beat.Past) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := &h.status
	s.LastSuccess, s.LastFailure = second(p.LastSuccess), second(p.LastFailure)
	s.Failure, s.Failures = p.Failure, p.Failures
}

// Observe notes how a beat went that has just ended. The client now waits for the next one.
func (h *Health) Observe(b *beat.Report) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	s := &h.status
	h.beaten = true
	s.Doing, s.Since, s.hint = "pause", now, b.Hint
	if b.OK() {
		s.LastSuccess, s.Failures = second(now), 0
	} else {
		s.LastFailure, s.Failure = second(now), b.Failure
		s.Failures++
	}
	h.told(*s, true)
}

// second returns a time as the page shows it; nil for the zero time.
func second(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC().Truncate(time.Second)
	return &t
}

// ServeHTTP answers 200 while the client is alive and 503 when it hangs.
func (h *Health) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	status := h.Status()
	show(w, status, status.Status == statusAlive)
}

// serveReady answers 200 when the last beat of this process was ok: it has the lock, the database
// and the master. Before the first beat, and while beats fail, it is 503.
func (h *Health) serveReady(w http.ResponseWriter, _ *http.Request) {
	h.mu.Lock()
	var status ReadyStatus
	switch {
	case !h.beaten:
		status.Reason = "no beat of this process has ended yet: " + h.status.Doing
	case h.status.Failures > 0:
		status.Reason = "the last beat failed: " + h.status.Failure
	default:
		status.Ready = true
	}
	h.mu.Unlock()
	show(w, status, status.Ready)
}

func show(w http.ResponseWriter, status any, good bool) {
	body, err := json.MarshalIndent(status, "", "  ")
	if err != nil {
		panic(err) // times, numbers and plain strings
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if !good {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_, _ = w.Write(append(body, '\n'))
}

// Status returns what /healthz shows.
func (h *Health) Status() HealthStatus {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.status
	s.Status, s.LimitS = statusAlive, h.limit.Seconds()
	if time.Since(s.Since) > h.limit {
		s.Status = statusHanging
	}
	s.Since = s.Since.UTC().Truncate(time.Second)
	return s
}
