package recompute

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/ringfence/ringfence/internal/embedded"
	"github.com/ringfence/ringfence/sinks/clickhouse"
)

func TestMain(m *testing.M) {
	embedded.MaybeRunChild()
	os.Exit(m.Run())
}

// database is a real ClickHouse with the schema and nothing in it.
func database(t *testing.T) driver.Conn {
	_, conn := engine(t)
	return conn
}

func options(addr string) clickhouse.Options {
	return clickhouse.Options{Addr: []string{addr}, Database: "ringfence", Username: "default"}
}

func engine(t *testing.T) (addr string, conn driver.Conn) {
	t.Helper()
	e, err := embedded.StartClickHouse(t.Context(), embedded.ClickHouseOptions{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	conn, err = clickhouse.Open(t.Context(), options(e.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return e.Addr(), conn
}

func ptr[T any](v T) *T { return &v }

// size of a random centre.
type size struct{ calls, leads, customers, agents, days int }

// random facts over four days, with all the gaps real ones have.
func random(r *rand.Rand, begin time.Time) *facts {
	return size{600, 40, 30, 3, 4}.random(r, begin)
}

func (n size) random(r *rand.Rand, begin time.Time) *facts {
	f := &facts{}
	var agents []string
	for i := range n.agents {
		agents = append(agents, fmt.Sprintf("a%d", i+1))
	}
	hours := int64(n.days) * 24
	pick := func(s ...string) string { return s[r.IntN(len(s))] }
	some := func(s ...string) []string {
		out := []string{}
		for _, x := range s {
			if r.IntN(3) == 0 {
				out = append(out, x)
			}
		}
		return out
	}
	at := func() time.Time {
		return begin.Add(time.Duration(r.Int64N(hours*int64(time.Hour/time.Millisecond))) * time.Millisecond)
	}
	flag := func() *bool {
		switch r.IntN(4) {
		case 0:
			return nil
		case 1:
			return ptr(false)
		}
		return ptr(true)
	}
	for i := range n.leads {
		f.leads = append(f.leads, lead{fmt.Sprintf("L%d", i), pick("c1", "c2"), pick("l1", "l2", ""), pick("", "", "", "not_target"), at()})
		if i%5 == 0 {
			f.leads = append(f.leads, lead{fmt.Sprintf("L%d", i), pick("c1", "c2"), pick("l1", "l2", ""), pick("", "closed"), at()})
		}
	}
	for i := range n.calls {
		c := call{id: fmt.Sprintf("k%d", i), direction: pick("outbound", "outbound", "outbound", "inbound"), customer: fmt.Sprintf("C%d", r.IntN(n.customers)), campaign: pick("c1", "c2", ""), list: pick("l1", "l2", ""),
			agent: pick(append(agents, "")...), team: pick("t1", "t2", ""), partner: pick("p1", ""), purpose: pick("sales", "care"), products: some("x", "y", "z"),
			started: at(), outcome: pick("answered", "no_answer", "invalid_number", "abandoned", "busy"), disposition: pick("agree", "refuse", "", "other"), useless: pick("", "", "", "", "closed"),
			reached: flag(), completed: flag(), inboundLead: flag()}
		if r.IntN(3) > 0 {
			c.lead = fmt.Sprintf("L%d", r.IntN(n.leads*9/8))
		}
		if r.IntN(4) == 0 {
			c.ordered = some("x", "w")
		}
		if r.IntN(9) == 0 {
			c.violations = some("CAP-01", "CAP-07")
		}
		c.ended = c.started.Add(time.Duration(r.IntN(300_000)) * time.Millisecond)
		if r.IntN(3) > 0 {
			c.answered, c.by = ptr(c.started.Add(c.ended.Sub(c.started)/4)), pick("human", "machine", "fax", "unknown", "")
			if r.IntN(2) == 0 {
				c.bridged = ptr(c.started.Add(c.ended.Sub(c.started) / 3).Truncate(time.Millisecond))
			}
			if r.IntN(2) == 0 {
				c.uri, c.size, c.duration = "r", []*int64{nil, ptr(int64(44)), ptr(int64(45))}[r.IntN(3)], []*int64{nil, ptr(int64(0)), ptr(int64(9))}[r.IntN(3)]
			}
			*c.answered = c.answered.Truncate(time.Millisecond)
		}
		if r.IntN(2) == 0 {
			c.wrapped = ptr(c.ended.Add(time.Duration(r.IntN(60_000)) * time.Millisecond))
		}
		if r.IntN(2) == 0 {
			c.prepared = ptr(r.Int64N(30_000))
		}
		f.calls = append(f.calls, c)
	}
	states := []string{"available", "preparing", "dialing", "talking", "hold", "wrap_up", "break", "meal", "training", "meeting", "paperwork", "other"}
	for _, agent := range agents {
		for now := begin.Add(time.Duration(r.IntN(5)) * time.Hour); now.Before(begin.Add(time.Duration(hours-6) * time.Hour)); {
			end := now.Add(time.Duration(1+r.IntN(9_000_000)) * time.Millisecond)
			f.intervals = append(f.intervals, interval{agent, pick("t1", "t2", ""), pick("p1", ""), pick("c1", "c2", ""), pick(states...), now, end, false})
			now = end.Add(time.Duration(r.IntN(3)) * time.Hour)
		}
		f.intervals = append(f.intervals, interval{agent, "t1", "", "c1", "available", begin.Add(time.Duration(hours-2) * time.Hour), begin.Add(time.Duration(hours+6) * time.Hour), true})
		for day := range n.days {
			for range 2 {
				start := begin.Add(time.Duration(day*24+6+r.IntN(8)) * time.Hour).Add(time.Duration(r.IntN(3_600_000)) * time.Millisecond)
				f.schedules = append(f.schedules, schedule{agent, pick("t1", "t2"), pick("p1", ""), pick("work", "work", "work", "none"), start, start.Add(time.Duration(1+r.IntN(30_000_000)) * time.Millisecond)})
			}
			start := begin.Add(time.Duration(day*24+9+r.IntN(8)) * time.Hour)
			f.schedules = append(f.schedules, schedule{agent, "", "", "leave", start, start.Add(time.Duration(1+r.IntN(7_200_000)) * time.Millisecond)})
		}
	}
	for i := range 200 {
		f.permits = append(f.permits, permit{fmt.Sprintf("q%d", i), pick("permit", "deny"), pick("c1", "c2", ""), pick("p1", ""), pick("sales", "care"), some("x", "y"), at()})
	}
	for i := range 30 {
		first := at()
		c := complaint{id: fmt.Sprintf("m%d", i), event: pick("opened", "assigned"), campaign: pick("c1", "c2", ""), agent: pick("a1", "a2", ""), team: pick("t1", ""), partner: pick("p1", ""), products: some("x", "y"), at: first, revision: 1, unattributed: r.IntN(5) == 0}
		f.complaints = append(f.complaints, c)
		for n := range r.IntN(3) {
			next := c
			next.event, next.at, next.revision, next.campaign = pick("upheld", "rejected", "graded", "opened"), first.Add(time.Duration(n*7+1)*time.Hour), uint64(2+n), pick("c1", "c2")
			f.complaints = append(f.complaints, next)
		}
	}
	for i := range 150 {
		when := at()
		f.recordings = append(f.recordings, recording{when.Truncate(24 * time.Hour), pick("a1", "a2"), pick("t1", "t2", ""), pick("p1", ""), pick("c1", "c2", ""), uint32(i + 1), some("daily", "weekly"), when})
		rv := review{id: fmt.Sprintf("v%d", i), agent: pick("a1", "a2"), team: pick("t1", ""), partner: pick("p1", ""), campaign: pick("c1", ""), sale: r.IntN(2) == 0, met: r.IntN(2) == 0, fatal: r.IntN(5) == 0,
			score: float64(r.IntN(101)), at: when}
		if r.IntN(3) > 0 {
			rv.published = ptr(when.Add(time.Hour))
			rv.void = i%7 == 0 // neither a voided review nor one of a calibration counts, whatever its row says
			if i%11 == 0 {
				rv.calibration = "march"
			}
		}
		f.reviews = append(f.reviews, rv)
	}
	return f
}

// insert puts the facts into the tables, every one twice and in pieces: the tables keep one of each.
func (f *facts) insert(t *testing.T, conn driver.Conn) {
	t.Helper()
	f.insertAt(t, conn, 0)
}

// insertAt does so for facts that come after others, of which there were not more than `arrived` a kind.
func (f *facts) insertAt(t *testing.T, conn driver.Conn, arrived int) {
	t.Helper()
	put := func(sql string, n int, row func(i int) []any) {
		t.Helper()
		if n == 0 {
			return
		}
		for range 2 {
			b, err := conn.PrepareBatch(context.Background(), sql)
			if err != nil {
				t.Fatalf("%s: %v", sql, err)
			}
			for i := range n {
				if err := b.Append(row(i)...); err != nil {
					t.Fatalf("%s: %v", sql, err)
				}
			}
			if err := b.Send(); err != nil {
				t.Fatalf("%s: %v", sql, err)
			}
		}
	}
	arr := func(s []string) []string {
		if s == nil {
			return []string{}
		}
		return s
	}
	put("INSERT INTO calls (call_id, direction, customer_id, lead_id, campaign_id, list_id, agent_id, team_id, partner_id, purpose, products, ordered, violations, started_at, ended_at, answered_at, bridged_at, wrapped_up_at, prepared_ms, outcome, answered_by, disposition, useless, reached, completed, inbound_lead, recording_uri, recording_size_bytes, recording_duration_ms, revision, deleted)",
		len(f.calls), func(i int) []any {
			c := f.calls[i]
			return []any{c.id, c.direction, c.customer, c.lead, c.campaign, c.list, c.agent, c.team, c.partner, c.purpose, arr(c.products), arr(c.ordered), arr(c.violations), c.started, c.ended, c.answered, c.bridged, c.wrapped, c.prepared,
				c.outcome, c.by, c.disposition, c.useless, c.reached, c.completed, c.inboundLead, c.uri, c.size, c.duration, 7 + c.version, map[bool]uint8{true: 1}[c.deleted]}
		})
	put("INSERT INTO leads (lead_id, campaign_id, list_id, useless, at, event_id, arrival)", len(f.leads), func(i int) []any {
		l := f.leads[i]
		return []any{l.id, l.campaign, l.list, l.useless, l.at, fmt.Sprint("e", arrived+i), uint64(arrived + i)}
	})
	put("INSERT INTO agent_intervals (agent_id, team_id, partner_id, campaign_id, state, start_at, end_at, open, revision)", len(f.intervals), func(i int) []any {
		x := f.intervals[i]
		return []any{x.agent, x.team, x.partner, x.campaign, x.state, x.start, x.end, x.open, uint64(1)}
	})
	put("INSERT INTO schedules (agent_id, team_id, partner_id, kind, start_at, end_at, revision)", len(f.schedules), func(i int) []any {
		x := f.schedules[i]
		return []any{x.agent, x.team, x.partner, x.kind, x.start, x.end, uint64(i + 1)}
	})
	put("INSERT INTO permits (request_id, decision, campaign_id, partner_id, purpose, products, at)", len(f.permits), func(i int) []any {
		x := f.permits[i]
		return []any{x.request, x.decision, x.campaign, x.partner, x.purpose, arr(x.products), x.at}
	})
	put("INSERT INTO complaints (complaint_id, event, event_id, campaign_id, agent_id, team_id, partner_id, products, at, unattributed, revision)", len(f.complaints), func(i int) []any {
		x := f.complaints[i]
		return []any{x.id, x.event, fmt.Sprint("e", i), x.campaign, x.agent, x.team, x.partner, arr(x.products), x.at, x.unattributed, x.revision}
	})
	put("INSERT INTO sampling_population (day, agent_id, team_id, partner_id, campaign_id, seq, drawn, call_started_at, revision)", len(f.recordings), func(i int) []any {
		x := f.recordings[i]
		return []any{x.day, x.agent, x.team, x.partner, x.campaign, x.seq, arr(x.drawn), x.at, uint64(1)}
	})
	put("INSERT INTO qa_reviews (review_id, agent_id, team_id, partner_id, campaign_id, sale, standards_met, fatal, score, call_started_at, published_at, void, calibration_id, revision)", len(f.reviews), func(i int) []any {
		x := f.reviews[i]
		return []any{x.id, x.agent, x.team, x.partner, x.campaign, x.sale, x.met, x.fatal, x.score, x.at, x.published, x.void, x.calibration, uint64(1)}
	})
}
