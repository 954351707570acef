package stream

import (
	"cmp"
	"errors"
	"math"
	"slices"
	"time"
)

// timerRef is a timer as an index knows it. It counts only if the key's entry names the same time.
type timerRef struct {
	at     int64
	key    string
	stored bool // found in the store's index
}

func (t timerRef) compare(u timerRef) int {
	return cmp.Or(cmp.Compare(t.at, u.at), cmp.Compare(t.key, u.key))
}

// timerHeap orders the timers the store doesn't hold yet, earliest first.
type timerHeap []timerRef

func (h timerHeap) first() int64 {
	if len(h) == 0 {
		return math.MaxInt64
	}
	return h[0].at
}

func (h *timerHeap) push(t timerRef) {
	s := append(*h, t)
	for i := len(s) - 1; i > 0; {
		up := (i - 1) / 2
		if s[up].compare(s[i]) <= 0 {
			break
		}
		s[up], s[i] = s[i], s[up]
		i = up
	}
	*h = s
}

func (h *timerHeap) pop() timerRef {
	s := *h
	top, last := s[0], len(s)-1
	s[0], s[last] = s[last], timerRef{}
	s = s[:last]
	for i := 0; ; {
		low := 2*i + 1
		if low >= last {
			break
		}
		if low+1 < last && s[low+1].compare(s[low]) < 0 {
			low++
		}
		if s[i].compare(s[low]) <= 0 {
			break
		}
		s[i], s[low] = s[low], s[i]
		i = low
	}
	*h = s
	return top
}

// nextTimer is a time before which no timer is due.
func (p *partition[S]) nextTimer() int64 { return min(p.due, p.fresh.first(), p.flushing.first()) }

// hasDue says whether a timer may wait to be fired at now.
func (p *partition[S]) hasDue(now time.Time) bool {
	return p.nextTimer() <= max(p.nowMS, now.UnixMilli())
}

// fire calls Timer for all that is due at stream time, in order of time and key, up to the transaction's limit.
func (p *partition[S]) fire() error {
	for p.fired < p.r.cfg.MaxPoll && !p.cut {
		if min(p.dueNext, p.fresh.first(), p.flushing.first()) > p.nowMS {
			return nil
		}
		refs, err := p.takeDue()
		if err != nil {
			return err
		}
		for i, ref := range refs {
			if p.fired >= p.r.cfg.MaxPoll {
				p.putBack(refs[i:])
				return nil
			}
			if err := p.fireOne(ref); err != nil {
				return err
			}
		}
	}
	return nil
}

// takeDue takes the timers due now from the store's index and from those in memory.
func (p *partition[S]) takeDue() ([]timerRef, error) {
	var refs []timerRef
	for _, h := range []*timerHeap{&p.fresh, &p.flushing} {
		for h.first() <= p.nowMS {
			refs = append(refs, h.pop())
		}
	}
	p.popped = append(p.popped, refs...)
	if p.dueNext <= p.nowMS {
		found, err := p.scan()
		if err != nil {
			return nil, err
		}
		refs = append(refs, found...)
	}
	slices.SortFunc(refs, timerRef.compare)
	return refs, nil
}

// putBack keeps for the next transaction what this one has no room for.
func (p *partition[S]) putBack(refs []timerRef) {
	for _, t := range refs {
		if t.stored {
			p.dueNext = min(p.dueNext, t.at)
		} else {
			p.fresh.push(t)
		}
	}
}

// scan reads the index up to now, at most as much as a transaction may fire.
func (p *partition[S]) scan() (refs []timerRef, err error) {
	it, err := p.r.store.timers(p.id, p.dueNext)
	if err != nil {
		return nil, err
	}
	p.dueNext = math.MaxInt64
	for ok := it.First(); ok; ok = it.Next() {
		at, key := parseTimerKey(it.Key())
		if at > p.nowMS {
			p.dueNext = at
			break
		}
		if len(refs) == p.r.cfg.MaxPoll { // the rest waits for the next transaction
			p.dueNext, p.cut = at, true
			break
		}
		refs = append(refs, timerRef{at, string(key), true})
	}
	if err := it.Close(); err != nil {
		return nil, &storeError{err}
	}
	return refs, nil
}

func (p *partition[S]) fireOne(ref timerRef) error {
	if len(p.r.failures) > 0 {
		p.settled = append(p.settled, failureKey{p.id, "", ref.at, ref.key})
	}
	failed := p.r.attempts(p.id, "", 0, ref)
	var skip bool
	take := func() error {
		e, err := p.find(ref.key)
		if err != nil {
			return err
		}
		if skip = e.timer != ref.at; skip {
			if ref.stored && e.storedTimer != ref.at {
				p.stale = append(p.stale, ref)
			}
			return nil
		}
		e.timer, e.dirty = noTimer, true
		return nil
	}
	err := p.call(func() error {
		if err := take(); err != nil || skip {
			return err
		}
		p.fired++
		if p.r.def.Timer == nil || failed != nil {
			return nil
		}
		return p.r.def.Timer(p.ctx, ref.key, time.UnixMilli(ref.at).UTC())
	})
	if err == nil {
		if failed != nil && !skip {
			return p.deadTimer(ref, "poisoned timer: "+failed.err.Error(), "")
		}
		return nil
	}
	var rej *Reject
	if errors.As(err, &rej) && p.fatal == nil {
		if err := p.call(take); err != nil {
			return err
		}
		return p.deadTimer(ref, rej.Reason, rej.Pointer)
	}
	err = p.failed("", ref.at, err)
	if f := (*failure)(nil); errors.As(err, &f) {
		f.key = ref.key
	}
	return err
}
