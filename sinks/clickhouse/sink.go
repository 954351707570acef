package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"golang.org/x/sync/errgroup"
)

// Group is the sink's consumer group.
const Group = "ringfence.sink"

// SinkOptions are what a sink needs.
type SinkOptions struct {
	Base         []kgo.Opt
	Conn         driver.Conn
	CustomerHash func(id string) string
	Logger       *slog.Logger
	Registerer   prometheus.Registerer
	MaxPoll      int
	// Hook is called between the steps, for tests that break things there.
	Hook func(step string)
}

// Sink writes facts into ClickHouse.
type Sink struct {
	opt     SinkOptions
	client  *kgo.Client
	admin   *kadm.Client
	written *prometheus.CounterVec

	mu      sync.Mutex
	pending map[string]map[int32]int64 // promised ends found at assignment
	held    map[string]map[int32][]*kgo.Record
	status  string
	ready   bool
}

// NewSink makes a sink; Run does the work.
func NewSink(o SinkOptions) (*Sink, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.MaxPoll <= 0 {
		o.MaxPoll = 50_000
	}
	if o.Hook == nil {
		o.Hook = func(string) {}
	}
	s := &Sink{opt: o, pending: map[string]map[int32]int64{}, held: map[string]map[int32][]*kgo.Record{}, status: "starting",
		written: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ringfence_sink_rows_total", Help: "Rows written into ClickHouse."}, []string{"table"})}
	if o.Registerer != nil {
		o.Registerer.MustRegister(s.written)
	}
	var err error
	s.client, err = kgo.NewClient(append(append([]kgo.Opt{}, o.Base...), kgo.ConsumerGroup(Group), kgo.ConsumeTopics(Topics()...), kgo.DisableAutoCommit(),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(500*time.Millisecond),
		kgo.BlockRebalanceOnPoll(), kgo.SessionTimeout(10*time.Second), kgo.RebalanceTimeout(60*time.Second), kgo.Balancers(kgo.CooperativeStickyBalancer()),
		kgo.OnPartitionsAssigned(s.assigned), kgo.OnPartitionsRevoked(s.lost), kgo.OnPartitionsLost(s.lost))...)
	if err != nil {
		return nil, fmt.Errorf("open the sink's consumer: %w", err)
	}
	s.admin = kadm.NewClient(s.client)
	return s, nil
}

// assigned looks up which ranges a former owner had promised for the partitions.
func (s *Sink) assigned(ctx context.Context, _ *kgo.Client, parts map[string][]int32) {
	offsets, err := s.admin.FetchOffsets(ctx, Group)
	s.mu.Lock()
	defer s.mu.Unlock()
	for topic, ps := range parts {
		for _, p := range ps {
			o, ok := offsets.Lookup(topic, p)
			if err != nil || !ok {
				continue
			}
			if end, found := strings.CutPrefix(o.Metadata, "pending "); found {
				if b, perr := strconv.ParseInt(end, 10, 64); perr == nil && b > o.At {
					put(s.pending, topic, p, b)
				}
			}
		}
	}
	if err != nil {
		// Without the promises nothing may be written: the range could be cut otherwise and counted twice.
		s.status = "cannot read committed offsets: " + err.Error()
		s.opt.Logger.Error("the sink cannot read its committed offsets", "error", err)
	}
}

func (s *Sink) lost(_ context.Context, _ *kgo.Client, parts map[string][]int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for topic, ps := range parts {
		for _, p := range ps {
			delete(s.pending[topic], p)
			delete(s.held[topic], p)
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

// rang is one partition's range of records to be written.
type rang struct {
	topic string
	part  int32
	a, b  int64
	epoch int32
	recs  []*kgo.Record
}

// Run writes until ctx ends.
func (s *Sink) Run(ctx context.Context) error {
	defer s.client.CloseAllowingRebalance()
	s.note(true, "")
	for {
		fetches := s.client.PollRecords(ctx, s.opt.MaxPoll)
		if ctx.Err() != nil {
			return nil
		}
		var failed error
		fetches.EachError(func(_ string, _ int32, err error) { failed = err })
		if failed != nil {
			s.note(false, "Kafka: "+failed.Error())
		} else {
			s.note(true, "")
		}
		ranges := s.ranges(fetches)
		if len(ranges) > 0 {
			if err := s.write(ctx, ranges); err != nil {
				if ctx.Err() != nil {
					return nil
				}
				return err
			}
		}
		s.client.AllowRebalance()
	}
}

// ranges cuts what was fetched into ranges; a promised range is held back until it is whole and cut exactly there.
func (s *Sink) ranges(fetches kgo.Fetches) []*rang {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []*rang
	add := func(topic string, p int32, recs []*kgo.Record) {
		last := recs[len(recs)-1]
		out = append(out, &rang{topic, p, recs[0].Offset, last.Offset + 1, last.LeaderEpoch, recs})
	}
	fetches.EachPartition(func(f kgo.FetchTopicPartition) {
		recs := f.Records
		if len(recs) == 0 {
			return
		}
		end, promised := s.pending[f.Topic][f.Partition]
		if !promised {
			add(f.Topic, f.Partition, recs)
			return
		}
		recs = append(s.held[f.Topic][f.Partition], recs...)
		n := 0
		for n < len(recs) && recs[n].Offset < end {
			n++
		}
		if n == len(recs) && recs[n-1].Offset < end-1 {
			put(s.held, f.Topic, f.Partition, recs) // the rest is still to come
			return
		}
		delete(s.pending[f.Topic], f.Partition)
		delete(s.held[f.Topic], f.Partition)
		if n > 0 {
			add(f.Topic, f.Partition, recs[:n])
		}
		if n < len(recs) {
			add(f.Topic, f.Partition, recs[n:])
		}
	})
	return out
}

// write promises, inserts and commits. Two ranges of one partition go one after the other.
func (s *Sink) write(ctx context.Context, ranges []*rang) error {
	for len(ranges) > 0 {
		seen := map[string]bool{}
		var now, later []*rang
		for _, r := range ranges {
			key := fmt.Sprint(r.topic, "/", r.part)
			if seen[key] {
				later = append(later, r)
			} else {
				seen[key] = true
				now = append(now, r)
			}
		}
		if err := s.writeOnce(ctx, now); err != nil {
			return err
		}
		ranges = later
	}
	return nil
}

func (s *Sink) writeOnce(ctx context.Context, ranges []*rang) error {
	if err := s.patiently(ctx, "promise", func() error { return s.commit(ctx, ranges, true) }); err != nil {
		return err
	}
	s.opt.Hook("promised")
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(4)
	for _, r := range ranges {
		g.Go(func() error { return s.insertRange(gctx, r) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	s.opt.Hook("inserted")
	return s.patiently(ctx, "commit", func() error { return s.commit(ctx, ranges, false) })
}

// patiently tries again until it works or ctx ends.
func (s *Sink) patiently(ctx context.Context, what string, do func() error) error {
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		err := do()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		s.note(false, what+": "+err.Error())
		s.opt.Logger.Warn("the sink tries again", "what", what, "error", err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
	}
}

// commit writes offsets: the range's start with its promised end, or its end.
func (s *Sink) commit(ctx context.Context, ranges []*rang, promise bool) error {
	offsets := map[string]map[int32]kgo.EpochOffset{}
	ends := map[string]map[int32]int64{}
	for _, r := range ranges {
		at := r.b
		if promise {
			at = r.a
		}
		put(offsets, r.topic, r.part, kgo.EpochOffset{Epoch: -1, Offset: at})
		put(ends, r.topic, r.part, r.b)
	}
	ctx = kgo.PreCommitFnContext(ctx, func(req *kmsg.OffsetCommitRequest) error {
		if !promise {
			return nil
		}
		for i := range req.Topics {
			for j := range req.Topics[i].Partitions {
				p := &req.Topics[i].Partitions[j]
				text := "pending " + strconv.FormatInt(ends[req.Topics[i].Topic][p.Partition], 10)
				p.Metadata = &text
			}
		}
		return nil
	})
	var failed error
	s.client.CommitOffsetsSync(ctx, offsets, func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, resp *kmsg.OffsetCommitResponse, err error) {
		failed = err
		if resp == nil {
			return
		}
		for _, t := range resp.Topics {
			for _, p := range t.Partitions {
				if p.ErrorCode != 0 {
					failed = errors.Join(failed, fmt.Errorf("offset of %s/%d: %w", t.Topic, p.Partition, kerr.ErrorForCode(p.ErrorCode)))
				}
			}
		}
	})
	return failed
}

// insertRange inserts a range's rows, table by table, each under its own token.
func (s *Sink) insertRange(ctx context.Context, r *rang) error {
	byTable := map[string][]row{}
	var order []string
	for _, rec := range r.recs {
		if rec.Attrs.IsControl() {
			continue // kept so that the committed offset reaches the topic's end
		}
		rows, err := s.rowsOf(rec)
		if err != nil {
			s.opt.Logger.Error("a fact cannot be read", "topic", r.topic, "partition", r.part, "offset", rec.Offset, "error", err)
			rows = []row{{"dead_letter", []any{rec.Timestamp.UTC(), "sink", err.Error(), fmt.Sprintf("%s/%d/%d", r.topic, r.part, rec.Offset), ""}}}
		}
		for _, x := range rows {
			if byTable[x.table] == nil {
				order = append(order, x.table)
			}
			byTable[x.table] = append(byTable[x.table], x)
		}
	}
	for _, table := range order {
		token := fmt.Sprintf("%s/%d/%d-%d/%s", r.topic, r.part, r.a, r.b, table)
		err := s.patiently(ctx, "insert into "+table, func() error { return s.insert(ctx, table, token, byTable[table]) })
		if err != nil {
			return err
		}
		s.written.WithLabelValues(table).Add(float64(len(byTable[table])))
		s.opt.Hook("table")
	}
	return nil
}

func (s *Sink) insert(ctx context.Context, table, token string, rows []row) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	ctx = ch.Context(ctx, ch.WithSettings(ch.Settings{"insert_deduplication_token": token, "async_insert": 0, "max_insert_block_size": 4_000_000, "min_insert_block_size_rows": 0}))
	b, err := s.opt.Conn.PrepareBatch(ctx, "INSERT INTO "+table+" ("+tables[table]+")")
	if err != nil {
		return err
	}
	for _, r := range rows {
		if err := b.Append(r.values...); err != nil {
			_ = b.Abort()
			return fmt.Errorf("row of %s: %w", table, err)
		}
	}
	return b.Send()
}

// Lag is how many committed records the sink has not written yet, over all its topics.
func (s *Sink) Lag(ctx context.Context) (int64, error) { return Lag(ctx, s.admin, Group, Topics()) }

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
	if err != nil {
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
