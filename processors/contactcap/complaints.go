package contactcap

import (
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/internal/stream"
)

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
			FirstEvent: c.Event, FirstEventId: t.ce.EventId, ByNumber: t.ce.ByNumber, NumberHash: t.ce.NumberHash})
		i = len(t.s.Complaints) - 1
	}
	cs := t.s.Complaints[i]
	overlay(cs.Complaint, c)
	if c.At < cs.FirstAt {
		cs.FirstAt, cs.FirstEvent, cs.FirstEventId = c.At, c.Event, t.ce.EventId
	}
	if (c.Event == "upheld" || c.Event == "rejected" || c.Event == "reopened") && c.At >= cs.VerdictAt {
		cs.VerdictAt, cs.Rejected = c.At, c.Event == "rejected"
	}
	if c.Severity == "serious" {
		graded(cs, c.At)
	}
	f, err := t.attribute(cs)
	if err != nil {
		return err
	}
	return t.complaintFact(cs, f, c.Event, c.At, t.ce.EventId, first)
}

// graded notes a moment from which the complaint is serious (BL-07). All are kept: one after a customer change that took
// him off the list puts him on it again.
func graded(cs *event.ComplaintState, at int64) {
	all := append(seriousTimes(cs), at)
	slices.Sort(all)
	all = slices.Compact(all)
	cs.SeriousAt, cs.SeriousAts = all[0], all[1:]
}

func seriousTimes(cs *event.ComplaintState) []int64 {
	if cs.SeriousAt == 0 {
		return nil
	}
	return append([]int64{cs.SeriousAt}, cs.SeriousAts...)
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

// attribute says whom a complaint is about: its own fields first, then its call, then the customer's last outbound call
// within the window before it (K-35).
func (t *turn) attribute(cs *event.ComplaintState) (*event.ComplaintFact, error) {
	out := cs.Complaint.CloneVT()
	out.CustomerId, out.NumberHash = t.key, cs.NumberHash
	f := &event.ComplaintFact{Complaint: out, CustomerHash: t.CustomerHash(t.key), AttributedBy: "none"}
	if out.CampaignId != "" || out.AgentId != "" {
		f.AttributedBy = "own"
	}
	about, by, err := t.aboutCall(cs)
	if err != nil {
		return nil, err
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
	return f, nil
}

// aboutCall is the call a complaint names, else the last outbound one before it.
func (t *turn) aboutCall(cs *event.ComplaintState) (about *event.Call, by string, err error) {
	if id := cs.Complaint.CallId; id != "" {
		if c, err := t.whole(id); c != nil || err != nil {
			return c.GetCall(), "call_id", err
		}
	}
	for i := len(t.s.Calls) - 1; i >= 0; i-- {
		c := &t.s.Calls[i]
		if c.Inbound || c.At > cs.FirstAt || c.At+t.AttributionWindow.Milliseconds() <= cs.FirstAt {
			continue
		}
		x, err := t.wholeOf(c)
		return x.GetCall(), "last_call", err
	}
	return nil, "", nil
}

// reattribute tells again of the complaints that a call, which came or changed, puts elsewhere.
func (t *turn) reattribute() error {
	for _, cs := range t.s.Complaints {
		f, err := t.attribute(cs)
		if err != nil {
			return err
		}
		if cs.Told == nil || proto.Equal(cs.Told, f) {
			continue
		}
		if err := t.complaintFact(cs, f, cs.FirstEvent, cs.FirstAt, cs.FirstEventId, false); err != nil {
			return err
		}
	}
	return nil
}

// complaintFact tells of one event of a complaint, with its attribution as of now.
func (t *turn) complaintFact(cs *event.ComplaintState, f *event.ComplaintFact, name string, at int64, eventID string, first bool) error {
	cs.Told = f.CloneVT()
	cs.Revision = max(cs.Revision+1, uint64(t.c.Now().UnixMilli())<<8)
	f.Complaint.Event, f.Complaint.At, f.EventId, f.First = name, at, eventID, first
	f.Revision, f.ReceivedAt = cs.Revision, t.ce.ReceivedAt
	v, err := f.MarshalVT()
	if err != nil {
		return err
	}
	t.c.Emit(stream.Output{Topic: event.TopicComplaintFacts, Key: []byte(f.Complaint.CampaignId), Value: v})
	return nil
}
