package audit

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/processors/contactcap"
	"github.com/ringfence/ringfence/processors/contactcap/policy"
)

// Count is how many requests a group has and how many of them each policy denies.
type Count struct {
	Name     string `json:"name"`
	Asked    int    `json:"asked"`
	Denied   int    `json:"denied"`    // by the decision that was given
	NowDeny  int    `json:"now_deny"`  // permitted then, denied by the other policy
	NowAllow int    `json:"now_allow"` // denied then, permitted by the other policy
}

// RuleCount is how many requests a rule of the other policy denies.
type RuleCount struct {
	Rule   string `json:"rule"`
	Name   string `json:"name"`
	Denies int    `json:"denies"` // alone or with others
	Alone  int    `json:"alone"`
}

// Replayed is the same history under another policy.
type Replayed struct {
	From      time.Time   `json:"from"`
	To        time.Time   `json:"to"`
	Policy    string      `json:"policy"`
	Total     Count       `json:"total"`
	Rules     []RuleCount `json:"rules"`     // in policy order
	Days      []Count     `json:"days"`      // in the policy's time zone
	Campaigns []Count     `json:"campaigns"` // by name
}

// Replay decides every request from `from` until `to` under another policy. What happened stays what happened: a call that
// policy would have prevented is still in the history of the next request.
func Replay(ctx context.Context, s Source, inForce, other *policy.Policy, from, to time.Time) (*Replayed, error) {
	out := &Replayed{From: from, To: to, Policy: other.Ref()}
	var mu sync.Mutex
	days, campaigns, rules := map[string]*Count{}, map[string]*Count{}, map[string]*RuleCount{}
	of := func(m map[string]*Count, name string) *Count {
		if m[name] == nil {
			m[name] = &Count{Name: name}
		}
		return m[name]
	}
	for _, r := range other.Rules {
		rules[r.ID] = &RuleCount{Rule: r.ID, Name: r.Name}
	}
	judge := func(x asked) {
		if x.given == nil || !within(x.raw.At, from, to) {
			return
		}
		d := contactcap.Decide(x.history, other, x.request)
		denied := x.given.Decision != "permit"
		mu.Lock()
		defer mu.Unlock()
		for _, c := range []*Count{&out.Total, of(days, time.UnixMilli(x.raw.At).In(other.Zone).Format(time.DateOnly)), of(campaigns, x.raw.CampaignId)} {
			c.Asked++
			if denied {
				c.Denied++
			}
			if !denied && !d.Permit {
				c.NowDeny++
			}
			if denied && d.Permit {
				c.NowAllow++
			}
		}
		for _, r := range d.DeniedBy {
			rules[r.Rule].Denies++
			if len(d.DeniedBy) == 1 {
				rules[r.Rule].Alone++
			}
		}
	}
	l, err := s.open(ctx)
	if err != nil {
		return nil, err
	}
	err = s.read(ctx, event.TopicCustomerEvents, l.ends, l, func(part int32) func(*kgo.Record) error {
		return newRedo(part, l.partitions, l.given, inForce, s.Processor, judge, nil).feed
	})
	if err != nil {
		return nil, err
	}
	out.Total.Name = "all"
	for _, name := range slices.Sorted(maps.Keys(days)) {
		out.Days = append(out.Days, *days[name])
	}
	for _, name := range slices.Sorted(maps.Keys(campaigns)) {
		out.Campaigns = append(out.Campaigns, *campaigns[name])
	}
	for _, r := range other.Rules {
		out.Rules = append(out.Rules, *rules[r.ID])
	}
	return out, nil
}
