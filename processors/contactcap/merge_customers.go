package contactcap

import (
	"slices"

	"github.com/ringfence/ringfence/event"
)

// merge waits for the history of a customer who turned out to be this one.
func (t *turn) merge(other string) error {
	if other == t.key || slices.Contains(t.s.Absorbed, other) {
		return nil
	}
	ce := event.MergeClaim(t.ce.EventId, t.key, other, t.ce.ReceivedAt)
	id := ce.GetHistoryClaim().ClaimId
	if !slices.Contains(t.s.Seen, hashID(event.GrantID(other, id))) { // it may have come before
		t.s.Claims = append(t.s.Claims, &event.Claim{ClaimId: id, Outstanding: 1})
	}
	return t.send(other, ce)
}

// yield gives all there is to whom this customer turned out to be, and from now on all that comes.
func (t *turn) yield(c *event.HistoryClaim) error {
	if c.Claimant == t.key || slices.Contains(t.s.Absorbed, c.Claimant) {
		// He is part of this one already: there is nothing to give, and nobody to give it to.
		return t.send(c.Claimant, &event.CustomerEvent{EventId: event.GrantID(t.key, c.ClaimId), Source: "contactcap", ReceivedAt: t.ce.ReceivedAt,
			Body: &event.CustomerEvent_HistoryGrant{HistoryGrant: &event.HistoryGrant{ClaimId: c.ClaimId, FromCustomer: t.key}}})
	}
	var more []*event.CustomerEvent
	for i := range t.s.Changes {
		x := &t.s.Changes[i]
		more = append(more, &event.CustomerEvent{EventId: x.EventID, Redelivered: true, Source: "contactcap", ReceivedAt: t.ce.ReceivedAt, Body: &event.CustomerEvent_Customer{
			Customer: &event.CustomerUpdate{CustomerId: c.Claimant, At: x.At, Segment: x.Segment, Plan: x.Plan, Groups: x.Groups, GroupsSet: x.GroupsSet, TimeZone: x.TimeZone,
				Region: x.Region, Tariff: x.Tariff, Lists: x.Lists, Products: x.Products, ClearRefusals: x.ClearRefusals, By: x.By, Note: x.Note}}})
	}
	for _, b := range t.s.Deferred {
		ce := &event.CustomerEvent{}
		if err := ce.UnmarshalVT(b); err != nil {
			return err
		}
		more = append(more, ce)
	}
	if err := t.give(c, 0, func(bool, string, int64) bool { return true }, more...); err != nil {
		return err
	}
	t.s.Changes, t.s.WaitingUpdates, t.s.Deferred, t.s.Claims, t.s.Absorbed = nil, nil, nil, nil, nil
	t.s.MergedInto = c.Claimant
	return nil
}
