package live

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ringfence/ringfence/event"
)

// place is a partition of a topic.
type place struct {
	topic     string
	partition int32
}

// claim is a partition of campaigns that this process has been given. Until it has read what stood in the topics then, a
// campaign's last calls may not be known here, and a lead that one of them settled would be called again.
type claim struct {
	asked bool
	until map[place]int64 // nil: not known yet
}

// owns tells whether a campaign's partition is this process's, and whether all that was known of it is known here.
func (d *Dialer) owns(ctx context.Context, reader *kgo.Client, partition int32) (owns, read bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := d.owned[partition]
	if c == nil {
		return false, false
	}
	if !c.asked {
		c.asked = true
		go d.ask(ctx, reader, c)
	}
	if c.until == nil {
		return true, false
	}
	for p, end := range c.until {
		if d.at[p] < end {
			return true, false
		}
	}
	return true, true
}

// ask finds out how far the reader must be for a claim; it tries again until it knows.
func (d *Dialer) ask(ctx context.Context, reader *kgo.Client, c *claim) {
	until := map[place]int64{}
	ends, err := kadm.NewClient(reader).ListCommittedOffsets(ctx, event.TopicCampaigns, event.TopicLeads, event.TopicCallFacts)
	if err == nil {
		err = ends.Error()
	}
	ends.Each(func(o kadm.ListedOffset) { until[place{o.Topic, o.Partition}] = o.Offset })
	d.mu.Lock()
	defer d.mu.Unlock()
	if c.asked = err == nil; c.asked {
		c.until = until
	}
}

// join becomes a member of the group that divides the campaigns.
func (d *Dialer) join() (*kgo.Client, error) {
	change := func(mine bool) func(context.Context, *kgo.Client, map[string][]int32) {
		return func(_ context.Context, _ *kgo.Client, ps map[string][]int32) {
			d.mu.Lock()
			defer d.mu.Unlock()
			for _, p := range ps[event.TopicCampaigns] {
				delete(d.owned, p)
				if mine {
					d.owned[p] = &claim{}
				}
			}
		}
	}
	member, err := kgo.NewClient(append(slices.Clone(d.opt.Base), kgo.ConsumerGroup(Group), kgo.ConsumeTopics(event.TopicCampaigns), kgo.DisableAutoCommit(),
		kgo.Balancers(kgo.CooperativeStickyBalancer()), kgo.SessionTimeout(6*time.Second), kgo.HeartbeatInterval(time.Second), kgo.FetchMaxWait(time.Second),
		kgo.OnPartitionsAssigned(change(true)), kgo.OnPartitionsRevoked(change(false)), kgo.OnPartitionsLost(change(false)))...)
	if err != nil {
		return nil, fmt.Errorf("join %s: %w", Group, err)
	}
	return member, nil
}
