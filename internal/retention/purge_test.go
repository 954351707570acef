package retention

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func on(t *testing.T, s string) time.Time {
	t.Helper()
	at, err := time.Parse("2006-01-02", s)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func TestDecide(t *testing.T) {
	d := func(s string) time.Time { return on(t, s) }
	rules := Rules{OnlineMonths: 6, Months: 12, Zone: time.UTC}
	cancel, back, sold := Cancelled, Active, Sold
	type after = [][]Event
	for _, c := range []struct {
		what  string
		r     Recording
		purge string // "" = not while it is in use
		inUse []string
	}{
		{"RET-03: no sale, a year", Recording{}, "2027-03-10", nil},
		{"RET-04: in use", Recording{Sale: true, Sold: []string{"5g"}, After: after{nil}}, "", []string{"5g"}},
		{"RET-04: cancelled, 12 months after", Recording{Sale: true, Sold: []string{"5g"}, After: after{{{d("2027-05-01"), cancel}}}}, "2028-05-01", nil},
		{"RET-04: cancelled at once, a year from the call", Recording{Sale: true, Sold: []string{"5g"}, After: after{{{d("2026-03-10"), cancel}}}}, "2027-03-10", nil},
		{"one of two still in use", Recording{Sale: true, Sold: []string{"5g", "tv"}, After: after{{{d("2026-05-01"), cancel}}, nil}}, "", []string{"tv"}},
		{"both ended, the later counts", Recording{Sale: true, Sold: []string{"5g", "tv"}, After: after{{{d("2026-05-01"), cancel}}, {{d("2026-08-31"), cancel}}}}, "2027-08-31", nil},
		{"cancelled twice, the first counts", Recording{Sale: true, Sold: []string{"5g"}, After: after{{{d("2026-09-01"), cancel}, {d("2026-05-01"), cancel}}}}, "2027-05-01", nil},
		{"active again without a sale: in use", Recording{Sale: true, Sold: []string{"5g"}, After: after{{{d("2026-05-01"), cancel}, {d("2026-06-01"), back}}}}, "", []string{"5g"}},
		{"RET-04: sold again: a new hold, not this one's", Recording{Sale: true, Sold: []string{"5g"}, After: after{{{d("2026-05-01"), cancel}, {d("2026-06-01"), back}, {d("2026-06-01"), sold}, {d("2026-07-01"), cancel}}}}, "2027-05-01", nil},
		{"sold again and active the day after: a new hold, not this one's", Recording{Sale: true, Sold: []string{"5g"}, After: after{{{d("2026-05-01"), cancel}, {d("2026-06-01"), sold}, {d("2026-06-02"), back}}}}, "2027-05-01", nil},
		{"sold again while in use: in use", Recording{Sale: true, Sold: []string{"5g"}, After: after{{{d("2026-05-01"), sold}}}}, "", []string{"5g"}},
	} {
		c.r.StartedAt = d("2026-03-10")
		got := rules.Decide(c.r)
		want := Decision{OnlineUntil: d("2026-09-10"), InUse: c.inUse}
		if c.purge != "" {
			want.PurgeAfter = d(c.purge)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s:\n%s", c.what, diff)
		}
	}
}

// RET-05: what is held is not due, whatever its age; what is not is due from the very moment on.
func TestDue(t *testing.T) {
	rules := Rules{OnlineMonths: 3, Months: 12, Zone: time.UTC}
	r := Recording{StartedAt: on(t, "2024-02-29")}
	d := rules.Decide(r)
	if at := on(t, "2025-02-28"); !d.PurgeAfter.Equal(at) || !d.Due(at) || d.Due(at.Add(-time.Millisecond)) {
		t.Errorf("due from %v, want %v exactly: the day is clamped", d.PurgeAfter, at)
	}
	r.Open = []string{"k1"}
	if rules.Decide(r).Due(on(t, "2099-01-01")) {
		t.Error("due while a complaint is open")
	}
}

// Whatever happens, a recording is never due within its months from the call or from the last end of use, nor while a
// product sold is in use; and the order in which events are told does not matter.
func TestNeverTooEarly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		event := rapid.Custom(func(t *rapid.T) Event {
			return Event{start.AddDate(0, 0, rapid.IntRange(1, 900).Draw(t, "day")), Kind(rapid.IntRange(0, 2).Draw(t, "kind"))}
		})
		r := Recording{StartedAt: start, Sale: rapid.Bool().Draw(t, "sale")}
		for range rapid.IntRange(1, 3).Draw(t, "products") {
			r.Sold, r.After = append(r.Sold, "p"), append(r.After, rapid.SliceOfN(event, 0, 6).Draw(t, "events"))
		}
		rules := Rules{OnlineMonths: 6, Months: 12, Zone: time.UTC}
		d := rules.Decide(r)
		if !d.PurgeAfter.IsZero() && d.PurgeAfter.Before(start.AddDate(1, 0, 0)) {
			t.Fatalf("due after %v, within a year", d.PurgeAfter)
		}
		for i := range r.Sold {
			end, ended := UseEnds(r.After[i])
			if r.Sale && !ended && !d.PurgeAfter.IsZero() {
				t.Fatal("due while in use")
			}
			if r.Sale && ended && !d.PurgeAfter.IsZero() && d.PurgeAfter.Before(rules.after(end, 12)) {
				t.Fatalf("due after %v, the use ended on %v", d.PurgeAfter, end)
			}
			shuffled := rapid.Permutation(r.After[i]).Draw(t, "shuffled")
			if e, ok := UseEnds(shuffled); !e.Equal(end) || ok != ended {
				t.Fatalf("in another order the use ends at %v", e)
			}
		}
	})
}
