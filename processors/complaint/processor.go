package complaint

import (
	"fmt"
	"hash/fnv"
	"slices"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/internal/stream"
)

const (
	dayMS    = 24 * 3600_000
	bucketMS = 3600_000 // connected calls are kept by the hour
	callsTop = 5        // calls to listen to first
)

// Options of the processor.
type Options struct {
	Test   Test
	Action string // observe, throttle, stop
}

// State of one campaign.
type State struct{ *event.ComplaintWatch }

// Codec of a state.
type Codec struct{}

// Append encodes.
func (Codec) Append(dst []byte, s *State) ([]byte, error) {
	b, err := s.MarshalVT()
	return append(dst, b...), err
}

// Decode decodes.
func (Codec) Decode(src []byte) (*State, error) {
	s := &State{&event.ComplaintWatch{}}
	return s, s.UnmarshalVT(src)
}

// New makes the processor.
func New(o Options) stream.Definition[State] {
	p := &processor{o}
	return stream.Definition[State]{Name: "complaint", Inputs: []string{event.TopicComplaintFacts, event.TopicCampaignPartials}, Codec: Codec{}, Process: p.process}
}

type processor struct{ Options }

func (p *processor) process(c *stream.Context[State], r *stream.Record) error {
	campaign := string(r.Key)
	s, ok, err := c.Get(campaign)
	if err != nil {
		return err
	}
	if !ok {
		s = &State{&event.ComplaintWatch{}}
	}
	if r.Topic == event.TopicCampaignPartials {
		var part event.CampaignPartial
		if err := part.UnmarshalVT(r.Value); err != nil {
			return &stream.Reject{Reason: "is not a campaign's sum: " + err.Error()}
		}
		if part.AgentsOnly {
			return nil
		}
		s.Buckets = exposure(s.Buckets, &part)
		return c.Put(campaign, s)
	}
	var f event.ComplaintFact
	if err := f.UnmarshalVT(r.Value); err != nil {
		return &stream.Reject{Reason: "is not a complaint fact: " + err.Error()}
	}
	if f.Unattributed || campaign == "" {
		return nil
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(f.Complaint.ComplaintId))
	if slices.Contains(s.Seen, h.Sum64()) {
		return nil // a complaint counts once
	}
	s.Seen = append(s.Seen, h.Sum64())
	i, _ := slices.BinarySearch(s.Complaints, f.Complaint.At)
	s.Complaints = slices.Insert(s.Complaints, i, f.Complaint.At)
	if id := f.AttributedCallId; id != "" {
		s.CallIds = append(s.CallIds, id)
		s.CallIds = s.CallIds[max(0, len(s.CallIds)-callsTop):]
	}
	if err := p.look(c, campaign, s); err != nil {
		return err
	}
	return c.Put(campaign, s)
}

// exposure keeps connected calls by the hour: the latest word of each partition on each of its ten seconds counts.
func exposure(buckets []*event.CampaignPartial, part *event.CampaignPartial) []*event.CampaignPartial {
	for _, b := range buckets {
		if b.Partition == part.Partition && b.BucketAt == part.BucketAt {
			b.Connected = part.Connected
			return buckets
		}
	}
	buckets = append(buckets, &event.CampaignPartial{Partition: part.Partition, BucketAt: part.BucketAt, Connected: part.Connected})
	if len(buckets) <= 512 {
		return buckets
	}
	return compact(buckets)
}

// compact adds buckets that are over for good into hours, and forgets those past the baseline.
func compact(buckets []*event.CampaignPartial) []*event.CampaignPartial {
	newest := int64(0)
	for _, b := range buckets {
		newest = max(newest, b.BucketAt)
	}
	hours := map[int64]*event.CampaignPartial{}
	var out []*event.CampaignPartial
	for _, b := range buckets {
		switch {
		case b.BucketAt < newest-8*dayMS:
		case b.BucketAt > newest-bucketMS:
			out = append(out, b)
		default:
			hour := b.BucketAt - b.BucketAt%bucketMS
			if hours[hour] == nil {
				hours[hour] = &event.CampaignPartial{Partition: -1, BucketAt: hour}
				out = append(out, hours[hour])
			}
			hours[hour].Connected += b.Connected
		}
	}
	return out
}

// look decides at the time of the newest complaint.
func (p *processor) look(c *stream.Context[State], campaign string, s *State) error {
	now := s.Complaints[len(s.Complaints)-1]
	var count, before, connected, beforeConnected int64
	s.Complaints = slices.DeleteFunc(s.Complaints, func(t int64) bool { return t <= now-8*dayMS })
	for _, t := range s.Complaints {
		if t > now-dayMS {
			count++
		} else {
			before++
		}
	}
	for _, b := range s.Buckets {
		switch {
		case b.BucketAt > now-dayMS:
			connected += b.Connected
		case b.BucketAt > now-8*dayMS:
			beforeConnected += b.Connected
		}
	}
	e := p.Test.Decide(count, connected, before, beforeConnected, s.Firing)
	if e.Firing == s.Firing {
		return nil
	}
	s.Firing = e.Firing
	state, verdict := "resolved", "run"
	if e.Firing {
		state = "firing"
		s.Since, s.AlertId = now, fmt.Sprintf("complaint-spike|%s|%d", campaign, now)
		if p.Action != "observe" {
			verdict = p.Action
		}
	}
	detail := fmt.Sprintf("%d complaints in 24 h on %d connected calls; %.1f were to be expected (%.2f per 1,000 calls); probability %.2g", e.Count, e.Connected, e.Expected, 1000*e.Rate, e.P)
	a := &event.Alert{AlertId: s.AlertId, Kind: "complaint_spike", CampaignId: campaign, State: state, At: now, Since: s.Since, Value: float64(e.Count), Expected: e.Expected,
		PValue: e.P, Count: e.Count, Base: e.Connected, Detail: detail, Action: p.Action, CallIds: slices.Clone(s.CallIds)}
	v, err := a.MarshalVT()
	if err != nil {
		return err
	}
	c.Emit(stream.Output{Topic: event.TopicAlerts, Key: []byte(campaign), Value: v})
	sig := &event.CampaignSignal{CampaignId: campaign, At: now, Verdict: verdict, Reason: detail, VerdictBy: "complaint"}
	if v, err = sig.MarshalVT(); err != nil {
		return err
	}
	c.Emit(stream.Output{Topic: event.TopicCampaignSignals, Key: []byte(campaign + "/verdict"), Value: v})
	return nil
}
