package contactcap

import (
	"slices"
	"time"

	"github.com/ringfence/ringfence/processors/contactcap/policy"
)

// next is the first moment from the request's on at which all the rules allow it, with no further event. Events
// already known and dated later become visible on the way. false = never.
//
// Between two borders nothing changes, so only borders need looking at: the moments at which a known event becomes
// visible, at which one leaves a rolling window or a gap has passed, at which a calendar period ends, and at which hours
// open. All but the last are finitely many, because events are; hours repeat by the week. Zones can change at a change
// of the customer, so borders that depend on the zone are made for every zone he ever has.
func next(h *History, p *policy.Policy, req *Request, rules []*policy.Rule, zones *zoneCache) (int64, bool) {
	borders := bordersOf(h, p, req, rules, zones)
	t := req.At
	// Beyond the last border only hours matter; a week's pattern not met within as many weeks as holidays and clock
	// changes can spoil is never met.
	last := t
	if n := len(borders); n > 0 {
		last = max(last, borders[n-1])
	}
	holidays := 0
	for _, r := range rules {
		holidays += len(r.Holidays)
		for day := range r.Holidays {
			last = max(last, (day+2)*dayMS)
		}
	}
	give := last + int64(7*(holidays+60))*dayMS
	for t <= give {
		v := look(h, p, req, t, zones)
		allowed := true
		wake := int64(maxTime) // the earliest moment a denying rule may change its mind
		for _, r := range rules {
			x := v.judge(r, false)
			if !x.deny {
				continue
			}
			allowed = false
			w := int64(maxTime)
			if i, _ := slices.BinarySearch(borders, t+1); i < len(borders) {
				w = borders[i]
			}
			if r.Kind == policy.Hours {
				if o, ok := nextOpening(r, t, v.zone); ok {
					w = min(w, o)
				}
			}
			// Every denying rule must change: the request waits for the latest of them.
			if wake == maxTime || w > wake {
				wake = w
			}
			if w == maxTime {
				return 0, false
			}
		}
		if allowed {
			return t, true
		}
		t = wake
	}
	return 0, false
}

// bordersOf are the moments, sorted, after the request's, at which a rule that is not about hours can change its mind.
func bordersOf(h *History, p *policy.Policy, req *Request, rules []*policy.Rule, zones *zoneCache) []int64 {
	var out []int64
	put := func(t int64) {
		if t > req.At {
			out = append(out, t)
		}
	}
	locs := []*time.Location{p.Zone}
	for i := range h.Changes {
		c := &h.Changes[i]
		put(c.At)
		if c.TimeZone != nil {
			locs = append(locs, zones.get(*c.TimeZone, p.Zone))
		}
	}
	var times []int64
	for i := range h.Calls {
		put(h.Calls[i].At)
		times = append(times, h.Calls[i].At)
	}
	for i := range h.Permits {
		times = append(times, h.Permits[i].At)
	}
	for i := range h.Complaints {
		put(h.Complaints[i].At)
		put(h.Complaints[i].SeriousAt)
		times = append(times, h.Complaints[i].At)
	}
	for i := range h.Changes {
		times = append(times, h.Changes[i].At)
	}
	for _, r := range rules {
		var span policy.Span
		switch {
		case r.Kind == policy.Gap:
			span = r.Gap
		case r.Kind == policy.Limit && r.In.Calendar == "":
			span = r.In.Rolling
		case r.Kind != policy.Limit:
			continue
		}
		for _, z := range locs {
			for _, t := range times {
				if r.In.Calendar != "" && r.Kind == policy.Limit {
					start, end := period(t, r.In.Calendar, z)
					put(start)
					put(end)
				} else {
					put(add(t, span, z))
				}
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
