package selfwatch

import (
	"context"
	"fmt"
	"math"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
)

// Options of a store.
type Options struct {
	Gatherer prometheus.Gatherer
	Prefix   string        // only metrics whose names begin so are kept
	Every    time.Duration // between samples
	Keep     time.Duration // how far back questions can reach
}

// Store holds samples. It is safe for use by several goroutines.
type Store struct {
	opt    Options
	engine *promql.Engine
	mu     sync.RWMutex
	series map[string]*series
}

type series struct {
	labels labels.Labels
	at     []int64 // Unix ms, ascending
	value  []float64
}

// New makes a store. It samples while Run runs.
func New(opt Options) *Store {
	return &Store{opt: opt, series: map[string]*series{}, engine: promql.NewEngine(promql.EngineOpts{MaxSamples: 5_000_000, Timeout: 10 * time.Second, LookbackDelta: 3*opt.Every + time.Second})}
}

// Run takes samples until ctx ends.
func (s *Store) Run(ctx context.Context) error {
	tick := time.NewTicker(s.opt.Every)
	defer tick.Stop()
	for now := time.Now(); ; {
		if err := s.Sample(now); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case now = <-tick.C:
		}
	}
}

// Sample reads every metric once, as of now, and forgets what is older than Keep.
func (s *Store) Sample(now time.Time) error {
	families, err := s.opt.Gatherer.Gather()
	if len(families) == 0 && err != nil {
		return fmt.Errorf("read the process's metrics: %w", err)
	}
	at := now.UnixMilli()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), s.opt.Prefix) {
			continue
		}
		for _, m := range f.GetMetric() {
			s.put(f.GetName(), m, at)
		}
	}
	horizon := now.Add(-s.opt.Keep).UnixMilli()
	for key, x := range s.series {
		n := 0
		for n < len(x.at) && x.at[n] < horizon {
			n++
		}
		switch {
		case n == len(x.at):
			delete(s.series, key)
		case n > len(x.at)/4 && n > 16: // the backing arrays are let go now and then, not at every sample
			x.at, x.value = append([]int64(nil), x.at[n:]...), append([]float64(nil), x.value[n:]...)
		}
	}
	return nil
}

func (s *Store) put(name string, m *dto.Metric, at int64) {
	switch {
	case m.Counter != nil:
		s.add(name, m, at, m.Counter.GetValue())
	case m.Gauge != nil:
		s.add(name, m, at, m.Gauge.GetValue())
	case m.Untyped != nil:
		s.add(name, m, at, m.Untyped.GetValue())
	case m.Histogram != nil:
		h := m.Histogram
		for _, b := range h.GetBucket() {
			if !math.IsInf(b.GetUpperBound(), 1) {
				s.add(name+"_bucket", m, at, float64(b.GetCumulativeCount()), "le", fmt.Sprint(b.GetUpperBound()))
			}
		}
		s.add(name+"_bucket", m, at, float64(h.GetSampleCount()), "le", "+Inf")
		s.add(name+"_sum", m, at, h.GetSampleSum())
		s.add(name+"_count", m, at, float64(h.GetSampleCount()))
	}
}

func (s *Store) add(name string, m *dto.Metric, at int64, value float64, more ...string) {
	pairs := append([]string{labels.MetricName, name}, more...)
	for _, l := range m.GetLabel() {
		pairs = append(pairs, l.GetName(), l.GetValue())
	}
	key := strings.Join(pairs, "\x00")
	x := s.series[key]
	if x == nil {
		x = &series{labels: labels.FromStrings(pairs...)}
		s.series[key] = x
	}
	if n := len(x.at); n > 0 && x.at[n-1] >= at {
		return // two samples of one moment, or a clock that was put back
	}
	x.at, x.value = append(x.at, at), append(x.value, value)
}
