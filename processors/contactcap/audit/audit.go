package audit

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/processors/contactcap"
)

// Difference is something that is not as it must be.
type Difference struct {
	Kind   string `json:"kind"`  // decision, permit (a row), call (a row)
	Where  string `json:"where"` // topic/partition/offset, or the table
	ID     string `json:"id"`    // request or call
	Detail string `json:"detail"`
}

// Report of an audit.
type Report struct {
	From        time.Time    `json:"from"`
	To          time.Time    `json:"to"`
	Policy      string       `json:"policy"`
	Decisions   int          `json:"decisions"`    // redone and compared
	OtherPolicy int          `json:"other_policy"` // given under a policy that is not in force any more
	Calls       int          `json:"calls"`        // outbound
	WithPermit  int          `json:"with_permit"`
	Violations  int          `json:"violations"`
	NeverAsked  int          `json:"never_asked"` // had no permit and broke no rule
	Found       int          `json:"found"`       // differences, all of them
	Differences []Difference `json:"differences"` // the first ones
	OK          bool         `json:"ok"`
}

const listed = 200

// auditor collects what is found; its partitions run at once.
type auditor struct {
	mu     sync.Mutex
	report *Report
	facts  map[string]*event.CallFact // the latest of each call
	found  map[Difference]bool        // all of them
	only   map[Difference]bool        // what else is found is passed over; nil = nothing
}

func (a *auditor) differ(kind, where, id, format string, args ...any) {
	d := Difference{kind, where, id, fmt.Sprintf(format, args...)}
	if a.only != nil && !a.only[d] {
		return
	}
	a.found[d] = true
	a.report.Found++
	if len(a.report.Differences) < listed {
		a.report.Differences = append(a.report.Differences, d)
	}
}

// judge decides a request anew and compares with what was given.
func (a *auditor) judge(x asked) {
	if !within(x.raw.At, a.report.From, a.report.To) {
		return
	}
	var diff string
	other := x.given != nil && x.given.Policy != x.policy.Ref()
	if x.given == nil {
		diff = "no decision is in the topic"
	} else if !other {
		diff = compare(x.given, contactcap.Decide(x.history, x.policy, x.request), event.PermitID(x.customer, x.raw.RequestId, x.raw.At))
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case other:
		a.report.OtherPolicy++
		return
	case diff != "":
		a.differ("decision", x.where, x.raw.RequestId, "%s", diff)
	}
	a.report.Decisions++
}

// compare says how a decision that was given differs from the one that had to be; "" = it does not.
func compare(given *event.PermitDecision, d contactcap.Decision, permit string) string {
	want := "deny"
	if d.Permit {
		want = "permit"
	}
	switch {
	case given.Decision != want:
		var rules []string
		for _, x := range d.DeniedBy {
			rules = append(rules, fmt.Sprintf("%s (%s)", x.Rule, x.Detail))
		}
		return strings.TrimSpace(fmt.Sprintf("%s was given, %s had to be: %s", given.Decision, want, strings.Join(rules, ", ")))
	case d.Permit && given.PermitId != permit:
		return fmt.Sprintf("permit %s was given, %s had to be", given.PermitId, permit)
	case given.NextAllowedAt != d.NextAllowedAt:
		return fmt.Sprintf("next_allowed_at was %s, %s had to be", moment(given.NextAllowedAt), moment(d.NextAllowedAt))
	case len(given.DeniedBy) != len(d.DeniedBy):
		return fmt.Sprintf("%d rules were named, %d had to be", len(given.DeniedBy), len(d.DeniedBy))
	}
	for i, x := range d.DeniedBy {
		g := given.DeniedBy[i]
		if g.Rule != x.Rule || g.NextAllowedAt != x.NextAllowedAt || !same(g.Used, x.Used) || !same(g.Limit, x.Limit) {
			return fmt.Sprintf("%s was named with %v of %v until %s, %s with %v of %v until %s had to be", g.Rule, g.GetUsed(), g.GetLimit(), moment(g.NextAllowedAt),
				x.Rule, value(x.Used), value(x.Limit), moment(x.NextAllowedAt))
		}
	}
	return ""
}

func same(a, b *int64) bool { return (a == nil) == (b == nil) && value(a) == value(b) }

func value(p *int64) int64 {
	if p == nil {
		return 0
	}
	return *p
}

func moment(ms int64) string {
	if ms == 0 {
		return "never"
	}
	return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z")
}

// fact keeps the latest version of a call.
func (a *auditor) fact(f *event.CallFact) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.facts[f.Call.CallId] = f
}

// CallRow is a row of the table calls, as far as caps are concerned.
type CallRow struct {
	CallID, Direction, CustomerHash, PermitID, Purpose, CampaignID, Outcome, AnsweredBy, Disposition, Verdict, Policy string
	Products, Refused, Violations                                                                                     []string
	StartedAt, AnsweredAt, BridgedAt, EndedAt                                                                         int64
	OptOut                                                                                                            bool
}

// call compares a row with the fact it was made from.
func (a *auditor) call(row CallRow, permitID func(id, customer string) string) {
	f := a.facts[row.CallID]
	if f == nil {
		if within(row.StartedAt, a.report.From, a.report.To) {
			a.differ("call", "calls", row.CallID, "the log has no such call")
		}
		return
	}
	delete(a.facts, row.CallID)
	c := f.Call
	if !within(c.StartedAt, a.report.From, a.report.To) && !within(row.StartedAt, a.report.From, a.report.To) {
		return
	}
	list := func(l []string) string { return "[" + strings.Join(l, " ") + "]" }
	columns := []struct{ name, is, must string }{
		{"direction", row.Direction, c.Direction}, {"customer_hash", row.CustomerHash, f.CustomerHash}, {"permit_id", row.PermitID, permitID(c.PermitId, c.CustomerId)},
		{"purpose", row.Purpose, c.Purpose}, {"campaign_id", row.CampaignID, c.CampaignId}, {"outcome", row.Outcome, c.Outcome}, {"answered_by", row.AnsweredBy, c.AnsweredBy},
		{"disposition", row.Disposition, c.Disposition}, {"products", list(row.Products), list(c.Products)}, {"refused", list(row.Refused), list(c.Refused)},
		{"started_at", moment(row.StartedAt), moment(c.StartedAt)}, {"answered_at", moment(row.AnsweredAt), moment(c.AnsweredAt)}, {"bridged_at", moment(row.BridgedAt), moment(c.BridgedAt)},
		{"ended_at", moment(row.EndedAt), moment(c.EndedAt)}, {"opt_out", fmt.Sprint(row.OptOut), fmt.Sprint(c.GetOptOut())},
	}
	if row.Policy == f.Policy { // another policy's verdict cannot be redone
		columns = append(columns, []struct{ name, is, must string }{{"cap_verdict", row.Verdict, f.CapVerdict}, {"violations", list(row.Violations), list(f.Violations)}}...)
	}
	for _, x := range columns {
		if x.is != x.must {
			a.differ("call", "calls", row.CallID, "%s is %s, the log says %s", x.name, x.is, x.must)
		}
	}
	if c.Direction == "inbound" {
		return
	}
	a.report.Calls++
	switch row.Verdict {
	case "permitted":
		a.report.WithPermit++
		if row.PermitID == "" {
			a.differ("call", "calls", row.CallID, "it counts as permitted and has no permit")
		}
	case "violation":
		a.report.Violations++
	case "unasked":
		a.report.NeverAsked++
	default:
		a.differ("call", "calls", row.CallID, "cap_verdict is %q", row.Verdict)
	}
}

// PermitRow is a row of the table permits.
type PermitRow struct {
	RequestID, PermitID, Decision, CustomerHash, Policy, Purpose, CampaignID string
	Products, DeniedBy                                                       []string
	At, NextAllowedAt                                                        int64
}

// permit compares a row with the decision in the topic.
func (a *auditor) permit(row PermitRow, seen map[id]bool, byHash map[string][]*event.PermitDecision, permitID func(id, customer string) string) {
	if !within(row.At, a.report.From, a.report.To) {
		return
	}
	var d *event.PermitDecision
	for _, x := range byHash[row.RequestID+"\x00"+row.CustomerHash] {
		if d == nil || x.At == row.At {
			d = x
		}
	}
	if d == nil {
		a.differ("permit", "permits", row.RequestID, "the topic has no such decision")
		return
	}
	seen[id{d.CustomerId, d.RequestId, d.At}] = true
	var rules []string
	for _, x := range d.DeniedBy {
		rules = append(rules, x.Rule)
	}
	for _, x := range []struct{ name, is, must string }{{"decision", row.Decision, d.Decision}, {"permit_id", row.PermitID, permitID(d.PermitId, d.CustomerId)}, {"policy", row.Policy, d.Policy},
		{"purpose", row.Purpose, d.Purpose}, {"campaign_id", row.CampaignID, d.CampaignId}, {"at", moment(row.At), moment(d.At)}, {"next_allowed_at", moment(row.NextAllowedAt), moment(d.NextAllowedAt)}} {
		if x.is != x.must {
			a.differ("permit", "permits", row.RequestID, "%s is %s, the topic says %s", x.name, x.is, x.must)
		}
	}
	if !slices.Equal(row.DeniedBy, rules) || !slices.Equal(row.Products, d.Products) {
		a.differ("permit", "permits", row.RequestID, "denied by %v for %v, the topic says %v for %v", row.DeniedBy, row.Products, rules, d.Products)
	}
}
