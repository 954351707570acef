package memory

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ringfence/ringfence/internal/stream"
)

// Rejected is a record that Process or Timer refused with a *stream.Reject.
type Rejected struct {
	Record stream.Record // for a timer only Key is set
	Reject *stream.Reject
}

// Driver runs one partition of a Definition. It isn't safe for concurrent use.
type Driver[S any] struct {
	def       stream.Definition[S]
	ctx       *stream.Context[S]
	states    map[string][]byte
	timers    map[string]int64 // unix milliseconds
	outputs   []stream.Output
	rejected  []Rejected
	clock     time.Time // the wall clock of the test
	newest    time.Time // newest record
	now       time.Time // stream time
	partition int32
	count     int32
	offsets   map[string]int64

	undo []func() // how to take back what the record in hand did

	lent  []*S     // states given out to the record in hand by a codec that borrows
	bytes [][]byte // what they were read from
	free  []*S
}

// New makes a driver for partition 0 of 1, its clock at the Unix epoch until a record or SetNow moves it.
func New[S any](def stream.Definition[S]) *Driver[S] {
	d := &Driver[S]{
		def: def, states: map[string][]byte{}, timers: map[string]int64{}, offsets: map[string]int64{},
		count: 1, clock: time.UnixMilli(0).UTC(), now: time.UnixMilli(0).UTC(),
	}
	d.ctx = stream.NewContext[S](backend[S]{d})
	return d
}

// SetPartition says which partition of how many the driver plays.
func (d *Driver[S]) SetPartition(partition, count int32) { d.partition, d.count = partition, count }

// Feed processes one record as the runtime would: timers due at its time first, then the record. A record
// without topic gets the first input, one without offset the next. A *stream.Reject takes the record's effects
// back, is kept for Rejected and is returned; so does any other error.
func (d *Driver[S]) Feed(r stream.Record) error {
	if r.Topic == "" && len(d.def.Inputs) > 0 {
		r.Topic = d.def.Inputs[0]
	}
	if r.Offset == 0 {
		r.Offset = d.offsets[r.Topic]
	}
	d.offsets[r.Topic] = r.Offset + 1
	r.Partition = d.partition
	if r.Time.IsZero() {
		r.Time = d.now
	}
	if r.Time.After(d.newest) {
		d.newest = r.Time
	}
	d.moveNow()
	if err := d.fire(); err != nil {
		return err
	}
	if err := d.guard(r, func() error { return d.def.Process(d.ctx, &r) }); err != nil {
		return err
	}
	return d.fire()
}

// FeedAll feeds records in order and stops at the first error that is no Reject.
func (d *Driver[S]) FeedAll(rs ...stream.Record) error {
	for _, r := range rs {
		var rej *stream.Reject
		if err := d.Feed(r); err != nil && !errors.As(err, &rej) {
			return err
		}
	}
	return nil
}

// SetNow moves the wall clock (back, too: stream time doesn't follow) and fires what is due, in order. Now is t for
// all of them, as it is in the runtime.
func (d *Driver[S]) SetNow(t time.Time) error {
	d.clock = t
	d.moveNow()
	return d.fire()
}

// Advance moves the wall clock by dt from the stream time.
func (d *Driver[S]) Advance(dt time.Duration) error { return d.SetNow(d.now.Add(dt)) }

// Now is the stream time.
func (d *Driver[S]) Now() time.Time { return d.now }

// Outputs returns what was emitted since the last call and forgets it.
func (d *Driver[S]) Outputs() []stream.Output {
	out := d.outputs
	d.outputs = nil
	return out
}

// Rejected returns what was rejected since the last call and forgets it.
func (d *Driver[S]) Rejected() []Rejected {
	out := d.rejected
	d.rejected = nil
	return out
}

// State returns a copy of the state of key, and whether there is one.
func (d *Driver[S]) State(key string) (*S, bool, error) { return d.get(key) }

// PutState sets a state from outside, as if an earlier record had.
func (d *Driver[S]) PutState(key string, s *S) error {
	defer func() { d.undo = nil }()
	return d.put(key, s)
}

// Keys returns the keys that have a state, sorted.
func (d *Driver[S]) Keys() []string {
	keys := make([]string, 0, len(d.states))
	for k := range d.states {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// StateBytes returns the encoded state of key.
func (d *Driver[S]) StateBytes(key string) []byte { return bytes.Clone(d.states[key]) }

// Timer returns the timer of key, and whether there is one.
func (d *Driver[S]) Timer(key string) (time.Time, bool) {
	ms, ok := d.timers[key]
	return time.UnixMilli(ms).UTC(), ok
}

func (d *Driver[S]) moveNow() {
	for _, t := range []time.Time{d.clock, d.newest} {
		if t.After(d.now) {
			d.now = t
		}
	}
}

func (d *Driver[S]) guard(r stream.Record, f func() error) error {
	d.undo = d.undo[:0]
	n := len(d.outputs)
	err := f()
	d.takeBack()
	if err == nil {
		return nil
	}
	for i := len(d.undo) - 1; i >= 0; i-- {
		d.undo[i]()
	}
	d.outputs = d.outputs[:n]
	var rej *stream.Reject
	if errors.As(err, &rej) {
		d.rejected = append(d.rejected, Rejected{Record: r, Reject: rej})
	}
	return err
}

// fire fires what is due in the order of time, then key. It stops after a million, which only a timer that
// always sets itself into the past reaches.
func (d *Driver[S]) fire() error {
	for range 1_000_000 {
		key, at, ok := d.due()
		if !ok {
			return nil
		}
		delete(d.timers, key)
		if d.def.Timer == nil {
			continue
		}
		err := d.guard(stream.Record{Key: []byte(key)}, func() error {
			return d.def.Timer(d.ctx, key, time.UnixMilli(at).UTC())
		})
		var rej *stream.Reject
		if err != nil && !errors.As(err, &rej) {
			return fmt.Errorf("timer of %q: %w", key, err)
		}
	}
	return errors.New("a million timers fired without the clock moving: does Timer set itself into the past?")
}

func (d *Driver[S]) due() (string, int64, bool) {
	type timer struct {
		key string
		at  int64
	}
	var best *timer
	now := d.now.UnixMilli()
	for k, at := range d.timers {
		if at > now {
			continue
		}
		t := timer{k, at}
		if best == nil || cmp.Or(cmp.Compare(t.at, best.at), cmp.Compare(t.key, best.key)) < 0 {
			best = &t
		}
	}
	if best == nil {
		return "", 0, false
	}
	return best.key, best.at, true
}

func (d *Driver[S]) get(key string) (*S, bool, error) {
	b, ok := d.states[key]
	if !ok {
		return nil, false, nil
	}
	s, err := d.def.Codec.Decode(bytes.Clone(b))
	if err != nil {
		return nil, false, fmt.Errorf("decode state of %q: %w", key, err)
	}
	return s, true, nil
}

// lend is get for a record: as in the runtime, what a borrowing codec reads is over when the record is.
func (d *Driver[S]) lend(key string) (*S, bool, error) {
	b, ok := d.states[key]
	borrower, borrows := d.def.Codec.(stream.Borrower[S])
	if !ok || !borrows {
		return d.get(key)
	}
	b = bytes.Clone(b)
	s := d.room()
	if err := borrower.Borrow(s, b); err != nil {
		return nil, false, fmt.Errorf("decode state of %q: %w", key, err)
	}
	d.bytes = append(d.bytes, b)
	return s, true, nil
}

func (d *Driver[S]) room() *S {
	s := new(S)
	if n := len(d.free); n > 0 {
		s, d.free = d.free[n-1], d.free[:n-1]
	}
	d.lent = append(d.lent, s)
	return s
}

// takeBack overwrites what was read for the record, so that whatever still points there shows up.
func (d *Driver[S]) takeBack() {
	for _, b := range d.bytes {
		for i := range b {
			b[i] = 0xee
		}
	}
	d.free = append(d.free, d.lent...)
	d.lent, d.bytes = d.lent[:0], d.bytes[:0]
}

func (d *Driver[S]) put(key string, s *S) error {
	b, err := d.def.Codec.Append(nil, s)
	if err != nil {
		return fmt.Errorf("encode state of %q: %w", key, err)
	}
	d.saveState(key)
	d.states[key] = b
	return nil
}

func (d *Driver[S]) saveState(key string) {
	old, had := d.states[key]
	d.undo = append(d.undo, func() {
		if had {
			d.states[key] = old
		} else {
			delete(d.states, key)
		}
	})
}

func (d *Driver[S]) saveTimer(key string) {
	old, had := d.timers[key]
	d.undo = append(d.undo, func() {
		if had {
			d.timers[key] = old
		} else {
			delete(d.timers, key)
		}
	})
}

// backend shows the driver to a Context, and keeps these methods off the Driver's own.
type backend[S any] struct{ d *Driver[S] }

func (b backend[S]) Get(key string) (*S, bool, error) { return b.d.lend(key) }

func (b backend[S]) New() *S {
	if borrower, ok := b.d.def.Codec.(stream.Borrower[S]); ok {
		if s := b.d.room(); borrower.Borrow(s, nil) == nil {
			return s
		}
	}
	return new(S)
}
func (b backend[S]) Put(key string, s *S) error { return b.d.put(key, s) }

func (b backend[S]) Delete(key string) error {
	b.d.saveState(key)
	delete(b.d.states, key)
	return nil
}

func (b backend[S]) SetTimer(key string, at time.Time) error {
	b.d.saveTimer(key)
	b.d.timers[key] = stream.CeilMilli(at)
	return nil
}

func (b backend[S]) ClearTimer(key string) error {
	b.d.saveTimer(key)
	delete(b.d.timers, key)
	return nil
}

func (b backend[S]) Emit(o stream.Output) { b.d.outputs = append(b.d.outputs, o) }
func (b backend[S]) Now() time.Time       { return b.d.now }
func (b backend[S]) Partition() int32     { return b.d.partition }
func (b backend[S]) Partitions() int32    { return b.d.count }
