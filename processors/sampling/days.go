package sampling

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"time"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/internal/stream"
)

// ahead is how many days before they begin keys are committed to.
const ahead = 2

// closes is when an agent's day may close: grace after its local midnight, and quiet after the last arrival.
func (p *processor) closes(day string, lastAt int64) time.Time {
	at := time.UnixMilli(lastAt).Add(p.Quiet)
	if end := p.dayEnd(day).Add(p.Grace); end.After(at) {
		at = end
	}
	return at
}

func (p *processor) dayEnd(day string) time.Time {
	t, err := time.ParseInLocation(time.DateOnly, day, p.Zone)
	if err != nil {
		return time.Time{}
	}
	return time.Date(t.Year(), t.Month(), t.Day()+1, 0, 0, 0, 0, p.Zone)
}

// first notes one more numbering that draws by a day's key: until it is closed the key is not revealed. It tells whether
// the day is closed in this partition already, so that the numbering begins closed.
func (p *processor) first(c *ctx, day string) (closed bool, err error) {
	ps, err := get(c, partKey+day)
	if err != nil || ps.Closed {
		return ps != nil && ps.Closed, err
	}
	if ps.OpenAgents == 0 && !ps.Asked && len(ps.Calls) == 0 {
		ps.Calls = []uint64{1} // seen
		if err := say(c, &event.SamplingDay{Day: day, Step: "seen", Partition: c.Partition()}, -1); err != nil {
			return false, err
		}
	}
	ps.OpenAgents++
	return false, c.Put(partKey+day, ps)
}

// last notes that a numbering of a day was closed.
func (p *processor) last(c *ctx, day string) error {
	ps, err := get(c, partKey+day)
	if err != nil {
		return err
	}
	ps.OpenAgents--
	if err := p.answerIfClosed(c, day, ps); err != nil {
		return err
	}
	return c.Put(partKey+day, ps)
}

// say sends a step to the day's keeper, or to one partition.
func say(c *ctx, d *event.SamplingDay, partition int32) error {
	v, err := d.MarshalVT()
	if err != nil {
		return err
	}
	c.Emit(stream.Output{Topic: event.TopicSamplingDays, Key: []byte(d.Day), Value: v, Partition: partition, ToPartition: partition >= 0})
	return nil
}

// answerIfClosed tells the keeper that the day is over here, if it asked and all agents' days are closed.
func (p *processor) answerIfClosed(c *ctx, day string, ps *State) error {
	if !ps.Asked || ps.OpenAgents > 0 || ps.Closed {
		return nil
	}
	ps.Closed = true
	return say(c, &event.SamplingDay{Day: day, Step: "closed", Partition: c.Partition()}, -1)
}

// day takes a step of the agreement that a day is over.
func (p *processor) day(c *ctx, d *event.SamplingDay) error {
	if d.Step == "ask" {
		ps, err := get(c, partKey+d.Day)
		if err != nil {
			return err
		}
		ps.Asked = true
		if err := p.answerIfClosed(c, d.Day, ps); err != nil {
			return err
		}
		return c.Put(partKey+d.Day, ps)
	}
	ks, err := get(c, keeperKey+d.Day)
	if err != nil {
		return err
	}
	switch d.Step {
	case "seen":
		if err := p.publish(c, ks, d.Day); err != nil {
			return err
		}
		if !ks.Asked {
			if err := c.SetTimer(keeperKey+d.Day, p.closes(d.Day, c.Now().UnixMilli())); err != nil {
				return err
			}
		}
	case "closed":
		if !slices.Contains(ks.ClosedPartitions, d.Partition) {
			ks.ClosedPartitions = append(ks.ClosedPartitions, d.Partition)
		}
		if len(ks.ClosedPartitions) == int(c.Partitions()) && !ks.Revealed {
			ks.Revealed = true
			if err := p.reveal(c, d.Day); err != nil {
				return err
			}
		}
	}
	return c.Put(keeperKey+d.Day, ks)
}

// askAll asks every partition to close a day.
func (p *processor) askAll(c *ctx, day string) error {
	ks, err := get(c, keeperKey+day)
	if err != nil || ks.Asked {
		return err
	}
	ks.Asked = true
	for i := range c.Partitions() {
		if err := say(c, &event.SamplingDay{Day: day, Step: "ask"}, i); err != nil {
			return err
		}
	}
	return c.Put(keeperKey+day, ks)
}

func (p *processor) commitment(day string) *event.SamplingKey {
	sum := sha256.Sum256(p.dayKey(day))
	return &event.SamplingKey{Day: day, KeySha256: hex.EncodeToString(sum[:])}
}

// publish commits to a day's key, once.
func (p *processor) publish(c *ctx, ks *State, day string) error {
	if ks.Published {
		return nil
	}
	ks.Published, ks.LastAt = true, c.Now().UnixMilli()
	k := p.commitment(day)
	k.PublishedAt = ks.LastAt
	return emit(c, day, &event.SamplingFact{Body: &event.SamplingFact_Key{Key: k}})
}

func (p *processor) reveal(c *ctx, day string) error {
	ks, err := get(c, keeperKey+day)
	if err != nil {
		return err
	}
	k := p.commitment(day)
	k.PublishedAt, k.RevealedAt, k.Key = ks.LastAt, c.Now().UnixMilli(), hex.EncodeToString(p.dayKey(day))
	return emit(c, day, &event.SamplingFact{Body: &event.SamplingFact_Key{Key: k}})
}

// calendar has the keys of the days to come committed to, each day anew.
func (p *processor) calendar(c *ctx) error {
	s, err := get(c, calendarKey)
	if err != nil {
		return err
	}
	today := c.Now().In(p.Zone)
	if s.LastAt == int64(today.YearDay())+1000*int64(today.Year()) {
		return nil
	}
	s.LastAt = int64(today.YearDay()) + 1000*int64(today.Year())
	var days []string
	for i := range ahead + 1 {
		days = append(days, time.Date(today.Year(), today.Month(), today.Day()+i, 12, 0, 0, 0, p.Zone).Format(time.DateOnly))
	}
	last := days[ahead] // the keys of a week and a period are those of their last days, needed from their first
	if p.WeeklyOneIn > 0 {
		days = append(days, WeekEnd(last))
	}
	if p.PerPeriod {
		_, end := Period(last)
		days = append(days, end)
	}
	for _, day := range days {
		if err := say(c, &event.SamplingDay{Day: day, Step: "seen", Partition: -1}, -1); err != nil {
			return err
		}
	}
	if err := c.Put(calendarKey, s); err != nil {
		return err
	}
	return c.SetTimer(calendarKey, time.Date(today.Year(), today.Month(), today.Day()+1, 0, 0, 1, 0, p.Zone))
}
