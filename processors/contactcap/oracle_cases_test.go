package contactcap_test

import (
	"flag"
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/ringfence/ringfence/processors/contactcap/policy"
)

var (
	oracleCases = flag.Int("oracle.cases", 15_000, "random cases to compare with the oracle")
	oracleSeed  = flag.Uint64("oracle.seed", 20261126, "seed of the first case; 0 = by the clock, as `make oracle` has it")
)

// grain is what the times of a case are multiples of, give or take a millisecond; then only there can a verdict change,
// and the oracle need look nowhere else.
type grain struct {
	step    int64 // ms
	past    int64 // how far back events reach, in steps
	spans   []string
	hours   []int64 // possible borders of the day, ms
	zones   []string
	horizon int64 // after the last border everything repeats within so many steps
	years   bool  // periods of a year, too
}

var (
	quarter = int64(15 * 60_000)
	grains  = []grain{
		{quarter, 4 * 24 * 4, []string{"15m", "1h", "90m", "6h", "24h", "1d", "2d", "900s"}, []int64{0, 8 * 4 * quarter, 9*4*quarter + 2*quarter, 12 * 4 * quarter, 21 * 4 * quarter, 24 * 4 * quarter},
			[]string{"Asia/Shanghai", "America/New_York", "Europe/Berlin", "America/Santiago", "Australia/Lord_Howe", "Asia/Kathmandu"}, 16 * 24 * 4, false},
		{4 * quarter, 130 * 24, []string{"1mo", "2mo", "7d", "1w", "30d"}, []int64{0, 10 * 4 * quarter, 20 * 4 * quarter, 24 * 4 * quarter},
			[]string{"Asia/Shanghai", "America/New_York", "Europe/Berlin", "America/Santiago"}, 16 * 24, false},
	}
	bases = []string{"2026-03-08T00:00:00Z", "2026-03-29T00:00:00Z", "2026-04-05T00:00:00Z", "2026-09-06T00:00:00Z", "2026-10-04T00:00:00Z", "2026-11-01T00:00:00Z",
		"2026-12-31T00:00:00Z", "2027-02-28T00:00:00Z", "2028-02-29T00:00:00Z", "2026-07-15T00:00:00Z", "2026-05-31T00:00:00Z"}
	oZones = func() map[string]*time.Location {
		m := map[string]*time.Location{}
		for _, g := range grains {
			for _, n := range g.zones {
				z, err := time.LoadLocation(n)
				if err != nil {
					panic(err)
				}
				m[n] = z
			}
		}
		return m
	}()
)

// chance is the generator's dice.
type chance struct{ dice }

type dice interface {
	IntN(n int) int
	Int64N(n int64) int64
	Shuffle(n int, swap func(i, j int))
}

// failer is a test of any kind.
type failer interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
}

func (c chance) yes(percent int) bool { return c.IntN(100) < percent }

func pick[T any](c chance, list []T) T { return list[c.IntN(len(list))] }

// some picks 1..n different ones.
func some(c chance, list []string, n int) []string {
	out := slices.Clone(list)
	c.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out[:1+c.IntN(min(n, len(out)))]
}

var (
	oPurposes  = []string{"sales", "retention", "care", "survey"}
	oProducts  = []string{"p1", "p2", "p3"}
	oCampaigns = []string{"c1", "c2"}
	oNumbers   = []string{"n1", "n2"}
	oOutcomes  = []string{"answered", "no_answer", "busy", "abandoned"}
	oBy        = []string{"human", "machine", "unknown"}
	oLists     = []string{"blacklist", "optout", "complaint", "consent"}
)

// span reads a duration of a policy.
func span(s string) oSpan {
	var n int64
	var unit string
	if _, err := fmt.Sscanf(s, "%d%s", &n, &unit); err != nil {
		panic(err)
	}
	switch unit {
	case "mo":
		return oSpan{months: int(n)}
	case "y":
		return oSpan{months: 12 * int(n)}
	}
	return oSpan{ms: n * map[string]int64{"s": 1000, "m": 60_000, "h": 3600_000, "d": 86400_000, "w": 7 * 86400_000}[unit]}
}

func quoted(list []string) string { return `["` + strings.Join(list, `", "`) + `"]` }

// filter makes something to count, as YAML and for the oracle.
func (c chance) filter() (string, oFilter) {
	switch c.IntN(8) {
	case 0:
		return "refusal", oFilter{event: "refusal"}
	case 1:
		return "cancellation", oFilter{event: "cancellation"}
	case 2:
		return "complaint", oFilter{event: "complaint"}
	case 3:
		return "conversation", oFilter{event: "conversation"}
	}
	f := oFilter{event: "call"}
	var parts []string
	if c.yes(40) {
		f.direction = some(c, []string{"outbound", "inbound"}, 2)
		parts = append(parts, "direction: "+quoted(f.direction))
	}
	if c.yes(40) {
		p := some(c, []string{"sales", "care", "marketing"}, 2)
		parts = append(parts, "purpose: "+quoted(p))
		for _, x := range p {
			if x == "marketing" {
				f.purpose = append(f.purpose, "sales", "retention")
			} else {
				f.purpose = append(f.purpose, x)
			}
		}
	}
	if c.yes(25) {
		yes := c.yes(70)
		f.answered = &yes
		parts = append(parts, fmt.Sprintf("answered: %v", yes))
	}
	if c.yes(15) {
		f.by = some(c, oBy, 2)
		parts = append(parts, "answered_by: "+quoted(f.by))
	}
	if c.yes(15) {
		f.outcome = some(c, oOutcomes, 3)
		parts = append(parts, "outcome: "+quoted(f.outcome))
	}
	if c.yes(15) {
		f.campaigns = some(c, oCampaigns, 1)
		parts = append(parts, "campaign: "+quoted(f.campaigns))
	}
	return "{call: {" + strings.Join(parts, ", ") + "}}", f
}

// rule makes one, as YAML and for the oracle.
func (c chance) rule(i int, g *grain) (string, oRule) {
	r := oRule{id: fmt.Sprint("R", i), when: map[string][]string{}}
	parts := []string{"id: " + r.id}
	var when []string
	if c.yes(45) {
		add := func(key string, values []string, percent int) {
			if !c.yes(percent) {
				return
			}
			list := some(c, values, 2)
			when = append(when, key+": "+quoted(list))
			for _, v := range list {
				if key == "purpose" && v == "marketing" {
					r.when[key] = append(r.when[key], "sales", "retention")
				} else {
					r.when[key] = append(r.when[key], v)
				}
			}
		}
		add("segment", []string{"public", "vip", "corporate"}, 30)
		add("purpose", []string{"sales", "care", "marketing"}, 40)
		add("product", oProducts, 25)
		add("campaign", oCampaigns, 15)
		add("group", []string{"g1", "g2"}, 12)
		add("plan", []string{"gold", "silver"}, 12)
		add("tariff", []string{"t1", "t2"}, 8)
		add("region", []string{"r1", "r2"}, 8)
		add("partner", []string{"x1", "x2"}, 8)
		if c.yes(8) {
			r.whenAgent = true
			when = append(when, "guaranteed_agent: true")
		}
	}
	if len(when) > 0 {
		parts = append(parts, "when: {"+strings.Join(when, ", ")+"}")
	}
	if c.yes(5) {
		r.disabled = true
		parts = append(parts, "enabled: false")
	}
	event := func(key string) {
		text, f := c.filter()
		r.event = f
		parts = append(parts, key+": "+text)
		scopes := []string{"customer", "product"}
		if f.event == "call" || f.event == "conversation" || f.event == "refusal" {
			scopes = append(scopes, "campaign", "number")
		}
		if r.per = pick(c, scopes); r.per != "customer" || c.yes(30) {
			parts = append(parts, "per: "+r.per)
		}
	}
	switch k := c.IntN(12); {
	case k < 4:
		r.kind, r.n = "limit", c.IntN(4)
		parts = append(parts, fmt.Sprint("limit: ", r.n))
		event("count")
		if c.yes(40) {
			r.calendar = pick(c, []string{"day", "week", "month"})
			if g.step == quarter && r.calendar == "month" {
				r.calendar = "day"
			}
			if g.years && c.yes(40) {
				r.calendar = "year"
			}
			parts = append(parts, "in: {calendar: "+r.calendar+"}")
		} else {
			s := pick(c, g.spans)
			r.rolling = span(s)
			parts = append(parts, "in: {rolling: "+s+"}")
		}
	case k < 7:
		s := pick(c, g.spans)
		r.kind, r.gap = "gap", span(s)
		parts = append(parts, "gap: "+s)
		event("since")
	case k < 8:
		r.kind, r.n = "never_after", 1+c.IntN(2)
		parts = append(parts, fmt.Sprint("never_after: ", r.n))
		event("of")
	case k < 10:
		r.kind = "hours"
		var spans []string
		for range 1 + c.IntN(2) {
			from := c.IntN(len(g.hours) - 1)
			to := from + 1 + c.IntN(len(g.hours)-from-1)
			o := oHours{from: g.hours[from], to: g.hours[to]}
			var days []string
			for d := range 7 {
				if c.yes(70) {
					o.days = append(o.days, time.Weekday(d))
					days = append(days, strings.ToLower(time.Weekday(d).String()[:3]))
				}
			}
			if len(days) == 0 {
				o.days, days = []time.Weekday{time.Tuesday}, []string{"tue"}
			}
			r.hours = append(r.hours, o)
			clock := func(ms int64) string { return fmt.Sprintf(`"%02d:%02d"`, ms/3600_000, ms/60_000%60) }
			spans = append(spans, "{days: ["+strings.Join(days, ", ")+"], from: "+clock(o.from)+", to: "+clock(o.to)+"}")
		}
		parts = append(parts, "hours: ["+strings.Join(spans, ", ")+"]")
	case k < 11:
		r.kind, r.list = "list", pick(c, oLists)
		parts = append(parts, "list: "+r.list)
	default:
		r.kind = "require"
		switch c.IntN(4) {
		case 0:
			r.plan = pick(c, [][]string{{"any"}, {"gold"}, {"gold", "silver"}})
			parts = append(parts, "require: {plan: "+quoted(r.plan)+"}")
		case 1:
			r.record = true
			parts = append(parts, "require: {recording: true}")
		case 2:
			r.onList = "consent"
			parts = append(parts, "require: {list: consent}")
		default:
			r.callers = some(c, []string{"10010", "100*", "inbound_number"}, 2)
			parts = append(parts, "require: {caller_id: "+quoted(r.callers)+"}")
		}
	}
	return "{" + strings.Join(parts, ", ") + "}", r
}

// rulebook is a policy, read by the engine and known to the oracle.
type rulebook struct {
	src    string
	engine *policy.Policy
	rules  []oRule
	home   *time.Location
	g      *grain
	base   int64
	ragged bool // times may be a millisecond off the grain
	spans  []oSpan
}

func (c chance) rulebook(t failer) *rulebook {
	t.Helper()
	b := &rulebook{g: &grains[0], ragged: c.yes(30)}
	if c.yes(15) {
		b.g = &grains[1]
	}
	at, err := time.Parse(time.RFC3339, pick(c, bases))
	if err != nil {
		t.Fatal(err)
	}
	b.base = at.UnixMilli() + int64(c.IntN(96))*b.g.step
	zone := pick(c, b.g.zones)
	b.home = oZones[zone]
	b.src = "policy: random\nversion: 1\ntime_zone: " + zone + "\nrules:\n"
	for i := range 1 + c.IntN(4) {
		text, r := c.rule(i, b.g)
		if r.kind == "hours" && c.yes(30) {
			for range 1 + c.IntN(2) {
				r.holidays = append(r.holidays, time.UnixMilli(b.base).AddDate(0, 0, c.IntN(9)-1).Format(time.DateOnly))
			}
			text = strings.TrimSuffix(text, "}") + ", holidays: [" + strings.Join(r.holidays, ", ") + "]}"
		}
		b.src += "  - " + text + "\n"
		b.rules = append(b.rules, r)
	}
	if b.engine, err = policy.Parse("random.yaml", []byte(b.src)); err != nil {
		t.Fatalf("%v\n%s", err, b.src)
	}
	return b
}

// when is a moment of an event: mostly before the request, now and then after it.
func (c chance) when(b *rulebook) int64 {
	at := b.base - c.Int64N(b.g.past)*b.g.step
	if c.yes(12) {
		at = b.base + c.Int64N(b.g.past/4)*b.g.step
	}
	if c.yes(15) {
		at = b.base
	}
	if b.g.step > quarter && c.yes(10) { // a month or two to the moment
		wall := oWall(b.base, b.home)
		date := oDate(wall)
		at = oInstant(date.AddDate(0, -1-c.IntN(2), 0).UnixMilli()+wall-date.UnixMilli(), b.home)
	}
	// A month or two before an hour that clocks skip or repeat.
	if _, change := time.UnixMilli(b.base - 5*86400_000).In(b.home).ZoneBounds(); b.g.step > quarter && !change.IsZero() && change.UnixMilli() < b.base+20*86400_000 && c.yes(30) {
		wall := oWall(change.UnixMilli()-1, b.home) + 1 + int64(c.IntN(4)-2)*3600_000
		date := oDate(wall)
		at = oInstant(date.AddDate(0, -1-c.IntN(2), 0).UnixMilli()+wall-date.UnixMilli(), b.home)
	}
	if c.yes(8) { // a day's first moment: periods of the calendar begin and end there
		at = oInstant(oDate(oWall(b.base, b.home)).AddDate(0, 0, c.IntN(10)-2).UnixMilli(), b.home)
	}
	if b.ragged && c.yes(40) {
		at += int64(c.IntN(3) - 1)
	}
	return at
}

func (c chance) products() []string {
	if c.yes(15) {
		return nil
	}
	p := some(c, oProducts, 2)
	sort.Strings(p)
	return p
}

func ptr[T any](v T) *T { return &v }

// history makes a customer's past, and what is known of his future.
func (c chance) history(b *rulebook) *oHistory {
	h := &oHistory{}
	for range c.IntN(6) {
		x := oCall{at: c.when(b), inbound: c.yes(20), answered: c.yes(60), by: pick(c, oBy), outcome: pick(c, oOutcomes), purpose: pick(c, oPurposes), campaign: pick(c, oCampaigns),
			number: pick(c, oNumbers), products: c.products(), optOut: c.yes(4)}
		x.bridged = x.answered && c.yes(70)
		if c.yes(30) {
			x.refused = some(c, oProducts, 2)
		}
		h.calls = append(h.calls, x)
	}
	for range c.IntN(3) {
		if c.yes(50) {
			h.permits = append(h.permits, oPermit{at: c.when(b), purpose: pick(c, oPurposes), campaign: pick(c, oCampaigns), number: pick(c, oNumbers), products: c.products()})
		}
	}
	for range c.IntN(2) {
		x := oComplaint{at: c.when(b), rejected: c.yes(25), campaign: pick(c, oCampaigns), number: pick(c, oNumbers), products: c.products()}
		for at := x.at; c.yes(40); at = x.serious[len(x.serious)-1] + b.g.step {
			x.serious = append(x.serious, at+int64(c.IntN(20))*b.g.step)
		}
		h.complaints = append(h.complaints, x)
	}
	taken := map[int64]bool{} // changes have moments of their own: of two at one instant nobody can say which holds
	for _, x := range h.calls {
		taken[x.at] = true
	}
	for _, x := range h.complaints {
		for _, at := range x.serious {
			taken[at] = true
		}
	}
	for range c.IntN(4) {
		x := oChange{at: c.when(b)}
		if taken[x.at] {
			continue
		}
		taken[x.at] = true
		if c.yes(25) {
			x.segment = ptr(pick(c, []string{"public", "vip", "corporate"}))
		}
		if c.yes(20) {
			x.plan = ptr(pick(c, []string{"gold", "silver"}))
		}
		if c.yes(20) {
			x.zone = ptr(pick(c, b.g.zones))
		}
		if c.yes(15) {
			x.region = ptr(pick(c, []string{"r1", "r2"}))
		}
		if c.yes(15) {
			x.tariff = ptr(pick(c, []string{"t1", "t2"}))
		}
		if c.yes(20) {
			x.groups = some(c, []string{"g1", "g2"}, 2)
		}
		if c.yes(40) {
			x.lists = map[string]bool{pick(c, oLists): c.yes(60)}
		}
		if c.yes(40) {
			x.products = map[string]string{}
			for _, p := range some(c, oProducts, 2) {
				x.products[p] = pick(c, []string{"active", "cancelled", "cancelled"})
			}
		}
		if c.yes(20) {
			x.clear = some(c, oProducts, 2)
		}
		h.changes = append(h.changes, x)
	}
	sort.SliceStable(h.calls, func(i, j int) bool { return h.calls[i].at < h.calls[j].at })
	sort.SliceStable(h.changes, func(i, j int) bool { return h.changes[i].at < h.changes[j].at })
	return h
}

func (c chance) request(b *rulebook) *oRequest {
	q := &oRequest{at: b.base, purpose: pick(c, oPurposes), products: c.products(), guaranteed: c.yes(30), recording: c.yes(70), caller: pick(c, []string{"", "10010", "10016", "95"})}
	if b.ragged && c.yes(40) {
		q.at += int64(c.IntN(3) - 1)
	}
	if c.yes(70) {
		q.campaign, q.number, q.partner = pick(c, oCampaigns), pick(c, oNumbers), pick(c, []string{"x1", "x2"})
	}
	if c.yes(40) {
		q.inbound = q.caller
	}
	return q
}
