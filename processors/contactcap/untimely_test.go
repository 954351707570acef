package contactcap

import (
	"testing"
	"time"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/processors/contactcap/policy"
)

// clocked is a rig with a clock of its own beside the stream's time.
func clocked(t *testing.T, wall *time.Time) *rig {
	t.Helper()
	r := newRig(t, six)
	p, err := policy.Parse("test.yaml", []byte(six))
	if err != nil {
		t.Fatal(err)
	}
	r.d = newDriver(Options{Policy: func() *policy.Policy { return p }, Forget: true, Clock: func() time.Time { return *wall }})
	*wall = r.now
	return r
}

// A producer whose clock runs years ahead takes stream time with it. Nobody's calls are forgotten for that: they would be
// missing once the years have not passed.
func TestAClockAheadForgetsNothing(t *testing.T) {
	var wall time.Time
	r := clocked(t, &wall)
	for _, id := range []string{"a", "b", "c", "d", "e", "f"} {
		r.call(id, "k", "2026-02-05 02:00", nil)
	}
	right := r.now
	r.now = right.AddDate(3, 0, 0)
	r.call("ahead", "other", "2026-03-02 02:00", nil) // the record says 2029
	r.now = right
	r.send(&event.CustomerEvent{EventId: "u", CustomerId: "k", Body: &event.CustomerEvent_Call{Call: &event.Call{CallId: "a", UpdatedAt: at("2026-03-02 02:00"), AgentId: "x", FieldsSet: 1 << 10}}})
	if s, _, err := r.d.State("k"); err != nil || len(s.Calls) != 6 || s.Since != 0 {
		t.Fatalf("%d of 6 calls are left, history since %d, %v", len(s.Calls), s.Since, err)
	}
	if d := r.ask("q", "k", "2026-03-02 02:00"); d.Decision != "deny" {
		t.Fatalf("a seventh call is permitted: %v", d)
	}
	if due, ok := r.d.Timer("k"); !ok || !due.After(r.d.Now()) {
		t.Errorf("the timer is at %s, stream time at %s: it fires for ever", due, r.d.Now())
	}
	// When the years have really passed, they are.
	wall = right.AddDate(3, 3, 0)
	if err := r.d.SetNow(wall); err != nil {
		t.Fatal(err)
	}
	if s, _, err := r.d.State("k"); err != nil || len(s.Calls) != 0 || s.Forgotten != 6 {
		t.Fatalf("%d calls are left, %d are forgotten, %v", len(s.Calls), s.Forgotten, err)
	}
}

// A dialer over Kafka sends its own idea of now. Asked of another day, other calls would count: no decision is taken.
func TestRequestsOfAnotherTime(t *testing.T) {
	var wall time.Time
	r := clocked(t, &wall)
	for _, id := range []string{"a", "b", "c", "d", "e", "f"} {
		r.call(id, "k", "2026-02-05 02:00", nil)
	}
	for _, x := range []struct {
		name, when string
		decided    bool
	}{
		{"a year ahead, when the calls have left the window", "2027-03-02 02:00", false},
		{"two months behind, before the calls", "2026-01-02 02:00", false},
		{"two minutes ahead", "2026-03-02 02:02", false},
		{"two minutes behind", "2026-03-02 01:58", false},
		{"a minute ahead", "2026-03-02 02:01", true},
		{"a minute behind", "2026-03-02 01:59", true},
		{"now", "2026-03-02 02:00", true},
	} {
		d := r.ask(x.name, "k", x.when)
		switch {
		case !x.decided && (!d.Expired || d.Decision != "" || d.PermitId != ""):
			t.Errorf("%s: %v, want no decision", x.name, d)
		case x.decided && d.Decision != "deny":
			t.Errorf("%s: %v, want deny", x.name, d)
		}
	}
	if s, _, err := r.d.State("k"); err != nil || len(s.Permits) != 0 {
		t.Errorf("%v, %v: something is reserved", s, err)
	}
}
