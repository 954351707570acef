package audit

import (
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/internal/stream"
	"github.com/ringfence/ringfence/internal/stream/memory"
	"github.com/ringfence/ringfence/processors/contactcap"
	"github.com/ringfence/ringfence/processors/contactcap/policy"
)

// id names a decision: requests of one id for two customers are two, and so are two a day and more apart.
type id struct {
	customer, request string
	at                int64
}

// Given are the decisions that were given, as the topic holds them.
type Given struct {
	first map[id]*event.PermitDecision
	where map[id]string // topic/partition/offset
	when  map[id]time.Time
	void  map[id]bool  // requests that came too late, or asked of another time: not decided
	twice []Difference // a request that was decided again, and otherwise
}

// Add takes a record of ringfence.permit-decisions. Answers given again and requests that came too late are no
// decisions.
func (g *Given) Add(r *kgo.Record) error {
	where := fmt.Sprintf("%s/%d/%d", r.Topic, r.Partition, r.Offset)
	var pe event.PermitEvent
	if err := pe.UnmarshalVT(r.Value); err != nil {
		return fmt.Errorf("%s is no permit event: %w", where, err)
	}
	d := pe.GetDecision()
	if d == nil || d.RepeatedAnswer {
		return nil
	}
	k := id{d.CustomerId, d.RequestId, d.At}
	if d.Expired {
		g.void[k] = true
		return nil
	}
	was := g.first[k]
	if was != nil && r.Timestamp.Before(g.when[k]) { // the partitions are read at once: the earlier one was given
		was, d, where, g.where[k] = d, was, g.where[k], where
		g.first[k], g.when[k] = was, r.Timestamp
	}
	switch {
	case was == nil:
		g.first[k], g.where[k], g.when[k] = d, where, r.Timestamp
	case !was.EqualVT(d):
		g.twice = append(g.twice, Difference{"decision", where, d.RequestId, fmt.Sprintf("%s, and another decision on the same request says %s", d.Decision, was.Decision)})
	}
	return nil
}

func (g *Given) get(customer string, r *event.PermitRequest) *event.PermitDecision {
	return g.first[id{customer, r.RequestId, r.At}]
}

// asked is a permit request as it was decided.
type asked struct {
	where    string // topic/partition/offset of the request
	customer string
	history  *contactcap.History
	policy   *policy.Policy
	request  contactcap.Request
	raw      *event.PermitRequest
	given    *event.PermitDecision // nil: the topic has none
}

// redo is the processor of one partition, in memory.
type redo struct {
	given  *Given
	driver *memory.Driver[contactcap.State]
	where  string
	judge  func(asked)
	fact   func(*event.CallFact)
}

func newRedo(partition, partitions int32, given *Given, p *policy.Policy, o contactcap.Options, judge func(asked), fact func(*event.CallFact)) *redo {
	r := &redo{given: given, judge: judge, fact: fact}
	o.Policy, o.Metrics, o.Decide = func() *policy.Policy { return p }, nil, r.decide
	r.driver = memory.New(contactcap.New(o))
	r.driver.SetPartition(partition, partitions)
	return r
}

func (r *redo) decide(customer string, h *contactcap.History, p *policy.Policy, raw *event.PermitRequest, req contactcap.Request) contactcap.Decision {
	a := asked{where: r.where, customer: customer, history: h, policy: p, request: req, raw: raw, given: r.given.get(customer, raw)}
	r.judge(a)
	d := contactcap.Decide(h, p, req)
	if a.given != nil {
		d.Permit = a.given.Decision == "permit"
	}
	return d
}

// feed takes the next record of the partition.
func (r *redo) feed(rec *kgo.Record) error {
	r.where = fmt.Sprintf("%s/%d/%d", rec.Topic, rec.Partition, rec.Offset)
	value := rec.Value
	var ce event.CustomerEvent
	if err := ce.UnmarshalVT(value); err != nil {
		return nil // it was rejected then, too
	}
	switch b := ce.Body.(type) {
	case *event.CustomerEvent_ExplainRequest:
		return nil
	case *event.CustomerEvent_PermitRequest:
		// Whether the deadline had passed is for the decision to say: a request without one was not decided in time.
		if r.given.get(string(rec.Key), b.PermitRequest) == nil && (b.PermitRequest.Deadline != 0 || r.given.void[id{string(rec.Key), b.PermitRequest.RequestId, b.PermitRequest.At}]) {
			return nil
		}
		if b.PermitRequest.Deadline != 0 {
			b.PermitRequest.Deadline = 0
			var err error
			if value, err = ce.MarshalVT(); err != nil {
				return err
			}
		}
	}
	err := r.driver.Feed(stream.Record{Topic: rec.Topic, Offset: rec.Offset, Key: rec.Key, Value: value, Time: rec.Timestamp})
	var refused *stream.Reject
	if err != nil && !errors.As(err, &refused) {
		return fmt.Errorf("%s: %w", r.where, err)
	}
	for _, o := range r.driver.Outputs() { // what it sends to customers is in the log already
		if o.Topic != event.TopicCallFacts || r.fact == nil {
			continue
		}
		f := &event.CallFact{}
		if err := f.UnmarshalVT(o.Value); err != nil {
			return err
		}
		if !f.Retracted {
			r.fact(f)
		}
	}
	r.driver.Rejected()
	return nil
}

func within(ms int64, from, to time.Time) bool {
	return ms >= from.UnixMilli() && ms < to.UnixMilli()
}
