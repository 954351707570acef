package stream

import (
	"fmt"

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
		r.Topic, r.Key, r.Value, r.Headers, r.Timestamp = o.Topic, o.Key, o.Value, o.Headers, p.stamp
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
		r.Topic, r.Partition, r.Key, r.Value, r.Timestamp = p.r.changelog, p.id, key, e.value(&p.mem), p.stamp
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

// commit makes the transaction's states those of the partition; Kafka has committed it.
func (p *partition[S]) commit() {
	p.meta.offset = max(p.meta.offset, p.next.Load())
	for _, e := range p.touched {
		p.dec.use(e)
		if !e.dirty {
			continue
		}
		switch has := e.slot != nil; {
		case has && !e.baseState:
			p.meta.entries++
		case !has && e.baseState:
			p.meta.entries--
		}
		if e.slot != nil {
			if len(e.buf) == 0 || &e.slot[0] != &e.buf[0] {
				e.buf = append(e.buf[:0], e.slot...)
			}
			e.slot = e.buf
		}
		e.dirty = false
		if e.where != pending {
			e.where = pending
			p.pend = append(p.pend, e)
		}
	}
	p.due = p.dueNext
	p.dec.trim()
	p.finish()
	p.mem.reset()
	p.slab, p.slabN = 0, 0
}

// abort forgets what the transaction did: what it touched is as committed again, in memory if the store hasn't got
// it yet, otherwise to be read from there. The memory it used is left to the producer, which may still read it.
func (p *partition[S]) abort() {
	for _, e := range p.touched {
		e.timer, e.dec, e.lent, e.dirty = e.baseTimer, nil, false, false
		if e.slot = nil; e.baseState {
			e.slot = e.buf
		}
	}
	for _, t := range p.popped {
		p.fresh.push(t)
	}
	touched := p.touched
	p.finish()
	for _, e := range touched {
		if e.where == stored {
			p.cache.remove(e)
		}
	}
	clear(touched)
	p.mem.drop()
	p.slabs, p.slab, p.slabN = nil, 0, 0
}

// finish ends a transaction, whichever way it went.
func (p *partition[S]) finish() {
	p.txn++ // entries evicted from now on weren't touched
	if len(p.spill) > 0 {
		for _, e := range p.touched {
			if e.where == stored {
				delete(p.spill, e.key)
			}
		}
	}
	p.touched, p.recent, p.hint = p.touched[:0], nil, nil
	clear(p.undo)
	p.undo = p.undo[:0]
	clear(p.outputs)
	p.outputs, p.sent = p.outputs[:0], 0
	p.popped = p.popped[:0]
	clear(p.in)
	p.in = p.in[:0]
	p.record = Record{}
}

func (p *partition[S]) deadLetter(rec *Record, reason, pointer string) error {
	return p.dead(&event.DeadLetter{
		Reason: reason, Pointer: pointer, Raw: rec.Value, Topic: rec.Topic, Partition: rec.Partition, Offset: rec.Offset, Key: string(rec.Key),
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
