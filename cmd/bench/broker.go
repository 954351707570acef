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

const partitions = 4

// outTopic is where the bare loop writes.
const outTopic = "bench.out"

// broker is the embedded Kafka with ringfence's topics.
type broker struct {
	kafka  *embedded.Kafka // nil = brokers from outside
	addrs  []string
	client *kgo.Client
	admin  *kadm.Client
}

func (b *bench) broker(ctx context.Context, name string) (*broker, error) {
	br := &broker{addrs: b.brokers}
	replication := min(len(b.brokers), 3)
	var err error
	if len(b.brokers) == 0 {
		replication = 1
		if br.kafka, err = embedded.StartKafka(embedded.KafkaOptions{Dir: filepath.Join(b.dir, name, "kafka")}); err != nil {
			return nil, err
		}
		br.addrs = br.kafka.Addrs()
	}
	if br.client, err = kgo.NewClient(append(br.base(), kgo.MaxBufferedRecords(1<<18), kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.ProducerLinger(time.Millisecond))...); err != nil {
		br.close()
		return nil, err
	}
	br.admin = kadm.NewClient(br.client)
	if err := kafka.EnsureTopics(ctx, br.client, partitions, replication); err != nil {
		br.close()
		return nil, err
	}
	_, err = br.admin.CreateTopic(ctx, partitions, int16(replication), nil, outTopic)
	return br, err
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

// throughput waits until a group has committed n records of a topic and gives the rate between the first commit seen
// and the last.
func (br *broker) throughput(ctx context.Context, group, topic string, n int64) (float64, error) {
	var began time.Time
	var first int64
	for {
		offsets, err := br.admin.FetchOffsets(ctx, group)
		if err != nil && !errors.Is(err, kerr.GroupIDNotFound) {
			return 0, err
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
				return 0, fmt.Errorf("%s was done before the first look: more records are needed", group)
			}
			return float64(n-first) / time.Since(began).Seconds(), nil
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// bare is the loop the runtime is measured against: consume, produce one record for each, commit, in transactions.
func (br *broker) bare(ctx context.Context, group string, at kgo.Offset, maxPoll int, answer func(*kgo.Record) *kgo.Record) error {
	s, err := kgo.NewGroupTransactSession(append(br.base(), kgo.ConsumerGroup(group), kgo.TransactionalID(group), kgo.ConsumeTopics(event.TopicCustomerEvents),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.ConsumeResetOffset(at), kgo.ProducerLinger(0), kgo.ProducerBatchCompression(kgo.NoCompression()),
		kgo.MaxBufferedRecords(1<<20), kgo.FetchMaxWait(250*time.Millisecond), kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
	if err != nil {
		return err
	}
	defer s.Close()
	for {
		fs := s.PollRecords(ctx, maxPoll)
		if ctx.Err() != nil {
			return nil
		}
		if err := s.Begin(); err != nil {
			return err
		}
		fs.EachRecord(func(r *kgo.Record) { s.Produce(ctx, answer(r), nil) })
		if _, err := s.End(ctx, kgo.TryCommit); err != nil {
			return err
		}
	}
}
