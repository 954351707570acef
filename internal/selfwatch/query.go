package selfwatch

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/util/annotations"
)

// Line is one series of an answer.
type Line struct {
	Labels map[string]string
	At     []int64 // Unix ms
	Value  []float64
}

// Instant evaluates an expression at a moment.
func (s *Store) Instant(ctx context.Context, expr string, at time.Time) ([]Line, error) {
	q, err := s.engine.NewInstantQuery(ctx, s, nil, expr, at)
	if err != nil {
		return nil, fmt.Errorf("PromQL %s: %w", expr, err)
	}
	defer q.Close()
	return lines(q.Exec(ctx))
}

// Range evaluates an expression at every step of a span.
func (s *Store) Range(ctx context.Context, expr string, from, to time.Time, step time.Duration) ([]Line, error) {
	q, err := s.engine.NewRangeQuery(ctx, s, nil, expr, from, to, step)
	if err != nil {
		return nil, fmt.Errorf("PromQL %s: %w", expr, err)
	}
	defer q.Close()
	return lines(q.Exec(ctx))
}

func lines(r *promql.Result) ([]Line, error) {
	if r.Err != nil {
		return nil, r.Err
	}
	var out []Line
	switch v := r.Value.(type) {
	case promql.Matrix:
		for _, x := range v {
			l := Line{Labels: x.Metric.Map()}
			for _, p := range x.Floats {
				l.At, l.Value = append(l.At, p.T), append(l.Value, p.F)
			}
			out = append(out, l)
		}
	case promql.Vector:
		for _, x := range v {
			out = append(out, Line{x.Metric.Map(), []int64{x.T}, []float64{x.F}})
		}
	case promql.Scalar:
		out = append(out, Line{nil, []int64{v.T}, []float64{v.V}})
	}
	sort.SliceStable(out, func(i, j int) bool {
		return labels.FromMap(out[i].Labels).String() < labels.FromMap(out[j].Labels).String()
	})
	return out, nil
}

// Legend fills Grafana's legend format, {{label}}, from a line's labels.
func Legend(format string, of map[string]string) string {
	for {
		begin := strings.Index(format, "{{")
		end := strings.Index(format, "}}")
		if begin < 0 || end < begin {
			return format
		}
		format = format[:begin] + of[strings.TrimSpace(format[begin+2:end])] + format[end+2:]
	}
}

// Querier implements Prometheus's storage.Queryable.
func (s *Store) Querier(mint, maxt int64) (storage.Querier, error) {
	return querier{s, mint, maxt}, nil
}

type querier struct {
	s          *Store
	mint, maxt int64
}

// Select copies the samples of the series that match: the engine reads them without a lock.
func (q querier) Select(_ context.Context, sorted bool, _ *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
	q.s.mu.RLock()
	defer q.s.mu.RUnlock()
	var out []storage.Series
	for _, x := range q.s.series {
		if !slices.ContainsFunc(matchers, func(m *labels.Matcher) bool { return !m.Matches(x.labels.Get(m.Name)) }) {
			lo := sort.Search(len(x.at), func(i int) bool { return x.at[i] >= q.mint })
			hi := sort.Search(len(x.at), func(i int) bool { return x.at[i] > q.maxt })
			samples := make([]chunks.Sample, 0, hi-lo)
			for i := lo; i < hi; i++ {
				samples = append(samples, sample{x.at[i], x.value[i]})
			}
			out = append(out, storage.NewListSeries(x.labels, samples))
		}
	}
	if sorted {
		slices.SortFunc(out, func(a, b storage.Series) int { return labels.Compare(a.Labels(), b.Labels()) })
	}
	return &set{all: out}
}

// LabelValues lists the values of a label.
func (q querier) LabelValues(_ context.Context, name string, _ *storage.LabelHints, _ ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	q.s.mu.RLock()
	defer q.s.mu.RUnlock()
	var out []string
	for _, x := range q.s.series {
		if v := x.labels.Get(name); v != "" && !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	slices.Sort(out)
	return out, nil, nil
}

// LabelNames lists the labels.
func (q querier) LabelNames(context.Context, *storage.LabelHints, ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	q.s.mu.RLock()
	defer q.s.mu.RUnlock()
	var out []string
	for _, x := range q.s.series {
		x.labels.Range(func(l labels.Label) {
			if !slices.Contains(out, l.Name) {
				out = append(out, l.Name)
			}
		})
	}
	slices.Sort(out)
	return out, nil, nil
}

// Close has nothing to free.
func (querier) Close() error { return nil }

type set struct {
	all []storage.Series
	now storage.Series
}

func (s *set) Next() bool {
	if len(s.all) == 0 {
		return false
	}
	s.now, s.all = s.all[0], s.all[1:]
	return true
}
func (s *set) At() storage.Series              { return s.now }
func (*set) Err() error                        { return nil }
func (*set) Warnings() annotations.Annotations { return nil }

type sample struct {
	t int64
	f float64
}

func (s sample) T() int64                    { return s.t }
func (s sample) F() float64                  { return s.f }
func (sample) H() *histogram.Histogram       { return nil }
func (sample) FH() *histogram.FloatHistogram { return nil }
func (sample) Type() chunkenc.ValueType      { return chunkenc.ValFloat }
func (s sample) Copy() chunks.Sample         { return s }
