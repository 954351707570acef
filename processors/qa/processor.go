package qa

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/internal/qarules"
	"github.com/ringfence/ringfence/internal/stream"
)

// New makes the processor.
func New(o Options) stream.Definition[State] {
	p := &processor{o.withDefaults()}
	return stream.Definition[State]{Name: "qa", Inputs: []string{event.TopicQATasks, event.TopicQACommands, event.TopicComplaintFacts}, Codec: Codec{}, Process: p.process, Timer: p.timer}
}

type processor struct{ Options }

func (p *processor) process(c *ctx, r *stream.Record) error {
	switch r.Topic {
	case event.TopicQATasks:
		t := &event.QATask{}
		if err := t.UnmarshalVT(r.Value); err != nil {
			return &stream.Reject{Reason: "is not a QA task: " + err.Error()}
		}
		_, err := p.queue(c, t, "", "")
		return err
	case event.TopicComplaintFacts:
		return p.complaint(c, r.Value)
	}
	cmd := &event.QACommand{}
	if err := cmd.UnmarshalVT(r.Value); err != nil {
		return &stream.Reject{Reason: "is not a QA command: " + err.Error()}
	}
	a, err := p.command(c, cmd)
	if err != nil {
		return err
	}
	return answer(c, cmd, a)
}

// queue opens a task; a second of the same id changes nothing.
func (p *processor) queue(c *ctx, t *event.QATask, assigned, calibration string) (*event.QATaskState, error) {
	if s, err := getTask(c, t.TaskId); err != nil || s != nil {
		return s, err
	}
	call, err := getCall(c, t.AgentId, t.CallId)
	if err != nil {
		return nil, err
	}
	s := &event.QATaskState{Task: t, Status: qarules.Open, DueAt: p.due(t.Draw, t.DrawnAt), Complaints: call.Complaints, HeardBy: call.HeardBy, AssignedTo: assigned, CalibrationId: calibration}
	call.TaskIds = append(call.TaskIds, t.TaskId)
	if err := putCall(c, t.AgentId, t.CallId, call); err != nil {
		return nil, err
	}
	return s, p.tell(c, s, &event.QAEvent{Kind: "queued", Detail: t.Reason})
}

// complaint sends a customer's complaint on to the agent whose call it is about.
func (p *processor) complaint(c *ctx, value []byte) error {
	var f event.ComplaintFact
	if err := f.UnmarshalVT(value); err != nil {
		return &stream.Reject{Reason: "is not a complaint fact: " + err.Error()}
	}
	if f.AttributedCallId == "" || f.Complaint.GetAgentId() == "" || f.Unattributed {
		return nil
	}
	cmd := &event.QACommand{CommandId: "complaint:" + f.Complaint.ComplaintId, AgentId: f.Complaint.AgentId, By: &event.QAActor{UserId: "complaint"}, At: c.Now().UnixMilli(),
		Body: &event.QACommand_Complained{Complained: &event.QAComplained{CallId: f.AttributedCallId, ComplaintId: f.Complaint.ComplaintId}}}
	v, err := cmd.MarshalVT()
	if err != nil {
		return err
	}
	c.Emit(stream.Output{Topic: event.TopicQACommands, Key: []byte(cmd.AgentId), Value: v})
	return nil
}

// keptCommands is how many ids of commands a task remembers to know a repetition by.
const keptCommands = 16

// command decides a command; an error is a fault, what is not allowed is in the answer.
func (p *processor) command(c *ctx, cmd *event.QACommand) (*event.QAAnswer, error) {
	now := c.Now().UnixMilli()
	if cmd.Deadline > 0 && now > cmd.Deadline {
		return p.refused(refuse(qarules.Expired, "it came too late; nothing was done")), nil
	}
	if cmd.TaskId == "" {
		return p.about(c, cmd, now)
	}
	s, err := getTask(c, cmd.TaskId)
	if err != nil {
		return nil, err
	}
	if s == nil {
		return p.refused(refuse(qarules.NotFound, "there is no task %s", cmd.TaskId)), nil
	}
	if slices.Contains(s.Commands, cmd.CommandId) {
		return &event.QAAnswer{State: s}, nil
	}
	agent, err := getAgent(c, s.Task.AgentId)
	if err != nil {
		return nil, err
	}
	before := s.CloneVT()
	st, r := p.decide(cmd, s, agent, now)
	if r != nil {
		a := p.refused(r)
		a.State = before
		return a, nil
	}
	if cmd.CommandId != "" {
		s.Commands = append(s.Commands, cmd.CommandId)
		s.Commands = s.Commands[max(0, len(s.Commands)-keptCommands):]
	}
	if err := p.tell(c, s, &event.QAEvent{Kind: st.kind, By: cmd.By, CommandId: cmd.CommandId, Detail: st.detail}); err != nil {
		return nil, err
	}
	switch st.kind {
	case "scored":
		if err := p.heard(c, s, agent); err != nil {
			return nil, err
		}
		if err := p.publishAtOnce(c, cmd, s, now); err != nil {
			return nil, err
		}
	case "published", "decided":
		if err := p.confirm(c, before, s); err != nil {
			return nil, err
		}
	}
	return &event.QAAnswer{State: s}, nil
}

// publishAtOnce publishes a review that was sent to be published with its score.
func (p *processor) publishAtOnce(c *ctx, cmd *event.QACommand, s *event.QATaskState, now int64) error {
	if !cmd.GetScore().GetPublish() || s.Status != qarules.Scored {
		return nil
	}
	before := s.CloneVT()
	st, r := p.publish(cmd.By, s, now)
	if r != nil {
		return nil // it is scored; who may publish it will
	}
	if err := p.tell(c, s, &event.QAEvent{Kind: st.kind, By: cmd.By, CommandId: cmd.CommandId}); err != nil {
		return err
	}
	return p.confirm(c, before, s)
}

func (p *processor) refused(r *qarules.Refusal) *event.QAAnswer {
	p.Metrics.refused(r.Code)
	return &event.QAAnswer{Refusal: r.Code, Detail: r.Detail, Pointer: r.Pointer}
}

// tell keeps a task as it is now, shows it, sets its timer, and emits what happened; a draft is no event.
func (p *processor) tell(c *ctx, s *event.QATaskState, e *event.QAEvent) error {
	s.Revision++
	if err := putTask(c, s); err != nil {
		return err
	}
	var err error
	if at := wakes(s); at > 0 {
		err = c.SetTimer(taskKey+s.Task.TaskId, time.UnixMilli(at))
	} else {
		err = c.ClearTimer(taskKey + s.Task.TaskId)
	}
	if err != nil {
		return err
	}
	if err := show(c, s); err != nil || e.Kind == "" {
		return err
	}
	e.State = s.CloneVT()
	e.State.Draft, e.State.Commands = nil, nil
	e.TaskId, e.AgentId = s.Task.TaskId, s.Task.AgentId
	return p.emit(c, e)
}

func (p *processor) emit(c *ctx, e *event.QAEvent) error {
	p.Metrics.step(e.Kind)
	e.At = c.Now().UnixMilli()
	v, err := e.MarshalVT()
	if err != nil {
		return err
	}
	c.Emit(stream.Output{Topic: event.TopicQAEvents, Key: []byte(e.AgentId), Value: v})
	return nil
}

// show writes a task to the desks' view; a closed one leaves it.
func show(c *ctx, s *event.QATaskState) error {
	var v []byte
	if s.Status != qarules.Closed && s.Status != qarules.Replaced {
		var err error
		if v, err = (&event.QAQueueEntry{Body: &event.QAQueueEntry_Task{Task: s}}).MarshalVT(); err != nil {
			return err
		}
	}
	c.Emit(stream.Output{Topic: event.TopicQAQueue, Key: []byte(s.Task.TaskId), Value: v})
	return nil
}

func showAgent(c *ctx, a *event.QAAgent) error {
	v, err := (&event.QAQueueEntry{Body: &event.QAQueueEntry_Agent{Agent: a}}).MarshalVT()
	if err != nil {
		return err
	}
	c.Emit(stream.Output{Topic: event.TopicQAQueue, Key: []byte("agent|" + a.AgentId), Value: v})
	return nil
}

// heard keeps a reviewer from the call's other tasks, and notes another leader's turn.
func (p *processor) heard(c *ctx, s *event.QATaskState, agent *event.QAAgent) error {
	who, t := s.Review.Rater.UserId, s.Task
	if qarules.Role(t) == qarules.LeaderOther {
		agent.CrossChecks = append(agent.CrossChecks, &event.QACrossCheck{Period: t.Period, UserId: who})
		agent.CrossChecks = agent.CrossChecks[max(0, len(agent.CrossChecks)-8):]
		agent.Revision++
		if err := putAgent(c, agent); err != nil {
			return err
		}
		if err := showAgent(c, agent); err != nil {
			return err
		}
	}
	call, err := getCall(c, t.AgentId, t.CallId)
	if err != nil || slices.Contains(call.HeardBy, who) {
		return err
	}
	call.HeardBy = append(call.HeardBy, who)
	if err := putCall(c, t.AgentId, t.CallId, call); err != nil {
		return err
	}
	return p.others(c, call, t.TaskId, func(o *event.QATaskState) *event.QAEvent {
		o.HeardBy = call.HeardBy
		return &event.QAEvent{}
	})
}

// others changes the call's other tasks that are not done.
func (p *processor) others(c *ctx, call *event.QATaskIndex, but string, change func(*event.QATaskState) *event.QAEvent) error {
	for _, id := range call.TaskIds {
		if id == but {
			continue
		}
		o, err := getTask(c, id)
		if err != nil {
			return err
		}
		if o == nil || o.Status != qarules.Open && o.Status != qarules.Claimed {
			continue
		}
		if err := p.tell(c, o, change(o)); err != nil {
			return err
		}
	}
	return nil
}

// confirm has the customer of an invalid sale called back (REQUIREMENTS section C), and takes that back when an appeal
// finds that the sale was valid.
func (p *processor) confirm(c *ctx, before, s *event.QATaskState) error {
	invalid := func(s *event.QATaskState) bool {
		r := s.Review
		return r.GetPublishedAt() > 0 && r.Sale && !r.StandardsMet && !r.Void
	}
	t, is, was := s.Task, invalid(s), invalid(before)
	if is == was || p.ConfirmCampaign == "" || t.CustomerId == "" {
		return nil
	}
	now := c.Now().UnixMilli()
	l := &event.Lead{LeadId: "confirm:" + t.CallId, CampaignId: p.ConfirmCampaign, CustomerId: t.CustomerId, ListId: "confirmation", Products: t.Products, At: now, Priority: 100, ReceivedAt: now,
		Attributes: map[string]string{"call_id": t.CallId, "review_id": s.Review.ReviewId, "reason": "the sale did not meet " + strings.Join(failedStandards(s.Review), ", ")}}
	if rest, ok := strings.CutPrefix(t.CustomerId, event.UnknownCustomerPrefix); ok {
		l.NumberHashes = []string{rest}
	}
	if !is {
		l.ExpiresAt, l.Attributes["reason"] = now, "an appeal found the sale valid"
	}
	l.EventId = fmt.Sprintf("%s@%d", l.LeadId, s.Revision)
	v, err := l.MarshalVT()
	if err != nil {
		return err
	}
	c.Emit(stream.Output{Topic: event.TopicLeads, Key: []byte(l.LeadId), Value: v})
	return nil
}

// failedStandards are those of the four that a review found not met.
func failedStandards(r *event.QAReview) []string {
	var out []string
	for _, f := range r.Failed {
		if strings.HasPrefix(f, "ELIG-") {
			out = append(out, f)
		}
	}
	return out
}

// timer opens a task whose claim ran out and closes a review that nobody appealed against.
func (p *processor) timer(c *ctx, key string, _ time.Time) error {
	s, err := getTask(c, strings.TrimPrefix(key, taskKey))
	if err != nil || s == nil {
		return err
	}
	kind := p.expire(s, c.Now().UnixMilli())
	if kind == "" {
		if at := wakes(s); at > 0 {
			return c.SetTimer(key, time.UnixMilli(at))
		}
		return nil
	}
	return p.tell(c, s, &event.QAEvent{Kind: kind})
}

func answer(c *ctx, cmd *event.QACommand, a *event.QAAnswer) error {
	if cmd.ReplyTo == nil {
		return nil
	}
	a.ReplyTo = cmd.ReplyTo
	v, err := a.MarshalVT()
	if err != nil {
		return err
	}
	c.Emit(stream.Output{Topic: event.TopicQAAnswers, Key: []byte(cmd.ReplyTo.Requester), Value: v, Partition: cmd.ReplyTo.Partition, ToPartition: true})
	return nil
}
