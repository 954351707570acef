package complaint

import (
	"strings"
	"time"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/internal/stream"
)

// Options of the processor.
type Options struct {
	Test    Test
	Rates   RateTest
	Inbound InboundTest
	Action  string // of a campaign's spike of complaints: observe, throttle, stop
	SLA     SLA
	Stuck   map[string]time.Duration // how long an agent may stay in a state; a state without one is not watched
	Zone    *time.Location           // of the profile of the week; nil = UTC
	Metrics *Metrics
}

// New makes the processor.
func New(o Options) stream.Definition[State] {
	if o.Zone == nil {
		o.Zone = time.UTC
	}
	p := &processor{o}
	return stream.Definition[State]{Name: "complaint", Inputs: []string{event.TopicComplaintFacts, event.TopicCallFacts, event.TopicAgentStates, event.TopicWatchEvents},
		Codec: Codec{}, Process: p.process, Timer: p.timer}
}

type processor struct{ Options }

func (p *processor) process(c *ctx, r *stream.Record) error {
	switch r.Topic {
	case event.TopicCallFacts:
		var f event.CallFact
		if err := f.UnmarshalVT(r.Value); err != nil || f.Call == nil {
			return &stream.Reject{Reason: "is not a call fact"}
		}
		return p.call(c, string(r.Key), &f)
	case event.TopicComplaintFacts:
		var f event.ComplaintFact
		if err := f.UnmarshalVT(r.Value); err != nil || f.Complaint == nil {
			return &stream.Reject{Reason: "is not a complaint fact"}
		}
		return send(c, caseKey+f.Complaint.ComplaintId, &event.WatchRecord{Body: &event.WatchRecord_Case{Case: &f}})
	case event.TopicAgentStates:
		var e event.AgentEvent
		if err := e.UnmarshalVT(r.Value); err != nil {
			return &stream.Reject{Reason: "is not an agent event: " + err.Error()}
		}
		if t := e.GetState(); t != nil {
			return p.agent(c, t)
		}
		return nil
	}
	var w event.WatchRecord
	if err := w.UnmarshalVT(r.Value); err != nil {
		return &stream.Reject{Reason: "is not a record of the watch: " + err.Error()}
	}
	key := string(r.Key)
	switch b := w.Body.(type) {
	case *event.WatchRecord_Counts:
		if key == inboundKey {
			return p.inboundCounts(c, b.Counts)
		}
		return p.counts(c, key, b.Counts)
	case *event.WatchRecord_Complaint:
		return p.complaint(c, key, b.Complaint)
	case *event.WatchRecord_Case:
		return p.complaintEvent(c, key, b.Case)
	case *event.WatchRecord_Candidate:
		return p.candidate(c, b.Candidate)
	case *event.WatchRecord_Command:
		return p.command(c, key, b.Command)
	case *event.WatchRecord_Keys:
		return p.keys(c, key, b.Keys)
	}
	return nil
}

func (p *processor) timer(c *ctx, key string, _ time.Time) error {
	switch {
	case strings.HasPrefix(key, callKey):
		return c.Delete(key)
	case strings.HasPrefix(key, sumKey):
		return p.tell(c, key)
	case key == inboundKey:
		return p.inboundLook(c)
	case strings.HasPrefix(key, subjectKey):
		return p.subjectTimer(c, key)
	case strings.HasPrefix(key, caseKey):
		return p.caseTimer(c, key)
	case strings.HasPrefix(key, agentKey):
		return p.stuck(c, key)
	case key == centreKey:
		return p.gather(c)
	}
	return nil
}
