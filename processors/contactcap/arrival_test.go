package contactcap

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/ringfence/ringfence/event"
)

const everyRule = `policy: every
time_zone: Asia/Shanghai
rules:
  - {id: L, limit: 3, count: call, in: {rolling: 2mo}}
  - {id: W, limit: 2, count: {call: {answered: true}}, in: {calendar: week}, per: product}
  - {id: G, gap: 3d, since: conversation}
  - {id: C, gap: 1mo, since: cancellation, per: product}
  - {id: R, never_after: 2, of: refusal, per: product}
  - {id: K, limit: 1, count: complaint, in: {rolling: 30d}}
  - {id: S, when: {segment: vip}, gap: 1w, since: call}
  - {id: O, list: optout}
  - {id: B, list: complaint}
  - {id: N, limit: 2, count: call, in: {rolling: 1w}, per: number}
`

// someEvent is one event of customer k, for which an event id and the order of arrival are drawn elsewhere.
func someEvent(t *rapid.T, i int) *event.CustomerEvent {
	day := func(name string) int64 { // whole minutes that no other event of the case has: of two at one instant the later arrival may win
		return at("2026-02-01 00:00") + rapid.Int64Range(0, 50*24).Draw(t, name)*3600_000 + int64(i)*60_000
	}
	id := fmt.Sprint("e", i)
	products := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"p", "q"}), 1, 2, rapid.ID[string]).Draw(t, "products")
	ce := &event.CustomerEvent{EventId: id, CustomerId: "k"}
	switch rapid.IntRange(0, 9).Draw(t, "kind") {
	default:
		start := day("started")
		c := &event.Call{CallId: fmt.Sprint("c", i), Direction: rapid.SampledFrom([]string{"outbound", "outbound", "inbound"}).Draw(t, "direction"), Purpose: "sales", Products: products,
			StartedAt: start, EndedAt: start + 60_000, UpdatedAt: start + 60_000, Outcome: "no_answer", FieldsSet: 1<<2 | 1<<5 | 1<<7 | 1<<14 | 1<<17 | 1<<21}
		if rapid.Bool().Draw(t, "answered") {
			c.Outcome, c.AnsweredBy, c.AnsweredAt, c.BridgedAt = "answered", "human", start+1000, start+2000
			c.Disposition = rapid.SampledFrom([]string{"agree", "refuse", "consider"}).Draw(t, "disposition")
			c.FieldsSet |= 1<<22 | 1<<15 | 1<<16 | 1<<25
		}
		if rapid.IntRange(0, 20).Draw(t, "optout") == 0 {
			yes := true
			c.OptOut, c.FieldsSet = &yes, c.FieldsSet|1<<30
		}
		ce.NumberHash = rapid.SampledFrom([]string{"n1", "n2"}).Draw(t, "number")
		ce.Body = &event.CustomerEvent_Call{Call: c}
	case 0, 1:
		u := &event.CustomerUpdate{CustomerId: "k", At: day("at")}
		if rapid.Bool().Draw(t, "segment set") {
			s := rapid.SampledFrom([]string{"vip", "public"}).Draw(t, "segment")
			u.Segment = &s
		}
		if rapid.Bool().Draw(t, "products set") {
			u.Products = map[string]string{rapid.SampledFrom([]string{"p", "q"}).Draw(t, "product"): rapid.SampledFrom([]string{"active", "cancelled"}).Draw(t, "state")}
		}
		if rapid.IntRange(0, 4).Draw(t, "clear") == 0 {
			u.ClearRefusals = []string{"p"}
		}
		ce.Body = &event.CustomerEvent_Customer{Customer: u}
	case 2:
		x := &event.Complaint{ComplaintId: rapid.SampledFrom([]string{"x", "y"}).Draw(t, "complaint"), At: day("at"),
			Event: rapid.SampledFrom([]string{"opened", "graded", "upheld", "rejected", "reopened"}).Draw(t, "event"), Products: products}
		if rapid.IntRange(0, 3).Draw(t, "serious") == 0 {
			x.Severity = "serious"
		}
		ce.Body = &event.CustomerEvent_Complaint{Complaint: x}
	}
	return ce
}

// explained is what every rule says of a request once all has arrived, as the API tells it.
func (r *rig) explained(when int64) map[string]any { return r.explainedTo("", when) }

// explainedTo is what a partner is told of the same request.
func (r *rig) explainedTo(partner string, when int64) map[string]any {
	r.t.Helper()
	r.send(&event.CustomerEvent{CustomerId: "k", NumberHash: "n1", Body: &event.CustomerEvent_ExplainRequest{ExplainRequest: &event.ExplainRequest{ReplyTo: &event.ReplyTo{Requester: "me"},
		Request: &event.PermitRequest{Purpose: "sales", Products: []string{"p"}, Recording: true, At: when, PartnerId: partner}}}})
	for i := len(r.got) - 1; i >= 0; i-- {
		var pe event.PermitEvent
		if r.got[i].Topic == event.TopicPermitDecisions && pe.UnmarshalVT(r.got[i].Value) == nil && pe.GetExplanation() != nil {
			var out map[string]any
			if err := json.Unmarshal(pe.GetExplanation().Json, &out); err != nil {
				r.t.Fatal(err)
			}
			return out
		}
	}
	r.t.Fatal("no explanation came")
	return nil
}

// In whatever order events arrive, and however often each, the verdicts are the same once they are all in.
func TestOrderOfArrivalDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var events []*event.CustomerEvent
		for i := range rapid.IntRange(1, 12).Draw(rt, "events") {
			events = append(events, someEvent(rt, i))
		}
		order := rapid.Permutation(events).Draw(rt, "order")
		when := at("2026-02-01 00:00") + rapid.Int64Range(0, 60*24).Draw(rt, "when")*3600_000
		one, other := newRig(t, everyRule), newRig(t, everyRule)
		for _, e := range events {
			one.send(e.CloneVT())
		}
		for i, e := range order {
			other.send(e.CloneVT())
			other.send(order[rapid.IntRange(0, i).Draw(rt, "again")].CloneVT())
		}
		if diff := cmp.Diff(one.explained(when), other.explained(when)); diff != "" {
			rt.Fatalf("in another order:\n%s", diff)
		}
	})
}

// With one more call in the past nothing that was denied is permitted.
func TestAnotherCallPermitsNothing(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r, more := newRig(t, everyRule), newRig(t, everyRule)
		n := rapid.IntRange(0, 10).Draw(rt, "events")
		for i := range n {
			e := someEvent(rt, i)
			r.send(e.CloneVT())
			more.send(e.CloneVT())
		}
		when := at("2026-02-01 00:00") + rapid.Int64Range(0, 60*24).Draw(rt, "when")*3600_000 + 59*60_000
		more.call("more", "k", "2026-02-01 00:00", func(_ *event.CustomerEvent, c *event.Call) {
			c.StartedAt = when - rapid.Int64Range(0, 90*24).Draw(rt, "ago")*3600_000
		})
		a, b := r.explained(when), more.explained(when)
		if a["decision"] == "deny" && b["decision"] == "permit" {
			rt.Fatalf("denied, and with another call permitted:\n%v\n%v", a, b)
		}
	})
}
