package contactcap

import (
	"fmt"
	"testing"

	"github.com/ringfence/ringfence/event"
)

func (r *rig) update(id, call, customer string, at int64, change func(*event.CustomerEvent, *event.Call)) {
	c := &event.Call{CallId: call, UpdatedAt: at}
	ce := &event.CustomerEvent{EventId: id, CustomerId: customer, ReceivedAt: r.now.UnixMilli(), Body: &event.CustomerEvent_Call{Call: c}}
	change(ce, c)
	r.send(ce)
}

func (r *rig) owns(customer, since string) {
	r.send(&event.CustomerEvent{EventId: "owns:" + customer, CustomerId: customer, Body: &event.CustomerEvent_Customer{
		Customer: &event.CustomerUpdate{CustomerId: customer, At: at(since), Numbers: []string{"x"}}}})
}

func byNumber(ce *event.CustomerEvent, _ *event.Call) { ce.ByNumber, ce.NumberHash = true, "x" }

// A call that moves with its number stays the call it was: an update older than its newest field and younger than
// another one is still sorted in field by field.
func TestAMovedCallKeepsTheTimesOfItsFields(t *testing.T) {
	r := newRig(t, six)
	end := at("2026-01-05 02:01")
	r.call("c", "n:x", "2026-01-05 02:00", byNumber)
	r.update("u1", "c", "n:x", end+20_000, func(ce *event.CustomerEvent, c *event.Call) {
		byNumber(ce, c)
		c.Disposition, c.FieldsSet = "agree", 1<<25
	})
	was := r.fact("c").Revision
	r.owns("k", "2026-01-01 00:00")
	if f := r.fact("c"); f.Call.CustomerId != "k" || f.Revision <= was {
		t.Fatalf("revision %d after %d: %+v", f.Revision, was, f)
	}
	r.update("u2", "c", "k", end+10_000, func(_ *event.CustomerEvent, c *event.Call) {
		c.Outcome, c.Disposition, c.FieldsSet = "busy", "refuse", 1<<21|1<<25
	})
	if f := r.fact("c"); f.Call.Outcome != "busy" || f.Call.Disposition != "agree" {
		t.Errorf("%+v", f.Call)
	}
}

func TestWhatWaitsForACallMovesWithTheNumber(t *testing.T) {
	r := newRig(t, six)
	r.update("u", "c", "n:x", at("2026-01-05 02:05"), func(ce *event.CustomerEvent, c *event.Call) {
		byNumber(ce, c)
		c.Disposition, c.FieldsSet = "refuse", 1<<25
	})
	r.owns("k", "2026-01-01 00:00")
	r.call("c", "n:x", "2026-01-05 02:00", byNumber)
	if f := r.fact("c"); f == nil || f.Call.CustomerId != "k" || f.Call.Disposition != "refuse" {
		t.Errorf("%+v", f)
	}
}

// An update that names started_at is no call yet: a call has a purpose, an end and an outcome.
func TestAnUpdateOfTheBeginningIsNoCall(t *testing.T) {
	r := newRig(t, six)
	r.update("u", "c", "k", at("2026-01-05 02:05"), func(_ *event.CustomerEvent, c *event.Call) {
		c.StartedAt, c.Disposition, c.FieldsSet = at("2026-01-05 01:59"), "refuse", 1<<14|1<<25
	})
	if f := r.fact("c"); f != nil {
		t.Fatalf("%+v", f)
	}
	r.call("c", "k", "2026-01-05 02:00", nil)
	if f := r.fact("c"); f == nil || f.Call.StartedAt != at("2026-01-05 01:59") || f.Call.Purpose != "sales" || f.Call.Disposition != "refuse" {
		t.Errorf("%+v", f)
	}
}

func TestTheSameRequestGetsTheSameAnswerAfterItsNumberMoved(t *testing.T) {
	r := newRig(t, six)
	ask := func() *event.PermitDecision {
		r.send(&event.CustomerEvent{EventId: "permit:a", CustomerId: "n:x", ByNumber: true, NumberHash: "x", Body: &event.CustomerEvent_PermitRequest{
			PermitRequest: &event.PermitRequest{RequestId: "a", Purpose: "sales", At: at("2026-03-02 02:00"), TtlMs: 60000, ReplyTo: &event.ReplyTo{Requester: "me"}}}})
		for i := len(r.got) - 1; i >= 0; i-- {
			var pe event.PermitEvent
			if r.got[i].Topic == event.TopicPermitDecisions && pe.UnmarshalVT(r.got[i].Value) == nil && pe.GetDecision() != nil {
				return pe.GetDecision()
			}
		}
		return nil
	}
	first := ask()
	r.owns("k", "2026-01-01 00:00")
	again := ask()
	if first.Decision != "permit" || again.PermitId != first.PermitId || again.CustomerId != first.CustomerId || !again.RepeatedAnswer {
		t.Errorf("first %+v\nagain %+v", first, again)
	}
	if s := r.release(first.PermitId); s != 204 {
		t.Errorf("its release is answered %d", s)
	}
}

// A second grading of the same complaint puts the customer on the list again after somebody took him off (BL-07).
func TestEveryGradingAsSeriousCounts(t *testing.T) {
	r := newRig(t, "policy: c\nrules:\n  - {id: BL-07, list: complaint}\n")
	grade := func(id, customer, when string, change func(*event.CustomerEvent)) {
		ce := &event.CustomerEvent{EventId: id, CustomerId: customer, Body: &event.CustomerEvent_Complaint{
			Complaint: &event.Complaint{ComplaintId: "cp", Event: "graded", Severity: "serious", At: at(when)}}}
		if change != nil {
			change(ce)
		}
		r.send(ce)
	}
	number := func(ce *event.CustomerEvent) { ce.ByNumber, ce.NumberHash = true, "x" }
	grade("g1", "n:x", "2026-03-02 02:00", number)
	grade("g2", "n:x", "2026-03-04 02:00", number)
	r.owns("k", "2026-01-01 00:00")
	r.send(&event.CustomerEvent{EventId: "off", CustomerId: "k", Body: &event.CustomerEvent_Customer{Customer: &event.CustomerUpdate{
		CustomerId: "k", At: at("2026-03-03 02:00"), Lists: map[string]bool{"complaint": false}}}})
	for _, c := range []struct{ when, want string }{{"2026-03-02 02:00", "deny"}, {"2026-03-03 02:00", "permit"}, {"2026-03-04 01:59", "permit"}, {"2026-03-04 02:00", "deny"}} {
		if d := r.ask("at "+c.when, "k", c.when); d == nil || d.Decision != c.want {
			t.Errorf("at %s: %+v, want %s", c.when, d, c.want)
		}
	}
}

// Who is confined to a partner releases that partner's permits and knows of no others.
func TestAPartnerReleasesItsOwnPermits(t *testing.T) {
	r := newRig(t, six)
	p := r.ask("a", "k", "2026-03-02 02:00")
	r.send(&event.CustomerEvent{EventId: "r1", CustomerId: "k", Body: &event.CustomerEvent_PermitRelease{PermitRelease: &event.PermitRelease{
		PermitId: p.PermitId, PartnerId: "blue", ReplyTo: &event.ReplyTo{Requester: "me"}}}})
	for i := len(r.got) - 1; i >= 0; i-- {
		var pe event.PermitEvent
		if r.got[i].Topic == event.TopicPermitDecisions && pe.UnmarshalVT(r.got[i].Value) == nil && pe.GetReleaseResult() != nil {
			if s := pe.GetReleaseResult().HttpStatus; s != 404 {
				t.Errorf("another's permit: %d", s)
			}
			break
		}
	}
	if s := r.release(p.PermitId); s != 204 {
		t.Errorf("its own: %d", s)
	}
}

// A number is given up by whom it belongs to; what anybody else says of it changes nothing.
func TestNobodyGivesUpAnothersNumber(t *testing.T) {
	r := newRig(t, six)
	r.owns("k", "2026-01-01 00:00")
	gives := func(who, when string) {
		r.send(&event.CustomerEvent{EventId: "gives:" + who, CustomerId: who, Body: &event.CustomerEvent_Customer{
			Customer: &event.CustomerUpdate{CustomerId: who, At: at(when), NumbersRemoved: []string{"x"}}}})
	}
	gives("z", "2026-01-02 00:00")
	r.call("c", "n:x", "2026-01-05 02:00", byNumber)
	if f := r.fact("c"); f.Call.CustomerId != "k" {
		t.Errorf("after another gave it up it is %s's", f.Call.CustomerId)
	}
	gives("k", "2026-01-06 00:00")
	r.call("d", "n:x", "2026-01-07 02:00", byNumber)
	if f := r.fact("d"); f.Call.CustomerId != "n:x" {
		t.Errorf("after its owner gave it up it is %s's", f.Call.CustomerId)
	}
}

// A number is claimed at its register by who delivers the change of the customer. What was asked after the change was
// acknowledged finds him, whichever of the two is handled first.
func TestANumberIsClaimedAlongWithTheChange(t *testing.T) {
	const banned = "policy: c\nrules:\n  - {id: BL, list: blacklist}\n  - {id: CAP, limit: 2, count: call, in: {rolling: 12mo}}\n"
	for _, c := range []struct {
		name     string
		former   bool // the number was another customer's
		claimed  bool // the claim is handled before the change
		rule     string
		calls    int
		blocked  bool
		released bool
	}{
		{name: "the change is first", rule: "BL", blocked: true},
		{name: "the claim is first", claimed: true, rule: "BL", blocked: true},
		{name: "it was another's, the change is first", former: true, calls: 2, rule: "CAP"},
		{name: "it was another's, the claim is first", former: true, claimed: true, calls: 2, rule: "CAP"},
		{name: "and is given up", claimed: true, blocked: true, released: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, banned)
			if c.former {
				r.send(&event.CustomerEvent{EventId: "was", CustomerId: "j", Body: &event.CustomerEvent_Customer{Customer: &event.CustomerUpdate{
					CustomerId: "j", At: at("2025-01-01 00:00"), Numbers: []string{"x"}}}})
			}
			for i := range c.calls {
				key := "n:x"
				if c.former {
					key = "j"
				}
				r.call(fmt.Sprint("c", i), key, "2026-01-05 02:00", byNumber)
			}
			u := &event.CustomerUpdate{CustomerId: "k", At: at("2026-01-01 00:00"), Numbers: []string{"x"}}
			if c.blocked {
				u.Lists = map[string]bool{"blacklist": true}
			}
			change := &event.CustomerEvent{EventId: "e", CustomerId: "k", Body: &event.CustomerEvent_Customer{Customer: u}}
			claim := event.NumberClaim("e", "k", "x", u.At, 0)
			if c.claimed {
				r.send(claim)
				r.send(change)
			} else {
				r.send(change)
				r.send(claim)
			}
			if c.released {
				r.send(event.NumberRelease("gone", "k", "x", at("2026-02-01 00:00"), 0))
			}
			ask := func(id, key string) *event.PermitDecision {
				r.send(&event.CustomerEvent{EventId: "permit:" + id, CustomerId: key, ByNumber: key != "k", NumberHash: "x", Body: &event.CustomerEvent_PermitRequest{
					PermitRequest: &event.PermitRequest{RequestId: id, Purpose: "sales", At: at("2026-03-02 02:00"), TtlMs: 60000, ReplyTo: &event.ReplyTo{Requester: "me"}}}})
				for i := len(r.got) - 1; i >= 0; i-- {
					var pe event.PermitEvent
					if r.got[i].Topic == event.TopicPermitDecisions && pe.UnmarshalVT(r.got[i].Value) == nil && pe.GetDecision().GetRequestId() == id {
						return pe.GetDecision()
					}
				}
				return nil
			}
			if d := ask("by number", "n:x"); c.released {
				if d == nil || d.Decision != "permit" || d.CustomerId != "n:x" {
					t.Errorf("given up: %+v", d)
				}
				return
			} else if d == nil || d.CustomerId != "k" || len(d.DeniedBy) != 1 || d.DeniedBy[0].Rule != c.rule {
				t.Errorf("asked by number: %+v", d)
			}
			if d := ask("by id", "k"); d == nil || len(d.DeniedBy) != 1 || d.DeniedBy[0].Rule != c.rule {
				t.Errorf("asked by id: %+v", d)
			}
		})
	}
}
