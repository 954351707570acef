package contactcap

import (
	"cmp"
	"errors"
	"slices"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/internal/stream"
)

// customer takes a customer change; numbers that he gained are claimed with what was sent under them.
func (t *turn) customer(c *event.CustomerUpdate) error {
	if !t.s.once(t.ce.EventId) {
		return nil
	}
	t.dirty = true
	t.s.addChange(changeOf(c, t.ce.EventId))
	if len(c.ClearRefusals) > 0 {
		err := t.answer(nil, &event.PermitEvent{Body: &event.PermitEvent_RefusalsCleared{RefusalsCleared: &event.RefusalsCleared{CustomerId: t.key, At: c.At, Products: c.ClearRefusals,
			By: c.By, Note: c.Note, EventId: t.ce.EventId}}})
		if err != nil {
			return err
		}
	}
	for _, other := range c.Merges {
		if err := t.merge(other); err != nil {
			return err
		}
	}
	for _, h := range c.Numbers {
		ce := event.NumberClaim(t.ce.EventId, t.key, h, c.At, t.ce.ReceivedAt)
		id := ce.GetHistoryClaim().ClaimId
		if !slices.Contains(t.s.Seen, hashID(event.GrantID(numberPrefix+h, id))) { // it may have come before
			t.s.Claims = append(t.s.Claims, &event.Claim{ClaimId: id, Outstanding: 1})
		}
		if err := t.send(numberPrefix+h, ce); err != nil {
			return err
		}
	}
	for _, h := range c.NumbersRemoved {
		if err := t.send(numberPrefix+h, event.NumberRelease(t.ce.EventId, t.key, h, c.At, t.ce.ReceivedAt)); err != nil {
			return err
		}
	}
	return nil
}

// elsewhere sends an event named by number on to who owns the number at its time.
func (t *turn) elsewhere(at int64) (bool, error) {
	if !t.isNumber() {
		return false, nil
	}
	owner := event.OwnerAt(t.s.Owners, at)
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
	if c.Whole {
		return t.yield(c)
	}
	if !t.isNumber() {
		return t.give(c, 0, func(byNumber bool, number string, at int64) bool {
			return byNumber && number == c.NumberHash && at >= c.From && (c.Until == 0 || at < c.Until)
		})
	}
	former := event.OwnerAt(t.s.Owners, c.From)
	first := len(t.s.Owners) == 0
	until := int64(0)
	t.s.Owners = event.Own(t.s.Owners, &event.Ownership{From: c.From, CustomerId: c.Claimant, ReleasedBy: c.ReleasedBy})
	for _, o := range t.s.Owners {
		if o.From > c.From && event.OwnerAt(t.s.Owners, o.From) != c.Claimant {
			until = o.From
			break
		}
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
	more := int32(0)
	if !first && former != "" && former != c.Claimant {
		more = 1
		err := t.send(former, &event.CustomerEvent{EventId: "former:" + c.ClaimId, NumberHash: c.NumberHash, Source: "contactcap", ReceivedAt: t.ce.ReceivedAt,
			Body: &event.CustomerEvent_HistoryClaim{HistoryClaim: &event.HistoryClaim{NumberHash: c.NumberHash, Claimant: c.Claimant, From: c.From, Until: until, ClaimId: c.ClaimId}}})
		if err != nil {
			return err
		}
	}
	return t.give(c, more, func(_ bool, _ string, at int64) bool { return event.OwnerAt(t.s.Owners, at) == c.Claimant })
}

// chosen says what of the history goes to a claimant.
type chosen func(byNumber bool, number string, at int64) bool

// give hands over what a claimant gets.
func (t *turn) give(c *event.HistoryClaim, remaining int32, match chosen, more ...*event.CustomerEvent) error {
	g := &event.HistoryGrant{ClaimId: c.ClaimId, NumberHash: c.NumberHash, FromCustomer: t.key, Remaining: remaining, Since: t.s.Since}
	if c.Whole || t.isNumber() && len(t.s.Owners) == 1 { // the first owner has all time before
		g.Forgotten, t.s.Forgotten = int64(t.s.Forgotten), 0
	}
	var err error
	if g.Calls, err = t.takeCalls(match); err != nil {
		return err
	}
	g.Complaints, g.Events = t.takeComplaints(match), t.takeWaiting(match)
	if t.isNumber() || c.Whole { // here every request was asked by number
		t.s.Answers = slices.DeleteFunc(t.s.Answers, func(a Answer) bool {
			if !match(true, c.NumberHash, a.At) {
				return false
			}
			g.Answers = append(g.Answers, &event.GrantedAnswer{Decision: a.decision(t.key), DecidedAt: a.DecidedAt})
			return true
		})
	}
	if c.Whole {
		g.Absorbed = append(slices.Clone(t.s.Absorbed), t.key)
	}
	for _, e := range more {
		b, err := e.MarshalVT()
		if err != nil {
			return err
		}
		g.Events = append(g.Events, b)
	}
	t.s.Permits = slices.DeleteFunc(t.s.Permits, func(p PermitEntry) bool {
		if !match(p.ByNumber, p.NumberHash, p.At) {
			return false
		}
		g.Permits = append(g.Permits, &event.PermitState{PermitId: p.id(t.key), At: p.At, ExpiresAt: p.ExpiresAt, Purpose: p.Purpose, CampaignId: p.Campaign, Products: p.Products,
			NumberHash: p.NumberHash, State: []string{permitOut: "", permitUsed: "used", permitReleased: "released"}[p.Over], DecidedAt: p.DecidedAt, Orphaned: p.Orphaned,
			RequestId: p.RequestID, ByNumber: p.ByNumber, Policy: p.Policy, PartnerId: p.Partner, DialerId: p.Dialer, TimeZone: p.Zone, CallHash: p.CallHash})
		return true
	})
	return t.send(c.Claimant, &event.CustomerEvent{EventId: event.GrantID(t.key, c.ClaimId), NumberHash: c.NumberHash, Source: "contactcap", ReceivedAt: t.ce.ReceivedAt,
		Body: &event.CustomerEvent_HistoryGrant{HistoryGrant: g}})
}

// takeCalls removes calls from the history.
func (t *turn) takeCalls(match chosen) (out []*event.CallState, err error) {
	var tags []uint16
	t.s.Calls = slices.DeleteFunc(t.s.Calls, func(c CallEntry) bool {
		if !match(c.ByNumber, c.NumberHash, c.At) {
			return false
		}
		if !slices.Contains(tags, c.Tag) {
			tags = append(tags, c.Tag)
		}
		return true
	})
	for _, tag := range tags {
		list, err := t.wholes(tag)
		if err != nil {
			return nil, err
		}
		var rest []*event.CallState
		for _, cs := range list {
			if match(cs.ByNumber, cs.Call.NumberHash, cs.Call.StartedAt) {
				out = append(out, cs)
			} else {
				rest = append(rest, cs)
			}
		}
		if err := t.putWholes(tag, rest); err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(out, func(a, b *event.CallState) int { return cmp.Compare(a.Call.StartedAt, b.Call.StartedAt) })
	return out, nil
}

// takeComplaints removes complaints from the state.
func (t *turn) takeComplaints(match chosen) (out []*event.ComplaintState) {
	t.s.Complaints = slices.DeleteFunc(t.s.Complaints, func(cs *event.ComplaintState) bool {
		if !match(cs.ByNumber, cs.NumberHash, cs.FirstAt) {
			return false
		}
		out = append(out, cs)
		return true
	})
	return out
}

// takeWaiting removes updates whose call has not come.
func (t *turn) takeWaiting(match chosen) (out [][]byte) {
	t.s.WaitingUpdates = slices.DeleteFunc(t.s.WaitingUpdates, func(b []byte) bool {
		ce := &event.CustomerEvent{}
		if ce.UnmarshalVT(b) != nil || !match(ce.ByNumber, ce.NumberHash, ce.GetCall().GetUpdatedAt()) {
			return false
		}
		out = append(out, b)
		return true
	})
	return out
}

// adoptComplaint takes over what is known of a complaint.
func (t *turn) adoptComplaint(m *event.ComplaintState) error {
	t.s.once(m.FirstEventId)
	cs := m
	if i := slices.IndexFunc(t.s.Complaints, func(x *event.ComplaintState) bool { return x.Complaint.ComplaintId == m.Complaint.ComplaintId }); i < 0 {
		t.s.Complaints = append(t.s.Complaints, cs)
	} else {
		cs = t.s.Complaints[i]
		mine := cs.Complaint
		cs.Complaint = m.Complaint
		overlay(cs.Complaint, mine)
		if m.FirstAt < cs.FirstAt {
			cs.FirstAt, cs.FirstEvent, cs.FirstEventId = m.FirstAt, m.FirstEvent, m.FirstEventId
		}
		if m.VerdictAt > cs.VerdictAt {
			cs.VerdictAt, cs.Rejected = m.VerdictAt, m.Rejected
		}
		for _, at := range seriousTimes(m) {
			graded(cs, at)
		}
		cs.Revision = max(cs.Revision, m.Revision)
	}
	f, err := t.attribute(cs)
	if err != nil {
		return err
	}
	return t.complaintFact(cs, f, cs.FirstEvent, cs.FirstAt, cs.FirstEventId, cs == m)
}

// adopt counts a call that was another's so far.
func (t *turn) adopt(cs *event.CallState) error {
	known, err := t.whole(cs.Call.CallId)
	if err != nil {
		return err
	}
	if known == nil {
		cs.Violations = nil // judged anew, in the history it has joined
		return t.newCall(cs)
	}
	was, stood := entryOf(known), []int64{known.Call.StartedAt, cs.Call.StartedAt}
	for _, h := range cs.Seen {
		if !slices.Contains(known.Seen, h) {
			known.Seen = append(known.Seen, h)
		}
	}
	known.SeenNatural = append(known.SeenNatural, cs.SeenNatural...)
	join(known, cs)
	known.Revision = max(known.Revision, cs.Revision)
	t.s.replace(was, entryOf(known))
	return errors.Join(t.fact(known, known.Call, false, false, stood...), t.keep(known, true))
}

// grant takes over what was sent under a number, then decides what waited for it.
func (t *turn) grant(g *event.HistoryGrant) error {
	if !t.s.once(t.ce.EventId) {
		return nil
	}
	t.dirty = true
	t.s.Since, t.s.Forgotten = max(t.s.Since, g.Since), t.s.Forgotten+int(g.Forgotten)
	for _, p := range g.Permits {
		customer, sum, ok := event.PermitParts(p.PermitId)
		if !ok || t.s.permit(t.key, p.PermitId) != nil {
			continue
		}
		e := PermitEntry{At: p.At, ExpiresAt: p.ExpiresAt, Purpose: p.Purpose, Campaign: p.CampaignId, Products: p.Products, NumberHash: p.NumberHash, DecidedAt: p.DecidedAt,
			Orphaned: p.Orphaned, RequestID: p.RequestId, ByNumber: p.ByNumber, Sum: sum, CallHash: p.CallHash, Policy: p.Policy, Partner: p.PartnerId, Dialer: p.DialerId, Zone: p.TimeZone,
			Over: map[string]permitState{"used": permitUsed, "released": permitReleased}[p.State]}
		if customer != t.key {
			e.Owner = customer
		}
		t.s.Permits = append(t.s.Permits, e)
	}
	for _, cs := range g.Calls {
		if err := t.adopt(cs); err != nil {
			return err
		}
	}
	for _, cs := range g.Complaints {
		if err := t.adoptComplaint(cs); err != nil {
			return err
		}
	}
	for _, a := range g.Answers {
		t.s.Answers = append(t.s.Answers, answerOf(a))
	}
	if err := t.redo(g.Events); err != nil {
		return err
	}
	for _, id := range g.Absorbed {
		if id != t.key && !slices.Contains(t.s.Absorbed, id) {
			t.s.Absorbed = append(t.s.Absorbed, id)
		}
	}
	if g.Remaining > 0 && !slices.ContainsFunc(t.s.Claims, func(c *event.Claim) bool { return c.ClaimId == g.ClaimId }) {
		// It came before the change that claims: what is still to come is waited for from here on.
		t.s.Claims = append(t.s.Claims, &event.Claim{ClaimId: g.ClaimId, Outstanding: 1})
	}
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
	return t.redo(waiting)
}

// redo handles events that were kept.
func (t *turn) redo(events [][]byte) error {
	outer := t.ce
	defer func() { t.ce = outer }()
	for _, b := range events {
		t.ce = &event.CustomerEvent{}
		if err := t.ce.UnmarshalVT(b); err != nil {
			return err
		}
		if err := t.handle(); err != nil {
			return err
		}
	}
	return nil
}
