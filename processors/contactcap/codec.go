package contactcap

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/ringfence/ringfence/event"
)

// A customer's history is kept in a form of its own, since it is read before every dial and written after it. Times
// are differences, a text that comes again is a number, and calls that are alike but for their time share their shape:
// ten calls of a customer take less than 200 bytes. The first byte says which form it is.
const (
	formHistory = 1
	formWhole   = 2 // calls as they came, protobuf
)

// Sections of a history; absent ones take no room.
const (
	hasCalls = 1 << iota
	hasPermits
	hasAnswers
	hasChanges
	hasSeen
	hasForgotten
	hasRare
)

// Codec of a state.
type Codec struct{}

// Append encodes.
func (Codec) Append(dst []byte, s *State) ([]byte, error) {
	if s.Whole != nil {
		m := event.WholeCalls{Calls: s.Whole}
		dst = append(dst, formWhole)
		n := m.SizeVT()
		start := len(dst)
		dst = slices.Grow(dst, n)[:start+n]
		_, err := m.MarshalToSizedBufferVT(dst[start:])
		return dst, err
	}
	w := writers.Get().(*writer)
	w.b = append(dst, formHistory)
	err := w.history(s)
	b := w.b
	clear(w.texts)
	clear(w.shapes)
	*w = writer{texts: w.texts[:0], shapes: w.shapes[:0]}
	writers.Put(w)
	if err != nil {
		return dst, err
	}
	return b, nil
}

// writers and readers are used again, for the room their lists have.
var (
	writers = sync.Pool{New: func() any { return &writer{} }}
	readers = sync.Pool{New: func() any { return &reader{} }}
)

// Decode decodes; it keeps nothing of src.
func (Codec) Decode(src []byte) (*State, error) {
	s := &State{}
	if len(src) > 0 && src[0] == formHistory {
		src = slices.Clone(src)
	}
	if err := s.read(src); err != nil {
		return nil, err
	}
	return s, nil
}

// Borrow decodes into the memory of a state that is over, and leaves texts where they are in src.
func (Codec) Borrow(s *State, src []byte) error {
	*s = State{Calls: s.Calls[:0], Permits: s.Permits[:0], Answers: s.Answers[:0], Seen: s.Seen[:0],
		origin: origin{texts: s.origin.texts[:0], lists: s.origin.lists[:0], denials: s.origin.denials[:0]}}
	return s.read(src)
}

// read reads into an empty state. Its texts are those of src.
func (s *State) read(src []byte) error {
	switch {
	case len(src) == 0:
		return nil
	case src[0] == formWhole:
		m := event.WholeCalls{}
		if err := m.UnmarshalVT(src[1:]); err != nil {
			return fmt.Errorf("whole calls: %w", err)
		}
		if m.Calls == nil {
			m.Calls = []*event.CallState{}
		}
		s.Whole = m.Calls
		return nil
	case src[0] == formHistory:
		r := readers.Get().(*reader)
		r.s, r.texts, r.lists, r.denials = borrow(src[1:]), s.origin.texts, s.origin.lists, s.origin.denials
		r.history(s)
		if r.err == nil && len(r.s) > 0 {
			r.fail("bytes too many")
		}
		err := r.err
		s.origin.texts, s.origin.lists, s.origin.denials = r.texts, r.lists, r.denials
		*r = reader{shapes: r.shapes[:0]}
		readers.Put(r)
		return err
	}
	return fmt.Errorf("a history of form %d: written by a newer version?", src[0])
}

// words are texts that need no writing out. New ones go to the end.
var words = []string{"", "outbound", "inbound", "sales", "retention", "care", "survey", "new_customer_followup", "complaint_followup", "new_business_followup", "arrears",
	"notification", "data_check", "confirmation", "answered", "no_answer", "busy", "rejected", "forwarded", "unavailable", "invalid_number", "failed", "cancelled", "abandoned",
	"human", "machine", "fax", "unknown", "public", "vip", "corporate", "active", "blacklist", "do_not_disturb", "special", "public_phone", "special_package", "complaint",
	"optout", "other", "Asia/Shanghai"}

// fixedWords leaves room for more words under the same numbers.
const fixedWords = 64

const longestWord = 24

// wordsOfLength are the numbers of the words of each length: faster than a map for so few.
var wordsOfLength = func() (t [longestWord][]uint8) {
	for i, w := range words {
		t[len(w)] = append(t[len(w)], uint8(i))
	}
	return t
}()

type writer struct {
	b      []byte
	texts  []string
	shapes []*CallEntry
	was    about
}

// about is what permits and answers say of the call that was asked for. One that is like the last takes a byte.
type about struct {
	purpose, campaign, number, policy, partner, dialer, zone string
	products                                                 []string
}

func (w *writer) about(a about) {
	b := &w.was
	if a.purpose == b.purpose && a.campaign == b.campaign && a.number == b.number && a.policy == b.policy && a.partner == b.partner && a.dialer == b.dialer && a.zone == b.zone &&
		slices.Equal(a.products, b.products) {
		w.b = append(w.b, 1)
		return
	}
	w.b = append(w.b, 0)
	for _, s := range [...]string{a.purpose, a.campaign, a.number, a.policy, a.partner, a.dialer, a.zone} {
		w.text(s)
	}
	w.list(a.products)
	w.was = a
}

func (w *writer) uint(v uint64)  { w.b = binary.AppendUvarint(w.b, v) }
func (w *writer) int(v int64)    { w.b = binary.AppendVarint(w.b, v) }
func (w *writer) count(n int)    { w.b = binary.AppendUvarint(w.b, uint64(n)) }
func (w *writer) fixed(v uint64) { w.b = binary.LittleEndian.AppendUint64(w.b, v) }

// flags packs booleans, the first into the lowest bit.
func (w *writer) flags(bits ...bool) {
	var v uint64
	for i, b := range bits {
		if b {
			v |= 1 << i
		}
	}
	w.uint(v)
}

// text writes a word's number, the number of a text that came before, or the text itself.
func (w *writer) text(s string) {
	if len(s) < longestWord {
		for _, n := range wordsOfLength[len(s)] {
			if words[n] == s {
				w.b = append(w.b, n)
				return
			}
		}
	}
	for i, t := range w.texts {
		if t == s {
			w.uint(uint64(fixedWords + i))
			return
		}
	}
	w.uint(uint64(fixedWords + len(w.texts)))
	w.texts = append(w.texts, s)
	if head, ok := hexTail(s); ok {
		w.uint(uint64(len(s)-head)/2<<1 | 1)
		w.count(head)
		w.b = append(w.b, s[:head]...)
		for i := head; i < len(s); i += 2 {
			w.b = append(w.b, unhex(s[i])<<4|unhex(s[i+1]))
		}
		return
	}
	w.uint(uint64(len(s)) << 1)
	w.b = append(w.b, s...)
}

// hexTail finds where a text that ends in a hash has it: 8 digits or more after the last colon.
func hexTail(s string) (head int, ok bool) {
	head = len(s)
	for head > 0 && unhex(s[head-1]) < 16 {
		head--
	}
	n := len(s) - head
	return head, n >= 8 && n%2 == 0 && (head == 0 || s[head-1] == ':')
}

func unhex(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	}
	return 255
}

func (w *writer) list(l []string) {
	w.count(len(l))
	for _, s := range l {
		w.text(s)
	}
}

func (w *writer) maybe(s *string) {
	if s != nil {
		w.text(*s)
	}
}

// origin is what a state was read from. A permit request adds a permit or an answer to a state and changes nothing else: then what
// stands before is copied as it was written, instead of being written anew.
type origin struct {
	bytes                   string // what follows the form; "" = there is nothing to copy
	calls, permits, answers place
	texts                   []string // numbered while reading

	lists   []string // memory of the state's lists
	denials []AnsweredDenial
}

// place is where the entries of a section stand, and what was known behind them.
type place struct {
	from, to, n int
	texts       int
	was         about
}

// anew has the state written as a whole: more may have changed than that a permit or an answer was added.
func (s *State) anew() { s.origin.bytes = "" }

func (w *writer) history(s *State) error {
	var rare []byte
	if !s.Rare.empty() {
		m := s.Rare.message()
		var err error
		if rare, err = m.MarshalVT(); err != nil {
			return err
		}
	}
	has := uint64(0)
	for i, there := range [...]bool{len(s.Calls) > 0, len(s.Permits) > 0, len(s.Answers) > 0, len(s.Changes) > 0, len(s.Seen) > 0, s.Since != 0 || s.Retry != 0, rare != nil} {
		if there {
			has |= 1 << i
		}
	}
	w.uint(has)
	o := &s.origin
	var old struct{ permits, answers int } // so many are copied
	if o.bytes != "" {
		old.permits = o.permits.n
		if len(s.Permits) == old.permits {
			old.answers = o.answers.n
		}
	}
	switch {
	case o.bytes != "":
		w.copy(o, &o.calls)
	case has&hasCalls != 0:
		w.calls(s.Calls)
	}
	if has&hasPermits != 0 {
		w.count(len(s.Permits))
	}
	if o.bytes != "" {
		w.copy(o, &o.permits)
	}
	w.permits(s.Permits, old.permits)
	if has&hasAnswers != 0 {
		w.count(len(s.Answers))
	}
	if old.answers > 0 {
		w.copy(o, &o.answers)
	}
	w.answers(s.Answers, old.answers)
	o.bytes = "" // the next change is another one
	if has&hasChanges != 0 {
		w.changes(s.Changes)
	}
	if has&hasSeen != 0 {
		w.count(len(s.Seen))
		for _, h := range s.Seen {
			w.fixed(h)
		}
	}
	if has&hasForgotten != 0 {
		w.int(s.Since)
		w.count(s.Forgotten)
		w.int(s.Retry)
	}
	if has&hasRare != 0 {
		w.count(len(rare))
		w.b = append(w.b, rare...)
	}
	return nil
}

func sameShape(a, b *CallEntry) bool {
	return a.Inbound == b.Inbound && a.Answered == b.Answered && a.Bridged == b.Bridged && a.OptOut == b.OptOut && a.ByNumber == b.ByNumber && a.Outcome == b.Outcome &&
		a.AnsweredBy == b.AnsweredBy && a.Purpose == b.Purpose && a.Campaign == b.Campaign && a.NumberHash == b.NumberHash && slices.Equal(a.Products, b.Products) &&
		slices.Equal(a.Refused, b.Refused)
}

func (w *writer) calls(calls []CallEntry) {
	w.count(len(calls))
	was := int64(0)
	for i := range calls {
		c := &calls[i]
		w.int(c.At - was)
		was = c.At
		shape := slices.IndexFunc(w.shapes, func(s *CallEntry) bool { return sameShape(s, c) })
		if shape < 0 {
			shape = len(w.shapes)
		}
		head := uint64(shape) << 1
		if len(c.Events) > 0 {
			head |= 1
		}
		w.uint(head)
		if shape == len(w.shapes) {
			w.shapes = append(w.shapes, c)
			w.flags(c.Inbound, c.Answered, c.Bridged, c.OptOut, c.ByNumber, len(c.Refused) > 0)
			w.text(c.AnsweredBy)
			w.text(c.Outcome)
			w.text(c.Purpose)
			w.text(c.Campaign)
			w.text(c.NumberHash)
			w.list(c.Products)
			if len(c.Refused) > 0 {
				w.list(c.Refused)
			}
		}
		w.b = binary.LittleEndian.AppendUint16(w.b, c.Tag)
		if len(c.Events) > 0 {
			w.count(len(c.Events))
		}
		for _, e := range c.Events {
			w.b = binary.LittleEndian.AppendUint16(w.b, e)
		}
	}
}

// copy copies a section as it was read; the next one is written as if it had been written here.
func (w *writer) copy(o *origin, p *place) {
	w.b = append(w.b, o.bytes[p.from:p.to]...)
	w.texts, w.was = append(w.texts[:0], o.texts[:p.texts]...), p.was
}

// permits writes those from a number on.
func (w *writer) permits(permits []PermitEntry, from int) {
	was := int64(0)
	if from > 0 {
		was = permits[from-1].At
	}
	for i := from; i < len(permits); i++ {
		p := &permits[i]
		w.int(p.At - was)
		was = p.At
		w.flags(p.Over == permitUsed, p.Over == permitReleased, p.Orphaned, p.ByNumber, p.Owner != "", p.CallHash != 0)
		w.int(p.ExpiresAt - p.At)
		w.int(p.DecidedAt - p.At)
		w.fixed(p.Sum)
		w.text(p.RequestID)
		w.about(about{p.Purpose, p.Campaign, p.NumberHash, p.Policy, p.Partner, p.Dialer, p.Zone, p.Products})
		if p.Owner != "" {
			w.text(p.Owner)
		}
		if p.CallHash != 0 {
			w.fixed(p.CallHash)
		}
	}
}

// answers writes those from a number on.
func (w *writer) answers(answers []Answer, from int) {
	was := int64(0)
	if from > 0 {
		was = answers[from-1].At
	}
	for i := from; i < len(answers); i++ {
		a := &answers[i]
		w.int(a.At - was)
		was = a.At
		w.int(a.DecidedAt - a.At)
		w.text(a.RequestID)
		w.about(about{a.Purpose, a.Campaign, a.NumberHash, a.Policy, a.Partner, a.Dialer, a.Zone, a.Products})
		w.int(a.Next)
		w.count(len(a.Denials))
		for j := range a.Denials {
			d := &a.Denials[j]
			w.text(d.Rule)
			w.flags(d.Counted, d.Next == a.Next)
			if d.Counted {
				w.int(d.Used)
				w.int(d.Limit)
			}
			if d.Next != a.Next {
				w.int(d.Next)
			}
			w.text(d.Detail)
		}
	}
}

func (w *writer) changes(changes []Change) {
	w.count(len(changes))
	was := int64(0)
	for i := range changes {
		c := &changes[i]
		w.int(c.At - was)
		was = c.At
		w.text(c.EventID)
		w.flags(c.Segment != nil, c.Plan != nil, c.TimeZone != nil, c.Region != nil, c.Tariff != nil, c.GroupsSet, len(c.Lists) > 0, len(c.Products) > 0, len(c.ClearRefusals) > 0)
		w.maybe(c.Segment)
		w.maybe(c.Plan)
		w.maybe(c.TimeZone)
		w.maybe(c.Region)
		w.maybe(c.Tariff)
		if c.GroupsSet {
			w.list(c.Groups)
		}
		if len(c.Lists) > 0 {
			w.count(len(c.Lists))
			for _, name := range slices.Sorted(maps.Keys(c.Lists)) {
				w.text(name)
				w.flags(c.Lists[name])
			}
		}
		if len(c.Products) > 0 {
			w.count(len(c.Products))
			for _, name := range slices.Sorted(maps.Keys(c.Products)) {
				w.text(name)
				w.text(c.Products[name])
			}
		}
		if len(c.ClearRefusals) > 0 {
			w.list(c.ClearRefusals)
			w.text(c.By)
			w.text(c.Note)
		}
	}
}

var errHistory = errors.New("a history that is cut or broken")
