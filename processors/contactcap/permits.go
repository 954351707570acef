package contactcap

import (
	"strings"
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
	again, taken := t.given(r, now)
	if again != nil {
		return t.answer(r.ReplyTo, t.m.decided(again))
	}
	if r.Deadline != 0 && now > r.Deadline || t.untimely(r.At) || taken {
		// Nobody waits any more: a reservation would be an orphan from the start.
		return t.answer(r.ReplyTo, &event.PermitEvent{Body: &event.PermitEvent_Decision{Decision: &event.PermitDecision{RequestId: r.RequestId, CustomerId: t.key, At: r.At, Expired: true}}})
	}
	p := t.Policy()
	var d Decision
	if t.Decide != nil {
		d = t.Decide(t.key, t.s.history(), p, r, t.request(r))
	} else {
		t.s.fill(&t.m.history)
		t.m.asked = t.request(r)
		d = decide(&t.m.history, p, &t.m.asked)
	}
	m := t.m
	var out *event.PermitDecision
	if d.Permit {
		t.s.Permits = append(t.s.Permits, PermitEntry{At: r.At, ExpiresAt: r.At + r.TtlMs, Purpose: m.keep(r.Purpose), Campaign: m.keep(r.CampaignId), Products: m.keepList(r.Products),
			NumberHash: strings.Clone(t.ce.NumberHash), DecidedAt: now, RequestID: strings.Clone(r.RequestId), ByNumber: t.ce.ByNumber, Sum: event.PermitSum(t.key, r.RequestId, r.At),
			Policy: p.Ref(), Partner: m.keep(r.PartnerId), Dialer: m.keep(r.DialerId), Zone: d.Zone.String()})
		out = m.permitted(&t.s.Permits[len(t.s.Permits)-1], t.key)
	} else {
		a := Answer{At: r.At, DecidedAt: now, RequestID: strings.Clone(r.RequestId), Purpose: m.keep(r.Purpose), Campaign: m.keep(r.CampaignId), Products: m.keepList(r.Products),
			NumberHash: strings.Clone(t.ce.NumberHash), Policy: p.Ref(), Partner: m.keep(r.PartnerId), Dialer: m.keep(r.DialerId), Zone: d.Zone.String(), Next: d.NextAllowedAt,
			Denials: make([]AnsweredDenial, len(d.DeniedBy))}
		for i, x := range d.DeniedBy {
			a.Denials[i] = AnsweredDenial{Rule: x.Rule, Next: x.NextAllowedAt, Detail: x.Detail}
			if x.Used != nil {
				a.Denials[i].Counted, a.Denials[i].Used, a.Denials[i].Limit = true, *x.Used, *x.Limit
			}
			t.Metrics.denied(x.Rule)
		}
		t.s.Answers = append(t.s.Answers, a)
		out = m.refused(&t.s.Answers[len(t.s.Answers)-1], t.key)
	}
	t.Metrics.decided(out.Decision)
	t.dirty = true
	return t.answer(r.ReplyTo, m.decided(out))
}

// untimely tells whether a request asks of another time than now: of a day when other calls count than today.
func (t *turn) untimely(at int64) bool {
	if t.Clock == nil {
		return false
	}
	apart := t.Clock().Sub(time.UnixMilli(at))
	return apart > clocksApart || apart < -clocksApart
}

// given is the answer that a request got within the last 24 h, nil if it got none. Another partner's answers are not a partner's, even
// under its request's name (REP-04): he is decided on his own. taken tells that such a one is of the very moment of this request, by
// which permits are told apart: it has to be asked again.
func (t *turn) given(r *event.PermitRequest, now int64) (again *event.PermitDecision, taken bool) {
	same := func(requestID string, decidedAt int64) bool {
		return requestID == r.RequestId && now-decidedAt < answersKept.Milliseconds()
	}
	theirs := func(partner string) bool { return r.PartnerId != "" && partner != r.PartnerId }
	for i := range t.s.Permits {
		if p := &t.s.Permits[i]; same(p.RequestID, p.DecidedAt) {
			if theirs(p.Partner) {
				taken = taken || p.At == r.At
				continue
			}
			d := p.decision(t.key)
			d.RepeatedAnswer = true
			return d, false
		}
	}
	for i := range t.s.Answers {
		if a := &t.s.Answers[i]; same(a.RequestID, a.DecidedAt) {
			if theirs(a.Partner) {
				taken = taken || a.At == r.At
				continue
			}
			d := a.decision(t.key)
			d.RepeatedAnswer = true
			return d, false
		}
	}
	return nil, taken
}

// decision is the permit as it was given.
func (p *PermitEntry) decision(key string) *event.PermitDecision {
	d := &event.PermitDecision{}
	p.tell(d, key)
	return d
}

// tell fills in an empty decision.
func (p *PermitEntry) tell(d *event.PermitDecision, key string) {
	if p.Owner != "" {
		key = p.Owner
	}
	d.Decision, d.PermitId, d.RequestId, d.CustomerId, d.At, d.ExpiresAt = "permit", p.id(key), p.RequestID, key, p.At, p.ExpiresAt
	d.Policy, d.TimeZone, d.Purpose, d.Products, d.CampaignId, d.PartnerId, d.DialerId = p.Policy, p.Zone, p.Purpose, p.Products, p.Campaign, p.Partner, p.Dialer
	d.NumberHash = p.NumberHash
}

// answerOf is a denial that was given under another key.
func answerOf(g *event.GrantedAnswer) Answer {
	d := g.Decision
	a := Answer{At: d.At, DecidedAt: g.DecidedAt, RequestID: d.RequestId, Purpose: d.Purpose, Campaign: d.CampaignId, Products: d.Products, NumberHash: d.NumberHash, Policy: d.Policy,
		Partner: d.PartnerId, Dialer: d.DialerId, Zone: d.TimeZone, Next: d.NextAllowedAt, Denials: make([]AnsweredDenial, len(d.DeniedBy))}
	for i, x := range d.DeniedBy {
		a.Denials[i] = AnsweredDenial{Rule: x.Rule, Next: x.NextAllowedAt, Detail: x.Detail}
		if x.Used != nil {
			a.Denials[i].Counted, a.Denials[i].Used, a.Denials[i].Limit = true, x.GetUsed(), x.GetLimit()
		}
	}
	return a
}

// decision is the denial as it was given.
func (a *Answer) decision(key string) *event.PermitDecision {
	out, denials, by := &event.PermitDecision{}, make([]event.Denial, len(a.Denials)), make([]*event.Denial, len(a.Denials))
	for i := range by {
		by[i] = &denials[i]
	}
	a.tell(out, key, by)
	return out
}

// tell fills in an empty decision, and with by as many empty denials as there are.
func (a *Answer) tell(out *event.PermitDecision, key string, by []*event.Denial) {
	out.Decision, out.RequestId, out.CustomerId, out.At, out.Policy, out.TimeZone = "deny", a.RequestID, key, a.At, a.Policy, a.Zone
	out.Purpose, out.Products, out.CampaignId, out.PartnerId, out.DialerId, out.NumberHash = a.Purpose, a.Products, a.Campaign, a.Partner, a.Dialer, a.NumberHash
	out.NextAllowedAt, out.NeverAllowed, out.DeniedBy = a.Next, a.Next == 0, by
	for i := range a.Denials {
		x, d := &a.Denials[i], by[i]
		d.Rule, d.NextAllowedAt, d.Detail = x.Rule, x.Next, x.Detail
		if x.Counted {
			d.Used, d.Limit = &x.Used, &x.Limit
		}
	}
}

func (t *turn) request(r *event.PermitRequest) Request {
	return Request{At: r.At, Purpose: r.Purpose, Products: r.Products, Campaign: r.CampaignId, PartnerID: r.PartnerId, CallerID: r.CallerId,
		InboundNumber: r.InboundNumber, GuaranteedAgent: r.GuaranteedAgent, Recording: r.Recording, NumberHash: t.ce.NumberHash}
}

// permitRelease gives a permit back: 204 as often as it is sent, 404 unknown, 409 once a call has used it.
func (t *turn) permitRelease(r *event.PermitRelease) error {
	ps := t.s.permit(t.key, r.PermitId)
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
	case ps == nil || r.PartnerId != "" && ps.Partner != r.PartnerId:
		status = 404
	case ps.Over == permitUsed:
		status = 409
	case ps.Over == permitOut:
		ps.Over, t.dirty = permitReleased, true
		if err := t.status(ps, "released", r.At, ""); err != nil {
			return err
		}
	}
	if r.ReplyTo == nil {
		return nil
	}
	return t.answer(r.ReplyTo, &event.PermitEvent{Body: &event.PermitEvent_ReleaseResult{ReleaseResult: &event.ReleaseResult{PermitId: r.PermitId, HttpStatus: status}}})
}

// status tells what became of a permit.
func (t *turn) status(ps *PermitEntry, status string, at int64, callID string) error {
	return t.answer(nil, &event.PermitEvent{Body: &event.PermitEvent_Status{Status: &event.PermitStatus{PermitId: ps.id(t.key), Status: status, At: at,
		CallId: callID, CustomerId: t.key, CampaignId: ps.Campaign, RequestId: ps.RequestID, PermitAt: ps.At}}})
}

// explain answers with every rule's state and changes nothing. To a partner's request evidence of others is not shown.
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
	h, err := t.evidence()
	if err != nil {
		return err
	}
	e := Explain(h, t.Policy(), t.request(x.Request))
	e.CustomerID = t.key
	if p := x.Request.PartnerId; p != "" {
		shown, err := t.ofPartner(p)
		if err != nil {
			return err
		}
		e.confine(shown)
	}
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
