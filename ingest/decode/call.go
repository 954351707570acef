package decode

import (
	"slices"

	"github.com/ringfence/ringfence/event"
)

// Purposes of a call (CMP-12).
func Purposes() []string {
	return []string{"sales", "retention", "care", "survey", "new_customer_followup", "complaint_followup", "new_business_followup",
		"arrears", "notification", "data_check", "confirmation"}
}

// Field numbers of event.Call, for fields_set.
const (
	fDirection   = 2
	fCallerID    = 3
	fPermitID    = 4
	fPurpose     = 5
	fCampaign    = 6
	fProducts    = 7
	fList        = 8
	fLead        = 9
	fAgent       = 10
	fTeam        = 11
	fPartner     = 12
	fDialer      = 13
	fStarted     = 14
	fAnswered    = 15
	fBridged     = 16
	fEnded       = 17
	fWrapped     = 18
	fPrepared    = 19
	fOutcome     = 21
	fAnsweredBy  = 22
	fHangupBy    = 23
	fHangupCause = 24
	fDisposition = 25
	fReached     = 26
	fCompleted   = 27
	fRefused     = 28
	fOrdered     = 29
	fOptOut      = 30
	fUseless     = 31
	fAppointment = 32
	fStrategy    = 33
	fRecording   = 34
	fInbound     = 35
	fInboundLead = 36
	fJoint       = 37
	fNumber      = 40
)

// setter notes which fields of a call were present.
type setter struct{ bits uint64 }

func (s *setter) str(into *string, n uint) func(string, bool) {
	return func(v string, ok bool) {
		if ok {
			*into, s.bits = v, s.bits|1<<n
		}
	}
}

func (s *setter) num(into *int64, n uint) func(int64, bool) {
	return func(v int64, ok bool) {
		if ok {
			*into, s.bits = v, s.bits|1<<n
		}
	}
}

func (s *setter) list(into *[]string, n uint) func([]string, bool) {
	return func(v []string, ok bool) {
		if ok {
			*into, s.bits = v, s.bits|1<<n
		}
	}
}

func (s *setter) flag(into **bool, n uint) func(bool, bool) {
	return func(v, ok bool) {
		if ok {
			*into, s.bits = &v, s.bits|1<<n
		}
	}
}

// call reads one call attempt, or an update of one: an object with updated_at that leaves out what a whole call needs.
func (r *run) call() *Event {
	c := &event.Call{}
	s := &setter{}
	ce := &event.CustomerEvent{Body: &event.CustomerEvent_Call{Call: c}}
	c.CallId, _ = r.id("call_id", true)
	updatedAt, hasUpdated := r.instant("updated_at", false)
	whole := !hasUpdated
	s.str(&c.Direction, fDirection)(r.enum("direction", false, "outbound", "inbound"))
	masked := r.who(ce)
	if masked != "" {
		c.NumberMasked, s.bits = masked, s.bits|1<<fNumber
	}
	if v := r.caller("caller_id"); v != "" {
		s.str(&c.CallerId, fCallerID)(v, true)
	}
	s.str(&c.PermitId, fPermitID)(r.text("permit_id", false))
	s.str(&c.Purpose, fPurpose)(r.enum("purpose", whole, Purposes()...))
	s.str(&c.CampaignId, fCampaign)(r.id("campaign_id", false))
	s.list(&c.Products, fProducts)(r.texts("products"))
	s.str(&c.ListId, fList)(r.id("list_id", false))
	s.str(&c.LeadId, fLead)(r.id("lead_id", false))
	s.str(&c.AgentId, fAgent)(r.id("agent_id", false))
	s.str(&c.TeamId, fTeam)(r.id("team_id", false))
	s.str(&c.PartnerId, fPartner)(r.id("partner_id", false))
	s.str(&c.DialerId, fDialer)(r.id("dialer_id", false))
	s.num(&c.StartedAt, fStarted)(r.instant("started_at", whole))
	s.num(&c.AnsweredAt, fAnswered)(r.instant("answered_at", false))
	s.num(&c.BridgedAt, fBridged)(r.instant("bridged_at", false))
	s.num(&c.EndedAt, fEnded)(r.instant("ended_at", whole))
	s.num(&c.WrappedUpAt, fWrapped)(r.instant("wrapped_up_at", false))
	if v, ok := r.integer("prepared_ms", false, 0, 24*3600*1000); ok {
		c.PreparedMs, s.bits = &v, s.bits|1<<fPrepared
	}
	s.str(&c.Outcome, fOutcome)(r.enum("outcome", whole, "answered", "no_answer", "busy", "rejected", "forwarded", "unavailable", "invalid_number", "failed", "cancelled", "abandoned"))
	s.str(&c.AnsweredBy, fAnsweredBy)(r.enum("answered_by", false, "human", "machine", "fax", "unknown"))
	s.str(&c.HangupBy, fHangupBy)(r.enum("hangup_by", false, "customer", "agent", "system"))
	if v, ok := r.integer("hangup_cause", false, 0, 1023); ok {
		c.HangupCause, s.bits = int32(v), s.bits|1<<fHangupCause
	}
	s.str(&c.Disposition, fDisposition)(r.enum("disposition", false, "agree", "consider", "hesitate", "refuse", "other"))
	s.flag(&c.Reached, fReached)(r.boolean("reached"))
	s.flag(&c.Completed, fCompleted)(r.boolean("completed"))
	s.list(&c.Refused, fRefused)(r.texts("refused"))
	s.list(&c.Ordered, fOrdered)(r.texts("ordered"))
	s.flag(&c.OptOut, fOptOut)(r.boolean("opt_out"))
	s.str(&c.Useless, fUseless)(r.enum("useless", false, useless()...))
	s.num(&c.AppointmentAt, fAppointment)(r.instant("appointment_at", false))
	s.str(&c.Strategy, fStrategy)(r.free("strategy"))
	if rec := r.recording(); rec != nil {
		c.Recording, s.bits = rec, s.bits|1<<fRecording
	}
	if v := r.caller("inbound_number"); v != "" {
		s.str(&c.InboundNumber, fInbound)(v, true)
	}
	s.flag(&c.InboundLead, fInboundLead)(r.boolean("inbound_lead"))
	s.str(&c.JointChannel, fJoint)(r.free("joint_channel"))
	c.FieldsSet = s.bits
	r.order(c)
	switch {
	case hasUpdated:
		c.UpdatedAt = updatedAt
	case c.WrappedUpAt != 0:
		c.UpdatedAt = c.WrappedUpAt
	default:
		c.UpdatedAt = c.EndedAt
	}
	ce.EventId = r.eventID("call", c.CallId, ms(c.UpdatedAt))
	at := c.StartedAt
	if at == 0 {
		at = c.UpdatedAt
	}
	return r.customerEvent(ce, at, c.PartnerId)
}

func useless() []string {
	return []string{"not_target", "abnormal_state", "wrong_number", "nonexistent", "closed", "incomplete"}
}

// order refuses times that cannot follow each other.
func (r *run) order(c *event.Call) {
	for _, p := range []struct {
		name   string
		at     int64
		before string
		than   int64
	}{
		{"ended_at", c.EndedAt, "started_at", c.StartedAt},
		{"answered_at", c.AnsweredAt, "started_at", c.StartedAt},
		{"bridged_at", c.BridgedAt, "started_at", c.StartedAt},
		{"bridged_at", c.BridgedAt, "answered_at", c.AnsweredAt},
		{"ended_at", c.EndedAt, "answered_at", c.AnsweredAt},
		{"ended_at", c.EndedAt, "bridged_at", c.BridgedAt},
		{"wrapped_up_at", c.WrappedUpAt, "ended_at", c.EndedAt},
	} {
		if p.at != 0 && p.than != 0 && p.at < p.than {
			r.wrong(p.name, "is before "+p.before, 422)
		}
	}
}

func (r *run) recording() *event.Recording {
	o, ok := r.sub("recording", describeRecording)
	if !ok {
		return nil
	}
	rec := &event.Recording{}
	rec.Uri, _ = o.text("uri", false)
	if v, ok := o.integer("size_bytes", false, 0, 1<<50); ok {
		rec.SizeBytes = &v
	}
	if v, ok := o.integer("duration_ms", false, 0, 1<<40); ok {
		rec.DurationMs = &v
	}
	o.end()
	return rec
}

func describeRecording(o *object) {
	o.text("uri", false)
	o.integer("size_bytes", false, 0, 0)
	o.integer("duration_ms", false, 0, 0)
}

// IsPurpose tells whether a word is a purpose of a call.
func IsPurpose(s string) bool { return slices.Contains(Purposes(), s) }
