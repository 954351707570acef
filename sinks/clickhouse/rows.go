package clickhouse

import (
	"fmt"
	"strings"
	"time"

	"github.com/nyaruka/phonenumbers"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/internal/number"
)

// row is one row for one table.
type row struct {
	table  string
	values []any
}

// tables and the columns a row of each has, in order.
var tables = map[string]string{
	"calls": `call_id, direction, customer_id, customer_hash, number_hash, number_masked, caller_id, permit_id, purpose, campaign_id, products, list_id, lead_id,
		agent_id, team_id, partner_id, dialer_id, started_at, answered_at, bridged_at, ended_at, wrapped_up_at, prepared_ms, updated_at, outcome, answered_by, hangup_by,
		hangup_cause, disposition, reached, completed, refused, ordered, opt_out, useless, appointment_at, strategy, recording_uri, recording_size_bytes, recording_duration_ms,
		inbound_number, inbound_lead, joint_channel, attempt_no, cap_verdict, violations, policy, source, received_at, revision`,
	"agent_intervals":     "agent_id, state, start_at, end_at, reason, team_id, partner_id, campaign_id, call_id, open, timed_out, revision",
	"complaints":          "complaint_id, event, at, event_id, customer_id, customer_hash, number_hash, call_id, campaign_id, agent_id, team_id, partner_id, products, channel, category, cause, sub_cause, level, severity, handling, owner, note, attributed_by, attributed_call_id, unattributed, received_at",
	"permits":             "request_id, permit_id, decision, customer_id, customer_hash, number_hash, at, expires_at, policy, purpose, products, campaign_id, partner_id, dialer_id, denied_by, next_allowed_at",
	"permit_status":       "permit_id, status, at, call_id, campaign_id",
	"qa_tasks":            "task_id, call_id, agent_id, team_id, campaign_id, partner_id, day, seq, draw, reason, drawn_at, recording_uri, call_started_at",
	"sampling_keys":       "day, key_sha256, published_at, key, revealed_at",
	"sampling_population": "day, agent_id, seq, call_id, late, drawn, campaign_id, team_id, partner_id, call_started_at, at, revision",
	"surveys":             "call_id, at, score, event_id",
	"leads":               "lead_id, campaign_id, customer_id, number_hashes, at, list_id, products, priority, expires_at, useless, event_id",
	"schedules":           "agent_id, start_at, end_at, kind, team_id, partner_id, revision",
	"campaigns":           "campaign_id, at, name, purpose, products, status, script_version, partner_id",
	"campaign_signals":    "campaign_id, at, answer_rate, handling_time_ms, ring_time_ms, agents_available, agents_busy, abandonment_rate, live_calls, dials, verdict, reason, verdict_by",
	"alerts":              "alert_id, kind, campaign_id, agent_id, state, at, since, value, expected, p_value, count, base, detail, action, call_ids",
	"dead_letter":         "at, source, reason, pointer, raw",
}

// Topics the sink reads.
func Topics() []string {
	return []string{event.TopicCallFacts, event.TopicComplaintFacts, event.TopicAgentIntervals, event.TopicPermitDecisions, event.TopicQATasks, event.TopicSamplingFacts,
		event.TopicCampaigns, event.TopicLeads, event.TopicSurveys, event.TopicAgentStates, event.TopicCampaignSignals, event.TopicAlerts, event.TopicDeadLetter}
}

func at(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

func maybe(ms int64) *time.Time {
	if ms == 0 {
		return nil
	}
	t := at(ms)
	return &t
}

// list is never nil: ClickHouse has no absent array.
func list(l []string) []string {
	if l == nil {
		return []string{}
	}
	return l
}

// rowsOf turns a record into rows; a record that cannot be read is an error for the dead letter.
func (s *Sink) rowsOf(r *kgo.Record) ([]row, error) {
	if r.Value == nil {
		return nil, nil
	}
	switch r.Topic {
	case event.TopicCallFacts:
		var f event.CallFact
		if err := f.UnmarshalVT(r.Value); err != nil {
			return nil, err
		}
		if f.Retracted {
			return nil, nil
		}
		return []row{{"calls", s.callRow(&f)}}, nil
	case event.TopicComplaintFacts:
		var f event.ComplaintFact
		if err := f.UnmarshalVT(r.Value); err != nil {
			return nil, err
		}
		c := f.Complaint
		return []row{{"complaints", []any{c.ComplaintId, c.Event, at(c.At), f.EventId, s.customerID(c.CustomerId), f.CustomerHash, c.NumberHash, c.CallId, c.CampaignId, c.AgentId, f.TeamId,
			c.PartnerId, list(c.Products), c.Channel, c.Category, c.Cause, number.MaskText(c.SubCause), c.Level, c.Severity, c.Handling, number.MaskText(c.Owner), number.MaskText(c.Note),
			f.AttributedBy, f.AttributedCallId, f.Unattributed, at(f.ReceivedAt)}}}, nil
	case event.TopicAgentIntervals:
		var f event.AgentInterval
		if err := f.UnmarshalVT(r.Value); err != nil {
			return nil, err
		}
		return []row{{"agent_intervals", []any{f.AgentId, f.State, at(f.StartAt), at(f.EndAt), number.MaskText(f.Reason), f.TeamId, f.PartnerId, f.CampaignId, f.CallId, f.Open, f.TimedOut, f.Revision}}}, nil
	case event.TopicPermitDecisions:
		return s.permitRows(r.Value)
	case event.TopicQATasks:
		var f event.QATask
		if err := f.UnmarshalVT(r.Value); err != nil {
			return nil, err
		}
		day, err := time.Parse(time.DateOnly, f.Day)
		if err != nil {
			return nil, err
		}
		return []row{{"qa_tasks", []any{f.TaskId, f.CallId, f.AgentId, f.TeamId, f.CampaignId, f.PartnerId, day, uint32(f.Seq), f.Draw, f.Reason, at(f.DrawnAt), f.RecordingUri, at(f.CallStartedAt)}}}, nil
	case event.TopicSamplingFacts:
		return samplingRows(r.Value)
	}
	return s.referenceRows(r)
}

func (s *Sink) referenceRows(r *kgo.Record) ([]row, error) {
	switch r.Topic {
	case event.TopicCampaigns:
		var f event.Campaign
		if err := f.UnmarshalVT(r.Value); err != nil {
			return nil, err
		}
		return []row{{"campaigns", []any{f.CampaignId, at(f.At), f.Name, f.Purpose, list(f.Products), f.Status, f.ScriptVersion, f.PartnerId}}}, nil
	case event.TopicLeads:
		var f event.Lead
		if err := f.UnmarshalVT(r.Value); err != nil {
			return nil, err
		}
		return []row{{"leads", []any{f.LeadId, f.CampaignId, s.customerID(f.CustomerId), list(f.NumberHashes), at(f.At), f.ListId, list(f.Products), f.Priority, maybe(f.ExpiresAt), f.Useless, f.EventId}}}, nil
	case event.TopicSurveys:
		var f event.Survey
		if err := f.UnmarshalVT(r.Value); err != nil {
			return nil, err
		}
		return []row{{"surveys", []any{f.CallId, at(f.At), f.Score, f.EventId}}}, nil
	case event.TopicAgentStates:
		var f event.AgentEvent
		if err := f.UnmarshalVT(r.Value); err != nil {
			return nil, err
		}
		if x := f.GetSchedule(); x != nil {
			return []row{{"schedules", []any{x.AgentId, at(x.StartAt), at(x.EndAt), x.Kind, x.TeamId, x.PartnerId, uint64(x.ReceivedAt)<<20 | uint64(r.Offset)&0xfffff}}}, nil
		}
		return nil, nil
	case event.TopicCampaignSignals:
		var f event.CampaignSignal
		if err := f.UnmarshalVT(r.Value); err != nil {
			return nil, err
		}
		return []row{{"campaign_signals", []any{f.CampaignId, at(f.At), f.AnswerRate, f.HandlingTimeMs, f.RingTimeMs, f.AgentsAvailable, f.AgentsBusy, f.AbandonmentRate, f.LiveCalls, f.Dials, f.Verdict, f.Reason, f.VerdictBy}}}, nil
	case event.TopicAlerts:
		var f event.Alert
		if err := f.UnmarshalVT(r.Value); err != nil {
			return nil, err
		}
		return []row{{"alerts", []any{f.AlertId, f.Kind, f.CampaignId, f.AgentId, f.State, at(f.At), at(f.Since), f.Value, f.Expected, f.PValue, f.Count, f.Base, f.Detail, f.Action, list(f.CallIds)}}}, nil
	case event.TopicDeadLetter:
		var f event.DeadLetter
		if err := f.UnmarshalVT(r.Value); err != nil {
			return nil, err
		}
		return []row{{"dead_letter", []any{at(f.At), f.Source, number.MaskText(f.Reason), f.Pointer, number.MaskText(string(f.Raw))}}}, nil
	}
	return nil, fmt.Errorf("topic %s is not written anywhere", r.Topic)
}

func (s *Sink) permitRows(value []byte) ([]row, error) {
	var pe event.PermitEvent
	if err := pe.UnmarshalVT(value); err != nil {
		return nil, err
	}
	switch b := pe.Body.(type) {
	case *event.PermitEvent_Decision:
		d := b.Decision
		if d.RepeatedAnswer || d.Expired {
			return nil, nil
		}
		rules := []string{}
		for _, x := range d.DeniedBy {
			rules = append(rules, x.Rule)
		}
		return []row{{"permits", []any{d.RequestId, s.permitID(d.PermitId, d.CustomerId), d.Decision, s.customerID(d.CustomerId), s.opt.CustomerHash(d.CustomerId), d.NumberHash, at(d.At), maybe(d.ExpiresAt), d.Policy,
			d.Purpose, list(d.Products), d.CampaignId, d.PartnerId, d.DialerId, rules, maybe(d.NextAllowedAt)}}}, nil
	case *event.PermitEvent_Status:
		x := b.Status
		return []row{{"permit_status", []any{s.permitID(x.PermitId, x.CustomerId), x.Status, at(x.At), x.CallId, x.CampaignId}}}, nil
	}
	return nil, nil
}

func samplingRows(value []byte) ([]row, error) {
	var f event.SamplingFact
	if err := f.UnmarshalVT(value); err != nil {
		return nil, err
	}
	if k := f.GetKey(); k != nil {
		day, err := time.Parse(time.DateOnly, k.Day)
		return []row{{"sampling_keys", []any{day, k.KeySha256, at(k.PublishedAt), k.Key, maybe(k.RevealedAt)}}}, err
	}
	p := f.GetPopulation()
	if p == nil {
		return nil, nil
	}
	day, err := time.Parse(time.DateOnly, p.Day)
	return []row{{"sampling_population", []any{day, p.AgentId, uint32(p.Seq), p.CallId, p.Late, list(p.Drawn), p.CampaignId, p.TeamId, p.PartnerId, at(p.CallStartedAt), at(p.At), p.Revision}}}, err
}

// customerID is the customer's id, or its hash where the id is a telephone number.
func (s *Sink) customerID(id string) string {
	if looksLikeNumber(id) {
		return "h:" + s.opt.CustomerHash(id)
	}
	return id
}

// permitID hides the customer inside a permit id where he is called by his number.
func (s *Sink) permitID(id, customer string) string {
	if id != "" && looksLikeNumber(customer) {
		return "h:" + s.opt.CustomerHash(id)
	}
	return id
}

func looksLikeNumber(id string) bool {
	digits := 0
	for _, r := range id {
		if r >= '0' && r <= '9' {
			digits++
		} else if !strings.ContainsRune("+-() .", r) {
			return false
		}
	}
	if digits < 8 {
		return false
	}
	n, err := phonenumbers.Parse(id, "CN")
	return err == nil && phonenumbers.IsPossibleNumber(n)
}

// own masks one of our own numbers unless it is a short code: no column holds a number in the clear.
func own(n string) string { return number.Mask(n) }

func (s *Sink) callRow(f *event.CallFact) []any {
	c := f.Call
	var uri string
	var size, duration *int64
	if r := c.Recording; r != nil {
		uri, size, duration = r.Uri, r.SizeBytes, r.DurationMs
	}
	return []any{c.CallId, c.Direction, s.customerID(c.CustomerId), f.CustomerHash, c.NumberHash, c.NumberMasked, own(c.CallerId), s.permitID(c.PermitId, c.CustomerId), c.Purpose, c.CampaignId, list(c.Products), c.ListId, c.LeadId,
		c.AgentId, c.TeamId, c.PartnerId, c.DialerId, at(c.StartedAt), maybe(c.AnsweredAt), maybe(c.BridgedAt), at(c.EndedAt), maybe(c.WrappedUpAt), c.PreparedMs, at(c.UpdatedAt), c.Outcome, c.AnsweredBy, c.HangupBy,
		uint16(c.HangupCause), c.Disposition, c.Reached, c.Completed, list(c.Refused), list(c.Ordered), c.OptOut, c.Useless, maybe(c.AppointmentAt), c.Strategy, uri, size, duration,
		own(c.InboundNumber), c.InboundLead, c.JointChannel, uint32(f.AttemptNo), f.CapVerdict, list(f.Violations), f.Policy, f.Source, at(f.ReceivedAt), f.Revision}
}
