package stream

import (
	"errors"
	"fmt"
	"math"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// partition is one partition a Runner owns: its states in memory, and what the transaction in hand has done to
// them. It is used by one goroutine at a time.
type partition[S any] struct {
	r   *Runner[S]
	id  int32
	ctx *Context[S]

	cache   cache[S]
	entries int                  // the cache's size
	spill   map[string]*entry[S] // evicted from cache and still needed: touched in this transaction, or not stored
	dec     decoded[S]

	borrower Borrower[S] // the codec, if it is one
	lent     []*S        // states given out in the record in hand, which are over with it
	free     []*S        // memory of such states

	txn     uint64
	rec     uint64
	touched []*entry[S]
	hint    *entry[S] // what ahead has found for the record in hand
	recent  *entry[S] // found last; it counts while the record in hand is the one that touched it
	undo    []undo[S]
	outputs []Output
	sent    int // outputs handed to the producer already
	mem     arena
	slabs   [][]kgo.Record
	slab    int
	slabN   int

	clock    time.Time // stream time
	stamp    time.Time // of the records the transaction produces
	nowMS    int64
	due      int64      // no timer in the store's index is due before
	dueNext  int64      // the same, of those this transaction hasn't seen
	fresh    timerHeap  // timers set since the last flush began
	flushing timerHeap  // timers in the flush that is under way
	popped   []timerRef // taken from the two by this transaction
	stale    []timerRef // leftovers found in the index, deleted with the next flush
	fired    int
	cut      bool // this transaction fires no more timers

	pend      []*entry[S] // committed and not stored
	inFlush   []*entry[S]
	flushDone chan error // nil: no flush is under way
	flushed   time.Time  // when the last one began

	aheadKeys   []string
	aheadPlaces []**entry[S] // where what is found for a key is noted
	aheadOrder  []sortedKey

	meta     meta
	key, val []byte
	fatal    error // of the store, met inside a call of the processor
	tooLarge error // of an output, likewise

	in      []run[S] // records of the poll, one run per input topic
	record  Record
	rejects int
	settled []failureKey // failures this transaction would end

	sendErr atomic.Pointer[error]
	next    atomic.Int64 // changelog offset after the last record acknowledged

	// Under Runner.mu.
	ready     bool
	remaining int64
	recovered int64
	lag       map[string]int64
	stop      func()        // ends its recovery
	done      chan struct{} // closed when the recovery has ended
	fenced    chan struct{} // closed when no other process has a transaction open here
	retryAt   time.Time     // paused after a failure until then
	polled    map[string]int64

	shownEntries int64
}

// maxRecord is what a key and its value may have together: Kafka's default limit, less some room.
const maxRecord = 1_000_000

// run is what a poll brought of one topic.
type run[S any] struct {
	topic string
	recs  []*kgo.Record
	found []*entry[S] // what ahead has found for the first of recs; nil = nothing
}

func newPartition[S any](r *Runner[S], id int32, entries int) *partition[S] {
	p := &partition[S]{
		r: r, id: id, entries: max(entries, 1), spill: map[string]*entry[S]{}, txn: 1, due: math.MinInt64, flushed: time.Now(),
		lag: map[string]int64{}, polled: map[string]int64{}, done: make(chan struct{}), fenced: make(chan struct{}),
	}
	p.ctx = NewContext[S](p)
	p.borrower, _ = r.def.Codec.(Borrower[S])
	p.cache = newCache(p.entries, func(e *entry[S]) {
		if e.txn == p.txn || e.where != stored {
			p.spill[e.key] = e
		}
	})
	return p
}

func (p *partition[S]) advance(t time.Time) {
	if t.After(p.clock) {
		p.clock, p.nowMS = t, t.UnixMilli()
	}
}

// find returns the entry of key, loaded and marked as touched by the record in hand.
func (p *partition[S]) find(key string) (*entry[S], error) {
	if e := p.recent; e != nil && e.rec == p.rec && e.key == key { // a record mostly asks for one key, several times
		return e, nil
	}
	e := p.hint
	if e == nil || !e.cached || e.key != key {
		if e = p.cache.get(key); e == nil && len(p.spill) > 0 {
			if e = p.spill[key]; e != nil {
				delete(p.spill, e.key)
				p.cache.add(e)
			}
		}
	}
	if e == nil {
		var err error
		if e, err = p.load(key); err != nil {
			p.fatal = err
			return nil, err
		}
		e.txn = p.txn
		p.touched = append(p.touched, e)
		p.cache.add(e)
	} else if e.txn != p.txn {
		e.txn, e.baseTimer, e.baseState, e.dirty = p.txn, e.timer, e.slot != nil, false
		p.touched = append(p.touched, e)
	}
	e.used = true
	if e.rec != p.rec {
		e.rec = p.rec
		p.undo = append(p.undo, undo[S]{e, e.slot, e.timer, e.dirty})
	}
	p.recent = e
	return e, nil
}

// absent is the entry of a key that the store doesn't have.
func (p *partition[S]) absent(key string) *entry[S] {
	return &entry[S]{key: strings.Clone(key), timer: noTimer, baseTimer: noTimer, storedTimer: noTimer}
}

// loaded is the entry of a key as the store has it.
func (p *partition[S]) loaded(key string, v []byte) (*entry[S], error) {
	state, timer, err := parseValue(v)
	if err != nil {
		return nil, &storeError{fmt.Errorf("key %q: %w", key, err)}
	}
	e := p.absent(key)
	if state != nil {
		e.buf = append(make([]byte, head, head+len(state)), state...)
		e.slot, e.baseState = e.buf, true
	}
	e.timer, e.baseTimer, e.storedTimer = timer, timer, timer
	return e, nil
}

func (p *partition[S]) load(key string) (*entry[S], error) {
	p.key = stateKey(p.key[:0], p.id, key)
	v, ok, err := p.r.store.get(p.val[:0], p.key)
	p.val = v[:0]
	if err != nil {
		return nil, err
	}
	if !ok {
		return p.absent(key), nil
	}
	return p.loaded(key, v)
}

func (p *partition[S]) Get(key string) (*S, bool, error) {
	e, err := p.find(key)
	if err != nil || e.slot == nil {
		return nil, false, err
	}
	if e.dec == nil {
		if e.dec, err = p.decode(e.slot[head:]); err != nil {
			return nil, false, fmt.Errorf("decode the state of %q: %w", key, err)
		}
	}
	e.lent = true
	return e.dec, true, nil
}

func (p *partition[S]) decode(src []byte) (*S, error) {
	if p.borrower == nil {
		return p.r.def.Codec.Decode(src)
	}
	s := p.lend()
	if err := p.borrower.Borrow(s, src); err != nil {
		return nil, err
	}
	return s, nil
}

// lend gives out memory for a state until the record in hand is done.
func (p *partition[S]) lend() *S {
	var s *S
	if n := len(p.free); n > 0 {
		s, p.free = p.free[n-1], p.free[:n-1]
	} else {
		s = new(S)
	}
	p.lent = append(p.lent, s)
	return s
}

func (p *partition[S]) New() *S {
	if p.borrower == nil {
		return new(S)
	}
	s := p.lend()
	if err := p.borrower.Borrow(s, nil); err != nil {
		return new(S)
	}
	return s
}

// takeBack ends the states that the record in hand was given. Of one that failed nobody knows who still looks at them.
func (p *partition[S]) takeBack(done bool) {
	for i := range p.undo {
		p.undo[i].e.dec = nil
	}
	const most = 8
	if done {
		p.free = append(p.free, p.lent[:min(len(p.lent), max(most-len(p.free), 0))]...)
	}
	clear(p.lent)
	p.lent = p.lent[:0]
}

func (p *partition[S]) Put(key string, s *S) error {
	e, err := p.find(key)
	if err != nil {
		return err
	}
	dst := p.mem.room(head + max(len(e.slot), 64))
	slot, err := p.r.def.Codec.Append(dst[:head], s)
	if err != nil {
		return fmt.Errorf("encode the state of %q: %w", key, err)
	}
	if len(key)+len(slot) > maxRecord {
		return fmt.Errorf("the state of %q has %d bytes, more than %d", key, len(slot), maxRecord)
	}
	p.mem.keep(slot)
	e.slot, e.dec, e.lent, e.dirty = slot[:len(slot):len(slot)], s, false, true
	return nil
}

func (p *partition[S]) Delete(key string) error {
	e, err := p.find(key)
	if err != nil {
		return err
	}
	e.slot, e.dec, e.lent, e.dirty = nil, nil, false, true
	return nil
}

func (p *partition[S]) SetTimer(key string, at time.Time) error {
	ms := CeilMilli(at)
	if ms == noTimer {
		ms++
	}
	return p.setTimer(key, ms)
}

func (p *partition[S]) ClearTimer(key string) error { return p.setTimer(key, noTimer) }

func (p *partition[S]) setTimer(key string, ms int64) error {
	e, err := p.find(key)
	if err != nil {
		return err
	}
	if e.timer == ms {
		return nil
	}
	e.timer, e.dirty = ms, true
	if ms != noTimer {
		p.fresh.push(timerRef{at: ms, key: e.key})
	}
	return nil
}

func (p *partition[S]) Emit(o Output) {
	if n := len(o.Key) + len(o.Value); n > maxRecord {
		p.tooLarge = fmt.Errorf("an output to %s has %d bytes, more than %d", o.Topic, n, maxRecord)
	}
	p.outputs = append(p.outputs, o)
}

func (p *partition[S]) Now() time.Time    { return p.clock }
func (p *partition[S]) Partition() int32  { return p.id }
func (p *partition[S]) Partitions() int32 { return p.r.partitions }

// call runs one call of the processor. Its effects stand if it returns nil and are taken back otherwise.
func (p *partition[S]) call(f func() error) (err error) {
	p.rec++
	p.undo = p.undo[:0]
	n := len(p.outputs)
	p.fatal, p.tooLarge = nil, nil
	defer func() {
		if v := recover(); v != nil {
			err = &panicError{v, debug.Stack()}
		}
		if err == nil {
			err = p.tooLarge
		}
		if p.fatal != nil {
			err = p.fatal
		}
		if p.borrower != nil {
			defer p.takeBack(err == nil)
		}
		if err == nil {
			for i := range p.undo {
				if e := p.undo[i].e; e.lent {
					e.dec, e.lent = nil, false
				}
			}
			return
		}
		for _, u := range p.undo {
			u.e.slot, u.e.timer, u.e.dirty = u.slot, u.timer, u.dirty
			u.e.dec, u.e.lent = nil, false
		}
		clear(p.outputs[n:])
		p.outputs = p.outputs[:n]
	}()
	return f()
}

// begin starts a transaction.
func (p *partition[S]) begin(now time.Time) {
	p.txn++
	p.dueNext, p.fired, p.cut, p.rejects = p.due, 0, false, 0
	p.settled = p.settled[:0]
	p.stamp = now
	p.sendErr.Store(nil)
	p.advance(now)
}

// work runs the poll's records and the timers that are due, and hands what comes out to the producer.
func (p *partition[S]) work() error {
	n := 0
	for {
		if p.r.def.OwnKey && n%aheadRecords == 0 {
			if err := p.ahead(); err != nil {
				return fmt.Errorf("partition %d: %w", p.id, err)
			}
		}
		kr, topic := p.pop()
		if kr == nil {
			break
		}
		p.record = Record{
			Topic: topic, Partition: p.id, Offset: kr.Offset, Key: kr.Key, Value: kr.Value, Headers: kr.Headers, Time: kr.Timestamp,
		}
		p.advance(kr.Timestamp)
		if err := p.fire(); err != nil {
			return err
		}
		if err := p.one(); err != nil {
			return err
		}
		if n++; n%256 == 0 {
			p.send()
		}
	}
	if err := p.fire(); err != nil {
		return err
	}
	p.send()
	p.sendStates()
	return nil
}

func (p *partition[S]) one() error {
	rec := &p.record
	if len(p.r.failures) > 0 {
		p.settled = append(p.settled, failureKey{p.id, rec.Topic, rec.Offset, ""})
	}
	if f := p.r.attempts(p.id, rec.Topic, rec.Offset, timerRef{}); f != nil {
		return p.deadLetter(rec, "poisoned record: "+f.err.Error(), "")
	}
	err := p.call(func() error { return p.r.def.Process(p.ctx, rec) })
	if err == nil {
		return nil
	}
	var rej *Reject
	if errors.As(err, &rej) && p.fatal == nil {
		return p.deadLetter(rec, rej.Reason, rej.Pointer)
	}
	return p.failed(rec.Topic, rec.Offset, err)
}

func (p *partition[S]) failed(topic string, offset int64, err error) error {
	var se *storeError
	if errors.As(err, &se) {
		return fmt.Errorf("partition %d: %w", p.id, err)
	}
	return &failure{partition: p.id, topic: topic, offset: offset, err: err}
}

// pop takes the oldest record of the poll; records of one topic stay in order of offset.
func (p *partition[S]) pop() (*kgo.Record, string) {
	best := -1
	for i := range p.in {
		if len(p.in[i].recs) == 0 {
			continue
		}
		if best < 0 || p.in[i].recs[0].Timestamp.Before(p.in[best].recs[0].Timestamp) {
			best = i
		}
	}
	if best < 0 {
		return nil, ""
	}
	in := &p.in[best]
	r := in.recs[0]
	in.recs = in.recs[1:]
	if p.hint = nil; len(in.found) > 0 {
		p.hint, in.found = in.found[0], in.found[1:]
	}
	return r, in.topic
}

// failure is an error of the processor about one record or timer (then topic is empty and key set).
type failure struct {
	partition int32
	topic     string
	offset    int64
	key       string
	err       error
	attempts  int
}

func (f *failure) Error() string {
	if f.topic == "" {
		return fmt.Sprintf("timer of %q, partition %d: %v", f.key, f.partition, f.err)
	}
	return fmt.Sprintf("%s partition %d offset %d: %v", f.topic, f.partition, f.offset, f.err)
}

func (f *failure) Unwrap() error { return f.err }

type panicError struct {
	v     any
	stack []byte
}

func (e *panicError) Error() string { return fmt.Sprintf("panic: %v", e.v) }
