package contactcap

import (
	"fmt"

	"github.com/ringfence/ringfence/event"
)

// reader reads what writer has written. After an error everything reads as nothing.
type reader struct {
	s      string
	texts  []string
	shapes []int // which call has it first
	was    about
	err    error

	// Memory of what a state points to. Nothing in it is given out twice before the next state is read.
	lists   []string
	denials []AnsweredDenial
}

func (r *reader) fail(what string) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: %s", errHistory, what)
	}
	r.s = ""
}

func (r *reader) take(n uint64) string {
	if n > uint64(len(r.s)) {
		r.fail("it ends too early")
		return ""
	}
	out := r.s[:n]
	r.s = r.s[n:]
	return out
}

func (r *reader) uint() uint64 {
	var v uint64
	for i := 0; i < len(r.s) && i < 10; i++ {
		c := r.s[i]
		v |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			r.s = r.s[i+1:]
			return v
		}
	}
	r.fail("a number without an end")
	return 0
}

func (r *reader) int() int64 {
	v := r.uint()
	return int64(v>>1) ^ -int64(v&1)
}

// count reads how many of something follow, of which each takes a byte at least.
func (r *reader) count() int {
	n := r.uint()
	if n > uint64(len(r.s)) {
		r.fail("more of something than there is room for")
		return 0
	}
	return int(n)
}

func (r *reader) fixed() uint64 {
	s := r.take(8)
	if len(s) < 8 {
		return 0
	}
	var v uint64
	for i := range 8 {
		v |= uint64(s[i]) << (8 * i)
	}
	return v
}

func (r *reader) short() uint16 {
	s := r.take(2)
	if len(s) < 2 {
		return 0
	}
	return uint16(s[0]) | uint16(s[1])<<8
}

const hexDigits = "0123456789abcdef"

func (r *reader) text() string {
	n := r.uint()
	switch {
	case n < uint64(len(words)):
		return words[n]
	case n < fixedWords:
		r.fail("a word that is not known here")
		return ""
	case n-fixedWords < uint64(len(r.texts)):
		return r.texts[n-fixedWords]
	case n-fixedWords > uint64(len(r.texts)):
		r.fail("a text that did not come before")
		return ""
	}
	size := r.uint()
	var s string
	if size&1 == 0 {
		s = r.take(size >> 1)
	} else {
		head := r.take(uint64(r.count()))
		tail := r.take(size >> 1)
		b := make([]byte, 0, len(head)+2*len(tail))
		b = append(b, head...)
		for i := range len(tail) {
			b = append(b, hexDigits[tail[i]>>4], hexDigits[tail[i]&15])
		}
		s = string(b)
	}
	r.texts = append(r.texts, s)
	return s
}

func (r *reader) list() []string {
	n := r.count()
	if n == 0 {
		return nil
	}
	if cap(r.lists)-len(r.lists) < n { // what was read stays where it is
		r.lists = make([]string, 0, max(n, 2, 2*cap(r.lists)))
	}
	from := len(r.lists)
	for range n {
		r.lists = append(r.lists, r.text())
	}
	return r.lists[from:len(r.lists):len(r.lists)]
}

func (r *reader) maybe(there bool) *string {
	if !there {
		return nil
	}
	s := r.text()
	return &s
}

// history reads into an empty state, whose lists may have room already.
func (r *reader) history(s *State) {
	all := r.s
	at := func() int { return len(all) - len(r.s) }
	has := r.uint()
	if has >= hasRare<<1 {
		r.fail("a section that is not known here")
		return
	}
	o := &s.origin
	o.calls.from = at()
	if has&hasCalls != 0 {
		s.Calls = r.calls(s.Calls)
	}
	o.calls.to, o.calls.texts = at(), len(r.texts)
	o.permits.from = at()
	if has&hasPermits != 0 {
		n := r.count()
		o.permits.from = at()
		s.Permits = r.permits(s.Permits, n)
	}
	o.permits.to, o.permits.n, o.permits.texts, o.permits.was = at(), len(s.Permits), len(r.texts), r.was
	o.answers.from = at()
	if has&hasAnswers != 0 {
		n := r.count()
		o.answers.from = at()
		s.Answers = r.answers(s.Answers, n)
	}
	o.answers.to, o.answers.n, o.answers.texts, o.answers.was = at(), len(s.Answers), len(r.texts), r.was
	if has&hasChanges != 0 {
		s.Changes = r.changes()
	}
	if has&hasSeen != 0 {
		s.Seen = sized(s.Seen, r.count())
		for i := range s.Seen {
			s.Seen[i] = r.fixed()
		}
	}
	if has&hasForgotten != 0 {
		s.Since = r.int()
		s.Forgotten = int(r.uint() & (1<<31 - 1))
		s.Retry = r.int()
	}
	if has&hasRare != 0 {
		var m event.CustomerState
		if err := m.UnmarshalVT([]byte(r.take(uint64(r.count())))); err != nil {
			r.fail(err.Error())
		}
		s.Rare = rareOf(&m)
	}
	if r.err == nil {
		o.bytes, o.texts = all, r.texts
	}
}

// sized is a list of n in the memory of an empty one, if that has room, and one more: what is read is mostly added to.
func sized[T any](l []T, n int) []T {
	if cap(l) < n {
		l = make([]T, 0, n+1)
	}
	return l[:n]
}

func (r *reader) calls(out []CallEntry) []CallEntry {
	out = sized(out, r.count())
	was := int64(0)
	for i := range out {
		c := &out[i]
		at := was + r.int()
		was = at
		shape := r.uint()
		some := shape&1 != 0
		switch shape >>= 1; {
		case shape < uint64(len(r.shapes)):
			*c = out[r.shapes[shape]]
		case shape == uint64(len(r.shapes)):
			*c = CallEntry{}
			f := r.uint()
			c.Inbound, c.Answered, c.Bridged, c.OptOut, c.ByNumber = f&1 != 0, f&2 != 0, f&4 != 0, f&8 != 0, f&16 != 0
			c.AnsweredBy, c.Outcome, c.Purpose, c.Campaign, c.NumberHash = r.text(), r.text(), r.text(), r.text(), r.text()
			if c.Products = r.list(); f&32 != 0 {
				c.Refused = r.list()
			}
			r.shapes = append(r.shapes, i)
		default:
			r.fail("a shape that did not come before")
			return nil
		}
		c.At, c.Tag = at, r.short()
		if c.Events = nil; some {
			n := r.count()
			c.Events = make([]uint16, n)
			for j := range n {
				c.Events[j] = r.short()
			}
		}
		if r.err != nil {
			return nil
		}
	}
	return out
}

func (r *reader) permits(out []PermitEntry, n int) []PermitEntry {
	out = sized(out, n)
	was := int64(0)
	for i := range out {
		p := &out[i]
		*p = PermitEntry{}
		p.At = was + r.int()
		was = p.At
		f := r.uint()
		switch {
		case f&1 != 0:
			p.Over = permitUsed
		case f&2 != 0:
			p.Over = permitReleased
		}
		p.Orphaned, p.ByNumber = f&4 != 0, f&8 != 0
		p.ExpiresAt, p.DecidedAt = p.At+r.int(), p.At+r.int()
		p.Sum = r.fixed()
		p.RequestID = r.text()
		x := r.about()
		p.Purpose, p.Campaign, p.NumberHash, p.Policy, p.Partner, p.Dialer, p.Zone, p.Products = x.purpose, x.campaign, x.number, x.policy, x.partner, x.dialer, x.zone, x.products
		if f&16 != 0 {
			p.Owner = r.text()
		}
		if f&32 != 0 {
			p.CallHash = r.fixed()
		}
	}
	return out
}

func (r *reader) about() *about {
	if r.uint() == 0 {
		r.was = about{r.text(), r.text(), r.text(), r.text(), r.text(), r.text(), r.text(), r.list()}
	}
	return &r.was
}

func (r *reader) answers(out []Answer, n int) []Answer {
	out = sized(out, n)
	was := int64(0)
	for i := range out {
		a := &out[i]
		*a = Answer{}
		a.At = was + r.int()
		was = a.At
		a.DecidedAt = a.At + r.int()
		a.RequestID = r.text()
		x := r.about()
		a.Purpose, a.Campaign, a.NumberHash, a.Policy, a.Partner, a.Dialer, a.Zone, a.Products = x.purpose, x.campaign, x.number, x.policy, x.partner, x.dialer, x.zone, x.products
		a.Next = r.int()
		a.Denials = r.denialsRoom(r.count())
		for j := range a.Denials {
			d := &a.Denials[j]
			d.Rule = r.text()
			f := r.uint()
			if d.Counted = f&1 != 0; d.Counted {
				d.Used, d.Limit = r.int(), r.int()
			}
			if d.Next = a.Next; f&2 == 0 {
				d.Next = r.int()
			}
			d.Detail = r.text()
		}
	}
	return out
}

// denialsRoom is memory for n denials.
func (r *reader) denialsRoom(n int) []AnsweredDenial {
	if n == 0 {
		return nil
	}
	if cap(r.denials)-len(r.denials) < n { // what was read stays where it is
		r.denials = make([]AnsweredDenial, 0, max(n, 2*cap(r.denials)))
	}
	from := len(r.denials)
	r.denials = r.denials[:from+n]
	out := r.denials[from : from+n : from+n]
	clear(out)
	return out
}

func (r *reader) changes() []Change {
	out := make([]Change, r.count())
	was := int64(0)
	for i := range out {
		c := &out[i]
		c.At = was + r.int()
		was = c.At
		c.EventID = r.text()
		f := r.uint()
		has := func(bit int) bool { return f&(1<<bit) != 0 }
		c.Segment, c.Plan, c.TimeZone, c.Region, c.Tariff = r.maybe(has(0)), r.maybe(has(1)), r.maybe(has(2)), r.maybe(has(3)), r.maybe(has(4))
		if c.GroupsSet = has(5); c.GroupsSet {
			c.Groups = r.list()
		}
		if has(6) {
			n := r.count()
			c.Lists = make(map[string]bool, n)
			for range n {
				name := r.text()
				c.Lists[name] = r.uint() != 0
			}
		}
		if has(7) {
			n := r.count()
			c.Products = make(map[string]string, n)
			for range n {
				name := r.text()
				c.Products[name] = r.text()
			}
		}
		if has(8) {
			c.ClearRefusals, c.By, c.Note = r.list(), r.text(), r.text()
		}
	}
	return out
}
