package contactcap

import (
	"slices"
	"time"

	"github.com/ringfence/ringfence/processors/contactcap/policy"
)

// next is the first moment from t on at which all the rules allow the request, with no further event. Events
// already known and dated later become visible on the way. false = never.
//
// Until the next known event becomes visible a rule that denies goes on denying up to a moment that is known: when enough
// of what it counts has left its window, when its gap has passed, when its calendar period ends, when its hours open. The
// request waits for the latest of its rules, and asks them all again there.
func next(h *History, p *policy.Policy, req *Request, rules []*policy.Rule, t int64) (int64, bool) {
	give := int64(maxTime)
	var v view
	for n := 0; t <= give; n++ {
		if n == 32 { // by now it is hours that never open together, or a long way
			give = lastBorder(h, p, rules)
		}
		v.look(h, p, req, t)
		visible := nextVisible(h, t)
		wake := t
		for _, r := range rules {
			if v.spares(r) || !v.judge(r, false).deny {
				continue
			}
			w := min(v.until(r), visible)
			if w == maxTime {
				return 0, false
			}
			wake = max(wake, w)
		}
		if wake == t {
			return t, true
		}
		t = wake
	}
	return 0, false
}

// until is when a rule that denies now does so no more if no event comes; maxTime = never.
func (v *view) until(r *policy.Rule) int64 {
	products, _ := v.concerns(r)
	end := v.now
	switch {
	case r.Kind == policy.Limit && r.N == 0:
		return maxTime
	case r.Kind == policy.Limit && r.In.Calendar != "":
		_, end = period(v.now, r.In.Calendar, v.zone)
	case r.Kind == policy.Limit:
		var leave []int64
		for _, product := range scope(r, products) {
			leave = leave[:0]
			v.each(r, product, func(e Evidence) {
				if w := add(e.At, r.In.Rolling, v.zone); w > v.now {
					leave = append(leave, w)
				}
			})
			if over := len(leave) - r.N; over >= 0 {
				slices.Sort(leave)
				end = max(end, leave[over])
			}
		}
	case r.Kind == policy.Gap:
		for _, product := range scope(r, products) {
			v.each(r, product, func(e Evidence) {
				if e.At+longest(r.Gap) > end {
					end = max(end, add(e.At, r.Gap, v.zone))
				}
			})
		}
	case r.Kind == policy.Hours:
		open, ok := nextOpening(r, v.now, v.zone)
		if !ok {
			return maxTime
		}
		return open
	default: // lists, requirements, what is never again: only an event changes them
		return maxTime
	}
	return end
}

// nextVisible is the time of the first known event after t: it may be of any kind, and change anything.
func nextVisible(h *History, t int64) int64 {
	first := int64(maxTime)
	see := func(at int64) {
		if at > t && at < first {
			first = at
		}
	}
	for i := len(h.Changes) - 1; i >= 0 && h.Changes[i].At > t; i-- {
		see(h.Changes[i].At)
	}
	for i := len(h.Calls) - 1; i >= 0 && h.Calls[i].At > t; i-- {
		see(h.Calls[i].At)
	}
	for i := range h.Complaints {
		see(h.Complaints[i].At)
		for _, at := range h.Complaints[i].Serious {
			see(at)
		}
	}
	return first
}

// lastBorder is a moment after which nothing but hours changes any verdict any more, and so much later that a week's pattern
// not met by then, whatever holidays and clock changes spoil, is never met.
func lastBorder(h *History, p *policy.Policy, rules []*policy.Rule) int64 {
	zones := []*time.Location{p.Zone}
	var latest int64
	for i := range h.Changes {
		latest = max(latest, h.Changes[i].At)
		if z := h.Changes[i].TimeZone; z != nil {
			zones = append(zones, p.Location(*z))
		}
	}
	for i := range h.Calls {
		latest = max(latest, h.Calls[i].At)
	}
	for i := range h.Permits {
		latest = max(latest, h.Permits[i].At)
	}
	for i := range h.Complaints {
		latest = max(latest, h.Complaints[i].At)
		for _, at := range h.Complaints[i].Serious {
			latest = max(latest, at)
		}
	}
	last, holidays := latest, 0
	for _, r := range rules {
		for _, z := range zones {
			switch {
			case r.Kind == policy.Gap:
				last = max(last, add(latest, r.Gap, z)+31*dayMS)
			case r.Kind == policy.Limit && r.In.Calendar != "":
				last = max(last, latest+367*dayMS)
			case r.Kind == policy.Limit && r.N > 0:
				last = max(last, add(latest, r.In.Rolling, z)+31*dayMS)
			}
		}
		holidays += len(r.Holidays)
		for day := range r.Holidays {
			last = max(last, (day+2)*dayMS)
		}
	}
	return last + int64(7*(holidays+60))*dayMS
}
