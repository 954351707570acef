package contactcap_test

import (
	"slices"
	"strings"
	"time"
)

// The oracle is a second reading of CONTRACT.md sections 2 to 4, written apart from the engine and as plainly as it can
// be: it looks at every event for every rule at every moment, and finds the next allowed moment by trying one after
// another. It shares no code with the engine.

type oCall struct {
	at                                     int64
	inbound, answered, bridged, optOut     bool
	by, outcome, purpose, campaign, number string
	products, refused                      []string
}

type oPermit struct {
	at                        int64
	purpose, campaign, number string
	products                  []string
}

type oChange struct {
	at                                  int64
	segment, plan, zone, region, tariff *string
	groups                              []string
	lists                               map[string]bool
	products                            map[string]string
	clear                               []string
}

type oComplaint struct {
	at               int64
	serious          []int64
	rejected         bool
	campaign, number string
	products         []string
}

type oHistory struct {
	calls      []oCall
	permits    []oPermit
	changes    []oChange // by at
	complaints []oComplaint

	seen     int // customer() as of so many events: it changes only when another becomes visible
	was      oCustomer
	seenHome *time.Location
}

type oRequest struct {
	at                                                  int64
	purpose, campaign, partner, caller, inbound, number string
	products                                            []string
	guaranteed, recording                               bool
}

// oSpan is a length of time: months, or milliseconds.
type oSpan struct {
	months int
	ms     int64
}

type oFilter struct {
	event                                      string // call, refusal, cancellation, complaint, conversation
	direction, purpose, by, outcome, campaigns []string
	answered                                   *bool
}

type oHours struct {
	days     []time.Weekday
	from, to int64 // ms of the day
}

type oRule struct {
	id, kind string // limit gap never_after hours list require
	when     map[string][]string
	whenAgent,
	disabled bool
	n        int
	event    oFilter
	rolling  oSpan
	calendar string
	gap      oSpan
	per      string
	hours    []oHours
	holidays []string // dates
	list     string
	plan     []string // require; any
	record   bool
	onList   string
	callers  []string
}

type oVerdict struct {
	denies, counts bool
	used, limit    int
}

// offset of a zone's clock at an instant, in milliseconds.
func oOffset(ms int64, z *time.Location) int64 {
	_, s := time.UnixMilli(ms).In(z).Zone()
	return int64(s) * 1000
}

func oWall(ms int64, z *time.Location) int64 { return ms + oOffset(ms, z) }

// oInstant is the first instant at which the clock shows wall; a time that is skipped is taken with the offset before.
func oInstant(wall int64, z *time.Location) int64 {
	best := int64(1) << 62
	for h := int64(-30); h <= 30; h++ { // every offset in use around that time
		if at := wall - oOffset(wall+h*1800_000, z); oWall(at, z) == wall {
			best = min(best, at)
		}
	}
	if best < 1<<62 {
		return best
	}
	return wall - oOffset(wall-26*3600_000, z)
}

func oDate(wall int64) time.Time {
	t := time.UnixMilli(wall).UTC()
	return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
}

func oAdd(at int64, s oSpan, z *time.Location) int64 {
	if s.months == 0 {
		return at + s.ms
	}
	wall := oWall(at, z)
	date := oDate(wall)
	y, m, d := date.Date()
	for i := 0; i < s.months; i++ {
		if m++; m > 12 {
			y, m = y+1, 1
		}
	}
	for time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Month() != m { // no such day: the month's last
		d--
	}
	return oInstant(time.Date(y, m, d, 0, 0, 0, 0, time.UTC).UnixMilli()+wall-date.UnixMilli(), z)
}

func oSamePeriod(a, b int64, kind string, z *time.Location) bool {
	x, y := oDate(oWall(a, z)), oDate(oWall(b, z))
	switch kind {
	case "day":
		return x.Equal(y)
	case "week":
		for x.Weekday() != time.Monday {
			x = x.AddDate(0, 0, -1)
		}
		for y.Weekday() != time.Monday {
			y = y.AddDate(0, 0, -1)
		}
		return x.Equal(y)
	case "month":
		return x.Year() == y.Year() && x.Month() == y.Month()
	}
	return x.Year() == y.Year()
}

// oCustomer is the customer at a moment.
type oCustomer struct {
	segment, plan, region, tariff string
	groups                        []string
	zone                          *time.Location
	lists                         map[string]bool
}

func (h *oHistory) customer(now int64, home *time.Location, zones map[string]*time.Location) oCustomer {
	seen := 1
	for _, x := range h.changes {
		if x.at <= now {
			seen++
		}
	}
	for _, x := range h.calls {
		if x.optOut && x.at <= now {
			seen++
		}
	}
	for _, x := range h.complaints {
		for _, at := range x.serious {
			if at <= now {
				seen++
			}
		}
	}
	if seen == h.seen && home == h.seenHome {
		return h.was
	}
	c := oCustomer{segment: "public", zone: home, lists: map[string]bool{}}
	takenOff := map[string]int64{}
	for _, x := range h.changes {
		if x.at > now {
			continue
		}
		if x.segment != nil {
			c.segment = *x.segment
		}
		if x.plan != nil {
			c.plan = *x.plan
		}
		if x.region != nil {
			c.region = *x.region
		}
		if x.tariff != nil {
			c.tariff = *x.tariff
		}
		if x.groups != nil {
			c.groups = x.groups
		}
		if x.zone != nil {
			c.zone = zones[*x.zone]
		}
		for name, on := range x.lists {
			c.lists[name] = on
			takenOff[name] = x.at
		}
	}
	stands := func(list string, at int64) {
		if at > 0 && at <= now && (takenOff[list] == 0 || at >= takenOff[list]) {
			c.lists[list] = true
		}
	}
	for _, x := range h.calls {
		if x.optOut {
			stands("optout", x.at)
		}
	}
	for _, x := range h.complaints {
		for _, at := range x.serious {
			stands("complaint", at)
		}
	}
	h.seen, h.was, h.seenHome = seen, c, home
	return c
}

func oneOf(list []string, s string) bool { return len(list) == 0 || slices.Contains(list, s) }

// times are the moments of the events a rule counts for one product.
func (h *oHistory) times(r *oRule, q *oRequest, product string, now int64) (out []int64) {
	fits := func(products []string, campaign, number string) bool {
		switch r.per {
		case "product":
			return product == "" || slices.Contains(products, product)
		case "campaign":
			return q.campaign == "" || campaign == q.campaign
		case "number":
			return q.number == "" || number == q.number
		}
		return true
	}
	f := &r.event
	switch f.event {
	case "call", "conversation":
		for _, c := range h.calls {
			direction := map[bool]string{true: "inbound", false: "outbound"}[c.inbound]
			switch {
			case c.at > now, !fits(c.products, c.campaign, c.number):
			case f.event == "conversation":
				if c.by == "human" && c.bridged {
					out = append(out, c.at)
				}
			case len(f.direction) == 0 && c.inbound, len(f.direction) > 0 && !slices.Contains(f.direction, direction):
			case !oneOf(f.purpose, c.purpose), !oneOf(f.by, c.by), !oneOf(f.outcome, c.outcome), !oneOf(f.campaigns, c.campaign):
			case f.answered != nil && *f.answered != c.answered:
			default:
				out = append(out, c.at)
			}
		}
		for _, p := range h.permits {
			switch {
			case !fits(p.products, p.campaign, p.number):
			case f.event == "call" && (!oneOf(f.direction, "outbound") || !oneOf(f.purpose, p.purpose) || !oneOf(f.campaigns, p.campaign)):
			default:
				out = append(out, p.at)
			}
		}
	case "refusal":
		for _, c := range h.calls {
			var left []string
			for _, p := range c.refused {
				gone := false
				for _, x := range h.changes {
					gone = gone || x.at <= now && x.at >= c.at && slices.Contains(x.clear, p)
				}
				if !gone {
					left = append(left, p)
				}
			}
			if c.at <= now && len(left) > 0 && fits(left, c.campaign, c.number) {
				out = append(out, c.at)
			}
		}
	case "complaint":
		for _, c := range h.complaints {
			if c.at <= now && !c.rejected && fits(c.products, c.campaign, c.number) {
				out = append(out, c.at)
			}
		}
	case "cancellation":
		cancelled := map[string]bool{}
		for _, x := range h.changes {
			if x.at > now {
				continue
			}
			var fresh []string
			for p, state := range x.products {
				if state == "cancelled" && !cancelled[p] {
					fresh = append(fresh, p)
				}
				cancelled[p] = state == "cancelled"
			}
			if len(fresh) > 0 && fits(fresh, "", "") {
				out = append(out, x.at)
			}
		}
	}
	return out
}

// verdict of one rule, were the request made now.
func (h *oHistory) verdict(r *oRule, q *oRequest, now int64, home *time.Location, zones map[string]*time.Location) oVerdict {
	c := h.customer(now, home, zones)
	if r.disabled {
		return oVerdict{}
	}
	var products []string
	for _, p := range q.products {
		if oneOf(r.when["product"], p) {
			products = append(products, p)
		}
	}
	if len(r.when) > 0 {
		for key, value := range map[string]string{"segment": c.segment, "purpose": q.purpose, "campaign": q.campaign, "plan": c.plan, "tariff": c.tariff, "partner": q.partner, "region": c.region} {
			if list := r.when[key]; len(list) > 0 && !slices.Contains(list, value) {
				return oVerdict{}
			}
		}
	}
	if len(r.when["product"]) > 0 && len(products) == 0 || r.whenAgent && !q.guaranteed {
		return oVerdict{}
	}
	if len(r.when["group"]) > 0 {
		member := false
		for _, g := range c.groups {
			member = member || slices.Contains(r.when["group"], g)
		}
		if !member {
			return oVerdict{}
		}
	}
	each := []string{""}
	if r.per == "product" && len(products) > 0 {
		each = products
	}
	switch r.kind {
	case "limit", "never_after":
		v := oVerdict{counts: true, limit: r.n}
		for _, p := range each {
			n := 0
			if r.event.event != "" {
				for _, at := range h.times(r, q, p, now) {
					switch {
					case r.kind == "never_after", r.calendar != "" && oSamePeriod(at, now, r.calendar, c.zone), r.calendar == "" && oAdd(at, r.rolling, c.zone) > now:
						n++
					}
				}
			}
			v.used = max(v.used, n)
		}
		v.denies = v.used >= v.limit
		return v
	case "gap":
		for _, p := range each {
			for _, at := range h.times(r, q, p, now) {
				if now < oAdd(at, r.gap, c.zone) {
					return oVerdict{denies: true}
				}
			}
		}
	case "hours":
		wall := oWall(now, c.zone)
		date := oDate(wall)
		if slices.Contains(r.holidays, date.Format(time.DateOnly)) {
			return oVerdict{denies: true}
		}
		for _, o := range r.hours {
			if t := wall - date.UnixMilli(); slices.Contains(o.days, date.Weekday()) && o.from <= t && t < o.to {
				return oVerdict{}
			}
		}
		return oVerdict{denies: true}
	case "list":
		return oVerdict{denies: c.lists[r.list]}
	case "require":
		switch {
		case slices.Contains(r.plan, "any") && c.plan == "", len(r.plan) > 0 && !slices.Contains(r.plan, "any") && !slices.Contains(r.plan, c.plan):
			return oVerdict{denies: true}
		case r.record && !q.recording, r.onList != "" && !c.lists[r.onList]:
			return oVerdict{denies: true}
		case len(r.callers) > 0:
			for _, a := range r.callers {
				prefix, isPrefix := strings.CutSuffix(a, "*")
				if q.caller != "" && (a == q.caller || isPrefix && strings.HasPrefix(q.caller, prefix) || a == "inbound_number" && q.inbound == q.caller) {
					return oVerdict{}
				}
			}
			return oVerdict{denies: true}
		}
	}
	return oVerdict{}
}
