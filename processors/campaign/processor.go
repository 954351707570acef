package campaign

import (
	"hash/fnv"
	"strconv"
	"strings"
	"time"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/internal/stream"
)

// Options of the processor.
type Options struct {
	Every time.Duration // between signals of a campaign, default 2 s
}

// State of one campaign, in an input partition or merged.
type State struct{ *event.CampaignState }

// Codec of a state.
type Codec struct{}

// Append encodes.
func (Codec) Append(dst []byte, s *State) ([]byte, error) {
	b, err := s.MarshalVT()
	return append(dst, b...), err
}

// Decode decodes.
func (Codec) Decode(src []byte) (*State, error) {
	s := &State{&event.CampaignState{}}
	return s, s.UnmarshalVT(src)
}

const (
	partKey   = "p|" // sums of a campaign in this input partition
	mergedKey = "m|" // merged sums of a campaign

	countedMax = 4096 // call ids remembered per campaign and partition, so that updates are not counted again
)

// New makes the processor.
func New(o Options) stream.Definition[State] {
	if o.Every <= 0 {
		o.Every = 2 * time.Second
	}
	p := &processor{o}
	return stream.Definition[State]{Name: "campaign", Inputs: []string{event.TopicCallFacts, event.TopicAgentStates, event.TopicCampaignPartials}, Codec: Codec{},
		Process: p.process, Timer: p.timer}
}

type processor struct{ Options }

type ctx = stream.Context[State]

func get(c *ctx, key string) (*State, error) {
	s, ok, err := c.Get(key)
	if err != nil {
		return nil, err
	}
	if !ok {
		s = &State{&event.CampaignState{}}
	}
	if s.Agents == nil {
		s.Agents = map[string]string{}
	}
	if s.AgentsAt == nil {
		s.AgentsAt = map[string]int64{}
	}
	return s, nil
}

func (p *processor) process(c *ctx, r *stream.Record) error {
	switch r.Topic {
	case event.TopicCallFacts:
		var f event.CallFact
		if err := f.UnmarshalVT(r.Value); err != nil {
			return &stream.Reject{Reason: "is not a call fact: " + err.Error()}
		}
		return p.call(c, &f)
	case event.TopicAgentStates:
		var e event.AgentEvent
		if err := e.UnmarshalVT(r.Value); err != nil {
			return &stream.Reject{Reason: "is not an agent event: " + err.Error()}
		}
		if t := e.GetState(); t != nil && t.CampaignId != "" {
			return p.agent(c, t)
		}
		return nil
	}
	var part event.CampaignPartial
	if err := part.UnmarshalVT(r.Value); err != nil {
		return &stream.Reject{Reason: "is not a campaign's sum: " + err.Error()}
	}
	return p.merge(c, &part)
}

// call counts an outbound call once, when it is first heard of, and has its bucket's sum sent soon.
func (p *processor) call(c *ctx, f *event.CallFact) error {
	if f.Retracted || f.Call.Direction == "inbound" || f.Call.CampaignId == "" {
		return nil
	}
	key := partKey + f.Call.CampaignId
	s, err := get(c, key)
	if err != nil {
		return err
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(f.Call.CallId))
	id := h.Sum64()
	for _, x := range s.Counted {
		if x == id {
			return nil
		}
	}
	s.Counted = append(s.Counted, id)
	if len(s.Counted) > countedMax {
		s.Counted = s.Counted[len(s.Counted)-countedMax/2:]
	}
	var b *event.CampaignPartial
	s.Buckets, b = count(s.Buckets, f.Call, c.Partition())
	b.AgentsOnly = true // to be sent
	s.Buckets = drop(s.Buckets)
	if err := c.Put(key, s); err != nil {
		return err
	}
	return p.soon(c, key)
}

func (p *processor) agent(c *ctx, t *event.AgentState) error {
	key := partKey + t.CampaignId
	s, err := get(c, key)
	if err != nil {
		return err
	}
	if s.AgentsAt[t.AgentId] > t.At {
		return nil
	}
	s.AgentsAt[t.AgentId], s.Agents[t.AgentId] = t.At, t.State
	if err := c.Put(key, s); err != nil {
		return err
	}
	return p.soon(c, key)
}

// soon has a key looked at when its next turn to speak comes.
func (p *processor) soon(c *ctx, key string) error {
	at := c.Now().Truncate(p.Every).Add(p.Every)
	return c.SetTimer(key, at)
}

func (p *processor) timer(c *ctx, key string, _ time.Time) error {
	s, err := get(c, key)
	if err != nil {
		return err
	}
	if campaign, ok := strings.CutPrefix(key, partKey); ok {
		return p.sendSums(c, key, campaign, s)
	}
	campaign := strings.TrimPrefix(key, mergedKey)
	at := int64(0)
	for _, b := range s.Buckets {
		at = max(at, b.BucketAt+bucketMS)
	}
	if at == 0 {
		at = c.Now().UnixMilli()
	}
	sig := signal(campaign, at, s.Buckets, s.Agents)
	if s.Last != nil && s.Last.EqualVT(sig) {
		return nil
	}
	s.Last = sig
	v, err := sig.MarshalVT()
	if err != nil {
		return err
	}
	c.Emit(stream.Output{Topic: event.TopicCampaignSignals, Key: []byte(campaign), Value: v})
	return c.Put(key, s)
}

// sendSums sends the buckets that changed, and the agents' states, to the campaign's own partition.
func (p *processor) sendSums(c *ctx, key, campaign string, s *State) error {
	emit := func(b *event.CampaignPartial) error {
		v, err := b.MarshalVT()
		if err != nil {
			return err
		}
		c.Emit(stream.Output{Topic: event.TopicCampaignPartials, Key: []byte(campaign), Value: v})
		return nil
	}
	for _, b := range s.Buckets {
		if !b.AgentsOnly {
			continue
		}
		b.AgentsOnly = false
		if err := emit(b); err != nil {
			return err
		}
	}
	if err := emit(&event.CampaignPartial{CampaignId: campaign, Partition: c.Partition(), Agents: s.Agents, AgentsOnly: true}); err != nil {
		return err
	}
	return c.Put(key, s)
}

// merge takes a partition's sum, or its agents' states, at the campaign's own partition.
func (p *processor) merge(c *ctx, part *event.CampaignPartial) error {
	key := mergedKey + part.CampaignId
	s, err := get(c, key)
	if err != nil {
		return err
	}
	if part.AgentsOnly {
		from := strconv.Itoa(int(part.Partition)) + "|"
		for a := range s.Agents {
			if strings.HasPrefix(a, from) {
				delete(s.Agents, a)
			}
		}
		for a, state := range part.Agents {
			s.Agents[from+a] = state
		}
	} else {
		s.Buckets = drop(merge(s.Buckets, part))
	}
	if err := c.Put(key, s); err != nil {
		return err
	}
	return p.soon(c, key)
}
