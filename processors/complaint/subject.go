package complaint

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/internal/stream"
)

// load reads a subject. A new one is announced, so that everybody knows how many share the false alarms.
func (p *processor) load(c *ctx, key string) (*Watch, error) {
	s, ok, err := c.Get(key)
	if err != nil {
		return nil, err
	}
	h, err := get(c, hoursKey+key[len(subjectKey):])
	if err != nil {
		return nil, err
	}
	if !ok {
		dimension, subject := split(key)
		s = &State{&event.WatchState{Dimension: dimension, Subject: subject}}
		fresh := &event.WatchKeys{Fresh: true, Counts: map[string]int64{dimension: 1}}
		if err := send(c, centreKey, &event.WatchRecord{Body: &event.WatchRecord_Keys{Keys: fresh}}); err != nil {
			return nil, err
		}
	}
	return &Watch{s.WatchState, h.WatchState}, nil
}

func (p *processor) save(c *ctx, key string, w *Watch, hours bool) error {
	if hours {
		if err := c.Put(hoursKey+key[len(subjectKey):], &State{w.Hours}); err != nil {
			return err
		}
	}
	return c.Put(key, &State{w.Recent})
}

// peers is how many subjects of the dimension are watched in all.
func peers(c *ctx, dimension string) (int64, error) {
	s, err := get(c, keysKey)
	return max(1, s.GetKeys()[dimension]), err
}

// counts adds calls to a subject and judges its rates when a stretch of ten minutes is over.
func (p *processor) counts(c *ctx, key string, counts *event.WatchCounts) error {
	w, err := p.load(c, key)
	if err != nil {
		return err
	}
	hours := false
	for _, b := range counts.Buckets {
		hours = w.Add(b) || hours
	}
	if n := len(w.Recent.Buckets); n > 0 && w.Recent.Buckets[n-1].At > w.Recent.LookedAt {
		end := w.Recent.Buckets[n-1].At
		if err := p.lookAtRates(c, w, end, rateKinds, p.Rates.Rate); err != nil {
			return err
		}
		if k := len(w.Recent.Complaints); w.incident(KindSpike) != nil {
			now := end // never before what it fired over: the ten minutes may have begun earlier
			if k > 0 {
				now = max(now, w.Recent.Complaints[k-1].At)
			}
			if err := p.lookAtComplaints(c, w, now); err != nil {
				return err
			}
		}
		w.Recent.LookedAt = end
	}
	if err := p.save(c, key, w, hours); err != nil {
		return err
	}
	return p.again(c, key, w)
}

// again sets the clock of a subject that somebody must look at even if nothing comes.
func (p *processor) again(c *ctx, key string, w *Watch) error {
	d := w.Recent.Dimension
	n := len(w.Recent.Buckets)
	live := n > 0 && c.Now().UnixMilli()-w.Recent.Buckets[n-1].At < dayMS && slices.ContainsFunc(volumeKinds, func(k rateKind) bool { return slices.Contains(k.dimensions, d) })
	if !live && len(w.Recent.Incidents) == 0 {
		return nil
	}
	// Two minutes late, so that what belongs to the ten minutes has come.
	return c.SetTimer(key, c.Now().Add(-2*time.Minute).Truncate(recentMS*time.Millisecond).Add((recentMS+2*minuteMS)*time.Millisecond))
}

func (p *processor) subjectTimer(c *ctx, key string) error {
	w, err := p.load(c, key)
	if err != nil {
		return err
	}
	now := c.Now().UnixMilli()
	end := now - now%recentMS
	if w.incident(KindSpike) != nil {
		if err := p.lookAtComplaints(c, w, now); err != nil {
			return err
		}
	}
	if w.Recent.Verdict == "" { // one that was slowed down by the watch itself is no surprise
		if err := p.lookAtRates(c, w, end, volumeKinds, p.Rates.Volume); err != nil {
			return err
		}
	}
	for _, k := range rateKinds {
		if w.incident(k.kind) != nil {
			if err := p.lookAtRates(c, w, end, []rateKind{k}, p.Rates.Rate); err != nil {
				return err
			}
		}
	}
	if err := p.save(c, key, w, false); err != nil {
		return err
	}
	return p.again(c, key, w)
}

// complaint adds one, or takes it away, and judges the subject at the time of its newest.
func (p *processor) complaint(c *ctx, key string, x *event.WatchComplaint) error {
	w, err := p.load(c, key)
	if err != nil {
		return err
	}
	changed, hours := w.Complaint(x)
	if !changed {
		return nil
	}
	if n := len(w.Recent.Complaints); n > 0 && !x.Removed {
		if err := p.lookAtComplaints(c, w, w.Recent.Complaints[n-1].At); err != nil {
			return err
		}
		if open := w.incident(KindSpike); open != nil {
			more := &event.Alert{Kind: KindSpike, Dimension: w.Recent.Dimension, Subject: w.Recent.Subject}
			if err := p.propose(c, more, []uint64{x.Id}); err != nil {
				return err
			}
		}
	}
	if err := p.save(c, key, w, hours); err != nil {
		return err
	}
	return p.again(c, key, w)
}

// incident of a kind that the subject has now.
func (w *Watch) incident(kind string) *event.WatchIncident {
	for _, i := range w.Recent.Incidents {
		if i.Alert.Kind == kind {
			return i
		}
	}
	return nil
}

func (w *Watch) end(kind string) {
	w.Recent.Incidents = slices.DeleteFunc(w.Recent.Incidents, func(i *event.WatchIncident) bool { return i.Alert.Kind == kind })
}

// Spike judges a subject's complaints at a time and keeps the incident: it returns the alert of a change of state, and
// what the decision rests on. It is all that is decided about a spike, so a replay over the past calls nothing else.
func (o Options) Spike(w *Watch, now, keys int64) (*event.Alert, Evidence) {
	open, fired := w.incident(KindSpike), int64(0)
	if open != nil {
		fired = open.Alert.WindowMs
	}
	e := o.Test.Judge(w, now, o.Zone, keys, fired)
	if e.Spike == (open != nil) {
		return nil, e
	}
	a := &event.Alert{Kind: KindSpike, Dimension: w.Recent.Dimension, Subject: w.Recent.Subject, State: "firing", At: now, Since: w.Since(now, e), Severity: "critical",
		Value: float64(e.Count), Expected: e.Expected, PValue: e.P, Count: e.Count, Base: int64(e.Exposure), WindowMs: e.WindowMS, FalsePerYear: e.FalsePerYear, RateBefore: e.Rate, Action: "observe"}
	if e.Exposure > 0 {
		a.Rate = float64(e.Count) / e.Exposure
	}
	if open == nil {
		a.AlertId = fmt.Sprintf("%s|%s|%s|%d", KindSpike, a.Dimension, a.Subject, now)
		if a.Dimension == "campaign" {
			a.Action = o.Action
		}
		a.CallIds = w.callsToHear(now - e.WindowMS)
		a.Detail = fmt.Sprintf("%d complaints in %s on %.0f connected calls; %.1f were to be expected (%.2f per 1,000 calls before, %.2f now)%s; chance alone does this %s a year, over all that is watched",
			e.Count, span(e.WindowMS), e.Exposure, e.Expected, 1000*e.Rate, 1000*a.Rate, w.mainly(now-e.WindowMS), times(e.FalsePerYear))
		w.Recent.Incidents = append(w.Recent.Incidents, &event.WatchIncident{Alert: a})
		return a, e
	}
	a.AlertId, a.Since, a.Action, a.State, a.Severity = open.Alert.AlertId, open.Alert.Since, open.Alert.Action, "resolved", open.Alert.Severity
	a.Detail = fmt.Sprintf("%d complaints in %s, %.1f were to be expected: nothing special any more", e.Count, span(e.WindowMS), e.Expected)
	w.Recent.Spells = append(w.Recent.Spells, &event.WatchSpan{From: a.Since, To: now})
	w.end(KindSpike)
	return a, e
}

// callsToHear are the five calls to listen to first: those of serious complaints, then the latest.
func (w *Watch) callsToHear(from int64) []string {
	var in []*event.WatchComplaint
	for _, c := range slices.Backward(w.Recent.Complaints) {
		if c.At > from && c.CallId != "" {
			in = append(in, c)
		}
	}
	slices.SortStableFunc(in, func(a, b *event.WatchComplaint) int {
		rank := map[bool]int{true: 0, false: 1}
		return cmp.Compare(rank[a.Serious], rank[b.Serious])
	})
	var out []string
	for _, c := range in[:min(5, len(in))] {
		out = append(out, c.CallId)
	}
	return out
}

// mainly names the agent who has half of the complaints or more.
func (w *Watch) mainly(from int64) string {
	if w.Recent.Dimension == "agent" {
		return ""
	}
	n, by := 0, map[string]int{}
	for _, c := range w.Recent.Complaints {
		if c.At > from {
			n++
			by[c.AgentId]++
		}
	}
	for agent, k := range by {
		if agent != "" && 2*k > n {
			return fmt.Sprintf("; %d of them about %s", k, agent)
		}
	}
	return ""
}

func (p *processor) lookAtComplaints(c *ctx, w *Watch, now int64) error {
	keys, err := peers(c, w.Recent.Dimension)
	if err != nil {
		return err
	}
	p.Metrics.judged(KindSpike)
	a, e := p.Spike(w, now, keys)
	if a == nil {
		return nil
	}
	if w.Recent.Dimension == "campaign" {
		if err := p.act(c, w, a); err != nil {
			return err
		}
	}
	var ids []uint64
	for _, x := range w.Recent.Complaints {
		if x.At > now-e.WindowMS {
			ids = append(ids, x.Id)
		}
	}
	return p.propose(c, a, ids)
}

// byPerson is in the place of a verdict that a person gave: the watch does not change it.
const byPerson = "person"

// act tells the dialer at once. What was throttled goes on when the spike is over; what was stopped waits for a person.
func (p *processor) act(c *ctx, w *Watch, a *event.Alert) error {
	switch {
	case w.Recent.Verdict == byPerson:
		a.Done = "nothing: somebody has throttled or stopped the campaign already"
	case a.State == "firing" && a.Action != "observe":
		w.Recent.Verdict = a.Action
		a.Done = map[string]string{"throttle": "the campaign is dialled at half pace until this is over", "stop": "the campaign was stopped; it stays so until somebody resumes it"}[a.Action]
		return p.signal(c, a.Subject, a.Action, a.Detail, "complaint", a.At)
	case a.State == "resolved" && w.Recent.Verdict == "throttle":
		w.Recent.Verdict, a.Done = "", "the campaign runs at its full pace again"
		return p.signal(c, a.Subject, "run", a.Detail, "complaint", a.At)
	case a.State == "resolved" && w.Recent.Verdict == "stop":
		a.Done = "the campaign stays stopped until somebody resumes it"
	}
	return nil
}

func (p *processor) signal(c *ctx, campaign, verdict, reason, by string, at int64) error {
	s := &event.CampaignSignal{CampaignId: campaign, At: at, Verdict: verdict, Reason: reason, VerdictBy: by}
	v, err := s.MarshalVT()
	if err != nil {
		return err
	}
	source := "/verdict"
	if by == KindInbound {
		source = "/inbound"
	}
	c.Emit(stream.Output{Topic: event.TopicCampaignSignals, Key: []byte(campaign + source), Value: v})
	return nil
}

// lookAtRates judges the kinds of rates that are watched in the subject's dimension.
func (p *processor) lookAtRates(c *ctx, w *Watch, end int64, kinds []rateKind, judge func(*Watch, rateKind, int64, *time.Location, int64, bool) RateEvidence) error {
	for _, k := range kinds {
		if !slices.Contains(k.dimensions, w.Recent.Dimension) {
			continue
		}
		keys, err := peers(c, w.Recent.Dimension)
		if err != nil {
			return err
		}
		p.Metrics.judged(k.kind)
		open := w.incident(k.kind)
		e := judge(w, k, end, p.Zone, keys, open != nil)
		if e.Off == (open != nil) || !e.Judged && open == nil {
			continue
		}
		if err := p.propose(c, w.rateAlert(k, e, open, end), nil); err != nil {
			return err
		}
	}
	return nil
}

// rateAlert is the change of state of a rate's incident.
func (w *Watch) rateAlert(k rateKind, e RateEvidence, open *event.WatchIncident, end int64) *event.Alert {
	a := &event.Alert{Kind: k.kind, Dimension: w.Recent.Dimension, Subject: w.Recent.Subject, State: "firing", At: end, Since: end - hourMS, Severity: "warning", Value: e.Rate, Expected: e.Before,
		Rate: e.Rate, RateBefore: e.Before, PValue: e.P, FalsePerYear: e.FalsePerYear, Count: e.X, Base: e.N, WindowMs: hourMS, Action: "observe"}
	name := strings.ReplaceAll(k.kind, "_", " ")
	if k.den == nil {
		a.Detail = fmt.Sprintf("%s: %d dials in the hour; %.0f are usual at this time of the week; chance alone does this %s a year, over all that is watched", name, e.X, e.Before, times(e.FalsePerYear))
	} else {
		a.Detail = fmt.Sprintf("%s of the hour: %.1f %% (%d of %d), usually %.1f %%; chance alone does this %s a year, over all that is watched", name, 100*e.Rate, e.X, e.N, 100*e.Before, times(e.FalsePerYear))
	}
	if open == nil {
		a.AlertId = fmt.Sprintf("%s|%s|%s|%d", k.kind, a.Dimension, a.Subject, end)
		w.Recent.Incidents = append(w.Recent.Incidents, &event.WatchIncident{Alert: a})
		return a
	}
	a.AlertId, a.Since, a.State = open.Alert.AlertId, open.Alert.Since, "resolved"
	w.end(k.kind)
	return a
}

func span(ms int64) string {
	switch {
	case ms%dayMS == 0 && ms > dayMS:
		return fmt.Sprintf("%d days", ms/dayMS)
	case ms%hourMS == 0:
		return fmt.Sprintf("%d h", ms/hourMS)
	}
	return time.Duration(ms * int64(time.Millisecond)).String()
}

func times(perYear float64) string {
	switch {
	case perYear >= 0.095:
		return fmt.Sprintf("%.1f times", perYear)
	case perYear >= 1e-4:
		return fmt.Sprintf("%.2g times", perYear)
	}
	return "less than 0.0001 times"
}
