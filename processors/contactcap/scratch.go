package contactcap

import (
	"encoding/binary"
	"slices"
	"strings"
	"sync"
	"unsafe"

	"github.com/ringfence/ringfence/event"
)

// scratch is what the work on one record needs and nobody keeps: decisions are taken faster than memory is found for them anew.
// A permit request is read without copying its texts out of the record; what the state keeps of them is copied by keep.
type scratch struct {
	turn    turn
	event   event.CustomerEvent
	body    event.CustomerEvent_PermitRequest
	request event.PermitRequest

	history History
	asked   Request

	answer   event.PermitEvent
	told     event.PermitEvent_Decision
	decision event.PermitDecision
	denied   []*event.Denial

	out  []byte // outputs are cut from it; it is never written twice
	kept map[string]string
	list [][]string
}

var scratches = sync.Pool{New: func() any { return &scratch{kept: map[string]string{}} }}

// giveBack lets go of the state.
func (m *scratch) giveBack() {
	m.turn, m.history, m.asked = turn{}, History{}, Request{}
	scratches.Put(m)
}

const (
	outChunk  = 32 << 10
	keptTexts = 1024 // texts that many records share, at most
	keptText  = 64   // bytes of one
	keptLists = 32
)

// only is the number of the one body a customer event has; 0 if it has several, none, or can't be read.
func only(v []byte) (field uint64) {
	for len(v) > 0 {
		tag, n := binary.Uvarint(v)
		if n <= 0 {
			return 0
		}
		v = v[n:]
		size := uint64(0)
		switch tag & 7 {
		case 0:
			if _, n = binary.Uvarint(v); n <= 0 {
				return 0
			}
			size = uint64(n)
		case 2:
			if size, n = binary.Uvarint(v); n <= 0 || size > uint64(len(v)-n) {
				return 0
			}
			size += uint64(n)
		default:
			return 0
		}
		if num := tag >> 3; num >= bodies {
			if field != 0 {
				return 0
			}
			field = num
		}
		v = v[size:]
	}
	return field
}

// Field numbers of a customer event: where its bodies begin, and that of a permit request.
const (
	bodies      = 10
	bodyRequest = 13
)

// read reads an event. The texts of a permit request stay those of the record: they are true until the record is done.
func (m *scratch) read(v []byte) (ce *event.CustomerEvent, borrowed bool, err error) {
	if only(v) != bodyRequest {
		ce = &event.CustomerEvent{}
		return ce, false, ce.UnmarshalVT(v)
	}
	m.event.Reset()
	m.request.Reset()
	m.body.PermitRequest = &m.request
	m.event.Body = &m.body
	return &m.event, true, m.event.UnmarshalVTUnsafe(v)
}

// borrow is a text over somebody else's bytes.
func borrow(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// keep is a text that may be kept: of those that come again and again there is one for all.
func (m *scratch) keep(s string) string {
	if s == "" {
		return ""
	}
	if k, ok := m.kept[s]; ok {
		return k
	}
	s = strings.Clone(s)
	if len(s) <= keptText {
		if len(m.kept) >= keptTexts {
			clear(m.kept)
		}
		m.kept[s] = s
	}
	return s
}

// keepList is a list that may be kept, and that nobody may change.
func (m *scratch) keepList(l []string) []string {
	if len(l) == 0 {
		return nil
	}
	for _, k := range m.list {
		if slices.Equal(k, l) {
			return k
		}
	}
	k := make([]string, len(l))
	for i, s := range l {
		k[i] = m.keep(s)
	}
	if len(m.list) >= keptLists {
		m.list = m.list[:0]
	}
	m.list = append(m.list, k)
	return k
}

// room returns n bytes that belong to whoever asks.
func (m *scratch) room(n int) []byte {
	if n > cap(m.out)-len(m.out) {
		if n > outChunk/4 {
			return make([]byte, n)
		}
		m.out = make([]byte, 0, outChunk)
	}
	from := len(m.out)
	m.out = m.out[:from+n]
	return m.out[from : from+n : from+n]
}

// copied is room with a text in it.
func (m *scratch) copied(s string) []byte {
	b := m.room(len(s))
	copy(b, s)
	return b
}

// encode is a permit event's bytes.
func (m *scratch) encode(pe *event.PermitEvent) ([]byte, error) {
	b := m.room(pe.SizeVT())
	_, err := pe.MarshalToSizedBufferVT(b)
	return b, err
}

// permitted and denied are what a permit or an answer says, in memory that the next one takes.
func (m *scratch) permitted(p *PermitEntry, key string) *event.PermitDecision {
	m.decision.Reset()
	p.tell(&m.decision, key)
	return &m.decision
}

func (m *scratch) refused(a *Answer, key string) *event.PermitDecision {
	m.decision.Reset()
	for len(m.denied) < len(a.Denials) {
		m.denied = append(m.denied, &event.Denial{})
	}
	for _, d := range m.denied[:len(a.Denials)] {
		d.Reset()
	}
	a.tell(&m.decision, key, m.denied[:len(a.Denials)])
	return &m.decision
}

// decided wraps a decision.
func (m *scratch) decided(d *event.PermitDecision) *event.PermitEvent {
	m.answer.Reset()
	m.told.Decision = d
	m.answer.Body = &m.told
	return &m.answer
}
