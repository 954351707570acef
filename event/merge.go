package event

// MergeClaim is the event by which a customer's whole history is claimed by whom he turned out to be; eventID is that of
// the customer change that says so. Whoever delivers the change delivers it too, to the key of the one who is merged: so
// what is acknowledged after it finds him merged.
func MergeClaim(eventID, into, merged string, receivedAt int64) *CustomerEvent {
	id := eventID + "/=" + merged
	return &CustomerEvent{EventId: "claim:" + id, CustomerId: merged, Source: "contactcap", ReceivedAt: receivedAt,
		Body: &CustomerEvent_HistoryClaim{HistoryClaim: &HistoryClaim{Claimant: into, ClaimId: id, Whole: true}}}
}
