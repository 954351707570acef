package agenttime

import (
	"hash/fnv"
	"slices"
	"sort"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/internal/stream"
)

// kept is how far back late transitions can correct: older closed intervals stand.
const kept = 7 * 24 * time.Hour

// Options of the processor.
type Options struct {
	Timeout time.Duration
	Zone    *time.Location
}

// State of one agent.
type State struct{ *event.AgentTimeState }

// Codec of a state.
type Codec struct{}

// Append encodes.
func (Codec) Append(dst []byte, s *State) ([]byte, error) {
	b, err := s.MarshalVT()
	return append(dst, b...), err
}

// Decode decodes.
func (Codec) Decode(src []byte) (*State, error) {
	s := &State{&event.AgentTimeState{}}
	return s, s.UnmarshalVT(src)
}

// New makes the processor.
func New(o Options) stream.Definition[State] {
	p := processor{o}
	return stream.Definition[State]{Name: "agenttime", Inputs: []string{event.TopicAgentStates}, Codec: Codec{}, Process: p.process}
}

type processor struct{ Options }

func (p processor) process(c *stream.Context[State], r *stream.Record) error {
	var e event.AgentEvent
	if err := e.UnmarshalVT(r.Value); err != nil {
		return &stream.Reject{Reason: "is not an agent event: " + err.Error()}
	}
	t := e.GetState()
	if t == nil {
		return nil // schedules are facts as they are
	}
	s, ok, err := c.Get(string(r.Key))
	if err != nil {
		return err
	}
	if !ok {
		s = &State{&event.AgentTimeState{}}
	}
	id := hash(t.EventId)
	if slices.Contains(s.Seen, id) {
		return nil
	}
	s.Seen = append(s.Seen, id)
	i := sort.Search(len(s.Transitions), func(i int) bool { return s.Transitions[i].At >= t.At })
	if i < len(s.Transitions) && s.Transitions[i].At == t.At {
		s.Transitions[i] = t
	} else {
		s.Transitions = slices.Insert(s.Transitions, i, t)
	}
	if err := p.tell(c, s); err != nil {
		return err
	}
	p.prune(s)
	return c.Put(string(r.Key), s)
}

func hash(s string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(s))
	return h.Sum64()
}

// tell emits what differs from what was said before.
func (p processor) tell(c *stream.Context[State], s *State) error {
	fresh := Intervals(s.Transitions, p.Timeout, p.Zone)
	said := map[int64]*event.AgentInterval{}
	for _, iv := range s.Emitted {
		said[iv.StartAt] = iv
	}
	emit := func(iv *event.AgentInterval) error {
		s.Revision++
		iv.Revision = s.Revision
		v, err := iv.MarshalVT()
		if err != nil {
			return err
		}
		c.Emit(stream.Output{Topic: event.TopicAgentIntervals, Key: []byte(iv.AgentId), Value: v})
		return nil
	}
	for _, iv := range fresh {
		old := said[iv.StartAt]
		delete(said, iv.StartAt)
		if old != nil {
			iv.Revision = old.Revision
			if proto.Equal(old, iv) {
				continue
			}
		}
		if err := emit(iv); err != nil {
			return err
		}
	}
	gone := make([]*event.AgentInterval, 0, len(said))
	for _, iv := range said {
		gone = append(gone, iv)
	}
	sort.Slice(gone, func(i, j int) bool { return gone[i].StartAt < gone[j].StartAt })
	for _, iv := range gone {
		iv.EndAt = iv.StartAt // withdrawn
		if err := emit(iv); err != nil {
			return err
		}
	}
	s.Emitted = fresh
	return nil
}

// prune forgets transitions so old that nothing is expected to correct them; the last one before the limit stays,
// because it says what the first kept interval follows.
func (p processor) prune(s *State) {
	newest := s.Transitions[len(s.Transitions)-1].At
	limit := newest - kept.Milliseconds()
	n := 0
	for n+1 < len(s.Transitions) && s.Transitions[n+1].At < limit {
		n++
	}
	if n == 0 {
		return
	}
	first := s.Transitions[n].At
	for _, t := range s.Transitions[:n] {
		id := hash(t.EventId)
		s.Seen = slices.DeleteFunc(s.Seen, func(h uint64) bool { return h == id })
	}
	s.Transitions = slices.Clone(s.Transitions[n:])
	s.Emitted = slices.DeleteFunc(s.Emitted, func(iv *event.AgentInterval) bool { return iv.StartAt < first })
}
