package httpapi

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	accepted *prometheus.CounterVec
	rejected *prometheus.CounterVec
	permits  *prometheus.CounterVec
	latency  prometheus.Histogram
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		accepted: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ringfence_ingest_accepted_total", Help: "Events acknowledged by Kafka."}, []string{"kind"}),
		rejected: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ringfence_ingest_rejected_total", Help: "Objects refused."}, []string{"kind"}),
		permits:  prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ringfence_permits_total", Help: "Answers to permit requests."}, []string{"decision"}),
		latency: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "ringfence_permit_seconds", Help: "Time from a permit request to its committed decision.",
			Buckets: []float64{.001, .002, .003, .005, .0075, .01, .02, .05, .1, .25, .5, 1, 2}}),
	}
	if reg != nil {
		reg.MustRegister(m.accepted, m.rejected, m.permits, m.latency)
	}
	return m
}

func (m *metrics) asked(began time.Time, decision string) {
	m.latency.Observe(time.Since(began).Seconds())
	m.permits.WithLabelValues(decision).Inc()
}
