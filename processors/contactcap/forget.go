package contactcap

import (
	"reflect"
	"slices"
	"time"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/processors/contactcap/policy"
)

// callsKept is how long a call is remembered beyond the longest window of the policy, and after its last event: updates
// still come, complaints are still attributed to it.
const callsKept = 35 * 24 * time.Hour

// Doubt is a rule of a new policy that asks for calls which may be forgotten already.
type Doubt struct {
	Rule   string
	Before time.Time // calls before may be forgotten
	From   time.Time // from here on the rule counts all it has to, for every customer; zero = never for all
}

// Doubts are the rules of the policy `is` that look back further than calls were kept under the policy `was`, which it
// replaces at a moment. For one customer it may be less: `caps explain` says it of each.
func Doubts(was, is *policy.Policy, at time.Time) (out []Doubt) {
	before := time.UnixMilli(at.UnixMilli() - was.Reach() - callsKept.Milliseconds())
	for _, r := range is.Rules {
		switch {
		case r.Event.Event != policy.Call:
		case r.Kind == policy.NeverAfter:
			kept := slices.ContainsFunc(was.Rules, func(o *policy.Rule) bool { return o.Kind == r.Kind && reflect.DeepEqual(o.Event, r.Event) })
			if !kept {
				out = append(out, Doubt{Rule: r.ID, Before: before})
			}
		case r.Reach() > was.Reach()+callsKept.Milliseconds():
			out = append(out, Doubt{Rule: r.ID, Before: before, From: time.UnixMilli(before.UnixMilli() + r.Reach())})
		}
	}
	return out
}

// forget drops what is no longer needed: old answers, old permits that are over, and calls that no rule can count any more.
func (t *turn) forget() error {
	now := t.old().UnixMilli()
	t.s.Answers = without(t.s.Answers, func(a *Answer) bool { return now-a.DecidedAt >= answersKept.Milliseconds() })
	t.s.Permits = without(t.s.Permits, func(p *PermitEntry) bool { return p.Over != permitOut && now-p.DecidedAt >= permitsKept.Milliseconds() })
	if at, ok := t.nextForgetting(); !ok || now < at {
		return nil
	}
	return t.forgetCalls(now)
}

// without drops what is over from a list; mostly nothing is.
func without[T any](list []T, over func(*T) bool) []T {
	n := 0
	for n < len(list) && !over(&list[n]) {
		n++
	}
	rest := list[:n]
	for i := n; i < len(list); i++ {
		if !over(&list[i]) {
			rest = append(rest, list[i])
		}
	}
	clear(list[len(rest):])
	return rest
}

// old is the time from which the age of things is counted: neither stream time nor this machine's clock alone may make a
// call old.
func (t *turn) old() time.Time {
	now := t.c.Now()
	if t.Clock != nil {
		if c := t.Clock(); c.Before(now) {
			return c
		}
	}
	return now
}

// needed is how long calls are kept under the policy in force, in milliseconds; false = none is ever forgotten.
func (t *turn) needed() (int64, bool) {
	if !t.Forget {
		return 0, false
	}
	return t.Policy().Reach() + callsKept.Milliseconds(), true
}

// forgettable tells whether time will come when no rule of the policy can count the call. What holds for ever (refusals, who
// wants no calls) is kept for ever.
func forgettable(p *policy.Policy, c *CallEntry) bool {
	if c.OptOut || len(c.Refused) > 0 {
		return false
	}
	for _, r := range p.Rules {
		if r.Kind == policy.NeverAfter && r.Event.Event == policy.Call && matches(&r.Event, c) {
			return false
		}
	}
	return true
}

// nextForgetting is when a call may be forgotten, false if none ever.
func (t *turn) nextForgetting() (int64, bool) {
	keep, ok := t.needed()
	if !ok {
		return 0, false
	}
	p := t.Policy()
	for i := range t.s.Calls {
		if forgettable(p, &t.s.Calls[i]) {
			return max(t.s.Calls[i].At+keep+1, t.s.Retry), true
		}
	}
	return 0, false
}

// forgetCalls drops the calls that are old enough, and those alone whose last event came long ago: of a call that was
// imported late, updates may still come.
func (t *turn) forgetCalls(now int64) error {
	keep, _ := t.needed()
	p := t.Policy()
	t.s.Retry = 0
	rest := t.s.Calls[:0]
	gone := 0
	for i := range t.s.Calls {
		c := t.s.Calls[i]
		if !forgettable(p, &c) || c.At+keep >= now {
			rest = append(rest, c)
			continue
		}
		list, err := t.wholes(c.Tag)
		if err != nil {
			return err
		}
		at := len(list)
		var left []*event.CallState
		for j, cs := range list {
			if e := entryOf(cs); at == len(list) && e.At == c.At && sameShape(&e, &c) {
				at = j
				continue
			}
			left = append(left, cs)
		}
		if at < len(list) {
			if due := list[at].TouchedAt + callsKept.Milliseconds(); due > now {
				if t.s.Retry == 0 || due < t.s.Retry {
					t.s.Retry = due
				}
				rest = append(rest, c)
				continue
			}
			if err := t.putWholes(c.Tag, left); err != nil {
				return err
			}
		}
		gone++
		if !c.Inbound {
			t.s.Forgotten++
		}
		t.s.Since = max(t.s.Since, c.At+1)
	}
	t.s.Calls = rest
	t.Metrics.forgot(gone, t.s.Since)
	return nil
}
