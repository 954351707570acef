package campaign

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/internal/stream"
	"github.com/ringfence/ringfence/internal/stream/memory"
)

var began = time.Date(2026, 3, 2, 2, 0, 0, 0, time.UTC)

type rig struct {
	t    *testing.T
	d    *memory.Driver[State]
	last map[string]*event.CampaignSignal
	n    int
}

func newRig(t *testing.T) *rig {
	return &rig{t: t, d: memory.New(New(Options{})), last: map[string]*event.CampaignSignal{}}
}

func (r *rig) feed(topic, key string, m interface{ MarshalVT() ([]byte, error) }, at time.Time) {
	r.t.Helper()
	v, err := m.MarshalVT()
	if err != nil {
		r.t.Fatal(err)
	}
	if err := r.d.Feed(stream.Record{Topic: topic, Key: []byte(key), Value: v, Time: at}); err != nil {
		r.t.Fatal(err)
	}
}

// pass lets time go by, sums find their campaign, and keeps the last signals.
func (r *rig) pass(until time.Time) {
	r.t.Helper()
	for range 4 {
		if err := r.d.SetNow(until); err != nil {
			r.t.Fatal(err)
		}
		for _, o := range r.d.Outputs() {
			switch o.Topic {
			case event.TopicCampaignPartials:
				if err := r.d.Feed(stream.Record{Topic: o.Topic, Key: o.Key, Value: o.Value}); err != nil {
					r.t.Fatal(err)
				}
			case event.TopicCampaignSignals:
				s := &event.CampaignSignal{}
				if err := s.UnmarshalVT(o.Value); err != nil {
					r.t.Fatal(err)
				}
				r.last[s.CampaignId] = s
				r.n++
			}
		}
		until = until.Add(3 * time.Second)
	}
}

func call(i int, campaign string, at time.Time, change func(*event.Call)) *event.CallFact {
	ms := at.UnixMilli()
	c := &event.Call{CallId: fmt.Sprint(campaign, i), Direction: "outbound", CampaignId: campaign, StartedAt: ms, EndedAt: ms + 20_000, Outcome: "no_answer"}
	if change != nil {
		change(c)
	}
	return &event.CallFact{Call: c, Revision: 1}
}

func answered(by string) func(*event.Call) {
	return func(c *event.Call) {
		c.Outcome, c.AnsweredBy, c.AnsweredAt, c.BridgedAt, c.EndedAt, c.WrappedUpAt = "answered", by, c.StartedAt+5000, c.StartedAt+6000, c.StartedAt+106_000, c.StartedAt+126_000
	}
}

func TestSignal(t *testing.T) {
	r := newRig(t)
	at := began
	for i := range 10 {
		at = at.Add(20 * time.Second)
		var change func(*event.Call)
		switch {
		case i < 3:
			change = answered("human")
		case i == 3:
			change = func(c *event.Call) { answered("machine")(c); c.BridgedAt, c.WrappedUpAt = 0, 0 }
		case i == 4:
			change = func(c *event.Call) { answered("human")(c); c.Outcome, c.BridgedAt, c.WrappedUpAt = "abandoned", 0, 0 }
		}
		f := call(i, "c", at, change)
		r.feed(event.TopicCallFacts, "a", f, at)
		f.Revision = 2 // an update is the same call
		r.feed(event.TopicCallFacts, "a", f, at)
	}
	inbound := call(99, "c", at, answered("human"))
	inbound.Call.Direction = "inbound"
	r.feed(event.TopicCallFacts, "a", inbound, at)
	for i, state := range []string{"available", "available", "talking", "wrap_up", "break", "logged_out"} {
		r.feed(event.TopicAgentStates, fmt.Sprint("a", i), &event.AgentEvent{Body: &event.AgentEvent_State{State: &event.AgentState{AgentId: fmt.Sprint("a", i), State: state,
			At: at.UnixMilli(), CampaignId: "c"}}}, at)
	}
	r.pass(at.Add(5 * time.Second))
	s := r.last["c"]
	if s == nil {
		t.Fatal("no signal")
	}
	near := func(a, b float64) bool { return math.Abs(a-b) < 1e-9 }
	if s.Dials != 10 || s.LiveCalls != 4 || !near(s.AnswerRate, 0.4) || !near(s.AbandonmentRate, 0.25) || !near(s.HandlingTimeMs, 120_000) || !near(s.RingTimeMs, 5000) ||
		s.AgentsAvailable != 2 || s.AgentsBusy != 2 {
		t.Errorf("%v", s)
	}
	// Nothing new is not said again, and what is older than the window is forgotten.
	n := r.n
	r.pass(at.Add(30 * time.Second))
	if r.n != n {
		t.Errorf("%d signals with nothing new", r.n-n)
	}
	later := at.Add(windowMS * time.Millisecond).Add(time.Minute)
	r.feed(event.TopicCallFacts, "a", call(200, "c", later, nil), later)
	r.pass(later.Add(5 * time.Second))
	if s := r.last["c"]; s.Dials != 1 || s.AnswerRate != 0 {
		t.Errorf("after the window: %v", s)
	}
}

// Two input partitions sum up for the same campaign: what one says again replaces what it said before.
func TestPartitionsAreMerged(t *testing.T) {
	r := newRig(t)
	for _, x := range []struct {
		partition int32
		dials     int64
	}{{0, 3}, {1, 4}, {0, 5}} {
		r.feed(event.TopicCampaignPartials, "c", &event.CampaignPartial{CampaignId: "c", Partition: x.partition, BucketAt: began.UnixMilli(), Dials: x.dials, Live: 1}, began)
	}
	for i, agents := range []map[string]string{{"a": "available"}, {"b": "talking"}} {
		r.feed(event.TopicCampaignPartials, "c", &event.CampaignPartial{CampaignId: "c", Partition: int32(i), AgentsOnly: true, Agents: agents}, began)
	}
	r.pass(began.Add(5 * time.Second))
	if s := r.last["c"]; s == nil || s.Dials != 9 || s.LiveCalls != 2 || s.AgentsAvailable != 1 || s.AgentsBusy != 1 {
		t.Errorf("%v", s)
	}
}
