package ops

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
	"unicode/utf8"

	"shardclient/runner/beat"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"
)

// phaseBuckets reach from the phases of an idle beat, a few milliseconds, to the default deadline
// of the RPC, in seconds. An RPC that ran into that deadline took a moment longer, so it is counted
// apart, above the last bucket.
var phaseBuckets = []float64{.001, .003, .01, .03, .1, .3, 1, 3, 10, 30, 60, 120, 300, 600, 1200, 1800}

// scrapesInFlight bounds the cost of impatient scrapers; a Prometheus server sends one request at a
// time.
const scrapesInFlight = 4

// MetricsOptions are the facts that are known before the first beat. All are required but
// LostLines and Deaths.
type MetricsOptions struct {
	// Version is that of the binary.
	Version string
	// SchemaVersion is the number of the newest migration in the binary.
	SchemaVersion int64
	// Failures are all classes of failure. Each has its series from the start, because a rate does
	// not count the failure with which a series begins.
	Failures []string
	// UploadLimit is how much the first packet may hold.
	UploadLimit beat.Batch
	// LostLines returns how many lines of the log were lost so far; nil: none ever is.
	LostLines func() int64
	// Deaths returns how often this client died of a cause, before this process, too; nil: nobody
	// counts.
	Deaths func(cause string) int64
}

// Metrics are the numbers of one run, in registries of their own. Every series is there from the
// start, and no label takes a value from outside. It is safe for concurrent use.
type Metrics struct {
	// registry has what beats are counted in. whole is held while one is counted and while all of
	// it is read: a scrape in the middle would say that the last success is later than the last
	// beat.
	registry *prometheus.Registry
	whole    sync.RWMutex
	// others has what asks the operating system or a file, for which no beat is to wait.
	others *prometheus.Registry

	beats  *prometheus.CounterVec
	phases *prometheus.HistogramVec

	lastBeat, lastSuccess, failures prometheus.Gauge

	knownJobs, knownHosts, pendingJobs           prometheus.Gauge
	uploadedJobs, uploadedEntries                prometheus.Counter
	repeated, ofAnother                          prometheus.Counter
	receivedHosts, receivedJobs, receivedKeyvals prometheus.Counter

	quarantined           prometheus.Counter
	quarantine            *prometheus.GaugeVec
	waitingForHost        prometheus.Gauge
	takenIDs              prometheus.Gauge
	limitJobs, limitBytes prometheus.Gauge

	packets                     *prometheus.CounterVec
	requestBytes, responseBytes prometheus.Gauge
	lockWaits, leftLocked       prometheus.Counter
	ages                        *ages
}

// check returns an error that names the first field that would make a metric panic or lie.
func (o *MetricsOptions) check() error {
	switch {
	case o.Version == "" || !utf8.ValidString(o.Version):
		return fmt.Errorf("ops: MetricsOptions.Version is %q: want the version of the binary", o.Version)
	case o.SchemaVersion <= 0:
		return fmt.Errorf("ops: MetricsOptions.SchemaVersion is %d: want at least 1", o.SchemaVersion)
	case len(o.Failures) == 0:
		return errors.New("ops: MetricsOptions.Failures is empty: want every class of failure")
	case o.UploadLimit.Jobs <= 0:
		return fmt.Errorf("ops: MetricsOptions.UploadLimit.Jobs is %d: want at least 1", o.UploadLimit.Jobs)
	case o.UploadLimit.Bytes <= 0:
		return fmt.Errorf("ops: MetricsOptions.UploadLimit.Bytes is %d: want at least 1", o.UploadLimit.Bytes)
	}
	return nil
}

// NewMetrics returns the metrics of a client that has not beaten yet. The error names the first
// option that is missing.
func NewMetrics(o MetricsOptions) (*Metrics, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	registry, others := prometheus.NewRegistry(), prometheus.NewRegistry()
	others.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		deathCounts{o.Deaths},
	)
	registrar{promauto.With(others)}.counterOf("log_lines_lost_total",
		"Lines that could not be written to stderr or to the log file.", o.LostLines)
	r := registrar{promauto.With(registry)}
	build := r.gauges("build_info", "Always 1; the labels name the version of the binary and that of its schema.",
		"version", "schema_version")
	build.WithLabelValues(o.Version, strconv.FormatInt(o.SchemaVersion, 10)).Set(1)
	m := &Metrics{registry: registry, others: others, ages: newAges()}
	registry.MustRegister(m.ages)
	m.registerBeats(r, o.Failures)
	m.registerCounts(r)
	m.registerWire(r)
	m.limitJobs.Set(float64(o.UploadLimit.Jobs))
	m.limitBytes.Set(float64(o.UploadLimit.Bytes))
	return m, nil
}

func (m *Metrics) registerBeats(r registrar, failures []string) {
	m.beats = r.counters("beats_total", "Beats that ended, by outcome and class of failure.", "outcome", "failure")
	m.beats.WithLabelValues(beat.OutcomeOK, "")
	for _, class := range failures {
		m.beats.WithLabelValues(beat.OutcomeFailed, class)
	}
	m.phases = r.NewHistogramVec(prometheus.HistogramOpts{
		Name:    namespace + "beat_phase_duration_seconds",
		Help:    "Time of the phases of beats; phases that a failed beat did not reach are left out.",
		Buckets: phaseBuckets,
	}, []string{"phase"})
	for phase := range (&beat.Report{}).Phases() {
		m.phases.WithLabelValues(phase)
	}
	m.lastBeat = r.gauge("last_beat_timestamp_seconds", "When the last beat ended, ok or not; 0: none is known.")
	m.lastSuccess = r.gauge("last_success_timestamp_seconds",
		"When the last beat that was ok ended; 0: none is known.")
	m.failures = r.gauge("consecutive_failures",
		"Beats that failed since the last one that was ok.")
}

func (m *Metrics) registerCounts(r registrar) {
	m.knownJobs = r.gauge("known_jobs", "Known job ids in the last packet.")
	m.knownHosts = r.gauge("known_hosts", "Known host ids in the last packet.")
	m.pendingJobs = r.gauge("pending_jobs",
		"Finished jobs that still waited for their upload after the last beat that sent a packet.")
	m.uploadedJobs = r.counter("uploaded_jobs_total", "Finished jobs uploaded and acknowledged.")
	m.uploadedEntries = r.counter("uploaded_entries_total", "Entries of those jobs.")
	m.repeated = r.counter("uploads_without_progress_total",
		"Finished jobs that the master answered, as often before, and that are to be uploaded again.")
	m.ofAnother = r.counter("jobs_of_another_client_total",
		"Finished jobs uploaded once more because another client had acknowledged them.")
	m.receivedHosts = r.counter("received_hosts_total", "Hosts received from the master, bad ones included.")
	m.receivedJobs = r.counter("received_jobs_total", "Jobs received from the master, bad ones included.")
	m.receivedKeyvals = r.counter("received_keyvals_total",
		"Suite keyvals received from the master, bad ones included.")
	m.quarantined = r.counter("quarantined_total",
		"Objects that beats set aside; one that stays bad counts in every beat it comes in.")
	m.quarantine = r.gauges("quarantine_objects",
		"Objects in quarantine after the last recorded beat, by direction.", "direction")
	m.waitingForHost = r.gauge("quarantine_waiting_for_host",
		"Jobs among the objects in quarantine that only wait for a host of theirs to arrive.")
	m.takenIDs = r.gauge("taken_ids",
		"Jobs and hosts here that are not sent, because the master has given their id to another one.")
	m.setQuarantine(beat.Quarantine{})
	m.limitJobs = r.gauge("upload_limit_jobs", "Finished jobs that one beat may upload at present.")
	m.limitBytes = r.gauge("upload_limit_bytes", "Size that the body of a request may have at present.")
}

func (m *Metrics) registerWire(r registrar) {
	m.packets = r.counters("packets_total", "Packets sent, by the version of the protocol in which they were written.", "protocol")
	for _, protocol := range protocols {
		m.packets.WithLabelValues(protocol)
	}
	m.requestBytes = r.gauge("request_bytes", "Size of the body of the last request.")
	m.responseBytes = r.gauge("response_bytes", "Size of the last answer that could be read.")
	m.lockWaits = r.counter("lock_waits_total",
		"Times that a step of a beat waited because another session had locked rows that it needed.")
	m.leftLocked = r.counter("left_locked_total",
		"Objects left for a later beat because another session kept its locks; 1 for a whole table.")
}

// protocols are the values of the label of packets_total.
var protocols = []string{"2015", "2019"}

// Recall shows what is known of the beats before the start of this process. Counters stay at 0.
func (m *Metrics) Recall(p *beat.Past) {
	m.whole.Lock()
	defer m.whole.Unlock()
	set := func(gauge prometheus.Gauge, at time.Time) {
		if !at.IsZero() {
			gauge.Set(float64(at.UnixMilli()) / 1000)
		}
	}
	set(m.lastSuccess, p.LastSuccess)
	set(m.lastBeat, p.LastBeat())
	m.failures.Set(float64(p.Failures))
	m.knownJobs.Set(float64(p.KnownJobs))
	m.knownHosts.Set(float64(p.KnownHosts))
	m.pendingJobs.Set(float64(p.Pending))
	m.setQuarantine(p.Quarantine)
	m.limitJobs.Set(float64(p.Batch.Jobs))
	m.limitBytes.Set(float64(p.Batch.Bytes))
}

// Observe counts a beat that has just ended.
func (m *Metrics) Observe(r *beat.Report) {
	m.whole.Lock()
	defer m.whole.Unlock()
	now := float64(time.Now().UnixMilli()) / 1000
	m.lastBeat.Set(now)
	if r.OK() {
		m.lastSuccess.Set(now)
		m.failures.Set(0)
	} else {
		m.failures.Inc()
	}
	m.beats.WithLabelValues(r.Outcome, r.Failure).Inc()
	for phase, took := range r.Phases() {
		if r.OK() || took > 0 {
			m.phases.WithLabelValues(phase).Observe(took.Seconds())
		}
	}
	m.count(r)
}

func (m *Metrics) count(r *beat.Report) {
	if r.Sent() {
		m.knownJobs.Set(float64(r.KnownJobs))
		m.knownHosts.Set(float64(r.KnownHosts))
		m.pendingJobs.Set(float64(r.StillPending()))
	}
	if r.Sent() && slices.Contains(protocols, r.Protocol) {
		m.packets.WithLabelValues(r.Protocol).Inc()
	}
	if r.RequestBytes > 0 {
		m.requestBytes.Set(float64(r.RequestBytes))
	}
	if r.ResponseBytes > 0 {
		m.responseBytes.Set(float64(r.ResponseBytes))
	}
	add(m.lockWaits, r.LockWaits)
	if r.Failure == beat.FailureLocked {
		r.LeftLocked = max(r.LeftLocked, 1) // a whole table
	}
	add(m.leftLocked, r.LeftLocked)
	add(m.uploadedJobs, r.UploadedJobs)
	add(m.uploadedEntries, r.UploadedEntries)
	add(m.repeated, r.Repeated)
	add(m.ofAnother, r.OfAnother)
	add(m.receivedHosts, r.ReceivedHosts)
	add(m.receivedJobs, r.ReceivedJobs)
	add(m.receivedKeyvals, r.ReceivedKeyvals)
	add(m.quarantined, r.Quarantined)
	if r.Quarantine != nil {
		m.setQuarantine(*r.Quarantine)
	}
	m.limitJobs.Set(float64(r.Batch.Jobs))
	m.limitBytes.Set(float64(r.Batch.Bytes))
}

// add counts what a database or a master said, which may be anything: a counter panics at less than
// nothing.
func add(counter prometheus.Counter, n int) { counter.Add(float64(max(n, 0))) }

func (m *Metrics) setQuarantine(q beat.Quarantine) {
	m.quarantine.WithLabelValues("in").Set(float64(q.In))
	m.quarantine.WithLabelValues("out").Set(float64(q.Out))
	m.waitingForHost.Set(float64(q.WaitingForHost))
	m.takenIDs.Set(float64(q.Taken))
}

// all gathers every metric; those of beats as they are between two beats.
func (m *Metrics) all() prometheus.Gatherer {
	return prometheus.Gatherers{prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) {
		m.whole.RLock()
		defer m.whole.RUnlock()
		return m.registry.Gather()
	}), m.others}
}

// handler answers scrapes. A failing collector does not hide the others.
func (m *Metrics) handler(log *slog.Logger) http.Handler {
	return promhttp.HandlerFor(m.all(), promhttp.HandlerOpts{
		Registry: m.others, ErrorLog: httpLog(log),
		ErrorHandling: promhttp.ContinueOnError, MaxRequestsInFlight: scrapesInFlight,
	})
}
