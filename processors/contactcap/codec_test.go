package contactcap

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/protobuf/testing/protocmp"
	"pgregory.net/rapid"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/processors/contactcap/policy"
)

// anyState is a state of every kind of content.
func anyState(t *rapid.T) *State {
	word := rapid.OneOf(rapid.SampledFrom([]string{"", "sales", "human", "5g-199", "campaign-1", "0123456789abcdef0123456789abcdef", "customer:00ff00ff", "C000017", "名前"}), rapid.String())
	list := rapid.SliceOfN(word, 0, 3)
	ms := rapid.Int64Range(-1<<40, 1<<42)
	maybe := func(name string) *string {
		if !rapid.Bool().Draw(t, name+" set") {
			return nil
		}
		s := word.Draw(t, name)
		return &s
	}
	n := func(name string) int { return rapid.IntRange(0, 4).Draw(t, name) }
	yes := func(name string) bool { return rapid.Bool().Draw(t, name) }
	s := &State{}
	for range n("calls") {
		s.Calls = append(s.Calls, CallEntry{At: ms.Draw(t, "at"), Inbound: yes("in"), Answered: yes("answered"), Bridged: yes("bridged"), OptOut: yes("out"), ByNumber: yes("by number"),
			AnsweredBy: word.Draw(t, "by"), Outcome: word.Draw(t, "outcome"), Purpose: word.Draw(t, "purpose"), Campaign: word.Draw(t, "campaign"), Products: list.Draw(t, "products"),
			Refused: list.Draw(t, "refused"), NumberHash: word.Draw(t, "number"), Tag: rapid.Uint16().Draw(t, "tag"), Events: rapid.SliceOfN(rapid.Uint16(), 0, 3).Draw(t, "events")})
		if yes("again") { // a call of the same shape
			c := s.Calls[0]
			c.At, c.Tag = ms.Draw(t, "at"), rapid.Uint16().Draw(t, "tag")
			s.Calls = append(s.Calls, c)
		}
	}
	for range n("permits") {
		s.Permits = append(s.Permits, PermitEntry{At: ms.Draw(t, "at"), Purpose: word.Draw(t, "purpose"), Campaign: word.Draw(t, "campaign"), Products: list.Draw(t, "products"),
			NumberHash: word.Draw(t, "number"), Over: permitState(rapid.IntRange(0, 2).Draw(t, "over")), Orphaned: yes("orphaned"), ByNumber: yes("by number"), ExpiresAt: ms.Draw(t, "expires"),
			DecidedAt: ms.Draw(t, "decided"), RequestID: word.Draw(t, "request"), Owner: word.Draw(t, "owner"), Sum: rapid.Uint64().Draw(t, "sum"), CallHash: rapid.Uint64().Draw(t, "call"),
			Policy: word.Draw(t, "policy"), Partner: word.Draw(t, "partner"), Dialer: word.Draw(t, "dialer"), Zone: word.Draw(t, "zone")})
	}
	for range n("answers") {
		a := Answer{At: ms.Draw(t, "at"), DecidedAt: ms.Draw(t, "decided"), RequestID: word.Draw(t, "request"), Purpose: word.Draw(t, "purpose"), Products: list.Draw(t, "products"),
			Policy: word.Draw(t, "policy"), Zone: word.Draw(t, "zone"), Next: ms.Draw(t, "next")}
		for range n("denials") {
			d := AnsweredDenial{Rule: word.Draw(t, "rule"), Next: ms.Draw(t, "next"), Detail: word.Draw(t, "detail")}
			if d.Counted = yes("counted"); d.Counted {
				d.Used, d.Limit = ms.Draw(t, "used"), ms.Draw(t, "limit")
			}
			a.Denials = append(a.Denials, d)
		}
		s.Answers = append(s.Answers, a)
	}
	for range n("changes") {
		c := Change{At: ms.Draw(t, "at"), EventID: word.Draw(t, "id"), Segment: maybe("segment"), Plan: maybe("plan"), TimeZone: maybe("zone"), Region: maybe("region"), Tariff: maybe("tariff")}
		if c.GroupsSet = yes("groups set"); c.GroupsSet {
			c.Groups = list.Draw(t, "groups")
		}
		if yes("lists") {
			c.Lists = rapid.MapOfN(word, rapid.Bool(), 1, 3).Draw(t, "lists")
		}
		if yes("products") {
			c.Products = rapid.MapOfN(word, word, 1, 3).Draw(t, "products")
		}
		if c.ClearRefusals = list.Draw(t, "clear"); len(c.ClearRefusals) > 0 {
			c.By, c.Note = word.Draw(t, "by"), word.Draw(t, "note")
		}
		s.Changes = append(s.Changes, c)
	}
	s.Seen = rapid.SliceOfN(rapid.Uint64(), 0, 3).Draw(t, "seen")
	if yes("forgotten") {
		s.Since, s.Forgotten, s.Retry = 1+rapid.Int64Range(0, 1<<42).Draw(t, "since"), rapid.IntRange(0, 1000).Draw(t, "forgotten"), ms.Draw(t, "retry")
	}
	if yes("rare") {
		s.Complaints = []*event.ComplaintState{{Complaint: &event.Complaint{ComplaintId: "x"}, FirstAt: 7}}
		s.Claims = []*event.Claim{{ClaimId: "c", Outstanding: 2}}
		s.Deferred = [][]byte{{1, 2}}
	}
	return s
}

var sameState = cmp.Options{cmpopts.EquateEmpty(), protocmp.Transform(), cmpopts.IgnoreFields(State{}, "origin")}

func TestStateComesBackAsItWas(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := anyState(t)
		b, err := Codec{}.Append(nil, s)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Codec{}.Decode(b)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(s, got, sameState); diff != "" {
			t.Fatal(diff)
		}
		if again, err := (Codec{}).Append(nil, got); err != nil || !bytes.Equal(again, b) {
			t.Fatalf("the same state is written otherwise: %v", err)
		}
		if _, err := (Codec{}).Decode(b[:rapid.IntRange(1, len(b)).Draw(t, "cut")-1]); err == nil && len(b) > 2 && len(s.Calls) > 0 {
			t.Log("cut short and still a state") // it may be, at the end of a section; it must not panic
		}
	})
}

// What a permit request does to a state is written with the beginning copied, into memory that held another state before, and reads
// as if the whole had been written.
func TestAddedToWhatWasRead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var used State
		for range rapid.IntRange(1, 3).Draw(t, "states") {
			was := anyState(t)
			b, err := Codec{}.Append(nil, was)
			if err != nil {
				t.Fatal(err)
			}
			if err := (Codec{}).Borrow(&used, b); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(was, &used, sameState); diff != "" {
				t.Fatal(diff)
			}
			more := anyState(t)
			switch {
			case len(more.Permits) > 0:
				used.Permits, was.Permits = append(used.Permits, more.Permits[0]), append(was.Permits, more.Permits[0])
			case len(more.Answers) > 0:
				used.Answers, was.Answers = append(used.Answers, more.Answers[0]), append(was.Answers, more.Answers[0])
			}
			got, err := TwiceCodec{}.Append(nil, &used)
			if err != nil {
				t.Fatal(err)
			}
			want, err := Codec{}.Append(nil, was)
			if err != nil || !bytes.Equal(got, want) {
				t.Fatalf("%q, not %q, %v", got, want, err)
			}
		}
	})
}

// FuzzState: whatever bytes are read, there is a state or an error, and a state is written as it was read.
func FuzzState(f *testing.F) {
	for i := range 40 {
		s := rapid.Custom(anyState).Example(i)
		b, err := Codec{}.Append(nil, s)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
		f.Add(b[:len(b)/2])
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		s, err := Codec{}.Decode(in)
		if err != nil {
			return
		}
		b, err := Codec{}.Append(nil, s)
		if err != nil {
			return // protobuf refuses a text that is no UTF-8
		}
		again, err := Codec{}.Decode(b)
		if err != nil {
			t.Fatalf("its own bytes are refused: %v", err)
		}
		if diff := cmp.Diff(s, again, sameState); diff != "" {
			t.Fatal(diff)
		}
	})
}

// usualCalls are n calls of one customer as an operator's campaigns make them: two campaigns a year, mostly unanswered.
func usualCalls(r *rig, customer string, n int) {
	start := time.Date(2026, 1, 6, 2, 0, 0, 0, time.UTC)
	for i := range n {
		at := start.Add(time.Duration(i) * 31 * 24 * time.Hour).Add(time.Duration(i*7919%7200_000) * time.Millisecond).UnixMilli()
		c := &event.Call{CallId: fmt.Sprintf("sim-20260302-%08d", i), Direction: "outbound", Purpose: "sales", CampaignId: "5g-upgrade", Products: []string{"5g-199"}, ListId: "list-7", LeadId: fmt.Sprint("lead-", i),
			AgentId: "agent-17", TeamId: "team-3", DialerId: "ringfence-dialer", CallerId: "10010", StartedAt: at, EndedAt: at + 30_000, UpdatedAt: at + 30_000, Outcome: "no_answer",
			FieldsSet: 1<<2 | 1<<3 | 1<<5 | 1<<6 | 1<<7 | 1<<8 | 1<<9 | 1<<10 | 1<<11 | 1<<13 | 1<<14 | 1<<17 | 1<<21}
		if i%2 == 1 {
			c.CampaignId, c.Products = "broadband-winback", []string{"fibre-1000"}
		}
		if i%3 == 2 {
			c.AnsweredAt, c.BridgedAt, c.Outcome, c.AnsweredBy, c.Disposition = at+8000, at+9000, "answered", "human", "consider"
			c.FieldsSet |= 1<<15 | 1<<16 | 1<<22 | 1<<25
		}
		r.send(&event.CustomerEvent{EventId: fmt.Sprintf("call:%s:%d", c.CallId, c.UpdatedAt), CustomerId: customer, NumberHash: fmt.Sprintf("%032x", i%2+1<<40), Body: &event.CustomerEvent_Call{Call: c}})
	}
}

// A customer with ten calls takes at most 200 bytes.
func TestStateIsSmall(t *testing.T) {
	r := newRig(t, six)
	usualCalls(r, "C000017", 10)
	n := len(r.d.StateBytes("C000017"))
	whole := 0
	for _, k := range r.d.Keys() {
		whole += len(r.d.StateBytes(k))
	}
	t.Logf("%d bytes; %d with the whole calls beside it", n, whole)
	if n > 200 {
		t.Errorf("a customer with ten calls takes %d bytes", n)
	}
}

// Of events with one id the first counts, whatever kind and call the others are of.
func TestOneEventID(t *testing.T) {
	r := newRig(t, six)
	same := func(ce *event.CustomerEvent, _ *event.Call) { ce.EventId = "same" }
	r.call("a", "k", "2026-03-02 02:00", same)
	r.call("b", "k", "2026-03-03 02:00", same)
	vip := "vip"
	r.send(&event.CustomerEvent{EventId: "change", CustomerId: "k", Body: &event.CustomerEvent_Customer{Customer: &event.CustomerUpdate{At: at("2026-03-01 00:00"), Segment: &vip}}})
	r.call("c", "k", "2026-03-03 02:00", func(ce *event.CustomerEvent, _ *event.Call) { ce.EventId = "change" })
	if r.fact("a") == nil || r.fact("b") != nil || r.fact("c") != nil {
		t.Error("a second event of one id was counted")
	}
	if s, _, err := r.d.State("k"); err != nil || len(s.Calls) != 1 {
		t.Errorf("%d calls, %v", len(s.Calls), err)
	}
}

// Calls whose ids share a tag stay apart.
func TestCallsOfOneTag(t *testing.T) {
	r := newRig(t, six)
	byTag := map[uint16]string{}
	a, b := "", ""
	for i := 0; a == ""; i++ {
		id := fmt.Sprint("c", i)
		if other, ok := byTag[tagOf(hashID(id))]; ok {
			a, b = other, id
		}
		byTag[tagOf(hashID(id))] = id
	}
	r.call(a, "k", "2026-03-02 02:00", nil)
	r.call(b, "k", "2026-03-02 02:00", nil)
	r.send(&event.CustomerEvent{EventId: "u", CustomerId: "k", Body: &event.CustomerEvent_Call{Call: &event.Call{CallId: b, UpdatedAt: at("2026-03-02 03:00"), Disposition: "refuse", FieldsSet: 1 << 25}}})
	if x, y := r.fact(a), r.fact(b); x.Call.Disposition != "" || y.Call.Disposition != "refuse" {
		t.Errorf("%q %q", x.Call.Disposition, y.Call.Disposition)
	}
	s, _, err := r.d.State("k")
	if err != nil || len(s.Calls) != 2 || len(s.Calls[0].Refused)+len(s.Calls[1].Refused) != 1 {
		t.Errorf("%+v %v", s, err)
	}
}

// Calls that no rule counts any more are forgotten, with their whole records, and it is known since when the history is
// whole; what holds for ever stays.
func TestOldCallsAreForgotten(t *testing.T) {
	r := newRig(t, six)
	p, err := policy.Parse("test.yaml", []byte(six+"  - {id: YEARS, limit: 9, count: call, in: {rolling: 36mo}}\n  - {id: NO, list: optout}\n"))
	if err != nil {
		t.Fatal(err)
	}
	inForce, err := policy.Parse("test.yaml", []byte(six))
	if err != nil {
		t.Fatal(err)
	}
	r.d = newDriver(Options{Policy: func() *policy.Policy { return inForce }, Forget: true})
	r.now = time.UnixMilli(at("2026-03-02 02:00"))
	r.call("old", "k", "2026-01-05 02:00", nil)
	r.call("refused", "k", "2026-01-06 02:00", func(_ *event.CustomerEvent, c *event.Call) { c.Refused, c.FieldsSet = []string{"p"}, c.FieldsSet|1<<28 })
	r.call("ancient", "k", "2020-01-05 02:00", nil) // imported now: updates may still come
	if s, _, _ := r.d.State("k"); len(s.Calls) != 3 {
		t.Fatalf("%d calls", len(s.Calls))
	}
	r.now = r.now.AddDate(0, 0, 34)
	r.send(&event.CustomerEvent{EventId: "late", CustomerId: "k", Body: &event.CustomerEvent_Call{Call: &event.Call{CallId: "ancient", UpdatedAt: at("2020-01-06 02:00"), AgentId: "a", FieldsSet: 1 << 10}}})
	if f := r.fact("ancient"); f.Call.AgentId != "a" || f.Call.Outcome != "no_answer" {
		t.Fatalf("%+v", f)
	}
	for _, day := range []int{0, 34, 36} {
		if err := r.d.SetNow(r.now.AddDate(0, 0, day)); err != nil {
			t.Fatal(err)
		}
		want := 3
		if day == 36 {
			want = 2
		}
		if s, _, _ := r.d.State("k"); len(s.Calls) != want {
			t.Fatalf("after %d days %d calls, want %d", day, len(s.Calls), want)
		}
	}
	if err := r.d.SetNow(time.UnixMilli(at("2027-03-20 02:00"))); err != nil {
		t.Fatal(err)
	}
	r.now = r.d.Now()
	s, _, err := r.d.State("k")
	if err != nil || len(s.Calls) != 1 || s.Forgotten != 2 || s.Since != at("2026-01-05 02:00")+1 || len(r.d.Keys()) != 2 {
		t.Fatalf("%+v, keys %q, %v", s, r.d.Keys(), err)
	}
	r.call("new", "k", "2027-03-19 02:00", nil)
	if f := r.fact("new"); f.AttemptNo != 4 {
		t.Errorf("attempt %d, want 4", f.AttemptNo)
	}
	s, _, _ = r.d.State("k")
	e := Explain(s.history(), p, Request{At: at("2027-03-20 02:00")})
	if e.HistorySince == nil || e.Rules[0].Detail != "2 calls in the 12 months before" && e.Rules[0].Detail != "1 call in the 12 months before" {
		t.Errorf("%+v", e)
	}
	if want := "2 calls in the 36 months before; calls before 2026-01-05T10:00:00.001+08:00 are forgotten: this rule can be trusted from 2029-01-05T10:00:00.001+08:00 on"; e.Rules[1].Detail != want {
		t.Errorf("%s\nwant %s", e.Rules[1].Detail, want)
	}
}

func BenchmarkCodec(b *testing.B) {
	r := &rig{t: &testing.T{}}
	p, _ := policy.Parse("test.yaml", []byte(six))
	r.d = newDriver(Options{Policy: func() *policy.Policy { return p }})
	usualCalls(r, "k", 10)
	src := r.d.StateBytes("k")
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := (Codec{}).Decode(src); err != nil {
				b.Fatal(err)
			}
		}
	})
	s, _ := Codec{}.Decode(src)
	b.Run("encode", func(b *testing.B) {
		b.ReportAllocs()
		var dst []byte
		for b.Loop() {
			dst, _ = Codec{}.Append(dst[:0], s)
		}
	})
	b.Run("decide", func(b *testing.B) {
		b.ReportAllocs()
		h, req := s.history(), Request{At: at("2026-12-01 03:00"), Purpose: "sales", Products: []string{"5g-199"}, CallerID: "10010", Recording: true}
		china, err := policy.Load("china-unicom")
		if err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			Decide(h, china, req)
		}
	})
}
