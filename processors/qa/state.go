package qa

import (
	"google.golang.org/protobuf/proto"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/internal/stream"
)

// State of a task, of an agent, or of a call.
type State struct{ *event.QAState }

// Codec of a state.
type Codec struct{}

// Append encodes.
func (Codec) Append(dst []byte, s *State) ([]byte, error) {
	b, err := s.MarshalVT()
	return append(dst, b...), err
}

// Decode decodes.
func (Codec) Decode(src []byte) (*State, error) {
	s := &State{&event.QAState{}}
	return s, s.UnmarshalVT(src)
}

// Keys of states; all of one agent's are in one partition.
const (
	taskKey  = "t|" // t|task id
	agentKey = "a|" // a|agent id
	callKey  = "c|" // c|agent id|call id
)

type ctx = stream.Context[State]

func getTask(c *ctx, id string) (*event.QATaskState, error) {
	s, ok, err := c.Get(taskKey + id)
	if err != nil || !ok {
		return nil, err
	}
	return s.GetTask(), nil
}

func putTask(c *ctx, t *event.QATaskState) error {
	return c.Put(taskKey+t.Task.TaskId, &State{&event.QAState{Body: &event.QAState_Task{Task: t}}})
}

// getAgent is never nil.
func getAgent(c *ctx, id string) (*event.QAAgent, error) {
	s, ok, err := c.Get(agentKey + id)
	if err != nil {
		return nil, err
	}
	if !ok {
		return &event.QAAgent{AgentId: id}, nil
	}
	return s.GetAgent(), nil
}

func putAgent(c *ctx, a *event.QAAgent) error {
	return c.Put(agentKey+a.AgentId, &State{&event.QAState{Body: &event.QAState_Agent{Agent: a}}})
}

// getCall is never nil.
func getCall(c *ctx, agent, call string) (*event.QATaskIndex, error) {
	s, ok, err := c.Get(callKey + agent + "|" + call)
	if err != nil {
		return nil, err
	}
	if !ok {
		return &event.QATaskIndex{}, nil
	}
	return s.GetCall(), nil
}

func putCall(c *ctx, agent, call string, x *event.QATaskIndex) error {
	return c.Put(callKey+agent+"|"+call, &State{&event.QAState{Body: &event.QAState_Call{Call: x}}})
}

func equal(a, b proto.Message) bool { return proto.Equal(a, b) }
