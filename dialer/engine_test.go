package dialer_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/ringfence/ringfence/client"
	"github.com/ringfence/ringfence/dialer"
	"github.com/ringfence/ringfence/dialer/carrier/simulated"
	"github.com/ringfence/ringfence/dialer/pacing"
)

// desk permits everything but customers of a deny list and keeps book.
type desk struct {
	t        *testing.T
	out      map[string]time.Time // permits out and when they expire
	deny     map[string]*time.Time
	asked    int
	released int
}

func (d *desk) AskPermit(_ context.Context, r client.PermitRequest) (*client.Decision, error) {
	d.asked++
	at, err := time.Parse(time.RFC3339, r.At)
	if err != nil {
		return nil, err
	}
	if next, ok := d.deny[r.CustomerID]; ok {
		return &client.Decision{Decision: "deny", NextAllowedAt: next}, nil
	}
	id := "p-" + r.RequestID
	d.out[id] = at.Add(time.Minute)
	return &client.Decision{Decision: "permit", PermitID: id, ExpiresAt: at.Add(time.Minute)}, nil
}

func (d *desk) ReleasePermit(_ context.Context, id string) error {
	if _, ok := d.out[id]; !ok {
		d.t.Errorf("permit %s given back but not out", id)
	}
	delete(d.out, id)
	d.released++
	return nil
}

type result struct {
	calls     []client.Call
	handled   int
	abandoned int
	live      int
}

func run(t *testing.T, mode pacing.Mode, d *desk, hours int64, signal func(e *dialer.Engine, now int64)) result {
	t.Helper()
	ids := 0
	e := dialer.New(dialer.Config{Carrier: simulated.New(1, 1), Permits: d, AbandonAfter: 2000, Parallel: 1,
		NewID: func(int64) string { ids++; return fmt.Sprintf("c%06d", ids) }})
	var agents []*dialer.Agent
	for i := range 20 {
		agents = append(agents, &dialer.Agent{ID: fmt.Sprintf("a%02d", i), State: dialer.Available})
	}
	var leads []*dialer.Lead
	for i := range 20000 {
		leads = append(leads, &dialer.Lead{ID: fmt.Sprintf("l%05d", i), CustomerID: fmt.Sprintf("cust%05d", i)})
	}
	e.Add(dialer.Campaign{ID: "c", Purpose: "sales", Mode: mode, Target: 0.03, MaxLevel: 3}, agents, leads)
	var res result
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC).UnixMilli()
	end := now + hours*3600_000
	take := func() {
		b := e.Drain()
		for _, c := range b.Calls {
			expires, ok := d.out[c.PermitID]
			if !ok {
				t.Fatalf("call %s on permit %q, which is not out", c.CallID, c.PermitID)
			}
			if at, _ := time.Parse(time.RFC3339, c.StartedAt); !at.Before(expires) {
				t.Fatalf("call %s dialled at %s, permit expired %s", c.CallID, at, expires)
			}
			delete(d.out, c.PermitID)
			res.calls = append(res.calls, c)
			if c.AgentID != "" {
				res.handled++
			}
			if c.AnsweredBy == "human" {
				res.live++
			}
			if c.Outcome == "abandoned" {
				res.abandoned++
			}
		}
	}
	for now < end || e.Open() > 0 {
		if now >= end {
			if err := e.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
		} else if err := e.Refill(t.Context(), now, 45_000); err != nil {
			t.Fatal(err)
		}
		if signal != nil {
			signal(e, now)
		}
		until := now + 45_000
		for s := now; s < until; s = max(s+1, e.Next(until)) {
			e.Step(s)
		}
		now = until
		take()
	}
	take()
	return res
}

func newDesk(t *testing.T) *desk {
	return &desk{t: t, out: map[string]time.Time{}, deny: map[string]*time.Time{}}
}

// Every permit ends as a call or is given back, and every dial had one in time.
func TestEveryPermitIsUsedOrGivenBack(t *testing.T) {
	d := newDesk(t)
	res := run(t, pacing.Predictive, d, 3, nil)
	if len(d.out) != 0 {
		t.Errorf("%d permits are still out", len(d.out))
	}
	if d.asked != len(res.calls)+d.released {
		t.Errorf("asked %d, calls %d, released %d", d.asked, len(res.calls), d.released)
	}
	seen := map[string]bool{}
	for _, c := range res.calls {
		if seen[c.CallID] {
			t.Fatalf("call %s reported twice", c.CallID)
		}
		seen[c.CallID] = true
	}
}

func TestPredictiveBeatsProgressiveAndKeepsTheTarget(t *testing.T) {
	slow := run(t, pacing.Progressive, newDesk(t), 9, nil)
	fast := run(t, pacing.Predictive, newDesk(t), 9, nil)
	t.Logf("handled: progressive %d, predictive %d; abandoned %d of %d live", slow.handled, fast.handled, fast.abandoned, fast.live)
	if fast.handled <= slow.handled {
		t.Errorf("predictive handled %d, progressive %d", fast.handled, slow.handled)
	}
	if rate := float64(fast.abandoned) / float64(fast.live); rate > 0.03 {
		t.Errorf("abandonment %.4f is over the target", rate)
	}
	if slow.abandoned != 0 {
		t.Errorf("progressive abandoned %d", slow.abandoned)
	}
}

func TestStopTakesEffectAtTheNextPacing(t *testing.T) {
	d := newDesk(t)
	var stopped int64
	res := run(t, pacing.Predictive, d, 2, func(e *dialer.Engine, now int64) {
		if stopped == 0 && now >= time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC).UnixMilli() {
			e.Signal(dialer.Signal{Campaign: "c", Verdict: pacing.Stop, Reason: "test"})
			stopped = now
		}
	})
	for _, c := range res.calls {
		if at, _ := time.Parse(time.RFC3339, c.StartedAt); at.UnixMilli() >= stopped {
			t.Fatalf("call %s was dialled %s after the stop", c.CallID, at.Sub(time.UnixMilli(stopped)))
		}
	}
	if len(res.calls) == 0 || len(d.out) != 0 {
		t.Errorf("calls %d, permits out %d", len(res.calls), len(d.out))
	}
}

func TestDeniedLeadsWaitOrAreGivenUp(t *testing.T) {
	d := newDesk(t)
	later := time.Date(2026, 3, 2, 11, 0, 0, 0, time.UTC)
	d.deny["cust00000"], d.deny["cust00001"] = nil, &later
	for _, c := range run(t, pacing.Progressive, d, 1, nil).calls {
		if c.CustomerID == "cust00000" || c.CustomerID == "cust00001" {
			t.Fatalf("denied customer %s was called", c.CustomerID)
		}
	}
}

// Of several sources the strictest verdict holds, and each takes back only its own. An inbound peak stops marketing and
// slows down the rest (THR-01, THR-02).
func TestTheStrictestVerdictHolds(t *testing.T) {
	e := dialer.New(dialer.Config{Carrier: simulated.New(1, 1), Permits: newDesk(t)})
	e.Add(dialer.Campaign{ID: "a", Purpose: "sales"}, nil, nil)
	e.Add(dialer.Campaign{ID: "b", Purpose: "survey"}, nil, nil)
	for _, step := range []struct {
		campaign, source string
		verdict          pacing.Verdict
		a, b             pacing.Verdict
	}{
		{"a", "verdict", pacing.Stop, pacing.Stop, pacing.Run},
		{"*", dialer.Inbound, pacing.Throttle, pacing.Stop, pacing.Throttle},
		{"a", "verdict", pacing.Run, pacing.Throttle, pacing.Throttle},
		{"*", dialer.Inbound, pacing.Stop, pacing.Stop, pacing.Throttle},
		{"*", dialer.Inbound, pacing.Run, pacing.Run, pacing.Run},
	} {
		e.Signal(dialer.Signal{Campaign: step.campaign, Source: step.source, Verdict: step.verdict})
		if a, b := e.Verdict("a"), e.Verdict("b"); a != step.a || b != step.b {
			t.Errorf("after %s of %s by %s: a %s, b %s; want %s, %s", step.verdict, step.campaign, step.source, a, b, step.a, step.b)
		}
	}
}

// Every connected call is recorded, that of a machine and of nobody's too (RET-01); an unanswered one has nothing to record.
func TestEveryConnectedCallIsRecorded(t *testing.T) {
	alone := 0
	for _, c := range run(t, pacing.Predictive, newDesk(t), 3, nil).calls {
		switch {
		case c.AnsweredAt == "" && c.Recording != nil:
			t.Fatalf("call %s, which nobody answered, has a recording", c.CallID)
		case c.AnsweredAt != "" && c.Recording == nil, c.AnsweredAt != "" && c.AnsweredAt != c.EndedAt && c.Recording.SizeBytes <= 44:
			t.Fatalf("connected call %s has no recording: %+v", c.CallID, c)
		case c.AnsweredAt != "" && c.AgentID == "":
			alone++
		}
	}
	if alone == 0 {
		t.Error("an agent came to every connected call: nothing was tried")
	}
}
