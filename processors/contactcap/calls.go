package contactcap

import (
	"slices"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/internal/stream"
)

// call counts a call, or merges an update into one.
func (t *turn) call(c *event.Call) error {
	at := c.StartedAt
	if at == 0 {
		at = c.UpdatedAt
	}
	if t.s.call(c.CallId) == nil {
		if moved, err := t.elsewhere(at); moved || err != nil {
			return err
		}
	}
	if !t.s.once(t.ce.EventId) {
		return nil
	}
	t.dirty = true
	c.CustomerId = t.key
	if t.ce.NumberHash != "" {
		c.NumberHash, c.FieldsSet = t.ce.NumberHash, c.FieldsSet|1<<40
	}
	cs := t.s.call(c.CallId)
	switch {
	case cs != nil:
		agent := cs.Call.AgentId
		if !merge(cs, c) {
			return nil
		}
		if agent != "" && cs.Call.AgentId != agent {
			gone := cs.Call.CloneVT()
			gone.AgentId = agent
			if err := t.fact(cs, gone, false, true); err != nil {
				return err
			}
		}
		slices.SortStableFunc(t.s.Calls, func(a, b *event.CallState) int { return int(min(1, max(-1, a.Call.StartedAt-b.Call.StartedAt))) })
		return t.fact(cs, cs.Call, false, false)
	case c.FieldsSet&(1<<fieldStarted) == 0:
		b, err := t.ce.MarshalVT()
		if err != nil {
			return err
		}
		t.s.WaitingUpdates = append(t.s.WaitingUpdates, b)
		return nil
	}
	cs = &event.CallState{Call: c, EventId: t.ce.EventId, BaseAt: c.UpdatedAt, ByNumber: t.ce.ByNumber}
	if c.Direction == "" {
		c.Direction = "outbound"
	}
	if err := t.verdict(cs); err != nil {
		return err
	}
	t.s.addCall(cs)
	if err := t.fact(cs, c, true, false); err != nil {
		return err
	}
	return t.catchUp(c.CallId)
}

// catchUp applies the updates that came before their call.
func (t *turn) catchUp(callID string) error {
	waiting := t.s.WaitingUpdates
	t.s.WaitingUpdates = nil
	for _, b := range waiting {
		ce := &event.CustomerEvent{}
		if err := ce.UnmarshalVT(b); err != nil {
			return err
		}
		if ce.GetCall().GetCallId() != callID {
			t.s.WaitingUpdates = append(t.s.WaitingUpdates, b)
			continue
		}
		t.s.Seen = slices.DeleteFunc(t.s.Seen, func(h uint64) bool { return h == hashID(ce.EventId) })
		was := t.ce
		t.ce = ce
		err := t.call(ce.GetCall())
		t.ce = was
		if err != nil {
			return err
		}
	}
	return nil
}

// verdict says whether a new call was permitted, or which rules it broke. Its permit, if it has one, becomes the call.
func (t *turn) verdict(cs *event.CallState) error {
	c := cs.Call
	if c.Direction == "inbound" {
		cs.Verdict = "not_applicable"
		return nil
	}
	p := t.Policy()
	cs.Policy, cs.Verdict = p.Ref(), "permitted"
	reason := ""
	if c.PermitId != "" {
		ps := t.s.permit(c.PermitId)
		switch {
		case ps == nil:
			reason = "PERMIT-UNKNOWN"
		case ps.State == "released":
			reason = "PERMIT-RELEASED"
		case ps.State == "used" && ps.CallId != c.CallId:
			reason = "PERMIT-USED"
		default:
			ps.State, ps.CallId = "used", c.CallId
			if err := t.status(ps, "used", c.StartedAt); err != nil {
				return err
			}
			if c.StartedAt < ps.ExpiresAt {
				return nil
			}
			reason = "PERMIT-EXPIRED"
		}
	}
	d := Decide(t.s.history(cs), p, Request{At: c.StartedAt, Purpose: c.Purpose, Products: c.Products, Campaign: c.CampaignId, PartnerID: c.PartnerId,
		CallerID: c.CallerId, InboundNumber: c.InboundNumber, Recording: true, NumberHash: c.NumberHash})
	if reason != "" && reason != "PERMIT-UNKNOWN" {
		cs.Violations = append(cs.Violations, reason)
	}
	for _, x := range d.DeniedBy {
		cs.Violations = append(cs.Violations, x.Rule)
	}
	cs.Verdict = "unasked"
	if len(cs.Violations) > 0 {
		cs.Verdict = "violation"
		t.Metrics.violated(cs.Violations)
	}
	return nil
}

// fact emits the call as it is known now, under its agent.
func (t *turn) fact(cs *event.CallState, c *event.Call, first, retracted bool) error {
	cs.Revision = max(cs.Revision+1, uint64(t.c.Now().UnixMilli())<<8)
	c.CustomerId = t.key
	f := &event.CallFact{Call: c, CustomerHash: t.CustomerHash(t.key), CapVerdict: cs.Verdict, Violations: cs.Violations, Policy: cs.Policy,
		Revision: cs.Revision, ReceivedAt: t.ce.ReceivedAt, Source: t.ce.Source, First: first, Retracted: retracted}
	for _, o := range t.s.Calls {
		if o.Call.Direction != "inbound" && o.Call.StartedAt <= c.StartedAt {
			f.AttemptNo++
		}
	}
	v, err := f.MarshalVT()
	if err != nil {
		return err
	}
	key := c.AgentId
	if key == "" {
		key = t.key
	}
	t.c.Emit(stream.Output{Topic: event.TopicCallFacts, Key: []byte(key), Value: v})
	return nil
}

// complaint counts an event of a complaint and says whom it is about.
func (t *turn) complaint(c *event.Complaint) error {
	if moved, err := t.elsewhere(c.At); moved || err != nil {
		return err
	}
	if !t.s.once(t.ce.EventId) {
		return nil
	}
	t.dirty = true
	i := slices.IndexFunc(t.s.Complaints, func(x *event.ComplaintState) bool { return x.Complaint.ComplaintId == c.ComplaintId })
	first := i < 0
	if first {
		t.s.Complaints = append(t.s.Complaints, &event.ComplaintState{Complaint: &event.Complaint{ComplaintId: c.ComplaintId}, FirstAt: c.At,
			FirstEventId: t.ce.EventId, ByNumber: t.ce.ByNumber, NumberHash: t.ce.NumberHash})
		i = len(t.s.Complaints) - 1
	}
	cs := t.s.Complaints[i]
	overlay(cs.Complaint, c)
	if c.At < cs.FirstAt {
		cs.FirstAt, cs.FirstEventId = c.At, t.ce.EventId
	}
	if (c.Event == "upheld" || c.Event == "rejected" || c.Event == "reopened") && c.At >= cs.VerdictAt {
		cs.VerdictAt, cs.Rejected = c.At, c.Event == "rejected"
	}
	if c.Severity == "serious" && (cs.SeriousAt == 0 || c.At < cs.SeriousAt) {
		cs.SeriousAt = c.At
	}
	return t.complaintFact(cs, c, first)
}

// overlay puts what an event says over what earlier ones said.
func overlay(into, from *event.Complaint) {
	text := func(a *string, b string) {
		if b != "" {
			*a = b
		}
	}
	text(&into.CallId, from.CallId)
	text(&into.CampaignId, from.CampaignId)
	text(&into.AgentId, from.AgentId)
	text(&into.PartnerId, from.PartnerId)
	text(&into.Channel, from.Channel)
	text(&into.Category, from.Category)
	text(&into.Cause, from.Cause)
	text(&into.SubCause, from.SubCause)
	text(&into.Level, from.Level)
	text(&into.Severity, from.Severity)
	text(&into.Handling, from.Handling)
	text(&into.Owner, from.Owner)
	text(&into.Note, from.Note)
	if len(from.Products) > 0 {
		into.Products = from.Products
	}
}

// complaintFact attributes: by the complaint's own fields first, then by its call, then by the customer's last
// outbound call within the window before it (K-35).
func (t *turn) complaintFact(cs *event.ComplaintState, e *event.Complaint, first bool) error {
	out := cs.Complaint.CloneVT()
	out.Event, out.At, out.CustomerId, out.NumberHash = e.Event, e.At, t.key, cs.NumberHash
	f := &event.ComplaintFact{Complaint: out, EventId: t.ce.EventId, CustomerHash: t.CustomerHash(t.key), First: first, ReceivedAt: t.ce.ReceivedAt, AttributedBy: "none"}
	if out.CampaignId != "" || out.AgentId != "" {
		f.AttributedBy = "own"
	}
	var about *event.Call
	by := ""
	if out.CallId != "" {
		if c := t.s.call(out.CallId); c != nil {
			about, by = c.Call, "call_id"
		}
	}
	if about == nil && out.CallId == "" {
		for _, c := range t.s.Calls {
			if c.Call.Direction != "inbound" && c.Call.StartedAt <= cs.FirstAt && c.Call.StartedAt+t.AttributionWindow.Milliseconds() > cs.FirstAt {
				about, by = c.Call, "last_call"
			}
		}
	}
	if about != nil {
		if f.AttributedBy == "none" {
			f.AttributedBy = by
		}
		f.AttributedCallId = about.CallId
		fill := func(a *string, b string) {
			if *a == "" {
				*a = b
			}
		}
		fill(&out.CampaignId, about.CampaignId)
		fill(&out.AgentId, about.AgentId)
		fill(&out.PartnerId, about.PartnerId)
		if out.AgentId == about.AgentId {
			f.TeamId = about.TeamId
		}
		if len(out.Products) == 0 {
			out.Products = about.Products
		}
	}
	f.Unattributed = about != nil && about.Direction == "inbound" || out.CampaignId == "" && out.AgentId == ""
	v, err := f.MarshalVT()
	if err != nil {
		return err
	}
	t.c.Emit(stream.Output{Topic: event.TopicComplaintFacts, Key: []byte(out.CampaignId), Value: v})
	return nil
}
