package recompute

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// oracle answers a question from the facts by going through them one by one: METRICS.md once more, written without a
// look at the catalogue's SQL.
type oracle struct {
	f        *facts
	from, to time.Time
	now      time.Time
	zone     *time.Location
	by       []string
	where    map[string][]string
	memory   *memory
}

// memory is what several metrics of one cut have in common, worked out once by who needs it first.
type memory struct {
	calls, orders, accounts sync.Once

	callsOf    map[string][]int32 // row key -> the calls of the range, by index
	ordersOf   map[string][]order
	accountsOf map[string]map[string]account
}

// remember is called before oracles of the same cut are copied, so that they share what they have in common.
func (o *oracle) remember() { o.memory = &memory{} }

func (o *oracle) shared() *memory {
	if o.memory == nil {
		o.remember()
	}
	return o.memory
}

// rows are the calls of the range by the rows they stand in.
func (o *oracle) rows() map[string][]int32 {
	m := o.shared()
	m.calls.Do(func() {
		m.callsOf = map[string][]int32{}
		for i := range o.f.calls {
			if x := &o.f.calls[i]; o.in(x.started) {
				for _, k := range o.keys(x.dim, x.products, x.started) {
					m.callsOf[k] = append(m.callsOf[k], int32(i))
				}
			}
		}
	})
	return m.callsOf
}

// cells: row key -> sum of numerator and denominator.
type cells map[string]*[2]float64

func (c cells) add(key string, half int, v float64) {
	if c[key] == nil {
		c[key] = &[2]float64{}
	}
	c[key][half] += v
}

func (o *oracle) in(t time.Time) bool { return !t.Before(o.from) && t.Before(o.to) }

func (o *oracle) bucket(dim string, t time.Time) string {
	t = t.In(o.zone)
	switch dim {
	case "hour":
		return t.Add(-time.Duration(t.Minute())*time.Minute - time.Duration(t.Second())*time.Second - time.Duration(t.Nanosecond())).Format(time.RFC3339)
	case "week":
		y, w := t.ISOWeek()
		return fmt.Sprintf("%d-W%02d", y, w)
	case "month":
		return t.Format("2006-01")
	case "period":
		if t.Day() >= 28 {
			return time.Date(t.Year(), t.Month()+1, 1, 0, 0, 0, 0, time.UTC).Format("2006-01")
		}
		return t.Format("2006-01")
	}
	return t.Format(time.DateOnly)
}

// keys of an event: one, or one for each of its products when the cut is by product. No key: a filter is not met.
func (o *oracle) keys(dim func(string) string, products []string, at time.Time) []string {
	for d, want := range o.where {
		if d == "product" {
			if len(products) == 0 && has(want, "") || slices.ContainsFunc(products, func(p string) bool { return has(want, p) }) {
				continue
			}
			return nil
		}
		if !has(want, dim(d)) {
			return nil
		}
	}
	expand := []string{""}
	if has(o.by, "product") && len(products) > 0 {
		expand = slices.Compact(slices.Sorted(slices.Values(products)))
	}
	var out []string
	for _, p := range expand {
		if want, ok := o.where["product"]; ok && has(o.by, "product") && !has(want, p) {
			continue
		}
		var parts []string
		for _, d := range o.by {
			switch d {
			case "product":
				parts = append(parts, p)
			case "hour", "day", "week", "month", "period":
				parts = append(parts, o.bucket(d, at))
			default:
				parts = append(parts, dim(d))
			}
		}
		out = append(out, strings.Join(parts, "|"))
	}
	return out
}

// product of a key made with a cut by product.
func (o *oracle) product(key string) string {
	return strings.Split(key, "|")[slices.Index(o.by, "product")]
}

// these are dimensions by name.
type these map[string]string

func (d these) dim(name string) string { return d[name] }

func (c *call) dim(name string) string {
	switch name {
	case "campaign":
		return c.campaign
	case "agent":
		return c.agent
	case "team":
		return c.team
	case "partner":
		return c.partner
	case "list":
		return c.list
	case "purpose":
		return c.purpose
	}
	return ""
}

// calls sums a value over calls.
func (o *oracle) calls(c cells, half int, both bool, value func(*call) float64) {
	for k, calls := range o.rows() {
		there, sum := false, 0.0
		for _, i := range calls {
			if x := &o.f.calls[i]; both || x.direction == "outbound" {
				there, sum = true, sum+value(x)
			}
		}
		if there {
			c.add(k, half, sum)
		}
	}
}

// order is a call in a row, and whether its order stands there, if it has one.
type order struct {
	call int32
	here bool
}

// orders counts calls with an order; a call also stands in the rows of the products ordered.
func (o *oracle) orders(c cells, half int, counts func(*call) bool) {
	m := o.shared()
	m.orders.Do(func() {
		m.ordersOf = map[string][]order{}
		for i := range o.f.calls {
			x := &o.f.calls[i]
			if x.direction != "outbound" || !o.in(x.started) {
				continue
			}
			won := x.wonProducts()
			for _, k := range o.keys(x.dim, append(slices.Clone(x.products), x.ordered...), x.started) {
				here := x.won() && x.effective()
				if has(o.by, "product") {
					if p := o.product(k); p == "" && len(won) > 0 || p != "" && !has(won, p) {
						here = false
					}
				} else if want, ok := o.where["product"]; ok && !(len(won) == 0 && has(want, "")) && !slices.ContainsFunc(won, func(p string) bool { return has(want, p) }) {
					here = false
				}
				m.ordersOf[k] = append(m.ordersOf[k], order{int32(i), here})
			}
		}
	})
	for k, orders := range m.ordersOf {
		n := 0.0
		for _, x := range orders {
			if x.here && counts(&o.f.calls[x.call]) {
				n++
			}
		}
		c.add(k, half, n)
	}
}

type account struct {
	n                                float64
	reached, completed, won, useless bool
}

func (o *oracle) accounts(c cells, half int, value func(account) float64) {
	m := o.shared()
	m.accounts.Do(func() {
		m.accountsOf = map[string]map[string]account{}
		for k, calls := range o.rows() {
			of := map[string]account{}
			for _, i := range calls {
				x := &o.f.calls[i]
				if x.direction != "outbound" {
					continue
				}
				id := "lead " + x.lead
				if x.lead == "" {
					id = "customer " + x.customer + " in " + x.campaign
				}
				a := of[id]
				a.n++
				a.reached = a.reached || x.reached != nil && *x.reached
				a.completed = a.completed || x.completed != nil && *x.completed
				a.won = a.won || x.won()
				a.useless = a.useless || x.useless != "" || x.outcome == "invalid_number"
				of[id] = a
			}
			m.accountsOf[k] = of
		}
	})
	for k, of := range m.accountsOf {
		for _, a := range of {
			c.add(k, half, value(a))
		}
	}
}

func (o *oracle) stock(c cells, half int, value func(useless bool) float64) {
	current := map[string]lead{}
	for _, l := range o.f.leads {
		if l.at.Before(o.to) && (current[l.id].id == "" || !l.at.Before(current[l.id].at)) {
			current[l.id] = l
		}
	}
	for _, l := range current {
		useless := l.useless != "" || o.f.spoiledBefore(l.id, o.to)
		for _, k := range o.keys(these{"campaign": l.campaign, "list": l.list}.dim, nil, o.from) {
			c.add(k, half, value(useless))
		}
	}
}

func (o *oracle) reachedLeads(c cells, half int) {
	known := map[string]bool{}
	for _, l := range o.f.leads {
		known[l.id] = known[l.id] || l.at.Before(o.to)
	}
	for k, calls := range o.rows() {
		seen := map[string]bool{}
		for _, i := range calls {
			x := &o.f.calls[i]
			if x.direction != "outbound" || !known[x.lead] {
				continue
			}
			v := 0.0
			if x.reached != nil && *x.reached && !seen[x.lead] {
				seen[x.lead] = true
				v = 1
			}
			c.add(k, half, v)
		}
	}
}

// walk goes through a span second by second of a fine grid is too coarse for milliseconds, so it goes border by border:
// every border of a bucket lies on a quarter of an hour.
func (o *oracle) walk(start, end time.Time, f func(at time.Time, hours float64)) {
	if start.Before(o.from) {
		start = o.from
	}
	if end.After(o.to) {
		end = o.to
	}
	for start.Before(end) {
		next := start.Truncate(15 * time.Minute).Add(15 * time.Minute)
		if next.After(end) {
			next = end
		}
		f(start, next.Sub(start).Hours())
		start = next
	}
}

func (o *oracle) states(c cells, half int, counts func(state string) bool) {
	for _, x := range o.f.intervals {
		end := x.end
		if x.open && o.now.Before(end) {
			end = o.now
		}
		o.walk(x.start, end, func(at time.Time, hours float64) {
			for _, k := range o.keys(these{"campaign": x.campaign, "agent": x.agent, "team": x.team, "partner": x.partner}.dim, nil, at) {
				if !counts(x.state) {
					hours = 0
				}
				c.add(k, half, hours)
			}
		})
	}
}

// paid marks the quarters... of each agent and row the milliseconds that are work and not leave, once.
func (o *oracle) paid(c cells, half int, attended bool) {
	covered := map[string][][2]int64{} // agent+team+partner as far as they are cut -> spans
	names := map[string]schedule{}
	for _, s := range o.f.schedules {
		if s.kind != "work" {
			continue
		}
		if ok := o.keys(these{"agent": s.agent, "team": s.team, "partner": s.partner}.dim, nil, s.start); len(ok) == 0 {
			continue
		}
		id := s.agent
		if has(o.by, "team") {
			id += "|" + s.team
		}
		if has(o.by, "partner") {
			id += "|" + s.partner
		}
		names[id] = s
		covered[id] = append(covered[id], [2]int64{s.start.UnixMilli(), s.end.UnixMilli()})
	}
	for id, spans := range covered {
		s := names[id]
		var borders []int64
		add := func(a, b int64) { borders = append(borders, a, b) }
		for _, x := range spans {
			add(x[0], x[1])
		}
		var leave, present [][2]int64
		for _, x := range o.f.schedules {
			if x.kind == "leave" && x.agent == s.agent {
				leave = append(leave, [2]int64{x.start.UnixMilli(), x.end.UnixMilli()})
				add(x.start.UnixMilli(), x.end.UnixMilli())
			}
		}
		for _, x := range o.f.intervals {
			if x.agent == s.agent {
				end := x.end
				if x.open && o.now.Before(end) {
					end = o.now
				}
				present = append(present, [2]int64{x.start.UnixMilli(), end.UnixMilli()})
				add(x.start.UnixMilli(), end.UnixMilli())
			}
		}
		slices.Sort(borders)
		inside := func(l [][2]int64, t int64) bool {
			return slices.ContainsFunc(l, func(x [2]int64) bool { return x[0] <= t && t < x[1] })
		}
		for i := 0; i+1 < len(borders); i++ {
			a, b := borders[i], borders[i+1]
			if a == b || !inside(spans, a) || inside(leave, a) || attended && !inside(present, a) {
				continue
			}
			o.walk(time.UnixMilli(a), time.UnixMilli(b), func(at time.Time, hours float64) {
				was := o.where
				o.where = nil // the filter was for the work spans
				for _, k := range o.keys(these{"agent": s.agent, "team": s.team, "partner": s.partner}.dim, nil, at) {
					c.add(k, half, hours)
				}
				o.where = was
			})
		}
	}
}

func (o *oracle) permits(c cells, half int, decision string) {
	for _, x := range o.f.permits {
		if !o.in(x.at) {
			continue
		}
		for _, k := range o.keys(these{"campaign": x.campaign, "partner": x.partner, "purpose": x.purpose}.dim, x.products, x.at) {
			v := 0.0
			if x.decision == decision {
				v = 1
			}
			c.add(k, half, v)
		}
	}
}

func (o *oracle) complaints(c cells, half int, unattributed, upheldOnly bool) {
	byID := map[string][]complaint{}
	for _, x := range o.f.complaints {
		byID[x.id] = append(byID[x.id], x)
	}
	for _, xs := range byID {
		last := xs[len(xs)-1]
		at := time.Time{}
		for _, want := range []string{"opened", ""} {
			for _, x := range xs {
				if (want == "" || x.event == want) && (at.IsZero() || x.at.Before(at)) {
					at = x.at
				}
			}
			if !at.IsZero() {
				break
			}
		}
		upheld, decided := false, time.Time{}
		for _, x := range xs {
			if (x.event == "upheld" || x.event == "rejected") && !x.at.Before(decided) {
				upheld, decided = x.event == "upheld", x.at
			}
		}
		if last.unattributed != unattributed || !o.in(at) {
			continue
		}
		for _, k := range o.keys(these{"campaign": last.campaign, "agent": last.agent, "team": last.team, "partner": last.partner}.dim, last.products, at) {
			v := 1.0
			if upheldOnly && !upheld {
				v = 0
			}
			c.add(k, half, v)
		}
	}
}

func (o *oracle) qa(c cells, half int, value func(recording) float64) {
	for _, x := range o.f.recordings {
		if o.in(x.at) {
			for _, k := range o.keys(these{"campaign": x.campaign, "agent": x.agent, "team": x.team, "partner": x.partner}.dim, nil, x.at) {
				c.add(k, half, value(x))
			}
		}
	}
}

func (o *oracle) reviews(c cells, half int, value func(review) float64) {
	for _, x := range o.f.reviews {
		if o.in(x.at) && x.published != nil && !x.void && x.calibration == "" {
			for _, k := range o.keys(these{"campaign": x.campaign, "agent": x.agent, "team": x.team, "partner": x.partner}.dim, nil, x.at) {
				c.add(k, half, value(x))
			}
		}
	}
}
