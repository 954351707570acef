package stream

import (
	"errors"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	records, recovered, timers, rejected, outputs prometheus.Counter
	transactions                                  *prometheus.CounterVec // result: committed, aborted, unknown
	latency                                       prometheus.Histogram
	batch                                         prometheus.Histogram
	remaining, standby, lag, entries              *prometheus.GaugeVec
	ready, bytes                                  prometheus.Gauge
}

// newMetrics makes the runner's metrics and registers them under reg, which may be nil. A runner that replaces one
// of the same name goes on with its metrics.
func newMetrics(name string, reg prometheus.Registerer) (*metrics, error) {
	const ns, sub = "ringfence", "stream"
	labels := prometheus.Labels{"processor": name}
	counter := func(n, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: ns, Subsystem: sub, Name: n, Help: help, ConstLabels: labels})
	}
	gauges := func(n, help string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: ns, Subsystem: sub, Name: n, Help: help, ConstLabels: labels}, []string{"partition"})
	}
	m := &metrics{
		records:   counter("records_total", "Input records processed in committed transactions."),
		recovered: counter("recovered_records_total", "Changelog records replayed into the store."),
		timers:    counter("timers_total", "Timers fired in committed transactions."),
		rejected:  counter("rejected_total", "Records and timers sent to the dead letter."),
		outputs:   counter("produced_total", "Outputs and changelog records of committed transactions."),
		transactions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: ns, Subsystem: sub, Name: "transactions_total", ConstLabels: labels,
			Help: "Transactions by how they ended. Unknown: the answer was lost, the changelog decides.",
		}, []string{"result"}),
		latency: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: ns, Subsystem: sub, Name: "transaction_seconds", Help: "From poll to commit.", ConstLabels: labels,
			Buckets: []float64{.0005, .001, .002, .003, .005, .01, .02, .05, .1, .2, .5, 1, 5},
		}),
		batch: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: ns, Subsystem: sub, Name: "transaction_records", Help: "Input records a transaction.", ConstLabels: labels,
			Buckets: prometheus.ExponentialBuckets(1, 4, 9),
		}),
		remaining: gauges("recovery_remaining", "Changelog offsets still to replay."),
		standby:   gauges("standby_remaining", "Changelog offsets of other processes' partitions that the standby has not followed yet."),
		lag:       gauges("lag", "Input records not yet processed."),
		entries:   gauges("state_entries", "Keys with a state."),
		ready: prometheus.NewGauge(prometheus.GaugeOpts{
			Namespace: ns, Subsystem: sub, Name: "ready", Help: "1 if the processor works on all its partitions.", ConstLabels: labels,
		}),
		bytes: prometheus.NewGauge(prometheus.GaugeOpts{
			Namespace: ns, Subsystem: sub, Name: "state_bytes", Help: "Size of the store on disk.", ConstLabels: labels,
		}),
	}
	if reg == nil {
		return m, nil
	}
	return m, errors.Join(
		register(reg, &m.records), register(reg, &m.recovered), register(reg, &m.timers), register(reg, &m.rejected),
		register(reg, &m.outputs), register(reg, &m.transactions), register(reg, &m.latency), register(reg, &m.batch),
		register(reg, &m.remaining), register(reg, &m.standby), register(reg, &m.lag), register(reg, &m.entries), register(reg, &m.ready),
		register(reg, &m.bytes),
	)
}

func register[C prometheus.Collector](reg prometheus.Registerer, c *C) error {
	err := reg.Register(*c)
	var twice prometheus.AlreadyRegisteredError
	if errors.As(err, &twice) {
		if old, ok := twice.ExistingCollector.(C); ok {
			*c = old
			return nil
		}
	}
	return err
}

func (m *metrics) forget(partition int32) {
	for _, g := range []*prometheus.GaugeVec{m.remaining, m.lag, m.entries} {
		g.DeleteLabelValues(label(partition))
	}
}

func label(partition int32) string { return strconv.Itoa(int(partition)) }
