package sampling

import (
	"hash/fnv"
	"slices"
	"strconv"
	"strings"
	"sync"
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

	Sales       bool               // the population is recordings of sales (SMP-01, decision b), not of all conversations
	WeeklyOneIn int64              // SMP-02; 0 = no weekly draw
	ExtraOneIn  int64              // SMP-03; 0 = no extra checks
	ExtraUntil  int64              // clean reviews that end them
	PerPeriod   bool               // SMP-04
	Difficulty  map[string]float64 // of campaigns: the hardest first (SMP-05)
	Exempt      []string           // from which draws exempt agents are exempt: period, weekly, extra (SMP-06)
}

// New makes the processor.
func New(o Options) stream.Definition[State] {
	p := &processor{Options: o}
	return stream.Definition[State]{Name: "sampling", Inputs: []string{event.TopicCallFacts, event.TopicSamplingDays, event.TopicQAEvents}, Codec: Codec{}, Process: p.process, Timer: p.timer}
}

type processor struct {
	Options
	keys sync.Map // of days, so that each is derived once
}

func (p *processor) dayKey(day string) []byte {
	if k, ok := p.keys.Load(day); ok {
		return k.([]byte)
	}
	k := DayKey(p.Secret, day)
	p.keys.Store(day, k)
	return k
}

func (p *processor) process(c *ctx, r *stream.Record) error {
	switch r.Topic {
	case event.TopicSamplingDays:
		var d event.SamplingDay
		if err := d.UnmarshalVT(r.Value); err != nil {
			return &stream.Reject{Reason: "is not a sampling day: " + err.Error()}
		}
		return p.day(c, &d)
	case event.TopicQAEvents:
		var e event.QAEvent
		if err := e.UnmarshalVT(r.Value); err != nil {
			return &stream.Reject{Reason: "is not a QA event: " + err.Error()}
		}
		return p.heard(c, &e)
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
	if f.Retracted || !Valid(f.Call) || p.Sales && !Won(f.Call) {
		return nil // what was numbered keeps its number: the population only grows
	}
	return p.recording(c, f.Call)
}

func hash(s string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(s))
	return h.Sum64()
}

// recording numbers a valid recording of an agent's day, and in it of his week and period, and draws it where its number is
// drawn.
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
		if s.Closed, err = p.first(c, day); err != nil {
			return err
		}
		if s.Closed {
			s.ClosedAtValid = 0
		}
	}
	s.Valid++
	s.Calls = append(s.Calls, h)
	s.LastAt = now
	row := &event.PopulationRow{Day: day, AgentId: call.AgentId, Seq: s.Valid, CallId: call.CallId, Late: s.Closed, Revision: 1, At: now, CampaignId: call.CampaignId,
		TeamId: call.TeamId, PartnerId: call.PartnerId, CallStartedAt: call.StartedAt, RecordingUri: call.Recording.GetUri(), DurationMs: call.Recording.GetDurationMs(), CustomerId: call.CustomerId,
		Purpose: call.Purpose, Products: call.Products, Sale: Won(call)}
	tasks, err := p.arrives(c, s, row)
	if err != nil {
		return err
	}
	if err := p.putRow(c, row); err != nil {
		return err
	}
	if err := emitRow(c, row); err != nil {
		return err
	}
	for _, t := range tasks {
		if err := emitTask(c, t); err != nil {
			return err
		}
	}
	if err := c.Put(key, s); err != nil || s.Closed {
		return err
	}
	return c.SetTimer(key, p.closes(day, s.LastAt))
}

// arrives asks every draw whether it takes the row, and makes the tasks.
func (p *processor) arrives(c *ctx, s *State, row *event.PopulationRow) ([]*event.QATask, error) {
	var tasks []*event.QATask
	closedAt := int64(-1)
	if s.Closed {
		closedAt = s.ClosedAtValid
	}
	if Arrive(p.dayKey(row.Day), row.AgentId, row.Day, s.Valid, closedAt, p.OneIn) {
		s.Drawn = append(s.Drawn, s.Valid)
		tasks = append(tasks, p.drawDaily(c, row))
	}
	extra, err := p.extraArrives(c, s, row)
	if err != nil {
		return nil, err
	}
	if extra {
		tasks = append(tasks, p.drawExtra(c, row))
	}
	weekly, err := p.weekArrives(c, row)
	if err != nil {
		return nil, err
	}
	if weekly {
		tasks = append(tasks, p.drawWeekly(c, row))
	}
	t, err := p.periodArrives(c, row)
	if err != nil || t == nil {
		return tasks, err
	}
	return append(tasks, t), nil
}

// taskOf is the task of a row; it marks the row as drawn.
func taskOf(c *ctx, row *event.PopulationRow, draw, id, reason string) *event.QATask {
	row.Drawn = append(row.Drawn, draw)
	return &event.QATask{TaskId: id, CallId: row.CallId, AgentId: row.AgentId, TeamId: row.TeamId, CampaignId: row.CampaignId, PartnerId: row.PartnerId, Day: row.Day, Seq: row.Seq, Draw: draw,
		Reason: reason, DrawnAt: c.Now().UnixMilli(), RecordingUri: row.RecordingUri, CallStartedAt: row.CallStartedAt, CustomerId: row.CustomerId, Purpose: row.Purpose, Products: row.Products,
		Sale: row.Sale, DurationMs: row.DurationMs}
}

func (p *processor) drawDaily(c *ctx, row *event.PopulationRow) *event.QATask {
	return taskOf(c, row, "daily", "daily|"+row.Day+"|"+row.AgentId+"|"+strconv.FormatInt(row.Seq, 10), "one in "+strconv.FormatInt(p.OneIn, 10)+" of the agent's day (SMP-01)")
}

// again draws a row that had come before: it is told anew.
func (p *processor) again(c *ctx, row *event.PopulationRow, t *event.QATask) error {
	row.Revision++
	if err := p.putRow(c, row); err != nil {
		return err
	}
	if err := emitRow(c, row); err != nil {
		return err
	}
	return emitTask(c, t)
}

func emitTask(c *ctx, t *event.QATask) error {
	v, err := t.MarshalVT()
	if err != nil {
		return err
	}
	c.Emit(stream.Output{Topic: event.TopicQATasks, Key: []byte(t.AgentId), Value: v})
	return nil
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

func (p *processor) timer(c *ctx, key string, _ time.Time) error {
	switch {
	case strings.HasPrefix(key, agentKey):
		return p.closeAgent(c, key)
	case strings.HasPrefix(key, rowsKey):
		return c.Delete(key)
	case strings.HasPrefix(key, weekKey):
		return p.closeWeek(c, key)
	case strings.HasPrefix(key, sliceKey):
		return p.closeSlice(c, key)
	case strings.HasPrefix(key, periodKey):
		return p.closePeriod(c, key)
	case strings.HasPrefix(key, keeperKey):
		return p.askAll(c, strings.TrimPrefix(key, keeperKey))
	case key == calendarKey:
		return p.calendar(c)
	}
	return nil
}

// closeAgent closes an agent's day and draws from its last blocks if they were cut short.
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
	if n := Close(p.dayKey(day), agent, day, s.Valid, p.OneIn); n > 0 {
		row, err := getRow(c, day, agent, n)
		if err != nil {
			return err
		}
		if row != nil {
			s.Drawn = append(s.Drawn, n)
			if err := p.again(c, row, p.drawDaily(c, row)); err != nil {
				return err
			}
		}
	}
	if err := p.closeExtra(c, s, day, agent); err != nil {
		return err
	}
	if err := c.Put(key, s); err != nil {
		return err
	}
	return p.last(c, day)
}
