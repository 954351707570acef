package recompute

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ringfence/ringfence/processors/kpi"
)

// TestAgainstDefinitions compares every metric, cut and filtered in every way it may be, with METRICS.md worked out
// one fact at a time.
func TestAgainstDefinitions(t *testing.T) {
	conn := database(t)
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	// Four days around the end of daylight saving time: an hour comes twice, a week, a month and a period begin.
	begin := time.Date(2026, 10, 30, 0, 0, 0, 0, zone)
	r := rand.New(rand.NewPCG(11, 7))
	f := random(r, begin)
	f.insert(t, conn)
	roll(t, conn, zone, begin.Add(200*time.Hour), 9)
	values := map[string][]string{"campaign": {"c1", "c2", ""}, "agent": {"a1", "a2", ""}, "team": {"t1", "t2", ""}, "partner": {"p1", ""}, "product": {"x", "y", "w", ""}, "list": {"l1", ""}, "purpose": {"sales", "care"}}
	now := begin.Add(95 * time.Hour)
	for _, m := range kpi.Catalogue() {
		if expect[m.Name] == nil {
			t.Errorf("%s: there is no definition in the test", m.Name)
			continue
		}
		cuts, dims := [][]string{nil}, m.Dimensions()
		for _, d := range dims {
			cuts = append(cuts, []string{d})
		}
		if testing.Short() { // every metric, and a cut of it
			cuts = [][]string{nil, {dims[r.IntN(len(dims))]}}
		}
		for range 3 {
			if testing.Short() {
				break
			}
			a, b := dims[r.IntN(len(dims))], dims[r.IntN(len(dims))]
			if a != b {
				cuts = append(cuts, []string{a, b})
			}
		}
		for i, by := range cuts {
			q := kpi.Query{Metrics: []string{m.Name}, From: begin.Add(5*time.Hour + 1234*time.Millisecond), To: begin.Add(97 * time.Hour), By: by, Zone: zone, Now: now}
			o := &oracle{f: f, from: q.From, to: q.To, now: now, zone: zone, by: by, where: map[string][]string{}}
			if i%2 == 1 {
				for range 2 {
					d := dims[r.IntN(len(dims))]
					if vs := values[d]; vs != nil {
						o.where[d] = []string{vs[r.IntN(len(vs))], vs[r.IntN(len(vs))]}
					}
				}
			}
			for d, v := range o.where {
				q.Where = append(q.Where, kpi.Filter{Dim: d, Values: v})
			}
			t.Run(fmt.Sprintf("%s by %v where %v", m.Name, by, o.where), func(t *testing.T) {
				res, err := kpi.Ask(t.Context(), conn, q)
				if err != nil {
					t.Fatal(err)
				}
				want := cells{}
				expect[m.Name](o, want)
				if len(by) == 0 && len(want) == 0 {
					want.add("", 0, 0)
				}
				compare(t, m, res[0], want)
			})
		}
	}
}

func compare(t *testing.T, m kpi.Metric, got kpi.Result, want cells) {
	t.Helper()
	near := func(a *float64, b float64) bool { return a != nil && math.Abs(*a-b) <= 1e-6*math.Max(1, math.Abs(b)) }
	seen := 0
	for _, row := range got.Rows {
		var parts []string
		for _, k := range row.Keys {
			if k.Value == nil {
				parts = append(parts, "")
			} else {
				parts = append(parts, *k.Value)
			}
		}
		key := strings.Join(parts, "|")
		w := want[key]
		if w == nil {
			t.Errorf("row %q does not occur", key)
			continue
		}
		seen++
		switch {
		case m.Den == nil:
			if !near(row.Value, w[0]) || row.Numerator != nil || row.Denominator != nil {
				t.Errorf("row %q: got %v, want %v", key, *row.Value, w[0])
			}
		case w[1] == 0:
			if row.Value != nil || !near(row.Denominator, 0) || !near(row.Numerator, w[0]) {
				t.Errorf("row %q: got %v, want null over no denominator", key, row)
			}
		default:
			if !near(row.Numerator, w[0]) || !near(row.Denominator, w[1]) || !near(row.Value, w[0]/w[1]) {
				t.Errorf("row %q: got %v / %v, want %v / %v", key, *row.Numerator, *row.Denominator, w[0], w[1])
			}
		}
	}
	if seen != len(want) {
		t.Errorf("%d rows, want %d", len(got.Rows), len(want))
	}
}

func TestSeveralMetricsAtOnceAreTheSame(t *testing.T) {
	conn := database(t)
	begin := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	random(rand.New(rand.NewPCG(5, 5)), begin).insert(t, conn)
	q := kpi.Query{From: begin, To: begin.Add(96 * time.Hour), By: []string{"team", "day"}, Zone: time.UTC, Now: begin.Add(96 * time.Hour)}
	for _, m := range kpi.Catalogue() {
		if slices.Contains(m.Dimensions(), "team") {
			q.Metrics = append(q.Metrics, m.Name)
		}
	}
	all, err := kpi.Ask(t.Context(), conn, q)
	if err != nil {
		t.Fatal(err)
	}
	for i, name := range q.Metrics {
		q.Metrics = []string{name}
		alone, err := kpi.Ask(t.Context(), conn, q)
		if err != nil {
			t.Fatal(err)
		}
		a, _ := alone[0].Rows, 0
		b := all[i].Rows
		if len(a) != len(b) {
			t.Errorf("%s: %d rows alone, %d among others", name, len(a), len(b))
			continue
		}
		for j := range a {
			x, _ := a[j].MarshalJSON()
			y, _ := b[j].MarshalJSON()
			if string(x) != string(y) {
				t.Errorf("%s: %s alone, %s among others", name, x, y)
			}
		}
	}
}

func TestQuestionsThatCannotBeAnswered(t *testing.T) {
	now := time.Now()
	for name, c := range map[string]struct {
		q    kpi.Query
		want string
	}{
		"no metric":      {kpi.Query{From: now.Add(-time.Hour), To: now}, "metric: expected at least one"},
		"unknown metric": {kpi.Query{Metrics: []string{"conect_rate"}, From: now.Add(-time.Hour), To: now}, "did you mean connect_rate?"},
		"no such cut":    {kpi.Query{Metrics: []string{"account_size"}, By: []string{"agent"}, From: now.Add(-time.Hour), To: now}, `by: metric account_size has no dimension "agent"; it has campaign, list`},
		"cut of one half only": {kpi.Query{Metrics: []string{"utilization_rate"}, By: []string{"campaign"}, From: now.Add(-time.Hour), To: now},
			`metric utilization_rate has no dimension "campaign"; it has agent, team, partner, hour, day, week, month, period`},
		"time as a filter": {kpi.Query{Metrics: []string{"orders"}, Where: []kpi.Filter{{Dim: "day", Values: []string{"2026-01-01"}}}, From: now.Add(-time.Hour), To: now}, "where: day is time"},
		"twice":            {kpi.Query{Metrics: []string{"orders"}, By: []string{"day", "day"}, From: now.Add(-time.Hour), To: now}, "by: day stands twice"},
		"backwards":        {kpi.Query{Metrics: []string{"orders"}, From: now, To: now}, "to: "},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := kpi.Ask(t.Context(), nil, c.q)
			var wrong *kpi.Error
			if !errors.As(err, &wrong) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestFormat(t *testing.T) {
	for _, c := range []struct {
		v    float64
		unit string
		want string
	}{{0.1234, kpi.Ratio, "12.3 %"}, {0.00123, kpi.Ratio, "0.12 %"}, {65, kpi.Seconds, "1 min 05 s"}, {1234567, kpi.Calls, "1,234,567"}, {-1234, kpi.Calls, "-1,234"}, {2.5, kpi.Calls, "2.50"}} {
		if got := kpi.Format(&c.v, c.unit); got != c.want {
			t.Errorf("Format(%v, %s) = %q, want %q", c.v, c.unit, got, c.want)
		}
	}
}
