package event_test

import (
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"sort"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/ringfence/ringfence/event"
)

// files of the vocabulary; a new one comes last.
var files = []protoreflect.FileDescriptor{event.File_event_proto, event.File_qa_proto, event.File_sampling_proto}

var update = flag.Bool("update", false, "write testdata/wire.golden anew")

// sample sets every field of a message to a value made from the field's number; of a oneof the given choice.
func sample(m protoreflect.Message, choice, depth int) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		if o := f.ContainingOneof(); o != nil && !o.IsSynthetic() && o.Fields().Get(choice%o.Fields().Len()) != f {
			continue
		}
		switch {
		case f.IsMap():
			v := m.NewField(f)
			v.Map().Set(protoreflect.ValueOfString("k").MapKey(), scalar(f.MapValue()))
			m.Set(f, v)
		case f.IsList():
			v := m.NewField(f)
			for range 2 {
				if f.Message() != nil {
					e := v.List().NewElement()
					if depth > 0 {
						sample(e.Message(), choice, depth-1)
					}
					v.List().Append(e)
				} else {
					v.List().Append(scalar(f))
				}
			}
			m.Set(f, v)
		case f.Message() != nil:
			if depth > 0 {
				v := m.NewField(f)
				sample(v.Message(), choice, depth-1)
				m.Set(f, v)
			}
		default:
			m.Set(f, scalar(f))
		}
	}
}

func scalar(f protoreflect.FieldDescriptor) protoreflect.Value {
	n := int64(f.Number())
	switch f.Kind() {
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(true)
	case protoreflect.Int32Kind, protoreflect.Sint32Kind:
		return protoreflect.ValueOfInt32(int32(-n))
	case protoreflect.Int64Kind, protoreflect.Sint64Kind:
		return protoreflect.ValueOfInt64(1000 + n)
	case protoreflect.Uint32Kind:
		return protoreflect.ValueOfUint32(uint32(n))
	case protoreflect.Uint64Kind:
		return protoreflect.ValueOfUint64(uint64(2000 + n))
	case protoreflect.Fixed64Kind:
		return protoreflect.ValueOfUint64(uint64(3000 + n))
	case protoreflect.Fixed32Kind:
		return protoreflect.ValueOfUint32(uint32(3000 + n))
	case protoreflect.DoubleKind:
		return protoreflect.ValueOfFloat64(float64(n) / 4)
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(string(f.Name()))
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes([]byte(f.Name()))
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(1)
	}
	panic("no sample of a " + f.Kind().String())
}

// choices is how many samples a message needs until every choice of its oneofs has been made.
func choices(d protoreflect.MessageDescriptor) int {
	n := 1
	for i := range d.Oneofs().Len() {
		if o := d.Oneofs().Get(i); !o.IsSynthetic() {
			n = max(n, o.Fields().Len())
		}
	}
	return n
}

// TestWire notices when the bytes of a message change: what is in the topics must stay readable, and what another
// version writes as well.
func TestWire(t *testing.T) {
	var b strings.Builder
	var messages []protoreflect.MessageDescriptor
	for _, f := range files {
		for i := range f.Messages().Len() {
			messages = append(messages, f.Messages().Get(i))
		}
	}
	for _, d := range messages {
		for c := range choices(d) {
			m := dynamicpb.NewMessage(d)
			sample(m, c, 2)
			v, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&b, "%s/%d %s\n", d.Name(), c, hex.EncodeToString(v))
		}
	}
	const file = "testdata/wire.golden"
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(b.String(), "\n")); diff != "" {
		t.Errorf("the wire format changed; a new field is well (go test ./event -update), anything else is not:\n%s", diff)
	}
}

// codec is what vtprotobuf generates for a message.
type codec interface {
	proto.Message
	MarshalVT() ([]byte, error)
	UnmarshalVT([]byte) error
}

// codecs are the values of the topics and the processors' states.
func codecs() map[string]func() codec {
	return map[string]func() codec{
		"CustomerEvent": func() codec { return new(event.CustomerEvent) }, "PermitEvent": func() codec { return new(event.PermitEvent) },
		"AgentEvent": func() codec { return new(event.AgentEvent) }, "CallFact": func() codec { return new(event.CallFact) },
		"ComplaintFact": func() codec { return new(event.ComplaintFact) }, "AgentInterval": func() codec { return new(event.AgentInterval) },
		"QATask": func() codec { return new(event.QATask) }, "SamplingState": func() codec { return new(event.SamplingState) }, "SamplingFact": func() codec { return new(event.SamplingFact) },
		"Campaign": func() codec { return new(event.Campaign) }, "Lead": func() codec { return new(event.Lead) }, "Survey": func() codec { return new(event.Survey) },
		"CampaignSignal": func() codec { return new(event.CampaignSignal) }, "Alert": func() codec { return new(event.Alert) },
		"DeadLetter": func() codec { return new(event.DeadLetter) }, "AgentTimeState": func() codec { return new(event.AgentTimeState) },
		"QACommand": func() codec { return new(event.QACommand) }, "QAEvent": func() codec { return new(event.QAEvent) }, "QAAnswer": func() codec { return new(event.QAAnswer) },
		"QAQueueEntry": func() codec { return new(event.QAQueueEntry) }, "QAState": func() codec { return new(event.QAState) },
	}
}

// The fast codec and the reference one agree on every message.
func TestCodecsAgree(t *testing.T) {
	for name, make := range codecs() {
		for c := range choices(make().ProtoReflect().Descriptor()) {
			m := make()
			sample(m.ProtoReflect(), c, 2)
			v, err := m.MarshalVT()
			if err != nil {
				t.Fatal(err)
			}
			again, other := make(), make()
			if err := again.UnmarshalVT(v); err != nil || !proto.Equal(m, again) {
				t.Errorf("%s/%d does not come back: %v", name, c, err)
			}
			if err := proto.Unmarshal(v, other); err != nil || !proto.Equal(m, other) {
				t.Errorf("%s/%d is read otherwise by protobuf's own codec: %v", name, c, err)
			}
		}
	}
}

// FuzzCodecs: whatever bytes come, reading ends with a message or an error, and what was read is written and read again
// as the same.
func FuzzCodecs(f *testing.F) {
	all := codecs()
	var names []string
	for n := range all {
		names = append(names, n)
	}
	sort.Strings(names)
	for i, n := range names {
		m := all[n]()
		sample(m.ProtoReflect(), 0, 2)
		v, err := m.MarshalVT()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(byte(i), v)
		f.Add(byte(i), v[:len(v)/2])
	}
	f.Fuzz(func(t *testing.T, which byte, in []byte) {
		make := all[names[int(which)%len(names)]]
		m := make()
		if m.UnmarshalVT(in) != nil {
			return
		}
		out, err := m.MarshalVT()
		if err != nil {
			return // a string that is no UTF-8
		}
		again := make()
		if err := again.UnmarshalVT(out); err != nil {
			t.Fatalf("%T: its own bytes are refused: %v", m, err)
		}
		if out2, err := again.MarshalVT(); err != nil || len(out2) != len(out) && !bytes.Equal(out, out2) {
			t.Fatalf("%T: comes back as another", m)
		}
	})
}
