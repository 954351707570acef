package sampling

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/internal/stream"
)

var (
	monthAgents     = flag.Int("month.agents", 20, "agents of the generated month; `make month` takes 100")
	monthRecordings = flag.Int("month.recordings", 12_000, "recordings of the generated month; `make month` takes 500000")
)

const (
	monthPartitions = 4
	monthPeriod     = "2027-02"
	monthEnd        = "2027-02-27"
	monthEndMark    = "nothing comes after this record"
)

var monthOptions = Options{Secret: []byte("the month's secret, thirty-two b"), Zone: shanghai, OneIn: 10, Grace: 6 * time.Hour, Quiet: 10 * time.Minute, WeeklyOneIn: 20, ExtraOneIn: 5, ExtraUntil: 3,
	PerPeriod: true, Difficulty: map[string]float64{"hard": 3, "harder": 4, "easy": 1}, Exempt: []string{"period"}}

// arrival is a call that arrives at a time.
type arrival struct {
	call *event.Call
	at   time.Time
}

// generate makes an assessment period: recordings late by minutes or days, calls without one, an agent who is hardly
// there. It is the same each time.
func generate(agents, recordings int) (out []arrival, valid map[string][]string) {
	rnd := rand.New(rand.NewPCG(7, 11))
	begin := time.Date(2027, 1, 28, 0, 0, 0, 0, shanghai)
	campaigns := []string{"easy", "hard", "harder", "other", ""}
	valid = map[string][]string{}
	for i := range recordings {
		agent := fmt.Sprintf("agent%03d", rnd.IntN(agents-1))
		if i < 5 {
			agent = fmt.Sprintf("agent%03d", agents-1) // five recordings in all
		}
		at := begin.AddDate(0, 0, rnd.IntN(31)).Add(9*time.Hour + time.Duration(rnd.IntN(9*3600))*time.Second)
		talk := int64(10_000 + rnd.ExpFloat64()*120_000)
		s, size := at.UnixMilli(), 16*talk
		switch rnd.IntN(100) {
		case 0, 1:
			size = 44 // an empty file
		}
		c := &event.Call{CallId: fmt.Sprint("call", i), AgentId: agent, TeamId: fmt.Sprint("team", len(agent)+int(agent[len(agent)-1])%5), CampaignId: campaigns[rnd.IntN(len(campaigns))], Direction: "outbound", StartedAt: s,
			AnsweredAt: s + 5000, BridgedAt: s + 6000, EndedAt: s + 6000 + talk, Recording: &event.Recording{Uri: fmt.Sprint(i, ".wav"), SizeBytes: &size, DurationMs: &talk}, CustomerId: fmt.Sprint("C", i)}
		arrives := at.Add(time.Duration(talk)*time.Millisecond + time.Duration(rnd.IntN(60))*time.Second)
		if rnd.IntN(50) == 0 {
			arrives = arrives.Add(time.Duration(rnd.IntN(10*24*60)) * time.Minute)
		}
		if i%37 == 0 { // no recording at all
			c.Recording = nil
		}
		if Valid(c) {
			day := at.Format(time.DateOnly)
			valid[day] = append(valid[day], c.CallId)
		}
		out = append(out, arrival{c, arrives})
	}
	slices.SortStableFunc(out, func(a, b arrival) int { return a.at.Compare(b.at) })
	return out, valid
}

// month runs processors over the generated period and collects what they say.
type month struct {
	t         *testing.T
	addrs     []string
	client    *kgo.Client
	watermark atomic.Int64 // Unix ms
	stops     map[string]func()

	mu           sync.Mutex
	rows         map[string]*event.PopulationRow
	keys         map[string]Published
	quotas       []*event.SamplingQuota
	replacements []*event.SamplingReplacement
	tasks        map[string]*event.QATask
	twice        int
	ends         map[string]bool // partitions heard to their end
}

func (m *month) opts(more ...kgo.Opt) []kgo.Opt {
	return append([]kgo.Opt{kgo.SeedBrokers(m.addrs...)}, more...)
}

// start runs one process of the processor.
func (m *month) start(name, dir string) {
	m.t.Helper()
	r, err := stream.New(New(monthOptions), stream.Config{Kafka: m.opts(), DataDir: dir, InstanceID: name, Clock: func() time.Time { return time.Date(2027, 1, 27, 0, 0, 0, 0, shanghai) }, Session: time.Second})
	if err != nil {
		m.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	m.stops[name] = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			m.t.Errorf("%s: %v", name, err)
		}
	})
	m.t.Cleanup(m.stops[name])
}

// listen follows what the processors say, and does what QA would: reports what cannot be heard, publishes reviews.
func (m *month) listen(ctx context.Context) error {
	cl, err := kgo.NewClient(m.opts(kgo.ConsumeTopics(event.TopicSamplingFacts, event.TopicQATasks), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.FetchMaxWait(50*time.Millisecond))...)
	if err != nil {
		return err
	}
	defer cl.Close()
	for ctx.Err() == nil {
		fetches := cl.PollFetches(ctx)
		var fail error
		fetches.EachRecord(func(r *kgo.Record) {
			if string(r.Key) == monthEndMark {
				m.mu.Lock()
				m.ends[fmt.Sprint(r.Topic, r.Partition)] = true
				m.mu.Unlock()
				return
			}
			if r.Topic == event.TopicSamplingFacts {
				f := &event.SamplingFact{}
				if err := f.UnmarshalVT(r.Value); err != nil {
					fail = err
					return
				}
				m.fact(f)
				return
			}
			t := &event.QATask{}
			if err := t.UnmarshalVT(r.Value); err != nil {
				fail = err
				return
			}
			m.task(ctx, t)
		})
		if fail != nil {
			return fail
		}
	}
	return nil
}

func (m *month) fact(f *event.SamplingFact) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch b := f.Body.(type) {
	case *event.SamplingFact_Population:
		p := b.Population
		k := fmt.Sprint(p.Day, "|", p.AgentId, "|", p.Seq)
		if was := m.rows[k]; was == nil || was.Revision < p.Revision {
			m.rows[k] = p
		}
	case *event.SamplingFact_Key:
		if k := m.keys[b.Key.Day]; b.Key.Key != "" || k.Key == "" {
			m.keys[b.Key.Day] = Published{b.Key.KeySha256, b.Key.Key}
		}
	case *event.SamplingFact_Quota:
		m.quotas = append(m.quotas, b.Quota)
	case *event.SamplingFact_Replacement:
		m.replacements = append(m.replacements, b.Replacement)
	}
}

func (m *month) task(ctx context.Context, t *event.QATask) {
	m.mu.Lock()
	if m.tasks[t.TaskId] != nil {
		m.twice++
	}
	m.tasks[t.TaskId] = t
	m.mu.Unlock()
	e := &event.QAEvent{AgentId: t.AgentId, TaskId: t.TaskId, State: &event.QATaskState{Task: t}}
	switch h := hash(t.TaskId); {
	case h%50 == 0:
		e.Kind, e.State.Incident = "replaced", &event.QAIncident{Problem: []string{"missing", "unreadable"}[h/50%2]}
	case h%3 == 0:
		e.Kind, e.State.Review = "published", &event.QAReview{ReviewId: t.TaskId, Passed: h%30 != 0, PublishedAt: 1}
	default:
		return
	}
	v, err := e.MarshalVT()
	if err == nil {
		m.client.Produce(ctx, &kgo.Record{Topic: event.TopicQAEvents, Key: []byte(t.AgentId), Value: v, Timestamp: time.UnixMilli(m.watermark.Load())}, nil)
	}
}

// tick moves time in every partition.
func (m *month) tick(at time.Time) {
	m.t.Helper()
	cl, err := kgo.NewClient(m.opts(kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
	if err != nil {
		m.t.Fatal(err)
	}
	defer cl.Close()
	v, err := (&event.CallFact{Call: &event.Call{CallId: "tick"}}).MarshalVT()
	if err != nil {
		m.t.Fatal(err)
	}
	for p := range int32(monthPartitions) {
		if err := cl.ProduceSync(m.t.Context(), &kgo.Record{Topic: event.TopicCallFacts, Partition: p, Value: v, Timestamp: at}).FirstErr(); err != nil {
			m.t.Fatal(err)
		}
	}
}

// Over a whole assessment period, with late, missing and unreadable recordings, processes that come and go: every agent
// and day has exactly one in ten drawn, every week one in twenty, every period seven or the reason why not; all of it can be
// redone from the keys, and neither place in the day nor hour nor length tells what is drawn.
func TestMonth(t *testing.T) {
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(monthPartitions, event.TopicCallFacts, event.TopicSamplingDays, event.TopicQAEvents, event.TopicSamplingFacts, event.TopicQATasks, event.TopicDeadLetter),
		kfake.GroupMinSessionTimeout(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	m := &month{t: t, addrs: c.ListenAddrs(), stops: map[string]func(){}, rows: map[string]*event.PopulationRow{}, keys: map[string]Published{}, tasks: map[string]*event.QATask{}, ends: map[string]bool{}}
	if m.client, err = kgo.NewClient(m.opts(kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)), kgo.MaxBufferedRecords(100_000))...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.client.Close)
	ctx, cancel := context.WithCancel(t.Context())
	heard := make(chan error, 1)
	go func() { heard <- m.listen(ctx) }()
	defer func() {
		cancel()
		if err := <-heard; err != nil {
			t.Error(err)
		}
	}()

	arrivals, valid := generate(*monthAgents, *monthRecordings)
	exempt := "agent001"
	before := []*event.QAEvent{{Kind: "exempted", AgentId: exempt, Period: monthPeriod}}
	for _, agent := range []string{"agent002", "agent003"} { // failed in the period before: extra checks until three clean reviews
		before = append(before, &event.QAEvent{Kind: "published", AgentId: agent, State: &event.QATaskState{Review: &event.QAReview{ReviewId: "before", PublishedAt: 1}}})
	}
	for _, e := range before {
		v, err := e.MarshalVT()
		if err != nil {
			t.Fatal(err)
		}
		if err := m.client.ProduceSync(ctx, &kgo.Record{Topic: event.TopicQAEvents, Key: []byte(e.AgentId), Value: v, Timestamp: arrivals[0].at}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	dirs := map[string]string{"a": t.TempDir(), "b": t.TempDir()}
	m.start("a", dirs["a"])
	began, last := time.Now(), arrivals[len(arrivals)-1].at
	for i, x := range arrivals {
		switch i { // processes come and go
		case len(arrivals) / 4:
			m.start("b", dirs["b"])
		case len(arrivals) / 2:
			m.flush()
			m.stops["a"]()
		case 3 * len(arrivals) / 4:
			m.flush()
			m.start("a", dirs["a"])
		}
		v, err := (&event.CallFact{Call: x.call}).MarshalVT()
		if err != nil {
			t.Fatal(err)
		}
		m.watermark.Store(x.at.UnixMilli())
		m.client.Produce(ctx, &kgo.Record{Topic: event.TopicCallFacts, Key: []byte(x.call.AgentId), Value: v, Timestamp: x.at}, nil)
	}
	m.flush()
	end := time.Date(2027, 3, 2, 0, 0, 0, 0, shanghai)
	if last.After(end) {
		end = last
	}
	population := 0
	for _, ids := range valid {
		population += len(ids)
	}
	m.until(func(tries int) bool {
		m.tick(end.Add(time.Duration(tries) * time.Hour))
		m.mu.Lock()
		defer m.mu.Unlock()
		for d := time.Date(2027, 1, 28, 0, 0, 0, 0, time.UTC); d.Format(time.DateOnly) <= "2027-02-28"; d = d.AddDate(0, 0, 1) {
			if m.keys[d.Format(time.DateOnly)].Key == "" {
				return false
			}
		}
		return len(m.rows) == population && m.periodsClosed()
	})
	t.Logf("%d recordings of %d agents in %v", population, *monthAgents, time.Since(began).Round(time.Millisecond))
	for _, stop := range m.stops {
		stop()
	}
	m.hearOut()
	m.check(valid, exempt)
}

// periodsClosed tells whether every agent with a recording has his seven, or a record of the period's end. m.mu is held.
func (m *month) periodsClosed() bool {
	drawn, closed := map[string]int64{}, map[string]bool{}
	for _, q := range m.quotas {
		if q.Draw == "period" {
			drawn[q.AgentId] += q.Drawn
			closed[q.AgentId] = closed[q.AgentId] || q.Slice >= Slices
		}
	}
	for _, p := range m.rows {
		if drawn[p.AgentId] < Slices && !closed[p.AgentId] {
			return false
		}
	}
	return true
}

// hearOut waits until the listener has heard everything the processors, which are stopped, have said.
func (m *month) hearOut() {
	m.t.Helper()
	cl, err := kgo.NewClient(m.opts(kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
	if err != nil {
		m.t.Fatal(err)
	}
	defer cl.Close()
	topics := []string{event.TopicSamplingFacts, event.TopicQATasks}
	for _, topic := range topics {
		for p := range int32(monthPartitions) {
			if err := cl.ProduceSync(m.t.Context(), &kgo.Record{Topic: topic, Partition: p, Key: []byte(monthEndMark)}).FirstErr(); err != nil {
				m.t.Fatal(err)
			}
		}
	}
	m.until(func(int) bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		return len(m.ends) == len(topics)*monthPartitions
	})
}

func (m *month) flush() {
	m.t.Helper()
	if err := m.client.Flush(m.t.Context()); err != nil {
		m.t.Fatal(err)
	}
}

func (m *month) until(cond func(tries int) bool) {
	m.t.Helper()
	deadline, tick := time.NewTimer(5*time.Minute+time.Duration(*monthRecordings)*4*time.Millisecond), time.NewTicker(100*time.Millisecond)
	defer deadline.Stop()
	defer tick.Stop()
	for i := 0; !cond(i); i++ {
		select {
		case <-deadline.C:
			m.t.Fatalf("given up with %d rows and %d keys", len(m.rows), len(m.keys))
		case <-tick.C:
		}
	}
}
