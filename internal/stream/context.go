package stream

import "time"

// Context is what a processor sees of the world while it handles one record or one timer: the states of its
// partition, the timers, the outputs and the time. It is valid only during that call and only on its goroutine. A key it is
// given may be a text over the record's bytes: it is copied where it is kept.
type Context[S any] struct{ b Backend[S] }

// Backend holds what a Context shows. The Runner and memory.Driver are its two implementations.
type Backend[S any] interface {
	New() *S
	Get(key string) (*S, bool, error)
	Put(key string, s *S) error
	Delete(key string) error
	SetTimer(key string, at time.Time) error
	ClearTimer(key string) error
	Emit(o Output)
	Now() time.Time
	Partition() int32
	Partitions() int32
}

// NewContext makes a Context over b. Processors never need it; drivers do.
func NewContext[S any](b Backend[S]) *Context[S] { return &Context[S]{b: b} }

// Get returns the state of key, and false (with nil) if there is none. What it points to may be changed in place,
// but a change is kept only by Put: without it the next record sees the state as it was.
func (c *Context[S]) Get(key string) (*S, bool, error) { return c.b.Get(key) }

// New returns an empty state, for a key that has none. If the codec is a Borrower it is over with the record, as those of Get are.
func (c *Context[S]) New() *S { return c.b.New() }

// Put keeps s as the state of key, as it is now: a change made after Put needs another Put. The runtime owns s
// from here on.
func (c *Context[S]) Put(key string, s *S) error { return c.b.Put(key, s) }

// Delete removes the state of key. Its timer, if it has one, stays.
func (c *Context[S]) Delete(key string) error { return c.b.Delete(key) }

// SetTimer sets the timer of key, in place of the one it had. It is kept to the millisecond, rounded up, so that
// it never fires early, and lives with the state: through restarts, rebalances and loss of the disk.
func (c *Context[S]) SetTimer(key string, at time.Time) error { return c.b.SetTimer(key, at) }

// ClearTimer removes the timer of key, if it has one. A timer that fires is removed before Timer is called.
func (c *Context[S]) ClearTimer(key string) error { return c.b.ClearTimer(key) }

// Emit adds a record to the transaction. Its slices belong to the runtime from here on.
func (c *Context[S]) Emit(o Output) { c.b.Emit(o) }

// Now is the stream time of the partition: the later of the wall clock and the newest timestamp of a record of
// the partition. It never goes back while the partition stays with the process.
func (c *Context[S]) Now() time.Time { return c.b.Now() }

// Partition is the partition that is being worked on.
func (c *Context[S]) Partition() int32 { return c.b.Partition() }

// Partitions is the number of partitions of the input topics.
func (c *Context[S]) Partitions() int32 { return c.b.Partitions() }

// CeilMilli is t in Unix milliseconds, rounded up: the grain of timers.
func CeilMilli(t time.Time) int64 {
	ms := t.UnixMilli()
	if t.After(time.UnixMilli(ms)) {
		ms++
	}
	return ms
}
