package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Group is the sink's consumer group.
const Group = "ringfence.sink"

// SinkOptions are what a sink needs.
type SinkOptions struct {
	Base         []kgo.Opt
	ClickHouse   Options
	CustomerHash func(id string) string
	Region       string // whose national numbers are known in ids, default CN
	Logger       *slog.Logger
	Registerer   prometheus.Registerer
	MaxBatch     int           // records written together at most, default 200,000; as many again are held while they are
	Linger       time.Duration // a busy topic is written once in this time, default 1 s
	Patience     time.Duration // an insert that is not answered in this time is given up and tried again, default 5 min
	// Hook is called between the steps, for tests that break things there.
	Hook func(step string)
}

// Sink writes facts into ClickHouse.
type Sink struct {
	opt      SinkOptions
	inserter *inserter
	metrics  *metrics
	client   *kgo.Client
	admin    *kadm.Client
	batches  chan *batch // converted, to be written

	mu      sync.Mutex
	pending map[string]map[int32]int64 // promised ends found at assignment
	queues  map[string]map[int32]*queue
	wrote   map[string]time.Time      // when a topic was written last
	unknown map[string]map[int32]bool // assigned, and their promises not read yet: nothing may be written
	good    map[string]*kgo.Record    // by table: one that it took
	spare   []*converter              // to be used again
	busy    int                       // batches that were cut and are not committed
	idle    chan struct{}             // closed when none is busy; nil = nobody waits
	expel   context.CancelCauseFunc   // ends this membership of the group
	over    <-chan struct{}           // closed when it has ended
	status  string
	ready   bool

	hurry atomic.Int64 // until when nothing lingers, in Unix nanoseconds
}

// NewSink makes a sink; Run does the work.
func NewSink(o SinkOptions) (*Sink, error) {
	if o.Region == "" {
		o.Region = "CN"
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.MaxBatch <= 0 {
		o.MaxBatch = 200_000
	}
	if o.Linger <= 0 {
		o.Linger = time.Second
	}
	if o.Patience <= 0 {
		o.Patience = 5 * time.Minute
	}
	if o.Hook == nil {
		o.Hook = func(string) {}
	}
	s := &Sink{opt: o, inserter: &inserter{opt: o.ClickHouse, patience: o.Patience}, metrics: newMetrics(o.Registerer), pending: map[string]map[int32]int64{}, queues: map[string]map[int32]*queue{}, wrote: map[string]time.Time{},
		unknown: map[string]map[int32]bool{}, good: map[string]*kgo.Record{}, status: "starting"}
	return s, s.connect()
}

// connect makes the consumer, a new member of the group.
func (s *Sink) connect() error {
	client, err := kgo.NewClient(append(append([]kgo.Opt{}, s.opt.Base...), kgo.ConsumerGroup(Group), kgo.ConsumeTopics(sources()...), kgo.DisableAutoCommit(),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(250*time.Millisecond),
		kgo.FetchMaxBytes(32<<20), kgo.FetchMaxPartitionBytes(8<<20),
		kgo.BlockRebalanceOnPoll(), kgo.SessionTimeout(10*time.Second), kgo.RebalanceTimeout(60*time.Second), kgo.Balancers(kgo.CooperativeStickyBalancer()),
		kgo.OnPartitionsAssigned(s.assigned), kgo.OnPartitionsRevoked(s.revoked), kgo.OnPartitionsLost(s.lost))...)
	if err != nil {
		return fmt.Errorf("open the sink's consumer: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.client, s.admin = client, kadm.NewClient(client)
	clear(s.queues)
	clear(s.pending)
	clear(s.unknown)
	return nil
}

// assigned marks new partitions: a former owner may have promised a range that must be cut exactly so again.
func (s *Sink) assigned(_ context.Context, _ *kgo.Client, parts map[string][]int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for topic, ps := range parts {
		for _, p := range ps {
			put(s.unknown, topic, p, true)
		}
	}
}

// revoked waits until what was cut is committed: the partitions' next owner begins behind it. If that takes long, because
// ClickHouse is away, this member ends instead and the next owner inserts the promised range again.
func (s *Sink) revoked(ctx context.Context, cl *kgo.Client, parts map[string][]int32) {
	s.mu.Lock()
	var idle chan struct{}
	if s.busy > 0 {
		idle = make(chan struct{})
		s.idle = idle
	}
	expel, over := s.expel, s.over
	s.mu.Unlock()
	if idle != nil {
		patience := time.NewTimer(handOver)
		defer patience.Stop()
		select {
		case <-idle:
		case <-over: // nothing of it will be committed any more
		case <-patience.C:
			if expel != nil {
				expel(errHandOver)
			}
		}
	}
	s.forget(parts)
}

// handOver is how long partitions that go to another process are finished.
const handOver = 15 * time.Second

var (
	errHandOver = errors.New("partitions went to another process while ClickHouse was away")
	errExpelled = errors.New("the group gave this member up")
)

// lost partitions have another owner already: whatever is under way is his.
func (s *Sink) lost(_ context.Context, _ *kgo.Client, parts map[string][]int32) {
	s.mu.Lock()
	expel, busy := s.expel, s.busy
	s.mu.Unlock()
	if expel != nil && busy > 0 {
		expel(errExpelled)
	}
	s.forget(parts)
}

func (s *Sink) forget(parts map[string][]int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for topic, ps := range parts {
		for _, p := range ps {
			delete(s.pending[topic], p)
			delete(s.queues[topic], p)
			delete(s.unknown[topic], p)
			if len(s.unknown[topic]) == 0 {
				delete(s.unknown, topic)
			}
		}
	}
}

func put[V any](m map[string]map[int32]V, topic string, p int32, v V) {
	if m[topic] == nil {
		m[topic] = map[int32]V{}
	}
	m[topic][p] = v
}

// Status says whether the sink writes, or why not.
func (s *Sink) Status() (bool, string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ready, s.status
}

func (s *Sink) note(ready bool, status string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ready, s.status = ready, status
}

// Run writes until ctx ends.
func (s *Sink) Run(ctx context.Context) error {
	defer s.inserter.close()
	for {
		err := s.member(ctx)
		s.client.CloseAllowingRebalance()
		if ctx.Err() != nil {
			return nil
		}
		// Whoever has the partitions now goes on from the promises, and so do we as a new member.
		s.opt.Logger.Warn("the sink lost its partitions while it was writing", "error", err)
		s.note(false, "joining again: "+err.Error())
		if err := s.connect(); err != nil {
			return err
		}
	}
}

// patiently tries again until it works or ctx ends.
func (s *Sink) patiently(ctx context.Context, step string, do func() error) error {
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		err := do()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if errors.Is(err, kerr.UnknownMemberID) || errors.Is(err, kerr.IllegalGeneration) || errors.Is(err, kerr.FencedInstanceID) {
			return err
		}
		s.note(false, step+": "+message(err))
		s.metrics.retries.WithLabelValues(step).Inc()
		s.opt.Logger.Warn("the sink tries again", "what", step, "error", err)
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(wait):
		}
	}
}

// fetching notes whether Kafka answers; that it does says nothing about an insert that is tried again.
func (s *Sink) fetching(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err != nil:
		s.ready, s.status = false, kafkaAway+err.Error()
	case strings.HasPrefix(s.status, kafkaAway):
		s.ready, s.status = true, ""
	}
}

const kafkaAway = "Kafka: "

// Lag is how many committed records the sink has not written yet, over all its topics.
func (s *Sink) Lag(ctx context.Context) (int64, error) {
	s.mu.Lock()
	admin := s.admin
	s.mu.Unlock()
	return Lag(ctx, admin, Group, sources())
}

// Lag of a consumer group on topics: from its committed offsets to the last stable ones.
func Lag(ctx context.Context, adm *kadm.Client, group string, topics []string) (int64, error) {
	ends, err := adm.ListCommittedOffsets(ctx, topics...)
	if err != nil {
		return 0, err
	}
	starts, err := adm.ListStartOffsets(ctx, topics...)
	if err != nil {
		return 0, err
	}
	done, err := adm.FetchOffsets(ctx, group)
	if err != nil && !errors.Is(err, kerr.GroupIDNotFound) { // a group that has not begun is behind by everything
		return 0, err
	}
	var lag int64
	ends.Each(func(e kadm.ListedOffset) {
		at := int64(0)
		if st, ok := starts.Lookup(e.Topic, e.Partition); ok {
			at = st.Offset
		}
		if o, ok := done.Lookup(e.Topic, e.Partition); ok && o.At > at {
			at = o.At
		}
		if e.Offset > at {
			lag += e.Offset - at
		}
	})
	return lag, nil
}
