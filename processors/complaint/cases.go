package complaint

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/internal/number"
)

const (
	caseKept  = 60 * 24 * time.Hour
	caseLate  = 6 * time.Hour // an event that comes so late is from an import: what follows it may be on its way
	caseGrace = time.Hour
)

// complaintEvent follows one complaint: whom it counts for, and what it waits for.
func (p *processor) complaintEvent(c *ctx, key string, f *event.ComplaintFact) error {
	s, err := get(c, key)
	if err != nil {
		return err
	}
	if s.Case == nil {
		s.Case = &event.WatchCase{}
	}
	x, e := s.Case, f.Complaint
	if x.OpenedAt == 0 || e.At < x.OpenedAt {
		x.OpenedAt = e.At
	}
	switch e.Event {
	case "replied":
		if x.RepliedAt == 0 || e.At < x.RepliedAt {
			x.RepliedAt = e.At
		}
	case "resolved", "rejected":
		x.ClosedAt = max(x.ClosedAt, e.At)
	case "reopened":
		if e.At >= x.ClosedAt {
			x.ClosedAt = 0
			if x.SeriousAt > 0 {
				x.SeriousAt = max(x.SeriousAt, e.At)
			}
		}
	}
	if e.Severity == "serious" && (x.SeriousAt == 0 || e.At < x.SeriousAt) {
		x.SeriousAt = e.At
	}
	if f.Revision >= x.Revision {
		x.Revision, x.Fact = f.Revision, f
		if worse(e.Severity, x.Severity) {
			x.Severity = e.Severity
		}
		if e.Handling != "" {
			x.Handling = e.Handling
		}
		if e.Owner != "" {
			x.Owner = e.Owner
		}
		if err := p.count(c, x); err != nil {
			return err
		}
	}
	if err := c.Put(key, s); err != nil {
		return err
	}
	if c.Now().Sub(time.UnixMilli(e.At)) > caseLate && x.Level == 0 {
		return c.SetTimer(key, c.Now().Add(caseGrace))
	}
	return p.deadline(c, key, s)
}

func worse(a, b string) bool {
	rank := func(s string) int { return slices.Index([]string{"normal", "urgent", "serious"}, s) }
	return rank(a) > rank(b)
}

// count tells the subjects a complaint is about of it, and those it is not about any more.
func (p *processor) count(c *ctx, x *event.WatchCase) error {
	f := x.Fact
	var now []string
	if !f.Unattributed {
		now = subjects(f.Complaint.CampaignId, f.Complaint.AgentId, f.TeamId, f.Complaint.PartnerId, f.Complaint.Products)
	}
	w := event.WatchComplaint{Id: hashID(f.Complaint.ComplaintId), At: x.OpenedAt, CallId: callOf(x), AgentId: f.Complaint.AgentId, Serious: x.Severity == "serious"}
	for _, k := range now {
		one := w.CloneVT()
		if err := send(c, subjectKey+k, &event.WatchRecord{Body: &event.WatchRecord_Complaint{Complaint: one}}); err != nil {
			return err
		}
	}
	for _, k := range x.Keys {
		if slices.Contains(now, k) {
			continue
		}
		gone := w.CloneVT()
		gone.Removed = true
		if err := send(c, subjectKey+k, &event.WatchRecord{Body: &event.WatchRecord_Complaint{Complaint: gone}}); err != nil {
			return err
		}
	}
	x.Keys = now
	return nil
}

// callOf is the call a complaint is about: the one it leads to, else the one it names.
func callOf(x *event.WatchCase) string {
	return cmp.Or(x.Fact.GetAttributedCallId(), x.Fact.GetComplaint().GetCallId())
}

func (p *processor) caseTimer(c *ctx, key string) error {
	s, ok, err := c.Get(key)
	if err != nil || !ok {
		return err
	}
	if c.Now().Sub(time.UnixMilli(max(s.Case.OpenedAt, s.Case.ClosedAt))) > caseKept {
		return c.Delete(key)
	}
	return p.deadline(c, key, s)
}

// serious tells that a complaint was graded serious, and when it is closed. Its customer is on the list of serious
// complaints from the moment of the grading, which contactcap decides with the permits (BL-07), and his recordings are held
// while it is open (RET-05); the head of the department is responsible (CPL-08).
func (p *processor) serious(c *ctx, x *event.WatchCase, id string) error {
	e := x.Fact.GetComplaint()
	open := x.Severity == "serious" && x.ClosedAt == 0
	if open == (x.SeriousId != "") {
		return nil
	}
	now := c.Now().UnixMilli()
	a := &event.Alert{Kind: KindSerious, Dimension: "complaint", Subject: id, CampaignId: e.GetCampaignId(), AgentId: e.GetAgentId(), State: "firing", Severity: "critical", At: x.SeriousAt, Since: x.SeriousAt,
		Action: "blacklist", EscalateTo: levelName(LevelHead)}
	if call := callOf(x); call != "" {
		a.CallIds = []string{call}
	}
	if open {
		x.SeriousId = fmt.Sprintf("%s|%s|%d", KindSerious, id, now)
		a.Detail = fmt.Sprintf("complaint %s was graded serious", id)
		a.Done = "no new business is sold to its customer any more (BL-07); his recordings are held until the complaint is closed (RET-05)"
	} else {
		a.State, a.At, a.Detail = "resolved", x.ClosedAt, fmt.Sprintf("the serious complaint %s was closed", id)
		a.Done = "its customer stays on the list until a customer change takes him off (BL-07)"
	}
	a.AlertId = x.SeriousId
	if !open {
		x.SeriousId = ""
	}
	return p.propose(c, a, nil)
}

// deadline tells who must know of a complaint now, and sets the clock for the next one.
func (p *processor) deadline(c *ctx, key string, s *State) error {
	x, now, id := s.Case, c.Now().UnixMilli(), key[len(caseKey):]
	if err := p.serious(c, x, id); err != nil {
		return err
	}
	level, d, next := p.SLA.Escalation(x, now)
	if x.AlertId == "" { // a complaint that is reopened is another incident
		x.AlertId = fmt.Sprintf("%s|%s|%d", KindOverdue, id, now)
	}
	a := &event.Alert{AlertId: x.AlertId, Kind: KindOverdue, Dimension: "complaint", Subject: id, CampaignId: x.Fact.GetComplaint().GetCampaignId(),
		AgentId: x.Fact.GetComplaint().GetAgentId(), At: now, Since: d.At, Action: "observe"}
	if call := callOf(x); call != "" {
		a.CallIds = []string{call}
	}
	switch {
	case level > x.Level:
		a.State, a.Severity, a.EscalateTo = "firing", "warning", levelName(level)
		if level > LevelOwner {
			a.Severity = "critical"
		}
		word := "is due"
		if now > d.At {
			word = "was due"
		}
		a.Detail = fmt.Sprintf("the %s to complaint %s %s at %s (%s)", d.What, a.Subject, word, time.UnixMilli(d.At).In(p.Zone).Format("2006-01-02 15:04"), d.Rule)
		if x.Owner != "" { // the first receiver owns the answer (CPL-05)
			a.Detail += "; it is " + number.MaskText(x.Owner) + "'s"
		}
	case level == 0 && x.Level > 0:
		a.State, a.Detail = "resolved", fmt.Sprintf("complaint %s has been answered", a.Subject)
	}
	if a.State != "" {
		if err := p.propose(c, a, nil); err != nil {
			return err
		}
		x.Level = level
	}
	if x.Level == 0 {
		x.AlertId = ""
	}
	if next == 0 {
		next = time.UnixMilli(max(x.OpenedAt, x.ClosedAt)).Add(caseKept + time.Second).UnixMilli()
	}
	if err := c.Put(key, s); err != nil {
		return err
	}
	return c.SetTimer(key, time.UnixMilli(max(next, now+1)))
}
