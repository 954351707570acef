package complaint

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/ringfence/ringfence/event"
)

const (
	recentMS   = 10 * minuteMS // buckets of the last day
	recentKept = 26 * hourMS
	hoursKept  = 36 * dayMS // the longest window and its baseline
	refsKept   = 7 * dayMS
	refsMax    = 4000

	profileAfter = 14 * dayMS // a profile of the week needs so much history ...
	profileLeast = 100        // ... and so many complaints
	profilePrior = 20.0       // expected complaints with which each of its factors is drawn towards 1
	leastCalls   = 25.0       // of a window: some complaints can come about calls nobody told us of
	lateShare    = 0.25       // of an average window's complaints come even when nobody calls: they are about calls of before
)

// Watch is one subject: recent counts by ten minutes with the complaints themselves, and hours of the weeks before.
type Watch struct {
	Recent *event.WatchState
	Hours  *event.WatchState
}

// NewWatch is an empty one.
func NewWatch(dimension, subject string) *Watch {
	return &Watch{Recent: &event.WatchState{Dimension: dimension, Subject: subject}, Hours: &event.WatchState{}}
}

func byTime(b *event.WatchBucket, at int64) int { return cmp.Compare(b.At, at) }

// add puts counts into the bucket of their time.
func add(buckets []*event.WatchBucket, b *event.WatchBucket, size int64) []*event.WatchBucket {
	at := b.At - b.At%size
	i, ok := slices.BinarySearchFunc(buckets, at, byTime)
	if !ok {
		buckets = slices.Insert(buckets, i, &event.WatchBucket{At: at})
	}
	sum(buckets[i], b, 1)
	return buckets
}

func sum(into, b *event.WatchBucket, sign int64) {
	into.Dials += sign * b.Dials
	into.Connected += sign * b.Connected
	into.Live += sign * b.Live
	into.Abandoned += sign * b.Abandoned
	into.Completed += sign * b.Completed
	into.Won += sign * b.Won
	into.Recorded += sign * b.Recorded
	into.Complaints += sign * b.Complaints
	into.Inbound += sign * b.Inbound
	into.InboundServed += sign * b.InboundServed
}

// Add counts, and tells whether the hours changed too.
func (w *Watch) Add(b *event.WatchBucket) (hours bool) {
	r := w.Recent
	if n := len(r.Buckets); n > 0 && b.At < r.Buckets[n-1].At-recentKept {
		w.Hours.Buckets = add(w.Hours.Buckets, b, hourMS)
		return true
	}
	r.Buckets = add(r.Buckets, b, recentMS)
	last := r.Buckets[len(r.Buckets)-1].At
	if r.Buckets[0].At >= last-recentKept-hourMS {
		return false
	}
	n := 0
	for _, b := range r.Buckets {
		if b.At >= last-recentKept {
			break
		}
		w.Hours.Buckets = add(w.Hours.Buckets, b, hourMS)
		n++
	}
	r.Buckets = slices.Delete(r.Buckets, 0, n)
	i, _ := slices.BinarySearchFunc(w.Hours.Buckets, last-hoursKept, byTime)
	w.Hours.Buckets = slices.Delete(w.Hours.Buckets, 0, i)
	r.Spells = slices.DeleteFunc(r.Spells, func(s *event.WatchSpan) bool { return s.To < last-hoursKept })
	return true
}

// Complaint adds a complaint, or takes it away; of one it has, it only learns that it is serious. It tells whether
// anything changed, and whether the hours did.
func (w *Watch) Complaint(c *event.WatchComplaint) (changed, hours bool) {
	r := w.Recent
	i := slices.IndexFunc(r.Complaints, func(x *event.WatchComplaint) bool { return x.Id == c.Id })
	switch {
	case c.Removed && i < 0, !c.Removed && i >= 0 && r.Complaints[i].Serious == c.Serious:
		return false, false
	case c.Removed:
		at := r.Complaints[i].At
		r.Complaints = slices.Delete(r.Complaints, i, i+1)
		return true, w.Add(&event.WatchBucket{At: at, Complaints: -1})
	case i >= 0:
		r.Complaints[i].Serious = c.Serious
		return true, false
	}
	j, _ := slices.BinarySearchFunc(r.Complaints, c.At, func(x *event.WatchComplaint, at int64) int { return cmp.Compare(x.At, at+1) })
	r.Complaints = slices.Insert(r.Complaints, j, c)
	newest := r.Complaints[len(r.Complaints)-1].At
	drop := max(0, len(r.Complaints)-refsMax)
	for drop < len(r.Complaints) && r.Complaints[drop].At <= newest-refsKept {
		drop++
	}
	r.Complaints = slices.Delete(r.Complaints, 0, drop)
	return true, w.Add(&event.WatchBucket{At: c.At, Complaints: 1})
}

// each calls f for the buckets that begin in [from, to), the older ones being hours.
func (w *Watch) each(from, to int64, f func(b *event.WatchBucket)) {
	for _, s := range []*event.WatchState{w.Hours, w.Recent} {
		i, _ := slices.BinarySearchFunc(s.Buckets, from, byTime)
		for ; i < len(s.Buckets) && s.Buckets[i].At < to; i++ {
			f(s.Buckets[i])
		}
	}
}

// first is when the subject was first heard of, as far as is kept.
func (w *Watch) first() int64 {
	if len(w.Hours.Buckets) > 0 {
		return w.Hours.Buckets[0].At
	}
	if len(w.Recent.Buckets) > 0 {
		return w.Recent.Buckets[0].At
	}
	return math.MaxInt64
}

// tainted tells whether a bucket lies in a spike: what a baseline must not learn.
func (w *Watch) tainted(at int64) bool {
	for _, s := range w.Recent.Spells {
		if at >= s.From-hourMS && at < s.To {
			return true
		}
	}
	return false
}

// profile says how a connected call of a weekday compares with the average one in the complaints it brings with it, and
// what share of a day's complaints comes in which hour (people complain in the morning, before anybody is called). Nil:
// there is not enough history to tell.
type profile struct {
	day  [7]float64
	hour [24]float64
	zone *time.Location
}

func (p *profile) weight(at int64) float64 {
	if p == nil {
		return 1
	}
	return p.day[time.UnixMilli(at).In(p.zone).Weekday()]
}

// share of a day's complaints that come in [from, to), which is shorter than a day.
func (p *profile) share(from, to int64) float64 {
	sum := 0.0
	for at := from; at < to; at += recentMS {
		sum += p.hour[time.UnixMilli(at).In(p.zone).Hour()] * float64(min(recentMS, to-at)) / float64(hourMS)
	}
	return sum
}

func (w *Watch) profile(from, to int64, zone *time.Location) *profile {
	if to-max(from, w.first()) < profileAfter {
		return nil
	}
	var day, dayBase [7]float64
	var hour, hourBase [24]float64
	var seen, base float64
	w.each(from, to, func(b *event.WatchBucket) {
		if w.tainted(b.At) {
			return
		}
		t := time.UnixMilli(b.At).In(zone)
		c, n := float64(b.Complaints), float64(b.Connected)
		day[t.Weekday()] += c
		dayBase[t.Weekday()] += n
		hour[t.Hour()] += c
		hourBase[t.Hour()] += n
		seen, base = seen+c, base+n
	})
	if seen < profileLeast || base == 0 {
		return nil
	}
	p := &profile{zone: zone}
	rate := seen / base
	for i := range p.day {
		p.day[i] = (day[i] + profilePrior) / (dayBase[i]*rate + profilePrior)
	}
	for i := range p.hour {
		p.hour[i] = (hour[i] + profilePrior*hourBase[i]/base) / (seen + profilePrior)
	}
	return p
}

// look is what a window that ends at now holds, and its baseline.
func (t Test) look(w *Watch, now, window int64, zone *time.Location, keys int64, firing bool) Look {
	l := Look{WindowMS: window, Keys: keys, Firing: firing}
	from := max(now-window, w.Recent.Floor)
	i, _ := slices.BinarySearchFunc(w.Recent.Complaints, from, func(x *event.WatchComplaint, at int64) int { return cmp.Compare(x.At, at+1) })
	for _, c := range w.Recent.Complaints[i:] {
		if c.At <= now {
			l.Count++
		}
	}
	base := now - window - t.BaselineMS
	p := w.profile(base, now-window, zone)
	connected := func(from, to int64) (sum float64) {
		w.each(from, to, func(b *event.WatchBucket) { sum += float64(b.Connected) * p.weight(b.At) })
		return sum
	}
	w.each(base, now-window, func(b *event.WatchBucket) {
		if !w.tainted(b.At) {
			l.Before += b.Complaints
			l.BeforeBase += float64(b.Connected) * p.weight(b.At)
		}
	})
	switch span := now - from; {
	case span >= dayMS:
		l.Exposure = connected(from, now+1)
	case p != nil: // complaints follow the day's calls at hours of their own
		l.Exposure = connected(now-dayMS, now+1) * p.share(from, now)
	default:
		l.Exposure = math.Max(connected(from, now+1), connected(now-dayMS, now+1)*float64(span)/dayMS)
	}
	l.Exposure = math.Max(l.Exposure, leastCalls)
	if known := float64(now - window - max(base, w.first())); known > 0 {
		l.Exposure = math.Max(l.Exposure, lateShare*l.BeforeBase*float64(now-from)/math.Max(known, float64(window)))
	}
	return l
}

// Judge looks at every window. Of those that say it is a spike the least likely one is the evidence; of none, the least
// likely of all. A firing one ends by the windows up to the one it began with.
func (t Test) Judge(w *Watch, now int64, zone *time.Location, keys, firedMS int64) Evidence {
	var best Evidence
	for i, window := range t.Windows {
		if firedMS > 0 && window > firedMS {
			continue
		}
		l := t.look(w, now, window, zone, keys, firedMS > 0)
		if firedMS == 0 && i > 0 && l.BeforeBase < l.Exposure/2 {
			continue // too little to compare so much with
		}
		e := t.Decide(l)
		if best.WindowMS == 0 || e.Spike && !best.Spike || e.Spike == best.Spike && e.FalsePerYear < best.FalsePerYear {
			best = e
		}
	}
	return best
}

// Since is when a spike most likely began: of all stretches that end now and begin with a complaint of the window, the
// one with the greatest likelihood ratio against the baseline's rate.
func (w *Watch) Since(now int64, e Evidence) int64 {
	from := max(now-e.WindowMS, w.Recent.Floor)
	since, best, count := now, 0.0, 0.0
	exposure, next := 0.0, now+1
	for i := len(w.Recent.Complaints) - 1; i >= 0; i-- {
		c := w.Recent.Complaints[i]
		if c.At > now {
			continue
		}
		if c.At <= from {
			break
		}
		count++
		begin := c.At - c.At%recentMS
		w.each(begin, next, func(b *event.WatchBucket) { exposure += float64(b.Connected) })
		next = min(next, begin)
		mean := e.Rate * math.Max(exposure, 1)
		if llr := count*math.Log(count/mean) - (count - mean); count > mean && llr > best {
			best, since = llr, c.At
		}
	}
	return since
}
