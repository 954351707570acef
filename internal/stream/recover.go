package stream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// recoveries is how many partitions are recovered at a time at most: each may hold bulkBytes and a fetch.
const recoveries = 8

// recovery brings one partition of the store up to its changelog's end.
type recovery[S any] struct {
	r      *Runner[S]
	p      *partition[S]
	cl     *kgo.Client
	layout layout
	leader int32

	follows bool // a standby: only what is committed, and nobody's transaction is ended
}

// recoverUntilDone retries with back-off until the partition is recovered or ctx is done.
func (r *Runner[S]) recoverUntilDone(ctx context.Context, p *partition[S], l layout) error {
	for attempt := 0; ; attempt++ {
		err := r.recoverOnce(ctx, p, l)
		if err == nil || ctx.Err() != nil {
			return ctx.Err()
		}
		r.log.Warn("recovery failed, trying again", "partition", p.id, "attempt", attempt+1, "err", err)
		r.note(fmt.Sprintf("recovery of partition %d: %v", p.id, err))
		if err := pause(ctx, backoff(attempt)); err != nil {
			return err
		}
	}
}

func (r *Runner[S]) recoverOnce(ctx context.Context, p *partition[S], l layout) error {
	cl, err := kgo.NewClient(append(append([]kgo.Opt(nil), r.cfg.Kafka...), kgo.ClientID("ringfence-"+r.def.Name+"-recovery"))...)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer cl.Close()
	c := &recovery[S]{r: r, p: p, cl: cl, layout: l}
	started := time.Now()
	n, err := c.run(ctx)
	if err != nil {
		return err
	}
	if n > 0 {
		r.log.Info("partition recovered", "partition", p.id, "records", n, "took", time.Since(started).Round(time.Millisecond))
	}
	return nil
}

// run replays what the store lacks. The end is the high watermark at the start, not the last stable offset: an
// open transaction of the partition's last owner may still be committed, and its input offsets with it.
func (c *recovery[S]) run(ctx context.Context) (records int64, err error) {
	topics, err := describe(ctx, c.cl, []string{c.r.changelog})
	if err != nil {
		return 0, err
	}
	t, ok := topics[c.r.changelog]
	if !ok || t.TopicID != c.layout.topicID {
		return 0, fmt.Errorf("%s was deleted or made anew since this session began", c.r.changelog)
	}
	c.leader = -1
	for _, p := range t.Partitions {
		if p.Partition == c.p.id {
			c.leader = p.Leader
		}
	}
	if c.leader < 0 {
		return 0, fmt.Errorf("%s partition %d has no leader", c.r.changelog, c.p.id)
	}
	low, err := c.offset(ctx, -2, 0)
	if err != nil {
		return 0, err
	}
	end, err := c.offset(ctx, -1, 0)
	if err != nil {
		return 0, err
	}
	stable, err := c.offset(ctx, -1, 1)
	if err != nil {
		return 0, err
	}
	if c.follows {
		end = stable
	} else if stable < end {
		c.fenceOthers(ctx)
	}
	c.p.fence()
	m, full, err := c.start(low, end)
	if err != nil {
		return 0, err
	}
	c.progress(m.offset, m.offset, end)
	records, err = c.replay(ctx, &m, end, full)
	if err != nil {
		return records, err
	}
	if m.entries == uncounted {
		if m.entries, err = c.r.store.count(c.p.id); err != nil {
			return records, err
		}
	}
	m.at = c.r.cfg.Clock().UnixMilli()
	b := c.r.store.db.NewBatch()
	if err := errors.Join(setMeta(b, c.p.id, m), b.Commit(pebble.NoSync)); err != nil {
		return records, &storeError{err}
	}
	c.p.meta = m
	c.p.next.Store(m.offset)
	c.p.advance(time.UnixMilli(m.now))
	return records, nil
}

// start decides where the replay begins: after what the store holds, or at the beginning with the store wiped, if
// the changelog isn't the one the store was filled from or has lost what lies between.
func (c *recovery[S]) start(low, end int64) (m meta, full bool, err error) {
	m, ok, err := c.r.store.meta(c.p.id)
	if err != nil {
		return m, false, err
	}
	age := c.r.cfg.Clock().Sub(time.UnixMilli(m.at))
	var why string
	switch {
	case !ok:
		why = "nothing is stored"
	case m.topicID != c.layout.topicID:
		why = "the changelog was made anew"
	case m.offset < low:
		why = fmt.Sprintf("the changelog starts at %d, the store ends at %d", low, m.offset)
	case m.offset > end:
		why = fmt.Sprintf("the changelog ends at %d, the store at %d", end, m.offset)
	case age > c.r.cfg.MaxStaleStore && m.offset < end:
		why = fmt.Sprintf("the store is %v old: deletions may be missing from the changelog", age.Round(time.Hour))
	default:
		return m, false, nil
	}
	if ok {
		c.r.log.Warn("the stored state is thrown away and replayed", "partition", c.p.id, "reason", why)
	}
	if err := c.r.store.wipe(c.p.id); err != nil {
		return m, false, err
	}
	return meta{topicID: c.layout.topicID, offset: low, now: m.now}, true, nil
}

func (c *recovery[S]) progress(from, at, end int64) {
	c.r.mu.Lock()
	defer c.r.mu.Unlock()
	if c.follows {
		c.r.metrics.standby.WithLabelValues(label(c.p.id)).Set(float64(max(end-at, 0)))
		return
	}
	c.p.recovered, c.p.remaining = at-from, max(end-at, 0)
	c.r.metrics.remaining.WithLabelValues(label(c.p.id)).Set(float64(c.p.remaining))
}

func (c *recovery[S]) replay(ctx context.Context, m *meta, end int64, full bool) (n int64, err error) {
	from := m.offset
	var b bulk
	for m.offset < end {
		if err := ctx.Err(); err != nil {
			return n, err
		}
		part, err := c.fetch(ctx, m.offset)
		if err != nil {
			return n, err
		}
		fp, next := kgo.ProcessFetchPartition(kgo.ProcessFetchPartitionOpts{
			Offset: m.offset, IsolationLevel: kgo.ReadCommitted(), Topic: c.r.changelog, Partition: c.p.id,
		}, part, kgo.DefaultDecompressor(), nil)
		if fp.Err != nil {
			return n, fmt.Errorf("fetch %s partition %d at %d: %w", c.r.changelog, c.p.id, m.offset, fp.Err)
		}
		if next <= m.offset && len(fp.Records) == 0 {
			if part.LastStableOffset >= end && len(part.RecordBatches) == 0 {
				next = end // compaction has left nothing up to here
			} else {
				next = m.offset
			}
		}
		if full {
			err = c.gather(ctx, m, &b, fp.Records, next, next >= end)
		} else {
			err = c.apply(m, fp.Records, next)
		}
		if err != nil {
			return n, err
		}
		n += int64(len(fp.Records))
		if !c.follows {
			c.r.metrics.recovered.Add(float64(len(fp.Records)))
		}
		c.progress(from, m.offset, end)
	}
	return n, nil
}

// gather keeps one fetch's records for a file, which is taken in when it is large enough or the last.
func (c *recovery[S]) gather(ctx context.Context, m *meta, b *bulk, recs []*kgo.Record, next int64, last bool) error {
	for _, rec := range recs {
		b.add(rec.Key, rec.Value)
	}
	m.offset = next
	if len(b.items) == 0 || !last && b.size < bulkBytes {
		return nil
	}
	m.at = c.r.cfg.Clock().UnixMilli()
	if err := c.r.store.ingest(ctx, c.r.dir, c.p.id, m, b); err != nil {
		return fmt.Errorf("%s partition %d up to %d: %w", c.r.changelog, c.p.id, next, err)
	}
	return nil
}

// apply writes one fetch's records into the store, and with them the offset they lead to.
func (c *recovery[S]) apply(m *meta, recs []*kgo.Record, next int64) error {
	size := 64
	for _, rec := range recs {
		size += 2*(prefixLen+len(rec.Key)) + len(rec.Value) + 48
	}
	b := c.r.store.db.NewBatchWithSize(size)
	defer b.Close()
	var key []byte
	// A key may come several times: the count of states needs what each was before.
	seen := map[string]bool{}
	for _, rec := range recs {
		state, timer, err := parseValue(rec.Value)
		if err != nil {
			return fmt.Errorf("%s partition %d offset %d: %w", c.r.changelog, c.p.id, rec.Offset, err)
		}
		key = stateKey(key[:0], c.p.id, rec.Key)
		if m.entries != uncounted {
			had, ok := seen[string(rec.Key)]
			if !ok {
				if had, err = c.had(key); err != nil {
					return err
				}
			}
			if has := state != nil; has != had {
				m.entries += map[bool]int64{true: 1, false: -1}[has]
			}
			seen[string(rec.Key)] = state != nil
		}
		if len(rec.Value) == 0 {
			err = b.Delete(key, nil)
		} else {
			err = b.Set(key, rec.Value, nil)
		}
		if err == nil && timer != noTimer {
			key = timerKey(key[:0], c.p.id, timer, rec.Key)
			err = b.Set(key, nil, nil)
		}
		if err != nil {
			return &storeError{err}
		}
	}
	m.offset = next
	m.at = c.r.cfg.Clock().UnixMilli()
	if err := errors.Join(setMeta(b, c.p.id, *m), b.Commit(pebble.NoSync)); err != nil {
		return &storeError{err}
	}
	return nil
}

func (c *recovery[S]) had(key []byte) (bool, error) {
	v, ok, err := c.r.store.get(c.p.val[:0], key)
	c.p.val = v[:0]
	return ok && len(v) > 0 && v[0]&flagState != 0, err
}

// offset asks for an end of the changelog: -2 the start, -1 the end, isolation 1 up to open transactions only.
func (c *recovery[S]) offset(ctx context.Context, timestamp int64, isolation int8) (int64, error) {
	req := kmsg.NewPtrListOffsetsRequest()
	req.IsolationLevel = isolation
	t := kmsg.NewListOffsetsRequestTopic()
	t.Topic = c.r.changelog
	p := kmsg.NewListOffsetsRequestTopicPartition()
	p.Partition, p.Timestamp = c.p.id, timestamp
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	resp, err := req.RequestWith(ctx, c.cl)
	if err != nil {
		return 0, fmt.Errorf("list offsets of %s: %w", c.r.changelog, err)
	}
	if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
		return 0, fmt.Errorf("list offsets of %s: expected one partition in the answer", c.r.changelog)
	}
	got := resp.Topics[0].Partitions[0]
	if err := kerr.ErrorForCode(got.ErrorCode); err != nil {
		return 0, fmt.Errorf("list offsets of %s: %w", c.r.changelog, err)
	}
	return got.Offset, nil
}

func (c *recovery[S]) fetch(ctx context.Context, offset int64) (*kmsg.FetchResponseTopicPartition, error) {
	req := kmsg.NewPtrFetchRequest()
	req.MaxWaitMillis, req.MinBytes, req.MaxBytes, req.IsolationLevel, req.SessionEpoch = 100, 1, 64<<20, 1, -1
	t := kmsg.NewFetchRequestTopic()
	t.Topic, t.TopicID = c.r.changelog, c.layout.topicID
	p := kmsg.NewFetchRequestTopicPartition()
	p.Partition, p.FetchOffset, p.PartitionMaxBytes = c.p.id, offset, 16<<20
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	kresp, err := c.cl.Broker(int(c.leader)).RetriableRequest(ctx, req)
	if err != nil {
		return nil, fmt.Errorf("fetch %s partition %d: %w", c.r.changelog, c.p.id, err)
	}
	resp := kresp.(*kmsg.FetchResponse)
	if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
		return nil, fmt.Errorf("fetch %s partition %d: %w", c.r.changelog, c.p.id, err)
	}
	for i := range resp.Topics {
		for j := range resp.Topics[i].Partitions {
			return &resp.Topics[i].Partitions[j], nil
		}
	}
	return nil, fmt.Errorf("fetch %s partition %d: empty answer", c.r.changelog, c.p.id)
}

// fenceOthers ends the transactions that stand open on this changelog partition. Only its owner writes to it, and
// that is this process now: whoever has one open died or has lost the partition, and without this his transaction
// holds the partition up until the broker's time limit. Best effort: the time limit is the fallback.
func (c *recovery[S]) fenceOthers(ctx context.Context) {
	ids, err := c.openTransactions(ctx)
	if err != nil {
		c.r.log.Debug("can't look up open transactions", "partition", c.p.id, "err", err)
		return
	}
	for _, id := range ids {
		err := c.r.endTransaction(ctx, c.cl, id)
		c.r.log.Info("ended the open transaction of the partition's last owner", "partition", c.p.id, "transactional_id", id, "err", err)
	}
}

// fence notes that other processes' transactions are ended.
func (p *partition[S]) fence() {
	select {
	case <-p.fenced:
	default:
		close(p.fenced)
	}
}

func (c *recovery[S]) openTransactions(ctx context.Context) ([]string, error) {
	preq := kmsg.NewPtrDescribeProducersRequest()
	t := kmsg.NewDescribeProducersRequestTopic()
	t.Topic, t.Partitions = c.r.changelog, []int32{c.p.id}
	preq.Topics = append(preq.Topics, t)
	kresp, err := c.cl.Broker(int(c.leader)).RetriableRequest(ctx, preq)
	if err != nil {
		return nil, err
	}
	lreq := kmsg.NewPtrListTransactionsRequest()
	for _, t := range kresp.(*kmsg.DescribeProducersResponse).Topics {
		for _, p := range t.Partitions {
			for _, a := range p.ActiveProducers {
				if a.CurrentTxnStartOffset >= 0 {
					lreq.ProducerIDFilters = append(lreq.ProducerIDFilters, a.ProducerID)
				}
			}
		}
	}
	if len(lreq.ProducerIDFilters) == 0 {
		return nil, nil
	}
	var ids []string
	for _, shard := range c.cl.RequestSharded(ctx, lreq) {
		if shard.Err != nil {
			err = errors.Join(err, shard.Err)
			continue
		}
		for _, s := range shard.Resp.(*kmsg.ListTransactionsResponse).TransactionStates {
			if s.TransactionalID != c.r.txnID {
				ids = append(ids, s.TransactionalID)
			}
		}
	}
	return ids, err
}
