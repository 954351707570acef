package trial

import (
	"fmt"
	"sort"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/processors/complaint"
)

// Alarm is one time something was said.
type Alarm struct {
	At, Until         int64
	Who, Kind, Detail string
}

// Ours runs the product's own decision over the campaigns alone.
func Ours(o complaint.Options, cs []*Campaign, judgeFrom int64) []Alarm {
	var all []*event.WatchCandidate
	for _, c := range cs {
		all = append(all, o.Replay(complaint.Past{Dimension: "campaign", Subject: c.Name, Calls: c.Calls, Complaints: refs(c.Complaints, nil)}, int64(len(cs)), judgeFrom)...)
	}
	return alarms(all)
}

// alarms are the incidents, as people would be told of them.
func alarms(all []*event.WatchCandidate) []Alarm {
	var out []Alarm
	open := map[string]int{}
	for _, a := range complaint.Incidents(all) {
		if a.State == "firing" {
			open[a.AlertId] = len(out)
			out = append(out, Alarm{At: a.At, Until: 1 << 62, Who: a.Dimension + " " + a.Subject, Kind: a.Kind, Detail: a.Detail})
		} else {
			out[open[a.AlertId]].Until = a.At
		}
	}
	return out
}

func refs(cs []Complaint, keep func(Complaint) bool) []*event.WatchComplaint {
	var out []*event.WatchComplaint
	for _, x := range cs {
		if keep == nil || keep(x) {
			out = append(out, &event.WatchComplaint{Id: x.ID, At: x.At, AgentId: fmt.Sprint(x.Agent)})
		}
	}
	return out
}

// Whole runs every dimension: campaigns, their agents, teams, partners (one of two campaigns each) and products (as
// campaigns). What fires over the same complaints is counted once, as people would be told once.
func Whole(o complaint.Options, c Centre, cs []*Campaign, judgeFrom int64) []Alarm {
	var all []*event.WatchCandidate
	run := func(dimension, subject string, calls []*event.WatchBucket, complaints []*event.WatchComplaint, keys int) {
		all = append(all, o.Replay(complaint.Past{Dimension: dimension, Subject: subject, Calls: calls, Complaints: complaints}, int64(keys), judgeFrom)...)
	}
	teams := (c.Agents + 9) / 10
	for i, x := range cs {
		for _, d := range []string{"campaign", "product"} {
			run(d, x.Name, x.Calls, refs(x.Complaints, nil), len(cs))
		}
		for a := range c.Agents {
			own := refs(x.Complaints, func(y Complaint) bool { return y.Agent == a })
			run("agent", fmt.Sprint(x.Name, "-", a), share(x.Calls, c.Agents, a), own, len(cs)*c.Agents)
		}
		for t := range teams {
			own := refs(x.Complaints, func(y Complaint) bool { return y.Agent/10 == t })
			run("team", fmt.Sprint(x.Name, "-", t), share(x.Calls, teams, t), own, len(cs)*teams)
		}
		if i%2 == 1 {
			both := append(append([]Complaint{}, cs[i-1].Complaints...), x.Complaints...)
			sort.Slice(both, func(a, b int) bool { return both[a].At < both[b].At })
			sum := make([]*event.WatchBucket, len(x.Calls))
			for j := range sum {
				sum[j] = &event.WatchBucket{At: x.Calls[j].At, Dials: x.Calls[j].Dials + cs[i-1].Calls[j].Dials, Connected: x.Calls[j].Connected + cs[i-1].Calls[j].Connected}
			}
			run("partner", fmt.Sprint(i), sum, refs(both, nil), len(cs)/2)
		}
	}
	return alarms(all)
}

// share gives one of n their part of the calls.
func share(calls []*event.WatchBucket, n, i int) []*event.WatchBucket {
	out := make([]*event.WatchBucket, len(calls))
	for j, b := range calls {
		k := b.Connected / int64(n)
		if int64((i+j)%n) < b.Connected%int64(n) {
			k++
		}
		out[j] = &event.WatchBucket{At: b.At, Dials: k * 3, Connected: k}
	}
	return out
}
