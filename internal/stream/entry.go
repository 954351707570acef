package stream

import (
	"encoding/binary"
	"fmt"
	"math"
)

// A state is kept, in the store as in the changelog, as one flag byte, the timer (8 bytes, if it has one) and the
// codec's bytes. In memory it stands behind room for the longest header, so that the header is written in place
// and the state is never copied to be sent.
const (
	head      = 9
	formV1    = 1 << 4
	flagTimer = 1 << 0
	flagState = 1 << 1
	noTimer   = math.MinInt64
)

// entry is what memory knows of one key.
type entry[S any] struct {
	key   string
	dec   *S     // decoded slot[head:], or nil if it isn't decoded now
	slot  []byte // header room and state; nil: no state
	buf   []byte // the entry's own memory, which slot is copied to at commit
	timer int64  // Unix milliseconds, or noTimer

	baseTimer   int64 // as committed; the state as committed is buf
	baseState   bool
	storedTimer int64 // as the store has it, or will when the flush is done
	where       int8  // stored, pending or inFlush

	txn   uint64 // the transaction that touched it last
	rec   uint64 // the record that touched it last
	dirty bool   // differs from what is committed
	lent  bool   // dec was handed out in this record and not put since

	cached bool // it stands in the cache
	used   bool // and was asked for since the cache's hand passed
	place  int32

	queued bool // it stands in the partition's queue of decoded entries
	again  bool // and was used since
}

// undo is what an entry was before the record in hand.
type undo[S any] struct {
	e     *entry[S]
	slot  []byte
	timer int64
	dirty bool
}

// value writes the header in front of the state and returns both; nil if there is neither state nor timer.
// scratch serves a timer without a state.
func (e *entry[S]) value(scratch *arena) []byte {
	slot := e.slot
	flags := byte(formV1)
	if slot == nil {
		if e.timer == noTimer {
			return nil
		}
		slot = scratch.alloc(head)
	} else {
		flags |= flagState
	}
	if e.timer == noTimer {
		slot[head-1] = flags
		return slot[head-1:]
	}
	slot[0] = flags | flagTimer
	binary.BigEndian.PutUint64(slot[1:], uint64(e.timer))
	return slot
}

// appendValue appends header and state as they are committed.
func (e *entry[S]) appendValue(dst []byte) []byte {
	flags := byte(formV1)
	if e.slot != nil {
		flags |= flagState
	}
	if e.timer != noTimer {
		dst = append(dst, flags|flagTimer)
		dst = binary.BigEndian.AppendUint64(dst, uint64(e.timer))
	} else {
		dst = append(dst, flags)
	}
	if e.slot != nil {
		dst = append(dst, e.slot[head:]...)
	}
	return dst
}

// parseValue takes a kept value apart; state is nil if there is none.
func parseValue(v []byte) (state []byte, timer int64, err error) {
	if len(v) == 0 {
		return nil, noTimer, nil
	}
	flags := v[0]
	if flags&^(flagTimer|flagState) != formV1 {
		return nil, 0, fmt.Errorf("state of unknown form %#x: written by a newer version?", flags)
	}
	v, timer = v[1:], noTimer
	if flags&flagTimer != 0 {
		if len(v) < 8 {
			return nil, 0, fmt.Errorf("state cut short: %d bytes of timer", len(v))
		}
		timer, v = int64(binary.BigEndian.Uint64(v)), v[8:]
	}
	if flags&flagState == 0 {
		return nil, timer, nil
	}
	return v[:len(v):len(v)], timer, nil
}

// arena hands out memory that lives until reset.
type arena struct {
	chunks [][]byte
	cur    int
}

const arenaChunk = 256 << 10

// alloc returns n bytes that nobody else uses; their content is undefined.
func (a *arena) alloc(n int) []byte {
	dst := a.room(n)
	dst = dst[:n]
	a.keep(dst)
	return dst[:n:n]
}

// room returns an empty slice with room for at least n bytes at the arena's end. What was appended to it belongs
// to the caller after keep.
func (a *arena) room(n int) []byte {
	for a.cur < len(a.chunks) {
		c := a.chunks[a.cur]
		if cap(c)-len(c) >= n {
			return c[len(c):len(c):cap(c)]
		}
		a.cur++
	}
	a.chunks = append(a.chunks, make([]byte, 0, max(n, arenaChunk)))
	return a.chunks[a.cur][:0]
}

// keep takes b, which was appended to what room returned last. If append moved it, it has its own memory already.
func (a *arena) keep(b []byte) {
	c := a.chunks[a.cur]
	if cap(b) == 0 {
		return
	}
	tail := c[len(c):cap(c)]
	if len(tail) > 0 && &tail[0] == &b[:1][0] {
		a.chunks[a.cur] = c[:len(c)+len(b)]
	}
}

// reset makes all memory free again, and gives back what one large transaction left.
func (a *arena) reset() {
	const most = 64
	if len(a.chunks) > most {
		clear(a.chunks[most:])
		a.chunks = a.chunks[:most]
	}
	for i := range a.chunks {
		a.chunks[i] = a.chunks[i][:0]
	}
	a.cur = 0
}

// drop forgets the memory: somebody else may still read it.
func (a *arena) drop() { a.chunks, a.cur = nil, 0 }
