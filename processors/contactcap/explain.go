package contactcap

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/ringfence/ringfence/processors/contactcap/policy"
)

// Explanation is every rule's verdict on a request (CONTRACT.md section 5).
type Explanation struct {
	CustomerID    string            `json:"customer_id"`
	At            string            `json:"at"`
	Policy        string            `json:"policy"`
	Decision      string            `json:"decision"`
	NextAllowedAt *string           `json:"next_allowed_at"`
	HistorySince  *string           `json:"history_since,omitempty"` // calls before are forgotten; absent = none is
	Unknown       bool              `json:"unknown,omitempty"`       // nothing is known of the customer: the id may be mistyped
	Rules         []RuleExplanation `json:"rules"`
}

// RuleExplanation is one rule's.
type RuleExplanation struct {
	Rule          string         `json:"rule"`
	Name          string         `json:"name"`
	Verdict       string         `json:"verdict"` // allow, deny, not_applicable
	Used          *int64         `json:"used,omitempty"`
	Limit         *int64         `json:"limit,omitempty"`
	NextAllowedAt *string        `json:"next_allowed_at"`
	Detail        string         `json:"detail"`
	Evidence      []EvidenceJSON `json:"evidence"`
	Withheld      int            `json:"withheld,omitempty"` // so much more evidence is others', which a partner is not shown (REP-04)
}

// EvidenceJSON is one event a verdict rests on.
type EvidenceJSON struct {
	EventID string `json:"event_id"`
	CallID  string `json:"call_id"`
	At      string `json:"at"`
	What    string `json:"what"` // call, permit (one that is out), change, complaint
}

// JSON of the explanation.
func (e *Explanation) JSON() ([]byte, error) { return json.Marshal(e) }

// confine leaves of the evidence what is shown, and of the rest the number. Verdicts and counts stay.
func (e *Explanation) confine(shown func(*EvidenceJSON) bool) {
	for i := range e.Rules {
		r := &e.Rules[i]
		all := len(r.Evidence)
		r.Evidence = slices.DeleteFunc(r.Evidence, func(x EvidenceJSON) bool { return !shown(&x) })
		r.Withheld = all - len(r.Evidence)
	}
}

// withoutCaller drops what rules require of the number shown: of a call that is only asked about it is not known yet.
func withoutCaller(rules []*policy.Rule) (asked []*policy.Rule, open map[string]bool) {
	open = map[string]bool{}
	for _, r := range rules {
		if r.NeedCaller {
			rest := *r
			rest.NeedCaller = false
			if r = &rest; !r.NeedPlan && !r.Recording && r.OnList == "" {
				open[r.ID] = true
				continue
			}
		}
		asked = append(asked, r)
	}
	return asked, open
}

// Explain says what every rule says. Of an allowed request next_allowed_at is its own time. Without a caller_id the rules
// about the number shown do not apply.
func Explain(h *History, p *policy.Policy, req Request) *Explanation {
	var v view
	v.look(h, p, &req, req.At)
	at := func(ms int64, ok bool) *string {
		if !ok {
			return nil
		}
		s := stamp(ms, v.zone)
		return &s
	}
	rules, open := p.Rules, map[string]bool{}
	if req.CallerID == "" {
		rules, open = withoutCaller(p.Rules)
	}
	byID := map[string]*policy.Rule{}
	for _, r := range rules {
		byID[r.ID] = r
	}
	e := &Explanation{At: stamp(req.At, v.zone), Policy: p.Ref(), Decision: "permit", Rules: []RuleExplanation{}}
	e.HistorySince, e.Unknown = at(h.Since, h.Since > 0), h.empty()
	for _, r := range p.Rules {
		re := RuleExplanation{Rule: r.ID, Name: r.Name, Verdict: "not_applicable", Evidence: []EvidenceJSON{}}
		if open[r.ID] {
			re.Detail = "depends on the number shown, which is not given"
			e.Rules = append(e.Rules, re)
			continue
		}
		r = byID[r.ID]
		x := v.judge(r, true)
		if x.applies {
			re.Verdict, re.Detail = "allow", v.story(r, &x)+v.partial(r)+v.clearings(r)
			re.NextAllowedAt = at(req.At, true)
			if x.counted {
				re.Used, re.Limit = &x.used, &x.limit
			}
			if x.deny {
				re.Verdict, e.Decision = "deny", "deny"
				re.NextAllowedAt = at(next(h, p, &req, []*policy.Rule{r}, req.At))
			}
			for _, ev := range x.evidence {
				re.Evidence = append(re.Evidence, EvidenceJSON{ev.EventID, ev.CallID, stamp(ev.At, v.zone), ev.What.String()})
			}
		}
		if !x.applies {
			re.Detail = v.spared(r)
		}
		e.Rules = append(e.Rules, re)
	}
	e.NextAllowedAt = at(req.At, true)
	if e.Decision == "deny" {
		e.NextAllowedAt = at(next(h, p, &req, rules, req.At))
	}
	return e
}

// story is a verdict's detail where the events it rests on are known, too.
func (v *view) story(r *policy.Rule, x *verdict) string {
	switch text := v.detail(r, x); {
	case r.Kind == policy.Gap && !x.deny && len(x.evidence) == 0:
		return "no " + eventText(&r.Event, 1) + " so far"
	case r.Kind == policy.Gap && !x.deny:
		return spanText(r.Gap) + " have passed since the last " + eventText(&r.Event, 1)
	case r.Kind == policy.List && x.deny:
		return text + ", until a customer change takes him off it"
	case r.Kind == policy.NeverAfter && r.Event.Event == policy.Refusal && x.deny:
		return text + ", unless they are cleared"
	default:
		return text
	}
}

// spared says why a rule does not concern the request.
func (v *view) spared(r *policy.Rule) string {
	w := &r.When
	is := func(s string) string {
		if s == "" {
			return "none"
		}
		return s
	}
	for _, c := range []struct {
		what string
		list []string
		is   string
	}{{"segment", w.Segment, v.segment}, {"purpose", w.Purpose, v.req.Purpose}, {"campaign", w.Campaign, v.req.Campaign}, {"plan", w.Plan, v.plan}, {"tariff", w.Tariff, v.tariff},
		{"partner", w.Partner, v.req.PartnerID}, {"region", w.Region, v.region}} {
		if len(c.list) > 0 && !slices.Contains(c.list, c.is) {
			return "it concerns the " + c.what + " " + strings.Join(c.list, " or ") + "; here it is " + is(c.is)
		}
	}
	switch {
	case len(w.Group) > 0 && !slices.ContainsFunc(v.groups, func(g string) bool { return slices.Contains(w.Group, g) }):
		return "it concerns the group " + strings.Join(w.Group, " or ") + "; the customer is in " + is(strings.Join(v.groups, " and "))
	case w.GuaranteedAgent != nil && *w.GuaranteedAgent && !v.req.GuaranteedAgent:
		return "it concerns calls with a guaranteed agent"
	case w.GuaranteedAgent != nil && !*w.GuaranteedAgent && v.req.GuaranteedAgent:
		return "it concerns calls without a guaranteed agent"
	}
	return "it concerns the product " + strings.Join(w.Product, " or ") + "; asked is about " + is(strings.Join(v.req.Products, " and "))
}

// partial says from when on a rule can be trusted whose window is longer than what the history was kept for.
func (v *view) partial(r *policy.Rule) string {
	if v.h.Since == 0 || r.Event.Event != policy.Call {
		return ""
	}
	trusted := int64(0)
	switch {
	case r.Kind == policy.NeverAfter:
		return fmt.Sprintf("; calls before %s are forgotten", stamp(v.h.Since, v.zone))
	case r.Kind == policy.Gap:
		trusted = add(v.h.Since, r.Gap, v.zone)
	case r.Kind == policy.Limit && r.In.Calendar != "":
		_, trusted = period(v.h.Since-1, r.In.Calendar, v.zone)
	case r.Kind == policy.Limit:
		trusted = add(v.h.Since, r.In.Rolling, v.zone)
	}
	if trusted <= v.now {
		return ""
	}
	return fmt.Sprintf("; calls before %s are forgotten: this rule can be trusted from %s on", stamp(v.h.Since, v.zone), stamp(trusted, v.zone))
}

// clearings says who cleared refusals that the rule would count.
func (v *view) clearings(r *policy.Rule) (text string) {
	if r.Event.Event != policy.Refusal {
		return ""
	}
	for i := range v.h.Changes {
		c := &v.h.Changes[i]
		if c.At > v.now || len(c.ClearRefusals) == 0 {
			continue
		}
		text += fmt.Sprintf("; refusals of %s up to %s were cleared", strings.Join(c.ClearRefusals, ", "), stamp(c.At, v.zone))
		if c.By != "" {
			text += " by " + c.By
		}
		if c.Note != "" {
			text += " (" + c.Note + ")"
		}
	}
	return text
}
