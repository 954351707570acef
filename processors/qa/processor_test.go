package qa

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/internal/qarules"
	"github.com/ringfence/ringfence/internal/rubric"
	"github.com/ringfence/ringfence/internal/stream"
	"github.com/ringfence/ringfence/internal/stream/memory"
)

var (
	began    = time.Date(2026, 3, 2, 2, 0, 0, 0, time.UTC)
	shanghai = time.FixedZone("CST", 8*3600)
	judged   = func() *rubric.Rubric {
		r, err := rubric.Load(rubric.Default)
		if err != nil {
			panic(err)
		}
		return r
	}()
)

// rig runs the processor in memory.
type rig struct {
	t       rapid.TB
	d       *memory.Driver[State]
	n       int
	answers map[uint64]*event.QAAnswer
	events  []*event.QAEvent
	queue   map[string]*event.QATaskState
	leads   []*event.Lead
}

func newRig(t rapid.TB) *rig {
	r := &rig{t: t, d: memory.New(New(Options{Zone: shanghai, Rubrics: map[string]*rubric.Rubric{judged.ID(): judged}, ClaimTTL: 30 * time.Minute, ConfirmCampaign: "confirmation"})),
		answers: map[uint64]*event.QAAnswer{}, queue: map[string]*event.QATaskState{}}
	if err := r.d.SetNow(began); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *rig) feed(topic, key string, m interface{ MarshalVT() ([]byte, error) }) {
	r.t.Helper()
	v, err := m.MarshalVT()
	if err == nil {
		err = r.d.Feed(stream.Record{Topic: topic, Key: []byte(key), Value: v})
	}
	if err != nil {
		r.t.Fatalf("%v", err)
	}
	r.take()
}

func (r *rig) take() {
	r.t.Helper()
	for outs := r.d.Outputs(); len(outs) > 0; outs = r.d.Outputs() {
		for _, o := range outs {
			r.took(o)
		}
	}
}

func (r *rig) took(o stream.Output) {
	r.t.Helper()
	var err error
	switch o.Topic {
	case event.TopicQAAnswers:
		a := &event.QAAnswer{}
		err = a.UnmarshalVT(o.Value)
		r.answers[a.ReplyTo.Correlation] = a
	case event.TopicQAEvents:
		e := &event.QAEvent{}
		err = e.UnmarshalVT(o.Value)
		r.events = append(r.events, e)
	case event.TopicQAQueue:
		e := &event.QAQueueEntry{}
		err = e.UnmarshalVT(o.Value)
		if s := e.GetTask(); s != nil {
			r.queue[string(o.Key)] = s
		} else if o.Value == nil {
			delete(r.queue, string(o.Key))
		}
	case event.TopicLeads:
		l := &event.Lead{}
		err = l.UnmarshalVT(o.Value)
		r.leads = append(r.leads, l)
	case event.TopicQACommands:
		err = r.d.Feed(stream.Record{Topic: o.Topic, Key: o.Key, Value: o.Value})
	}
	if err != nil {
		r.t.Fatalf("%v", err)
	}
}

// ask sends a command and returns its answer.
func (r *rig) ask(who *event.QAActor, task string, cmd *event.QACommand) *event.QAAnswer {
	r.t.Helper()
	r.n++
	if cmd.CommandId == "" {
		cmd.CommandId = fmt.Sprint("cmd", r.n)
	}
	if cmd.AgentId == "" {
		cmd.AgentId = "a1"
	}
	cmd.By, cmd.TaskId, cmd.ReplyTo = who, task, &event.ReplyTo{Requester: "me", Correlation: uint64(r.n)}
	r.feed(event.TopicQACommands, cmd.AgentId, cmd)
	return r.answers[uint64(r.n)]
}

// must is ask, and the answer's code of refusal has to be want.
func (r *rig) must(want string, who *event.QAActor, task string, cmd *event.QACommand) *event.QATaskState {
	r.t.Helper()
	a := r.ask(who, task, cmd)
	if a == nil || a.Refusal != want {
		r.t.Fatalf("%T by %s of %s: %v, want %q", cmd.Body, who.UserId, task, a, want)
	}
	return a.State
}

func (r *rig) at(t time.Time) {
	r.t.Helper()
	if err := r.d.SetNow(t); err != nil {
		r.t.Fatalf("%v", err)
	}
	r.take()
}

func task(id, call, role string) *event.QATask {
	return &event.QATask{TaskId: id, CallId: call, AgentId: "a1", TeamId: "red", PartnerId: "p1", Day: "2026-03-02", Draw: "daily", DrawnAt: began.UnixMilli(), ForRole: role, CustomerId: "C1",
		CallStartedAt: began.UnixMilli(), Period: "2026-03"}
}

func user(id, team string, roles ...string) *event.QAActor {
	return &event.QAActor{UserId: id, TeamId: team, Roles: roles}
}

func full(sale bool, no ...string) *event.QASheet {
	s := &event.QASheet{Rubric: judged.ID(), Sale: sale}
	answer := func(id string) {
		a := rubric.Yes
		for _, n := range no {
			if n == id {
				a = rubric.No
			}
		}
		s.Checks = append(s.Checks, &event.QACheck{Id: id, Answer: a})
	}
	for _, sec := range judged.Sections {
		for _, c := range sec.Checkpoints {
			if sale || !c.Sale {
				answer(c.ID)
			}
		}
	}
	if sale {
		for _, x := range judged.Standards {
			answer(x.ID)
		}
	}
	return s
}

func claim() *event.QACommand {
	return &event.QACommand{Body: &event.QACommand_Claim{Claim: &event.QAClaim{}}}
}

func score(s *event.QASheet, publish bool) *event.QACommand {
	return &event.QACommand{Body: &event.QACommand_Score{Score: &event.QAScore{Sheet: s, Publish: publish}}}
}

func publish() *event.QACommand {
	return &event.QACommand{Body: &event.QACommand_Publish{Publish: &event.QAPublish{}}}
}

func appeal(text string) *event.QACommand {
	return &event.QACommand{Body: &event.QACommand_Appeal{Appeal: &event.QAAppeal{Text: text}}}
}

func decide(side, vote string, amended *event.QASheet) *event.QACommand {
	return &event.QACommand{Body: &event.QACommand_Decide{Decide: &event.QADecide{Side: side, Vote: vote, Reason: "heard it", Amended: amended}}}
}

func draft(seq int64, comment string) *event.QACommand {
	return &event.QACommand{Body: &event.QACommand_Draft{Draft: &event.QADraft{Seq: seq, Sheet: &event.QASheet{Rubric: judged.ID(), Comment: comment}}}}
}

var (
	ann, bob = user("ann", "", "qa"), user("bob", "", "qa")
	chief    = user("chief", "red", "supervisor")
	support  = user("sue", "", "compliance")
	caller   = &event.QAActor{UserId: "u1", AgentId: "a1", TeamId: "red"}
)

// The whole story: claimed by one, kept as a draft, scored, published, appealed, decided.
func TestStory(t *testing.T) {
	r := newRig(t)
	r.feed(event.TopicQATasks, "a1", task("t1", "c1", ""))
	r.must("", ann, "t1", claim())
	r.must(qarules.Taken, bob, "t1", claim())
	r.must("", ann, "t1", draft(1, "first"))
	r.must("", ann, "t1", draft(3, "third"))
	if s := r.must("", ann, "t1", draft(2, "second, late")); s.Draft.Sheet.Comment != "third" {
		t.Errorf("the draft is %q", s.Draft.Sheet.Comment)
	}
	r.must(qarules.Taken, bob, "t1", score(full(false), false))
	r.must(qarules.Invalid, ann, "t1", score(&event.QASheet{Rubric: judged.ID()}, false))
	once := score(full(true, "norm.closing", "ELIG-04"), false)
	once.CommandId = "once"
	s := r.must("", ann, "t1", once)
	if s.Status != qarules.Scored || s.Review.Score != 95 || s.Review.StandardsMet || s.Draft != nil {
		t.Errorf("scored: %v", s)
	}
	if again := r.must("", ann, "t1", once); again.Revision != s.Revision {
		t.Error("the same command changed it twice")
	}
	r.must(qarules.Conflict, ann, "t1", score(full(true), false))
	r.must(qarules.Forbidden, bob, "t1", publish())
	s = r.must("", chief, "t1", publish())
	if want := began.AddDate(0, 0, 3).UnixMilli(); s.AppealUntil != want {
		t.Errorf("an appeal until %d, want %d", s.AppealUntil, want)
	}
	if len(r.leads) != 1 || r.leads[0].CustomerId != "C1" || r.leads[0].CampaignId != "confirmation" || r.leads[0].ExpiresAt != 0 {
		t.Errorf("an invalid sale is called back: %v", r.leads)
	}
	r.must(qarules.Forbidden, ann, "t1", appeal("no"))
	r.must("", caller, "t1", appeal("he did say yes"))
	r.must(qarules.Conflict, caller, "t1", appeal("again"))
	r.must(qarules.Forbidden, user("ann", "red", "supervisor", "compliance"), "t1", decide("support", "void", nil))
	r.must(qarules.Forbidden, user("other", "blue", "supervisor"), "t1", decide("leader", "void", nil))
	r.must("", support, "t1", decide("support", "amend", full(true)))
	r.must(qarules.Conflict, support, "t1", decide("support", "reject", nil))
	s = r.must("", chief, "t1", decide("leader", "amend", nil))
	if s.Status != qarules.Closed || s.Appeal.Outcome != "amended" || s.Review.Score != 100 || !s.Review.StandardsMet || s.Original.Score != 95 || s.Review.Rater.UserId != "ann" {
		t.Errorf("decided: %v", s)
	}
	if len(r.leads) != 2 || r.leads[1].ExpiresAt == 0 {
		t.Errorf("the call back is taken back: %v", r.leads)
	}
	if len(r.queue) != 0 {
		t.Errorf("a closed task is still shown: %v", r.queue)
	}
	var kinds []string
	for _, e := range r.events {
		kinds = append(kinds, e.Kind)
	}
	if got, want := fmt.Sprint(kinds), "[queued claimed scored published appealed voted decided]"; got != want {
		t.Errorf("events %s, want %s", got, want)
	}
}

func TestSplitVoteLetsTheOriginalStand(t *testing.T) {
	for _, votes := range [][4]string{{"amend", "reject", "stands", ""}, {"reject", "reject", "stands", ""}, {"void", "void", "void", "void"}, {"void", "amend", "stands", ""}, {"amend", "amend-otherwise", "stands", ""}} {
		r := newRig(t)
		r.feed(event.TopicQATasks, "a1", task("t1", "c1", ""))
		r.must("", ann, "t1", claim())
		r.must("", ann, "t1", score(full(false, "norm.closing"), true))
		r.must("", caller, "t1", appeal("no"))
		sheet := func(v string) (string, *event.QASheet) {
			switch v {
			case "amend":
				return v, full(false)
			case "amend-otherwise":
				return "amend", full(false, "norm.time")
			}
			return v, nil
		}
		v, s := sheet(votes[0])
		r.must("", support, "t1", decide("support", v, s))
		v, s = sheet(votes[1])
		got := r.must("", chief, "t1", decide("leader", v, s))
		if got.Appeal.Outcome != votes[2] || got.Review.Void != (votes[3] == "void") || got.Review.Score != 95 {
			t.Errorf("%v: %v", votes, got)
		}
	}
}

func TestTimesRunOut(t *testing.T) {
	r := newRig(t)
	r.feed(event.TopicQATasks, "a1", task("t1", "c1", ""))
	r.must("", ann, "t1", claim())
	r.at(began.Add(20 * time.Minute))
	r.must("", ann, "t1", draft(1, "kept"))
	r.at(began.Add(49 * time.Minute))
	if s := r.queue["t1"]; s.Status != qarules.Claimed {
		t.Fatalf("a draft prolongs the claim: %v", s)
	}
	r.at(began.Add(50 * time.Minute))
	if s := r.queue["t1"]; s.Status != qarules.Open || s.Draft == nil || s.Expired != 1 {
		t.Fatalf("the claim ran out: %v", s)
	}
	r.must(qarules.Conflict, ann, "t1", score(full(false), false))
	if s := r.must("", ann, "t1", claim()); s.Draft.GetSheet().GetComment() != "kept" {
		t.Error("his own draft is kept")
	}
	r.must("", ann, "t1", &event.QACommand{Body: &event.QACommand_Release{Release: &event.QARelease{}}})
	if s := r.must("", bob, "t1", claim()); s.Draft != nil {
		t.Error("another's draft is not his")
	}
	late := claim()
	late.Deadline = began.UnixMilli()
	r.must(qarules.Expired, ann, "t1", late)
	r.must("", bob, "t1", score(full(false, "norm.closing"), true))
	published := r.d.Now()
	r.at(published.AddDate(0, 0, 3))
	if r.queue["t1"].GetStatus() != qarules.Published {
		t.Error("an appeal is possible to the last moment")
	}
	r.at(published.AddDate(0, 0, 3).Add(time.Millisecond))
	if r.queue["t1"] != nil {
		t.Error("nobody appealed: it is closed")
	}
	r.must(qarules.Late, caller, "t1", appeal("too late"))
}

func TestWhoMayHear(t *testing.T) {
	r := newRig(t)
	for id, role := range map[string]string{"ins": "", "own": qarules.LeaderOwn, "other": qarules.LeaderOther, "other2": qarules.LeaderOther, "week": qarules.Supervising} {
		call := "c1"
		if id != "ins" && id != "week" {
			call = id
		}
		r.feed(event.TopicQATasks, "a1", task(id, call, role))
	}
	blue, green := user("blue", "blue", "supervisor"), user("green", "green", "supervisor")
	for _, x := range []struct {
		want string
		who  *event.QAActor
		task string
	}{
		{qarules.Forbidden, &event.QAActor{UserId: "u1", AgentId: "a1", Roles: []string{"qa"}}, "ins"},
		{qarules.Forbidden, user("red-qa", "red", "qa"), "ins"},
		{qarules.Forbidden, chief, "ins"},
		{qarules.Forbidden, &event.QAActor{UserId: "x", Roles: []string{"qa"}, PartnerId: "p2"}, "ins"},
		{qarules.Forbidden, &event.QAActor{}, "ins"},
		{qarules.NotFound, ann, "nothing"},
		{qarules.Forbidden, ann, "own"},
		{qarules.Forbidden, blue, "own"},
		{qarules.Forbidden, chief, "other"},
		{qarules.Forbidden, ann, "other"},
		{"", chief, "own"}, {"", blue, "other"}, {"", ann, "ins"},
	} {
		r.must(x.want, x.who, x.task, claim())
	}
	r.must("", blue, "other", score(full(false), false))
	r.must(qarules.Forbidden, blue, "other2", claim()) // leaders take turns
	r.must("", green, "other2", claim())
	r.must("", ann, "ins", score(full(false), false))
	r.must(qarules.Forbidden, ann, "week", claim()) // a second opinion
	recuse := &event.QACommand{Body: &event.QACommand_Recuse{Recuse: &event.QARecuse{UserId: "bob", Reason: "her brother"}}}
	r.must(qarules.Forbidden, ann, "", recuse)
	r.must("", bob, "", recuse)
	r.must(qarules.Forbidden, bob, "week", claim())
	r.must("", support, "week", claim())
}

// A complaint puts the call's tasks first, those drawn before and after.
func TestComplaintsComeFirst(t *testing.T) {
	r := newRig(t)
	r.feed(event.TopicQATasks, "a1", task("t1", "c1", ""))
	r.feed(event.TopicQATasks, "a1", task("t2", "c2", ""))
	r.feed(event.TopicComplaintFacts, "k", &event.ComplaintFact{Complaint: &event.Complaint{ComplaintId: "x", AgentId: "a1"}, AttributedCallId: "c2"})
	r.feed(event.TopicQATasks, "a1", task("t3", "c2", qarules.Supervising))
	if qarules.Compare(r.queue["t2"], r.queue["t1"]) >= 0 || len(r.queue["t3"].Complaints) != 1 {
		t.Errorf("%v", r.queue)
	}
}

func TestReportedAndCalibrated(t *testing.T) {
	r := newRig(t)
	r.feed(event.TopicQATasks, "a1", task("t1", "c1", ""))
	report := func(p string) *event.QACommand {
		return &event.QACommand{Body: &event.QACommand_Report{Report: &event.QAReport{Problem: p}}}
	}
	r.must(qarules.Forbidden, ann, "t1", report("missing"))
	r.must("", ann, "t1", claim())
	r.must(qarules.Invalid, ann, "t1", report("boring"))
	if s := r.must("", ann, "t1", report("missing")); s.Status != qarules.Replaced || s.Incident.Problem != "missing" {
		t.Error(s)
	}
	cal := func(raters ...string) *event.QACommand {
		return &event.QACommand{Body: &event.QACommand_Calibrate{Calibrate: &event.QACalibrate{CalibrationId: "k1", Task: &event.QATask{CallId: "c9", AgentId: "a1"}, Raters: raters}}}
	}
	r.must(qarules.Forbidden, ann, "", cal("ann", "bob"))
	r.must(qarules.Invalid, support, "", cal("ann"))
	r.must(qarules.Invalid, support, "", cal("ann", "ann"))
	r.must("", support, "", cal("ann", "bob"))
	r.must(qarules.Forbidden, bob, "calibration|k1|ann", claim())
	for _, who := range []*event.QAActor{ann, bob} {
		id := "calibration|k1|" + who.UserId
		r.must("", who, id, claim())
		if s := r.must("", who, id, score(full(false), true)); s.Status != qarules.Closed || s.Review.PublishedAt != 0 {
			t.Error("a calibration is not published:", s)
		}
	}
}

// Whatever raters do in whatever order, with time going by: a task is scored once, by who held it, and every event's
// revision is greater than the one before.
func TestQueueProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := newRig(t)
		tasks, raters := []string{"t0", "t1", "t2"}, []*event.QAActor{ann, bob, user("cat", "", "qa")}
		for _, id := range tasks {
			r.feed(event.TopicQATasks, "a1", task(id, "call-"+id, ""))
		}
		holder, scored, revision := map[string]string{}, map[string]int{}, map[string]uint64{}
		seen := 0
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			who, id := rapid.SampledFrom(raters).Draw(t, "who"), rapid.SampledFrom(tasks).Draw(t, "task")
			switch rapid.IntRange(0, 5).Draw(t, "what") {
			case 0, 1:
				r.ask(who, id, claim())
			case 2:
				r.ask(who, id, draft(int64(rapid.IntRange(0, 5).Draw(t, "seq")), "x"))
			case 3:
				r.ask(who, id, score(full(false), rapid.Bool().Draw(t, "publish")))
			case 4:
				r.ask(who, id, &event.QACommand{Body: &event.QACommand_Release{Release: &event.QARelease{}}})
			case 5:
				r.at(r.d.Now().Add(time.Duration(rapid.IntRange(1, 40).Draw(t, "minutes")) * time.Minute))
			}
			for ; seen < len(r.events); seen++ {
				e := r.events[seen]
				if e.State.Revision <= revision[e.TaskId] {
					t.Fatalf("revision %d after %d", e.State.Revision, revision[e.TaskId])
				}
				revision[e.TaskId] = e.State.Revision
				switch e.Kind {
				case "claimed":
					if holder[e.TaskId] != "" {
						t.Fatalf("%s claims what %s holds", e.By.UserId, holder[e.TaskId])
					}
					holder[e.TaskId] = e.By.UserId
				case "released", "expired":
					holder[e.TaskId] = ""
				case "scored":
					scored[e.TaskId]++
					if holder[e.TaskId] != e.By.UserId || scored[e.TaskId] > 1 {
						t.Fatalf("%s scores what %q holds, %d times", e.By.UserId, holder[e.TaskId], scored[e.TaskId])
					}
				}
			}
		}
	})
}
