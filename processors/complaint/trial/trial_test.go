package trial

import (
	"testing"
	"time"

	"github.com/ringfence/ringfence/processors/complaint"
)

func start() time.Time { return time.Date(2026, 1, 5, 0, 0, 0, 0, time.FixedZone("", 8*3600)) }

func options() complaint.Options {
	return complaint.Options{Test: complaint.DefaultTest(), Rates: complaint.DefaultRateTest(), Action: "throttle", Zone: start().Location()}
}

// Thirty quiet days at the default setting, after four weeks of history and from nothing: nobody is woken.
func TestQuietDays(t *testing.T) {
	c := Centre{Seed: 30, Campaigns: 4, Agents: 20, Days: 58, Start: start()}
	cs := c.Make()
	n := 0
	for _, x := range cs {
		n += len(x.Complaints)
	}
	for name, from := range map[string]int64{"after four weeks": c.Start.AddDate(0, 0, 28).UnixMilli(), "from nothing": 0} {
		if got := Whole(options(), c, cs, from); len(got) > 0 {
			t.Errorf("%s: %d false alarms of %d complaints, the first %+v", name, len(got), n, got[0])
		}
	}
	t.Logf("%d complaints", n)
}

// Over the same years, at the same rate of false alarms, nobody sees more spikes than the product does, or more within half
// a day.
func TestCompare(t *testing.T) {
	if testing.Short() {
		t.Skip("half a minute")
	}
	r := Compare(options(), Centre{Seed: 8, Campaigns: 6, Agents: 1, Start: start()}, 3)
	ours := r.Rows[0]
	if ours.FalsePerYear > 4 || ours.Spikes < 40 {
		t.Errorf("ours: %+v", ours)
	}
	for _, x := range r.Rows[1:] {
		if x.Setting == "one false alarm a year" && (x.Early > ours.Early || x.Seen > ours.Seen) {
			t.Errorf("%s sees %d of %d, %d within twelve hours; ours %d and %d", x.Method, x.Seen, x.Spikes, x.Early, ours.Seen, ours.Early)
		}
		t.Logf("%+v", x)
	}
	t.Logf("%+v", ours)
}
