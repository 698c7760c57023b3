package ops

import (
	"log/slog"
	"os"
	"sync"
	"time"

	"shardclient/runner/beat"

	"github.com/cactus/go-statsd-client/v5/statsd"
)

const (
	// statsdQueue is how many beats may wait for a statsd host whose name takes its time to be
	// resolved; more are not sent.
	statsdQueue = 16
	// statsdLastWords is what the end of the program waits for what is queued.
	statsdLastWords = 500 * time.Millisecond
)

// Statsd sends what the original sent, under its names: PREFIX.shard_client.HOST.starts and so on.
// It never waits: a host that is down, or whose name nobody knows, costs lines and delays nothing.
// Each beat is sent over a socket of its own, so that a host that moves is found again. It is safe
// for concurrent use.
type Statsd struct {
	address, prefix string
	log             *slog.Logger
	queue           chan func(measured)
	end             sync.Once
	done            chan struct{}
}

// measured takes what a beat has measured.
type measured = statsd.Statter

// NewStatsd returns what sends to HOST:PORT until Close. In names, HOST is that of this machine, as
// in the original, with the dots that it has.
func NewStatsd(address, prefix string, log *slog.Logger) *Statsd {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	s := &Statsd{
		address: address, prefix: prefix + ".shard_client." + host, log: log,
		queue: make(chan func(measured), statsdQueue), done: make(chan struct{}),
	}
	go s.send()
	return s
}

// send sends what is queued. A host that cannot be resolved is told once, until it can be again.
func (s *Statsd) send() {
	defer close(s.done)
	told := false
	for tell := range s.queue {
		client, err := statsd.NewClientWithConfig(&statsd.ClientConfig{Address: s.address, Prefix: s.prefix})
		if err == nil {
			tell(client)
			err = client.Close()
		}
		if err != nil && !told {
			s.log.Warn("statsd is not reached; beats go on", "address", s.address, "error", err)
		}
		told = err != nil
	}
}

func (s *Statsd) add(tell func(measured)) {
	select {
	case s.queue <- tell:
	default: // the name is still being resolved
	}
}

// Count counts one event, such as "starts" or "uncaught_exceptions".
func (s *Statsd) Count(event string) {
	s.add(func(c measured) { _ = c.Inc(event, 1, 1) })
}

// Observe sends the figures of a beat that has just ended.
func (s *Statsd) Observe(r *beat.Report) {
	beat := *r
	s.add(func(c measured) { send(c, &beat) })
}

// send ignores errors: UDP tells of hardly any. Gauges are sizes and counts, at least 0: to statsd,
// a gauge of -5 is one that is lowered by 5.
func send(c measured, r *beat.Report) {
	gauge := func(name string, value int64) { _ = c.Gauge(name, max(value, 0), 1) }
	if r.RequestBytes > 0 {
		gauge("heartbeat.request_size", r.RequestBytes)
	}
	if r.ResponseBytes > 0 {
		gauge("heartbeat.response_size", r.ResponseBytes)
		gauge("hosts_received", int64(r.ReceivedHosts))
		gauge("jobs_received", int64(r.ReceivedJobs))
		gauge("suite_keyvals_received", int64(r.ReceivedKeyvals))
	}
	if r.Quarantined > 0 {
		_ = c.Inc("deserialization_failures", int64(r.Quarantined), 1)
	}
	if !r.OK() {
		_ = c.Inc("heartbeat_failures", 1, 1)
	}
	if r.Failure == "internal" { // the original ended at what is a failed beat here
		_ = c.Inc("uncaught_exceptions", 1, 1)
	}
	var whole time.Duration
	for phase, took := range r.Phases() {
		whole += took
		if phase == "apply" && r.ResponseBytes > 0 {
			_ = c.TimingDuration("process_heartbeat_response", took, 1)
		}
	}
	_ = c.TimingDuration("do_heartbeat", whole, 1)
}

// Close sends what is queued, for half a second at most.
func (s *Statsd) Close() {
	s.end.Do(func() { close(s.queue) })
	select {
	case <-s.done:
	case <-time.After(statsdLastWords):
	}
}
