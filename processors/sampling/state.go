package sampling

import (
	"strconv"
	"time"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/internal/stream"
)

// State of an agent's day, of a block of its rows, of a day in a partition or at its keeper, of an agent's week or period.
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

// Keys of states. Days are YYYY-MM-DD; a week is named by its last day, a period by the month in which it ends.
const (
	agentKey    = "a|" // a|day|agent: the numbering of an agent's day
	rowsKey     = "b|" // b|day|block|agent: rows of the population, so that what is drawn later is at hand
	partKey     = "p|" // p|day: a day in this partition
	keeperKey   = "k|" // k|day: a day at its keeper
	weekKey     = "w|" // w|last day|agent
	periodKey   = "q|" // q|period|agent
	sliceKey    = "s|" // s|period|slice|agent
	watchKey    = "x|" // x|agent: extra checks and exemptions
	calendarKey = "calendar"
)

const (
	rowsPerBlock = 16
	keepRows     = 45 * 24 * time.Hour // after they came: later nobody asks for a replacement
)

type ctx = stream.Context[State]

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

// getPlan reads the plan under a key; fresh tells that there is none yet.
func getPlan(c *ctx, key string) (plan *event.SamplingPlan, fresh bool, err error) {
	s, ok, err := c.Get(key)
	if err != nil {
		return nil, false, err
	}
	if !ok || s.Plan == nil {
		return &event.SamplingPlan{ClosedAtValid: -1}, true, nil
	}
	return s.Plan, false, nil
}

func putPlan(c *ctx, key string, p *event.SamplingPlan) error {
	return c.Put(key, &State{&event.SamplingState{Plan: p}})
}

func getWatch(c *ctx, agent string) (*event.SamplingWatch, error) {
	s, ok, err := c.Get(watchKey + agent)
	if err != nil || !ok || s.Watch == nil {
		return &event.SamplingWatch{}, err
	}
	return s.Watch, nil
}

func putWatch(c *ctx, agent string, w *event.SamplingWatch) error {
	return c.Put(watchKey+agent, &State{&event.SamplingState{Watch: w}})
}

func blockKey(day, agent string, seq int64) string {
	return rowsKey + day + "|" + strconv.FormatInt((seq-1)/rowsPerBlock, 10) + "|" + agent
}

// putRow keeps a row of the population.
func (p *processor) putRow(c *ctx, row *event.PopulationRow) error {
	key := blockKey(row.Day, row.AgentId, row.Seq)
	s, err := get(c, key)
	if err != nil {
		return err
	}
	if len(s.Rows) == 0 {
		if err := c.SetTimer(key, c.Now().Add(keepRows)); err != nil {
			return err
		}
	}
	for i, r := range s.Rows {
		if r.Seq == row.Seq {
			s.Rows[i] = row
			return c.Put(key, s)
		}
	}
	s.Rows = append(s.Rows, row)
	return c.Put(key, s)
}

// getRow finds a row of the population, nil if it is not kept any more.
func getRow(c *ctx, day, agent string, seq int64) (*event.PopulationRow, error) {
	s, err := get(c, blockKey(day, agent, seq))
	if err != nil {
		return nil, err
	}
	for _, r := range s.Rows {
		if r.Seq == seq {
			return r.CloneVT(), nil
		}
	}
	return nil, nil
}
