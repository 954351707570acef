package clickhouse

import (
	"context"
	"errors"
	"runtime"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"
)

// rang is one partition's range of records to be written.
type rang struct {
	topic string
	part  int32
	a, b  int64
	again bool // promised by a process that may have inserted it or a part of it
	recs  []*kgo.Record
}

// batch is ranges that are written together.
type batch struct {
	ranges     []*rang
	loads      []*load
	converters []*converter
	records    int
}

// member writes until ctx ends or the group expels us. Two batches are under way at a time: while one is inserted, the
// next is fetched, decoded and laid out in columns.
func (s *Sink) member(parent context.Context) error {
	ctx, expel := context.WithCancelCause(parent)
	defer expel(nil)
	batches, written := make(chan *batch), make(chan error, 1)
	s.mu.Lock()
	s.batches, s.expel, s.over, s.busy = batches, expel, ctx.Done(), 0
	s.mu.Unlock()
	s.note(true, "")
	go func() {
		err := s.write(ctx, batches)
		expel(err)
		written <- err
	}()
	err := s.read(ctx, batches)
	expel(err)
	err = errors.Join(err, <-written)
	s.mu.Lock()
	s.expel, s.busy = nil, 0
	s.wake()
	s.mu.Unlock()
	return err
}

// read polls, cuts ranges and hands batches to the writer.
func (s *Sink) read(ctx context.Context, batches chan<- *batch) error {
	for {
		wait, cancel := context.WithTimeout(ctx, s.untilDue(time.Now()))
		fetches := s.client.PollRecords(wait, s.opt.MaxBatch)
		cancel()
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		var failed error
		fetches.EachError(func(_ string, _ int32, err error) {
			if !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) {
				failed = err
			}
		})
		s.fetching(failed)
		if err := s.patiently(ctx, "learn", func() error { return s.learn(ctx) }); err != nil {
			return err
		}
		if ranges := s.ranges(fetches, time.Now()); len(ranges) > 0 {
			b := s.convert(ranges)
			select {
			case batches <- b:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		s.client.AllowRebalance()
	}
}

// chunk is how many records are laid out in one block: enough for the wire, few enough to share among the processors.
const chunk = 16 << 10

// convert decodes ranges and lays them out in columns, in parallel.
func (s *Sink) convert(ranges []*rang) *batch {
	b := &batch{ranges: ranges}
	var chunks [][]*kgo.Record
	var room []*kgo.Record
	for _, r := range ranges {
		if r.again {
			s.metrics.again.Inc()
		}
		b.records += len(r.recs)
		for recs := r.recs; len(recs) > 0; {
			n := min(len(recs), chunk-len(room))
			if len(room) == 0 && n == len(recs) && len(ranges) == 1 || n == chunk {
				chunks, recs = append(chunks, recs[:n]), recs[n:]
				continue
			}
			room, recs = append(room, recs[:n]...), recs[n:]
			if len(room) == chunk {
				chunks, room = append(chunks, room), nil
			}
		}
	}
	if len(room) > 0 {
		chunks = append(chunks, room)
	}
	s.mu.Lock()
	s.busy++
	for range chunks {
		var c *converter
		if n := len(s.spare); n > 0 {
			c, s.spare = s.spare[n-1], s.spare[:n-1]
		} else {
			c = s.newConverter()
		}
		b.converters = append(b.converters, c)
	}
	s.mu.Unlock()
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i, recs := range chunks {
		g.Go(func() error {
			for _, r := range recs {
				b.converters[i].add(r)
			}
			return nil
		})
	}
	_ = g.Wait()
	byTable := map[string]*load{}
	for _, c := range b.converters {
		for _, t := range c.order {
			l := byTable[t]
			if l == nil {
				l = &load{table: t}
				byTable[t] = l
				b.loads = append(b.loads, l)
			}
			l.blocks = append(l.blocks, c.blocks[t])
		}
	}
	return b
}

// write promises, inserts and commits. A batch that follows at once is promised by the same commit that ends the one
// before it.
func (s *Sink) write(ctx context.Context, batches <-chan *batch) error {
	var done, b *batch
	for {
		b = nil
		if done != nil {
			select {
			case b = <-batches:
			default:
				if err := s.patiently(ctx, "commit", func() error { return s.commit(ctx, done, nil) }); err != nil {
					return err
				}
				s.finished(done)
				done = nil
				s.opt.Hook("committed")
			}
		}
		if b == nil {
			select {
			case b = <-batches:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		if err := s.patiently(ctx, "promise", func() error { return s.commit(ctx, done, b) }); err != nil {
			return err
		}
		if done != nil {
			s.finished(done)
		}
		s.opt.Hook("promised")
		if err := s.insert(ctx, b); err != nil {
			return err
		}
		s.opt.Hook("inserted")
		done = b
	}
}

// insert brings a batch into ClickHouse.
func (s *Sink) insert(ctx context.Context, b *batch) error {
	began := time.Now()
	// No context of the group's: it would end with the group, and a connection whose context ends is closed.
	var g errgroup.Group
	g.SetLimit(4)
	for _, l := range b.loads {
		g.Go(func() error {
			if err := s.insertLoad(ctx, l); err != nil {
				return err
			}
			s.opt.Hook("table")
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if err := s.touch(ctx, b.converters); err != nil {
		return err
	}
	s.metrics.seconds.Observe(time.Since(began).Seconds())
	s.metrics.size.Observe(float64(b.records))
	s.note(true, "")
	return nil
}

// finished gives a batch's memory back.
func (s *Sink) finished(b *batch) {
	for _, c := range b.converters {
		c.reset()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.spare = append(s.spare, b.converters...)
	if s.busy--; s.busy == 0 {
		s.wake()
	}
}

// wake tells who waits that nothing is under way. The lock is held.
func (s *Sink) wake() {
	if s.idle != nil {
		close(s.idle)
		s.idle = nil
	}
}
