package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/internal/embedded"
	"github.com/ringfence/ringfence/internal/kafka"
)

const partitions = 8

// outTopic is where the bare loop writes.
const outTopic = "bench.out"

// broker is the embedded Kafka with ringfence's topics.
type broker struct {
	kafka  *embedded.Kafka // nil = brokers from outside
	addrs  []string
	client *kgo.Client
	admin  *kadm.Client

	replication int
}

func (b *bench) broker(ctx context.Context, name string) (*broker, error) {
	br := &broker{addrs: b.brokers, replication: min(len(b.brokers), 3)}
	var err error
	if len(b.brokers) == 0 {
		br.replication = 1
		if br.kafka, err = embedded.StartKafka(embedded.KafkaOptions{Dir: filepath.Join(b.dir, name, "kafka")}); err != nil {
			return nil, err
		}
		br.addrs = br.kafka.Addrs()
	}
	if br.client, err = kgo.NewClient(append(br.base(), kgo.MaxBufferedRecords(1<<18), kgo.ProducerLinger(5*time.Millisecond))...); err != nil {
		br.close()
		return nil, err
	}
	br.admin = kadm.NewClient(br.client)
	if err := kafka.EnsureTopics(ctx, br.client, partitions, br.replication); err != nil {
		br.close()
		return nil, err
	}
	if _, err = br.admin.CreateTopic(ctx, partitions, int16(br.replication), nil, outTopic); err != nil {
		br.close()
		return nil, err
	}
	return br, nil
}

func (br *broker) base() []kgo.Opt { return []kgo.Opt{kgo.SeedBrokers(br.addrs...)} }

func (br *broker) close() {
	if br.client != nil {
		br.client.Close()
	}
	if br.kafka != nil {
		br.kafka.Close()
	}
}

// clear deletes every topic of ringfence and of the bench, for brokers that are used again and again.
func (br *broker) clear(ctx context.Context) error {
	if br.kafka != nil {
		return nil
	}
	topics, err := br.admin.ListTopics(ctx)
	if err != nil {
		return err
	}
	_, err = br.admin.DeleteTopics(ctx, topics.Names()...)
	return err
}

// fill produces n records made by one.
func (br *broker) fill(ctx context.Context, n int, one func(i int) *kgo.Record) error {
	var failed atomic.Value
	for i := range n {
		br.client.Produce(ctx, one(i), func(_ *kgo.Record, err error) {
			if err != nil {
				failed.Store(err)
			}
		})
	}
	if err := br.client.Flush(ctx); err != nil {
		return err
	}
	if err, _ := failed.Load().(error); err != nil {
		return fmt.Errorf("fill: %w", err)
	}
	return nil
}

// spent is what a run took: records a second by the group's commits, from the first one seen to the last, and CPU time a record of
// this process, which is the embedded broker's too, from the start to the last.
type spent struct{ rate, micros float64 }

// throughput waits until a group has committed n records of a topic, and says what that took.
func (br *broker) throughput(ctx context.Context, group, topic string, n int64) (spent, error) {
	cpu := cpuOf(0)
	var began time.Time
	var first int64
	for {
		offsets, err := br.admin.FetchOffsets(ctx, group)
		if err != nil && !errors.Is(err, kerr.GroupIDNotFound) && !kerr.IsRetriable(err) { // brokers just started make their topics first
			return spent{}, err
		}
		var done int64
		for p := range int32(partitions) {
			if o, ok := offsets.Lookup(topic, p); ok && o.At > 0 {
				done += o.At
			}
		}
		if done > 0 && began.IsZero() {
			began, first = time.Now(), done
		}
		if done >= n {
			if n == first {
				return spent{}, fmt.Errorf("%s was done before the first look: more records are needed", group)
			}
			return spent{float64(n-first) / time.Since(began).Seconds(), (cpuOf(0) - cpu) / float64(n) * 1e6}, nil
		}
		select {
		case <-ctx.Done():
			return spent{}, ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// loop is one way to run the bare loop.
type loop struct {
	what   string
	opts   []kgo.Opt
	answer func(*kgo.Record, func(*kgo.Record))
}

// echoes writes the first 48 bytes of a record to the partition it came from, so often.
func echoes(times int) func(*kgo.Record, func(*kgo.Record)) {
	return func(r *kgo.Record, put func(*kgo.Record)) {
		for range times {
			put(&kgo.Record{Topic: outTopic, Partition: r.Partition, Key: r.Key, Value: r.Value[:min(48, len(r.Value))]})
		}
	}
}

var (
	manual = kgo.RecordPartitioner(kgo.ManualPartitioner())
	plain  = kgo.ProducerBatchCompression(kgo.NoCompression())
	// loops of which the first is the measure: the client's defaults (which compress and place by key), a record of 48 bytes for each.
	// The others say what a part of it costs: without compression and placing, and with as many records as a decision writes.
	loops = []loop{
		{"bare loop", nil, echoes(1)},
		{"bare loop, uncompressed", []kgo.Opt{plain, manual}, echoes(1)},
		{"bare loop, uncompressed, two records for each", []kgo.Opt{plain, manual}, echoes(2)},
	}
)

// bare is the loop the runtime is measured against: consume, produce something for each record, commit, in transactions.
func (br *broker) bare(ctx context.Context, group string, maxPoll int, l loop) error {
	s, err := kgo.NewGroupTransactSession(append(append(br.base(), kgo.ConsumerGroup(group), kgo.TransactionalID(group), kgo.ConsumeTopics(event.TopicCustomerEvents),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.ProducerLinger(0),
		kgo.MaxBufferedRecords(1<<20), kgo.FetchMaxWait(250*time.Millisecond)), l.opts...)...)
	if err != nil {
		return err
	}
	defer s.Close()
	for {
		fs := s.PollRecords(ctx, maxPoll)
		if ctx.Err() != nil {
			return nil
		}
		if fs.NumRecords() == 0 {
			continue
		}
		if err := s.Begin(); err != nil {
			return err
		}
		fs.EachRecord(func(r *kgo.Record) { l.answer(r, func(out *kgo.Record) { s.Produce(ctx, out, nil) }) })
		if _, err := s.End(ctx, kgo.TryCommit); err != nil {
			return err
		}
	}
}

// bareRate runs a bare loop over n records.
func (br *broker) bareRate(ctx context.Context, group string, n int64, l loop) (spent, error) {
	bctx, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- br.bare(bctx, group, 50_000, l) }()
	v, err := br.throughput(ctx, group, event.TopicCustomerEvents, n)
	stop()
	if berr := <-done; err == nil {
		err = berr
	}
	return v, err
}
