package live_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"github.com/ringfence/ringfence/client"
	"github.com/ringfence/ringfence/dialer/carrier/simulated"
	"github.com/ringfence/ringfence/dialer/live"
	"github.com/ringfence/ringfence/event"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// centre is ringfence as the dialer sees it: it permits everything and puts what is reported on the topics.
type centre struct {
	t    *testing.T
	cl   *kgo.Client
	mu   sync.Mutex
	out  map[string]string // permits out, with their customer
	by   map[string]string // call -> dialer
	done map[string]int64  // when a call has settled a lead
	who  map[string]string
	seen chan struct{}
	back chan struct{} // something was given back or used
}

func (c *centre) AskPermit(_ context.Context, r client.PermitRequest) (*client.Decision, error) {
	at, err := time.Parse(time.RFC3339, r.At)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	id := "p-" + r.RequestID
	c.out[id] = r.CustomerID
	return &client.Decision{Decision: "permit", PermitID: id, ExpiresAt: at.Add(time.Minute)}, nil
}

func (c *centre) ReleasePermit(_ context.Context, id string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.out[id]; !ok {
		c.t.Errorf("permit %s is not out", id)
	}
	delete(c.out, id)
	c.changed()
	return nil
}

func (c *centre) changed() {
	select {
	case c.back <- struct{}{}:
	default:
	}
}

func (c *centre) Send(ctx context.Context, _ string, objects ...any) (*client.BatchResult, error) {
	for _, o := range objects {
		switch x := o.(type) {
		case client.Call:
			c.mu.Lock()
			if c.out[x.PermitID] != x.CustomerID {
				c.t.Errorf("call %s has no permit of its own", x.CallID)
			}
			delete(c.out, x.PermitID)
			c.by[x.CallID] = x.DialerID
			// A call that was on the line while its campaign moved is known to the new dialer when it is reported: five minutes
			// of this clock are a third of a second.
			if at := c.done[x.LeadID]; at > 0 && ms(c.t, x.StartedAt) > at+300_000 {
				c.t.Errorf("lead %s was called again by %s at %s, settled at %s by %s", x.LeadID, x.DialerID, x.StartedAt, client.Time(at), c.who[x.LeadID])
			}
			if x.Disposition == "agree" || x.Disposition == "refuse" || x.Outcome == "invalid_number" {
				c.done[x.LeadID] = max(c.done[x.LeadID], ms(c.t, x.EndedAt))
				c.who[x.LeadID] = x.CallID
			}
			c.mu.Unlock()
			c.changed()
			c.put(event.TopicCallFacts, x.AgentID, &event.CallFact{First: true, Call: &event.Call{CallId: x.CallID, LeadId: x.LeadID, CampaignId: x.CampaignID, DialerId: x.DialerID,
				Outcome: x.Outcome, AnsweredBy: x.AnsweredBy, Disposition: x.Disposition, EndedAt: ms(c.t, x.EndedAt)}})
			select {
			case c.seen <- struct{}{}:
			default:
			}
		case client.AgentState:
			c.put(event.TopicAgentStates, x.AgentID, &event.AgentEvent{Body: &event.AgentEvent_State{State: &event.AgentState{AgentId: x.AgentID, State: x.State, At: ms(c.t, x.At), CampaignId: x.CampaignID}}})
		}
	}
	return &client.BatchResult{Accepted: len(objects)}, nil
}

func ms(t *testing.T, s string) int64 {
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Error(err)
	}
	return at.UnixMilli()
}

func (c *centre) put(topic, key string, m proto.Message) {
	b, err := proto.Marshal(m)
	if err == nil {
		err = c.cl.ProduceSync(context.Background(), &kgo.Record{Topic: topic, Key: []byte(key), Value: b}).FirstErr()
	}
	if err != nil {
		c.t.Error(err)
	}
}

// wait until n more calls were reported.
func (c *centre) wait(n int) {
	c.t.Helper()
	for range n {
		select {
		case <-c.seen:
		case <-time.After(30 * time.Second):
			c.t.Fatal("no more calls")
		}
	}
}

func (c *centre) outstanding() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.out)
}

func (c *centre) calls(dialer string) (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, d := range c.by {
		if d == dialer {
			n++
		}
	}
	return n
}

// TestDialers: two dialers share two campaigns; one stops and the other takes its campaign over; a stop signal and a
// campaign's status are obeyed and permits come back; nobody is called again after a call that settled it.
func TestDialers(t *testing.T) {
	k, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.GroupMinSessionTimeout(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	base := []kgo.Opt{kgo.SeedBrokers(k.ListenAddrs()...)}
	cl, err := kgo.NewClient(base...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	adm := kadm.NewClient(cl)
	if _, err := adm.CreateTopics(t.Context(), 4, 1, nil, event.TopicCampaigns, event.TopicLeads, event.TopicCallFacts, event.TopicAgentStates, event.TopicCampaignSignals); err != nil {
		t.Fatal(err)
	}
	c := &centre{t: t, cl: cl, out: map[string]string{}, by: map[string]string{}, done: map[string]int64{}, who: map[string]string{}, seen: make(chan struct{}, 1<<20), back: make(chan struct{}, 1)}
	// The clock runs a thousand times as fast.
	began := time.Now()
	day := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	now := func() time.Time { return day.Add(1000 * time.Since(began)) }
	campaign := func(id, status string) {
		c.put(event.TopicCampaigns, id, &event.Campaign{CampaignId: id, At: now().UnixMilli(), Purpose: "sales", Status: status, ScriptVersion: "1", CallerIds: []string{"10010"}})
	}
	ids := []string{"a", "c"} // of different partitions, so that each dialer can have one
	for _, id := range ids {
		campaign(id, "running")
		for i := range 4000 {
			c.put(event.TopicLeads, fmt.Sprint(id, i), &event.Lead{LeadId: fmt.Sprint(id, "-", i), CampaignId: id, CustomerId: fmt.Sprint("C", id, i), At: 1, NumbersSealed: [][]byte{[]byte("+8613800000000")}})
		}
		for i := range 10 {
			c.put(event.TopicAgentStates, fmt.Sprint(id, i), &event.AgentEvent{Body: &event.AgentEvent_State{State: &event.AgentState{AgentId: fmt.Sprint(id, i), State: "available", At: 1, CampaignId: id}}})
		}
	}
	campaign("draft", "draft")
	run := func(name string) (stop func()) {
		d := live.New(live.Options{Base: base, API: c, Carrier: simulated.New(7, 1), ID: name, Now: now, Interval: 2 * time.Millisecond, Refill: 10 * time.Second, Drain: time.Second,
			OpenNumber: func(b []byte) (string, error) { return string(b), nil }})
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- d.Run(ctx) }()
		var once atomic.Bool
		stop = func() {
			if once.Swap(true) {
				return
			}
			cancel()
			if err := <-done; err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		t.Cleanup(stop)
		return stop
	}
	stopOne := run("one")
	c.wait(200)
	run("two")
	for deadline := time.Now().Add(30 * time.Second); c.calls("two") < 50; c.wait(1) {
		if time.Now().After(deadline) {
			t.Fatal("the second dialer got no campaign")
		}
	}
	stopOne()
	had := c.calls("two")
	for c.calls("two") < had+200 {
		c.wait(1)
	}
	for _, id := range ids {
		c.put(event.TopicCampaignSignals, id+"/verdict", &event.CampaignSignal{CampaignId: id, Verdict: "stop", Reason: "test"})
	}
	quiet := func(what string) {
		t.Helper()
		for deadline := time.After(30 * time.Second); c.outstanding() > 0; {
			select {
			case <-c.back:
			case <-deadline:
				t.Fatalf("%d permits are out after %s", c.outstanding(), what)
			}
		}
	}
	quiet("the stop signal")
	c.put(event.TopicCampaignSignals, "a/verdict", &event.CampaignSignal{CampaignId: "a", Verdict: "run"})
	c.wait(100)
	campaign("a", "paused")
	quiet("the pause")
}
