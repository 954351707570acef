package contactcap

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/internal/stream"
	"github.com/ringfence/ringfence/processors/contactcap/policy"
)

func requestBytes(t *testing.T, id, customer string, at int64) []byte {
	t.Helper()
	ce := &event.CustomerEvent{EventId: id, CustomerId: customer, NumberHash: strings.Repeat("ab", 16), ReceivedAt: at, Source: "api", Body: &event.CustomerEvent_PermitRequest{
		PermitRequest: &event.PermitRequest{RequestId: id, Purpose: "sales", Products: []string{"5g", "tv"}, CampaignId: "c1", PartnerId: "p1", DialerId: "d1", CallerId: "10010", Recording: true,
			At: at, TtlMs: 60_000, ReplyTo: &event.ReplyTo{Requester: "asker"}}}}
	v, err := ce.MarshalVT()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// However an event is put together, it is read as the safe decoder reads it, and a scratch that has read others reads it alike.
func TestReadAsDecoded(t *testing.T) {
	request := requestBytes(t, "r1", "c", 1000)
	call, err := (&event.CustomerEvent{EventId: "e", Body: &event.CustomerEvent_Call{Call: &event.Call{CallId: "c1", Products: []string{"a"}}}}).MarshalVT()
	if err != nil {
		t.Fatal(err)
	}
	events := [][]byte{nil, request, call, slices.Concat(request, call), slices.Concat(call, request), slices.Concat(request, request),
		protowire.AppendVarint(protowire.AppendTag(slices.Clone(request), 99, protowire.VarintType), 7),
		protowire.AppendFixed64(protowire.AppendTag(slices.Clone(request), 98, protowire.Fixed64Type), 7), {0xff}, {0x6a, 0xff, 0xff}}
	for n := range request {
		events = append(events, request[:n])
	}
	m := scratches.New().(*scratch)
	for round := range 2 {
		for i, v := range events {
			want := &event.CustomerEvent{}
			werr := want.UnmarshalVT(v)
			got, borrowed, err := m.read(v)
			if (err != nil) != (werr != nil) {
				t.Fatalf("round %d, event %d: error %v, want %v", round, i, err, werr)
			}
			if err == nil && !proto.Equal(got, want) {
				t.Fatalf("round %d, event %d: %v, want %v", round, i, got, want)
			}
			if borrowed && bytes.Contains(v, call) {
				t.Fatalf("event %d is borrowed though it holds a call", i)
			}
		}
	}
}

// remembering is a Backend that keeps the states as they are, as the runtime does of those decoded, and what is emitted.
type remembering struct {
	kept
	decoded map[string]*State
	emitted []stream.Output
}

func (k *remembering) Get(key string) (*State, bool, error) {
	s, ok := k.decoded[key]
	return s, ok, nil
}
func (k *remembering) New() *State { return &State{} }
func (k *remembering) Put(key string, s *State) error {
	k.decoded[strings.Clone(key)] = s
	return nil
}
func (k *remembering) Emit(o stream.Output) { k.emitted = append(k.emitted, o) }

// A record's bytes are overwritten once it is processed: neither its customer's state nor an output may change.
func TestNothingOfTheRecordIsKept(t *testing.T) {
	p, err := policy.Load("china-unicom")
	if err != nil {
		t.Fatal(err)
	}
	def := New(Options{Policy: func() *policy.Policy { return p }, OrphanAfter: 2 * time.Hour, AttributionWindow: time.Hour, CustomerHash: func(id string) string { return id }})
	k := &remembering{kept: kept{now: time.Date(2026, 3, 2, 4, 0, 0, 0, time.UTC)}, decoded: map[string]*State{}}
	c := stream.NewContext[State](k)
	var states, outs []string
	look := func() (s, o []string) {
		for key, st := range k.decoded {
			b, err := Codec{}.Append([]byte(key+": "), st)
			if err != nil {
				t.Fatal(err)
			}
			s = append(s, string(b))
		}
		slices.Sort(s)
		for _, e := range k.emitted {
			o = append(o, fmt.Sprintf("%s %q %q", e.Topic, e.Key, e.Value))
		}
		return s, o
	}
	for i := range 20 { // permits, denials and repeated answers
		key := fmt.Sprint("customer-", i%4)
		v := requestBytes(t, fmt.Sprint("r", i%15), key, k.now.UnixMilli())
		r := &stream.Record{Key: []byte(key), Value: v}
		if err := def.Process(c, r); err != nil {
			t.Fatal(err)
		}
		states, outs = look()
		for j := range v {
			v[j] = 0xee
		}
		clear(r.Key)
		s, o := look()
		if !slices.Equal(s, states) || !slices.Equal(o, outs) {
			t.Fatalf("request %d: overwritten with its record:\n%q\n%q\nwas\n%q\n%q", i, s, o, states, outs)
		}
	}
	if len(outs) != 20 || len(states) != 4 {
		t.Fatalf("%d outputs, %d states", len(outs), len(states))
	}
}
