package complaint

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/internal/stream"
	"github.com/ringfence/ringfence/internal/stream/memory"
)

var began = time.Date(2026, 3, 2, 1, 0, 0, 0, time.UTC) // Monday, 9 in Shanghai

func options() Options {
	zone, err := time.LoadLocation("Asia/Shanghai")
	if err != nil {
		panic(err)
	}
	return Options{Test: DefaultTest(), Rates: DefaultRateTest(), Inbound: DefaultInboundTest(), Action: "stop", Zone: zone, SLA: SLA{WarnMS: 2 * hourMS, EscalateMS: 24 * hourMS},
		Stuck: map[string]time.Duration{"wrap_up": 30 * time.Minute}}
}

// rig runs the processor in memory and brings its own records back to it.
type rig struct {
	t       *testing.T
	d       *memory.Driver[State]
	alerts  []*event.Alert
	signals []*event.CampaignSignal
	n       int
}

func newRig(t *testing.T, o Options) *rig { return &rig{t: t, d: memory.New(New(o))} }

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) feed(topic, key string, m interface{ MarshalVT() ([]byte, error) }, at time.Time) {
	r.t.Helper()
	v, err := m.MarshalVT()
	r.must(err)
	r.must(r.d.Feed(stream.Record{Topic: topic, Key: []byte(key), Value: v, Time: at}))
	r.loop()
}

func (r *rig) loop() {
	r.t.Helper()
	for {
		out := r.d.Outputs()
		if len(out) == 0 {
			return
		}
		for _, o := range out {
			switch o.Topic {
			case event.TopicWatchEvents:
				r.must(r.d.Feed(stream.Record{Topic: o.Topic, Key: o.Key, Value: o.Value}))
			case event.TopicAlerts:
				a := &event.Alert{}
				r.must(a.UnmarshalVT(o.Value))
				r.alerts = append(r.alerts, a)
			case event.TopicCampaignSignals:
				s := &event.CampaignSignal{}
				r.must(s.UnmarshalVT(o.Value))
				r.signals = append(r.signals, s)
			}
		}
	}
}

// pass lets time go by.
func (r *rig) pass(until time.Time) {
	r.t.Helper()
	step := time.Minute
	if until.Sub(r.d.Now()) > 48*time.Hour {
		step = 10 * time.Minute
	}
	defer func() { // what meets at the centre waits a moment
		r.must(r.d.Advance(time.Second))
		r.loop()
	}()
	for at := r.d.Now(); at.Before(until); {
		at = at.Add(step)
		if at.After(until) {
			at = until
		}
		r.must(r.d.SetNow(at))
		r.loop()
	}
}

func (r *rig) call(campaign, agent string, at time.Time, change func(*event.Call)) *event.CallFact {
	r.n++
	c := &event.Call{CallId: fmt.Sprint("call", r.n), Direction: "outbound", CampaignId: campaign, AgentId: agent, TeamId: "team-" + agent[:1], PartnerId: "partner-" + campaign, Products: []string{"product-" + campaign},
		StartedAt: at.UnixMilli(), AnsweredAt: at.UnixMilli() + 5000, EndedAt: at.UnixMilli() + 60_000, Outcome: "answered", AnsweredBy: "human", DialerId: "d1"}
	if change != nil {
		change(c)
	}
	f := &event.CallFact{Call: c, Revision: uint64(r.n), First: true}
	r.feed(event.TopicCallFacts, agent, f, at)
	return f
}

func (r *rig) complain(id string, of *event.Call, name string, at time.Time, change func(*event.ComplaintFact)) {
	r.n++
	f := &event.ComplaintFact{Complaint: &event.Complaint{ComplaintId: id, Event: name, At: at.UnixMilli(), CampaignId: of.CampaignId, AgentId: of.AgentId, PartnerId: of.PartnerId, Products: of.Products},
		TeamId: of.TeamId, AttributedCallId: of.CallId, Revision: uint64(r.n)}
	if change != nil {
		change(f)
	}
	r.feed(event.TopicComplaintFacts, f.Complaint.CampaignId, f, at)
}

func (r *rig) states() string {
	var out []string
	for _, a := range r.alerts {
		out = append(out, fmt.Sprintf("%d %s %s %s/%s", a.Seq, a.State, a.Kind, a.Dimension, a.Subject))
	}
	r.alerts = nil
	return strings.Join(out, "\n")
}

func (r *rig) verdicts() string {
	var out []string
	for _, s := range r.signals {
		out = append(out, s.CampaignId+" "+s.Verdict)
	}
	r.signals = nil
	return strings.Join(out, "\n")
}

// quiet makes two days of calls with four complaints each, none about the same agent twice running.
func (r *rig) quiet() time.Time {
	at := began
	for range 2 {
		for i := range 400 {
			f := r.call("a", fmt.Sprint(i%5), at, nil)
			r.call("b", fmt.Sprint(5+i%5), at, nil)
			if i%97 == 50 { // about each agent in turn
				r.complain("q"+f.Call.CallId, f.Call, "opened", at.Add(time.Second), nil)
				r.complain("q"+f.Call.CallId, f.Call, "resolved", at.Add(2*time.Second), nil)
			}
			at = at.Add(time.Minute)
		}
		at = at.Add(17*time.Hour + 20*time.Minute)
	}
	return at
}

// A spike of a campaign is told once, although its partner and product fire over the same complaints; the campaign is
// stopped, stays so when it is over, and runs again when a person says so.
func TestSpikeIsOneIncident(t *testing.T) {
	r := newRig(t, options())
	at := r.quiet()
	if got := r.states(); got != "" {
		t.Fatalf("on two quiet days: %s", got)
	}
	var last *event.CallFact
	for i := range 40 {
		last = r.call("a", fmt.Sprint(i%5), at, nil)
		r.complain("s"+last.Call.CallId, last.Call, "opened", at.Add(time.Second), nil)
		r.complain("s"+last.Call.CallId, last.Call, "resolved", at.Add(2*time.Second), nil)
		at = at.Add(time.Minute)
		if len(r.signals) > 0 {
			break
		}
	}
	r.must(r.d.Advance(time.Second))
	r.loop()
	if len(r.alerts) != 1 {
		t.Fatalf("alerts: %s", r.states())
	}
	a := r.alerts[0]
	id := a.AlertId
	if a.Subject != "a" || a.Dimension != "campaign" || a.CampaignId != "a" || a.Action != "stop" || a.Count < 5 || a.Count > 12 || a.FalsePerYear > 1 || len(a.CallIds) != 5 || a.CallIds[0] != last.Call.CallId ||
		a.Done == "" || !strings.Contains(a.Detail, "were to be expected") {
		t.Errorf("%v", a)
	}
	if diff := cmp.Diff([]string{"partner partner-a", "product product-a"}, a.Also); diff != "" {
		t.Errorf("also: %s", diff)
	}
	if got := r.verdicts(); got != "a stop" {
		t.Errorf("verdicts %q", got)
	}
	r.states()
	ack := &event.WatchRecord{Body: &event.WatchRecord_Command{Command: &event.WatchCommand{Action: "acknowledge", AlertId: id, By: "ann", Reason: "listening", At: at.UnixMilli()}}}
	r.feed(event.TopicWatchEvents, centreKey, ack, at)
	r.feed(event.TopicWatchEvents, centreKey, ack, at) // twice is once
	if got := r.states(); got != "2 acknowledged complaint_spike campaign/a" {
		t.Errorf("acknowledged: %q", got)
	}
	r.pass(at.Add(8 * 24 * time.Hour))
	if len(r.alerts) == 0 || r.alerts[len(r.alerts)-1].AlertId != id {
		t.Fatalf("not over: %v", r.alerts)
	}
	over := r.alerts[len(r.alerts)-1]
	if over.State != "resolved" || over.Seq != 3 || over.Since != a.Since || len(r.signals) != 0 || !strings.Contains(over.Done, "stays stopped") {
		t.Errorf("over: %v, signals %q", over, r.verdicts())
	}
	resume := &event.WatchRecord{Body: &event.WatchRecord_Command{Command: &event.WatchCommand{Action: "resume", By: "ann", Reason: "script changed", At: r.d.Now().UnixMilli()}}}
	r.feed(event.TopicWatchEvents, subjectKey+"campaign|a", resume, r.d.Now())
	if got := r.verdicts(); got != "a run" {
		t.Errorf("resumed: %q", got)
	}
}

// A person who resumes a campaign ends its incident, and what was complained of before fires no more.
func TestResumeEndsTheSpike(t *testing.T) {
	r := newRig(t, options())
	at := r.quiet()
	for i := range 20 {
		f := r.call("a", fmt.Sprint(i%5), at, nil)
		r.complain("s"+f.Call.CallId, f.Call, "opened", at.Add(time.Second), nil)
		r.complain("s"+f.Call.CallId, f.Call, "resolved", at.Add(2*time.Second), nil)
		at = at.Add(time.Minute)
	}
	r.must(r.d.Advance(time.Second))
	r.loop()
	r.states()
	r.verdicts()
	r.feed(event.TopicWatchEvents, subjectKey+"campaign|a", &event.WatchRecord{Body: &event.WatchRecord_Command{Command: &event.WatchCommand{Action: "resume", By: "ann", Reason: "script changed", At: at.UnixMilli()}}}, at)
	r.must(r.d.Advance(time.Second))
	r.loop()
	if len(r.alerts) != 1 || r.alerts[0].State != "resolved" || r.alerts[0].By != "ann" {
		t.Fatalf("alerts: %s", r.states())
	}
	r.states()
	f := r.call("a", "0", at, nil)
	r.complain("later", f.Call, "opened", at.Add(time.Second), nil)
	r.must(r.d.Advance(time.Second))
	r.loop()
	if got := r.states() + r.verdicts(); got != "a run" {
		t.Errorf("one complaint after the resumption: %q", got)
	}
}

// A complaint that turns out to be about another campaign is taken away where it was counted; an update of a call, and
// one that moves to another agent, count once.
func TestCountsAreCorrected(t *testing.T) {
	r := newRig(t, options())
	f := r.call("a", "1", began, nil)
	r.complain("c1", f.Call, "opened", began, nil)
	r.complain("c1", f.Call, "graded", began, func(x *event.ComplaintFact) { x.Complaint.Severity = "serious" })
	r.complain("c1", f.Call, "assigned", began.Add(time.Minute), func(x *event.ComplaintFact) { x.Complaint.CampaignId = "b" })
	r.complain("c2", f.Call, "opened", began, func(x *event.ComplaintFact) { x.Unattributed = true })
	update := f.CloneVT()
	update.First, update.Revision = false, 1000
	update.Call.Disposition, update.Call.Completed = "agree", new(true)
	r.feed(event.TopicCallFacts, "1", update, began)
	moved := update.CloneVT()
	moved.Retracted, moved.Revision = true, 1001
	r.feed(event.TopicCallFacts, "1", moved, began)
	moved.Retracted, moved.Revision, moved.Call.AgentId = false, 1002, "2"
	r.feed(event.TopicCallFacts, "2", moved, began)
	r.pass(began.Add(2 * time.Minute))
	counts := func(subject string) string {
		s, _, err := r.d.State(subjectKey + subject)
		r.must(err)
		var b event.WatchBucket
		for _, x := range s.GetBuckets() {
			sum(&b, x, 1)
		}
		return fmt.Sprintf("%d dials %d connected %d won %d completed %d complaints %d kept", b.Dials, b.Connected, b.Won, b.Completed, b.Complaints, len(s.GetComplaints()))
	}
	for subject, want := range map[string]string{
		"campaign|a": "1 dials 1 connected 1 won 1 completed 0 complaints 0 kept", "campaign|b": "0 dials 0 connected 0 won 0 completed 1 complaints 1 kept",
		"agent|1": "0 dials 0 connected 0 won 0 completed 1 complaints 1 kept", "agent|2": "1 dials 1 connected 1 won 1 completed 0 complaints 0 kept",
	} {
		if got := counts(subject); got != want {
			t.Errorf("%s: %s, want %s", subject, got, want)
		}
	}
	s, _, err := r.d.State(keysKey)
	r.must(err)
	if s.Keys["campaign"] != 2 || s.Keys["agent"] != 2 {
		t.Errorf("subjects: %v", s.Keys)
	}
}

func TestMute(t *testing.T) {
	r := newRig(t, options())
	at := r.quiet()
	r.feed(event.TopicWatchEvents, centreKey, &event.WatchRecord{Body: &event.WatchRecord_Command{Command: &event.WatchCommand{Action: "mute", Kind: KindSpike, Dimension: "campaign", Subject: "a", By: "ann",
		Until: at.Add(time.Hour).UnixMilli()}}}, at)
	for i := range 20 {
		f := r.call("a", fmt.Sprint(i%5), at, nil)
		r.complain("s"+f.Call.CallId, f.Call, "opened", at.Add(time.Second), nil)
		r.complain("s"+f.Call.CallId, f.Call, "resolved", at.Add(2*time.Second), nil)
		at = at.Add(time.Minute)
	}
	r.must(r.d.Advance(time.Second))
	r.loop()
	if len(r.alerts) != 1 || !r.alerts[0].Muted || r.verdicts() != "a stop" {
		t.Errorf("muted: %v", r.alerts)
	}
}

func TestOverdueComplaint(t *testing.T) {
	r := newRig(t, options())
	f := r.call("a", "1", began, nil)
	r.complain("c1", f.Call, "opened", began, func(x *event.ComplaintFact) { x.Complaint.Handling = "self" })
	var got []string
	for _, after := range []time.Duration{9 * time.Hour, 10*time.Hour + time.Minute, 12*time.Hour + time.Minute, 36*time.Hour + time.Minute} {
		r.pass(began.Add(after))
		for _, a := range r.alerts {
			got = append(got, fmt.Sprint(after, " ", a.Seq, " ", a.Severity, " ", a.EscalateTo, " ", a.Detail[:strings.Index(a.Detail, " at ")]))
		}
		r.alerts = nil
	}
	want := []string{"10h1m0s 1 warning owner the reply to complaint c1 is due", "12h1m0s 2 critical team_leader the reply to complaint c1 was due", "36h1m0s 3 critical department_head the reply to complaint c1 was due"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("escalation (-want +got):\n%s", diff)
	}
	r.complain("c1", f.Call, "replied", r.d.Now(), nil)
	r.complain("c1", f.Call, "resolved", r.d.Now(), nil)
	r.pass(r.d.Now().Add(time.Minute))
	if got := r.states(); got != "4 resolved complaint_overdue complaint/c1" {
		t.Errorf("answered: %q", got)
	}
}

// An import of the past tells nobody of deadlines that were met, as long as what follows comes within the hour.
func TestImportedComplaints(t *testing.T) {
	r := newRig(t, options())
	r.must(r.d.SetNow(began.Add(100 * 24 * time.Hour)))
	f := r.call("a", "1", began, nil)
	r.complain("c1", f.Call, "opened", began, nil)
	r.pass(r.d.Now().Add(30 * time.Minute))
	r.complain("c1", f.Call, "resolved", began.Add(time.Hour), nil)
	r.pass(r.d.Now().Add(3 * time.Hour))
	if got := r.states(); got != "" {
		t.Errorf("told of the past: %q", got)
	}
}

func TestStuckAgent(t *testing.T) {
	r := newRig(t, options())
	state := func(s string, at time.Time) {
		r.feed(event.TopicAgentStates, "1", &event.AgentEvent{Body: &event.AgentEvent_State{State: &event.AgentState{AgentId: "1", State: s, At: at.UnixMilli()}}}, at)
	}
	state("talking", began)
	state("wrap_up", began.Add(time.Minute))
	r.pass(began.Add(20 * time.Minute))
	if got := r.states(); got != "" {
		t.Errorf("too early: %s", got)
	}
	r.pass(began.Add(35 * time.Minute))
	state("available", began.Add(36*time.Minute))
	r.pass(began.Add(37 * time.Minute))
	if got := r.states(); got != "1 firing stuck_agent agent/1\n2 resolved stuck_agent agent/1" {
		t.Errorf("%q", got)
	}
	state("wrap_up", began) // from before: an import
	r.pass(began.Add(40 * time.Hour))
	if got := r.states(); got != "" {
		t.Errorf("told of the past: %s", got)
	}
}

// Inbound at its peak throttles and stops, and lets go only when it has been well for a while.
func TestInboundPeak(t *testing.T) {
	r := newRig(t, options())
	at := began
	inbound := func(n int, waited time.Duration) {
		for range n {
			r.call("in", "9", at, func(c *event.Call) {
				c.Direction, c.BridgedAt, c.EndedAt = "inbound", at.Add(waited).UnixMilli(), at.Add(waited+time.Second).UnixMilli()
			})
		}
		at = at.Add(waited + 10*time.Second)
		r.must(r.d.SetNow(at))
		r.loop()
	}
	inbound(30, 5*time.Second)
	if got := r.verdicts(); got != "" {
		t.Errorf("well served: %q", got)
	}
	inbound(15, 40*time.Second)
	if got := r.verdicts(); got != "* throttle" {
		t.Errorf("worse: %q", got)
	}
	inbound(60, 40*time.Second)
	if got := r.verdicts(); got != "* stop" {
		t.Errorf("bad: %q", got)
	}
	r.pass(at.Add(13 * time.Minute)) // the window empties, then it must hold
	if got := r.verdicts(); got != "" {
		t.Errorf("let go too early: %q", got)
	}
	r.pass(at.Add(17 * time.Minute))
	if got := r.verdicts(); got != "* run" {
		t.Errorf("over: %q", got)
	}
	if got := r.states(); got != "1 firing inbound_peak centre/inbound\n1 firing inbound_peak centre/inbound\n2 resolved inbound_peak centre/inbound" &&
		got != "1 firing inbound_peak centre/inbound\n2 firing inbound_peak centre/inbound\n3 resolved inbound_peak centre/inbound" {
		t.Errorf("%s", got)
	}
}

// Calls that are counted after a spike has fired do not end it by being looked at from before it.
func TestLateCallsDoNotEndASpike(t *testing.T) {
	r := newRig(t, options())
	at := began.Add(5 * time.Minute)
	for i := range 6 {
		x := &event.Call{CampaignId: "a", AgentId: fmt.Sprint(i)}
		r.complain(fmt.Sprint("c", i), x, "opened", at, nil)
		r.complain(fmt.Sprint("c", i), x, "resolved", at.Add(time.Second), nil)
	}
	r.pass(at.Add(2 * time.Second))
	r.call("a", "1", began.Add(4*time.Minute), nil)
	r.pass(at.Add(time.Minute))
	if got := r.states(); got != "1 firing complaint_spike campaign/a" {
		t.Errorf("%s", got)
	}
}
