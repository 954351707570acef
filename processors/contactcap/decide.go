package contactcap

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ringfence/ringfence/processors/contactcap/policy"
)

// Evidence is an event a verdict rests on.
type Evidence struct {
	EventID string
	CallID  string
	At      int64
}

// Denial is one rule that denies.
type Denial struct {
	Rule          string
	Used, Limit   *int64
	NextAllowedAt int64 // 0 = never
	Detail        string
}

// Decision is the answer to a request.
type Decision struct {
	Permit        bool
	DeniedBy      []Denial // in policy order
	NextAllowedAt int64    // of a denial; 0 = never
	Zone          *time.Location
}

// verdict of one rule at one moment.
type verdict struct {
	applies  bool
	deny     bool
	counted  bool // used and limit mean something
	used     int64
	limit    int64
	evidence []Evidence
	detail   string
}

// Decide answers a request over a history. It is pure: no clock, no I/O; the same arguments give the same answer.
func Decide(h *History, p *policy.Policy, req Request) Decision {
	var zones zoneCache
	v := look(h, p, &req, req.At, &zones)
	d := Decision{Permit: true, Zone: v.zone}
	for _, r := range p.Rules {
		x := v.judge(r, false)
		if !x.deny {
			continue
		}
		d.Permit = false
		den := Denial{Rule: r.ID, Detail: x.detail}
		if x.counted {
			den.Used, den.Limit = &x.used, &x.limit
		}
		den.NextAllowedAt, _ = next(h, p, &req, []*policy.Rule{r}, &zones)
		d.DeniedBy = append(d.DeniedBy, den)
	}
	if !d.Permit {
		d.NextAllowedAt, _ = next(h, p, &req, p.Rules, &zones)
	}
	return d
}

// judge says what one rule says of the request at the view's moment. With evidence it also names the events.
func (v *view) judge(r *policy.Rule, evidence bool) verdict {
	products, ok := v.concerns(r)
	if !ok {
		return verdict{}
	}
	x := verdict{applies: true}
	switch r.Kind {
	case policy.Limit, policy.NeverAfter:
		x.counted, x.limit, x.used = true, int64(r.N), -1
		for _, product := range scope(r, products) {
			used, list := v.count(r, product, evidence)
			if used > x.used {
				x.used, x.evidence = used, list
			}
		}
		x.used = max(x.used, 0)
		x.deny = x.used >= x.limit
		x.detail = countText(r, x.used)
	case policy.Gap:
		var until int64
		for _, product := range scope(r, products) {
			v.each(r, product, func(e Evidence) {
				if end := add(e.At, r.Gap, v.zone); end > until {
					until = end
					if evidence {
						x.evidence = []Evidence{e}
					}
				}
			})
		}
		x.deny = v.now < until
		x.detail = fmt.Sprintf("%s must pass since the last %s", spanText(r.Gap), eventText(&r.Event))
	case policy.Hours:
		x.deny = !opens(r, v.now, v.zone)
		x.detail = "calling hours are " + hoursText(r) + " of the customer's time (" + v.zone.String() + ")"
	case policy.List:
		on, since := v.onList(r.List)
		x.deny = on
		x.detail = "the customer is not on the list " + r.List
		if on {
			x.detail = "the customer is on the list " + r.List
			if evidence {
				x.evidence = []Evidence{since}
			}
		}
	case policy.Require:
		x.detail = v.lacking(r)
		x.deny = x.detail != ""
		if !x.deny {
			x.detail = "what is required is there"
		}
	}
	return x
}

// scope is what a rule is checked for: each product, or all at once.
func scope(r *policy.Rule, products []string) []string {
	if r.Per != policy.PerProduct || len(products) == 0 {
		return []string{""}
	}
	return products
}

func (v *view) count(r *policy.Rule, product string, evidence bool) (int64, []Evidence) {
	if r.Event.Event == 0 {
		return 0, nil
	}
	var n int64
	var list []Evidence
	var from, until int64
	calendar := r.Kind == policy.Limit && r.In.Calendar != ""
	if calendar {
		from, until = period(v.now, r.In.Calendar, v.zone)
	}
	v.each(r, product, func(e Evidence) {
		switch {
		case calendar && (e.At < from || e.At >= until):
			return
		case r.Kind == policy.Limit && !calendar && add(e.At, r.In.Rolling, v.zone) <= v.now:
			return
		}
		n++
		if evidence {
			list = append(list, e)
		}
	})
	return n, list
}

// lacking says what a requirement misses, "" when nothing.
func (v *view) lacking(r *policy.Rule) string {
	if r.NeedPlan && (v.plan == "" || len(r.Plan) > 0 && !slices.Contains(r.Plan, v.plan)) {
		if v.plan == "" {
			return "the customer has no plan"
		}
		return fmt.Sprintf("the customer's plan %q is not one of %s", v.plan, strings.Join(r.Plan, ", "))
	}
	if r.Recording && !v.req.Recording {
		return "the call would not be recorded"
	}
	if r.OnList != "" {
		if on, _ := v.onList(r.OnList); !on {
			return "the customer is not on the list " + r.OnList
		}
	}
	if r.NeedCaller && !callerAllowed(r.CallerIDs, v.req) {
		if v.req.CallerID == "" {
			return "no caller_id is given; one of " + strings.Join(r.CallerIDs, ", ") + " is needed"
		}
		return "the caller_id is not one of " + strings.Join(r.CallerIDs, ", ")
	}
	return ""
}

func callerAllowed(allowed []string, req *Request) bool {
	for _, a := range allowed {
		switch {
		case req.CallerID == "":
			return false
		case a == "inbound_number":
			if req.InboundNumber == req.CallerID {
				return true
			}
		case strings.HasSuffix(a, "*"):
			if strings.HasPrefix(req.CallerID, a[:len(a)-1]) {
				return true
			}
		case a == req.CallerID:
			return true
		}
	}
	return false
}

func countText(r *policy.Rule, used int64) string {
	s := "s"
	if used == 1 {
		s = ""
	}
	what := eventText(&r.Event) + s
	if r.Event.Event == 0 {
		return "never allowed"
	}
	if r.Kind == policy.NeverAfter {
		return fmt.Sprintf("%d %s, never again after %d", used, what, r.N)
	}
	if r.In.Calendar != "" {
		return fmt.Sprintf("%d %s this %s", used, what, r.In.Calendar)
	}
	return fmt.Sprintf("%d %s in the %s before", used, what, spanText(r.In.Rolling))
}

func eventText(f *policy.Filter) string {
	switch {
	case f.Bridged:
		return "conversation"
	case f.Event == policy.Refusal:
		return "refusal"
	case f.Event == policy.Cancellation:
		return "cancellation"
	case f.Event == policy.Complaint:
		return "complaint"
	}
	return "call"
}

func spanText(s policy.Span) string {
	if s.Months > 0 {
		if s.Months == 1 {
			return "month"
		}
		return fmt.Sprintf("%d months", s.Months)
	}
	d := time.Duration(s.MS) * time.Millisecond
	switch {
	case d%(24*time.Hour) == 0:
		return fmt.Sprintf("%d days", d/(24*time.Hour))
	case d%time.Hour == 0:
		return fmt.Sprintf("%d hours", d/time.Hour)
	case d%time.Minute == 0:
		return fmt.Sprintf("%d minutes", d/time.Minute)
	}
	return fmt.Sprintf("%d seconds", d/time.Second)
}

func hoursText(r *policy.Rule) string {
	var parts []string
	for _, o := range r.Hours {
		var days []string
		for i := range 7 {
			if d := (i + 1) % 7; o.Days[d] {
				days = append(days, time.Weekday(d).String()[:3])
			}
		}
		text := strings.Join(days, ", ")
		if len(days) == 7 {
			text = "daily"
		}
		parts = append(parts, fmt.Sprintf("%s %02d:%02d-%02d:%02d", text, o.From/3600_000, o.From/60_000%60, o.To/3600_000, o.To/60_000%60))
	}
	return strings.Join(parts, "; ")
}
