package stream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"golang.org/x/sync/errgroup"
)

// few records are run on one goroutine: starting others takes longer.
const few = 64

// step processes what a poll brought, and the timers that are due, in one transaction.
func (s *session[S]) step(fetches kgo.Fetches) error {
	began := time.Now()
	if err := s.pollError(fetches); err != nil {
		return err
	}
	now := s.r.cfg.Clock()
	parts, records, stray := s.collect(fetches, now)
	if stray {
		// Records of a partition that was taken: rewind and poll again.
		s.mu.Lock()
		s.interrupted = true
		s.mu.Unlock()
	}
	s.mu.Lock()
	interrupted := s.interrupted
	s.mu.Unlock()
	if interrupted || len(parts) == 0 {
		for _, p := range parts {
			p.finish()
		}
		return nil
	}
	if err := s.gts.Begin(); err != nil {
		return fmt.Errorf("begin a transaction: %w", err)
	}
	err := each(len(parts), records <= few, func(i int) error {
		parts[i].begin(now)
		return parts[i].work()
	})
	if err == nil && records == 0 {
		err = s.pinOffsets(parts)
	}
	if err == nil {
		err = s.flush(parts)
	}
	if err != nil {
		return s.abort(parts, err)
	}
	committed, err := s.commit(records > 0)
	if !committed {
		// It may be committed all the same: the answer may have been lost. The next session finds out.
		s.discard(parts)
		s.r.metrics.transactions.WithLabelValues("unknown").Inc()
		if err == nil {
			err = errors.New("the group or the broker didn't let it")
		}
		return fmt.Errorf("commit a transaction: %w", err)
	}
	s.lasted = time.Since(began)
	return s.apply(parts, records, began)
}

// commit ends the transaction. It is bounded in time: if the group has expelled this member, the client waits for a
// heartbeat that its own group loop, which waits for the end of this transaction, never sends.
//
// Without polled records the client's session would not know whether the broker protects their offsets, and wait for half a
// second after the commit. There are none, and pinOffsets has named the group's generation: the transaction is simply ended.
func (s *session[S]) commit(polled bool) (bool, error) {
	ctx, cancel := context.WithTimeout(s.r.txnCtx, 2*s.r.timeout)
	defer cancel()
	if !polled {
		err := s.cl.EndTransaction(ctx, kgo.TryCommit)
		return err == nil, err
	}
	return s.gts.End(ctx, kgo.TryCommit)
}

// collect sorts a poll's records by partition and adds partitions with timers that are due. Stray is true if there
// are records of a partition that isn't ours.
func (s *session[S]) collect(fetches kgo.Fetches, now time.Time) (parts []*partition[S], records int, stray bool) {
	r := s.r
	r.mu.Lock()
	defer r.mu.Unlock()
	fetches.EachPartition(func(ft kgo.FetchTopicPartition) {
		p := r.parts[ft.Partition]
		if p == nil || !p.ready {
			stray = stray || len(ft.Records) > 0
			return
		}
		if n := len(ft.Records); n > 0 {
			p.in = append(p.in, run[S]{topic: ft.Topic, recs: ft.Records})
			records += n
			p.polled[ft.Topic] = ft.Records[n-1].Offset + 1
		}
		if ft.HighWatermark > 0 {
			p.lag[ft.Topic] = max(ft.HighWatermark-p.polled[ft.Topic], 0)
		}
	})
	for _, p := range r.parts {
		if !p.ready {
			continue
		}
		waiting := false
		if !p.retryAt.IsZero() {
			if waiting = now.Before(p.retryAt); !waiting {
				p.retryAt = time.Time{}
				s.cl.ResumeFetchPartitions(s.inputs(p.id))
			}
		}
		if len(p.in) > 0 || (!waiting && p.hasDue(now)) {
			parts = append(parts, p)
		}
	}
	return parts, records, stray
}

func each(n int, inline bool, f func(int) error) error {
	if inline || n == 1 {
		for i := range n {
			if err := f(i); err != nil {
				return err
			}
		}
		return nil
	}
	var g errgroup.Group
	g.SetLimit(parallel())
	for i := range n {
		g.Go(func() error { return f(i) })
	}
	return g.Wait()
}

// flush waits until every record is acknowledged.
func (s *session[S]) flush(parts []*partition[S]) error {
	if err := s.cl.Flush(s.r.txnCtx); err != nil {
		return fmt.Errorf("flush: %w", err)
	}
	for _, p := range parts {
		if err := p.sendErr.Load(); err != nil {
			return *err
		}
	}
	return nil
}

// pinOffsets commits the input positions in a transaction that only fired timers. They don't
// change, but the commit names the group's generation: without it a process that lost the partition in its sleep
// could commit timers its successor has fired, too.
func (s *session[S]) pinOffsets(parts []*partition[S]) error {
	var req *kmsg.TxnOffsetCommitRequest
	head := s.cl.CommittedOffsets()
	for _, p := range parts {
		if p.slab == 0 && p.slabN == 0 { // it fired nothing after all
			continue
		}
		if req == nil {
			req = kmsg.NewPtrTxnOffsetCommitRequest()
		}
		for _, in := range s.r.def.Inputs {
			at, ok := head[in][p.id]
			if !ok || at.Offset < 0 {
				continue
			}
			t := kmsg.NewTxnOffsetCommitRequestTopic()
			t.Topic, t.TopicID = in, s.layout.inputs[in]
			tp := kmsg.NewTxnOffsetCommitRequestTopicPartition()
			tp.Partition, tp.Offset, tp.LeaderEpoch = p.id, at.Offset, at.Epoch
			t.Partitions = append(t.Partitions, tp)
			req.Topics = append(req.Topics, t)
		}
	}
	if req == nil || len(req.Topics) == 0 {
		return nil
	}
	return s.commitOffsets(s.r.txnCtx, req)
}

func (s *session[S]) commitOffsets(ctx context.Context, req *kmsg.TxnOffsetCommitRequest) error {
	id, epoch, err := s.cl.ProducerID(ctx)
	if err != nil {
		return fmt.Errorf("producer ID: %w", err)
	}
	add := kmsg.NewPtrAddOffsetsToTxnRequest()
	add.TransactionalID, add.ProducerID, add.ProducerEpoch, add.Group = s.r.txnID, id, epoch, Group(s.r.def.Name)
	if err := s.flush(nil); err != nil { // the transaction must have begun
		return err
	}
	aresp, err := add.RequestWith(ctx, s.cl)
	if err == nil {
		err = kerr.ErrorForCode(aresp.ErrorCode)
	}
	if err != nil {
		return fmt.Errorf("add offsets to the transaction: %w", err)
	}
	req.TransactionalID, req.ProducerID, req.ProducerEpoch, req.Group = s.r.txnID, id, epoch, add.Group
	req.MemberID, req.Generation = s.cl.GroupMetadata()
	req.InstanceID = kmsg.StringPtr(s.r.instance)
	resp, err := req.RequestWith(ctx, s.cl)
	if err != nil {
		return fmt.Errorf("commit offsets in the transaction: %w", err)
	}
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				return fmt.Errorf("commit offset of %s partition %d in the transaction: %w", t.Topic, p.Partition, err)
			}
		}
	}
	return nil
}

// apply makes the states of a committed transaction those of the partitions.
func (s *session[S]) apply(parts []*partition[S], records int, began time.Time) error {
	r := s.r
	var timers, rejects, produced int
	for _, p := range parts {
		timers, rejects, produced = timers+p.fired, rejects+p.rejects, produced+p.slab*slabSize+p.slabN
	}
	r.metrics.transactions.WithLabelValues("committed").Inc()
	r.metrics.records.Add(float64(records))
	r.metrics.timers.Add(float64(timers))
	r.metrics.rejected.Add(float64(rejects))
	r.metrics.outputs.Add(float64(produced))
	r.metrics.batch.Observe(float64(records))
	for _, p := range parts {
		for _, k := range p.settled {
			delete(r.failures, k)
		}
	}
	err := each(len(parts), records <= few, func(i int) error {
		parts[i].commit()
		return nil
	})
	r.metrics.latency.Observe(time.Since(began).Seconds())
	r.mu.Lock()
	for _, p := range parts {
		p.shownEntries = p.meta.entries
	}
	watch := r.onCommit
	r.mu.Unlock()
	if watch != nil {
		watch(records)
	}
	return err
}

func (s *session[S]) discard(parts []*partition[S]) {
	for _, p := range parts {
		p.abort()
	}
}

// abort takes a transaction back because of cause. It returns an error if the session can't go on.
func (s *session[S]) abort(parts []*partition[S], cause error) error {
	r := s.r
	r.metrics.transactions.WithLabelValues("aborted").Inc()
	_, err := s.gts.End(r.txnCtx, kgo.TryAbort)
	s.discard(parts)
	if err != nil {
		return errors.Join(cause, fmt.Errorf("abort a transaction: %w", err))
	}
	var f *failure
	if !errors.As(cause, &f) {
		return cause
	}
	k := failureKey{f.partition, f.topic, f.offset, f.key}
	if old := r.failures[k]; old != nil {
		f.attempts = old.attempts
	}
	f.attempts++
	r.failures[k] = f
	attrs := []any{"err", f, "attempt", f.attempts, "of", r.cfg.Attempts}
	if pe := (*panicError)(nil); errors.As(f.err, &pe) {
		attrs = append(attrs, "stack", string(pe.stack))
	}
	r.log.Error("a record failed: its transaction is taken back", attrs...)
	if f.attempts >= r.cfg.Attempts {
		return nil // the next time it goes to the dead letter
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if p := r.parts[f.partition]; p != nil { // its neighbours go on meanwhile
		p.retryAt = r.cfg.Clock().Add(backoff(f.attempts))
		s.cl.PauseFetchPartitions(s.inputs(p.id))
	}
	return nil
}
