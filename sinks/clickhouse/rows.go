package clickhouse

import (
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/internal/number"
)

// tables and the columns a row of each has, in order.
var tables = map[string]string{
	"touched": "facts, slot, n",
	"calls": `call_id, direction, customer_id, customer_hash, number_hash, number_masked, caller_id, permit_id, purpose, campaign_id, products, list_id, lead_id,
		agent_id, team_id, partner_id, dialer_id, started_at, answered_at, bridged_at, ended_at, wrapped_up_at, prepared_ms, updated_at, outcome, answered_by, hangup_by,
		hangup_cause, disposition, reached, completed, refused, ordered, opt_out, useless, appointment_at, strategy, recording_uri, recording_size_bytes, recording_duration_ms,
		inbound_number, inbound_lead, joint_channel, attempt_no, cap_verdict, violations, policy, source, received_at, revision, deleted`,
	"agent_intervals":       "agent_id, state, start_at, end_at, reason, team_id, partner_id, campaign_id, call_id, open, timed_out, revision",
	"complaints":            "complaint_id, event, at, event_id, customer_id, customer_hash, number_hash, call_id, campaign_id, agent_id, team_id, partner_id, products, channel, category, cause, sub_cause, level, severity, handling, owner, note, attributed_by, attributed_call_id, unattributed, received_at, revision",
	"permits":               "request_id, permit_id, decision, customer_id, customer_hash, number_hash, at, expires_at, policy, purpose, products, campaign_id, partner_id, dialer_id, denied_by, next_allowed_at",
	"refusals_cleared":      "customer_id, customer_hash, at, products, by, note, event_id",
	"permit_status":         "permit_id, status, at, call_id, campaign_id, permit_at",
	"qa_tasks":              "task_id, call_id, agent_id, team_id, campaign_id, partner_id, day, seq, draw, reason, drawn_at, recording_uri, call_started_at, for_role, period, sale, replaces",
	"sampling_keys":         "day, key_sha256, published_at, key, revealed_at",
	"sampling_population":   "day, agent_id, seq, call_id, late, drawn, campaign_id, team_id, partner_id, call_started_at, at, revision, week, week_seq, week_late, extra_seq, period, slice",
	"sampling_quotas":       "draw, scope, agent_id, slice, nth, population, required, drawn, call_ids, for_roles, order_of_campaigns, reason, at",
	"sampling_replacements": "task_id, day, agent_id, draw, seq, problem, replaced_by, population, nth, at",
	"qa_task_events":        "agent_id, task_id, kind, at, by, command_id, detail, revision",
	"qa_task_status":        "task_id, call_id, agent_id, team_id, campaign_id, partner_id, draw, for_role, status, rater, drawn_at, due_at, claimed_at, scored_at, published_at, appeal_until, complaints, at, revision",
	"qa_reviews": `review_id, task_id, call_id, agent_id, team_id, campaign_id, partner_id, call_started_at, rater, rubric, sale, standards_met, score, fatal, detail, published_at, revision, draw,
		rater_role, passed, scored_at, failed, penalty, amended, void, calibration_id`,
	"qa_appeals":       "review_id, task_id, call_id, agent_id, team_id, partner_id, at, text, checkpoints, support_by, support_vote, support_reason, leader_by, leader_vote, leader_reason, outcome, decided_at, score_before, score_after, revision",
	"qa_incidents":     "task_id, call_id, agent_id, team_id, campaign_id, partner_id, day, seq, draw, problem, detail, at, by, recording_uri",
	"surveys":          "call_id, at, score, event_id, arrival",
	"leads":            "lead_id, campaign_id, customer_id, number_hashes, at, list_id, products, priority, expires_at, useless, event_id, arrival, numbers_sealed",
	"schedules":        "agent_id, start_at, end_at, kind, team_id, partner_id, event_id, arrival, revision",
	"campaigns":        "campaign_id, at, name, purpose, products, status, script_version, partner_id, event_id, arrival",
	"campaign_signals": "campaign_id, at, answer_rate, handling_time_ms, ring_time_ms, agents_available, agents_busy, abandonment_rate, live_calls, dials, verdict, reason, verdict_by, position",
	"alerts":           "alert_id, kind, campaign_id, agent_id, state, at, since, value, expected, p_value, count, base, detail, action, call_ids, dimension, subject, severity, seq, decided_at, window_ms, rate, rate_before, false_per_year, also, done, by, note, muted, escalate_to",
	"audit_log":        "audit_id, at, actor, roles, partner_id, action, subject_kind, subject, outcome, reason, address, source, detail",
	"dead_letter":      "at, source, reason, pointer, raw, position",
}

// Topics the sink reads.
func Topics() []string {
	return []string{event.TopicCallFacts, event.TopicComplaintFacts, event.TopicAgentIntervals, event.TopicPermitDecisions, event.TopicQATasks, event.TopicQAEvents, event.TopicSamplingFacts,
		event.TopicCampaigns, event.TopicLeads, event.TopicSurveys, event.TopicAgentStates, event.TopicCampaignSignals, event.TopicAlerts, event.TopicDeadLetter, event.TopicAuditLog}
}

// converter turns records into blocks. It is one goroutine's: what it decodes into is used again for the next record.
type converter struct {
	s      *Sink
	blocks map[string]*block
	order  []string // tables in the order they came
	call   event.Call
	now    *kgo.Record
	slots  map[touch]bool
}

func (s *Sink) newConverter() *converter {
	return &converter{s: s, blocks: map[string]*block{}, slots: map[touch]bool{}}
}

// to is the block of a table.
func (c *converter) to(table string) *block {
	b := c.blocks[table]
	if b == nil {
		b = newBlock(table, c.s.hide)
		c.blocks[table] = b
	}
	if b.rows == 0 {
		c.order = append(c.order, table)
	}
	if n := len(b.recs); n == 0 || b.recs[n-1] != c.now {
		b.recs = append(b.recs, c.now)
	}
	return b
}

// reset empties the blocks for the next records.
func (c *converter) reset() {
	for _, t := range c.order {
		c.blocks[t].reset()
	}
	c.order = c.order[:0]
	clear(c.slots)
}

// add turns a record into rows; one that cannot be read becomes a row of the dead letter.
func (c *converter) add(r *kgo.Record) {
	if r.Attrs.IsControl() || r.Value == nil {
		return // kept so that the committed offset reaches the topic's end
	}
	c.now = r
	if err := c.rows(r); err != nil {
		c.s.opt.Logger.Error("a fact cannot be read", "topic", r.Topic, "partition", r.Partition, "offset", r.Offset, "error", err)
		c.dead(r, "is no fact: "+err.Error(), "", "")
	}
}

// dead is a row of the dead letter, told apart by where its record stands.
func (c *converter) dead(r *kgo.Record, reason, raw, suffix string) {
	c.now = r
	c.to("dead_letter").at(r.Timestamp.UnixMilli()).word("sink").text(number.MaskText(reason)).text("").text(number.MaskText(raw)).text(position(r) + suffix).end()
}

// position is where a record stands: what tells rows apart that have no natural key.
func position(r *kgo.Record) string { return fmt.Sprintf("%s/%d/%d", r.Topic, r.Partition, r.Offset) }

var errNoBody = errors.New("its body is missing")

// rows appends a record's rows. It fails before it has appended anything.
func (c *converter) rows(r *kgo.Record) error {
	switch r.Topic {
	case event.TopicCallFacts:
		return c.callRow(r.Value)
	case event.TopicComplaintFacts:
		return c.complaintRow(r.Value)
	case event.TopicAgentIntervals:
		var f event.AgentInterval
		if err := f.UnmarshalVTUnsafe(r.Value); err != nil {
			return err
		}
		c.to("agent_intervals").word(f.AgentId).word(f.State).at(f.StartAt).at(f.EndAt).text(number.MaskText(f.Reason)).word(f.TeamId).word(f.PartnerId).word(f.CampaignId).
			id(f.CallId).bit(f.Open).bit(f.TimedOut).u64(f.Revision).end()
		c.slots[touch{"states", slot(f.StartAt)}] = true
		return nil
	case event.TopicPermitDecisions:
		return c.permitRows(r.Value)
	case event.TopicQATasks:
		var f event.QATask
		if err := f.UnmarshalVTUnsafe(r.Value); err != nil {
			return err
		}
		if err := isDay(f.Day); err != nil {
			return err
		}
		c.to("qa_tasks").id(f.TaskId).id(f.CallId).word(f.AgentId).word(f.TeamId).word(f.CampaignId).word(f.PartnerId).text(f.Day).u32(uint32(f.Seq)).word(f.Draw).
			text(number.MaskText(f.Reason)).at(f.DrawnAt).text(number.MaskValid(f.RecordingUri, c.s.opt.Region)).at(f.CallStartedAt).word(f.ForRole).word(f.Period).bit(f.Sale).id(f.Replaces).end()
		return nil
	case event.TopicQAEvents:
		return c.qaRows(r.Value)
	case event.TopicSamplingFacts:
		return c.samplingRows(r.Value)
	case event.TopicCustomerEvents:
		return c.subscriptionRows(r)
	}
	return c.referenceRows(r)
}

func isDay(s string) error {
	_, err := time.Parse(time.DateOnly, s)
	return err
}

func (c *converter) referenceRows(r *kgo.Record) error {
	switch r.Topic {
	case event.TopicCampaigns:
		var f event.Campaign
		if err := f.UnmarshalVTUnsafe(r.Value); err != nil {
			return err
		}
		c.to("campaigns").word(f.CampaignId).at(f.At).text(number.MaskText(f.Name)).word(f.Purpose).words(f.Products).word(f.Status).id(f.ScriptVersion).word(f.PartnerId).id(f.EventId).u64(uint64(r.Offset)).end()
	case event.TopicLeads:
		var f event.Lead
		if err := f.UnmarshalVTUnsafe(r.Value); err != nil {
			return err
		}
		c.to("leads").id(f.LeadId).word(f.CampaignId).text(c.s.customerID(f.CustomerId)).texts(f.NumberHashes).at(f.At).word(f.ListId).words(f.Products).i64(int64(f.Priority)).maybeAt(f.ExpiresAt).
			word(f.Useless).id(f.EventId).u64(uint64(r.Offset)).texts(sealed(f.NumbersSealed)).end()
		c.slots[touch{"leads", slot(f.At)}] = true
	case event.TopicSurveys:
		var f event.Survey
		if err := f.UnmarshalVTUnsafe(r.Value); err != nil {
			return err
		}
		c.to("surveys").id(f.CallId).at(f.At).word(f.Score).id(f.EventId).u64(uint64(r.Offset)).end()
	case event.TopicAgentStates:
		var f event.AgentEvent
		if err := f.UnmarshalVTUnsafe(r.Value); err != nil {
			return err
		}
		if x := f.GetSchedule(); x != nil {
			arrival := uint64(x.ReceivedAt)<<20 | uint64(r.Offset)&0xfffff
			c.to("schedules").word(x.AgentId).at(x.StartAt).at(x.EndAt).word(x.Kind).word(x.TeamId).word(x.PartnerId).id(x.EventId).u64(arrival).u64(^arrival).end()
		}
	case event.TopicCampaignSignals:
		var f event.CampaignSignal
		if err := f.UnmarshalVTUnsafe(r.Value); err != nil {
			return err
		}
		c.to("campaign_signals").word(f.CampaignId).at(f.At).f64(f.AnswerRate).f64(f.HandlingTimeMs).f64(f.RingTimeMs).i64(f.AgentsAvailable).i64(f.AgentsBusy).f64(f.AbandonmentRate).i64(f.LiveCalls).
			i64(f.Dials).word(f.Verdict).text(number.MaskText(f.Reason)).word(f.VerdictBy).text(position(r)).end()
	case event.TopicAlerts:
		var f event.Alert
		if err := f.UnmarshalVTUnsafe(r.Value); err != nil {
			return err
		}
		c.to("alerts").id(f.AlertId).word(f.Kind).word(f.CampaignId).word(f.AgentId).word(f.State).at(f.At).at(f.Since).f64(f.Value).f64(f.Expected).f64(f.PValue).i64(f.Count).i64(f.Base).
			text(number.MaskText(f.Detail)).word(f.Action).ids(f.CallIds).word(f.Dimension).text(f.Subject).word(f.Severity).i64(f.Seq).at(f.DecidedAt).i64(f.WindowMs).f64(f.Rate).f64(f.RateBefore).
			f64(f.FalsePerYear).texts(f.Also).text(f.Done).word(f.By).text(number.MaskText(f.Note)).bit(f.Muted).word(f.EscalateTo).end()
	case event.TopicAuditLog:
		return c.auditRow(r.Value)
	case event.TopicDeadLetter:
		var f event.DeadLetter
		if err := f.UnmarshalVTUnsafe(r.Value); err != nil {
			return err
		}
		c.to("dead_letter").at(f.At).word(f.Source).text(number.MaskText(f.Reason)).id(f.Pointer).text(number.MaskText(string(f.Raw))).text(position(r)).end()
	default:
		return fmt.Errorf("topic %s is not written anywhere", r.Topic)
	}
	return nil
}

func (c *converter) complaintRow(value []byte) error {
	var f event.ComplaintFact
	if err := f.UnmarshalVTUnsafe(value); err != nil {
		return err
	}
	x := f.Complaint
	if x == nil {
		return errNoBody
	}
	c.to("complaints").id(x.ComplaintId).word(x.Event).at(x.At).id(f.EventId).text(c.s.customerID(x.CustomerId)).text(f.CustomerHash).text(x.NumberHash).id(x.CallId).word(x.CampaignId).
		word(x.AgentId).word(f.TeamId).word(x.PartnerId).words(x.Products).word(x.Channel).word(x.Category).word(x.Cause).text(number.MaskText(x.SubCause)).word(x.Level).word(x.Severity).
		word(x.Handling).text(number.MaskText(x.Owner)).text(number.MaskText(x.Note)).word(f.AttributedBy).id(f.AttributedCallId).bit(f.Unattributed).at(f.ReceivedAt).u64(f.Revision).end()
	return nil
}

func (c *converter) permitRows(value []byte) error {
	var pe event.PermitEvent
	if err := pe.UnmarshalVTUnsafe(value); err != nil {
		return err
	}
	s := c.s
	switch b := pe.Body.(type) {
	case *event.PermitEvent_Decision:
		d := b.Decision
		if d.RepeatedAnswer || d.Expired {
			return nil
		}
		rules := make([]string, 0, len(d.DeniedBy))
		for _, x := range d.DeniedBy {
			rules = append(rules, x.Rule)
		}
		c.to("permits").id(d.RequestId).text(s.permitID(d.PermitId, d.CustomerId)).word(d.Decision).text(s.customerID(d.CustomerId)).text(s.opt.CustomerHash(d.CustomerId)).text(d.NumberHash).at(d.At).
			maybeAt(d.ExpiresAt).word(d.Policy).word(d.Purpose).words(d.Products).word(d.CampaignId).word(d.PartnerId).word(d.DialerId).words(rules).maybeAt(d.NextAllowedAt).end()
		c.slots[touch{"permits", slot(d.At)}] = true
	case *event.PermitEvent_Status:
		x := b.Status
		c.to("permit_status").text(s.permitID(x.PermitId, x.CustomerId)).word(x.Status).at(x.At).id(x.CallId).word(x.CampaignId).at(x.PermitAt).end()
		if x.PermitAt != 0 {
			c.slots[touch{"permits", slot(x.PermitAt)}] = true
		} else { // told by an older ringfence: the permit was given at most a few minutes before
			c.slots[touch{"permits", slot(x.At)}] = true
			c.slots[touch{"permits", slot(x.At) - 1}] = true
		}
	case *event.PermitEvent_RefusalsCleared:
		x := b.RefusalsCleared
		c.to("refusals_cleared").text(s.customerID(x.CustomerId)).text(s.opt.CustomerHash(x.CustomerId)).at(x.At).words(x.Products).text(number.MaskText(x.By)).text(number.MaskText(x.Note)).id(x.EventId).end()
	}
	return nil
}

func (c *converter) samplingRows(value []byte) error {
	var f event.SamplingFact
	if err := f.UnmarshalVTUnsafe(value); err != nil {
		return err
	}
	if k := f.GetKey(); k != nil {
		if err := isDay(k.Day); err != nil {
			return err
		}
		c.to("sampling_keys").text(k.Day).text(k.KeySha256).at(k.PublishedAt).text(k.Key).maybeAt(k.RevealedAt).end()
	}
	if q := f.GetQuota(); q != nil {
		c.to("sampling_quotas").word(q.Draw).word(q.Scope).word(q.AgentId).u32(uint32(q.Slice)).u32(uint32(q.Nth)).u32(uint32(q.Population)).u32(uint32(q.Required)).u32(uint32(q.Drawn)).ids(q.CallIds).
			words(q.ForRoles).words(q.Campaigns).word(q.Reason).at(q.At).end()
	}
	if x := f.GetReplacement(); x != nil {
		if err := isDay(x.Day); err != nil {
			return err
		}
		c.to("sampling_replacements").id(x.TaskId).text(x.Day).word(x.AgentId).word(x.Draw).u32(uint32(x.Seq)).word(x.Problem).u32(uint32(x.ReplacedBy)).u32(uint32(x.Population)).
			u32(uint32(x.Nth)).at(x.At).end()
	}
	p := f.GetPopulation()
	if p == nil {
		return nil
	}
	week := p.Week
	if week == "" {
		week = "1970-01-01" // no weekly draw
	}
	if err := isDay(week); err != nil {
		return err
	}
	if err := isDay(p.Day); err != nil {
		return err
	}
	c.to("sampling_population").text(p.Day).word(p.AgentId).u32(uint32(p.Seq)).id(p.CallId).bit(p.Late).words(p.Drawn).word(p.CampaignId).word(p.TeamId).word(p.PartnerId).
		at(p.CallStartedAt).at(p.At).u64(p.Revision).text(week).u32(uint32(p.WeekSeq)).bit(p.WeekLate).u32(uint32(p.ExtraSeq)).word(p.Period).u32(uint32(p.Slice)).end()
	return nil
}

// subscriptionRows are what a customer's change says about what he has. Most customer events are no changes and are
// passed over without being decoded.
func (c *converter) subscriptionRows(r *kgo.Record) error {
	if !isCustomerUpdate(r.Value) {
		return nil
	}
	var f event.CustomerEvent
	if err := f.UnmarshalVTUnsafe(r.Value); err != nil {
		return err
	}
	u := f.GetCustomer()
	if u == nil {
		return nil
	}
	row := func(product string, active bool) {
		c.to("subscriptions").text(c.s.customerID(u.CustomerId)).word(product).at(u.At).bit(active).id(f.EventId).u64(uint64(r.Offset)).end()
	}
	for p, status := range u.Products {
		if p != "" {
			row(p, status != "cancelled")
		}
	}
	if u.LeftNetwork != nil {
		row("", !*u.LeftNetwork)
	}
	return nil
}

// customerField is CustomerEvent.customer.
const customerField = 11

// isCustomerUpdate tells whether a customer event is a change of the customer, or is not readable.
func isCustomerUpdate(b []byte) bool {
	for len(b) > 0 {
		num, _, n := protowire.ConsumeField(b)
		if n < 0 || num == customerField {
			return true
		}
		b = b[n:]
	}
	return false
}

// callRow is by far the most frequent one: its strings lie in the record's own bytes, and the messages are used again.
func (c *converter) callRow(value []byte) error {
	x := &c.call
	*x = event.Call{Products: x.Products[:0], Refused: x.Refused[:0], Ordered: x.Ordered[:0]}
	f := event.CallFact{Call: x}
	if err := f.UnmarshalVTUnsafe(value); err != nil {
		return err
	}
	if x.CallId == "" {
		return errNoBody
	}
	if f.Retracted {
		return nil
	}
	c.callAt(&f, 0)
	stands := x.StartedAt
	for _, from := range f.MovedFrom {
		if slot(from) != slot(stands) { // the table's key has changed: the row under the former one goes
			x.StartedAt = from
			c.callAt(&f, 1)
		}
	}
	return nil
}

// callAt is a call's row, or the mark that it stands no longer there.
func (c *converter) callAt(f *event.CallFact, deleted uint8) {
	s, x := c.s, f.Call
	c.slots[touch{"calls", slot(x.StartedAt)}] = true
	var uri string
	var size, duration *int64
	if r := x.Recording; r != nil {
		uri, size, duration = number.MaskValid(r.Uri, s.opt.Region), r.SizeBytes, r.DurationMs
	}
	c.to("calls").id(x.CallId).word(x.Direction).text(s.customerID(x.CustomerId)).text(f.CustomerHash).text(x.NumberHash).text(x.NumberMasked).word(own(x.CallerId)).text(s.permitID(x.PermitId, x.CustomerId)).
		word(x.Purpose).word(x.CampaignId).words(x.Products).word(x.ListId).id(x.LeadId).word(x.AgentId).word(x.TeamId).word(x.PartnerId).word(x.DialerId).at(x.StartedAt).maybeAt(x.AnsweredAt).
		maybeAt(x.BridgedAt).at(x.EndedAt).maybeAt(x.WrappedUpAt).maybeI64(x.PreparedMs).at(x.UpdatedAt).word(x.Outcome).word(x.AnsweredBy).word(x.HangupBy).u16(uint16(x.HangupCause)).word(x.Disposition).
		maybeBit(x.Reached).maybeBit(x.Completed).words(x.Refused).words(x.Ordered).maybeBit(x.OptOut).word(x.Useless).maybeAt(x.AppointmentAt).word(x.Strategy).text(uri).maybeI64(size).maybeI64(duration).
		word(own(x.InboundNumber)).maybeBit(x.InboundLead).word(x.JointChannel).u32(uint32(f.AttemptNo)).word(f.CapVerdict).words(f.Violations).word(f.Policy).word(f.Source).at(f.ReceivedAt).u64(f.Revision).u8(deleted).end()
}

// customerID is the customer's id, or its hash where the id is a telephone number.
func (s *Sink) customerID(id string) string {
	if number.Is(id, s.opt.Region) {
		return "h:" + s.opt.CustomerHash(id)
	}
	return s.hide(id)
}

// hide is an id without the telephone numbers in it: each is its hash, the same everywhere, so that ids still join.
func (s *Sink) hide(id string) string {
	return number.HideIn(id, s.opt.Region, func(e164 string) string { return "h:" + s.opt.CustomerHash(e164) })
}

func (s *Sink) permitID(id, customer string) string {
	return PermitID(s.opt.CustomerHash, s.opt.Region, id, customer)
}

// PermitID is how the tables spell a permit: they hide the customer inside it where his id is a telephone number of the
// region, or holds one.
func PermitID(hash func(string) string, region, id, customer string) string {
	if id != "" && (number.Is(customer, region) || number.HideIn(customer, region, hash) != customer) {
		return "h:" + hash(id)
	}
	return id
}

// own masks one of our own numbers unless it is a short code: no column holds a number in the clear.
func own(n string) string { return number.Mask(n) }

// sealed writes sealed numbers as text.
func sealed(numbers [][]byte) []string {
	out := make([]string, 0, len(numbers))
	for _, n := range numbers {
		out = append(out, base64.StdEncoding.EncodeToString(n))
	}
	return out
}
