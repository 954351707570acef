package contactcap

import (
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/ringfence/ringfence/event"
)

// wholeCall are the fields of a whole call as bits of Call.fields_set: purpose, started_at, ended_at, outcome. An event
// without one of them is an update of a call.
const wholeCall = 1<<5 | 1<<14 | 1<<17 | 1<<21

// merge puts a version of a call into what is known of it: field by field the later updated_at wins, of equal ones the
// later arrival. It returns whether anything changed.
func merge(cs *event.CallState, v *event.Call) bool {
	return mergeAt(cs, v, func(int32) int64 { return v.UpdatedAt })
}

// join merges what was known of the same call elsewhere, each field of its own time.
func join(cs, other *event.CallState) bool {
	times := fieldTimes(other)
	return mergeAt(cs, other.Call, func(n int32) int64 {
		if at, ok := times[n]; ok {
			return at
		}
		return other.BaseAt
	})
}

// fieldTimes are the times of the fields that another version set than the first.
func fieldTimes(cs *event.CallState) map[int32]int64 {
	times := map[int32]int64{}
	for _, f := range cs.Fields {
		times[f.Field] = f.At
	}
	return times
}

func mergeAt(cs *event.CallState, v *event.Call, when func(field int32) int64) bool {
	times := fieldTimes(cs)
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
		if when(n) < at {
			continue
		}
		times[n] = when(n)
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
