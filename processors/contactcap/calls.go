package contactcap

import (
	"errors"
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
	cs, err := t.whole(c.CallId)
	if err != nil {
		return err
	}
	if cs == nil {
		if moved, err := t.elsewhere(at); moved || err != nil {
			return err
		}
	}
	if seen, err := t.seenCall(t.ce.EventId); seen || err != nil {
		return err
	}
	t.dirty = true
	c.CustomerId = t.key
	if t.ce.NumberHash != "" {
		c.NumberHash, c.FieldsSet = t.ce.NumberHash, c.FieldsSet|1<<40
	}
	switch {
	case cs != nil:
		agent, stood, was := cs.Call.AgentId, cs.Call.StartedAt, entryOf(cs)
		saw(cs, t.ce.EventId)
		cs.TouchedAt = t.c.Now().UnixMilli()
		changed := merge(cs, c)
		t.s.replace(was, entryOf(cs))
		if !changed {
			return t.keep(cs, true)
		}
		if agent != "" && cs.Call.AgentId != agent {
			gone := cs.Call.CloneVT()
			gone.AgentId = agent
			if err := t.fact(cs, gone, false, true); err != nil {
				return err
			}
		}
		if err := errors.Join(t.fact(cs, cs.Call, false, false, stood), t.keep(cs, true)); err != nil {
			return err
		}
		return t.reattribute()
	case c.FieldsSet&wholeCall != wholeCall:
		b, err := t.ce.MarshalVT()
		if err != nil {
			return err
		}
		t.s.WaitingUpdates = append(t.s.WaitingUpdates, b)
		return nil
	}
	cs = &event.CallState{Call: c, EventId: t.ce.EventId, BaseAt: c.UpdatedAt, ByNumber: t.ce.ByNumber}
	saw(cs, t.ce.EventId)
	return t.newCall(cs)
}

// newCall counts a call that is not known here.
func (t *turn) newCall(cs *event.CallState) error {
	c := cs.Call
	cs.TouchedAt = t.c.Now().UnixMilli()
	if c.Direction == "" {
		c.Direction = "outbound"
	}
	if err := t.verdict(cs); err != nil {
		return err
	}
	e := entryOf(cs)
	known := t.s.knows(e.Tag)
	t.s.addCall(e)
	if err := errors.Join(t.fact(cs, c, true, false), t.keep(cs, known)); err != nil {
		return err
	}
	if err := t.reattribute(); err != nil {
		return err
	}
	return t.catchUp(c.CallId)
}

// catchUp applies the updates that came before their call.
func (t *turn) catchUp(callID string) error {
	var come []*event.CustomerEvent
	waiting := t.s.WaitingUpdates[:0]
	for _, b := range t.s.WaitingUpdates {
		ce := &event.CustomerEvent{}
		if err := ce.UnmarshalVT(b); err != nil {
			return err
		}
		if ce.GetCall().GetCallId() == callID {
			come = append(come, ce)
		} else {
			waiting = append(waiting, b)
		}
	}
	t.s.WaitingUpdates = waiting
	for _, ce := range come {
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
		ps := t.s.permit(t.key, c.PermitId)
		switch {
		case ps == nil:
			reason = "PERMIT-UNKNOWN"
		case ps.Over == permitReleased:
			reason = "PERMIT-RELEASED"
		case ps.Over == permitUsed && ps.CallHash != hashID(c.CallId):
			reason = "PERMIT-USED"
		default:
			ps.Over, ps.CallHash = permitUsed, hashID(c.CallId)
			if err := t.status(ps, "used", c.StartedAt, c.CallId); err != nil {
				return err
			}
			if c.StartedAt < ps.ExpiresAt {
				return nil
			}
			reason = "PERMIT-EXPIRED"
		}
	}
	d := Decide(t.s.history(), p, Request{At: c.StartedAt, Purpose: c.Purpose, Products: c.Products, Campaign: c.CampaignId, PartnerID: c.PartnerId,
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
func (t *turn) fact(cs *event.CallState, c *event.Call, first, retracted bool, stood ...int64) error {
	cs.Revision = max(cs.Revision+1, uint64(t.c.Now().UnixMilli())<<8)
	c.CustomerId = t.key
	f := &event.CallFact{Call: c, CustomerHash: t.CustomerHash(t.key), CapVerdict: cs.Verdict, Violations: cs.Violations, Policy: cs.Policy,
		Revision: cs.Revision, ReceivedAt: t.ce.ReceivedAt, Source: t.ce.Source, First: first, Retracted: retracted,
		MovedFrom: slices.DeleteFunc(stood, func(at int64) bool { return at == c.StartedAt })}
	f.AttemptNo = int64(t.s.Forgotten)
	for i := range t.s.Calls {
		if o := &t.s.Calls[i]; !o.Inbound && o.At <= c.StartedAt {
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
