package campaign

import (
	"slices"

	"github.com/ringfence/ringfence/event"
)

// bucketMS is how finely sums are kept; windowMS is what a signal looks back on, in the campaign's own time.
const (
	bucketMS = 10_000
	windowMS = 30 * 60_000
)

// count adds a call to its bucket.
func count(buckets []*event.CampaignPartial, c *event.Call, partition int32) ([]*event.CampaignPartial, *event.CampaignPartial) {
	at := c.StartedAt - c.StartedAt%bucketMS
	i, ok := slices.BinarySearchFunc(buckets, at, func(b *event.CampaignPartial, t int64) int { return int(min(1, max(-1, b.BucketAt-t))) })
	if !ok {
		buckets = slices.Insert(buckets, i, &event.CampaignPartial{CampaignId: c.CampaignId, Partition: partition, BucketAt: at})
	}
	b := buckets[i]
	b.Dials++
	if c.AnsweredAt != 0 {
		b.Connected++
		b.RingMs += c.AnsweredAt - c.StartedAt
		if c.AnsweredBy != "machine" && c.AnsweredBy != "fax" {
			b.Live++
		}
	}
	if c.Outcome == "abandoned" {
		b.Abandoned++
	}
	if c.BridgedAt != 0 {
		b.Handled++
		b.HandlingMs += c.EndedAt - c.BridgedAt
		if c.WrappedUpAt > c.EndedAt {
			b.HandlingMs += c.WrappedUpAt - c.EndedAt
		}
	}
	return buckets, b
}

// drop forgets what is older than the window before the newest.
func drop(buckets []*event.CampaignPartial) []*event.CampaignPartial {
	if len(buckets) == 0 {
		return buckets
	}
	newest := int64(0)
	for _, b := range buckets {
		newest = max(newest, b.BucketAt)
	}
	return slices.DeleteFunc(buckets, func(b *event.CampaignPartial) bool { return b.BucketAt <= newest-windowMS })
}

// merge puts one partition's sum of a bucket in place of what it said before.
func merge(buckets []*event.CampaignPartial, p *event.CampaignPartial) []*event.CampaignPartial {
	for i, b := range buckets {
		if b.Partition == p.Partition && b.BucketAt == p.BucketAt {
			buckets[i] = p
			return buckets
		}
	}
	return append(buckets, p)
}

// signal is what the merged sums and the agents' states say.
func signal(campaign string, at int64, buckets []*event.CampaignPartial, agents map[string]string) *event.CampaignSignal {
	s := &event.CampaignSignal{CampaignId: campaign, At: at, WindowMs: windowMS}
	var t event.CampaignPartial
	for _, b := range buckets {
		t.Dials += b.Dials
		t.Connected += b.Connected
		t.Live += b.Live
		t.Abandoned += b.Abandoned
		t.Handled += b.Handled
		t.HandlingMs += b.HandlingMs
		t.RingMs += b.RingMs
	}
	s.Dials, s.LiveCalls = t.Dials, t.Live
	ratio := func(a, b int64) float64 {
		if b == 0 {
			return 0
		}
		return float64(a) / float64(b)
	}
	s.AnswerRate, s.AbandonmentRate = ratio(t.Live, t.Dials), ratio(t.Abandoned, t.Live)
	s.HandlingTimeMs, s.RingTimeMs = ratio(t.HandlingMs, t.Handled), ratio(t.RingMs, t.Connected)
	for _, state := range agents {
		switch state {
		case "available":
			s.AgentsAvailable++
		case "preparing", "dialing", "talking", "hold", "wrap_up":
			s.AgentsBusy++
		}
	}
	return s
}
