package qa

import "github.com/prometheus/client_golang/prometheus"

// Metrics of the queue.
type Metrics struct {
	steps    *prometheus.CounterVec
	refusals *prometheus.CounterVec
}

// NewMetrics registers them.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{
		steps:    prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ringfence_qa_steps_total", Help: "Steps of QA tasks: queued, claimed, released, expired, scored, published, appealed, decided, closed, replaced."}, []string{"kind"}),
		refusals: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ringfence_qa_refusals_total", Help: "Commands to the QA queue that were refused, by code."}, []string{"code"}),
	}
	if r != nil {
		r.MustRegister(m.steps, m.refusals)
	}
	return m
}

func (m *Metrics) step(kind string) {
	if m != nil {
		m.steps.WithLabelValues(kind).Inc()
	}
}

func (m *Metrics) refused(code string) {
	if m != nil {
		m.refusals.WithLabelValues(code).Inc()
	}
}
