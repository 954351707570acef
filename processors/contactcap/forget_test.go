package contactcap_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/internal/stream"
	"github.com/ringfence/ringfence/internal/stream/memory"
	"github.com/ringfence/ringfence/processors/contactcap"
	"github.com/ringfence/ringfence/processors/contactcap/policy"
)

// drawn are dice that rapid can make smaller.
type drawn struct{ *rapid.T }

func (d drawn) IntN(n int) int       { return rapid.IntRange(0, n-1).Draw(d.T, "die") }
func (d drawn) Int64N(n int64) int64 { return rapid.Int64Range(0, n-1).Draw(d.T, "die") }
func (d drawn) Shuffle(n int, swap func(i, j int)) {
	for i := n - 1; i > 0; i-- {
		swap(i, d.IntN(i+1))
	}
}

// lifelong is for policies whose windows are longer than what is kept of a call in any case.
var lifelong = grain{4 * quarter, 130 * 24, []string{"15m", "1d", "30d", "400d", "1mo", "3mo", "12mo", "13mo", "24mo", "1y", "2y", "3y"}, []int64{0, 10 * 4 * quarter, 20 * 4 * quarter, 24 * 4 * quarter},
	[]string{"Asia/Shanghai", "America/New_York", "Europe/Berlin", "America/Santiago", "Australia/Lord_Howe"}, 16 * 24, true}

// kept is how long a call is remembered after its last event, whatever the policy says: the tests are no stricter.
const kept = 34 * 24 * time.Hour

// twin is a processor that forgets or one that does not.
type twin struct {
	t      *rapid.T
	d      *memory.Driver[contactcap.State]
	now    time.Time
	said   *event.PermitDecision
	told   []byte
	facts  map[string]*event.CallFact
	policy *policy.Policy
}

func newTwin(t *rapid.T, forget bool, p *policy.Policy) *twin {
	w := &twin{t: t, facts: map[string]*event.CallFact{}, policy: p}
	def := contactcap.New(contactcap.Options{Policy: func() *policy.Policy { return w.policy }, Forget: forget, OrphanAfter: 2 * time.Hour,
		AttributionWindow: 30 * 24 * time.Hour, CustomerHash: func(s string) string { return "h" + s }})
	def.Codec = contactcap.TwiceCodec{}
	w.d = memory.New(def)
	return w
}

func (w *twin) at(now time.Time) {
	w.now = now
	if err := w.d.SetNow(now); err != nil {
		w.t.Fatal(err)
	}
	w.hear()
}

func (w *twin) send(ce *event.CustomerEvent) {
	v, err := ce.MarshalVT()
	if err != nil {
		w.t.Fatal(err)
	}
	w.feed([]byte(ce.CustomerId), v)
}

func (w *twin) feed(key, value []byte) {
	if err := w.d.Feed(stream.Record{Topic: event.TopicCustomerEvents, Key: key, Value: value, Time: w.now}); err != nil {
		w.t.Fatal(err)
	}
	w.hear()
}

// hear takes what the processor said; what it says to customers comes back to it.
func (w *twin) hear() {
	for _, o := range w.d.Outputs() {
		switch o.Topic {
		case event.TopicCustomerEvents:
			w.feed(o.Key, o.Value)
		case event.TopicPermitDecisions:
			var pe event.PermitEvent
			if err := pe.UnmarshalVT(o.Value); err != nil {
				w.t.Fatal(err)
			}
			if d := pe.GetDecision(); d != nil {
				w.said = d
			}
			if x := pe.GetExplanation(); x != nil {
				w.told = x.Json
			}
		case event.TopicCallFacts:
			f := &event.CallFact{}
			if err := f.UnmarshalVT(o.Value); err != nil {
				w.t.Fatal(err)
			}
			w.facts[f.Call.CallId] = f
		}
	}
}

// life is what happens to a customer, to both twins at once.
type life struct {
	c        chance
	b        *rulebook
	twins    [2]*twin // the first forgets
	now      time.Time
	n        int
	started  []int64
	last     map[string]time.Time // event of a call
	permits  []string
	given    map[string]time.Time
	merged   bool
	switches int
	doubts   map[string]contactcap.Doubt // as told at the first change of policy
	changed  bool                        // the policy is another than the one under which was forgotten
}

func (l *life) both(ce *event.CustomerEvent) {
	l.c.dice.(drawn).Logf("%s %v", stamp(l.now.UnixMilli()), ce)
	for _, w := range l.twins {
		w.said, w.told = nil, nil
		w.send(ce.CloneVT())
	}
}

func (l *life) name(kind string) string { l.n++; return fmt.Sprint(kind, l.n) }

// who is under which key something comes: the customer, the number that will turn out to be his, who will turn out to be him.
func (l *life) who() (key string, byNumber bool) {
	switch l.c.IntN(6) {
	case 0:
		return "n:n1", true
	case 1:
		return "other", false
	}
	return "k", false
}

// pass lets time pass: a little, months, or until a window borders on the moment.
func (l *life) pass() {
	next := l.now
	switch l.c.IntN(6) {
	case 0:
		next = next.Add(time.Duration(l.c.Int64N(3*24*60)) * time.Minute)
	case 3:
		next = next.Add(time.Duration(l.c.Int64N(30*24)) * time.Hour)
	case 4:
		if len(l.started) == 0 {
			return
		}
		next = time.Date(time.UnixMilli(pick(l.c, l.started)).Year(), time.December, 31, 0, 0, 0, 0, oZones[pick(l.c, lifelong.zones)]).Add(-time.Duration(l.c.IntN(10*24)) * time.Hour)
	case 1:
		next = next.Add(time.Duration(l.c.Int64N(100*24)) * time.Hour)
	case 2:
		next = next.Add(time.Duration(l.c.Int64N(500*24)) * time.Hour)
	default:
		if len(l.started) == 0 {
			return
		}
		border := l.border()
		if l.c.yes(30) {
			border += (35 * 24 * time.Hour).Milliseconds()
		}
		next = time.UnixMilli(border)
	}
	if next.Before(l.now) {
		return
	}
	l.now = next
	for _, w := range l.twins {
		w.at(next)
	}
}

// border is when a call that there was leaves a window, give or take a millisecond.
func (l *life) border() int64 {
	s, zone := span(pick(l.c, lifelong.spans)), oZones[pick(l.c, lifelong.zones)]
	if len(l.b.spans) > 0 && l.c.yes(70) {
		s, zone = pick(l.c, l.b.spans), l.b.home
	}
	return oAdd(pick(l.c, l.started), s, zone) + int64(l.c.IntN(3)-1)
}

func (l *life) call() {
	key, byNumber := l.who()
	at := l.now.UnixMilli() - l.c.Int64N(3600_000)
	if l.c.yes(15) {
		at = l.now.UnixMilli() - l.c.Int64N(kept.Milliseconds())
	}
	if l.c.yes(10) { // imported from long ago
		at = l.now.UnixMilli() - l.c.Int64N(5*365*86400_000)
	}
	if len(l.started) > 0 && l.c.yes(30) {
		if b := l.border(); b <= l.now.UnixMilli() && b > l.now.Add(-kept).UnixMilli() {
			at = b
		}
	}
	c := &event.Call{CallId: l.name("c"), Direction: pick(l.c, []string{"outbound", "outbound", "outbound", "inbound"}), Purpose: pick(l.c, oPurposes), CampaignId: pick(l.c, oCampaigns),
		Products: l.c.products(), StartedAt: at, EndedAt: at + 60_000, UpdatedAt: at + 60_000, Outcome: pick(l.c, oOutcomes), AnsweredBy: pick(l.c, oBy),
		FieldsSet: 1<<2 | 1<<5 | 1<<6 | 1<<7 | 1<<14 | 1<<17 | 1<<21 | 1<<22}
	if l.c.yes(60) {
		c.AnsweredAt, c.BridgedAt, c.FieldsSet = at+1000, at+2000, c.FieldsSet|1<<15|1<<16
	}
	if l.c.yes(10) {
		c.Refused, c.FieldsSet = some(l.c, oProducts, 2), c.FieldsSet|1<<28
	}
	if l.c.yes(3) {
		c.OptOut, c.FieldsSet = ptr(true), c.FieldsSet|1<<30
	}
	if id := l.permit(); id != "" && l.c.yes(60) && ofKey(id, key) {
		// Under another key the call does not find its permit until the two join, and once it is forgotten never: the permit
		// goes on counting.
		c.PermitId, c.FieldsSet = id, c.FieldsSet|1<<4
	}
	l.started = append(l.started, at)
	l.last[c.CallId] = l.now
	l.both(&event.CustomerEvent{EventId: "call:" + c.CallId, CustomerId: key, ByNumber: byNumber, NumberHash: pick(l.c, oNumbers[:1]), ReceivedAt: l.now.UnixMilli(), Body: &event.CustomerEvent_Call{Call: c}})
	l.sameFact(c.CallId)
}

func ofKey(permit, key string) bool {
	customer, ok := event.PermitCustomer(permit)
	return ok && customer == key
}

// sameFact compares what was told of a call that was not late.
func (l *life) sameFact(id string) {
	a, b := l.twins[0].facts[id], l.twins[1].facts[id]
	if l.changed || a == nil || b == nil || b.Call.StartedAt < l.now.Add(-kept).UnixMilli() {
		return
	}
	if a.CapVerdict != b.CapVerdict || !slices.Equal(a.Violations, b.Violations) || a.AttemptNo != b.AttemptNo {
		l.c.dice.(drawn).Fatalf("call %s at %s: %s %v, attempt %d; had nothing been forgotten %s %v, attempt %d\n%s", id, stamp(b.Call.StartedAt), a.CapVerdict, a.Violations, a.AttemptNo,
			b.CapVerdict, b.Violations, b.AttemptNo, l.b.src)
	}
}

// update changes a call whose last event is not long ago.
func (l *life) update() {
	var young []string
	for _, id := range slices.Sorted(maps.Keys(l.last)) {
		if l.now.Sub(l.last[id]) < kept {
			young = append(young, id)
		}
	}
	if len(young) == 0 {
		return
	}
	id := pick(l.c, young)
	f := l.twins[1].facts[id]
	if f == nil {
		return
	}
	c := &event.Call{CallId: id, UpdatedAt: f.Call.UpdatedAt + 1, FieldsSet: 0}
	switch l.c.IntN(3) {
	case 0:
		c.Disposition, c.FieldsSet = "refuse", 1<<25
	case 1:
		c.StartedAt, c.FieldsSet = f.Call.StartedAt+l.c.Int64N(3600_000)-1800_000, 1<<14
		l.started = append(l.started, c.StartedAt)
	case 2:
		c.Purpose, c.FieldsSet = pick(l.c, oPurposes), 1<<5
	}
	l.last[id] = l.now
	l.both(&event.CustomerEvent{EventId: l.name("u"), CustomerId: f.Call.CustomerId, ReceivedAt: l.now.UnixMilli(), Body: &event.CustomerEvent_Call{Call: c}})
	if a, b := l.twins[0].facts[id].Call, l.twins[1].facts[id].Call; !a.EqualVT(b) {
		l.c.dice.(drawn).Fatalf("an update made of a call\n%v\nhad nothing been forgotten\n%v", a, b)
	}
}

func (l *life) change() {
	u := &event.CustomerUpdate{CustomerId: "k", At: l.now.UnixMilli()}
	if l.c.yes(20) {
		u.Segment = ptr(pick(l.c, []string{"public", "vip", "corporate"}))
	}
	if l.c.yes(40) {
		u.TimeZone = ptr(pick(l.c, lifelong.zones))
	}
	if l.c.yes(20) {
		u.Lists = map[string]bool{pick(l.c, oLists): l.c.yes(40)}
	}
	if l.c.yes(40) {
		u.Products = map[string]string{pick(l.c, oProducts): pick(l.c, []string{"active", "cancelled"})}
	}
	if l.c.yes(20) {
		u.ClearRefusals = some(l.c, oProducts, 2)
	}
	if l.c.yes(25) {
		u.Numbers = oNumbers[:1]
	}
	id := l.name("change")
	if !l.merged && l.c.yes(15) {
		l.merged, u.Merges = true, []string{"other"}
		l.both(event.MergeClaim(id, "k", "other", l.now.UnixMilli()))
	}
	l.both(&event.CustomerEvent{EventId: id, CustomerId: "k", ReceivedAt: l.now.UnixMilli(), Body: &event.CustomerEvent_Customer{Customer: u}})
}

func (l *life) complaint() {
	x := &event.Complaint{ComplaintId: fmt.Sprint("x", l.c.IntN(3)), Event: pick(l.c, []string{"opened", "graded", "rejected", "reopened"}), At: l.now.UnixMilli(), Products: l.c.products()}
	if l.c.yes(10) {
		x.Severity = "serious"
	}
	l.both(&event.CustomerEvent{EventId: l.name("x"), CustomerId: "k", ReceivedAt: l.now.UnixMilli(), Body: &event.CustomerEvent_Complaint{Complaint: x}})
}

func (l *life) request(at int64) *event.PermitRequest {
	q := l.c.request(l.b)
	return &event.PermitRequest{RequestId: l.name("r"), Purpose: q.purpose, Products: q.products, CampaignId: q.campaign, PartnerId: q.partner, CallerId: q.caller, InboundNumber: q.inbound,
		GuaranteedAgent: q.guaranteed, Recording: q.recording, At: at, TtlMs: 60_000, ReplyTo: &event.ReplyTo{Requester: "me"}}
}

// ask has a permit decided by both.
func (l *life) ask() {
	if l.changed { // from here on one may permit what the other denies, and their histories would part
		return
	}
	key, byNumber := l.who()
	l.both(&event.CustomerEvent{EventId: l.name("permit"), CustomerId: key, ByNumber: byNumber, NumberHash: "n1", Body: &event.CustomerEvent_PermitRequest{PermitRequest: l.request(l.now.UnixMilli())}})
	a, b := l.twins[0].said, l.twins[1].said
	if !a.EqualVT(b) {
		l.c.dice.(drawn).Fatalf("at %s: %v\nhad nothing been forgotten: %v\n%s", stamp(l.now.UnixMilli()), a, b, l.b.src)
	}
	if a.GetPermitId() != "" {
		l.permits = append(l.permits, a.PermitId)
		l.given[a.PermitId] = l.now
	}
}

// permit is one that was given, "" if there is none: those that are over are forgotten after 30 days.
func (l *life) permit() string {
	if len(l.permits) == 0 {
		return ""
	}
	id := pick(l.c, l.permits)
	if l.now.Sub(l.given[id]) > 29*24*time.Hour {
		return ""
	}
	return id
}

func (l *life) release() {
	id := l.permit()
	if id == "" {
		return
	}
	customer, _ := event.PermitCustomer(id)
	l.both(&event.CustomerEvent{EventId: l.name("release"), CustomerId: customer, Body: &event.CustomerEvent_PermitRelease{PermitRelease: &event.PermitRelease{PermitId: id, At: l.now.UnixMilli()}}})
}

// otherPolicy puts another in force.
func (l *life) otherPolicy() {
	other := l.c.policyOf(l.c.dice.(drawn), &lifelong)
	l.doubts, l.changed = nil, true
	if l.switches++; l.switches == 1 {
		l.doubts = map[string]contactcap.Doubt{}
		for _, d := range contactcap.Doubts(l.b.engine, other.engine, l.now) {
			l.doubts[d.Rule] = d
		}
	}
	l.b = other
	for _, w := range l.twins {
		w.policy = other.engine
	}
}

// explain compares what every rule says, now or later.
func (l *life) explain() {
	at := l.now.UnixMilli()
	if l.c.yes(30) {
		at += l.c.Int64N(2 * 365 * 86400_000)
	}
	key, byNumber := l.who()
	l.both(&event.CustomerEvent{CustomerId: key, ByNumber: byNumber, NumberHash: "n1", Body: &event.CustomerEvent_ExplainRequest{ExplainRequest: &event.ExplainRequest{ReplyTo: &event.ReplyTo{Requester: "me"}, Request: l.request(at)}}})
	var told [2]contactcap.Explanation
	for i, w := range l.twins {
		if err := json.Unmarshal(w.told, &told[i]); err != nil {
			l.c.dice.(drawn).Fatal(err)
		}
	}
	a, b := &told[0], &told[1]
	doubted := false
	for i := range b.Rules {
		x, y := a.Rules[i], b.Rules[i]
		detail, warning, _ := strings.Cut(x.Detail, "; calls before")
		said := warning != ""
		if x.Detail = detail; said && strings.Contains(y.Detail, "; refusals") {
			x.Detail = y.Detail
		}
		if y.Verdict == "allow" && strings.Contains(y.Detail, " have passed since the last ") { // of a gap that has passed the event is told as long as it is known
			x.Evidence, y.Evidence, x.Withheld, y.Withheld, x.Detail, y.Detail = nil, nil, 0, 0, "", ""
		}
		if said && !l.changed && strings.Contains(warning, "can be trusted") {
			l.c.dice.(drawn).Fatalf("nothing that %s counts may be forgotten, and it warns of it:%s", x.Rule, warning)
		}
		if said && l.changed {
			doubted = true
			if d, ok := l.doubts[x.Rule]; l.doubts != nil && (!ok || !d.From.IsZero() && at > d.From.UnixMilli()) {
				l.c.dice.(drawn).Fatalf("%s is doubted at %s:%s; when the policy was loaded it was said: %+v (%v)", x.Rule, stamp(at), warning, d, ok)
			}
			continue
		}
		if diff := cmp.Diff(y, x); diff != "" {
			l.c.dice.(drawn).Fatalf("%s at %s, forgetting (+) or not (-):\n%s\n%s", x.Rule, stamp(at), diff, l.b.src)
		}
	}
	if !doubted && (a.Decision != b.Decision || cmp.Diff(a.NextAllowedAt, b.NextAllowedAt) != "") {
		l.c.dice.(drawn).Fatalf("at %s: %s until %v; had nothing been forgotten %s until %v\n%s", stamp(at), a.Decision, a.NextAllowedAt, b.Decision, b.NextAllowedAt, l.b.src)
	}
}

// looksBack is how far a rule looks back, zero for those of no span.
func looksBack(r oRule) oSpan {
	if r.kind == "gap" {
		return r.gap
	}
	return r.rolling
}

// policyOf makes a policy of a grain.
func (c chance) policyOf(t failer, g *grain) *rulebook {
	b := &rulebook{g: g, base: time.Date(2026, 3, 2, 2, 0, 0, 0, time.UTC).UnixMilli()}
	zone := pick(c, g.zones)
	b.home, b.src = oZones[zone], "policy: random\ntime_zone: "+zone+"\nrules:\n"
	for i := range 1 + c.IntN(5) {
		text, r := c.rule(i, g)
		if r.kind == "hours" && c.yes(30) {
			text = strings.TrimSuffix(text, "}") + ", holidays: [2026-03-03, 2027-01-01]}"
		}
		b.src += "  - " + text + "\n"
		if s := looksBack(r); s != (oSpan{}) {
			b.spans = append(b.spans, s)
		}
	}
	var err error
	if b.engine, err = policy.Parse("random.yaml", []byte(b.src)); err != nil {
		t.Fatalf("%v\n%s", err, b.src)
	}
	return b
}

// Whatever is forgotten, and whenever: no decision, no rule's count and no next moment is another than if nothing had been.
// Under a policy that looks further back than the one under which was forgotten, every rule that may be wrong says so, and
// from the moment it names on it is right; whoever loads the policy is told of each of them.
func TestForgettingChangesNothing(t *testing.T) {
	forgotten, doubts := 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		c := chance{drawn{rt}}
		l := &life{c: c, b: c.policyOf(rt, &lifelong), now: time.Date(2026, 3, 2, 2, 0, 0, 0, time.UTC), last: map[string]time.Time{}, given: map[string]time.Time{}}
		l.twins = [2]*twin{newTwin(rt, true, l.b.engine), newTwin(rt, false, l.b.engine)}
		for _, w := range l.twins {
			w.at(l.now)
		}
		for range 10 + c.IntN(50) {
			switch k := c.IntN(40); {
			case k < 8:
				l.pass()
			case k < 18:
				l.call()
			case k < 21:
				l.update()
			case k < 24:
				l.change()
			case k < 25:
				l.complaint()
			case k < 29:
				l.ask()
			case k < 30:
				l.release()
			case k < 31:
				l.otherPolicy()
			default:
				l.explain()
			}
		}
		for _, key := range []string{"k", "n:n1", "other"} {
			s, _, err := l.twins[0].d.State(key)
			if err != nil {
				rt.Fatal(err)
			}
			if s != nil && s.Since > 0 {
				forgotten++
			}
		}
		if l.changed {
			doubts++
		}
	})
	t.Logf("histories were cut %d times, %d policies changed", forgotten, doubts)
	if forgotten == 0 && !t.Failed() {
		t.Error("nothing was ever forgotten: this says nothing")
	}
}
