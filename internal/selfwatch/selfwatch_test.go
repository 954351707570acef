package selfwatch

import (
	"context"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func one(t *testing.T, s *Store, expr string, at time.Time) float64 {
	t.Helper()
	l, err := s.Instant(t.Context(), expr, at)
	if err != nil {
		t.Fatal(err)
	}
	if len(l) != 1 {
		t.Fatalf("%s: %d series, want 1", expr, len(l))
	}
	return l[0].Value[0]
}

func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if math.Abs(got-want) > 1e-9*math.Max(1, math.Abs(want)) {
		t.Errorf("%s is %v, want %v", what, got, want)
	}
}

// Counters, gauges and histograms answer as they would in a Prometheus that scraped them.
func TestAnswers(t *testing.T) {
	reg := prometheus.NewRegistry()
	rows := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ringfence_rows_total"}, []string{"table"})
	lag := prometheus.NewGauge(prometheus.GaugeOpts{Name: "ringfence_lag"})
	seconds := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "ringfence_seconds", Buckets: []float64{0.01, 0.1, 1}})
	other := prometheus.NewGauge(prometheus.GaugeOpts{Name: "go_things"})
	reg.MustRegister(rows, lag, seconds, other)
	s := New(Options{Gatherer: reg, Prefix: "ringfence_", Every: 10 * time.Second, Keep: time.Hour})
	begin := time.UnixMilli(1_800_000_000_000)
	now := begin
	for i := range 61 {
		now = begin.Add(time.Duration(i) * 10 * time.Second)
		rows.WithLabelValues("calls").Add(20)
		rows.WithLabelValues("permits").Add(10)
		lag.Set(float64(i))
		for range 9 {
			seconds.Observe(0.05)
		}
		seconds.Observe(0.5)
		if err := s.Sample(now); err != nil {
			t.Fatal(err)
		}
		if err := s.Sample(now); err != nil { // the same moment twice is one sample
			t.Fatal(err)
		}
	}
	near(t, "a rate", one(t, s, `sum(rate(ringfence_rows_total[5m]))`, now), 3)
	near(t, "a gauge", one(t, s, `ringfence_lag`, now), 60)
	near(t, "a gauge of before", one(t, s, `ringfence_lag offset 5m`, now), 30)
	near(t, "a quantile", one(t, s, `histogram_quantile(0.9, sum by (le) (rate(ringfence_seconds_bucket[5m])))`, now), 0.1)
	if l, err := s.Instant(t.Context(), `go_things`, now); err != nil || len(l) != 0 {
		t.Errorf("metrics of others are kept: %v %v", l, err)
	}
	by, err := s.Range(t.Context(), `sum by (table) (rate(ringfence_rows_total[1m]))`, begin.Add(2*time.Minute), now, time.Minute)
	if err != nil || len(by) != 2 || by[0].Labels["table"] != "calls" || len(by[0].At) != 9 || by[1].Value[8] != 1 {
		t.Errorf("%+v %v", by, err)
	}
	if got := Legend("{{ table }}: {{none}}x", by[0].Labels); got != "calls: x" {
		t.Errorf("legend %q", got)
	}
	if _, err := s.Instant(t.Context(), `sum(`, now); err == nil {
		t.Error("half an expression was answered")
	}
	if l, err := s.Instant(t.Context(), `ringfence_lag`, now.Add(time.Hour)); err != nil || len(l) != 0 {
		t.Errorf("a metric that is no longer sampled has a value an hour later: %v %v", l, err)
	}
}

// What is older than Keep is let go, whole series too: memory stays bounded however long a process runs.
func TestForgets(t *testing.T) {
	reg := prometheus.NewRegistry()
	g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "ringfence_lag"}, []string{"partition"})
	reg.MustRegister(g)
	s := New(Options{Gatherer: reg, Prefix: "ringfence_", Every: 10 * time.Second, Keep: 10 * time.Minute})
	begin := time.UnixMilli(1_800_000_000_000)
	g.WithLabelValues("0").Set(1)
	g.WithLabelValues("1").Set(1)
	most := 0
	for i := range 1000 {
		if i == 10 {
			g.DeleteLabelValues("1")
		}
		if err := s.Sample(begin.Add(time.Duration(i) * 10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		for _, x := range s.series {
			most = max(most, len(x.at))
		}
	}
	if len(s.series) != 1 || most > 100 {
		t.Errorf("%d series, up to %d samples for the 60 that are kept", len(s.series), most)
	}
}

func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := prometheus.NewRegistry()
		n := 0.0
		reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "ringfence_n"}, func() float64 { n++; return n }))
		s := New(Options{Gatherer: reg, Prefix: "ringfence_", Every: 10 * time.Second, Keep: time.Hour})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx) }()
		time.Sleep(65 * time.Second) // of the bubble's clock
		synctest.Wait()
		near(t, "samples", one(t, s, `count_over_time(ringfence_n[10m])`, time.Now()), 7)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
