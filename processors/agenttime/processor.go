package agenttime

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/internal/stream"
)

// chunk is how much of an agent's time is one state: small, so that a transition costs little, whatever the agent did
// the rest of the year.
const chunk = 15 * time.Minute

// kept is how long after its arrival a transition can be corrected by late ones. What comes later for such a time goes
// to the dead letter.
const kept = 40 * 24 * time.Hour

// Options of the processor.
type Options struct {
	Timeout time.Duration
	Zone    *time.Location
}

// State of a chunk of an agent's time, or under the agent's own key of where its time ends.
type State struct{ *event.AgentTimeState }

// Codec of a state.
type Codec struct{}

// Append encodes.
func (Codec) Append(dst []byte, s *State) ([]byte, error) {
	n := s.SizeVT()
	dst = slices.Grow(dst, n)
	_, err := s.MarshalToSizedBufferVT(dst[len(dst) : len(dst)+n])
	return dst[:len(dst)+n], err
}

// Decode decodes.
func (Codec) Decode(src []byte) (*State, error) {
	s := &State{&event.AgentTimeState{}}
	return s, s.UnmarshalVT(src)
}

// New makes the processor.
func New(o Options) stream.Definition[State] {
	p := processor{o}
	return stream.Definition[State]{Name: "agenttime", Inputs: []string{event.TopicAgentStates}, Codec: Codec{}, Process: p.process, Timer: p.forget}
}

type processor struct{ Options }

// chunkKey of an agent's time; a key without the mark is the agent's own.
func chunkKey(agent string, n int64) string {
	b := append(make([]byte, 0, len(agent)+9), agent...)
	return string(binary.BigEndian.AppendUint64(append(b, 0), uint64(n)))
}

func get(c *stream.Context[State], key string) (*State, error) {
	s, ok, err := c.Get(key)
	if !ok && err == nil {
		s = &State{&event.AgentTimeState{}}
	}
	return s, err
}

func (p processor) process(c *stream.Context[State], r *stream.Record) error {
	var e event.AgentEvent
	if err := e.UnmarshalVT(r.Value); err != nil {
		return &stream.Reject{Reason: "is not an agent event: " + err.Error()}
	}
	t := e.GetState()
	if t == nil {
		return nil // schedules are facts as they are
	}
	agent, n := string(r.Key), t.At/chunk.Milliseconds()
	key := chunkKey(agent, n)
	s, err := get(c, key)
	if err != nil {
		return err
	}
	if s.Forgotten {
		return &stream.Reject{Pointer: "/at", Reason: fmt.Sprintf("comes more than %d days after others of its time, which are closed for good", int(kept.Hours()/24))}
	}
	id := hash(t.EventId)
	if slices.Contains(s.Seen, id) {
		return nil
	}
	if again, err := p.given(c, agent, t); again || err != nil {
		return err
	}
	head, err := get(c, agent)
	if err != nil {
		return err
	}
	i := sort.Search(len(s.Transitions), func(i int) bool { return s.Transitions[i].At >= t.At })
	var was *event.AgentState
	after := i
	if i < len(s.Transitions) && s.Transitions[i].At == t.At {
		was, after = s.Transitions[i], i+1
	}
	prev, err := p.before(c, agent, n, s.Transitions[:i], t.At)
	if err != nil {
		return err
	}
	next, err := p.after(c, agent, n, s.Transitions[after:], t.At, head.Latest)
	if err != nil {
		return err
	}
	p.tell(c, uint64(r.Offset)+1, prev, was, t, next)

	if len(s.Seen) == 0 {
		if err := c.SetTimer(key, c.Now().Add(kept)); err != nil {
			return err
		}
	}
	s.Seen = append(s.Seen, id)
	if was != nil {
		s.Transitions[i] = t
	} else {
		s.Transitions = slices.Insert(s.Transitions, i, t)
	}
	if err := c.Put(key, s); err != nil {
		return err
	}
	if t.At > head.Latest {
		head.Latest = t.At
		return c.Put(agent, head)
	}
	return nil
}

// given keeps ids that a client chose: of two events of one id the first wins, whatever the second says. An id derived
// from the natural key finds its like in the chunk.
func (p processor) given(c *stream.Context[State], agent string, t *event.AgentState) (bool, error) {
	if t.EventId == "" || t.EventId == fmt.Sprintf("agent-state:%s:%d:%s", t.AgentId, t.At, t.State) {
		return false, nil
	}
	key := agent + "\x00id\x00" + t.EventId
	_, seen, err := c.Get(key)
	if seen || err != nil {
		return seen, err
	}
	if err := c.SetTimer(key, c.Now().Add(kept)); err != nil {
		return false, err
	}
	return false, c.Put(key, &State{&event.AgentTimeState{Forgotten: true}})
}

// forget drops the transitions of a chunk, and ids: both are past correction.
func (p processor) forget(c *stream.Context[State], key string, _ time.Time) error {
	if strings.Contains(key, "\x00id\x00") {
		return c.Delete(key)
	}
	return c.Put(key, &State{&event.AgentTimeState{Forgotten: true}})
}

// before is the transition before `at` if its state can last until then.
func (p processor) before(c *stream.Context[State], agent string, n int64, here []*event.AgentState, at int64) (*event.AgentState, error) {
	earliest := at - p.Timeout.Milliseconds()
	for m := n; ; {
		if len(here) > 0 {
			if t := here[len(here)-1]; t.At > earliest {
				return t, nil
			}
			return nil, nil
		}
		if m--; (m+1)*chunk.Milliseconds() <= earliest {
			return nil, nil
		}
		s, err := get(c, chunkKey(agent, m))
		if err != nil {
			return nil, err
		}
		here = s.Transitions
	}
}

// after is the transition after `at` if the state can last until then.
func (p processor) after(c *stream.Context[State], agent string, n int64, here []*event.AgentState, at, latest int64) (*event.AgentState, error) {
	last := min(latest, at+p.Timeout.Milliseconds())
	for m := n; ; {
		if len(here) > 0 {
			return here[0], nil
		}
		if m++; m*chunk.Milliseconds() > last {
			return nil, nil
		}
		s, err := get(c, chunkKey(agent, m))
		if err != nil {
			return nil, err
		}
		here = s.Transitions
	}
}

// tell emits how the intervals around t change: was is what t replaces at its very instant.
func (p processor) tell(c *stream.Context[State], revision uint64, prev, was, t, next *event.AgentState) {
	follows := next
	var old, fresh []*event.AgentInterval
	if was != nil {
		follows = was
		old = pieces(old, was, next, p.Timeout, p.Zone)
	}
	if prev != nil {
		old = pieces(old, prev, follows, p.Timeout, p.Zone)
		fresh = pieces(fresh, prev, t, p.Timeout, p.Zone)
	}
	fresh = pieces(fresh, t, next, p.Timeout, p.Zone)
	at := func(l []*event.AgentInterval, start int64) *event.AgentInterval {
		for _, iv := range l {
			if iv.StartAt == start {
				return iv
			}
		}
		return nil
	}
	for _, iv := range old {
		if at(fresh, iv.StartAt) == nil {
			iv.EndAt = iv.StartAt // withdrawn
			emit(c, revision, iv)
		}
	}
	for _, iv := range fresh {
		if before := at(old, iv.StartAt); before == nil || !before.EqualVT(iv) {
			emit(c, revision, iv)
		}
	}
}

func emit(c *stream.Context[State], revision uint64, iv *event.AgentInterval) {
	iv.Revision = revision
	v := make([]byte, iv.SizeVT())
	_, _ = iv.MarshalToSizedBufferVT(v) // fails only when the buffer is too small
	c.Emit(stream.Output{Topic: event.TopicAgentIntervals, Key: []byte(iv.AgentId), Value: v})
	iv.Revision = 0
}

func hash(s string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(s))
	return h.Sum64()
}
