package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ringfence/ringfence/dashboards"
	"github.com/ringfence/ringfence/processors/kpi"
)

// panelsOf a running demo: every panel of every dashboard answers with every variable at all, at one and at several
// values, and shows something unless it is named with its reason; and every headline is what `ringfence kpi` says.
func panelsOf(t *testing.T, url, zone string) {
	t.Helper()
	loc, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	y, m, d := time.Now().In(loc).Date()
	r := dashboards.Range{From: time.Date(y, m, d-4, 0, 0, 0, 0, loc), To: time.Date(y, m, d+1, 0, 0, 0, 0, loc)}
	var res []dashboards.Checked
	out := ask(t, 0, "dashboards", "check", "--url", url, "--format", "json", "--from", r.From.Format(time.RFC3339), "--to", r.To.Format(time.RFC3339))
	if err := json.Unmarshal([]byte(out), &res); err != nil {
		t.Fatal(err)
	}
	reasons, positions, ms := map[string]string{}, map[string]bool{}, []float64{}
	for _, c := range res {
		positions[c.Dashboard+" "+c.Variables] = true
		ms = append(ms, c.MS)
		if c.Empty {
			reasons[c.Dashboard+" / "+c.Title] = c.Reason
		}
	}
	slices.Sort(ms)
	t.Logf("%d queries of panels in %d positions of the variables, median %.1f ms, p95 %.1f ms, slowest %.1f ms", len(res), len(positions), ms[len(ms)/2], ms[len(ms)*95/100], ms[len(ms)-1])
	for what, why := range reasons {
		t.Logf("rightly empty in some position: %s: %s", what, why)
	}
	for _, d := range dashboards.All() {
		want := 1
		for _, v := range d.Variables {
			if len(v.Choices) == 0 {
				want += 2
			} else {
				want += len(v.Choices)
			}
		}
		got := 0
		for p := range positions {
			if strings.HasPrefix(p, d.UID+" ") {
				got++
			}
		}
		if got < want {
			t.Errorf("%s was asked in %d positions of its variables, want %d: the demo lacks values", d.UID, got, want)
		}
	}

	run, err := (&globals{url: url}).asker()
	if err != nil {
		t.Fatal(err)
	}
	compared, known := 0, map[string]bool{}
	for _, d := range dashboards.All() {
		for _, p := range d.Panels() {
			if p.Kind != dashboards.Stat && p.Kind != dashboards.Funnel || len(p.Metrics) == 0 {
				continue
			}
			q, err := d.Query(p, zone)
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range []dashboards.Values{{}, {"campaign": {"5g-upgrade", "satisfaction"}}, {"team": {"team-1", "team-3"}, "product": {"5g-199"}, "partner": {"partner-blue"}}} {
				var where []string
				inert := len(v) > 0
				for _, f := range q.Filters {
					for _, x := range v[f] {
						where = append(where, "--where", f+"="+x)
						inert = false
					}
				}
				if inert {
					continue // the panel is not narrowed by these: the same question again
				}
				sql, err := dashboards.Expand(q.SQL, v, r)
				if err != nil {
					t.Fatal(err)
				}
				if known[sql] {
					continue
				}
				known[sql] = true
				_, rows, err := run(context.WithoutCancel(t.Context()), sql)
				if err != nil || len(rows) != 1 {
					t.Fatalf("%s %s: %v, %d rows", d.UID, p.Title.EN, err, len(rows))
				}
				var said []struct {
					Metric string
					Rows   []struct{ Value *float64 }
				}
				args := append(append([]string{"kpi"}, p.Metrics...), "--from", r.From.Format(time.RFC3339), "--to", r.To.Format(time.RFC3339), "--format", "json", "--url", url)
				if err := json.Unmarshal([]byte(ask(t, 0, append(args, where...)...)), &said); err != nil {
					t.Fatal(err)
				}
				for i, name := range p.Metrics {
					var shown *float64
					if err := json.Unmarshal(rows[0][i], &shown); err != nil {
						t.Fatalf("%s %s: %s: %v", d.UID, name, rows[0][i], err)
					}
					if got, want := number(shown), number(said[i].Rows[0].Value); said[i].Metric != name || !same(shown, said[i].Rows[0].Value) {
						t.Errorf("%s, %s with %v: the panel shows %s, kpi says %s", d.UID, name, v, got, want)
					}
					compared++
				}
			}
		}
	}
	t.Logf("%d headline figures are what kpi says, of %d metrics in the catalogue", compared, len(kpi.Catalogue()))
}

func number(v *float64) string {
	if v == nil {
		return "nothing"
	}
	return fmt.Sprint(*v)
}

func same(a, b *float64) bool {
	if a == nil || b == nil {
		return a == b
	}
	return math.Abs(*a-*b) <= 1e-9*math.Max(1, math.Abs(*b))
}
