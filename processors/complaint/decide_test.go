package complaint

import (
	"fmt"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ringfence/ringfence/event"
)

// What fires, and what is enough to go on firing.
func TestDecide(t *testing.T) {
	test := DefaultTest()
	look := Look{WindowMS: dayMS, Exposure: 1000, Before: 112, BeforeBase: 28_000, Keys: 3} // four a day
	for _, c := range []struct {
		name   string
		change func(*Look)
		spike  bool
	}{
		{"as always", func(l *Look) { l.Count = 4 }, false},
		{"a bad day", func(l *Look) { l.Count = 10 }, false},
		{"a spike", func(l *Look) { l.Count = 20 }, true},
		{"the same of many subjects", func(l *Look) { l.Count, l.Keys = 20, 100_000 }, false},
		{"twice the calls, twice the complaints", func(l *Look) { l.Count, l.Exposure = 20, 5000 }, false},
		{"goes on", func(l *Look) { l.Count, l.Firing = 11, true }, true},
		{"is over", func(l *Look) { l.Count, l.Firing = 7, true }, false},
		{"three of nothing", func(l *Look) { l.Count, l.Exposure, l.Before, l.BeforeBase = 3, 1, 0, 1e6 }, false},
		{"four of nothing", func(l *Look) { l.Count, l.Exposure, l.Before, l.BeforeBase = 4, 1, 0, 1e6 }, true},
		{"a new campaign, at the usual rate of campaigns", func(l *Look) { l.Count, l.Exposure, l.Before, l.BeforeBase = 6, 1000, 0, 0 }, false},
		{"a new campaign, far above it", func(l *Look) { l.Count, l.Exposure, l.Before, l.BeforeBase = 30, 1000, 0, 0 }, true},
	} {
		l := look
		c.change(&l)
		if e := test.Decide(l); e.Spike != c.spike {
			t.Errorf("%s: %+v", c.name, e)
		}
	}
}

// More complaints are never less of a spike; more subjects, more calls or more complaints before never make one.
func TestDecideIsMonotone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		test := DefaultTest()
		l := Look{WindowMS: rapid.SampledFrom(test.Windows).Draw(t, "window"), Count: rapid.Int64Range(0, 300).Draw(t, "count"), Exposure: rapid.Float64Range(0, 50_000).Draw(t, "calls"),
			Before: rapid.Int64Range(0, 2000).Draw(t, "before"), BeforeBase: rapid.Float64Range(0, 1e6).Draw(t, "base"), Keys: rapid.Int64Range(1, 10_000).Draw(t, "keys"), Firing: rapid.Bool().Draw(t, "firing")}
		e := test.Decide(l)
		if math.IsNaN(e.P) || e.P < 0 || e.P > 1 || math.IsNaN(e.FalsePerYear) || e.FalsePerYear < 0 {
			t.Fatalf("%+v", e)
		}
		more := l
		more.Count++
		if e.Spike && !test.Decide(more).Spike {
			t.Fatalf("one complaint more ends it: %+v", e)
		}
		for _, less := range []func(*Look){func(l *Look) { l.Keys *= 2 }, func(l *Look) { l.Exposure = 2*l.Exposure + 1 }} {
			m := l
			if less(&m); !e.Spike && test.Decide(m).Spike {
				t.Fatalf("%+v makes a spike of %+v", m, l)
			}
		}
	})
}

// weeks are hours of a subject: calls from nine to eight, and complaints where they are put.
func weeks(days int, hour func(day, hour int) *event.WatchBucket) *Watch {
	w := NewWatch("campaign", "c")
	for d := range days {
		for h := range 11 {
			at := began.Add(time.Duration(d)*24*time.Hour + time.Duration(h)*time.Hour)
			for i := range 6 {
				if b := hour(d, h); b != nil {
					b.At = at.Add(time.Duration(i) * 10 * time.Minute).UnixMilli()
					w.Add(b)
				}
			}
		}
	}
	return w
}

func wobble(i int) float64 { return 1 + 0.05*math.Sin(float64(i)*12.9898) }

// The hour is judged against hours like it: a connect rate that always falls in the evening is nothing, one that falls
// at noon is; and a coverage of recordings that was complete need not fall far.
func TestRates(t *testing.T) {
	o := options()
	o.Rates.Least = 100
	now := func(d, h int) int64 {
		return began.Add(time.Duration(d)*24*time.Hour + time.Duration(h)*time.Hour).UnixMilli()
	}
	for _, c := range []struct {
		name    string
		kind    string
		last    func(b *event.WatchBucket, hour int)
		hour    int // judged at its end, of the 21st day
		off     bool
		history int
	}{
		{"as always at noon", KindConnect, nil, 3, false, 20},
		{"as always in the evening", KindConnect, nil, 10, false, 20},
		{"falls at noon", KindConnect, func(b *event.WatchBucket, _ int) { b.Connected = b.Dials / 6 }, 3, true, 20},
		{"falls a little", KindConnect, func(b *event.WatchBucket, _ int) { b.Connected = b.Connected * 9 / 10 }, 3, false, 20},
		{"rises", KindConnect, func(b *event.WatchBucket, _ int) { b.Connected = b.Dials * 8 / 10 }, 3, true, 20},
		{"falls on the first morning", KindConnect, func(b *event.WatchBucket, _ int) { b.Connected = 1 }, 3, false, 0},
		{"recordings fail", KindRecording, func(b *event.WatchBucket, _ int) { b.Recorded = b.Connected * 8 / 10 }, 3, true, 20},
		{"fewer are abandoned", KindAbandoned, func(b *event.WatchBucket, _ int) { b.Abandoned = 0 }, 3, false, 20},
		{"more are abandoned", KindAbandoned, func(b *event.WatchBucket, _ int) { b.Abandoned = 6 }, 3, true, 20},
		{"nobody buys", KindSuccess, func(b *event.WatchBucket, _ int) { b.Won = 0 }, 3, true, 20},
	} {
		n := 0
		w := weeks(c.history+1, func(d, h int) *event.WatchBucket {
			if d == c.history && h > c.hour {
				return nil
			}
			n++
			rate := 0.5 * wobble(n)
			if h == 10 {
				rate *= 0.6
			}
			b := &event.WatchBucket{Dials: 120}
			b.Connected = int64(120 * rate)
			b.Live, b.Recorded, b.Completed = b.Connected, b.Connected, b.Connected
			b.Won, b.Abandoned = b.Connected/4, int64(n%2)
			if d == c.history && h == c.hour && c.last != nil {
				c.last(b, h)
			}
			return b
		})
		for _, k := range rateKinds {
			e := o.Rates.Rate(w, k, now(c.history, c.hour+1), o.Zone, 5, false)
			if want := c.off && (k.kind == c.kind); e.Off != want && k.kind == c.kind {
				t.Errorf("%s: %s %+v", c.name, k.kind, e)
			}
		}
	}
}

// A campaign that is silent at noon is told of, at night and on a first day it is not; a source likewise.
func TestVolumes(t *testing.T) {
	o := options()
	for _, c := range []struct {
		name    string
		history int
		dials   int64 // a bucket of the hour judged
		hour    int
		volume  bool
		silent  bool
	}{
		{"as always", 21, 100, 3, false, false}, {"half", 21, 50, 3, false, false}, {"a fifth", 21, 20, 3, true, false}, {"silent", 21, 0, 3, true, true}, {"threefold", 21, 300, 3, true, false},
		{"after work", 21, 0, 12, false, false}, {"the first days", 5, 0, 3, false, false},
	} {
		n := 0
		w := weeks(c.history+1, func(d, h int) *event.WatchBucket {
			n++
			switch {
			case d == c.history && h > c.hour:
				return nil
			case d == c.history && h == c.hour:
				return &event.WatchBucket{Dials: c.dials}
			}
			return &event.WatchBucket{Dials: int64(100 * wobble(n))}
		})
		end := began.Add(time.Duration(c.history)*24*time.Hour + time.Duration(c.hour+1)*time.Hour).UnixMilli()
		for i, want := range []bool{c.volume, c.silent} {
			if e := o.Rates.Volume(w, volumeKinds[i], end, o.Zone, 5, false); e.Off != want {
				t.Errorf("%s, %s: %+v", c.name, volumeKinds[i].kind, e)
			}
		}
	}
}

// A baseline learns nothing from a spike, weekdays count by what they bring, and complaints that come without calls are
// expected to some extent.
func TestBaseline(t *testing.T) {
	test := DefaultTest()
	w := weeks(28, func(d, h int) *event.WatchBucket {
		b := &event.WatchBucket{Connected: 50}
		if h == 4 {
			b.Complaints = 1 // six a day, on 3,300 calls
		}
		if d == 20 {
			b.Complaints = 5
		}
		if d%7 == 0 && h == 4 { // Mondays bring twice as many
			b.Complaints = 2
		}
		return b
	})
	day := func(d int) int64 { return began.Add(time.Duration(d) * 24 * time.Hour).UnixMilli() }
	w.Recent.Spells = []*event.WatchSpan{{From: day(20), To: day(21)}}
	zone := options().Zone
	l := test.look(w, day(28), dayMS, zone, 1, false)
	if l.Before < 150 || l.Before > 210 {
		t.Errorf("the baseline has %d complaints", l.Before)
	}
	p := w.profile(day(0), day(28), zone)
	if p == nil {
		t.Fatal("no profile after four weeks")
	}
	if monday, tuesday := p.day[time.Monday], p.day[time.Tuesday]; monday < 1.3 || tuesday > 1 {
		t.Errorf("Monday %g, Tuesday %g", monday, tuesday)
	}
	sum := 0.0
	for _, h := range p.hour {
		sum += h
	}
	if math.Abs(sum-1) > 1e-9 || p.hour[13] < 0.5 {
		t.Errorf("hours sum up to %g, the one of complaints has %g", sum, p.hour[13])
	}
	empty := test.look(w, day(30), dayMS, zone, 1, false)
	if empty.Exposure < 500 || empty.Exposure > 1000 {
		t.Errorf("a day without calls expects complaints as of %g calls", empty.Exposure)
	}
}

// Since is where the spike began, not where it was noticed.
func TestSince(t *testing.T) {
	w := weeks(8, func(int, int) *event.WatchBucket { return &event.WatchBucket{Connected: 50} })
	from := began.Add(7*24*time.Hour + 5*time.Hour)
	for i := range 4 {
		w.Complaint(&event.WatchComplaint{Id: uint64(i), At: began.Add(7*24*time.Hour + time.Duration(i)*70*time.Minute).UnixMilli()})
	}
	for i := range 10 {
		w.Complaint(&event.WatchComplaint{Id: uint64(100 + i), At: from.Add(time.Duration(i) * 3 * time.Minute).UnixMilli()})
	}
	now := from.Add(27 * time.Minute).UnixMilli()
	e := Evidence{Look: Look{WindowMS: dayMS}, Rate: 0.001}
	if got := time.UnixMilli(w.Since(now, e)); got.Before(from) || got.After(from.Add(5*time.Minute)) {
		t.Errorf("began at %s, found %s", from, got.UTC())
	}
}

// What is told of overlapping subjects in any order is one incident under the widest name, and every incident that fired
// is resolved once.
func TestGroupInAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := &event.WatchState{}
		fired, open := map[string]string{}, map[string]bool{}
		for step := range rapid.IntRange(1, 30).Draw(t, "steps") {
			for range rapid.IntRange(1, 4).Draw(t, "batch") {
				d := rapid.SampledFrom([]string{"campaign", "agent", "partner"}).Draw(t, "dimension")
				subject := fmt.Sprint(rapid.IntRange(0, 2).Draw(t, "subject"))
				key := d + subject
				a := &event.Alert{Kind: KindSpike, Dimension: d, Subject: subject, State: "firing", At: int64(step)}
				if fired[key] == "" {
					a.AlertId = fmt.Sprint(key, "|", step, "|", len(s.Waiting))
					fired[key] = a.AlertId
				} else {
					a.AlertId, a.State = fired[key], "resolved"
					fired[key] = ""
				}
				base := uint64(rapid.IntRange(0, 3).Draw(t, "complaints") * 10)
				s.Waiting = append(s.Waiting, &event.WatchCandidate{Alert: a, Complaints: []uint64{base, base + 1, base + 2}})
			}
			for _, a := range Group(s, int64(step)) {
				switch {
				case a.State == "firing" && open[a.AlertId], a.State == "resolved" && !open[a.AlertId]:
					t.Fatalf("%s is %s twice, or out of nothing", a.AlertId, a.State)
				case a.State == "firing" && a.Seq != 1, a.State == "resolved" && a.Seq != 2:
					t.Fatalf("%s %s has number %d", a.AlertId, a.State, a.Seq)
				}
				open[a.AlertId] = a.State == "firing"
			}
		}
		firing := 0
		for _, id := range fired {
			if id != "" {
				firing++
			}
		}
		told := 0
		for _, on := range open {
			if on {
				told++
			}
		}
		if told > firing || firing > 0 && told == 0 {
			t.Fatalf("%d subjects fire, %d incidents are open", firing, told)
		}
	})
}
