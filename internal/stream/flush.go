package stream

import (
	"errors"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// Committed states go to the store behind the transactions: the changelog has them, so a crash costs no more than
// their replay. A flush is one batch of states, timers and the changelog offset up to which they are true; it is
// prepared between two transactions and written while the next ones run. Until it is written the states stay in
// memory, in the cache or, evicted, in spill.

const (
	stored    = iota // the store has it
	pending          // committed and not stored
	inFlush          // on its way into the store
	flushTime = time.Second
	flushKeys = 100_000 // over all partitions: what memory holds beyond the cache, at most twice
)

// flushItem is one key of a flush, apart from the entry, which goes on living.
type flushItem struct {
	key      string
	val      []byte // nil deletes
	old, new int64  // timer
}

// mustFlush says whether so much is pending that the store has to take it before anything else.
func (p *partition[S]) mustFlush(share int) bool { return len(p.pend) >= share }

// flush prepares what is pending and writes it in the background; the caller has made sure that none is running.
func (p *partition[S]) flush() {
	p.flushed = time.Now()
	n := 0
	for _, e := range p.pend {
		n += head + len(e.slot)
	}
	mem := make([]byte, 0, n)
	items := make([]flushItem, len(p.pend))
	for i, e := range p.pend {
		it := flushItem{key: e.key, old: e.storedTimer, new: e.timer}
		if e.slot != nil || e.timer != noTimer {
			from := len(mem)
			mem = e.appendValue(mem)
			it.val = mem[from:len(mem):len(mem)]
		}
		items[i] = it
		e.storedTimer, e.where = e.timer, inFlush
	}
	p.inFlush, p.pend = p.pend, p.inFlush[:0]
	p.flushing, p.fresh = p.fresh, p.flushing[:0]
	stale := p.stale
	p.stale = nil
	m := p.meta
	m.at, m.now = p.r.cfg.Clock().UnixMilli(), p.nowMS
	done := make(chan error, 1)
	p.flushDone = done
	go func() { done <- p.r.store.flush(p.id, m, items, stale) }()
}

// flushEnd takes note of a flush that has ended; with wait it waits for the end.
func (p *partition[S]) flushEnd(wait bool) error {
	if p.flushDone == nil {
		return nil
	}
	var err error
	if wait {
		err = <-p.flushDone
	} else {
		select {
		case err = <-p.flushDone:
		default:
			return nil
		}
	}
	p.flushDone = nil
	if err != nil {
		return err
	}
	for _, e := range p.inFlush {
		if e.where == inFlush {
			e.where = stored
			if len(p.spill) > 0 {
				delete(p.spill, e.key)
			}
		}
	}
	clear(p.inFlush)
	p.inFlush = p.inFlush[:0]
	p.due = min(p.due, p.flushing.first())
	clear(p.flushing)
	p.flushing = p.flushing[:0]
	return nil
}

// flushMaybe starts a flush if it is time for one. It is called between transactions. Full says that so much is pending
// that no more may come before the flush under way has ended.
func (p *partition[S]) flushMaybe(share int) (full bool, err error) {
	must := p.mustFlush(share)
	if err := p.flushEnd(false); err != nil {
		return false, err
	}
	if must && p.flushDone != nil {
		return true, nil
	}
	if p.flushDone == nil && (len(p.pend) > 0 || len(p.stale) > 0) && (must || time.Since(p.flushed) > flushTime) {
		p.flush()
	}
	return false, nil
}

// flushAll stores everything and waits for it.
func (p *partition[S]) flushAll() error {
	if err := p.flushEnd(true); err != nil {
		return err
	}
	if len(p.pend) > 0 || len(p.stale) > 0 {
		p.flush()
	}
	return p.flushEnd(true)
}

// flush writes one batch. Sorted keys go into Pebble's skip list several times faster.
func (s *store) flush(partition int32, m meta, items []flushItem, stale []timerRef) error {
	order := sortedByKey(nil, len(items), func(i int) string { return items[i].key })
	size := 128
	for i := range items {
		size += 2*(prefixLen+len(items[i].key)) + len(items[i].val) + 48
	}
	b := s.db.NewBatchWithSize(size)
	defer b.Close()
	var key []byte
	var errs []error
	for _, t := range stale {
		key = timerKey(key[:0], partition, t.at, t.key)
		errs = append(errs, b.Delete(key, nil))
	}
	for _, o := range order {
		it := &items[o.n]
		key = stateKey(key[:0], partition, it.key)
		var err error
		if it.val == nil {
			err = b.Delete(key, nil)
		} else {
			err = b.Set(key, it.val, nil)
		}
		if err != nil {
			return &storeError{err}
		}
		if it.old == it.new {
			continue
		}
		if it.old != noTimer {
			key = timerKey(key[:0], partition, it.old, it.key)
			errs = append(errs, b.Delete(key, nil))
		}
		if it.new != noTimer {
			key = timerKey(key[:0], partition, it.new, it.key)
			errs = append(errs, b.Set(key, nil, nil))
		}
	}
	errs = append(errs, setMeta(b, partition, m))
	if err := errors.Join(errs...); err != nil {
		return &storeError{err}
	}
	if err := b.Commit(pebble.NoSync); err != nil {
		return &storeError{err}
	}
	return nil
}
