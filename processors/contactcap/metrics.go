package contactcap

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics of the processor; a nil one counts nothing.
type Metrics struct {
	decisions, denials, violations *prometheus.CounterVec
	forgotten                      prometheus.Counter
	since                          prometheus.Gauge

	mu     sync.Mutex
	latest int64
}

// NewMetrics registers them.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		decisions:  prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ringfence_cap_decisions_total", Help: "Permit decisions, retried transactions counted again."}, []string{"decision"}),
		denials:    prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ringfence_cap_denials_total", Help: "Rules that denied."}, []string{"rule"}),
		violations: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ringfence_cap_violations_total", Help: "Rules broken by calls."}, []string{"rule"}),
		forgotten:  prometheus.NewCounter(prometheus.CounterOpts{Name: "ringfence_cap_calls_forgotten_total", Help: "Calls dropped from histories because no rule can count them any more."}),
		since:      prometheus.NewGauge(prometheus.GaugeOpts{Name: "ringfence_cap_history_since_seconds", Help: "Unix time before which some customer's calls are forgotten."}),
	}
	reg.MustRegister(m.decisions, m.denials, m.violations, m.forgotten, m.since)
	return m
}

func (m *Metrics) decided(decision string) {
	if m != nil {
		m.decisions.WithLabelValues(decision).Inc()
	}
}

func (m *Metrics) denied(rule string) {
	if m != nil {
		m.denials.WithLabelValues(rule).Inc()
	}
}

func (m *Metrics) violated(rules []string) {
	if m != nil {
		for _, r := range rules {
			m.violations.WithLabelValues(r).Inc()
		}
	}
}

// forgot counts calls dropped; since is before when calls of the customer may be gone.
func (m *Metrics) forgot(calls int, since int64) {
	if m == nil || calls == 0 {
		return
	}
	m.forgotten.Add(float64(calls))
	m.mu.Lock()
	defer m.mu.Unlock()
	if since > m.latest {
		m.latest = since
		m.since.Set(float64(since) / 1000)
	}
}
