package contactcap

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/internal/stream"
	"github.com/ringfence/ringfence/internal/stream/memory"
	"github.com/ringfence/ringfence/processors/contactcap/policy"
)

// rig runs the processor without a broker; what it sends to customers comes back to it, as over Kafka.
type rig struct {
	t   *testing.T
	d   *memory.Driver[State]
	now time.Time
	got []stream.Output
}

func newRig(t *testing.T, src string) *rig {
	t.Helper()
	p, err := policy.Parse("test.yaml", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, now: time.Date(2026, 3, 2, 2, 0, 0, 0, time.UTC)}
	r.d = newDriver(Options{Policy: func() *policy.Policy { return p }})
	return r
}

func newDriver(o Options) *memory.Driver[State] {
	o.OrphanAfter, o.AttributionWindow, o.CustomerHash = 2*time.Hour, 30*24*time.Hour, func(s string) string { return "h" + s }
	def := New(o)
	def.Codec = TwiceCodec{}
	return memory.New(def)
}

func at(s string) int64 {
	t, err := time.Parse("2006-01-02 15:04", s)
	if err != nil {
		panic(err)
	}
	return t.UnixMilli()
}

func (r *rig) call(id, customer, when string, change func(*event.CustomerEvent, *event.Call)) {
	c := &event.Call{CallId: id, Direction: "outbound", Purpose: "sales", Products: []string{"p"}, StartedAt: at(when), EndedAt: at(when) + 60000, UpdatedAt: at(when) + 60000,
		Outcome: "no_answer", FieldsSet: 1<<2 | 1<<5 | 1<<7 | 1<<14 | 1<<17 | 1<<21}
	ce := &event.CustomerEvent{EventId: "call:" + id, CustomerId: customer, Body: &event.CustomerEvent_Call{Call: c}}
	if change != nil {
		change(ce, c)
	}
	r.send(ce)
}

func (r *rig) ask(id, customer, when string) *event.PermitDecision {
	r.t.Helper()
	r.send(&event.CustomerEvent{EventId: "permit:" + id, CustomerId: customer, Body: &event.CustomerEvent_PermitRequest{PermitRequest: &event.PermitRequest{
		RequestId: id, Purpose: "sales", Products: []string{"p"}, Recording: true, At: at(when), TtlMs: 60000, ReplyTo: &event.ReplyTo{Requester: "me", Correlation: 1}}}})
	for i := len(r.got) - 1; i >= 0; i-- {
		if r.got[i].Topic == event.TopicPermitDecisions {
			var pe event.PermitEvent
			if err := pe.UnmarshalVT(r.got[i].Value); err != nil {
				r.t.Fatal(err)
			}
			if d := pe.GetDecision(); d != nil && d.RequestId == id {
				return d
			}
		}
	}
	return nil
}

// asPartner asks as a partner does, a millisecond or so past a minute.
func (r *rig) asPartner(id, customer, partner string, ms int64) (last *event.PermitDecision) {
	r.t.Helper()
	n := len(r.got)
	r.send(&event.CustomerEvent{EventId: "permit:" + id, CustomerId: customer, Body: &event.CustomerEvent_PermitRequest{PermitRequest: &event.PermitRequest{
		RequestId: id, Purpose: "sales", Products: []string{"p"}, Recording: true, At: at("2026-03-02 02:00") + ms, TtlMs: 60000, PartnerId: partner, ReplyTo: &event.ReplyTo{Requester: partner, Correlation: 1}}}})
	for _, rec := range r.got[n:] {
		var pe event.PermitEvent
		if rec.Topic == event.TopicPermitDecisions && pe.UnmarshalVT(rec.Value) == nil && pe.GetDecision() != nil {
			last = pe.GetDecision()
		}
	}
	return last
}

// Request ids are their asker's: a partner that takes another one's is neither shown its answer nor given its permit (REP-04).
func TestRequestsOfPartnersAreTheirOwn(t *testing.T) {
	r := newRig(t, strings.Replace(six, "limit: 6", "limit: 2", 1))
	a := r.asPartner("r-1", "k", "p1", 0)
	if again := r.asPartner("r-1", "k", "p1", 5); again.PermitId != a.PermitId || !again.RepeatedAnswer {
		t.Errorf("the same partner got %+v", again)
	}
	if again := r.asPartner("r-1", "k", "", 6); again.PermitId != a.PermitId {
		t.Errorf("who asks for no partner got %+v", again)
	}
	if same := r.asPartner("r-1", "k", "p2", 0); !same.Expired || same.PermitId != "" {
		t.Errorf("another partner at the same moment got %+v", same)
	}
	b := r.asPartner("r-1", "k", "p2", 7)
	if b.Decision != "permit" || b.PermitId == a.PermitId || b.RepeatedAnswer || b.PartnerId != "p2" {
		t.Errorf("another partner got %+v", b)
	}
	// Both hold a slot of the cap, so the third has none; and each keeps its answer.
	c := r.asPartner("r-1", "k", "p3", 8)
	if c.Decision != "deny" {
		t.Errorf("a third partner got %+v", c)
	}
	for partner, want := range map[string]*event.PermitDecision{"p1": a, "p2": b, "p3": c} {
		if again := r.asPartner("r-1", "k", partner, 9); !again.RepeatedAnswer || again.At != want.At || again.PermitId != want.PermitId {
			t.Errorf("%s asks again and gets %+v, was %+v", partner, again, want)
		}
	}
}

func (r *rig) release(id string) int32 {
	customer, _ := event.PermitCustomer(id)
	r.send(&event.CustomerEvent{EventId: "release:" + id, CustomerId: customer, Body: &event.CustomerEvent_PermitRelease{PermitRelease: &event.PermitRelease{
		PermitId: id, At: r.now.UnixMilli(), ReplyTo: &event.ReplyTo{Requester: "me"}}}})
	for i := len(r.got) - 1; i >= 0; i-- {
		var pe event.PermitEvent
		if r.got[i].Topic == event.TopicPermitDecisions && pe.UnmarshalVT(r.got[i].Value) == nil && pe.GetReleaseResult() != nil {
			return pe.GetReleaseResult().HttpStatus
		}
	}
	return 0
}

// fact is the latest version of a call.
func (r *rig) fact(id string) *event.CallFact {
	for i := len(r.got) - 1; i >= 0; i-- {
		var f event.CallFact
		if r.got[i].Topic == event.TopicCallFacts && f.UnmarshalVT(r.got[i].Value) == nil && f.Call.CallId == id && !f.Retracted {
			return &f
		}
	}
	return nil
}

const six = "policy: six\ntime_zone: Asia/Shanghai\nrules:\n  - {id: CAP-01, limit: 6, count: call, in: {rolling: 12mo}}\n"

func TestPermitsReserveAndNothingFreesASlotButItsCallOrRelease(t *testing.T) {
	r := newRig(t, six)
	for i := range 4 {
		r.call(fmt.Sprint(i), "k", "2026-01-05 02:00", nil)
	}
	a, b := r.ask("a", "k", "2026-03-02 02:00"), r.ask("b", "k", "2026-03-02 02:00")
	c := r.ask("c", "k", "2026-03-02 02:00")
	if a.Decision != "permit" || b.Decision != "permit" || c.Decision != "deny" {
		t.Fatalf("%s %s %s", a.Decision, b.Decision, c.Decision)
	}
	if x := c.DeniedBy[0]; x.Rule != "CAP-01" || *x.Used != 6 || *x.Limit != 6 || x.NextAllowedAt != at("2027-01-05 02:00") || c.NextAllowedAt != x.NextAllowedAt {
		t.Errorf("%+v", c)
	}
	if again := r.ask("a", "k", "2026-03-02 02:00"); again.PermitId != a.PermitId || !again.RepeatedAnswer {
		t.Errorf("the same request got %+v", again)
	}
	if d := r.ask("late", "k", "2026-03-02 12:00"); d.Decision != "deny" {
		t.Error("time alone freed a slot")
	}
	if got := []int32{r.release(b.PermitId), r.release(b.PermitId), r.release(event.PermitID("k", "x", 1))}; got[0] != 204 || got[1] != 204 || got[2] != 404 {
		t.Errorf("releases %v", got)
	}
	if d := r.ask("d", "k", "2026-03-02 12:01"); d.Decision != "permit" {
		t.Errorf("a released slot is not free: %+v", d)
	}
	r.call("used", "k", "2026-03-02 02:00", func(_ *event.CustomerEvent, c *event.Call) { c.PermitId = a.PermitId })
	if f := r.fact("used"); f.CapVerdict != "permitted" || len(f.Violations) > 0 {
		t.Errorf("%+v", f)
	}
	if s := r.release(a.PermitId); s != 409 {
		t.Errorf("release of a used permit: %d", s)
	}
	if d := r.ask("e", "k", "2026-03-02 12:02"); d.Decision != "deny" {
		t.Error("the call did not take its permit's slot")
	}
}

func TestViolations(t *testing.T) {
	r := newRig(t, six)
	p := r.ask("a", "k", "2026-03-02 02:00")
	r.call("late", "k", "2026-03-02 02:01", func(_ *event.CustomerEvent, c *event.Call) { c.PermitId = p.PermitId })
	if f := r.fact("late"); f.CapVerdict != "violation" || fmt.Sprint(f.Violations) != "[PERMIT-EXPIRED]" {
		t.Errorf("dialled when the permit had run out: %+v", f)
	}
	for i := range 5 {
		r.call(fmt.Sprint(i), "k", "2026-03-03 02:00", nil)
	}
	if f := r.fact("4"); f.CapVerdict != "unasked" {
		t.Errorf("%+v", f)
	}
	r.call("seventh", "k", "2026-03-04 02:00", nil)
	if f := r.fact("seventh"); f.CapVerdict != "violation" || fmt.Sprint(f.Violations) != "[CAP-01]" || f.AttemptNo != 7 {
		t.Errorf("%+v", f)
	}
}

func TestUpdatesWinFieldByField(t *testing.T) {
	for _, order := range [][]int{{0, 1, 2}, {2, 1, 0}, {1, 0, 2}} {
		r := newRig(t, six)
		update := func(id string, minutes int64, change func(*event.Call)) {
			c := &event.Call{CallId: "c", UpdatedAt: at("2026-03-02 02:00") + minutes*60000}
			change(c)
			r.send(&event.CustomerEvent{EventId: id, CustomerId: "k", ReceivedAt: r.now.UnixMilli(), Body: &event.CustomerEvent_Call{Call: c}})
		}
		steps := []func(){
			func() { r.call("c", "k", "2026-03-02 02:00", nil) },
			func() {
				update("u1", 5, func(c *event.Call) { c.Disposition, c.AgentId, c.FieldsSet = "refuse", "a1", 1<<25|1<<10 })
			},
			func() { update("u2", 9, func(c *event.Call) { c.Disposition, c.FieldsSet = "agree", 1<<25 }) },
		}
		for _, i := range order {
			steps[i]()
			steps[i]() // twice: counts once
		}
		f := r.fact("c")
		if f == nil || f.Call.Disposition != "agree" || f.Call.AgentId != "a1" || f.Call.Outcome != "no_answer" || f.AttemptNo != 1 {
			t.Errorf("order %v: %+v", order, f)
		}
	}
}

// What was sent under a number counts for whoever turns out to own it, before his next permit.
func TestHistoryMovesWithItsNumber(t *testing.T) {
	r := newRig(t, six)
	byNumber := func(ce *event.CustomerEvent, c *event.Call) { ce.ByNumber, ce.NumberHash = true, "x" }
	for i := range 4 {
		r.call(fmt.Sprint(i), "n:x", "2026-01-05 02:00", byNumber)
	}
	for i := range 2 {
		r.call(fmt.Sprint("own", i), "k", "2026-01-06 02:00", nil)
	}
	r.send(&event.CustomerEvent{EventId: "u", CustomerId: "k", Body: &event.CustomerEvent_Customer{Customer: &event.CustomerUpdate{CustomerId: "k", At: at("2026-02-01 00:00"), Numbers: []string{"x"}}}})
	if d := r.ask("a", "k", "2026-03-02 02:00"); d == nil || d.Decision != "deny" || *d.DeniedBy[0].Used != 6 {
		t.Fatalf("the number's history did not move: %+v", d)
	}
	if d := r.ask("b", "n:x", "2026-03-02 02:00"); d == nil || d.CustomerId != "k" || d.Decision != "deny" {
		t.Errorf("a request by number did not reach the owner: %+v", d)
	}
	if f := r.fact("0"); f.Call.CustomerId != "k" {
		t.Errorf("the moved call's fact names %s", f.Call.CustomerId)
	}
	// Another customer gets the number from March on: only what was named by it since then moves.
	r.call("march", "n:x", "2026-03-05 02:00", byNumber)
	r.send(&event.CustomerEvent{EventId: "v", CustomerId: "z", Body: &event.CustomerEvent_Customer{Customer: &event.CustomerUpdate{CustomerId: "z", At: at("2026-03-01 00:00"), Numbers: []string{"x"}}}})
	if f := r.fact("march"); f.Call.CustomerId != "z" {
		t.Errorf("the March call is still %s's", f.Call.CustomerId)
	}
	if f := r.fact("1"); f.Call.CustomerId != "k" {
		t.Errorf("a January call went to %s", f.Call.CustomerId)
	}
}

func TestComplaintsAreAttributed(t *testing.T) {
	r := newRig(t, six)
	r.call("c1", "k", "2026-03-02 02:00", func(_ *event.CustomerEvent, c *event.Call) { c.CampaignId, c.AgentId, c.TeamId = "camp", "a1", "t1" })
	r.send(&event.CustomerEvent{EventId: "x", CustomerId: "k", Body: &event.CustomerEvent_Complaint{Complaint: &event.Complaint{ComplaintId: "cp", Event: "opened", At: at("2026-03-10 02:00")}}})
	var f event.ComplaintFact
	for _, o := range r.got {
		if o.Topic == event.TopicComplaintFacts {
			if err := f.UnmarshalVT(o.Value); err != nil {
				t.Fatal(err)
			}
		}
	}
	if f.AttributedBy != "last_call" || f.Complaint.CampaignId != "camp" || f.TeamId != "t1" || f.Unattributed {
		t.Errorf("%+v", &f)
	}
}

// send feeds an event and everything it makes the processor say to customers.
func (r *rig) send(ce *event.CustomerEvent) {
	r.t.Helper()
	v, err := ce.MarshalVT()
	if err != nil {
		r.t.Fatal(err)
	}
	queue := []stream.Output{{Topic: event.TopicCustomerEvents, Key: []byte(ce.CustomerId), Value: v}}
	for len(queue) > 0 {
		o := queue[0]
		queue = queue[1:]
		if err := r.d.Feed(stream.Record{Topic: o.Topic, Key: o.Key, Value: o.Value, Time: r.now}); err != nil {
			r.t.Fatal(err)
		}
		for _, out := range r.d.Outputs() {
			if out.Topic == event.TopicCustomerEvents {
				queue = append(queue, out)
				continue
			}
			r.got = append(r.got, out)
		}
	}
}

// Two customers turn out to be one: their histories join, whatever comes under either id counts for both, and nobody is
// asked in circles.
func TestCustomersMerge(t *testing.T) {
	r := newRig(t, six+"  - {id: NO, list: optout}\n")
	merge := func(id, into string, others ...string) {
		// As the API delivers it: the change to the one, a claim to each of the others.
		for _, o := range others {
			r.send(event.MergeClaim(id, into, o, 0))
		}
		r.send(&event.CustomerEvent{EventId: id, CustomerId: into, Body: &event.CustomerEvent_Customer{Customer: &event.CustomerUpdate{CustomerId: into, At: at("2026-02-01 00:00"), Merges: others}}})
	}
	for i := range 3 {
		r.call(fmt.Sprint("a", i), "a", "2026-01-05 02:00", nil)
		r.call(fmt.Sprint("b", i), "b", "2026-01-06 02:00", nil)
	}
	out := r.ask("out", "b", "2026-01-07 02:00") // a permit that is out counts for the one, too
	merge("m", "a", "b")
	for _, who := range []string{"a", "b"} {
		if d := r.ask("ask "+who, who, "2026-03-02 02:00"); d == nil || d.CustomerId != "a" || d.Decision != "deny" || *d.DeniedBy[0].Used != 7 {
			t.Fatalf("asked as %s: %+v", who, d)
		}
	}
	if f := r.fact("b1"); f.Call.CustomerId != "a" || f.CustomerHash != "ha" {
		t.Errorf("a call of the one merged is still %s's", f.Call.CustomerId)
	}
	r.send(&event.CustomerEvent{EventId: "u", CustomerId: "b", Body: &event.CustomerEvent_Call{Call: &event.Call{CallId: "b1", UpdatedAt: at("2026-03-02 03:00"), Disposition: "refuse", FieldsSet: 1 << 25}}})
	if f := r.fact("b1"); f.Call.Disposition != "refuse" {
		t.Error("an update under the old id did not arrive")
	}
	if s := r.release(out.PermitId); s != 204 {
		t.Errorf("release of a permit of the one merged: %d", s)
	}
	merge("back", "b", "a") // the other way round: they are one already
	merge("more", "c", "a")
	merge("circle", "b", "c")
	for i, who := range []string{"a", "b", "c"} {
		if d := r.ask(fmt.Sprint("again", i), who, "2026-03-02 02:00"); d == nil || d.CustomerId != "c" || *d.DeniedBy[0].Used != 6 {
			t.Errorf("asked as %s: %+v", who, d)
		}
	}
	yes := true
	r.call("no more", "a", "2026-03-03 02:00", func(_ *event.CustomerEvent, c *event.Call) { c.OptOut, c.FieldsSet = &yes, c.FieldsSet|1<<30 })
	if d := r.ask("last", "b", "2027-03-04 02:00"); len(d.DeniedBy) != 1 || d.DeniedBy[0].Rule != "NO" {
		t.Errorf("%+v", d)
	}
}

// Cleared refusals are recorded, with who cleared them and why.
func TestClearedRefusalsAreRecorded(t *testing.T) {
	r := newRig(t, "policy: p\nrules:\n  - {id: CAP-06, never_after: 1, of: refusal, per: product}\n")
	r.call("c", "k", "2026-03-01 02:00", func(_ *event.CustomerEvent, c *event.Call) { c.Disposition, c.FieldsSet = "refuse", c.FieldsSet|1<<25 })
	if d := r.ask("a", "k", "2026-03-02 02:00"); d.Decision != "deny" || !d.NeverAllowed {
		t.Fatalf("%+v", d)
	}
	r.send(&event.CustomerEvent{EventId: "clear", CustomerId: "k", Body: &event.CustomerEvent_Customer{Customer: &event.CustomerUpdate{CustomerId: "k", At: at("2026-03-02 03:00"),
		ClearRefusals: []string{"p"}, By: "li.wei", Note: "asked for it in the shop"}}})
	if d := r.ask("b", "k", "2026-03-02 04:00"); d.Decision != "permit" {
		t.Errorf("%+v", d)
	}
	var told *event.RefusalsCleared
	for _, o := range r.got {
		var pe event.PermitEvent
		if o.Topic == event.TopicPermitDecisions && pe.UnmarshalVT(o.Value) == nil && pe.GetRefusalsCleared() != nil {
			told = pe.GetRefusalsCleared()
		}
	}
	if told == nil || told.By != "li.wei" || told.Note == "" || fmt.Sprint(told.Products) != "[p]" || told.CustomerId != "k" {
		t.Errorf("told %+v", told)
	}
	s, _, _ := r.d.State("k")
	p, _ := policy.Parse("p", []byte("policy: p\nrules:\n  - {id: CAP-06, never_after: 1, of: refusal, per: product}\n"))
	if x := Explain(s.history(), p, Request{At: at("2026-03-02 05:00"), Products: []string{"p"}}); x.Rules[0].Detail != "0 refusals, never again after 1; refusals of p up to 2026-03-02T03:00:00Z were cleared by li.wei (asked for it in the shop)" {
		t.Error(x.Rules[0].Detail)
	}
}

// Of whom nothing is known that is said, until something is; a denial of what was asked about a mistyped id is nothing.
func TestNothingIsKnownOfACustomer(t *testing.T) {
	r := newRig(t, "policy: closed\ntime_zone: Asia/Shanghai\nrules:\n  - {id: NO, limit: 0, count: call, in: {rolling: 12mo}}\n")
	when := at("2026-03-02 02:00")
	if d := r.ask("r1", "k", "2026-03-02 02:00"); d.Decision != "deny" {
		t.Fatalf("%+v", d)
	}
	if x := r.explained(when); x["unknown"] != true {
		t.Errorf("of a customer nobody told of: %v", x)
	}
	r.call("c1", "k", "2026-03-01 02:00", nil)
	if x := r.explained(when); x["unknown"] != nil {
		t.Errorf("of a customer who was called: %v", x)
	}
	if (&History{Since: 1}).empty() {
		t.Error("a customer whose calls are forgotten is taken for an unknown one")
	}
}

// A partner's request is decided on everything that counts, and of the evidence it is shown its own and no more than how
// much there is of others (REP-04).
func TestAPartnerIsShownItsOwnEvidence(t *testing.T) {
	r := newRig(t, "policy: p\ntime_zone: Asia/Shanghai\nrules:\n  - {id: SIX, limit: 4, count: call, in: {rolling: 12mo}}\n  - {id: TOLD, limit: 9, count: complaint, in: {rolling: 12mo}}\n"+
		"  - {id: LEFT, gap: 3mo, since: cancellation}\n  - {id: OPT, list: optout}\n")
	of := func(partner string) func(*event.CustomerEvent, *event.Call) {
		return func(_ *event.CustomerEvent, c *event.Call) {
			c.PartnerId, c.AgentId, c.CampaignId, c.FieldsSet = partner, partner+"-agent", partner+"-campaign", c.FieldsSet|1<<13
		}
	}
	r.call("blue-call", "k", "2026-03-01 02:00", of("blue"))
	r.call("red-call", "k", "2026-03-01 03:00", of("red"))
	yes := true
	r.call("centre-call", "k", "2026-03-01 04:00", func(_ *event.CustomerEvent, c *event.Call) { c.OptOut = &yes })
	r.send(&event.CustomerEvent{EventId: "permit:red", CustomerId: "k", Body: &event.CustomerEvent_PermitRequest{PermitRequest: &event.PermitRequest{
		RequestId: "red-request", Purpose: "care", Recording: true, At: at("2026-02-28 02:00"), TtlMs: 60000, PartnerId: "red", ReplyTo: &event.ReplyTo{Requester: "me"}}}})
	for i, c := range []*event.Complaint{{ComplaintId: "red-1", PartnerId: "red"}, {ComplaintId: "red-2", CallId: "red-call"}, {ComplaintId: "blue-1", CallId: "blue-call"}, {ComplaintId: "blue-2", PartnerId: "blue"}} {
		c.Event, c.At = "opened", at("2026-03-01 05:00")+int64(i)
		r.send(&event.CustomerEvent{EventId: c.ComplaintId + "-opened", CustomerId: "k", Body: &event.CustomerEvent_Complaint{Complaint: c}})
	}
	r.send(&event.CustomerEvent{EventId: "changed", CustomerId: "k", Body: &event.CustomerEvent_Customer{Customer: &event.CustomerUpdate{CustomerId: "k", At: at("2026-03-01 06:00"), Products: map[string]string{"p": "cancelled"}}}})
	whole, own := r.explained(at("2026-03-02 02:00")), r.explainedTo("blue", at("2026-03-02 02:00"))
	want := map[string][2]int{"SIX": {1, 3}, "TOLD": {2, 2}, "LEFT": {1, 0}, "OPT": {0, 1}} // shown, withheld
	for _, x := range own["rules"].([]any) {
		rule := x.(map[string]any)
		withheld, _ := rule["withheld"].(float64)
		if got := [2]int{len(rule["evidence"].([]any)), int(withheld)}; got != want[rule["rule"].(string)] {
			t.Errorf("%s: %d shown and %d withheld, want %v", rule["rule"], got[0], got[1], want[rule["rule"].(string)])
		}
	}
	told, err := json.Marshal(own)
	if err != nil {
		t.Fatal(err)
	}
	if text := string(told); strings.Contains(text, "red") || strings.Contains(text, "centre") || !strings.Contains(text, "blue-call") || !strings.Contains(text, "blue-1-opened") || !strings.Contains(text, "changed") {
		t.Errorf("blue is told %s", text)
	}
	strip := func(e map[string]any) map[string]any {
		for _, x := range e["rules"].([]any) {
			delete(x.(map[string]any), "evidence")
			delete(x.(map[string]any), "withheld")
		}
		return e
	}
	if diff := cmp.Diff(strip(whole), strip(own)); diff != "" {
		t.Errorf("verdicts and counts depend on who asks:\n%s", diff)
	}
	if whole["decision"] != "deny" {
		t.Errorf("%v", whole)
	}
}
