package contactcap

import (
	"time"

	"github.com/ringfence/ringfence/event"
)

// permitRequest decides, or passes the request on to the number's owner, or keeps it until a history has arrived.
func (t *turn) permitRequest(r *event.PermitRequest) error {
	if moved, err := t.elsewhere(r.At); moved || err != nil {
		return err
	}
	if len(t.s.Claims) > 0 {
		return t.putOff()
	}
	now := t.c.Now().UnixMilli()
	for _, a := range t.s.Answers {
		if a.Decision.RequestId == r.RequestId && now-a.DecidedAt < answersKept.Milliseconds() {
			again := a.Decision.CloneVT()
			again.RepeatedAnswer = true
			return t.answer(r.ReplyTo, &event.PermitEvent{Body: &event.PermitEvent_Decision{Decision: again}})
		}
	}
	if r.Deadline != 0 && now > r.Deadline {
		// Nobody waits any more: a reservation would be an orphan from the start.
		return t.answer(r.ReplyTo, &event.PermitEvent{Body: &event.PermitEvent_Decision{Decision: &event.PermitDecision{RequestId: r.RequestId, CustomerId: t.key, Expired: true}}})
	}
	p := t.Policy()
	d := Decide(t.s.history(nil), p, t.request(r))
	out := &event.PermitDecision{Decision: "deny", RequestId: r.RequestId, CustomerId: t.key, At: r.At, Policy: p.Ref(), TimeZone: d.Zone.String(),
		Purpose: r.Purpose, Products: r.Products, CampaignId: r.CampaignId, PartnerId: r.PartnerId, DialerId: r.DialerId, NumberHash: t.ce.NumberHash}
	if d.Permit {
		out.Decision, out.PermitId, out.ExpiresAt = "permit", event.PermitID(t.key, r.RequestId, r.At), r.At+r.TtlMs
		t.s.Permits = append(t.s.Permits, &event.PermitState{PermitId: out.PermitId, At: r.At, ExpiresAt: out.ExpiresAt, Purpose: r.Purpose, CampaignId: r.CampaignId,
			Products: r.Products, NumberHash: t.ce.NumberHash, DecidedAt: now, RequestId: r.RequestId, ByNumber: t.ce.ByNumber})
	}
	for _, x := range d.DeniedBy {
		out.DeniedBy = append(out.DeniedBy, &event.Denial{Rule: x.Rule, Used: x.Used, Limit: x.Limit, NextAllowedAt: x.NextAllowedAt, Detail: x.Detail})
		t.Metrics.denied(x.Rule)
	}
	out.NextAllowedAt, out.NeverAllowed = d.NextAllowedAt, !d.Permit && d.NextAllowedAt == 0
	t.Metrics.decided(out.Decision)
	t.s.Answers = append(t.s.Answers, &event.Answer{Decision: out, DecidedAt: now})
	t.dirty = true
	return t.answer(r.ReplyTo, &event.PermitEvent{Body: &event.PermitEvent_Decision{Decision: out}})
}

func (t *turn) request(r *event.PermitRequest) Request {
	return Request{At: r.At, Purpose: r.Purpose, Products: r.Products, Campaign: r.CampaignId, PartnerID: r.PartnerId, CallerID: r.CallerId,
		InboundNumber: r.InboundNumber, GuaranteedAgent: r.GuaranteedAgent, Recording: r.Recording, NumberHash: t.ce.NumberHash}
}

// permitRelease gives a permit back: 204 as often as it is sent, 404 unknown, 409 once a call has used it.
func (t *turn) permitRelease(r *event.PermitRelease) error {
	ps := t.s.permit(r.PermitId)
	if ps == nil {
		if moved, err := t.elsewhere(r.At); moved || err != nil {
			return err
		}
		if len(t.s.Claims) > 0 {
			return t.putOff()
		}
	}
	status := int32(204)
	switch {
	case ps == nil:
		status = 404
	case ps.State == "used":
		status = 409
	case ps.State == "":
		ps.State, t.dirty = "released", true
		if err := t.status(ps, "released", r.At); err != nil {
			return err
		}
	}
	if r.ReplyTo == nil {
		return nil
	}
	return t.answer(r.ReplyTo, &event.PermitEvent{Body: &event.PermitEvent_ReleaseResult{ReleaseResult: &event.ReleaseResult{PermitId: r.PermitId, HttpStatus: status}}})
}

// status tells what became of a permit.
func (t *turn) status(ps *event.PermitState, status string, at int64) error {
	return t.answer(nil, &event.PermitEvent{Body: &event.PermitEvent_Status{Status: &event.PermitStatus{PermitId: ps.PermitId, Status: status, At: at,
		CallId: ps.CallId, CustomerId: t.key, CampaignId: ps.CampaignId, RequestId: ps.RequestId}}})
}

// explain answers with every rule's state and changes nothing.
func (t *turn) explain(x *event.ExplainRequest) error {
	if x.ReplyTo == nil || x.Request == nil {
		return errNoReply
	}
	if moved, err := t.elsewhere(x.Request.At); moved || err != nil {
		return err
	}
	if len(t.s.Claims) > 0 {
		return t.putOff()
	}
	e := Explain(t.s.history(nil), t.Policy(), t.request(x.Request))
	e.CustomerID = t.key
	b, err := e.JSON()
	if err != nil {
		return err
	}
	return t.answer(x.ReplyTo, &event.PermitEvent{Body: &event.PermitEvent_Explanation{Explanation: &event.Explanation{Json: b}}})
}

// putOff keeps the event until every history claimed has arrived.
func (t *turn) putOff() error {
	b, err := t.ce.MarshalVT()
	if err != nil {
		return err
	}
	t.s.Deferred, t.dirty = append(t.s.Deferred, b), true
	return nil
}

// stamp prints a time in a zone, milliseconds only where there are any.
func stamp(ms int64, zone *time.Location) string {
	if ms%1000 == 0 {
		return time.UnixMilli(ms).In(zone).Format("2006-01-02T15:04:05Z07:00")
	}
	return time.UnixMilli(ms).In(zone).Format("2006-01-02T15:04:05.000Z07:00")
}
