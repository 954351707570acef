package complaint

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/ringfence/ringfence/event"
)

// Past is what one subject's past holds, each ascending by time.
type Past struct {
	Dimension, Subject string
	Calls              []*event.WatchBucket // of ten minutes
	Complaints         []*event.WatchComplaint
	// Until is up to when the clock is followed beside the events, as the processor's timers do: what does not happen is
	// judged too (dial volume, silent sources), and incidents end when nothing comes any more. 0 = not at all.
	Until int64
	// Slowed are the spans in which the campaign was throttled or stopped: that it dials less then is no surprise.
	Slowed []*event.WatchSpan
}

// Replay goes through a subject's past as the processor would have, at each complaint and every ten minutes, and returns
// its changes of state from judgeFrom on; what is before is history.
func (o Options) Replay(p Past, keys, judgeFrom int64) []*event.WatchCandidate {
	r := &replay{Options: o, past: p, keys: keys, from: judgeFrom, w: NewWatch(p.Dimension, p.Subject)}
	const never = math.MaxInt64
	for tick := judgeFrom - judgeFrom%recentMS + recentMS; ; {
		call, complaint, clock := int64(never), int64(never), int64(never)
		if len(p.Calls) > 0 {
			call = p.Calls[0].At + recentMS
		}
		if len(p.Complaints) > 0 {
			complaint = p.Complaints[0].At
		}
		if tick <= p.Until {
			clock = tick
		}
		switch {
		case min(call, complaint, clock) == never:
			return r.out
		case complaint < call && complaint < clock:
			r.complaint(p.Complaints[0])
			p.Complaints = p.Complaints[1:]
		case call <= clock: // the ten minutes that end now are counted before they are judged
			r.calls(p.Calls[0])
			p.Calls = p.Calls[1:]
		default:
			r.tick(tick)
			tick += recentMS
		}
	}
}

// replay is one subject's.
type replay struct {
	Options
	past Past
	keys int64
	from int64
	w    *Watch
	out  []*event.WatchCandidate
}

func (r *replay) say(a *event.Alert, complaints []uint64) {
	if a.State != "" {
		a.DecidedAt = a.At
	}
	switch a.Dimension {
	case "campaign":
		a.CampaignId = a.Subject
	case "agent":
		a.AgentId = a.Subject
	}
	r.out = append(r.out, &event.WatchCandidate{Alert: a, Complaints: complaints})
}

func (r *replay) spike(now int64) {
	if now < r.from {
		return
	}
	a, e := r.Spike(r.w, now, r.keys)
	if a == nil {
		return
	}
	var ids []uint64
	for _, x := range r.w.Recent.Complaints {
		if x.At > now-e.WindowMS {
			ids = append(ids, x.Id)
		}
	}
	r.say(a, ids)
}

func (r *replay) complaint(x *event.WatchComplaint) {
	r.w.Complaint(x)
	r.spike(x.At)
	if r.w.incident(KindSpike) != nil {
		r.say(&event.Alert{Kind: KindSpike, Dimension: r.past.Dimension, Subject: r.past.Subject, At: x.At}, []uint64{x.Id})
	}
}

func (r *replay) calls(b *event.WatchBucket) {
	end := b.At + recentMS
	r.w.Add(b)
	if r.w.incident(KindSpike) != nil {
		r.spike(end)
	}
	r.rates(end, rateKinds, r.Rates.Rate)
}

// tick is the processor's timer.
func (r *replay) tick(now int64) {
	if r.w.incident(KindSpike) != nil {
		r.spike(now)
	}
	n := len(r.w.Recent.Buckets)
	live := n > 0 && now-r.w.Recent.Buckets[n-1].At < dayMS
	if slowed := slices.ContainsFunc(r.past.Slowed, func(s *event.WatchSpan) bool { return now >= s.From && now < s.To }); !slowed {
		for _, k := range volumeKinds {
			if live || r.w.incident(k.kind) != nil {
				r.rates(now, []rateKind{k}, r.Rates.Volume)
			}
		}
	}
	for _, k := range rateKinds {
		if r.w.incident(k.kind) != nil {
			r.rates(now, []rateKind{k}, r.Rates.Rate)
		}
	}
}

func (r *replay) rates(end int64, kinds []rateKind, judge func(*Watch, rateKind, int64, *time.Location, int64, bool) RateEvidence) {
	if end < r.from || r.Rates.FalsePerYear <= 0 {
		return
	}
	for _, k := range kinds {
		if !slices.Contains(k.dimensions, r.past.Dimension) {
			continue
		}
		open := r.w.incident(k.kind)
		e := judge(r.w, k, end, r.Zone, r.keys, open != nil)
		if e.Off != (open != nil) && (e.Judged || open != nil) {
			r.say(r.w.rateAlert(k, e, open, end), nil)
		}
	}
}

// Incidents puts the changes of all subjects together as the centre would have told them, in the order of time.
func Incidents(all []*event.WatchCandidate) []*event.Alert {
	slices.SortStableFunc(all, func(a, b *event.WatchCandidate) int { return cmp.Compare(a.Alert.At, b.Alert.At) })
	s := &event.WatchState{}
	var out []*event.Alert
	for i := 0; i < len(all); {
		j := i
		for j < len(all) && all[j].Alert.At-all[i].Alert.At <= gatherFor.Milliseconds() {
			j++
		}
		s.Waiting = slices.Clone(all[i:j])
		out = append(out, Group(s, all[i].Alert.At)...)
		i = j
	}
	return out
}
