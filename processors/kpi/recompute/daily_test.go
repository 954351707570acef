package recompute

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/ringfence/ringfence/processors/kpi"
)

var dailyRounds = flag.Int("daily.rounds", 1, "rounds of late facts against the roll-ups by day; `make figures` takes more")

// byCut are the metrics that a roll-up by day can answer, by what they are cut by; "" = not at all.
func byCut(cuts ...string) map[string][]string {
	out := map[string][]string{}
	for _, m := range kpi.Catalogue() {
		if !slices.ContainsFunc([]string{m.Num.Source, den(m)}, func(s string) bool {
			return slices.Contains([]string{"accounts", "leads", "lead_calls", "states", "attended", "permits"}, s)
		}) {
			continue
		}
		for _, by := range cuts {
			if by == "" || slices.Contains(m.Dimensions(), by) {
				out[by] = append(out[by], m.Name)
			}
		}
	}
	return out
}

func den(m kpi.Metric) string {
	if m.Den == nil {
		return ""
	}
	return m.Den.Source
}

// sameAsFacts asks every metric with and without the roll-ups, and as a panel does, which chooses for itself.
func sameAsFacts(t *testing.T, conn driver.Conn, what string, q kpi.Query, panel bool) {
	t.Helper()
	rolled, err := kpi.Ask(t.Context(), conn, q)
	if err != nil {
		t.Fatal(err)
	}
	f := q
	f.Facts = true
	facts, err := kpi.Ask(t.Context(), conn, f)
	if err != nil {
		t.Fatal(err)
	}
	for i := range facts {
		near(t, fmt.Sprintf("%s: %s by %v where %v from %v to %v", what, facts[i].Metric, q.By, q.Where, q.From, q.To), rolled[i].Rows, facts[i].Rows)
	}
	if !panel {
		return
	}
	f.Now = time.Time{} // a panel asks for what is open up to now
	if facts, err = kpi.Ask(t.Context(), conn, f); err != nil {
		t.Fatal(err)
	}
	var ms []kpi.Metric
	for _, name := range q.Metrics {
		m, _ := kpi.Find(name)
		ms = append(ms, m)
	}
	by := ""
	if len(q.By) > 0 {
		by = q.By[0]
	}
	at := func(t time.Time) string {
		return fmt.Sprintf("fromUnixTimestamp64Milli(toInt64(%d), 'UTC')", t.UnixMilli())
	}
	sql := kpi.Panels(ms, by, q.Where, at(q.From), at(q.To), q.Zone.String())
	// The order of the rows is the same: by their key, those without last.
	rows, err := conn.Query(t.Context(), sql)
	if err != nil {
		t.Fatalf("%s: panel by %q: %v", what, by, err)
	}
	defer func() { _ = rows.Close() }()
	got := make([][]*float64, len(ms))
	for rows.Next() {
		values := make([]*float64, len(ms))
		var into []any
		var key any
		var text *string
		var when time.Time
		switch {
		case by == "":
		case kpi.IsBucket(by):
			key = &when
		default:
			key = &text
		}
		if key != nil {
			into = append(into, key)
		}
		plain := make([]float64, len(ms))
		for i, m := range ms {
			if m.Den == nil {
				into = append(into, &plain[i])
			} else {
				into = append(into, &values[i])
			}
		}
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		for i, m := range ms {
			if m.Den == nil {
				values[i] = &plain[i]
			}
			got[i] = append(got[i], values[i])
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	for i, m := range ms {
		sum := func(vs []*float64) (n float64) {
			for _, v := range vs {
				if v != nil {
					n += *v
				}
			}
			return n
		}
		var want []*float64
		for _, r := range facts[i].Rows {
			want = append(want, r.Value)
		}
		if a, b := sum(got[i]), sum(want); a-b > 1e-6*max(1, b) || b-a > 1e-6*max(1, b) {
			t.Errorf("%s: the panel of %s by %q adds up to %v, the facts to %v", what, m.Name, by, a, b)
		}
	}
}

// near compares answers; hours may differ in the last digits, for they are added up in another order.
func near(t *testing.T, what string, got, want []kpi.Row) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %d rows, the facts have %d", what, len(got), len(want))
		return
	}
	close := func(a, b *float64) bool {
		return a == nil && b == nil || a != nil && b != nil && *a-*b < 1e-9*max(1, *b) && *b-*a < 1e-9*max(1, *b)
	}
	for i := range want {
		if rowKey(got[i]) != rowKey(want[i]) || !close(got[i].Value, want[i].Value) || !close(got[i].Numerator, want[i].Numerator) || !close(got[i].Denominator, want[i].Denominator) {
			a, _ := got[i].MarshalJSON()
			b, _ := want[i].MarshalJSON()
			t.Errorf("%s: %s, the facts say %s", what, a, b)
		}
	}
}

// TestHoursOfOddZones compares the roll-ups by hour where hours begin at half past, and where a day has half an hour less.
func TestHoursOfOddZones(t *testing.T) {
	for name, first := range map[string]string{"Asia/Kolkata": "2026-03-01", "Australia/Lord_Howe": "2026-10-02"} {
		t.Run(name, func(t *testing.T) {
			conn := database(t)
			zone, err := time.LoadLocation(name)
			if err != nil {
				t.Fatal(err)
			}
			begin, err := time.ParseInLocation(time.DateOnly, first, zone)
			if err != nil {
				t.Fatal(err)
			}
			random(rand.New(rand.NewPCG(4, 20)), begin).insert(t, conn)
			roll(t, conn, zone, begin.AddDate(1, 0, 0), 1)
			q := kpi.Query{From: begin, To: begin.AddDate(0, 0, 4), By: []string{"hour"}, Zone: zone, Now: begin.Add(100 * time.Hour)}
			for _, m := range kpi.Catalogue() {
				if slices.Contains(m.Dimensions(), "hour") {
					q.Metrics = append(q.Metrics, m.Name)
				}
			}
			sameAsFacts(t, conn, name, q, true)
		})
	}
}

// TestDailyRollupsEqualFacts lets facts of all kinds come late, twice, change and move while some days are rolled up and some
// are not: whole days, parts of days, all that may be asked in all, by campaign and in time is the facts' own.
func TestDailyRollupsEqualFacts(t *testing.T) {
	conn := database(t)
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Date(2026, 10, 30, 0, 0, 0, 0, zone)
	r := rand.New(rand.NewPCG(27, 18))
	f := size{500, 60, 40, 3, 4}.random(r, begin)
	for i := range f.leads { // most leads are there before they are called
		if i%9 > 0 {
			f.leads[i].at = begin.Add(-time.Duration(i) * time.Hour)
		}
	}
	f.insert(t, conn)
	pick := func(s ...string) string { return s[r.IntN(len(s))] }
	some := func() time.Time {
		return begin.Add(time.Duration(r.Int64N(int64(96*time.Hour/time.Millisecond))) * time.Millisecond)
	}
	few := *dailyRounds < 3
	ask := func(what string, panel bool) {
		t.Helper()
		cuts := []string{"", "campaign", "team", "day", "hour", "agent", "week", "period", "list", "product"}
		if few {
			cuts = append(cuts[:6], cuts[6+r.IntN(4)])
		}
		for by, metrics := range byCut(cuts...) {
			ranges := [][2]time.Time{{begin, begin.AddDate(0, 0, 4)}, {begin.AddDate(0, 0, 1), begin.AddDate(0, 0, 3)}, {begin.Add(7*time.Hour + 123*time.Millisecond), begin.Add(80 * time.Hour)}}
			x := ranges[r.IntN(3)]
			if by == "" || by == "campaign" || by == "team" || by == "day" {
				x = ranges[r.IntN(2)]
			}
			q := kpi.Query{Metrics: metrics, From: x[0], To: x[1], Zone: zone, Now: begin.Add(95 * time.Hour)}
			if by != "" {
				q.By = []string{by}
			}
			sameAsFacts(t, conn, what, q, panel)
			// Those that count accounts of one kind alone, which are read without the others.
			flagged := q
			flagged.Metrics = slices.DeleteFunc([]string{"reachable_accounts", "completed_accounts", "success_rate", "completed_per_hour"}, func(name string) bool { return !slices.Contains(metrics, name) })
			if by == "agent" || by == "team" || by == "product" || by == "hour" {
				sameAsFacts(t, conn, what, flagged, panel)
			}
			if by == "day" {
				for dim, value := range map[string]string{"campaign": pick("c1", ""), "team": pick("t1", "")} {
					q.Where, q.By = []kpi.Filter{{Dim: dim, Values: []string{value}}}, []string{"day"}
					q.Metrics = slices.DeleteFunc(slices.Clone(metrics), func(name string) bool {
						m, _ := kpi.Find(name)
						return !slices.Contains(m.Dimensions(), dim)
					})
					if !few {
						sameAsFacts(t, conn, what, q, false)
					}
					q.By = []string{dim, "day"}
					sameAsFacts(t, conn, what, q, false)
				}
			}
		}
	}
	if !few {
		ask("nothing is rolled up", false)
	}
	for round := range *dailyRounds {
		roll(t, conn, zone, begin.AddDate(1, 0, round), 1)
		ask(fmt.Sprintf("round %d, all is current", round), round == 0)
		late := &facts{}
		for i := range 6 {
			c := f.calls[r.IntN(len(f.calls))]
			if i%3 == 0 { // it moves: what stood there goes
				gone := c
				gone.version, gone.deleted = uint64(10+round), true
				late.calls = append(late.calls, gone)
				c.started = some()
				c.ended = c.started.Add(time.Minute)
			}
			c.version, c.reached, c.disposition, c.outcome = uint64(10+round), ptr(r.IntN(2) == 0), pick("agree", "refuse"), pick("answered", "invalid_number")
			late.calls = append(late.calls, c)
		}
		n := some()
		late.calls = append(late.calls, call{id: fmt.Sprint("late", round), direction: "outbound", customer: "C1", lead: "L3", campaign: "c2", agent: "a1", purpose: "sales", products: []string{"x"}, started: n, ended: n.Add(time.Minute), outcome: "answered", answered: &n})
		if round%2 == 0 {
			late.leads = []lead{{fmt.Sprintf("L%d", r.IntN(60)), pick("c1", "c2"), "l2", pick("", "closed"), some()}, {fmt.Sprint("new", round), "c1", "l1", "", begin.Add(-time.Hour)}}
			late.intervals = []interval{{"a9", "t1", "p1", "c1", "talking", n, n.Add(20 * time.Minute), false}}
			late.permits = []permit{{fmt.Sprint("late", round), "deny", "c1", "", "sales", []string{"x"}, n}}
		}
		late.insertAt(t, conn, 1000*(round+1))
		ask(fmt.Sprintf("round %d, some days are stale", round), false)
	}
	roll(t, conn, zone, begin.AddDate(2, 0, 0), 1)
	if !few {
		ask("all is current again", false)
	}
	// The roll-ups are used, and only where they may be: a forged row shows in whole days and in nothing else.
	forged := func(table, columns, values, metric string, by []string, from, to time.Time) (moved bool) {
		t.Helper()
		value := func() float64 {
			res, err := kpi.Ask(t.Context(), conn, kpi.Query{Metrics: []string{metric}, From: from, To: to, By: by, Zone: zone, Now: begin.Add(95 * time.Hour)})
			if err != nil {
				t.Fatal(err)
			}
			n := 0.0
			for _, row := range res[0].Rows {
				n += *row.Value
			}
			return n
		}
		was := value()
		err := conn.Exec(t.Context(), fmt.Sprintf("INSERT INTO %[1]s (day, version, %[2]s) SELECT toDate('2026-10-31'), (SELECT argMax(version, made_at) FROM rolled WHERE rollup = '%[1]s' AND bucket = toInt64(toUInt16(toDate('2026-10-31')))), %[3]s", table, columns, values))
		if err != nil {
			t.Fatal(err)
		}
		return value() != was
	}
	for _, c := range []struct {
		table, columns, values, metric string
		by                             []string
		hours                          int // after the first moment of the range
		want                           bool
	}{
		{"accounts_since", "cut, what, n", "'all', 'called', 5", "accounts_called", nil, 0, true},
		{"accounts_since", "cut, what, n", "'all', 'called', 5", "accounts_called", []string{"agent"}, 0, false},
		{"accounts_since", "cut, what, n", "'all', 'called', 5", "accounts_called", nil, 5, false},
		{"accounts_since", "cut, what, n, campaign_id", "'campaign', 'reached', 5, 'c1'", "reachable_accounts", []string{"campaign"}, 0, true},
		{"accounts_since", "cut, what, n, team_id", "'team', 'reached', 5, 't1'", "reachable_accounts", []string{"team"}, 0, true},
		{"accounts_since", "cut, what, n, team_id", "'team', 'reached', 5, 't1'", "reachable_accounts", []string{"team", "day"}, 0, true},
		{"accounts_since", "cut, what, n, team_id", "'team', 'reached', 5, 't1'", "reachable_accounts", []string{"team", "campaign"}, 0, false},
		{"accounts_1d", "account, agent_id, n", "77, 'a1', 1", "accounts_called", []string{"agent"}, 0, true},
		{"states_1d", "agent_id, state, ms", "'a1', 'talking', 3600000", "productivity_hours", nil, 5, true},
		{"states_1d", "agent_id, state, ms", "'a1', 'talking', 3600000", "productivity_hours", []string{"hour"}, 0, false},
		{"states_1h", "hour, agent_id, state, ms", "toDateTime('2026-10-31 08:00:00', 'America/New_York'), 'a1', 'talking', 3600000", "productivity_hours", []string{"hour"}, 5, true},
		{"states_1h", "hour, agent_id, state, ms", "toDateTime('2026-10-31 08:00:00', 'America/New_York'), 'a1', 'talking', 3600000", "productivity_hours", []string{"day"}, 0, false},
		{"permits_1d", "permitted", "3", "permits", nil, 5, true},
		{"permits_1h", "hour, permitted", "toDateTime('2026-10-31 08:00:00', 'America/New_York'), 3", "permits", []string{"hour"}, 0, true},
		{"permits_1h", "hour, permitted", "toDateTime('2026-10-31 08:00:00', 'America/New_York'), 3", "permits", []string{"campaign"}, 0, false},
		{"calls_1h", "hour, direction, agent_id, n", "toDateTime('2026-10-31 08:00:00', 'America/New_York'), 'outbound', 'a1', 3", "calls_made", []string{"agent", "hour"}, 0, true},
		{"calls_1h", "hour, direction, agent_id, n", "toDateTime('2026-10-31 08:00:00', 'America/New_York'), 'outbound', 'a1', 3", "calls_made", []string{"agent"}, 0, false},
		{"calls_1d", "direction, agent_id, n", "'outbound', 'a1', 3", "calls_made", []string{"agent"}, 5, true},
	} {
		from := begin.Add(time.Duration(c.hours) * time.Hour)
		if c.hours > 0 {
			from = begin.Add(time.Duration(c.hours) * time.Hour)
		}
		if got := forged(c.table, c.columns, c.values, c.metric, c.by, from, begin.AddDate(0, 0, 3)); got != c.want {
			t.Errorf("%s by %v from %v: %s is read: %v, want %v", c.metric, c.by, from, c.table, got, c.want)
		}
	}
}
