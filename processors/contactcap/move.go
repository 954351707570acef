package contactcap

import (
	"slices"
	"sort"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/internal/stream"
)

// customer takes a customer change; numbers that he gained are claimed with what was sent under them.
func (t *turn) customer(c *event.CustomerUpdate) error {
	if !t.s.once(t.ce.EventId) {
		return nil
	}
	t.dirty = true
	t.s.addChange(&event.ChangeState{Change: c, EventId: t.ce.EventId})
	for _, h := range c.Numbers {
		id := t.ce.EventId + "/" + h
		t.s.Claims = append(t.s.Claims, &event.Claim{ClaimId: id, Outstanding: 1})
		err := t.send(numberPrefix+h, &event.CustomerEvent{EventId: "claim:" + id, NumberHash: h, Source: "contactcap", ReceivedAt: t.ce.ReceivedAt,
			Body: &event.CustomerEvent_HistoryClaim{HistoryClaim: &event.HistoryClaim{NumberHash: h, Claimant: t.key, From: c.At, ClaimId: id}}})
		if err != nil {
			return err
		}
	}
	for _, h := range c.NumbersRemoved {
		id := t.ce.EventId + "/-" + h
		err := t.send(numberPrefix+h, &event.CustomerEvent{EventId: "claim:" + id, NumberHash: h, Source: "contactcap", ReceivedAt: t.ce.ReceivedAt,
			Body: &event.CustomerEvent_HistoryClaim{HistoryClaim: &event.HistoryClaim{NumberHash: h, From: c.At, ClaimId: id}}})
		if err != nil {
			return err
		}
	}
	return nil
}

// ownerAt is who has the number at a moment; the first owner has all time before, too.
func ownerAt(owners []*event.Ownership, at int64) string {
	who := ""
	for i, o := range owners {
		if i == 0 || o.From <= at {
			who = o.CustomerId
		}
	}
	return who
}

// elsewhere sends an event named by number on to who owns the number at its time.
func (t *turn) elsewhere(at int64) (bool, error) {
	if !t.isNumber() {
		return false, nil
	}
	owner := ownerAt(t.s.Owners, at)
	if owner == "" {
		return false, nil
	}
	t.ce.Redelivered = true
	return true, t.send(owner, t.ce)
}

// claim is a number changing hands (at the number's register), or a former owner being asked for what was sent under
// the number while it was no longer his.
func (t *turn) claim(c *event.HistoryClaim) error {
	if !t.s.once(t.ce.EventId) {
		return nil
	}
	t.dirty = true
	if !t.isNumber() {
		calls, permits := t.take(func(byNumber bool, number string, at int64) bool {
			return byNumber && number == c.NumberHash && at >= c.From && (c.Until == 0 || at < c.Until)
		})
		return t.give(c, calls, permits, 0)
	}
	former := ownerAt(t.s.Owners, c.From)
	first := len(t.s.Owners) == 0
	until := int64(0)
	o := &event.Ownership{From: c.From, CustomerId: c.Claimant}
	i := sort.Search(len(t.s.Owners), func(i int) bool { return t.s.Owners[i].From >= c.From })
	if i < len(t.s.Owners) && t.s.Owners[i].From == c.From {
		t.s.Owners[i] = o
	} else {
		t.s.Owners = slices.Insert(t.s.Owners, i, o)
	}
	if i+1 < len(t.s.Owners) {
		until = t.s.Owners[i+1].From
	}
	entry := &event.DirectoryEntry{Owners: t.s.Owners, Revision: uint64(t.c.Now().UnixMilli())}
	v, err := entry.MarshalVT()
	if err != nil {
		return err
	}
	t.c.Emit(stream.Output{Topic: event.TopicDirectory, Key: []byte(c.NumberHash), Value: v})
	if c.Claimant == "" {
		return nil // the number is nobody's from here on; what was, stays
	}
	calls, permits := t.take(func(_ bool, _ string, at int64) bool { return ownerAt(t.s.Owners, at) == c.Claimant })
	more := int32(0)
	if !first && former != "" && former != c.Claimant {
		more = 1
		err := t.send(former, &event.CustomerEvent{EventId: "former:" + c.ClaimId, NumberHash: c.NumberHash, Source: "contactcap", ReceivedAt: t.ce.ReceivedAt,
			Body: &event.CustomerEvent_HistoryClaim{HistoryClaim: &event.HistoryClaim{NumberHash: c.NumberHash, Claimant: c.Claimant, From: c.From, Until: until, ClaimId: c.ClaimId}}})
		if err != nil {
			return err
		}
	}
	return t.give(c, calls, permits, more)
}

// take removes what matches from the state, as events that can be counted elsewhere.
func (t *turn) take(match func(byNumber bool, number string, at int64) bool) (out []*event.CustomerEvent, permits []*event.PermitState) {
	t.s.Calls = slices.DeleteFunc(t.s.Calls, func(cs *event.CallState) bool {
		if !match(cs.ByNumber, cs.Call.NumberHash, cs.Call.StartedAt) {
			return false
		}
		out = append(out, &event.CustomerEvent{EventId: cs.EventId, NumberHash: cs.Call.NumberHash, ByNumber: true, Redelivered: true, Source: "contactcap",
			ReceivedAt: t.ce.ReceivedAt, Body: &event.CustomerEvent_Call{Call: cs.Call}})
		return true
	})
	t.s.Complaints = slices.DeleteFunc(t.s.Complaints, func(cs *event.ComplaintState) bool {
		if !match(cs.ByNumber, cs.NumberHash, cs.FirstAt) {
			return false
		}
		c := cs.Complaint.CloneVT()
		c.At, c.Event = cs.FirstAt, "opened"
		if cs.SeriousAt > 0 {
			c.Severity = "serious"
		}
		out = append(out, &event.CustomerEvent{EventId: cs.FirstEventId, NumberHash: cs.NumberHash, ByNumber: true, Redelivered: true, Source: "contactcap",
			ReceivedAt: t.ce.ReceivedAt, Body: &event.CustomerEvent_Complaint{Complaint: c}})
		if cs.Rejected {
			r := &event.Complaint{ComplaintId: c.ComplaintId, Event: "rejected", At: cs.VerdictAt}
			out = append(out, &event.CustomerEvent{EventId: cs.FirstEventId + "/rejected", NumberHash: cs.NumberHash, ByNumber: true, Redelivered: true, Source: "contactcap",
				ReceivedAt: t.ce.ReceivedAt, Body: &event.CustomerEvent_Complaint{Complaint: r}})
		}
		return true
	})
	t.s.Permits = slices.DeleteFunc(t.s.Permits, func(p *event.PermitState) bool {
		if !match(p.ByNumber, p.NumberHash, p.At) {
			return false
		}
		permits = append(permits, p)
		return true
	})
	return out, permits
}

func (t *turn) give(c *event.HistoryClaim, events []*event.CustomerEvent, permits []*event.PermitState, remaining int32) error {
	g := &event.HistoryGrant{ClaimId: c.ClaimId, NumberHash: c.NumberHash, FromCustomer: t.key, Remaining: remaining, Permits: permits}
	for _, e := range events {
		b, err := e.MarshalVT()
		if err != nil {
			return err
		}
		g.Events = append(g.Events, b)
	}
	return t.send(c.Claimant, &event.CustomerEvent{EventId: "grant:" + t.key + ":" + c.ClaimId, NumberHash: c.NumberHash, Source: "contactcap", ReceivedAt: t.ce.ReceivedAt,
		Body: &event.CustomerEvent_HistoryGrant{HistoryGrant: g}})
}

// grant takes over what was sent under a number, then decides what waited for it.
func (t *turn) grant(g *event.HistoryGrant) error {
	if !t.s.once(t.ce.EventId) {
		return nil
	}
	t.dirty = true
	outer := t.ce
	for _, p := range g.Permits {
		if t.s.permit(p.PermitId) == nil {
			t.s.Permits = append(t.s.Permits, p)
		}
	}
	for _, b := range g.Events {
		ce := &event.CustomerEvent{}
		if err := ce.UnmarshalVT(b); err != nil {
			return err
		}
		t.ce = ce
		if err := t.handle(); err != nil {
			return err
		}
	}
	t.ce = outer
	t.s.Claims = slices.DeleteFunc(t.s.Claims, func(c *event.Claim) bool {
		if c.ClaimId == g.ClaimId {
			c.Outstanding += g.Remaining - 1
		}
		return c.Outstanding <= 0
	})
	if len(t.s.Claims) > 0 {
		return nil
	}
	waiting := t.s.Deferred
	t.s.Deferred = nil
	for _, b := range waiting {
		ce := &event.CustomerEvent{}
		if err := ce.UnmarshalVT(b); err != nil {
			return err
		}
		t.ce = ce
		if err := t.handle(); err != nil {
			return err
		}
	}
	t.ce = outer
	return nil
}
