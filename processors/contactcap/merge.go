package contactcap

import (
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/ringfence/ringfence/event"
)

// fieldStarted is the bit of started_at in Call.fields_set: an event without it is an update of a call.
const fieldStarted = 14

// merge puts a version of a call into what is known of it: field by field the later updated_at wins, of equal ones the
// later arrival. It returns whether anything changed.
func merge(cs *event.CallState, v *event.Call) bool {
	times := map[int32]int64{}
	for _, f := range cs.Fields {
		times[f.Field] = f.At
	}
	changed := false
	into, from := cs.Call.ProtoReflect(), v.ProtoReflect()
	fields := from.Descriptor().Fields()
	for i := range fields.Len() {
		fd := fields.Get(i)
		n := int32(fd.Number())
		if n > 63 || v.FieldsSet&(1<<n) == 0 {
			continue
		}
		at, ok := times[n]
		if !ok {
			at = cs.BaseAt
			if cs.Call.FieldsSet&(1<<n) == 0 {
				at = 0 // not named so far: any version may name it
			}
		}
		if v.UpdatedAt < at {
			continue
		}
		times[n] = v.UpdatedAt
		if fd.IsList() || fd.HasPresence() || fd.Kind() == protoreflect.MessageKind {
			into.Clear(fd)
		}
		if from.Has(fd) || !fd.IsList() && !fd.HasPresence() {
			into.Set(fd, from.Get(fd))
		}
		cs.Call.FieldsSet |= 1 << n
		changed = true
	}
	if v.UpdatedAt > cs.Call.UpdatedAt {
		cs.Call.UpdatedAt = v.UpdatedAt
	}
	cs.Fields = cs.Fields[:0]
	for n := int32(1); n < 64; n++ {
		if at, ok := times[n]; ok && at != cs.BaseAt {
			cs.Fields = append(cs.Fields, &event.FieldTime{Field: n, At: at})
		}
	}
	return changed
}
