package importer

import (
	"context"
	"fmt"
	"sync"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"google.golang.org/protobuf/proto"

	"github.com/ringfence/ringfence/event"
)

// KafkaMarks keeps marks in the compacted topic ringfence.imports. It reads the topic's new end before every answer, so
// that several processes may serve the same marks.
type KafkaMarks struct {
	client *kgo.Client
	admin  *kadm.Client

	mu    sync.Mutex
	marks map[string]*event.ImportMark
	next  map[int32]int64
}

// NewKafkaMarks makes a client of its own with opts (brokers, TLS, SASL). The topic must exist.
func NewKafkaMarks(opts ...kgo.Opt) (*KafkaMarks, error) {
	c, err := kgo.NewClient(append(opts, kgo.ConsumeTopics(event.TopicImports), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.RequiredAcks(kgo.AllISRAcks()))...)
	if err != nil {
		return nil, fmt.Errorf("connect for the marks of imports: %w", err)
	}
	return &KafkaMarks{client: c, admin: kadm.NewClient(c), marks: map[string]*event.ImportMark{}, next: map[int32]int64{}}, nil
}

// Close gives back the client.
func (k *KafkaMarks) Close() { k.client.Close() }

// Load returns the mark of a file, nil when there is none.
func (k *KafkaMarks) Load(ctx context.Context, digest string) (*event.ImportMark, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.catchUp(ctx); err != nil {
		return nil, err
	}
	if m := k.marks[digest]; m != nil {
		return proto.Clone(m).(*event.ImportMark), nil
	}
	return nil, nil
}

func (k *KafkaMarks) catchUp(ctx context.Context) error {
	starts, err := k.admin.ListStartOffsets(ctx, event.TopicImports)
	if err == nil {
		err = starts.Error()
	}
	if err != nil {
		return fmt.Errorf("find the marks' beginning: %w", err)
	}
	ends, err := k.admin.ListEndOffsets(ctx, event.TopicImports)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return fmt.Errorf("find the marks' end: %w", err)
	}
	behind := func() bool {
		for p, e := range ends[event.TopicImports] {
			if e.Offset > max(k.next[p], starts[event.TopicImports][p].Offset) {
				return true
			}
		}
		return false
	}
	for behind() {
		fs := k.client.PollFetches(ctx)
		if err := fs.Err0(); err != nil {
			return fmt.Errorf("read marks: %w", err)
		}
		for _, e := range fs.Errors() {
			return fmt.Errorf("read marks: %w", e.Err)
		}
		var bad error
		fs.EachRecord(func(r *kgo.Record) {
			k.next[r.Partition] = r.Offset + 1
			if r.Value == nil {
				delete(k.marks, string(r.Key))
				return
			}
			m := &event.ImportMark{}
			if err := proto.Unmarshal(r.Value, m); err != nil {
				bad = fmt.Errorf("decode the mark at %d/%d: %w", r.Partition, r.Offset, err)
				return
			}
			k.marks[string(r.Key)] = m
		})
		if bad != nil {
			return bad
		}
	}
	return nil
}

// Save keeps a mark; it is acknowledged by all replicas when Save returns.
func (k *KafkaMarks) Save(ctx context.Context, m *event.ImportMark) error {
	b, err := proto.Marshal(m)
	if err != nil {
		return err
	}
	r := &kgo.Record{Topic: event.TopicImports, Key: []byte(m.Digest), Value: b}
	if err := k.client.ProduceSync(ctx, r).FirstErr(); err != nil {
		return fmt.Errorf("keep the mark: %w", err)
	}
	return nil
}
