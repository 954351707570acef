package app

import (
	"context"
	"math"
	"sort"
	"time"

	"github.com/ringfence/ringfence/dashboards"
	"github.com/ringfence/ringfence/internal/selfwatch"
)

// ownMetrics answers the panels that ask Prometheus from the process's own metrics.
type ownMetrics struct{ store *selfwatch.Store }

// watchSelf keeps six hours of the process's metrics for the console.
func (a *App) watchSelf() {
	a.ownMetrics = ownMetrics{selfwatch.New(selfwatch.Options{Gatherer: a.registry, Prefix: "ringfence_", Every: 10 * time.Second, Keep: 6 * time.Hour})}
	a.work("selfwatch", a.ownMetrics.store.Run)
}

func (w ownMetrics) panel(ctx context.Context, p dashboards.Panel, r dashboards.Range) panelData {
	out := panelData{Panel: p.ID(), Rows: [][]any{}}
	if p.Kind == dashboards.Stat {
		lines, err := w.store.Instant(ctx, p.Prom[0].Expr, r.To)
		switch {
		case err != nil:
			return failed(p, err)
		case len(lines) == 0:
			out.Rows = [][]any{{nil}}
		default:
			out.Rows = [][]any{{finite(lines[0].Value[0])}}
		}
		return out
	}
	step := max(10*time.Second, r.To.Sub(r.From)/300).Truncate(time.Second)
	at := map[int64]map[int]float64{}
	for _, q := range p.Prom {
		lines, err := w.store.Range(ctx, q.Expr, r.From.Truncate(step), r.To, step)
		if err != nil {
			return failed(p, err)
		}
		for _, l := range lines {
			n := len(out.Series)
			out.Series = append(out.Series, selfwatch.Legend(q.Legend, l.Labels))
			for i, t := range l.At {
				if at[t] == nil {
					at[t] = map[int]float64{}
				}
				at[t][n] = l.Value[i]
			}
		}
	}
	times := make([]int64, 0, len(at))
	for t := range at {
		times = append(times, t)
	}
	sort.Slice(times, func(i, j int) bool { return times[i] < times[j] })
	for _, t := range times {
		row := make([]any, len(out.Series)+1)
		row[0] = t
		for i, v := range at[t] {
			row[i+1] = finite(v)
		}
		out.Rows = append(out.Rows, row)
	}
	out.By = "time"
	return out
}

func finite(v float64) any {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return v
}
