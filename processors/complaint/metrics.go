package complaint

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ringfence/ringfence/event"
)

// Metrics of the processor; a nil one counts nothing.
type Metrics struct {
	looks, alerts *prometheus.CounterVec
}

// NewMetrics registers them.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		looks:  prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ringfence_watch_looks_total", Help: "Decisions whether something is off, retried transactions counted again."}, []string{"kind"}),
		alerts: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ringfence_alerts_total", Help: "Changes of state of incidents, retried transactions counted again."}, []string{"kind", "state"}),
	}
	reg.MustRegister(m.looks, m.alerts)
	return m
}

func (m *Metrics) judged(kind string) {
	if m != nil {
		m.looks.WithLabelValues(kind).Inc()
	}
}

func (m *Metrics) told(a *event.Alert) {
	if m != nil {
		m.alerts.WithLabelValues(a.Kind, a.State).Inc()
	}
}
