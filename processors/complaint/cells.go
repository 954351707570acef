package complaint

import (
	"math"
	"time"

	"github.com/ringfence/ringfence/event"
)

// rateKind is one rate that is watched.
type rateKind struct {
	kind       string
	dimensions []string
	num, den   func(b *event.WatchBucket) int64
	high, low  bool
	change     float64 // least relative change; 0 = the test's
	above      float64 // a high one must be above this
}

// rateKinds are the rates THR-04 and RET-01 name, beside complaints. Success is won calls per completed call here: an
// account's calls are not put together.
var rateKinds = []rateKind{
	{kind: KindConnect, dimensions: []string{"campaign"}, num: (*event.WatchBucket).GetConnected, den: (*event.WatchBucket).GetDials, low: true, high: true},
	{kind: KindSuccess, dimensions: []string{"campaign"}, num: (*event.WatchBucket).GetWon, den: (*event.WatchBucket).GetCompleted, low: true, high: true, change: 0.3},
	{kind: KindAbandoned, dimensions: []string{"campaign"}, num: (*event.WatchBucket).GetAbandoned, den: (*event.WatchBucket).GetLive, high: true, change: 0.5, above: 0.03},
	{kind: KindRecording, dimensions: []string{"campaign"}, num: (*event.WatchBucket).GetRecorded, den: (*event.WatchBucket).GetConnected, low: true, change: 0.05},
}

// volumeKinds are the counts that are watched by the clock: what does not come is what they are about.
var volumeKinds = []rateKind{
	{kind: KindVolume, dimensions: []string{"campaign"}, num: (*event.WatchBucket).GetDials, low: true, high: true, change: 0.6},
	{kind: KindSilent, dimensions: []string{sourceName}, num: (*event.WatchBucket).GetDials, low: true, change: 0.95},
}

// hourly sums the baseline's hours before the window that begins at from; like = only hours of the same hour of the day
// on the same kind of day, once there are two weeks of history.
func (w *Watch) hourly(k rateKind, from int64, zone *time.Location) []Cell {
	cells := map[int64]*Cell{}
	begin := from - 28*dayMS
	like := from-max(begin, w.first()) >= profileAfter
	t := time.UnixMilli(from).In(zone)
	w.each(begin, from, func(b *event.WatchBucket) {
		h := b.At - b.At%hourMS
		if like {
			u := time.UnixMilli(h).In(zone)
			if u.Hour() != t.Hour() || weekend(u) != weekend(t) {
				return
			}
		}
		c := cells[h]
		if c == nil {
			c = &Cell{}
			cells[h] = c
		}
		c.X += k.num(b)
		if k.den != nil {
			c.N += k.den(b)
		}
	})
	out := make([]Cell, 0, len(cells))
	for _, c := range cells {
		out = append(out, *c)
	}
	return out
}

func weekend(t time.Time) bool { return t.Weekday() == time.Saturday || t.Weekday() == time.Sunday }

// Rate judges the hour that ends at end.
func (t RateTest) Rate(w *Watch, k rateKind, end int64, zone *time.Location, keys int64, firing bool) RateEvidence {
	l := RateLook{High: k.high, Low: k.low, Keys: keys, Firing: firing, Cells: w.hourly(k, end-hourMS, zone)}
	w.each(end-hourMS, end, func(b *event.WatchBucket) { l.X, l.N = l.X+k.num(b), l.N+k.den(b) })
	if k.change > 0 {
		t.Change = k.change
	}
	e := t.DecideRate(l)
	if e.Off && k.above > 0 && e.Rate > e.Before && e.Rate < k.above {
		e.Off = false
	}
	return e
}

// Volume judges the count of the hour that ends at end against the same hour of the weeks before. It does so only with two
// weeks of history: without a profile nobody knows when a day ends.
func (t RateTest) Volume(w *Watch, k rateKind, end int64, zone *time.Location, keys int64, firing bool) RateEvidence {
	from := end - hourMS
	l := RateLook{High: k.high, Low: k.low, Keys: keys, Firing: firing}
	if from-w.first() < profileAfter {
		return RateEvidence{RateLook: l, P: 1}
	}
	w.each(from, end, func(b *event.WatchBucket) { l.X += k.num(b) })
	week := map[int]Cell{} // by hour of the week: of all weeks kept
	squares, expected := 0.0, 0.0
	counts := map[int][]float64{}
	sums := map[int64]float64{}
	w.each(w.first(), from-from%hourMS, func(b *event.WatchBucket) { sums[b.At-b.At%hourMS] += float64(k.num(b)) })
	for h := w.first() - w.first()%hourMS; h < from-from%hourMS; h += hourMS {
		i := hourOfWeek(h, zone)
		c := week[i]
		c.X += int64(sums[h])
		c.N++
		week[i] = c
		counts[i] = append(counts[i], sums[h])
	}
	for i, xs := range counts {
		mean := float64(week[i].X) / float64(len(xs))
		for _, x := range xs {
			if len(xs) > 1 {
				squares += ((x-mean)*(x-mean) - mean*float64(len(xs)-1)/float64(len(xs))) * float64(len(xs)) / float64(len(xs)-1)
				expected += mean * mean
			}
		}
	}
	// The hour in hand overlaps two hours of the profile.
	share := float64(from%hourMS) / float64(hourMS)
	a, b := counts[hourOfWeek(from, zone)], counts[hourOfWeek(from+hourMS, zone)]
	for i := range min(len(a), len(b)) {
		l.Cells = append(l.Cells, Cell{X: int64(math.Round((1-share)*a[len(a)-1-i] + share*b[len(b)-1-i]))})
	}
	if k.change > 0 {
		t.Change = k.change
	}
	pooled := 0.0
	if expected > 0 {
		pooled = math.Max(0, squares/expected)
	}
	return t.DecideVolume(l, pooled)
}

func hourOfWeek(at int64, zone *time.Location) int {
	t := time.UnixMilli(at).In(zone)
	return int(t.Weekday())*24 + t.Hour()
}
