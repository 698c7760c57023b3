package ops

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"shardclient/runner/beat"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/model"
)

func someMetrics() *Metrics {
	m, err := NewMetrics(MetricsOptions{
		Version:       "v1.2.3",
		SchemaVersion: 7,
		Failures:      []string{"transport", "database"},
		UploadLimit:   beat.Batch{Jobs: 1000, Bytes: 16 << 20},
	})
	if err != nil {
		panic(err)
	}
	return m
}

func newHealth(limit time.Duration) *Health {
	h, err := NewHealth(limit)
	if err != nil {
		panic(err)
	}
	return h
}

// goodBeat has another number in each field, so that a mix-up of two shows.
func goodBeat() *beat.Report {
	return &beat.Report{
		Outcome: beat.OutcomeOK, PackedMS: 2, RPCMS: 40_000, AckMS: 0, ApplyMS: 700,
		KnownJobs: 50001, KnownHosts: 102, Pending: 3017, UploadedJobs: 14, UploadedEntries: 25,
		ReceivedHosts: 36, ReceivedJobs: 47, ReceivedKeyvals: 58, Quarantined: 9,
		Batch: beat.Batch{Jobs: 500, Bytes: 8 << 20}, Quarantine: &beat.Quarantine{In: 11, Out: 12, WaitingForHost: 10},
		Protocol: "2019", RequestBytes: 1301, ResponseBytes: 1402, LockWaits: 15, LeftLocked: 16,
	}
}

// failed is a beat that failed before it packed anything.
func failed(class string) *beat.Report {
	return &beat.Report{Outcome: beat.OutcomeFailed, Failure: class}
}

// get reads a page as a scraper does.
func get(t *testing.T, h http.Handler, path string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w
}

// ours returns the lines of /metrics about metrics of our own.
func ours(t *testing.T, m *Metrics) string {
	t.Helper()
	w := get(t, paths(m, newHealth(time.Hour), nil, slog.New(slog.DiscardHandler)), "/metrics")
	if w.Code != http.StatusOK {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	var text strings.Builder
	for line := range strings.Lines(w.Body.String()) {
		if regexp.MustCompile(`^(# (HELP|TYPE) )?shard_client_`).MatchString(line) {
			text.WriteString(line)
		}
	}
	return text.String()
}

// series are the names of a text's samples with their labels.
func series(text string) []string {
	var names []string
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "#") {
			names = append(names, line[:strings.LastIndexByte(line, ' ')])
		}
	}
	return names
}

// Dashboards and alerts rely on names, types, labels and meanings.
func TestMetricsGolden(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := someMetrics()
		golden(t, "metrics-start.txt", ours(t, m))
		m.Observe(&beat.Report{
			Outcome: beat.OutcomeFailed, Failure: "transport", PackedMS: 5, RPCMS: 7000,
			KnownJobs: 1, KnownHosts: 2, Pending: 3, Batch: beat.Batch{Jobs: 1000, Bytes: 16 << 20},
		})
		<-time.After(time.Minute)
		m.Observe(goodBeat())
		m.ObserveAges([]uint64{1, 0, 2, 0, 0, 0, 0, 3, 0, 0, 0, 0, 1}, 1_400_000.5, 1_300_000)
		<-time.After(time.Minute)
		// Values that this beat did not learn keep their last value.
		m.Observe(&beat.Report{
			Outcome: beat.OutcomeFailed, Failure: "database", PackedMS: 15_000, Batch: beat.Batch{Jobs: 250, Bytes: 4 << 20},
		})
		golden(t, "metrics-beats.txt", ours(t, m))
	})
}

// A rate does not count the increase with which a series begins.
func TestEverySeriesIsThereFromTheStart(t *testing.T) {
	m := someMetrics()
	before := series(ours(t, m))
	for _, class := range []string{"transport", "database"} {
		m.Observe(failed(class))
	}
	m.Observe(goodBeat())
	if diff := cmp.Diff(before, series(ours(t, m))); diff != "" {
		t.Errorf("series changed with beats (-before +after):\n%s", diff)
	}
	if !slices.Contains(before, `shard_client_beats_total{failure="database",outcome="failed"}`) {
		t.Errorf("no series for a class of failure:\n%s", strings.Join(before, "\n"))
	}
}

func TestFailuresInARowEndWithASuccess(t *testing.T) {
	m := someMetrics()
	for _, want := range []float64{1, 2, 3, 0, 1} {
		b := failed("database")
		if want == 0 {
			b = goodBeat()
		}
		m.Observe(b)
		if got := testutil.ToFloat64(m.failures); got != want {
			t.Errorf("%v failures in a row, want %v", got, want)
		}
	}
}

func TestMetricsAreNamedAsPrometheusAsks(t *testing.T) {
	problems, err := testutil.GatherAndLint(someMetrics().all())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// The library lets a.b and a_b both register, and x_total beside x; to a reader of the page, or of
// OpenMetrics, they are one family that stands twice.
func TestNoFamilyStandsTwice(t *testing.T) {
	m := someMetrics()
	if twice := familiesTwice(t, m.all()); len(twice) > 0 {
		t.Errorf("these stand twice: %q", twice)
	}
	for _, other := range []string{"shard_client.known_jobs", "shard_client_beats", "shard_client_open_job_age_seconds_count"} {
		gauge := prometheus.NewGauge(prometheus.GaugeOpts{Name: other, Help: "x"})
		if err := m.registry.Register(gauge); err != nil {
			continue // the library sees it, too
		}
		if twice := familiesTwice(t, m.all()); len(twice) == 0 {
			t.Errorf("nobody sees that %s is there already", other)
		}
		m.registry.Unregister(gauge)
	}
}

// familiesTwice returns the names that two families have on the page: those of their samples, and
// that of a counter without _total.
func familiesTwice(t *testing.T, from prometheus.Gatherer) (twice []string) {
	t.Helper()
	families, err := from.Gather()
	if err != nil {
		return []string{err.Error()} // the library has noticed
	}
	owners := map[string]string{}
	for _, family := range families {
		name := family.GetName()
		names := []string{name, strings.TrimSuffix(name, "_total")}
		if slices.Contains([]dto.MetricType{dto.MetricType_HISTOGRAM, dto.MetricType_SUMMARY}, family.GetType()) {
			names = append(names, name+"_bucket", name+"_sum", name+"_count")
		}
		for _, one := range names {
			one = model.EscapeName(one, model.UnderscoreEscaping)
			// The Go collector has go_memstats_alloc_bytes beside go_memstats_alloc_bytes_total.
			if owner, taken := owners[one]; taken && owner != name && !strings.HasPrefix(name, "go_") {
				twice = append(twice, one)
			}
			owners[one] = name
		}
	}
	return twice
}

// The runtime and the process have their series too.
func TestGoAndProcessMetrics(t *testing.T) {
	body := get(t, paths(someMetrics(), newHealth(time.Hour), nil, slog.New(slog.DiscardHandler)), "/metrics").Body.String()
	for _, want := range []string{
		"\ngo_goroutines ", "\nprocess_start_time_seconds ",
		"\npromhttp_metric_handler_errors_total{cause=\"gathering\"} 0\n",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("no %q in\n%s", want, body)
		}
	}
}

// A scrape beside beats has each of them whole: every number of a beat, or none.
func TestAScrapeHasWholeBeats(t *testing.T) {
	m, h := someMetrics(), newHealth(time.Hour)
	handler := paths(m, h, nil, slog.New(slog.DiscardHandler))
	scraped, beats := make(chan struct{}), 0
	var all sync.WaitGroup
	all.Go(func() {
		defer close(scraped)
		for range 50 {
			page := get(t, handler, "/metrics").Body.String()
			beats, jobs := sample(t, page, `beats_total{failure="",outcome="ok"}`), sample(t, page, "uploaded_jobs_total")
			if jobs != 14*beats {
				t.Errorf("%v beats, of 14 jobs each, uploaded %v jobs", beats, jobs)
			}
			if success, last := sample(t, page, "last_success_timestamp_seconds"), sample(t, page, "last_beat_timestamp_seconds"); success != last {
				t.Errorf("all beats were good, the last one at %v, the last good one at %v", last, success)
			}
			if w := get(t, handler, "/healthz"); w.Code != http.StatusOK {
				t.Errorf("/healthz: status %d", w.Code)
			}
		}
	})
	all.Go(func() {
		for {
			select {
			case <-scraped:
				return
			default:
				h.Doing("beat")
				m.Observe(goodBeat())
				h.Observe(goodBeat())
				beats++
			}
		}
	})
	all.Wait()
	if got := testutil.ToFloat64(m.uploadedJobs); got != float64(beats)*14 {
		t.Errorf("%v jobs uploaded, want %d", got, beats*14)
	}
}

// sample is the value of one of our series on a page.
func sample(t *testing.T, page, series string) float64 {
	t.Helper()
	for line := range strings.Lines(page) {
		if text, ok := strings.CutPrefix(line, namespace+series+" "); ok {
			value, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
			if err != nil {
				t.Fatal(err)
			}
			return value
		}
	}
	t.Fatalf("no %s in\n%s", series, page)
	return 0
}

// The operators' table has every metric, and neither the table nor the alerts name one that is not
// served.
func TestEveryMetricIsDocumented(t *testing.T) {
	section := contents(t, "../../docs/metrics.md")
	served := map[string]bool{}
	for line := range strings.Lines(ours(t, someMetrics())) {
		if fields := strings.Fields(line); fields[1] == "TYPE" {
			served[fields[2]] = true
			row := regexp.MustCompile("(?m)^\\| `" + fields[2] + "[`{].*\\| " + fields[3] + " \\|")
			if !row.MatchString(section) {
				t.Errorf("docs/metrics.md has no row for %s, a %s", fields[2], fields[3])
			}
		}
	}
	for _, name := range regexp.MustCompile(`shard_client_[a-z_]+`).FindAllString(section, -1) {
		if !served[strings.TrimSuffix(name, "_bucket")] {
			t.Errorf("docs/metrics.md names %s, which is not served", name)
		}
	}
}

// A server that counts less than nothing ended the process: a counter panics at that.
func TestCountsBelowNothing(t *testing.T) {
	m := someMetrics()
	m.Observe(&beat.Report{
		Outcome: beat.OutcomeOK, RPCMS: 1, UploadedJobs: -1, UploadedEntries: -1, ReceivedHosts: -1, ReceivedJobs: -1, ReceivedKeyvals: -1, Quarantined: -1,
	})
	if n := testutil.ToFloat64(m.uploadedJobs); n != 0 {
		t.Errorf("uploaded jobs: %v, want 0", n)
	}
}

// A restart looks like a pause: what is known of the beats before it is shown at once.
func TestRecall(t *testing.T) {
	m, h := someMetrics(), newHealth(time.Hour)
	past := &beat.Past{
		LastSuccess: time.Unix(1_500_000_000, 250_000_000), LastFailure: time.Unix(1_500_000_060, 0), Failure: "transport", Failures: 3,
		KnownJobs: 4, KnownHosts: 5, Pending: 6, Batch: beat.Batch{Jobs: 7, Bytes: 8},
		Quarantine: beat.Quarantine{In: 9, Out: 10, WaitingForHost: 11, Taken: 12},
	}
	m.Recall(past)
	h.Recall(past)
	page := get(t, paths(m, h, nil, slog.New(slog.DiscardHandler)), "/metrics").Body.String()
	for _, want := range []string{
		"last_success_timestamp_seconds 1.50000000025e+09", "last_beat_timestamp_seconds 1.50000006e+09", "consecutive_failures 3",
		"known_jobs 4", "known_hosts 5", "pending_jobs 6", "upload_limit_jobs 7", "upload_limit_bytes 8",
		`quarantine_objects{direction="in"} 9`, `quarantine_objects{direction="out"} 10`, "quarantine_waiting_for_host 11",
		`beats_total{failure="",outcome="ok"} 0`,
	} {
		if !strings.Contains(page, "\nshard_client_"+want+"\n") {
			t.Errorf("no %s in\n%s", want, page)
		}
	}
	health := get(t, paths(m, h, nil, slog.New(slog.DiscardHandler)), "/healthz").Body.String()
	for _, want := range []string{
		`"last_success": "2017-07-14T02:40:00Z"`, `"last_failure": "2017-07-14T02:41:00Z"`, `"last_failure_class": "transport"`,
		`"failures_in_a_row": 3`, `"next_beat": null`,
	} {
		if !strings.Contains(health, want) {
			t.Errorf("no %s in %s", want, health)
		}
	}
	h.Waits(time.Unix(1_500_000_123, 0))
	if health = get(t, h, "/healthz").Body.String(); !strings.Contains(health, `"next_beat": "2017-07-14T02:42:03Z"`) {
		t.Errorf("the wait is not shown: %s", health)
	}
	// A database without a history leaves what it was.
	m.Recall(&beat.Past{Batch: past.Batch})
	if page = get(t, paths(m, h, nil, slog.New(slog.DiscardHandler)), "/metrics").Body.String(); !strings.Contains(page, "last_success_timestamp_seconds 1.5") {
		t.Error("an unknown time became 0")
	}
}
