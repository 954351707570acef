package decode

import (
	"strings"
	"time"
	"unicode"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/internal/number"
)

func (r *run) agentState() *Event {
	a := &event.AgentState{ReceivedAt: r.now}
	a.AgentId, _ = r.id("agent_id", true)
	a.State, _ = r.enum("state", true, "logged_out", "available", "preparing", "dialing", "talking", "hold", "wrap_up",
		"break", "meal", "training", "meeting", "paperwork", "other")
	a.At, _ = r.instant("at", true)
	a.Reason, _ = r.free("reason")
	a.TeamId, _ = r.id("team_id", false)
	a.PartnerId, _ = r.id("partner_id", false)
	a.CampaignId, _ = r.id("campaign_id", false)
	a.CallId, _ = r.id("call_id", false)
	a.EventId = r.eventID("agent-state", a.AgentId, ms(a.At), a.State)
	return &Event{EventID: a.EventId, Topic: event.TopicAgentStates, Key: a.AgentId, At: a.At, Partner: a.PartnerId,
		Message: &event.AgentEvent{Body: &event.AgentEvent_State{State: a}}}
}

func (r *run) schedule() *Event {
	s := &event.Schedule{ReceivedAt: r.now}
	s.AgentId, _ = r.id("agent_id", true)
	s.StartAt, _ = r.instant("start_at", true)
	s.EndAt, _ = r.instant("end_at", true)
	if s.StartAt != 0 && s.EndAt != 0 && s.EndAt <= s.StartAt {
		r.wrong("end_at", "is not after start_at", 422)
	}
	kind, ok := r.enum("kind", false, "work", "leave", "none")
	if !ok {
		kind = "work"
	}
	s.Kind = kind
	s.TeamId, _ = r.id("team_id", false)
	s.PartnerId, _ = r.id("partner_id", false)
	s.EventId = r.eventID("schedule", s.AgentId, ms(s.StartAt), r.bodyHash())
	return &Event{EventID: s.EventId, Topic: event.TopicAgentStates, Key: s.AgentId, At: s.StartAt, Partner: s.PartnerId,
		Message: &event.AgentEvent{Body: &event.AgentEvent_Schedule{Schedule: s}}}
}

func (r *run) customer() *Event {
	c := &event.CustomerUpdate{}
	ce := &event.CustomerEvent{Body: &event.CustomerEvent_Customer{Customer: c}}
	ce.CustomerId, _ = r.customerID("customer_id", true)
	c.CustomerId = ce.CustomerId
	c.At, _ = r.instant("at", true)
	optional := func(into **string, v string, ok bool) {
		if ok {
			*into = &v
		}
	}
	v, ok := r.enum("segment", false, "public", "vip", "corporate")
	optional(&c.Segment, v, ok)
	v, ok = r.text("plan", false)
	optional(&c.Plan, v, ok)
	c.Groups, c.GroupsSet = r.texts("groups")
	v, ok = r.zone("time_zone")
	optional(&c.TimeZone, v, ok)
	v, ok = r.text("region", false)
	optional(&c.Region, v, ok)
	if nums, ok := r.telephones("numbers"); ok {
		c.Numbers = r.hashes(nums)
	}
	if nums, ok := r.telephones("numbers_removed"); ok {
		c.NumbersRemoved = r.hashes(nums)
	}
	v, ok = r.text("tariff", false)
	optional(&c.Tariff, v, ok)
	if o, ok := r.entries("lists", "booleans"); ok {
		c.Lists = map[string]bool{}
		for _, p := range o.pairs {
			if v, ok := o.boolean(p.name); ok {
				c.Lists[p.name] = v
			}
		}
	}
	if o, ok := r.entries("products", "object"); ok {
		c.Products = map[string]string{}
		for _, p := range o.pairs {
			if v, ok := o.enum(p.name, false, "active", "cancelled"); ok {
				c.Products[p.name] = v
			}
		}
	}
	c.ClearRefusals, _ = r.texts("clear_refusals")
	if b, ok := r.boolean("left_network"); ok {
		c.LeftNetwork = &b
	}
	merges, _ := r.texts("merges")
	c.By, _ = r.free("by")
	c.Note, _ = r.free("note")
	ce.EventId = r.eventID("customer", r.bodyHash())
	e := r.customerEvent(ce, c.At, "")
	r.registers(e, c)
	for i, other := range merges {
		if other == "" || other == ce.CustomerId || len(other) > 200 || strings.ContainsFunc(other, unicode.IsControl) {
			r.wrongItem("merges", i, "is not another customer's id", 422)
			continue
		}
		c.Merges = append(c.Merges, other)
		claim := event.MergeClaim(ce.EventId, ce.CustomerId, other, r.now)
		e.Also = &Event{Kind: Customers, EventID: claim.EventId, Topic: event.TopicCustomerEvents, Key: other, Message: claim, At: c.At, Also: e.Also}
	}
	return e
}

func (r *run) zone(name string) (string, bool) {
	s, ok := r.text(name, false)
	if !ok {
		return "", false
	}
	if _, err := time.LoadLocation(s); err != nil || s == "" || s == "Local" {
		r.wrong(name, "is not a time zone such as Asia/Shanghai", 422)
		return "", false
	}
	return s, true
}

func (r *run) complaint() *Event {
	c := &event.Complaint{}
	ce := &event.CustomerEvent{Body: &event.CustomerEvent_Complaint{Complaint: c}}
	c.ComplaintId, _ = r.id("complaint_id", true)
	c.Event, _ = r.enum("event", true, "opened", "assigned", "graded", "replied", "resolved", "upheld", "rejected", "reopened")
	c.At, _ = r.instant("at", true)
	r.who(ce)
	c.CallId, _ = r.id("call_id", false)
	c.CampaignId, _ = r.id("campaign_id", false)
	c.AgentId, _ = r.id("agent_id", false)
	c.PartnerId, _ = r.id("partner_id", false)
	c.Products, _ = r.texts("products")
	c.Channel, _ = r.free("channel")
	c.Category, _ = r.enum("category", false, "time_limit", "attitude", "wrong_explanation", "handling_error", "other")
	c.Cause, _ = r.enum("cause", false, "system", "no_consent", "service")
	c.SubCause, _ = r.free("sub_cause")
	c.Level, _ = r.enum("level", false, "normal", "escalated", "regulator")
	c.Severity, _ = r.enum("severity", false, "normal", "urgent", "serious")
	c.Handling, _ = r.enum("handling", false, "self", "department", "network", "difficult")
	c.Owner, _ = r.free("owner")
	c.Note, _ = r.free("note")
	ce.EventId = r.eventID("complaint", c.ComplaintId, c.Event, ms(c.At))
	return r.customerEvent(ce, c.At, c.PartnerId)
}

func (r *run) survey() *Event {
	s := &event.Survey{ReceivedAt: r.now}
	s.CallId, _ = r.id("call_id", true)
	s.At, _ = r.instant("at", true)
	s.Score, _ = r.enum("score", true, "very_satisfied", "satisfied", "neutral", "dissatisfied", "very_dissatisfied", "invalid")
	s.EventId = r.eventID("survey", s.CallId, ms(s.At))
	return &Event{EventID: s.EventId, Topic: event.TopicSurveys, Key: s.CallId, At: s.At, Message: s}
}

func (r *run) lead() *Event {
	l := &event.Lead{ReceivedAt: r.now}
	l.LeadId, _ = r.id("lead_id", true)
	l.CampaignId, _ = r.id("campaign_id", true)
	id, haveID := r.customerID("customer_id", false)
	l.CustomerId = id
	nums, haveNumbers := r.telephones("numbers")
	if r.describe == nil && !haveID && len(nums) == 0 && !r.has("customer_id") && !r.has("numbers") {
		r.wrong("customer_id", "is missing (or give numbers)", 400)
	} else if !haveID && haveNumbers && len(nums) == 0 {
		r.wrong("numbers", "is empty and there is no customer_id", 422)
	}
	at, ok := r.instant("at", false)
	if !ok {
		at = r.now
	}
	l.At = at
	l.ListId, _ = r.id("list_id", false)
	l.Products, _ = r.texts("products")
	if v, ok := r.integer("priority", false, -1_000_000, 1_000_000); ok {
		l.Priority = int32(v)
	}
	l.TimeZone, _ = r.zone("time_zone")
	l.ExpiresAt, _ = r.instant("expires_at", false)
	l.InboundNumber = r.caller("inbound_number")
	l.Useless, _ = r.enum("useless", false, useless()...)
	if o, ok := r.entries("attributes", "object"); ok {
		l.Attributes = map[string]string{}
		for _, p := range o.pairs {
			l.Attributes[p.name] = number.MaskSpelt(string(p.raw), r.opt.Region) // a number has its own field, and is sealed there
		}
	}
	l.NumberHashes = r.hashes(nums)
	for _, n := range nums {
		l.NumbersSealed = append(l.NumbersSealed, r.opt.Key.Seal([]byte(n)))
	}
	l.EventId = r.eventID("lead", l.LeadId, ms(l.At))
	e := &Event{EventID: l.EventId, Topic: event.TopicLeads, Key: l.LeadId, At: l.At, Message: l}
	if haveID && len(nums) > 0 {
		ce := &event.CustomerEvent{CustomerId: id, EventId: "numbers:" + l.EventId, Body: &event.CustomerEvent_Customer{
			Customer: &event.CustomerUpdate{CustomerId: id, At: l.At, Numbers: l.NumberHashes}}}
		e.Also = r.customerEvent(ce, l.At, "")
		e.Also.Kind = Customers
		r.registers(e.Also, ce.GetCustomer())
	}
	return e
}

// registers has the registers of the numbers told along with a customer change that names them.
func (r *run) registers(e *Event, c *event.CustomerUpdate) {
	tell := func(ce *event.CustomerEvent) {
		e.Also = &Event{Kind: Customers, EventID: ce.EventId, Topic: event.TopicCustomerEvents, Key: ce.CustomerId, Message: ce, At: c.At, Also: e.Also}
	}
	for _, h := range c.Numbers {
		tell(event.NumberClaim(e.EventID, c.CustomerId, h, c.At, r.now))
	}
	for _, h := range c.NumbersRemoved {
		tell(event.NumberRelease(e.EventID, c.CustomerId, h, c.At, r.now))
	}
}

func (r *run) campaign() *Event {
	c := &event.Campaign{ReceivedAt: r.now}
	c.CampaignId, _ = r.id("campaign_id", true)
	c.At, _ = r.instant("at", true)
	c.Name, _ = r.free("name")
	c.Purpose, _ = r.enum("purpose", false, Purposes()...)
	c.Products, _ = r.texts("products")
	c.Status, _ = r.enum("status", false, "draft", "assessed", "tested", "approved", "running", "paused", "stopped")
	c.ScriptVersion, _ = r.text("script_version", false)
	c.PartnerId, _ = r.id("partner_id", false)
	c.PacingJson = r.opaque("pacing", false)
	c.CallerIds, _ = r.texts("caller_ids")
	c.HoursJson = r.opaque("hours", true)
	c.EventId = r.eventID("campaign", c.CampaignId, ms(c.At))
	return &Event{EventID: c.EventId, Topic: event.TopicCampaigns, Key: c.CampaignId, At: c.At, Partner: c.PartnerId, Message: c}
}

// permit reads a permit request; `at` is 0 when it was not given.
func (r *run) permit() *Event {
	p := &event.PermitRequest{Recording: true}
	ce := &event.CustomerEvent{Body: &event.CustomerEvent_PermitRequest{PermitRequest: p}}
	p.RequestId, _ = r.id("request_id", true)
	r.who(ce)
	p.Purpose, _ = r.enum("purpose", true, Purposes()...)
	p.Products, _ = r.texts("products")
	p.CampaignId, _ = r.id("campaign_id", false)
	p.PartnerId, _ = r.id("partner_id", false)
	p.DialerId, _ = r.id("dialer_id", false)
	p.CallerId = r.caller("caller_id")
	p.InboundNumber = r.caller("inbound_number")
	p.GuaranteedAgent, _ = r.boolean("guaranteed_agent")
	if v, ok := r.boolean("recording"); ok {
		p.Recording = v
	}
	p.At, _ = r.instant("at", false)
	ce.EventId = "permit:" + p.RequestId
	return r.customerEvent(ce, p.At, p.PartnerId)
}
