package clickhouse

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/internal/embedded"
)

func TestMain(m *testing.M) {
	embedded.MaybeRunChild()
	os.Exit(m.Run())
}

const partitions = 3

// rig is a broker, an engine, and facts on their way.
type rig struct {
	t       *testing.T
	kafka   *kfake.Cluster
	engine  *embedded.ClickHouse
	options Options
	conn    driver.Conn
	client  *kgo.Client
	calls   int
}

func newRig(t *testing.T) *rig {
	t.Helper()
	return newRigOn(t, embedded.ClickHouseOptions{Dir: t.TempDir()})
}

func newRigOn(t *testing.T, o embedded.ClickHouseOptions) *rig {
	t.Helper()
	e, err := embedded.StartClickHouse(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return newRigAt(t, e, Options{Addr: []string{e.Addr()}, Database: "ringfence", Username: "default"})
}

func newRigAt(t *testing.T, e *embedded.ClickHouse, o Options) *rig {
	t.Helper()
	var topics []string
	for _, x := range event.Topics() {
		topics = append(topics, x.Name)
	}
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(partitions, topics...), kfake.GroupMinSessionTimeout(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	r := &rig{t: t, kafka: c, engine: e, options: o}
	if r.conn, err = Open(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.conn.Close() })
	r.client = r.open()
	return r
}

func (r *rig) open() *kgo.Client {
	cl, err := kgo.NewClient(kgo.SeedBrokers(r.kafka.ListenAddrs()...))
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(cl.Close)
	return cl
}

// feed sends n call facts; call i has prepared_ms i, so that the sum tells them apart.
func (r *rig) feed(n int) {
	r.t.Helper()
	recs := make([]*kgo.Record, n)
	for i := range recs {
		ms, at := int64(r.calls), int64(1_790_000_000_000+r.calls*1000)
		f := event.CallFact{Call: &event.Call{CallId: fmt.Sprint("c", r.calls), Direction: "outbound", AgentId: fmt.Sprint("a", r.calls%40), StartedAt: at, EndedAt: at + 1000, UpdatedAt: at, PreparedMs: &ms}, Revision: 1}
		recs[i] = r.record(event.TopicCallFacts, f.Call.AgentId, &f)
		r.calls++
	}
	if err := r.client.ProduceSync(r.t.Context(), recs...).FirstErr(); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) record(topic, key string, m interface{ MarshalVT() ([]byte, error) }) *kgo.Record {
	r.t.Helper()
	v, err := m.MarshalVT()
	if err != nil {
		r.t.Fatal(err)
	}
	return &kgo.Record{Topic: topic, Key: []byte(key), Value: v}
}

// sink runs one and returns how to stop it; stopping is abrupt: what is under way is not finished.
func (r *rig) sink(opt func(*SinkOptions)) (stop func()) {
	r.t.Helper()
	var s *Sink
	return r.sinkOf(opt, &s)
}

// sinkOf is sink, and gives the sink itself.
func (r *rig) sinkOf(opt func(*SinkOptions), into **Sink) (stop func()) {
	r.t.Helper()
	o := SinkOptions{Base: []kgo.Opt{kgo.SeedBrokers(r.kafka.ListenAddrs()...)}, ClickHouse: r.options, CustomerHash: func(id string) string { return "h" + id }, Linger: 20 * time.Millisecond, MaxBatch: 5000}
	if opt != nil {
		opt(&o)
	}
	s, err := NewSink(o)
	if err != nil {
		r.t.Fatal(err)
	}
	*into = s
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				r.t.Errorf("Run: %v", err)
			}
		})
	}
	r.t.Cleanup(stop)
	return stop
}

// waits until cond, at most ten minutes.
func (r *rig) waits(what string, cond func() bool) {
	r.t.Helper()
	deadline, tick := time.NewTimer(10*time.Minute), time.NewTicker(20*time.Millisecond)
	defer deadline.Stop()
	defer tick.Stop()
	for !cond() {
		select {
		case <-deadline.C:
			r.t.Fatalf("waited ten minutes until %s", what)
		case <-tick.C:
		}
	}
}

// number asks ClickHouse; a failure is -1: it may be away.
func (r *rig) number(q string) int64 {
	var n int64
	if err := r.conn.QueryRow(context.Background(), "SELECT toInt64((SELECT "+q+"))").Scan(&n); err != nil {
		return -1
	}
	return n
}

// exact waits until every call is there and checks that each is there once and unchanged.
func (r *rig) exact() {
	r.t.Helper()
	r.waits("every call is in ClickHouse", func() bool { return r.number("uniqExact(call_id) FROM calls") >= int64(r.calls) })
	want := int64(r.calls) * int64(r.calls-1) / 2
	if n, sum := r.number("count() FROM calls FINAL"), r.number("sum(prepared_ms) FROM calls FINAL"); n != int64(r.calls) || sum != want {
		r.t.Errorf("%d calls with the sum %d, want %d and %d", n, sum, r.calls, want)
	}
}

func TestEveryFactOnce(t *testing.T) {
	r := newRig(t)
	r.sink(nil)
	for range 5 {
		r.feed(3000)
	}
	r.exact()
	if n := r.number("count() FROM calls"); n != int64(r.calls) {
		t.Errorf("%d rows without FINAL, want %d: nothing went wrong, so nothing is there twice", n, r.calls)
	}
}

// The process ends between any two steps, thirty times.
func TestEndsBetweenSteps(t *testing.T) {
	r := newRig(t)
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 30 {
		r.feed(400)
		var steps atomic.Int64
		last := 1 + rnd.Int64N(8)
		ended := make(chan struct{})
		hang := make(chan struct{})
		stop := r.sink(func(o *SinkOptions) {
			o.MaxBatch = 300
			o.Hook = func(string) {
				if n := steps.Add(1); n == last {
					close(ended)
				}
				if steps.Load() >= last {
					<-hang
				}
			}
		})
		<-ended
		go stop() // it hangs in the step until its context has ended
		r.feed(100)
		close(hang)
		stop()
	}
	r.sink(nil)
	r.exact()
}

// The engine is killed in the middle of inserts, again and again: an insert whose fate is not known goes in again.
func TestEngineKilled(t *testing.T) {
	r := newRig(t)
	rnd := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 2))
	var tables atomic.Int64
	r.sink(func(o *SinkOptions) { o.MaxBatch = 200; o.Hook = func(string) { tables.Add(1) } })
	for range 12 {
		before, n := tables.Load(), 3+rnd.Int64N(12)
		r.feed(4000)
		r.waits("some inserts are done", func() bool { return tables.Load() >= before+n })
		if err := r.engine.Kill(); err != nil {
			t.Fatal(err)
		}
	}
	r.exact()
}

// Two sinks share the partitions; one goes away in the middle.
func TestTwoSinks(t *testing.T) {
	r := newRig(t)
	r.sink(nil)
	stop := r.sink(nil)
	r.feed(5000)
	r.waits("work began", func() bool { return r.number("count() FROM calls") > 0 })
	stop()
	r.feed(5000)
	r.exact()
}

// Kafka expels the sink while it writes, as after a long stall: it joins again, and nothing is missing.
func TestExpelled(t *testing.T) {
	r := newRig(t)
	var n atomic.Int64
	r.sink(func(o *SinkOptions) {
		o.MaxBatch = 500
		o.Hook = func(step string) {
			if step == "promised" && n.Add(1)%3 == 0 {
				r.kafka.Fault(expel)
			}
		}
	})
	for range 4 {
		r.feed(2000)
	}
	r.exact()
	if n.Load() < 3 {
		t.Error("nothing was expelled")
	}
}

// A row that ClickHouse refuses goes to the dead letter with the reason; its neighbours go in.
func TestRefusedRow(t *testing.T) {
	r := newRig(t)
	if err := r.conn.Exec(t.Context(), "ALTER TABLE calls ADD CONSTRAINT odd CHECK prepared_ms != 1234"); err != nil {
		t.Fatal(err)
	}
	r.sink(nil)
	r.feed(3000)
	r.waits("the others are in", func() bool { return r.number("uniqExact(call_id) FROM calls") == 2999 })
	r.waits("it is in the dead letter", func() bool { return r.number("count() FROM dead_letter FINAL") == 1 })
	var source, reason, raw string
	if err := r.conn.QueryRow(t.Context(), "SELECT source, reason, raw FROM dead_letter").Scan(&source, &reason, &raw); err != nil {
		t.Fatal(err)
	}
	if source != "sink" || !strings.Contains(reason, "odd") || !strings.Contains(raw, "c1234") {
		t.Errorf("%s: %s: %s", source, reason, raw)
	}
}

// Bytes that are no fact do not stop the sink.
func TestUnreadableFact(t *testing.T) {
	r := newRig(t)
	r.sink(nil)
	if err := r.client.ProduceSync(t.Context(), &kgo.Record{Topic: event.TopicCallFacts, Key: []byte("a"), Value: []byte("\xff\xff\xff")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	r.feed(10)
	r.exact()
	r.waits("it is in the dead letter", func() bool { return r.number("count() FROM dead_letter FINAL") == 1 })
}

// Years of history in one insert.
func TestManyMonths(t *testing.T) {
	r := newRig(t)
	r.sink(nil)
	var recs []*kgo.Record
	for i := range 300 {
		at := time.Date(2000, time.Month(1+i), 1, 0, 0, 0, 0, time.UTC).UnixMilli()
		ms := int64(i)
		recs = append(recs, r.record(event.TopicCallFacts, "a", &event.CallFact{Call: &event.Call{CallId: fmt.Sprint("m", i), StartedAt: at, EndedAt: at, UpdatedAt: at, PreparedMs: &ms}, Revision: 1}))
	}
	if err := r.client.ProduceSync(t.Context(), recs...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	r.calls = len(recs)
	r.exact()
}

// An update moves a call into another month: it counts there and no longer where it was, whatever arrives first.
func TestCallMovesToAnotherMonth(t *testing.T) {
	r := newRig(t)
	r.sink(nil)
	jan, feb := time.Date(2026, 1, 31, 23, 0, 0, 0, time.UTC).UnixMilli(), time.Date(2026, 2, 1, 1, 0, 0, 0, time.UTC).UnixMilli()
	tell := func(id string, at int64, revision uint64, from ...int64) *kgo.Record {
		return r.record(event.TopicCallFacts, "a", &event.CallFact{Call: &event.Call{CallId: id, StartedAt: at, EndedAt: at, UpdatedAt: at}, Revision: revision, MovedFrom: from})
	}
	recs := []*kgo.Record{
		tell("x", jan, 1), tell("x", feb, 2, jan),
		tell("y", feb, 2, jan), tell("y", jan, 1),
		tell("back", jan, 1), tell("back", feb, 2, jan), tell("back", jan, 3, feb),
		tell("last", jan, 1),
	}
	for _, rec := range recs {
		if err := r.client.ProduceSync(t.Context(), rec).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	r.waits("all is in", func() bool { return r.number("count() FROM calls_current WHERE call_id = 'last'") == 1 })
	for month, want := range map[string]string{"01": "back,last", "02": "x,y"} {
		var got string
		q := "SELECT arrayStringConcat(arraySort(groupArray(call_id)), ',') FROM calls_current WHERE started_at >= '2026-" + month + "-01' AND started_at < addMonths(toDate('2026-" + month + "-01'), 1)"
		if err := r.conn.QueryRow(t.Context(), q).Scan(&got); err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Errorf("month %s has %s, want %s", month, got, want)
		}
	}
	r.waits("the two slots are counted twice each at least, by the view and by the sink after the rows", func() bool {
		return r.number("sum(n) FROM touched WHERE facts = 'calls' AND slot IN ("+fmt.Sprint(jan/900_000)+", "+fmt.Sprint(feb/900_000)+")") >= 4
	})
}

// Roll-ups rest on the counts of touches: rows of every kind that is rolled up count, by the view and by the sink after them.
func TestTouchesAreCounted(t *testing.T) {
	r := newRig(t)
	r.sink(nil)
	at := time.Date(2026, 1, 31, 23, 0, 0, 0, time.UTC).UnixMilli()
	for _, rec := range []*kgo.Record{
		r.record(event.TopicAgentIntervals, "a", &event.AgentInterval{AgentId: "a", State: "talking", StartAt: at, EndAt: at + 1000, Revision: 1}),
		r.record(event.TopicPermitDecisions, "", &event.PermitEvent{Body: &event.PermitEvent_Decision{Decision: &event.PermitDecision{RequestId: "r", Decision: "permit", CustomerId: "k", At: at}}}),
		r.record(event.TopicLeads, "l", &event.Lead{EventId: "e", LeadId: "l", CampaignId: "c", At: at}),
	} {
		if err := r.client.ProduceSync(t.Context(), rec).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	for _, facts := range []string{"states", "permits", "leads"} {
		r.waits(facts+" are counted twice", func() bool {
			return r.number(fmt.Sprintf("sum(n) FROM touched WHERE facts = '%s' AND slot = %d", facts, at/900_000)) >= 2
		})
	}
}

// One call under two customers at different times is one row after a while: the one told last, whichever that is.
func TestOneRowOfACallUnderTwoCustomers(t *testing.T) {
	r := newRig(t)
	r.sink(nil)
	at := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC).UnixMilli()
	tell := func(id, customer string, started int64, told time.Time) {
		t.Helper()
		rec := r.record(event.TopicCallFacts, customer, &event.CallFact{Call: &event.Call{CallId: id, CustomerId: customer, StartedAt: started, EndedAt: started, UpdatedAt: started}, Revision: uint64(told.UnixMilli()) << 8})
		if err := r.client.ProduceSync(t.Context(), rec).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	now := time.UnixMilli(at).Add(10 * time.Hour)
	tell("x", "A", at, now)
	tell("x", "B", at+7_200_000, now.Add(time.Minute))
	tell("same", "A", at, now) // in one slot they are one row at once
	tell("same", "B", at+1000, now.Add(time.Minute))
	tell("alone", "C", at, now)
	customers := func(id string) (s string) {
		t.Helper()
		if err := r.conn.QueryRow(t.Context(), "SELECT arrayStringConcat(arraySort(groupArray(customer_id)), ',') FROM calls_current WHERE call_id = '"+id+"'").Scan(&s); err != nil {
			t.Fatal(err)
		}
		return s
	}
	unite := func(since time.Time, want int) {
		t.Helper()
		if n, err := Unite(t.Context(), r.conn, since); err != nil || n != want {
			t.Fatalf("%d rows were taken away, want %d: %v", n, want, err)
		}
	}
	r.waits("both stand", func() bool {
		return customers("x") == "A,B" && customers("same") == "B" && r.number("count() FROM calls_current WHERE call_id = 'alone'") == 1
	})
	unite(now.Add(time.Hour), 0) // nobody told anything since
	unite(now, 1)
	if got := customers("x"); got != "B" {
		t.Errorf("%s stands, want what was told last, B", got)
	}
	unite(now, 0)
	tell("x", "A", at, now.Add(2*time.Minute))
	r.waits("the first customer's report is renewed", func() bool { return customers("x") == "A,B" })
	unite(now.Add(90*time.Second), 1)
	if got := customers("x"); got != "A" {
		t.Errorf("%s stands, want what was told last, A", got)
	}
	r.waits("the other rows are untouched", func() bool { return customers("same") == "B" && customers("alone") == "C" })
}

// A membership that has ended commits nothing any more: its partitions are handed over at once.
func TestHandOverAfterTheEnd(t *testing.T) {
	over := make(chan struct{})
	close(over)
	s := &Sink{busy: 1, over: over, expel: func(error) { t.Error("it waited for a batch that will not be committed") }}
	s.revoked(t.Context(), nil, nil)
}
