package stream

import (
	"fmt"
	"math"

	"github.com/cockroachdb/pebble/v2"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ringfence/ringfence/event"
)

const slabSize = 512

// newRecord takes a record from the partition's own memory, which is free again after the transaction.
func (p *partition[S]) newRecord() *kgo.Record {
	if p.slabN == slabSize {
		p.slab, p.slabN = p.slab+1, 0
	}
	if p.slab == len(p.slabs) {
		p.slabs = append(p.slabs, make([]kgo.Record, slabSize))
	}
	r := &p.slabs[p.slab][p.slabN]
	p.slabN++
	*r = kgo.Record{}
	return r
}

// send hands the outputs so far to the producer. Sent outputs are of records that stand: only the whole
// transaction can take them back.
func (p *partition[S]) send() {
	cl := p.r.producer
	for i := range p.outputs {
		o := &p.outputs[i]
		r := p.newRecord()
		r.Topic, r.Key, r.Value, r.Headers = o.Topic, o.Key, o.Value, o.Headers
		switch {
		case o.ToPartition:
			r.Partition = o.Partition
		case o.Key == nil:
			r.Partition = p.id
		default:
			r.Partition = byKey
		}
		cl.Produce(p.r.txnCtx, r, p.sentOutput)
	}
	p.sent += len(p.outputs)
	clear(p.outputs)
	p.outputs = p.outputs[:0]
}

func (p *partition[S]) sentOutput(r *kgo.Record, err error) {
	if err != nil {
		err = fmt.Errorf("produce to %s: %w", r.Topic, err)
		p.sendErr.CompareAndSwap(nil, &err)
	}
}

// sendStates hands the last value of every key that changed to the producer.
func (p *partition[S]) sendStates() {
	cl := p.r.producer
	for _, e := range p.touched {
		if !e.dirty {
			continue
		}
		key := append(p.mem.room(len(e.key)), e.key...)
		p.mem.keep(key)
		r := p.newRecord()
		r.Topic, r.Partition, r.Key, r.Value = p.r.changelog, p.id, key, e.value(&p.mem)
		cl.Produce(p.r.txnCtx, r, p.sentState)
	}
}

func (p *partition[S]) sentState(r *kgo.Record, err error) {
	if err != nil {
		p.sentOutput(r, err)
		return
	}
	p.next.Store(max(p.next.Load(), r.Offset+1))
}

// build writes what the transaction changed into a batch, all but the changelog offset.
func (p *partition[S]) build() (*pebble.Batch, error) {
	size := 64
	for _, e := range p.touched {
		if e.dirty {
			size += 2*(prefixLen+len(e.key)) + len(e.slot) + 48
		}
	}
	b := p.r.store.db.NewBatchWithSize(size)
	for _, t := range p.stale {
		p.key = timerKey(p.key[:0], p.id, t.at, t.key)
		if err := b.Delete(p.key, nil); err != nil {
			return b, &storeError{err}
		}
	}
	p.entries = 0
	for _, e := range p.touched {
		if !e.dirty {
			continue
		}
		if err := p.put(b, e); err != nil {
			return b, &storeError{err}
		}
	}
	return b, nil
}

func (p *partition[S]) put(b *pebble.Batch, e *entry[S]) error {
	p.key = stateKey(p.key[:0], p.id, e.key)
	v := e.value(&p.mem)
	var err error
	if v == nil {
		err = b.Delete(p.key, nil)
	} else {
		err = b.Set(p.key, v, nil)
	}
	if err != nil {
		return err
	}
	switch has := e.slot != nil; {
	case has && !e.baseState:
		p.entries++
	case !has && e.baseState:
		p.entries--
	}
	if e.timer == e.baseTimer {
		return nil
	}
	if e.baseTimer != noTimer {
		p.key = timerKey(p.key[:0], p.id, e.baseTimer, e.key)
		if err := b.Delete(p.key, nil); err != nil {
			return err
		}
	}
	if e.timer != noTimer {
		p.key = timerKey(p.key[:0], p.id, e.timer, e.key)
		return b.Set(p.key, nil, nil)
	}
	return nil
}

// commit makes the transaction's states those of the partition; Kafka has committed it.
func (p *partition[S]) commit(b *pebble.Batch) error {
	p.meta.offset = max(p.meta.offset, p.next.Load())
	p.meta.entries += p.entries
	p.meta.at, p.meta.now = p.r.cfg.Clock().UnixMilli(), p.nowMS
	if err := setMeta(b, p.id, p.meta); err != nil {
		return &storeError{err}
	}
	if err := b.Commit(pebble.NoSync); err != nil {
		return &storeError{err}
	}
	due := p.dueNext
	for _, e := range p.touched {
		if !e.dirty {
			continue
		}
		if e.timer != noTimer {
			due = min(due, e.timer)
		}
		if e.slot == nil {
			continue
		}
		if len(e.slot) > 0 && (len(e.buf) == 0 || &e.slot[0] != &e.buf[0]) {
			e.buf = append(e.buf[:0], e.slot...)
		}
		e.slot = e.buf
	}
	p.due = due
	p.finish()
	p.mem.reset()
	p.slab, p.slabN = 0, 0
	return nil
}

// abort forgets what the transaction did. The memory it used is left to the producer, which may still read it.
func (p *partition[S]) abort() {
	p.txn++ // nothing is spilled while the cache lets go
	for _, e := range p.touched {
		p.cache.Remove(e.key)
	}
	p.finish()
	p.mem.drop()
	p.slabs, p.slab, p.slabN = nil, 0, 0
}

func (p *partition[S]) finish() {
	p.txn++ // entries evicted from now on are clean
	clear(p.spill)
	clear(p.touched)
	p.touched = p.touched[:0]
	clear(p.undo)
	p.undo = p.undo[:0]
	clear(p.outputs)
	p.outputs, p.sent = p.outputs[:0], 0
	p.stale, p.set, p.setMin = p.stale[:0], p.set[:0], math.MaxInt64
	clear(p.in)
	p.in = p.in[:0]
	p.record = Record{}
}

func (p *partition[S]) deadLetter(rec *Record, reason, pointer string) error {
	return p.dead(&event.DeadLetter{
		Reason: reason, Pointer: pointer, Raw: rec.Value, Topic: rec.Topic, Partition: rec.Partition, Offset: rec.Offset,
	})
}

func (p *partition[S]) deadTimer(ref timerRef, reason, pointer string) error {
	return p.dead(&event.DeadLetter{Reason: reason, Pointer: pointer, Raw: []byte(ref.key), Partition: p.id, Offset: ref.at})
}

func (p *partition[S]) dead(d *event.DeadLetter) error {
	d.At, d.Source = p.nowMS, p.r.def.Name
	d.Raw = d.Raw[:min(len(d.Raw), maxRecord/2)]
	if f := p.r.cfg.DeadLetter; f != nil {
		f(d)
	}
	v, err := d.MarshalVT()
	if err != nil {
		return fmt.Errorf("encode a dead letter: %w", err)
	}
	p.rejects++
	p.outputs = append(p.outputs, Output{Topic: event.TopicDeadLetter, Key: []byte(d.Source), Value: v})
	return nil
}

// byKey marks records whose partition their key decides, as with every Kafka client's default.
const byKey = -1

// placement sends a record to the partition it names, or where its key belongs.
func placement() kgo.Partitioner {
	byHash := kgo.StickyKeyPartitioner(nil)
	return kgo.BasicConsistentPartitioner(func(topic string) func(*kgo.Record, int) int {
		t := byHash.ForTopic(topic)
		return func(r *kgo.Record, n int) int {
			if r.Partition == byKey {
				return t.Partition(r, n)
			}
			return int(r.Partition) % n
		}
	})
}
