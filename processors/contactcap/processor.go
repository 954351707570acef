package contactcap

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/internal/stream"
	"github.com/ringfence/ringfence/processors/contactcap/policy"
)

// Options of the processor.
type Options struct {
	Policy            func() *policy.Policy // the one in force
	OrphanAfter       time.Duration
	Forget            bool // calls that no rule of the policy can count any more; only where no request asks of the past
	AttributionWindow time.Duration
	CustomerHash      func(id string) string
	Metrics           *Metrics
	// Clock is this machine's; nil = requests may ask of any time, and stream time alone says what is old. Stream time
	// follows the clocks of all who produce: one that runs ahead must not have histories forgotten, nor have a request
	// decided as of a day when other calls count.
	Clock func() time.Time
	// Decide takes the decisions; nil = Decide. An audit puts its own in the place: what was decided then, compared with
	// what would be decided now.
	Decide func(key string, h *History, p *policy.Policy, r *event.PermitRequest, req Request) Decision
}

const (
	answersKept  = 24 * time.Hour      // the same request_id gets the same answer for so long
	updatesWait  = 24 * time.Hour      // an update waits so long for its call
	permitsKept  = 30 * 24 * time.Hour // a used or released permit is remembered so long
	clocksApart  = time.Minute         // a request asks of a time no further than this from the clock that decides it
	tryAgain     = time.Hour           // to forget, where stream time and the clock disagree on what is old
	numberPrefix = event.UnknownCustomerPrefix
)

// New makes the processor.
func New(o Options) stream.Definition[State] {
	p := &processor{o}
	return stream.Definition[State]{Name: "contactcap", Inputs: []string{event.TopicCustomerEvents}, Codec: Codec{}, OwnKey: true, Process: p.process, Timer: p.timer}
}

type processor struct{ Options }

// turn is one record being processed for one customer.
type turn struct {
	*processor
	c     *stream.Context[State]
	s     *State
	key   string
	ce    *event.CustomerEvent
	dirty bool
	m     *scratch
}

func (p *processor) process(c *stream.Context[State], r *stream.Record) error {
	m := scratches.Get().(*scratch) // after a panic it is not given back
	err := p.with(m, c, r)
	m.giveBack()
	return err
}

func (p *processor) with(m *scratch, c *stream.Context[State], r *stream.Record) error {
	ce, borrowed, err := m.read(r.Value)
	if err != nil {
		return &stream.Reject{Reason: "is not a customer event: " + err.Error()}
	}
	key := ""
	if borrowed {
		key = borrow(r.Key)
	} else {
		key = string(r.Key)
	}
	t, err := p.open(m, c, key)
	if err != nil {
		return err
	}
	t.ce = ce
	if _, ok := ce.Body.(*event.CustomerEvent_PermitRequest); !ok {
		t.s.anew()
	}
	if err := t.handle(); err != nil {
		return err
	}
	return t.close()
}

func (p *processor) open(m *scratch, c *stream.Context[State], key string) (*turn, error) {
	s, ok, err := c.Get(key)
	if err != nil {
		return nil, err
	}
	if !ok {
		s = c.New()
	}
	m.turn = turn{processor: p, c: c, s: s, key: key, m: m}
	return &m.turn, nil
}

// close keeps the state and sets the timer for what comes next.
func (t *turn) close() error {
	if !t.dirty {
		return nil
	}
	calls, permits, answers := len(t.s.Calls), len(t.s.Permits), len(t.s.Answers)
	if err := t.forget(); err != nil {
		return err
	}
	if len(t.s.Calls) != calls || len(t.s.Permits) != permits || len(t.s.Answers) != answers {
		t.s.anew()
	}
	if err := t.c.Put(t.key, t.s); err != nil {
		return err
	}
	var next int64
	soon := func(at int64) {
		if next == 0 || at < next {
			next = at
		}
	}
	for i := range t.s.Permits {
		if p := &t.s.Permits[i]; p.Over == permitOut && !p.Orphaned {
			soon(p.DecidedAt + t.OrphanAfter.Milliseconds())
		}
	}
	if at, ok := t.nextForgetting(); ok {
		if now := t.c.Now(); at <= now.UnixMilli() { // this machine's clock does not think so yet
			at = now.Add(tryAgain).UnixMilli()
		}
		soon(at)
	}
	for _, b := range t.s.WaitingUpdates {
		var w event.CustomerEvent
		if w.UnmarshalVT(b) == nil {
			soon(w.ReceivedAt + updatesWait.Milliseconds())
		}
	}
	if next == 0 {
		return t.c.ClearTimer(t.key)
	}
	return t.c.SetTimer(t.key, time.UnixMilli(next))
}

func (t *turn) handle() error {
	if to := t.s.MergedInto; to != "" {
		t.ce.Redelivered = true
		return t.send(to, t.ce)
	}
	switch b := t.ce.Body.(type) {
	case *event.CustomerEvent_Call:
		return t.call(b.Call)
	case *event.CustomerEvent_Customer:
		return t.customer(b.Customer)
	case *event.CustomerEvent_Complaint:
		return t.complaint(b.Complaint)
	case *event.CustomerEvent_PermitRequest:
		return t.permitRequest(b.PermitRequest)
	case *event.CustomerEvent_PermitRelease:
		return t.permitRelease(b.PermitRelease)
	case *event.CustomerEvent_ExplainRequest:
		return t.explain(b.ExplainRequest)
	case *event.CustomerEvent_HistoryClaim:
		return t.claim(b.HistoryClaim)
	case *event.CustomerEvent_HistoryGrant:
		return t.grant(b.HistoryGrant)
	}
	return &stream.Reject{Reason: "holds no event that is known here"}
}

// send emits an event to a customer's key.
func (t *turn) send(key string, ce *event.CustomerEvent) error {
	ce.CustomerId = key
	v, err := ce.MarshalVT()
	if err != nil {
		return err
	}
	t.c.Emit(stream.Output{Topic: event.TopicCustomerEvents, Key: []byte(key), Value: v})
	return nil
}

// answer emits to the asker, if somebody asked; to the key's own partition otherwise.
func (t *turn) answer(to *event.ReplyTo, pe *event.PermitEvent) error {
	pe.ReplyTo = to
	v, err := t.m.encode(pe)
	if err != nil {
		return err
	}
	o := stream.Output{Topic: event.TopicPermitDecisions, Value: v}
	if to != nil {
		o.Key, o.Partition, o.ToPartition = t.m.copied(to.Requester), to.Partition, true
	} else {
		o.Key = t.m.copied(t.key)
	}
	t.c.Emit(o)
	return nil
}

// timer reports orphans and gives up updates whose call never came.
func (p *processor) timer(c *stream.Context[State], key string, _ time.Time) error {
	m := scratches.Get().(*scratch)
	err := p.due(m, c, key)
	m.giveBack()
	return err
}

func (p *processor) due(m *scratch, c *stream.Context[State], key string) error {
	t, err := p.open(m, c, key)
	if err != nil {
		return err
	}
	t.s.anew()
	now := c.Now().UnixMilli()
	for i := range t.s.Permits {
		ps := &t.s.Permits[i]
		if ps.Over != permitOut || ps.Orphaned || ps.DecidedAt+p.OrphanAfter.Milliseconds() > now {
			continue
		}
		ps.Orphaned, t.dirty = true, true
		if err := t.status(ps, "orphaned", now, ""); err != nil {
			return err
		}
	}
	waiting := t.s.WaitingUpdates[:0]
	for _, b := range t.s.WaitingUpdates {
		var w event.CustomerEvent
		if err := w.UnmarshalVT(b); err != nil {
			return err
		}
		if w.ReceivedAt+updatesWait.Milliseconds() > now {
			waiting = append(waiting, b)
			continue
		}
		t.dirty = true
		d := &event.DeadLetter{At: now, Source: "contactcap", Pointer: "/call_id", Raw: b, Topic: event.TopicCustomerEvents, Key: t.key,
			Reason: fmt.Sprintf("update of call %q, which did not come within a day", w.GetCall().GetCallId())}
		v, err := d.MarshalVT()
		if err != nil {
			return err
		}
		c.Emit(stream.Output{Topic: event.TopicDeadLetter, Key: []byte("contactcap"), Value: v})
	}
	t.s.WaitingUpdates = waiting
	t.dirty = true
	return t.close()
}

// isNumber tells whether this key is the register of a number.
func (t *turn) isNumber() bool { return strings.HasPrefix(t.key, numberPrefix) }

var errNoReply = errors.New("a request without a return address")
