package contactcap

import (
	"encoding/json"

	"github.com/ringfence/ringfence/processors/contactcap/policy"
)

// Explanation is every rule's verdict on a request (CONTRACT.md section 5).
type Explanation struct {
	CustomerID    string            `json:"customer_id"`
	At            string            `json:"at"`
	Policy        string            `json:"policy"`
	Decision      string            `json:"decision"`
	NextAllowedAt *string           `json:"next_allowed_at"`
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
}

// EvidenceJSON is one event a verdict rests on.
type EvidenceJSON struct {
	EventID string `json:"event_id"`
	CallID  string `json:"call_id"`
	At      string `json:"at"`
}

// JSON of the explanation.
func (e *Explanation) JSON() ([]byte, error) { return json.Marshal(e) }

// Explain says what every rule says. Of an allowed request next_allowed_at is its own time.
func Explain(h *History, p *policy.Policy, req Request) *Explanation {
	var zones zoneCache
	v := look(h, p, &req, req.At, &zones)
	at := func(ms int64, ok bool) *string {
		if !ok {
			return nil
		}
		s := stamp(ms, v.zone)
		return &s
	}
	e := &Explanation{At: stamp(req.At, v.zone), Policy: p.Ref(), Decision: "permit", Rules: []RuleExplanation{}}
	for _, r := range p.Rules {
		x := v.judge(r, true)
		re := RuleExplanation{Rule: r.ID, Name: r.Name, Verdict: "not_applicable", Evidence: []EvidenceJSON{}}
		if x.applies {
			re.Verdict, re.Detail = "allow", x.detail
			re.NextAllowedAt = at(req.At, true)
			if x.counted {
				re.Used, re.Limit = &x.used, &x.limit
			}
			if x.deny {
				re.Verdict, e.Decision = "deny", "deny"
				re.NextAllowedAt = at(next(h, p, &req, []*policy.Rule{r}, &zones))
			}
			for _, ev := range x.evidence {
				re.Evidence = append(re.Evidence, EvidenceJSON{ev.EventID, ev.CallID, stamp(ev.At, v.zone)})
			}
		}
		e.Rules = append(e.Rules, re)
	}
	e.NextAllowedAt = at(req.At, true)
	if e.Decision == "deny" {
		e.NextAllowedAt = at(next(h, p, &req, p.Rules, &zones))
	}
	return e
}
