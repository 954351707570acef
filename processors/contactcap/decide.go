package contactcap

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ringfence/ringfence/processors/contactcap/policy"
)

// Evidence is an event a verdict rests on.
type Evidence struct {
	EventID string
	CallID  string
	At      int64
	What    Witness
}

// Witness is the kind of an event that is evidence.
type Witness byte

const (
	ACall Witness = iota
	APermit
	AChange
	AComplaint
)

func (w Witness) String() string { return [...]string{"call", "permit", "change", "complaint"}[w] }

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
}

// Decide answers a request over a history. It is pure: no clock, no I/O; the same arguments give the same answer.
func Decide(h *History, p *policy.Policy, req Request) Decision { return decide(h, p, &req) }

func decide(h *History, p *policy.Policy, req *Request) Decision {
	var v view
	v.look(h, p, req, req.At)
	d := Decision{Permit: true, Zone: v.zone}
	earliest, never := req.At, false
	for _, r := range p.Rules {
		if v.spares(r) {
			continue
		}
		x := v.judge(r, false)
		if !x.deny {
			continue
		}
		d.Permit = false
		den := Denial{Rule: r.ID, Detail: v.detail(r, &x)}
		if x.counted {
			used, limit := x.used, x.limit
			den.Used, den.Limit = &used, &limit
		}
		ok := false
		if den.NextAllowedAt, ok = next(h, p, req, []*policy.Rule{r}, req.At); ok {
			earliest = max(earliest, den.NextAllowedAt)
		} else {
			never = true
		}
		d.DeniedBy = append(d.DeniedBy, den)
	}
	if !d.Permit && !never { // what one rule never allows is never allowed
		d.NextAllowedAt, _ = next(h, p, req, p.Rules, earliest)
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
	case policy.Gap:
		var until int64
		for _, product := range scope(r, products) {
			v.each(r, product, func(e Evidence) {
				if !evidence && e.At+longest(r.Gap) <= v.now {
					return // passed long ago
				}
				if end := add(e.At, r.Gap, v.zone); end > until {
					until = end
					if evidence {
						x.evidence = []Evidence{e}
					}
				}
			})
		}
		x.deny = v.now < until
	case policy.Hours:
		x.deny = !opens(r, v.now, v.zone)
	case policy.List:
		on, since := v.onList(r.List)
		x.deny = on
		if on && evidence {
			x.evidence = []Evidence{since}
		}
	case policy.Require:
		x.deny = v.lacks(r)
	}
	return x
}

// detail says a verdict in words. It is written only for a verdict that somebody reads.
func (v *view) detail(r *policy.Rule, x *verdict) string {
	switch r.Kind {
	case policy.Limit, policy.NeverAfter:
		return countText(r, x.used)
	case policy.Gap:
		return spanText(r.Gap) + " must pass since the last " + eventText(&r.Event, 1)
	case policy.Hours:
		return "calling hours are " + hoursText(r) + " of the customer's time (" + v.zone.String() + ")"
	case policy.List:
		if x.deny {
			return "the customer is on the list " + r.List
		}
		return "the customer is not on the list " + r.List
	case policy.Require:
		if x.deny {
			return v.lacking(r)
		}
		return "what is required is there"
	}
	return ""
}

// anyProduct is the scope of a rule that does not ask for products; nobody changes it.
var anyProduct = []string{""}

// scope is what a rule is checked for: each product, or all at once.
func scope(r *policy.Rule, products []string) []string {
	if r.Per != policy.PerProduct || len(products) == 0 {
		return anyProduct
	}
	return products
}

// holds tells whether a rolling window still holds an event. Most events are so old or so young that the calendar need
// not be asked.
func (v *view) holds(r *policy.Rule, at int64) bool {
	switch span := r.In.Rolling; {
	case at+shortest(span) > v.now:
		return true
	case at+longest(span) <= v.now:
		return false
	}
	return add(at, r.In.Rolling, v.zone) > v.now
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
		case r.Kind == policy.Limit && !calendar && !v.holds(r, e.At):
			return
		}
		n++
		if evidence {
			list = append(list, e)
		}
	})
	return n, list
}

func (v *view) lacksPlan(r *policy.Rule) bool {
	return r.NeedPlan && (v.plan == "" || len(r.Plan) > 0 && !slices.Contains(r.Plan, v.plan))
}

func (v *view) lacksRecording(r *policy.Rule) bool { return r.Recording && !v.req.Recording }

func (v *view) lacksList(r *policy.Rule) bool {
	if r.OnList == "" {
		return false
	}
	on, _ := v.onList(r.OnList)
	return !on
}

func (v *view) lacksCaller(r *policy.Rule) bool {
	return r.NeedCaller && !callerAllowed(r.CallerIDs, v.req)
}

// lacks tells whether something that the rule requires is missing.
func (v *view) lacks(r *policy.Rule) bool {
	return v.lacksPlan(r) || v.lacksRecording(r) || v.lacksList(r) || v.lacksCaller(r)
}

// lacking says what a requirement misses.
func (v *view) lacking(r *policy.Rule) string {
	switch {
	case v.lacksPlan(r) && v.plan == "":
		return "the customer has no plan"
	case v.lacksPlan(r):
		return fmt.Sprintf("the customer's plan %q is not one of %s", v.plan, strings.Join(r.Plan, ", "))
	case v.lacksRecording(r):
		return "the call would not be recorded"
	case v.lacksList(r):
		return "the customer is not on the list " + r.OnList
	case v.req.CallerID == "":
		return "no caller_id is given; one of " + strings.Join(r.CallerIDs, ", ") + " is needed"
	}
	return "the caller_id is not one of " + strings.Join(r.CallerIDs, ", ")
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
	what := eventText(&r.Event, used)
	if r.Event.Event == 0 {
		return "never allowed"
	}
	if r.Kind == policy.NeverAfter {
		return strconv.FormatInt(used, 10) + " " + what + ", never again after " + strconv.Itoa(r.N)
	}
	if r.In.Calendar != "" {
		return strconv.FormatInt(used, 10) + " " + what + " this " + r.In.Calendar
	}
	return strconv.FormatInt(used, 10) + " " + what + " in the " + spanText(r.In.Rolling) + " before"
}

// eventText names what a filter picks, in the number that n of them take.
func eventText(f *policy.Filter, n int64) string {
	s := "s"
	if n == 1 {
		s = ""
	}
	switch {
	case f.Bridged:
		return "conversation" + s
	case f.Event == policy.Refusal:
		return "refusal" + s
	case f.Event == policy.Cancellation:
		return "cancellation" + s
	case f.Event == policy.Complaint:
		return "complaint" + s
	}
	text := ""
	if f.Answered != nil {
		text = "answered "
		if !*f.Answered {
			text = "unanswered "
		}
	}
	if len(f.Direction) > 1 || len(f.Direction) == 1 && f.Direction[0] != "outbound" {
		text += strings.Join(f.Direction, " or ") + " "
	}
	if len(f.Purpose) > 0 {
		text += strings.ReplaceAll(strings.Join(f.Purpose, " or "), "_", " ") + " "
	}
	text += "call" + s
	if len(f.AnsweredBy) > 0 {
		text += " answered by " + strings.Join(f.AnsweredBy, " or ")
	}
	if len(f.Outcome) > 0 {
		text += " with outcome " + strings.Join(f.Outcome, " or ")
	}
	if len(f.CampaignIDs) > 0 {
		text += " of campaign " + strings.Join(f.CampaignIDs, " or ")
	}
	return text
}

func spanText(s policy.Span) string {
	if s.Months > 0 {
		if s.Months == 1 {
			return "month"
		}
		return strconv.Itoa(s.Months) + " months"
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
