package recompute

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/ringfence/ringfence/processors/kpi"
)

var weekCalls = flag.Int("week.calls", 4000, "calls of the generated week; `make figures` takes a million")

// TestWeek has a week of a centre in ClickHouse, an hour of it twice because clocks are put back: every row is written
// twice, a twentieth of the calls changes after the roll-ups were made, and as many come late. Every metric, as one number
// and by each of its dimensions, is what the facts say one by one; the roll-ups say the same as the facts.
func TestWeek(t *testing.T) {
	if testing.Short() {
		t.Skip("a week takes its time")
	}
	conn := database(t)
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Date(2026, 10, 26, 0, 0, 0, 0, zone)
	r := rand.New(rand.NewPCG(20, 26))
	n, few := *weekCalls, *weekCalls < 100_000
	f := size{calls: n, leads: n / 15, customers: n / 20, agents: 3 + n/20_000, days: 7}.random(r, begin)
	late := f.calls[n-n/20:]
	f.calls = f.calls[:n-n/20]
	f.insert(t, conn)
	roll(t, conn, zone, begin.AddDate(1, 0, 0), 7)
	// What comes after: late calls, and newer versions of earlier ones, some at another time.
	after := &facts{}
	after.calls = append(after.calls, late...)
	for range n / 20 {
		i := r.IntN(len(f.calls))
		c := &f.calls[i]
		if c.version > 0 {
			continue
		}
		if r.IntN(3) == 0 { // moves: what stood there goes
			gone := *c
			gone.version, gone.deleted = 1, true
			after.calls = append(after.calls, gone)
			by := time.Duration(r.IntN(40)-20) * time.Hour
			c.started, c.ended = c.started.Add(by), c.ended.Add(by)
			for _, at := range []**time.Time{&c.answered, &c.bridged, &c.wrapped} {
				if *at != nil {
					*at = ptr((*at).Add(by))
				}
			}
		}
		c.version, c.disposition, c.reached, c.completed = 1, "agree", ptr(true), ptr(r.IntN(2) == 0)
		after.calls = append(after.calls, *c)
	}
	after.insert(t, conn)
	f.calls = append(f.calls, late...)
	from, to := begin, begin.AddDate(0, 0, 7)
	now := to
	figures := 0
	expected := map[string]cells{} // the facts do not change between the checks
	f.spoiledBefore("", to)        // learnt once, before several ask
	calculate := func(by string, metrics []string) {
		results := make([]cells, len(metrics))
		cut := oracle{f: f, from: from, to: to, now: now, zone: zone, where: map[string][]string{}}
		if by != "" {
			cut.by = []string{by}
		}
		cut.remember()
		var g errgroup.Group
		g.SetLimit(runtime.GOMAXPROCS(0))
		for i, name := range metrics {
			g.Go(func() error {
				o, want := cut, cells{}
				expect[name](&o, want)
				if by == "" && len(want) == 0 {
					want.add("", 0, 0)
				}
				results[i] = want
				return nil
			})
		}
		_ = g.Wait()
		for i, name := range metrics {
			expected[name+" by "+by] = results[i]
		}
	}
	check := func(state string) {
		for by, metrics := range cutsOfWeek(few) {
			q := kpi.Query{Metrics: metrics, From: from, To: to, Zone: zone, Now: now}
			if by != "" {
				q.By = []string{by}
			}
			if expected[metrics[0]+" by "+by] == nil {
				calculate(by, metrics)
			}
			res, err := kpi.Ask(t.Context(), conn, q)
			if err != nil {
				t.Fatal(err)
			}
			for i, name := range metrics {
				m, _ := kpi.Find(name)
				want := expected[name+" by "+by]
				figures += len(want)
				for _, d := range differences(m, by, res[i].Rows, want) {
					t.Errorf("%s: %+v", state, d)
				}
			}
			t.Logf("%s, by %q: %d figures compared so far", state, by, figures)
		}
	}
	check("some roll-ups are stale")
	roll(t, conn, zone, begin.AddDate(2, 0, 0), 1)
	check("all roll-ups are current")
	t.Log(fmt.Sprint(figures, " figures of ", n, " calls compared"))
}

// cutsOfWeek are the metrics by what they may be cut by, "" = not at all: few cuts or every one.
func cutsOfWeek(few bool) map[string][]string {
	out := map[string][]string{}
	for _, m := range kpi.Catalogue() {
		for _, by := range append([]string{""}, m.Dimensions()...) {
			if few && by != "" && by != "agent" && by != "day" {
				continue // TestAgainstDefinitions has every cut of a small history
			}
			out[by] = append(out[by], m.Name)
		}
	}
	return out
}
