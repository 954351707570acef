package sampling

import (
	"crypto/sha256"
	"encoding/hex"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/internal/stream"
)

// Options of the processor.
type Options struct {
	Secret []byte // from which day keys are derived; the same in every process
	Zone   *time.Location
	OneIn  int64
	Grace  time.Duration
	Quiet  time.Duration
}

// State of an agent's day, of a day in a partition, or of a day at its keeper.
type State struct{ *event.SamplingState }

// Codec of a state.
type Codec struct{}

// Append encodes.
func (Codec) Append(dst []byte, s *State) ([]byte, error) {
	b, err := s.MarshalVT()
	return append(dst, b...), err
}

// Decode decodes.
func (Codec) Decode(src []byte) (*State, error) {
	s := &State{&event.SamplingState{}}
	return s, s.UnmarshalVT(src)
}

// Keys of states: an agent's day, a day in this partition, a day at its keeper, the calendar of days to come.
const (
	agentKey    = "a|" // a|YYYY-MM-DD|agent
	partKey     = "p|"
	keeperKey   = "k|"
	calendarKey = "calendar"
	ahead       = 2 // days whose keys are committed to in advance
)

// New makes the processor.
func New(o Options) stream.Definition[State] {
	p := &processor{o}
	return stream.Definition[State]{Name: "sampling", Inputs: []string{event.TopicCallFacts, event.TopicSamplingDays}, Codec: Codec{}, Process: p.process, Timer: p.timer}
}

type processor struct{ Options }

type ctx = stream.Context[State]

func (p *processor) process(c *ctx, r *stream.Record) error {
	if r.Topic == event.TopicSamplingDays {
		var d event.SamplingDay
		if err := d.UnmarshalVT(r.Value); err != nil {
			return &stream.Reject{Reason: "is not a sampling day: " + err.Error()}
		}
		return p.day(c, &d)
	}
	var f event.CallFact
	if err := f.UnmarshalVT(r.Value); err != nil {
		return &stream.Reject{Reason: "is not a call fact: " + err.Error()}
	}
	if c.Partition() == 0 {
		if err := p.calendar(c); err != nil {
			return err
		}
	}
	if f.Retracted || !Valid(f.Call) {
		return nil // what was numbered keeps its number: the population only grows
	}
	return p.recording(c, f.Call)
}

// get reads a state, an empty one where there is none.
func get(c *ctx, key string) (*State, error) {
	s, ok, err := c.Get(key)
	if err != nil {
		return nil, err
	}
	if !ok {
		s = &State{&event.SamplingState{ClosedAtValid: -1}}
	}
	return s, nil
}

func hash(s string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(s))
	return h.Sum64()
}

// recording numbers a valid recording of an agent's day and draws it if it is the block's.
func (p *processor) recording(c *ctx, call *event.Call) error {
	day := time.UnixMilli(call.StartedAt).In(p.Zone).Format(time.DateOnly)
	key := agentKey + day + "|" + call.AgentId
	s, err := get(c, key)
	if err != nil {
		return err
	}
	h := hash(call.CallId)
	if slices.Contains(s.Calls, h) {
		return nil
	}
	now := c.Now().UnixMilli()
	if s.Valid == 0 {
		if err := p.first(c, s, day); err != nil {
			return err
		}
	}
	s.Valid++
	s.Calls = append(s.Calls, h)
	s.LastAt = now
	row := &event.PopulationRow{Day: day, AgentId: call.AgentId, Seq: s.Valid, CallId: call.CallId, Late: s.Closed, Revision: 1, At: now, CampaignId: call.CampaignId,
		TeamId: call.TeamId, PartnerId: call.PartnerId, CallStartedAt: call.StartedAt}
	if (s.Valid-1)%p.OneIn == 0 {
		s.Rows = s.Rows[:0]
	}
	uri := ""
	if call.Recording != nil {
		uri = call.Recording.Uri
	}
	closedAt := int64(-1)
	if s.Closed {
		closedAt = s.ClosedAtValid
	}
	if Arrive(DayKey(p.Secret, day), call.AgentId, day, s.Valid, closedAt, p.OneIn) {
		if err := p.draw(c, s, row, uri); err != nil {
			return err
		}
	} else if err := emitRow(c, row); err != nil {
		return err
	}
	keep := row.CloneVT()
	s.Rows = append(s.Rows, keep)
	if err := c.Put(key, s); err != nil {
		return err
	}
	if s.Closed {
		return nil
	}
	return c.SetTimer(key, p.closes(day, s.LastAt))
}

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

// first notes an agent's first recording of a day: a day that is closed in this partition takes it as late.
func (p *processor) first(c *ctx, s *State, day string) error {
	ps, err := get(c, partKey+day)
	if err != nil {
		return err
	}
	if ps.Closed {
		s.Closed, s.ClosedAtValid = true, 0
		return nil
	}
	if ps.OpenAgents == 0 && !ps.Asked && len(ps.Calls) == 0 {
		ps.Calls = []uint64{1} // seen
		if err := say(c, &event.SamplingDay{Day: day, Step: "seen", Partition: c.Partition()}, -1); err != nil {
			return err
		}
	}
	ps.OpenAgents++
	return c.Put(partKey+day, ps)
}

func (p *processor) draw(c *ctx, s *State, row *event.PopulationRow, uri string) error {
	row.Drawn = []string{"daily"}
	s.Drawn = append(s.Drawn, row.Seq)
	task := &event.QATask{TaskId: "daily|" + row.Day + "|" + row.AgentId + "|" + strconv.FormatInt(row.Seq, 10), CallId: row.CallId, AgentId: row.AgentId, TeamId: row.TeamId,
		CampaignId: row.CampaignId, PartnerId: row.PartnerId, Day: row.Day, Seq: row.Seq, Draw: "daily", Reason: "one in " + strconv.FormatInt(p.OneIn, 10) + " of the agent's day (SMP-01)",
		DrawnAt: c.Now().UnixMilli(), RecordingUri: uri, CallStartedAt: row.CallStartedAt}
	v, err := task.MarshalVT()
	if err != nil {
		return err
	}
	c.Emit(stream.Output{Topic: event.TopicQATasks, Key: []byte(row.AgentId), Value: v})
	return emitRow(c, row)
}

func emitRow(c *ctx, row *event.PopulationRow) error {
	return emit(c, row.AgentId, &event.SamplingFact{Body: &event.SamplingFact_Population{Population: row}})
}

func emit(c *ctx, key string, f *event.SamplingFact) error {
	v, err := f.MarshalVT()
	if err != nil {
		return err
	}
	c.Emit(stream.Output{Topic: event.TopicSamplingFacts, Key: []byte(key), Value: v})
	return nil
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

func (p *processor) timer(c *ctx, key string, _ time.Time) error {
	switch {
	case strings.HasPrefix(key, agentKey):
		return p.closeAgent(c, key)
	case strings.HasPrefix(key, keeperKey):
		return p.askAll(c, strings.TrimPrefix(key, keeperKey))
	case key == calendarKey:
		return p.calendar(c)
	}
	return nil
}

// closeAgent closes an agent's day and draws from its last block if that was cut short.
func (p *processor) closeAgent(c *ctx, key string) error {
	s, err := get(c, key)
	if err != nil || s.Closed {
		return err
	}
	day, agent, _ := strings.Cut(strings.TrimPrefix(key, agentKey), "|")
	if at := p.closes(day, s.LastAt); at.After(c.Now()) {
		return c.SetTimer(key, at)
	}
	s.Closed, s.ClosedAtValid = true, s.Valid
	if n := Close(DayKey(p.Secret, day), agent, day, s.Valid, p.OneIn); n > 0 {
		for _, row := range s.Rows {
			if row.Seq == n {
				row.Revision++
				if err := p.draw(c, s, row, ""); err != nil {
					return err
				}
			}
		}
	}
	s.Rows = nil
	if err := c.Put(key, s); err != nil {
		return err
	}
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
	sum := sha256.Sum256(DayKey(p.Secret, day))
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
	k.PublishedAt, k.RevealedAt, k.Key = ks.LastAt, c.Now().UnixMilli(), hex.EncodeToString(DayKey(p.Secret, day))
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
	for i := range ahead + 1 {
		day := time.Date(today.Year(), today.Month(), today.Day()+i, 12, 0, 0, 0, p.Zone).Format(time.DateOnly)
		if err := say(c, &event.SamplingDay{Day: day, Step: "seen", Partition: -1}, -1); err != nil {
			return err
		}
	}
	if err := c.Put(calendarKey, s); err != nil {
		return err
	}
	return c.SetTimer(calendarKey, time.Date(today.Year(), today.Month(), today.Day()+1, 0, 0, 1, 0, p.Zone))
}
