package event

// MergeClaim is the event by which a customer's whole history is claimed by whom he turned out to be; eventID is that of
// the customer change that says so. Whoever delivers the change delivers it too, to the key of the one who is merged: so
// what is acknowledged after it finds him merged.
func MergeClaim(eventID, into, merged string, receivedAt int64) *CustomerEvent {
	id := eventID + "/=" + merged
	return &CustomerEvent{EventId: "claim:" + id, CustomerId: merged, Source: "contactcap", ReceivedAt: receivedAt,
		Body: &CustomerEvent_HistoryClaim{HistoryClaim: &HistoryClaim{Claimant: into, ClaimId: id, Whole: true}}}
}

// NumberClaim is the event by which a customer claims a number from a moment on, at the register of the number; eventID is
// that of the customer change that names it. Whoever delivers the change delivers it too: so what is acknowledged after it
// finds the number with its owner.
func NumberClaim(eventID, customer, hash string, from, receivedAt int64) *CustomerEvent {
	return atRegister(&HistoryClaim{NumberHash: hash, Claimant: customer, From: from, ClaimId: eventID + "/" + hash}, receivedAt)
}

// NumberRelease is the event by which a customer gives a number up from a moment on. It is delivered as a NumberClaim is.
func NumberRelease(eventID, customer, hash string, from, receivedAt int64) *CustomerEvent {
	return atRegister(&HistoryClaim{NumberHash: hash, From: from, ClaimId: eventID + "/-" + hash, ReleasedBy: customer}, receivedAt)
}

func atRegister(c *HistoryClaim, receivedAt int64) *CustomerEvent {
	return &CustomerEvent{EventId: "claim:" + c.ClaimId, CustomerId: UnknownCustomerPrefix + c.NumberHash, NumberHash: c.NumberHash, Source: "contactcap", ReceivedAt: receivedAt,
		Body: &CustomerEvent_HistoryClaim{HistoryClaim: c}}
}

// GrantID is the id of the event by which a key hands over what was claimed of it.
func GrantID(from, claimID string) string { return "grant:" + from + ":" + claimID }
