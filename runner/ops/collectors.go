package ops

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"shardclient/runner/deaths"
)

// AgeBounds are the bounds of the buckets for the ages of open jobs, in seconds: from a minute to
// two weeks. A job of Autotest is given a day unless it says otherwise.
func AgeBounds() []float64 {
	const minute, hour, day = 60, 3600, 86400
	return []float64{minute, 5 * minute, 15 * minute, hour, 2 * hour, 4 * hour, 8 * hour, day, 2 * day, 4 * day, 7 * day, 14 * day}
}

// ages shows how old the open jobs were when somebody last looked. It is a histogram of what is
// there now, and not of what has happened: its counts fall, too.
type ages struct {
	histogram, oldest *prometheus.Desc

	mu      sync.Mutex
	buckets []uint64 // one more than there are bounds
	seconds float64
	highest float64
}

func newAges() *ages {
	return &ages{
		histogram: prometheus.NewDesc(namespace+"open_job_age_seconds",
			"Ages of the jobs that are not finished, as they are now: counts fall, too.", nil, nil),
		oldest: prometheus.NewDesc(namespace+"oldest_open_job_age_seconds",
			"Age of the oldest job that is not finished; 0: there is none.", nil, nil),
		buckets: make([]uint64, len(AgeBounds())+1),
	}
}

// ObserveAges shows the ages of the jobs that are not finished: how many there are in each bucket
// of [AgeBounds] and past the last one, their sum and the highest, in seconds.
func (m *Metrics) ObserveAges(buckets []uint64, seconds, oldest float64) {
	m.ages.mu.Lock()
	defer m.ages.mu.Unlock()
	m.ages.buckets, m.ages.seconds, m.ages.highest = buckets, seconds, oldest
}

// Describe implements prometheus.Collector.
func (a *ages) Describe(to chan<- *prometheus.Desc) {
	to <- a.histogram
	to <- a.oldest
}

// Collect implements prometheus.Collector.
func (a *ages) Collect(to chan<- prometheus.Metric) {
	a.mu.Lock()
	defer a.mu.Unlock()
	upTo, sum := map[float64]uint64{}, uint64(0)
	for i, bound := range AgeBounds() {
		sum += a.buckets[i]
		upTo[bound] = sum
	}
	sum += a.buckets[len(a.buckets)-1]
	to <- prometheus.MustNewConstHistogram(a.histogram, sum, a.seconds, upTo)
	to <- prometheus.MustNewConstMetric(a.oldest, prometheus.GaugeValue, a.highest)
}

var deathsDesc = prometheus.NewDesc(namespace+"deaths_total",
	"Ends of this client with an error or a crash, by cause; kept in the state directory.", []string{"cause"}, nil)

// deathCounts asks at each scrape: a second client that was refused has died, too.
type deathCounts struct{ count func(cause string) int64 }

// Describe implements prometheus.Collector.
func (deathCounts) Describe(to chan<- *prometheus.Desc) { to <- deathsDesc }

// Collect implements prometheus.Collector.
func (d deathCounts) Collect(to chan<- prometheus.Metric) {
	for _, cause := range deaths.Causes() {
		n := int64(0)
		if d.count != nil {
			n = d.count(cause)
		}
		to <- prometheus.MustNewConstMetric(deathsDesc, prometheus.CounterValue, float64(n), cause)
	}
}
