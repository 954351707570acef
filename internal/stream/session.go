package stream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// fetchBytes is what a fetch takes of one partition: with more, a poll would be full of the records of two or three, and the cores
// that work on partitions in parallel would wait for each other.
const fetchBytes = 512 << 10

// session is the life of one Kafka client: one membership of the group, one epoch of the transactional ID. When
// the fate of a transaction is unknown the session ends, and the next one learns it from the changelog and from
// the committed offsets.
type session[S any] struct {
	r      *Runner[S]
	gts    *kgo.GroupTransactSession
	cl     *kgo.Client
	layout layout
	ctx    context.Context // ends with the session
	conns  conns
	wg     sync.WaitGroup

	lasted time.Duration // the last transaction

	mu          sync.Mutex
	interrupted bool // partitions were taken since the last End
}

func (r *Runner[S]) session(ctx context.Context) error {
	admin, err := kgo.NewClient(append(slices.Clone(r.cfg.Kafka), kgo.ClientID(Group(r.def.Name)))...)
	if err != nil {
		return &refusal{fmt.Errorf("%s: Kafka options: %w", r.def.Name, err)}
	}
	actx, cancel := context.WithTimeout(ctx, 15*time.Second)
	l, err := r.prepare(actx, admin)
	cancel()
	admin.Close()
	if err != nil {
		return err
	}
	r.partitions = l.partitions

	sctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s := &session[S]{r: r, layout: l, ctx: sctx}
	if err := s.open(); err != nil {
		return err
	}
	defer s.close(ctx, cancel)
	if _, _, err := s.cl.ProducerID(sctx); err != nil { // ends what a killed predecessor left open
		return fmt.Errorf("take over transactional ID %s: %w", r.txnID, err)
	}
	s.wg.Go(s.watch)
	if r.cfg.Standby {
		s.wg.Go(s.standby)
	}
	return s.loop()
}

func (s *session[S]) open() error {
	r := s.r
	opts := []kgo.Opt{
		kgo.ProducerBatchCompression(kgo.NoCompression()),
		kgo.ClientID(Group(r.def.Name)),
	}
	opts = append(opts, r.cfg.Kafka...)
	opts = append(opts,
		kgo.ConsumerGroup(Group(r.def.Name)),
		kgo.InstanceID(r.instance),
		kgo.ConsumeTopics(r.def.Inputs...),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.Balancers(newTogether(r.def.Inputs)),
		kgo.SessionTimeout(r.timeout),
		kgo.HeartbeatInterval(r.timeout/6),
		kgo.BlockRebalanceOnPoll(),
		kgo.OnPartitionsAssigned(s.assigned),
		kgo.OnPartitionsRevoked(s.revoked),
		kgo.OnPartitionsLost(s.revoked),
		kgo.TransactionalID(r.txnID),
		kgo.TransactionTimeout(r.cfg.TxnTimeout),
		kgo.FetchMaxWait(250*time.Millisecond), // a partition that comes back waits for the fetch under way without it
		kgo.FetchMaxPartitionBytes(fetchBytes),
		kgo.ProducerLinger(0),
		kgo.MaxBufferedRecords(1<<20),
		kgo.MetadataMinAge(100*time.Millisecond), // a partition's new leader is looked for at once
		kgo.RetryBackoffFn(func(n int) time.Duration { return min(10*time.Millisecond<<min(n, 10), time.Second) }),
		kgo.RecordPartitioner(placement()),
		kgo.WithLogger(clientLog{r.log}),
		kgo.WithHooks(&s.conns),
	)
	var err error
	if s.gts, err = kgo.NewGroupTransactSession(opts...); err != nil {
		return &refusal{fmt.Errorf("%s: Kafka options: %w", r.def.Name, err)}
	}
	s.cl = s.gts.Client()
	r.producer = s.cl
	return nil
}

// close leaves the group if the process is going, so that others take over at once; otherwise the next session
// takes the member's place.
func (s *session[S]) close(ctx context.Context, cancel context.CancelFunc) {
	if ctx.Err() != nil {
		s.leave()
	}
	cancel()
	s.r.mu.Lock()
	for _, p := range s.r.parts {
		if p.ready {
			if err := p.flushAll(); err != nil {
				s.r.log.Warn("the store is behind: the next start replays more", "partition", p.id, "err", err)
			}
		}
	}
	s.r.mu.Unlock()
	patience := time.AfterFunc(time.Second, s.conns.cut)
	s.gts.CloseAllowingRebalance()
	patience.Stop()
	s.wg.Wait()
	s.r.mu.Lock()
	defer s.r.mu.Unlock()
	s.r.joined = false
	for id := range s.r.parts {
		s.r.drop(id)
	}
}

func (s *session[S]) leave() {
	ctx, cancel := context.WithTimeout(s.r.txnCtx, 2*time.Second)
	defer cancel()
	req := kmsg.NewPtrLeaveGroupRequest()
	req.Group = Group(s.r.def.Name)
	m := kmsg.NewLeaveGroupRequestMember()
	m.MemberID, _ = s.cl.GroupMetadata()
	m.InstanceID = kmsg.StringPtr(s.r.instance)
	req.MemberID, req.Members = m.MemberID, append(req.Members, m)
	if _, err := req.RequestWith(ctx, s.cl); err != nil {
		s.r.log.Info("couldn't leave the group: the others wait for the session to time out", "err", err)
	}
}

// assigned runs between transactions. The new partitions stay paused until they are recovered.
func (s *session[S]) assigned(_ context.Context, cl *kgo.Client, got map[string][]int32) {
	added := s.take(cl, got)
	if len(added) > 0 {
		s.wg.Go(func() { s.endOrphans(s.ctx) })
	}
	// The client asks for the committed offsets next, and while a transaction of the last owner stands open it is
	// told to ask again in a second: end them first.
	limit := time.NewTimer(500 * time.Millisecond)
	defer limit.Stop()
	for _, p := range added {
		select {
		case <-p.fenced:
		case <-p.done:
		case <-limit.C:
			return
		}
	}
}

// take begins the recovery of new partitions.
func (s *session[S]) take(cl *kgo.Client, got map[string][]int32) (added []*partition[S]) {
	r := s.r
	r.mu.Lock()
	defer r.mu.Unlock()
	r.joined = true
	for _, ps := range got {
		for _, id := range ps {
			if r.parts[id] == nil {
				p := newPartition(r, id, r.cfg.CacheEntries)
				r.parts[id] = p
				added = append(added, p)
			}
		}
	}
	r.shareCache()
	for _, p := range added {
		cl.PauseFetchPartitions(s.inputs(p.id))
		ctx, stop := context.WithCancel(s.ctx)
		p.stop = stop
		before := r.ended[p.id]
		s.wg.Go(func() {
			defer close(p.done)
			if before != nil { // the partition was here before: nothing of that time may write to the store any more
				<-before
			}
			back, err := r.writers.take(ctx, p.id)
			if err != nil {
				return
			}
			defer back()
			if err := r.slots.Acquire(ctx, 1); err != nil {
				return
			}
			err = r.recoverUntilDone(ctx, p, s.layout)
			r.slots.Release(1)
			if err != nil {
				return
			}
			r.mu.Lock()
			p.ready, p.remaining, p.shownEntries = true, 0, p.meta.entries
			r.metrics.remaining.WithLabelValues(label(p.id)).Set(0)
			r.metrics.entries.WithLabelValues(label(p.id)).Set(float64(p.meta.entries))
			r.mu.Unlock()
			cl.ResumeFetchPartitions(s.inputs(p.id))
		})
	}
	return added
}

func (s *session[S]) revoked(_ context.Context, _ *kgo.Client, lost map[string][]int32) {
	s.mu.Lock()
	s.interrupted = true
	s.mu.Unlock()
	s.r.mu.Lock()
	defer s.r.mu.Unlock()
	for _, ps := range lost {
		for _, id := range ps {
			s.r.drop(id)
		}
	}
	s.r.shareCache()
}

// drop forgets a partition; r.mu is held. What isn't stored is in the changelog.
func (r *Runner[S]) drop(id int32) {
	if p := r.parts[id]; p != nil {
		p.stop()
		if err := p.flushEnd(true); err != nil {
			r.log.Warn("the store is behind: the next recovery replays more", "partition", id, "err", err)
		}
		r.ended[id] = p.done
		delete(r.parts, id)
		r.metrics.forget(id)
		for k := range r.failures {
			if k.partition == id {
				delete(r.failures, k)
			}
		}
	}
}

// shareCache divides the cache among the partitions; r.mu is held and no transaction runs.
func (r *Runner[S]) shareCache() {
	for _, p := range r.parts {
		p.entries = max(r.cfg.CacheEntries/len(r.parts), 1)
		p.cache.resize(p.entries)
		p.dec.most = max(r.cfg.Decoded/len(r.parts), 1)
	}
}

func (s *session[S]) inputs(partition int32) map[string][]int32 {
	m := map[string][]int32{}
	for _, in := range s.r.def.Inputs {
		m[in] = []int32{partition}
	}
	return m
}

// watch asks Kafka once a second whether it is there: an idle client wouldn't notice.
func (s *session[S]) watch() {
	r := s.r
	for {
		ctx, cancel := context.WithTimeout(s.ctx, 2*time.Second)
		err := s.cl.Ping(ctx)
		cancel()
		if s.ctx.Err() != nil {
			return
		}
		if err != nil {
			r.setHealthy(false, fmt.Sprintf("Kafka doesn't answer: %v", err))
		} else {
			r.setHealthy(true, "")
		}
		r.publish()
		if pause(s.ctx, time.Second) != nil {
			return
		}
	}
}

// publish sets the gauges.
func (r *Runner[S]) publish() {
	r.mu.Lock()
	defer r.mu.Unlock()
	st := r.status()
	for _, p := range st.Partitions {
		r.metrics.lag.WithLabelValues(label(p.Partition)).Set(float64(p.Lag))
		r.metrics.entries.WithLabelValues(label(p.Partition)).Set(float64(p.Entries))
	}
	r.metrics.ready.Set(map[bool]float64{true: 1}[st.Ready])
	r.metrics.bytes.Set(r.store.diskBytes())
}

// poll waits for records. Those that lie ready were fetched at the beginning of the last transaction, and what came while it was
// under way would have to wait for the one after this: so as long as they are few they are followed by another fetch, which is
// given a quarter of the time that a transaction takes.
func (s *session[S]) poll() kgo.Fetches {
	began := time.Now()
	fetches := s.pollFor(s.wait(), s.r.cfg.MaxPoll)
	n := fetches.NumRecords()
	if n == 0 || n > crowd || time.Since(began) > s.lasted/8 {
		return fetches
	}
	return append(fetches, s.pollFor(min(s.lasted/4, 5*time.Millisecond), s.r.cfg.MaxPoll-n)...)
}

// crowd is as many records as let a transaction take longer than the waiting does.
const crowd = 1000

func (s *session[S]) pollFor(d time.Duration, most int) kgo.Fetches {
	ctx, cancel := context.WithTimeout(s.ctx, d)
	defer cancel()
	return s.gts.PollRecords(ctx, most)
}

func (s *session[S]) loop() error {
	for s.ctx.Err() == nil {
		if err := s.settle(); err != nil {
			return err
		}
		full, err := s.store()
		if err != nil {
			return err
		}
		if full { // the disk can't keep up: no more records until it can
			if pause(s.ctx, 2*time.Millisecond) != nil {
				return nil
			}
			continue
		}
		err = s.step(s.poll())
		s.gts.AllowRebalance()
		if err != nil {
			return err
		}
	}
	return nil
}

// store flushes what is due to be flushed; full says that the next records have to wait for the disk.
func (s *session[S]) store() (full bool, err error) {
	s.r.mu.Lock()
	defer s.r.mu.Unlock()
	for _, p := range s.r.parts {
		if !p.ready {
			continue
		}
		waits, err := p.flushMaybe(max(flushKeys/len(s.r.parts), 1))
		if err != nil {
			return false, err
		}
		full = full || waits
	}
	return full, nil
}

// settle takes note of partitions that were taken between transactions. The group session would abort the next
// transaction for them, which has nothing to do with them.
func (s *session[S]) settle() error {
	s.mu.Lock()
	was := s.interrupted
	s.interrupted = false
	s.mu.Unlock()
	if !was {
		return nil
	}
	if _, err := s.gts.End(s.r.txnCtx, kgo.TryAbort); err != nil {
		return fmt.Errorf("after a rebalance: %w", err)
	}
	return nil
}

// wait is how long a poll may wait for records: until the next timer or retry, a tick at most.
func (s *session[S]) wait() time.Duration {
	now := s.r.cfg.Clock()
	d := s.r.cfg.Tick
	s.r.mu.Lock()
	defer s.r.mu.Unlock()
	for _, p := range s.r.parts {
		if !p.ready {
			continue
		}
		if !p.retryAt.IsZero() {
			d = min(d, p.retryAt.Sub(now))
			continue
		}
		if at := p.nextTimer(); at <= now.UnixMilli() {
			d = 0
		} else if ms := at - now.UnixMilli(); ms < d.Milliseconds() {
			d = time.Duration(ms) * time.Millisecond
		}
	}
	return max(d, 0)
}

// raiseTimeout makes the session as long as the brokers allow: Kafka's default for the shortest is 6 s.
func (r *Runner[S]) raiseTimeout() {
	was := r.timeout
	if r.timeout = 6 * time.Second; was >= r.timeout {
		r.timeout = 2 * was
	}
	r.log.Warn("the brokers allow no such short session (group.min.session.timeout.ms): a killed process's partitions wait longer", "wanted", was, "now", r.timeout)
}

// pollError says whether a poll's errors end the session.
func (s *session[S]) pollError(fetches kgo.Fetches) error {
	for _, e := range fetches.Errors() {
		var lost *kgo.ErrDataLoss
		var group *kgo.ErrGroupSession
		switch err := e.Err; {
		case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		case errors.As(err, &lost):
			s.r.log.Error("input records are gone from the topic before they were read", "err", err)
		case errors.Is(err, kerr.InvalidSessionTimeout):
			s.r.raiseTimeout()
			return fmt.Errorf("join the group: %w", err)
		case errors.As(err, &group) && !errors.Is(err, kerr.FencedInstanceID):
			s.r.log.Warn("the group session broke, joining again", "err", err)
			s.r.note(err.Error())
		default:
			return fmt.Errorf("poll %s partition %d: %w", e.Topic, e.Partition, err)
		}
	}
	return nil
}
