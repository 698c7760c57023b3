package ops

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// namespace begins the name of each metric of shard-client itself.
const namespace = "shard_client_"

// registrar makes metrics in one registry.
type registrar struct{ promauto.Factory }

func (r registrar) gauge(name, help string) prometheus.Gauge {
	return r.NewGauge(prometheus.GaugeOpts{Name: namespace + name, Help: help})
}

func (r registrar) gauges(name, help string, labels ...string) *prometheus.GaugeVec {
	return r.NewGaugeVec(prometheus.GaugeOpts{Name: namespace + name, Help: help}, labels)
}

func (r registrar) counter(name, help string) prometheus.Counter {
	return r.NewCounter(prometheus.CounterOpts{Name: namespace + name, Help: help})
}

func (r registrar) counters(name, help string, labels ...string) *prometheus.CounterVec {
	return r.NewCounterVec(prometheus.CounterOpts{Name: namespace + name, Help: help}, labels)
}

func (r registrar) counterOf(name, help string, count func() int64) {
	r.NewCounterFunc(prometheus.CounterOpts{Name: namespace + name, Help: help}, func() float64 {
		if count == nil {
			return 0
		}
		return float64(count())
	})
}
