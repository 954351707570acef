package stream

import (
	"cmp"
	"errors"
	"math"
	"runtime/debug"
	"slices"
	"time"
)

// fire calls Timer for all that is due at stream time, in order of time and key, up to the transaction's limit.
func (p *partition[S]) fire() error {
	for p.fired < p.r.cfg.MaxPoll && !p.cut {
		if p.setMin > p.nowMS && p.dueNext > p.nowMS {
			return nil
		}
		refs, err := p.takeDue()
		if err != nil {
			p.fatal = err
			return err
		}
		if len(refs) == 0 {
			return nil
		}
		for i, ref := range refs {
			if p.fired >= p.r.cfg.MaxPoll {
				p.dueNext = min(p.dueNext, refs[i].at)
				return nil
			}
			if err := p.fireOne(ref); err != nil {
				return err
			}
		}
	}
	return nil
}

// takeDue takes the timers due now from the index and from those set in this transaction.
func (p *partition[S]) takeDue() ([]timerRef, error) {
	var refs []timerRef
	if p.setMin <= p.nowMS {
		rest, low := p.set[:0], int64(math.MaxInt64)
		for _, t := range p.set {
			if t.at <= p.nowMS {
				refs = append(refs, t)
			} else {
				rest, low = append(rest, t), min(low, t.at)
			}
		}
		p.set, p.setMin = rest, low
	}
	if p.dueNext <= p.nowMS {
		found, next, err := p.scan(p.dueNext)
		if err != nil {
			return nil, err
		}
		p.dueNext = next
		refs = append(refs, found...)
	}
	slices.SortFunc(refs, func(a, b timerRef) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.key, b.key)) })
	return refs, nil
}

// scan reads the index from a time to now, at most as much as a transaction may fire.
func (p *partition[S]) scan(from int64) (refs []timerRef, next int64, err error) {
	it, err := p.r.store.timers(p.id, from)
	if err != nil {
		return nil, 0, err
	}
	next = math.MaxInt64
	for ok := it.First(); ok; ok = it.Next() {
		at, key := parseTimerKey(it.Key())
		if at > p.nowMS {
			next = at
			break
		}
		if len(refs) == p.r.cfg.MaxPoll { // the rest waits for the next transaction, which no longer sees these
			next, p.cut = at, true
			break
		}
		refs = append(refs, timerRef{at, string(key)})
	}
	if err := it.Close(); err != nil {
		return nil, 0, &storeError{err}
	}
	return refs, next, nil
}

func (p *partition[S]) fireOne(ref timerRef) error {
	var skip bool
	at := time.UnixMilli(ref.at).UTC()
	clearIt := func() error {
		e, err := p.find(ref.key)
		if err != nil {
			return err
		}
		if e.timer != ref.at {
			skip = true
			if e.baseTimer != ref.at {
				p.stale = append(p.stale, ref)
			}
			return nil
		}
		e.timer, e.dirty = noTimer, true
		return nil
	}
	if len(p.r.failures) > 0 {
		p.settled = append(p.settled, failureKey{p.id, "", ref.at, ref.key})
	}
	failed := p.r.attempts(p.id, "", 0, ref)
	err := p.call(func() error {
		if err := clearIt(); err != nil || skip || p.r.def.Timer == nil || failed != nil {
			return err
		}
		p.fired++
		return p.r.def.Timer(p.ctx, ref.key, at)
	})
	if err == nil {
		if failed != nil && !skip {
			return p.deadTimer(ref, "poisoned timer: "+failed.err.Error(), "")
		}
		return nil
	}
	var rej *Reject
	if errors.As(err, &rej) && p.fatal == nil {
		if err := p.call(clearIt); err != nil {
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

// hasDue says whether a timer waits to be fired at now.
func (p *partition[S]) hasDue(now time.Time) bool {
	return p.due <= max(p.nowMS, now.UnixMilli())
}

func stack() []byte { return debug.Stack() }
