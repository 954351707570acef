package complaint

import (
	"cmp"
	"slices"

	"github.com/ringfence/ringfence/event"
)

// Past is what one subject's past holds, each ascending by time.
type Past struct {
	Dimension, Subject string
	Calls              []*event.WatchBucket // of ten minutes
	Complaints         []*event.WatchComplaint
}

// Replay goes through a subject's past as the processor would have, at each complaint and every ten minutes, and returns
// its changes of state from judgeFrom on; what is before is history. Volumes and sources are judged live only.
func (o Options) Replay(p Past, keys, judgeFrom int64) []*event.WatchCandidate {
	w := NewWatch(p.Dimension, p.Subject)
	var out []*event.WatchCandidate
	say := func(a *event.Alert, complaints []uint64) {
		if a.State != "" {
			a.DecidedAt = a.At
		}
		switch a.Dimension {
		case "campaign":
			a.CampaignId = a.Subject
		case "agent":
			a.AgentId = a.Subject
		}
		out = append(out, &event.WatchCandidate{Alert: a, Complaints: complaints})
	}
	spike := func(now int64) {
		if now < judgeFrom {
			return
		}
		a, e := o.Spike(w, now, keys)
		if a == nil {
			return
		}
		var ids []uint64
		for _, x := range w.Recent.Complaints {
			if x.At > now-e.WindowMS {
				ids = append(ids, x.Id)
			}
		}
		say(a, ids)
	}
	calls, complaints := p.Calls, p.Complaints
	for len(calls) > 0 || len(complaints) > 0 {
		if len(complaints) > 0 && (len(calls) == 0 || complaints[0].At < calls[0].At+recentMS) {
			x := complaints[0]
			complaints = complaints[1:]
			w.Complaint(x)
			spike(x.At)
			if w.incident(KindSpike) != nil {
				say(&event.Alert{Kind: KindSpike, Dimension: p.Dimension, Subject: p.Subject, At: x.At}, []uint64{x.Id})
			}
			continue
		}
		end := calls[0].At + recentMS
		w.Add(calls[0])
		calls = calls[1:]
		if w.incident(KindSpike) != nil {
			spike(end)
		}
		if end < judgeFrom || o.Rates.FalsePerYear <= 0 {
			continue
		}
		for _, k := range rateKinds {
			if !slices.Contains(k.dimensions, p.Dimension) {
				continue
			}
			open := w.incident(k.kind)
			e := o.Rates.Rate(w, k, end, o.Zone, keys, open != nil)
			if e.Off != (open != nil) && (e.Judged || open != nil) {
				say(w.rateAlert(k, e, open, end), nil)
			}
		}
	}
	return out
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
