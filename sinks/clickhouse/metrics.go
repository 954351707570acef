package clickhouse

import "github.com/prometheus/client_golang/prometheus"

// metrics of the sink.
type metrics struct {
	rows    *prometheus.CounterVec
	refused *prometheus.CounterVec
	retries *prometheus.CounterVec
	again   prometheus.Counter
	size    prometheus.Histogram
	seconds prometheus.Histogram
}

func newMetrics(r prometheus.Registerer) *metrics {
	m := &metrics{
		rows:    prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ringfence_sink_rows_total", Help: "Rows written into ClickHouse."}, []string{"table"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ringfence_sink_refused_rows_total", Help: "Rows that ClickHouse refused for what is in them; they are in the dead letter."}, []string{"table"}),
		retries: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ringfence_sink_retries_total", Help: "Steps that failed and were tried again: promise, insert, commit, learn."}, []string{"step"}),
		again:   prometheus.NewCounter(prometheus.CounterOpts{Name: "ringfence_sink_ranges_again_total", Help: "Promised ranges that were found at the start or after a rebalance and inserted again."}),
		size:    prometheus.NewHistogram(prometheus.HistogramOpts{Name: "ringfence_sink_batch_records", Help: "Records written together.", Buckets: prometheus.ExponentialBuckets(1, 4, 10)}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "ringfence_sink_insert_seconds", Help: "Time until ClickHouse has a batch's rows.", Buckets: prometheus.ExponentialBuckets(0.002, 2, 14)}),
	}
	if r != nil {
		r.MustRegister(m.rows, m.refused, m.retries, m.again, m.size, m.seconds)
	}
	return m
}
