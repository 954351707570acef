package complaint

import (
	"hash/fnv"
	"strings"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/internal/stream"
)

// State under one key, whichever kind it is.
type State struct{ *event.WatchState }

// Codec of a state.
type Codec struct{}

// Append encodes.
func (Codec) Append(dst []byte, s *State) ([]byte, error) {
	b, err := s.MarshalVT()
	return append(dst, b...), err
}

// Decode decodes.
func (Codec) Decode(src []byte) (*State, error) {
	s := &State{&event.WatchState{}}
	return s, s.UnmarshalVT(src)
}

// The kinds of keys.
const (
	callKey    = "x|" // call and its record's key: what it added to the counts
	sumKey     = "s|" // dimension and subject: counts not told yet
	subjectKey = "w|" // dimension and subject
	hoursKey   = "b|" // dimension and subject: the weeks before
	caseKey    = "c|" // complaint
	centreKey  = "g|" // the centre's incidents
	keysKey    = "n|" // how many subjects there are; one a partition
	agentKey   = "a|" // agent
	inboundKey = "w|inbound|all"
)

type ctx = stream.Context[State]

func get(c *ctx, key string) (*State, error) {
	s, ok, err := c.Get(key)
	if err != nil || ok {
		return s, err
	}
	return &State{&event.WatchState{}}, nil
}

func hashID(id string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(id))
	return h.Sum64()
}

// split takes dimension and subject out of a key.
func split(key string) (dimension, subject string) {
	_, rest, _ := strings.Cut(key, "|")
	dimension, subject, _ = strings.Cut(rest, "|")
	return dimension, subject
}

// send emits a record of the watch's own topic.
func send(c *ctx, key string, r *event.WatchRecord) error {
	v, err := r.MarshalVT()
	if err != nil {
		return err
	}
	c.Emit(stream.Output{Topic: event.TopicWatchEvents, Key: []byte(key), Value: v})
	return nil
}

// CentreKey is where commands about alerts go on ringfence.watch-events.
const CentreKey = centreKey

// CampaignKey is where commands about a campaign go.
func CampaignKey(campaign string) string { return subjectKey + "campaign|" + campaign }
