package contactcap

import "github.com/prometheus/client_golang/prometheus"

// Metrics of the processor; a nil one counts nothing.
type Metrics struct {
	decisions, denials, violations *prometheus.CounterVec
}

// NewMetrics registers them.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		decisions:  prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ringfence_cap_decisions_total", Help: "Permit decisions, retried transactions counted again."}, []string{"decision"}),
		denials:    prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ringfence_cap_denials_total", Help: "Rules that denied."}, []string{"rule"}),
		violations: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ringfence_cap_violations_total", Help: "Rules broken by calls."}, []string{"rule"}),
	}
	reg.MustRegister(m.decisions, m.denials, m.violations)
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
