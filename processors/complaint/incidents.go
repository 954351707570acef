package complaint

import (
	"maps"
	"slices"
	"time"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/internal/stream"
)

// gatherFor is how long the centre waits for others that fire over the same complaints before it tells anybody.
const gatherFor = 300 * time.Millisecond

// order of the dimensions: the first that fires gives an incident its name.
var order = []string{"campaign", "agent", "team", "partner", "product", "centre", sourceName, "complaint"}

// propose sends a change of state to the centre, where it becomes an incident of its own or a part of one.
func (p *processor) propose(c *ctx, a *event.Alert, complaints []uint64) error {
	a.DecidedAt = c.Now().UnixMilli()
	switch a.Dimension {
	case "campaign":
		a.CampaignId = a.Subject
	case "agent":
		a.AgentId = a.Subject
	}
	return send(c, centreKey, &event.WatchRecord{Body: &event.WatchRecord_Candidate{Candidate: &event.WatchCandidate{Alert: a, Complaints: complaints}}})
}

// candidate waits a moment for others about the same.
func (p *processor) candidate(c *ctx, x *event.WatchCandidate) error {
	s, err := get(c, centreKey)
	if err != nil {
		return err
	}
	s.Waiting = append(s.Waiting, x)
	if err := c.Put(centreKey, s); err != nil || len(s.Waiting) > 1 {
		return err
	}
	return c.SetTimer(centreKey, c.Now().Add(gatherFor))
}

// gather turns what waited into incidents.
func (p *processor) gather(c *ctx) error {
	s, err := get(c, centreKey)
	if err != nil {
		return err
	}
	told := Group(s.WatchState, c.Now().UnixMilli())
	for _, a := range told {
		if err := p.alert(c, a); err != nil {
			return err
		}
	}
	return c.Put(centreKey, s)
}

func (p *processor) alert(c *ctx, a *event.Alert) error {
	v, err := a.MarshalVT()
	if err != nil {
		return err
	}
	p.Metrics.told(a)
	key := a.CampaignId
	if key == "" {
		key = a.AlertId
	}
	c.Emit(stream.Output{Topic: event.TopicAlerts, Key: []byte(key), Value: v})
	return nil
}

func member(a *event.Alert) string { return a.Kind + "|" + a.Dimension + "|" + a.Subject }

// pastAfter: what is decided so much later than it happened is of an import.
const pastAfter = 24 * hourMS

// Group takes the candidates that wait and returns what is to be told. One that fires over complaints most of which an
// open incident has already is a part of that incident; an incident is over when none of its parts fires. One that
// a person ended stays known for a week, so that its complaints do not come back under another name.
func Group(s *event.WatchState, now int64) []*event.Alert {
	waiting := s.Waiting
	s.Waiting = nil
	opened := map[*event.WatchIncident]int{} // in this batch: where its alert stands
	var out []*event.Alert
	// What open incidents go on over is known before anything else is taken for a new one.
	slices.SortStableFunc(waiting, func(a, b *event.WatchCandidate) int { return min(1, len(a.Alert.State)) - min(1, len(b.Alert.State)) })
	for _, x := range waiting {
		a := x.Alert
		i := slices.IndexFunc(s.Incidents, func(i *event.WatchIncident) bool { return slices.Contains(i.Members, member(a)) })
		switch {
		case a.State == "": // goes on, over more complaints
			if i >= 0 {
				s.Incidents[i].Complaints = union(s.Incidents[i].Complaints, x.Complaints)
			}
		case a.State == "firing" && i >= 0 && s.Incidents[i].Alert.AlertId == a.AlertId: // it got worse
			inc := s.Incidents[i]
			a.Seq, a.Since, a.Past = inc.Alert.Seq+1, inc.Alert.Since, inc.Alert.Past
			inc.Alert = a
			out = append(out, a)
		case a.State == "firing" && i >= 0: // part of one already
		case a.State == "firing":
			if j := slices.IndexFunc(s.Incidents, func(i *event.WatchIncident) bool {
				return i.Alert.Kind == a.Kind && overlaps(x.Complaints, i.Complaints)
			}); j >= 0 {
				inc := s.Incidents[j]
				if inc.Alert.State == "resolved" { // a person has dealt with these
					continue
				}
				inc.Members = append(inc.Members, member(a))
				inc.Complaints = union(inc.Complaints, x.Complaints)
				if k, fresh := opened[inc]; fresh && rank(a) < rank(inc.Alert) { // nobody was told yet: the better name
					a.Seq, a.Past, a.Also = 1, inc.Alert.Past, append(inc.Alert.Also, inc.Alert.Dimension+" "+inc.Alert.Subject)
					inc.Alert, out[k] = a, a
					continue
				}
				inc.Alert.Also = append(inc.Alert.Also, a.Dimension+" "+a.Subject)
				continue
			}
			a.Seq, a.Past = 1, a.DecidedAt-a.At > pastAfter
			inc := &event.WatchIncident{Alert: a, Complaints: x.Complaints, Members: []string{member(a)}}
			s.Incidents = append(s.Incidents, inc)
			opened[inc] = len(out)
			out = append(out, a)
		case i >= 0:
			inc := s.Incidents[i]
			inc.Members = slices.DeleteFunc(inc.Members, func(m string) bool { return m == member(a) })
			main := inc.Alert.AlertId == a.AlertId
			if main {
				inc.Closing = a
			}
			if len(inc.Members) > 0 && (!main || a.By == "") { // what a person ends is over with all its parts
				continue
			}
			if a.By == "" {
				s.Incidents = slices.Delete(s.Incidents, i, i+1)
			}
			if inc.Closing != nil {
				inc.Closing.At, inc.Closing.DecidedAt = a.At, a.DecidedAt
				a = inc.Closing
			}
			a.AlertId, a.Seq, a.Since, a.Dimension, a.Subject, a.CampaignId, a.AgentId = inc.Alert.AlertId, inc.Alert.Seq+1, inc.Alert.Since, inc.Alert.Dimension, inc.Alert.Subject, inc.Alert.CampaignId, inc.Alert.AgentId
			inc.Alert = inc.Alert.CloneVT() // it may stand in this batch as it fired
			inc.Alert.State, inc.Alert.At, inc.Members = "resolved", a.At, nil
			a.Past, a.Also, a.Severity, a.Action, a.CallIds = inc.Alert.Past, inc.Alert.Also, inc.Alert.Severity, inc.Alert.Action, inc.Alert.CallIds
			out = append(out, a)
		}
	}
	s.Incidents = slices.DeleteFunc(s.Incidents, func(i *event.WatchIncident) bool { return len(i.Members) == 0 && i.Alert.At < now-refsKept })
	s.Mutes = slices.DeleteFunc(s.Mutes, func(m *event.WatchCommand) bool { return m.Until <= now })
	for i, a := range out {
		a.Muted = muted(s.Mutes, a)
		out[i] = a.CloneVT() // the incident goes on changing its own
	}
	return out
}

func rank(a *event.Alert) int { return slices.Index(order, a.Dimension) }

func overlaps(a, b []uint64) bool {
	both := 0
	for _, x := range a {
		if slices.Contains(b, x) {
			both++
		}
	}
	return len(a) > 0 && 2*both >= len(a)
}

func union(a, b []uint64) []uint64 {
	for _, x := range b {
		if !slices.Contains(a, x) {
			a = append(a, x)
		}
	}
	return a
}

func muted(mutes []*event.WatchCommand, a *event.Alert) bool {
	return slices.ContainsFunc(mutes, func(m *event.WatchCommand) bool {
		return (m.Kind == "" || m.Kind == a.Kind) && (m.Dimension == "" || m.Dimension == a.Dimension && m.Subject == a.Subject)
	})
}

// command does what a person decided: about a campaign's dialling at the campaign, about alerts at the centre.
func (p *processor) command(c *ctx, key string, m *event.WatchCommand) error {
	if key != centreKey {
		return p.campaignCommand(c, key, m)
	}
	s, err := get(c, centreKey)
	if err != nil {
		return err
	}
	same := func(x *event.WatchCommand) bool {
		return x.Kind == m.Kind && x.Dimension == m.Dimension && x.Subject == m.Subject
	}
	switch m.Action {
	case "mute":
		s.Mutes = append(slices.DeleteFunc(s.Mutes, same), m)
	case "unmute":
		s.Mutes = slices.DeleteFunc(s.Mutes, same)
	case "acknowledge":
		for _, i := range s.Incidents {
			if i.Alert.AlertId != m.AlertId || i.Alert.State != "firing" {
				continue
			}
			a := i.Alert.CloneVT()
			a.State, a.By, a.Note, a.At, a.DecidedAt = "acknowledged", m.By, m.Reason, m.At, c.Now().UnixMilli()
			a.Seq++
			a.Muted = muted(s.Mutes, a)
			i.Alert = a
			if err := p.alert(c, a.CloneVT()); err != nil {
				return err
			}
		}
	}
	return c.Put(centreKey, s)
}

// campaignCommand resumes, throttles or stops a campaign by hand. Complaints before a resumption are dealt with: they
// fire no more.
func (p *processor) campaignCommand(c *ctx, key string, m *event.WatchCommand) error {
	dimension, campaign := split(key)
	if dimension != "campaign" || !slices.Contains([]string{"resume", "throttle", "stop"}, m.Action) {
		return &stream.Reject{Reason: "command " + m.Action + " is not one about a campaign"}
	}
	w, err := p.load(c, key)
	if err != nil {
		return err
	}
	verdict := m.Action
	if m.Action == "resume" {
		verdict, w.Recent.Verdict, w.Recent.Floor = "run", "", m.At
		if open := w.incident(KindSpike); open != nil {
			a := open.Alert.CloneVT()
			a.State, a.At, a.By, a.Note, a.Done = "resolved", m.At, m.By, m.Reason, "the campaign was resumed by "+m.By
			a.Detail = "ended by " + m.By + ": " + m.Reason
			w.Recent.Spells = append(w.Recent.Spells, &event.WatchSpan{From: a.Since, To: m.At})
			w.end(KindSpike)
			if err := p.propose(c, a, nil); err != nil {
				return err
			}
		}
	} else {
		w.Recent.Verdict = byPerson
	}
	if err := p.signal(c, campaign, verdict, m.Reason, m.By, m.At); err != nil {
		return err
	}
	return p.save(c, key, w, false)
}

// keys counts subjects at the centre, tells all partitions when their number has grown by a tenth, and keeps it there.
func (p *processor) keys(c *ctx, key string, k *event.WatchKeys) error {
	if key == keysKey {
		return c.Put(keysKey, &State{&event.WatchState{Keys: k.Counts}})
	}
	s, err := get(c, centreKey)
	if err != nil {
		return err
	}
	if s.Keys == nil {
		s.Keys, s.Told = map[string]int64{}, map[string]int64{}
	}
	grown := false
	for d, n := range k.Counts {
		s.Keys[d] += n
		grown = grown || 10*s.Keys[d] > 11*s.Told[d]
	}
	if grown {
		s.Told = maps.Clone(s.Keys)
		all := &event.WatchRecord{Body: &event.WatchRecord_Keys{Keys: &event.WatchKeys{Counts: s.Told}}}
		v, err := all.MarshalVT()
		if err != nil {
			return err
		}
		for i := range c.Partitions() {
			c.Emit(stream.Output{Topic: event.TopicWatchEvents, Key: []byte(keysKey), Value: v, Partition: i, ToPartition: true})
		}
	}
	return c.Put(centreKey, s)
}
