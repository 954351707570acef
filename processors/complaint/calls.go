package complaint

import (
	"time"

	"github.com/ringfence/ringfence/event"
)

const (
	tellEvery  = 5 * time.Second // counts of a subject are collected for so long
	tellAt     = 3               // or until there are so many buckets: where the past runs fast, calls must not lag behind complaints
	callKept   = 26 * time.Hour  // updates of a call that come later change no count
	sourceName = "source"
)

// call turns a version of a call into what it changes in the counts.
func (p *processor) call(c *ctx, by string, f *event.CallFact) error {
	key := callKey + f.Call.CallId + "|" + by
	s, known, err := c.Get(key)
	if err != nil {
		return err
	}
	if known && f.Revision <= s.Call.GetRevision() {
		return nil
	}
	old := &event.WatchCall{}
	if known {
		old = s.Call
	}
	if f.Retracted {
		if !known {
			return nil
		}
		if err := c.Delete(key); err != nil {
			return err
		}
		return p.change(c, old, &event.WatchCall{})
	}
	if !known && !f.First && f.Call.StartedAt < c.Now().Add(-callKept).UnixMilli() {
		return nil // counted long ago
	}
	fresh := contribution(f, p.Inbound.WithinMS)
	if err := c.Put(key, &State{&event.WatchState{Call: fresh}}); err != nil {
		return err
	}
	if !known {
		if err := c.SetTimer(key, c.Now().Add(callKept)); err != nil {
			return err
		}
	}
	return p.change(c, old, fresh)
}

// contribution is what a call adds, and to whose counts.
func contribution(f *event.CallFact, withinMS int64) *event.WatchCall {
	call := f.Call
	b := &event.WatchBucket{At: call.StartedAt}
	out := &event.WatchCall{Counts: b, Revision: f.Revision}
	if call.Direction == "inbound" {
		// A waiting caller is known only when he is through or gone: an inbound call stands where it ended.
		b.At, b.Inbound = call.EndedAt, 1
		if call.BridgedAt > 0 && call.BridgedAt-call.StartedAt <= withinMS {
			b.InboundServed = 1
		}
		out.Keys = []string{"inbound|all"}
		return out
	}
	b.Dials = 1
	if call.AnsweredAt != 0 {
		b.Connected = 1
		if call.AnsweredBy != "machine" && call.AnsweredBy != "fax" {
			b.Live = 1
		}
		if r := call.Recording; r != nil && (r.SizeBytes != nil && *r.SizeBytes > 44 || r.SizeBytes == nil && r.DurationMs != nil && *r.DurationMs > 0) {
			b.Recorded = 1
		}
	}
	if call.Outcome == "abandoned" {
		b.Abandoned = 1
	}
	if call.Completed != nil && *call.Completed {
		b.Completed = 1
	}
	if len(call.Ordered) > 0 || call.Disposition == "agree" {
		b.Won = 1
	}
	out.Keys = subjects(call.CampaignId, call.AgentId, call.TeamId, call.PartnerId, call.Products)
	src := call.DialerId
	if src == "" {
		src = f.Source
	}
	if src != "" {
		out.Keys = append(out.Keys, sourceName+"|"+src)
	}
	return out
}

// subjects are the keys something is counted for.
func subjects(campaign, agent, team, partner string, products []string) []string {
	var out []string
	for _, x := range [][2]string{{"campaign", campaign}, {"agent", agent}, {"team", team}, {"partner", partner}} {
		if x[1] != "" {
			out = append(out, x[0]+"|"+x[1])
		}
	}
	for _, x := range products {
		if x != "" {
			out = append(out, "product|"+x)
		}
	}
	return out
}

// change takes the old version's counts away and adds the new one's.
func (p *processor) change(c *ctx, old, fresh *event.WatchCall) error {
	for i, w := range []*event.WatchCall{old, fresh} {
		for _, k := range w.Keys {
			b := &event.WatchBucket{At: w.Counts.At}
			sum(b, w.Counts, int64(2*i-1))
			if err := p.collect(c, k, b); err != nil {
				return err
			}
		}
	}
	return nil
}

// collect keeps a subject's counts until they are told.
func (p *processor) collect(c *ctx, subject string, b *event.WatchBucket) error {
	key := sumKey + subject
	s, err := get(c, key)
	if err != nil {
		return err
	}
	size := int64(recentMS)
	if subject == "inbound|all" {
		size = minuteMS
	}
	s.Buckets = add(s.Buckets, b, size)
	if err := c.Put(key, s); err != nil {
		return err
	}
	if len(s.Buckets) >= tellAt {
		return p.tell(c, key)
	}
	if len(s.Buckets) == 1 {
		return c.SetTimer(key, c.Now().Truncate(tellEvery).Add(tellEvery))
	}
	return nil
}

// tell sends what was collected to the subject's own partition.
func (p *processor) tell(c *ctx, key string) error {
	s, err := get(c, key)
	if err != nil || len(s.Buckets) == 0 {
		return err
	}
	r := &event.WatchRecord{Body: &event.WatchRecord_Counts{Counts: &event.WatchCounts{Buckets: s.Buckets}}}
	if err := send(c, subjectKey+key[len(sumKey):], r); err != nil {
		return err
	}
	if err := c.ClearTimer(key); err != nil {
		return err
	}
	return c.Delete(key)
}
