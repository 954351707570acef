package recompute

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/ringfence/ringfence/processors/kpi"
)

// roll makes the stale buckets; at least that many there must be.
func roll(t *testing.T, conn driver.Conn, zone *time.Location, now time.Time, least int) {
	t.Helper()
	r := &kpi.Roller{Conn: conn, Zone: zone, Logger: slog.New(slog.DiscardHandler)}
	n, err := r.Once(t.Context(), now)
	if err != nil {
		t.Fatal(err)
	}
	if n < least {
		t.Fatalf("%d buckets were made, want %d at least", n, least)
	}
}

// callMetrics are those that roll-ups can answer.
func callMetrics() []string {
	var out []string
	for _, m := range kpi.Catalogue() {
		if slices.Contains(m.Dimensions(), "purpose") && m.Unit != kpi.Permits {
			out = append(out, m.Name)
		}
	}
	return out
}

// TestRollupsEqualFacts lets calls come late, twice, change and move, while some buckets are rolled up and some are not:
// every answer is the facts' own.
func TestRollupsEqualFacts(t *testing.T) {
	conn := database(t)
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Date(2026, 10, 30, 0, 0, 0, 0, zone)
	r := rand.New(rand.NewPCG(3, 14))
	f := random(r, begin)
	f.insert(t, conn)
	const columns = "call_id, direction, campaign_id, agent_id, team_id, partner_id, list_id, purpose, products, ordered, started_at, ended_at, answered_at, answered_by, bridged_at, disposition, reached, outcome, revision, deleted"
	at := map[string]time.Time{}
	for i := range f.calls {
		at[f.calls[i].id] = f.calls[i].started
	}
	pick := func(s ...string) string { return s[r.IntN(len(s))] }
	rounds := 4
	if testing.Short() {
		rounds = 2
	}
	for round := range rounds {
		// A few calls are new, a few change, a few move; each row may be written more than once.
		b, err := conn.PrepareBatch(t.Context(), "INSERT INTO calls ("+columns+")")
		if err != nil {
			t.Fatal(err)
		}
		for i := range 12 {
			id := fmt.Sprintf("k%d", r.IntN(600))
			if i%4 == 0 {
				id = fmt.Sprintf("new%d-%d", round, i)
			}
			was, known := at[id]
			started := was
			if !known || i%3 == 0 {
				started = begin.Add(time.Duration(r.Int64N(int64(96*time.Hour/time.Millisecond))) * time.Millisecond)
			}
			at[id] = started
			put := func(when time.Time, deleted uint8) {
				ended, reached := when.Add(time.Minute), r.IntN(2) == 0
				row := []any{id, pick("outbound", "inbound"), pick("c1", "c2", "c9"), pick("a1", "a4", ""), pick("t1", ""), pick("p1", "p2"), pick("l1", ""), pick("sales", "survey"), []string{"x"}, []string{}, when, ended, &when, "human", &when,
					pick("agree", "refuse"), &reached, "answered", uint64(100 + round*100 + i), deleted}
				for range 1 + r.IntN(2) {
					if err := b.Append(row...); err != nil {
						t.Fatal(err)
					}
				}
			}
			put(started, 0)
			if known && !started.Equal(was) {
				put(was, 1)
			}
		}
		if err := b.Send(); err != nil {
			t.Fatal(err)
		}
		if round%2 == 0 {
			roll(t, conn, zone, begin.AddDate(1, 0, round), 1)
		}
		for _, by := range [][]string{nil, {"campaign", "day"}, {"agent"}, {"product"}, {"hour"}, {"agent", "hour"}, {"list", "week"}} {
			q := kpi.Query{Metrics: callMetrics(), From: begin.Add(time.Duration(r.IntN(20)) * time.Hour), To: begin.Add(97*time.Hour - time.Duration(r.IntN(30_000_000))*time.Millisecond), By: by, Zone: zone}
			if round%3 == 1 {
				q.Where = []kpi.Filter{{Dim: "campaign", Values: []string{"c1", "c9"}}, {Dim: "product", Values: []string{"x", ""}}}
			}
			rolled, err := kpi.Ask(t.Context(), conn, q)
			if err != nil {
				t.Fatal(err)
			}
			q.Facts = true
			facts, err := kpi.Ask(t.Context(), conn, q)
			if err != nil {
				t.Fatal(err)
			}
			for i := range facts {
				same(t, fmt.Sprintf("round %d, %s by %v", round, facts[i].Metric, by), rolled[i].Rows, facts[i].Rows)
			}
			if len(by) == 1 && by[0] == "hour" {
				q.Facts = false
				sameAsFacts(t, conn, fmt.Sprintf("round %d", round), q, true)
			}
		}
	}
	used := func(q string) (n uint64) {
		t.Helper()
		if err := conn.QueryRow(t.Context(), q).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	if used("SELECT count() FROM calls_1d") == 0 || used("SELECT count() FROM calls_1m") == 0 {
		t.Fatal("nothing was rolled up")
	}
	roll(t, conn, zone, begin.AddDate(1, 1, 0), 1)
	sweeper := &kpi.Roller{Conn: conn, Zone: zone}
	before := used("SELECT count() FROM calls_1m")
	if err := sweeper.Sweep(t.Context(), time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if after := used("SELECT count() FROM calls_1m"); after >= before || after == 0 {
		t.Errorf("%d rows by minute after sweeping, %d before", after, before)
	}
	q := kpi.Query{Metrics: callMetrics(), From: begin, To: begin.Add(96 * time.Hour), By: []string{"campaign"}, Zone: zone}
	rolled, err := kpi.Ask(t.Context(), conn, q)
	if err != nil {
		t.Fatal(err)
	}
	q.Facts = true
	facts, err := kpi.Ask(t.Context(), conn, q)
	if err != nil {
		t.Fatal(err)
	}
	for i := range facts {
		same(t, "swept, "+facts[i].Metric, rolled[i].Rows, facts[i].Rows)
	}
}

func same(t *testing.T, what string, got, want []kpi.Row) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %d rows, the facts have %d", what, len(got), len(want))
		return
	}
	for i := range want {
		a, _ := got[i].MarshalJSON()
		b, _ := want[i].MarshalJSON()
		if string(a) != string(b) {
			t.Errorf("%s: %s, the facts say %s", what, a, b)
		}
	}
}
