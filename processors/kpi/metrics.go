package kpi

import "github.com/prometheus/client_golang/prometheus"

// RollerMetrics count the work on roll-ups; nil counts nothing.
type RollerMetrics struct {
	buckets  prometheus.Counter
	failures prometheus.Counter
}

// NewRollerMetrics registers them.
func NewRollerMetrics(r prometheus.Registerer) *RollerMetrics {
	m := &RollerMetrics{
		buckets:  prometheus.NewCounter(prometheus.CounterOpts{Name: "ringfence_rollup_buckets_total", Help: "Buckets of roll-ups that were made."}),
		failures: prometheus.NewCounter(prometheus.CounterOpts{Name: "ringfence_rollup_failures_total", Help: "Rounds over the roll-ups that failed; questions read the facts meanwhile."}),
	}
	r.MustRegister(m.buckets, m.failures)
	return m
}

func (m *RollerMetrics) made(n int) {
	if m != nil {
		m.buckets.Add(float64(n))
	}
}

func (m *RollerMetrics) failed() {
	if m != nil {
		m.failures.Inc()
	}
}
