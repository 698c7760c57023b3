package ops

import (
	"github.com/prometheus/client_golang/prometheus"

	"shardclient/runner/deaths"
)

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
