package sampling

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"fmt"
	"math"
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

// byDay sorts the rows into the shapes the verification reads.
func (m *month) check(valid map[string][]string, exempt string) {
	t := m.t
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.twice > 0 {
		t.Errorf("%d tasks were made twice", m.twice)
	}
	days, weeks, extras := map[string][]Numbered{}, map[string][]Number{}, map[string][]Number{}
	marks := map[string]map[string]map[int64][]string{}
	var candidates []Candidate
	for _, p := range m.rows {
		has := func(d string) bool { return slices.Contains(p.Drawn, d) }
		days[p.Day] = append(days[p.Day], Numbered{p.AgentId, p.Seq, p.CallId, p.Late, has("daily")})
		weeks[p.Week] = append(weeks[p.Week], Number{Agent: p.AgentId, CallID: p.CallId, Seq: p.WeekSeq, Late: p.WeekLate, Drawn: has("weekly")})
		if p.ExtraSeq > 0 {
			extras[p.Day] = append(extras[p.Day], Number{Agent: p.AgentId, CallID: p.CallId, Seq: p.ExtraSeq, Drawn: has("extra")})
		} else if has("extra") {
			t.Errorf("%s is drawn extra without a number", p.CallId)
		}
		if len(p.Drawn) > 0 {
			if marks[p.Day] == nil {
				marks[p.Day] = map[string]map[int64][]string{}
			}
			if marks[p.Day][p.AgentId] == nil {
				marks[p.Day][p.AgentId] = map[int64][]string{}
			}
			marks[p.Day][p.AgentId][p.Seq] = p.Drawn
		}
		candidates = append(candidates, Candidate{Agent: p.AgentId, CallID: p.CallId, Day: p.Day, Campaign: p.CampaignId, Seq: p.Seq, Slice: int(p.Slice), Drawn: has("period")})
	}
	cases, lates := 0, 0
	for day, rows := range days {
		r, err := Verify(day, m.keys[day], 10, rows, valid[day])
		if err != nil || !r.OK || r.Population != len(valid[day]) {
			t.Errorf("%s: %+v %v", day, r, err)
		}
		n, d := map[string]int{}, map[string]int{}
		for _, x := range rows {
			n[x.Agent]++
			if x.Daily {
				d[x.Agent]++
			}
			if x.Late {
				lates++
			}
		}
		for agent := range n {
			cases++
			if d[agent] != (n[agent]+9)/10 {
				t.Errorf("%s %s: %d of %d drawn", day, agent, d[agent], n[agent])
			}
		}
	}
	for week, rows := range weeks {
		r, err := Redo("weekly", week, m.keys[week], 20, rows)
		if err != nil || !r.OK || r.Drawn != r.Required {
			t.Errorf("week %s: %v %v", week, r, err)
		}
	}
	extra := 0
	for day, rows := range extras {
		r, err := Redo("extra", day, m.keys[day], 5, rows)
		if err != nil || !r.OK {
			t.Errorf("extra %s: %v %v", day, r, err)
		}
		extra += r.Drawn
	}
	if extra == 0 || len(m.replacements) == 0 || lates == 0 {
		t.Errorf("%d extra checks, %d replacements, %d late: the month is too quiet to show anything", extra, len(m.replacements), lates)
	}
	replaced := map[string][]Replaced{}
	for _, x := range m.replacements {
		replaced[x.Day] = append(replaced[x.Day], Replaced{Agent: x.AgentId, TaskID: x.TaskId, Problem: x.Problem, Seq: x.Seq, By: x.ReplacedBy, Population: x.Population, Nth: x.Nth})
	}
	for day := range days {
		if r, err := RedoReplacements(day, m.keys[day], replaced[day], marks[day]); err != nil || !r.OK {
			t.Errorf("replacements %s: %v %v", day, r, err)
		}
	}
	var quotas []Quota
	for _, q := range m.quotas {
		if q.Draw == "period" {
			quotas = append(quotas, Quota{Agent: q.AgentId, Slice: int(q.Slice), Required: int(q.Required), Calls: q.CallIds, Roles: q.ForRoles, Campaigns: q.Campaigns, Reason: q.Reason, Nth: int(q.Nth),
				Known: true, ExemptionOnRecord: q.AgentId == exempt})
		}
	}
	r, err := RedoPeriod(monthPeriod, monthEnd, m.keys[monthEnd], candidates, quotas)
	if err != nil || !r.OK {
		t.Fatalf("period: %v %v", r, err)
	}
	if len(r.Shortfalls) != 2 { // the exempt one, and the one with five recordings
		t.Errorf("shortfalls: %v", r.Shortfalls)
	}
	if want := 7*(*monthAgents-2) + min(5, len(candidates)); r.Drawn > want || r.Drawn < want-5 {
		t.Errorf("the period drew %d of %d agents", r.Drawn, *monthAgents)
	}
	m.tampered(candidates, quotas, days, weeks)
	t.Logf("%d agents' days, each with exactly one in ten; %d weeks, %d of the period, %d extra checks, %d replacements, %d late; shortfalls: %v", cases, len(weeks), r.Drawn, extra, len(m.replacements), lates, r.Shortfalls)
	m.chiSquare()
}

// tampered changes one row of each draw; each is found.
func (m *month) tampered(candidates []Candidate, quotas []Quota, days map[string][]Numbered, weeks map[string][]Number) {
	t := m.t
	day := "2027-02-03"
	rows := slices.Clone(days[day])
	rows[len(rows)/2].Daily = !rows[len(rows)/2].Daily
	if r, err := Verify(day, m.keys[day], 10, rows, nil); err != nil || r.OK {
		t.Errorf("a daily draw that was changed: %v %v", r, err)
	}
	week := slices.Clone(weeks["2027-02-07"])
	week[3].Drawn = !week[3].Drawn
	if r, err := Redo("weekly", "2027-02-07", m.keys["2027-02-07"], 20, week); err != nil || r.OK {
		t.Errorf("a weekly draw that was changed: %v %v", r, err)
	}
	c := slices.Clone(candidates)
	c[5].Drawn = !c[5].Drawn
	if r, err := RedoPeriod(monthPeriod, monthEnd, m.keys[monthEnd], c, quotas); err != nil || r.OK {
		t.Errorf("a period's draw that was changed: %v", err)
	}
	other := sha256.Sum256([]byte("another key"))
	if r, err := Verify(day, Published{m.keys[day].SHA256, hex.EncodeToString(other[:])}, 10, days[day], nil); err != nil || r.OK {
		t.Errorf("a key that was not the published one: %v", err)
	}
}

// chiSquare tests that neither place in the block, nor hour, nor length predicts the daily draw.
func (m *month) chiSquare() {
	last := map[string]int64{} // how many of an agent's day came in time
	for _, p := range m.rows {
		if k := p.Day + p.AgentId; !p.Late {
			last[k] = max(last[k], p.Seq)
		}
	}
	type cell struct{ observed, expected, variance float64 }
	cells := map[string]map[int]*cell{"place": {}, "hour": {}, "length": {}}
	add := func(kind string, at int, drawn bool, p float64) {
		c := cells[kind][at]
		if c == nil {
			c = &cell{}
			cells[kind][at] = c
		}
		if drawn {
			c.observed++
		}
		c.expected += p
		c.variance += p * (1 - p)
	}
	for _, p := range m.rows {
		n := last[p.Day+p.AgentId]
		if p.Late {
			continue
		}
		block := min(10, n-(p.Seq-1)/10*10) // the last one is as long as it got
		drawn, chance := slices.Contains(p.Drawn, "daily"), 1/float64(block)
		if block == 1 {
			continue // drawn for certain
		}
		if block == 10 {
			add("place", int((p.Seq-1)%10), drawn, chance)
		}
		add("hour", time.UnixMilli(p.CallStartedAt).In(shanghai).Hour(), drawn, chance)
		add("length", int(min(9, p.DurationMs/30_000)), drawn, chance)
	}
	for _, kind := range []string{"place", "hour", "length"} {
		x, df := 0.0, 0.0
		for _, c := range cells[kind] {
			x += (c.observed - c.expected) * (c.observed - c.expected) / c.variance
			df++
		}
		df--
		x *= df / (df + 1) // the drawn sum up to what is drawn
		z := (math.Cbrt(x/df) - (1 - 2/(9*df))) / math.Sqrt(2/(9*df))
		m.t.Logf("chi-square of %s: %.1f on %.0f degrees of freedom (z = %.2f)", kind, x, df, z)
		if z > 3.29 { // one in two thousand; far below is what a draw of one a block looks like, hour by hour
			m.t.Errorf("%s predicts the draw: chi-square %.1f on %.0f degrees of freedom", kind, x, df)
		}
	}
}
