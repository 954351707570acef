package stream

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"github.com/ringfence/ringfence/event"
)

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		os.Exit(childMain())
	}
	goleak.VerifyTestMain(m)
}

// tally is the state of the tests' processor: how many records a key had, and the last value.
type tally struct {
	n, sum uint64
}

type tallyCodec struct{}

func (tallyCodec) Append(dst []byte, s *tally) ([]byte, error) {
	return binary.AppendUvarint(binary.AppendUvarint(dst, s.n), s.sum), nil
}

func (tallyCodec) Decode(src []byte) (*tally, error) {
	n, l := binary.Uvarint(src)
	if l <= 0 {
		return nil, errors.New("cut")
	}
	sum, k := binary.Uvarint(src[l:])
	if k <= 0 {
		return nil, errors.New("cut")
	}
	return &tally{n, sum}, nil
}

const (
	inTopic  = "in"
	outTopic = "out"
)

// tallyDef counts the records of a key and emits "n:sum" for each: any loss, repetition or stale state shows in
// the outputs as a number that isn't the next.
func tallyDef(name string) Definition[tally] {
	return Definition[tally]{
		Name: name, Inputs: []string{inTopic}, Codec: tallyCodec{},
		OwnKey: true, Process: func(c *Context[tally], r *Record) error {
			v, err := strconv.ParseUint(string(r.Value), 10, 64)
			if err != nil {
				return &Reject{Reason: "not a number", Pointer: "/value"}
			}
			s, ok, err := c.Get(string(r.Key))
			if err != nil {
				return err
			}
			if !ok {
				s = &tally{}
			}
			s.n++
			s.sum += v
			c.Emit(Output{Topic: outTopic, Key: r.Key, Value: fmt.Appendf(nil, "%d:%d", s.n, s.sum), Partition: r.Partition, ToPartition: true})
			return c.Put(string(r.Key), s)
		},
	}
}

type broker struct {
	t     testing.TB
	c     *kfake.Cluster
	cl    *kgo.Client
	parts int32
}

func newBroker(t testing.TB, partitions int32, opts ...kfake.Opt) *broker {
	t.Helper()
	opts = append([]kfake.Opt{
		kfake.NumBrokers(1), kfake.SeedTopics(partitions, inTopic, outTopic), kfake.SeedTopics(1, event.TopicDeadLetter),
		kfake.GroupMinSessionTimeout(100 * time.Millisecond),
	}, opts...)
	c, err := kfake.NewCluster(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	b := &broker{t: t, c: c, parts: partitions}
	b.cl = b.client()
	return b
}

func (b *broker) client(opts ...kgo.Opt) *kgo.Client {
	b.t.Helper()
	cl, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(b.c.ListenAddrs()...), kgo.RecordPartitioner(placement())}, opts...)...)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(cl.Close)
	return cl
}

func (b *broker) config(dir, instance string) Config {
	return Config{
		Kafka: []kgo.Opt{kgo.SeedBrokers(b.c.ListenAddrs()...)}, DataDir: dir, InstanceID: instance,
		Session: time.Second, Logger: testLog(b.t), MemTable: 4 << 20, BlockCache: 4 << 20,
	}
}

// testLog writes to stderr when RINGFENCE_TEST_LOG is set.
func testLog(testing.TB) *slog.Logger {
	v := os.Getenv("RINGFENCE_TEST_LOG")
	if v == "" {
		return slog.New(slog.DiscardHandler)
	}
	n, _ := strconv.Atoi(v)
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.Level(n)}))
}

// running is a Runner in its goroutine.
type running struct {
	Runnable
	cancel context.CancelFunc
	err    chan error
	once   sync.Once
	result error
}

func start[S any](t testing.TB, def Definition[S], cfg Config, before ...func(*Runner[S])) *running {
	t.Helper()
	r, err := New(def, cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range before {
		f(r)
	}
	ctx, cancel := context.WithCancel(context.Background())
	x := &running{Runnable: r, cancel: cancel, err: make(chan error, 1)}
	go func() { x.err <- r.Run(ctx) }()
	t.Cleanup(func() {
		if err := x.stop(); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return x
}

func (x *running) stop() error {
	x.once.Do(func() {
		x.cancel()
		x.result = <-x.err
	})
	return x.result
}

// until polls cond, which must become true within a minute.
func until(t testing.TB, what string, cond func() bool) {
	t.Helper()
	deadline := time.NewTimer(time.Minute)
	defer deadline.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-deadline.C:
			t.Fatalf("waited a minute for: %s", what)
		case <-tick.C:
		}
	}
}

// feed produces n records over keys: record i has key k<i mod keys> and value i. The oracle is told.
func (b *broker) feed(o *oracle, n, keys int) {
	b.t.Helper()
	recs := make([]*kgo.Record, n)
	for i := range recs {
		k, v := "k"+strconv.Itoa(o.fed%keys), o.fed
		o.fed++
		recs[i] = &kgo.Record{Topic: inTopic, Key: []byte(k), Value: strconv.AppendInt(nil, int64(v), 10), Partition: byKey}
		o.expect(k, uint64(v))
	}
	if err := b.cl.ProduceSync(context.Background(), recs...).FirstErr(); err != nil {
		b.t.Fatal(err)
	}
}

// oracle replays the inputs one by one, as one process without failures would.
type oracle struct {
	fed   int
	state map[string]tally
	want  map[string][]string
}

func newOracle() *oracle { return &oracle{state: map[string]tally{}, want: map[string][]string{}} }

func (o *oracle) expect(key string, v uint64) {
	s := o.state[key]
	s.n++
	s.sum += v
	o.state[key] = s
	o.want[key] = append(o.want[key], fmt.Sprintf("%d:%d", s.n, s.sum))
}

// check reads all committed outputs until as many are there as should be, then a moment longer for what shouldn't,
// and compares them key by key and in order.
func (b *broker) check(o *oracle) {
	b.t.Helper()
	got := b.outputs(o.fed)
	for k, want := range o.want {
		if g := strings.Join(got[k], " "); g != strings.Join(want, " ") {
			b.t.Fatalf("key %s: got %d outputs\n%.300s\nwant %d\n%.300s", k, len(got[k]), g, len(want), strings.Join(want, " "))
		}
	}
	for k := range got {
		if o.want[k] == nil {
			b.t.Fatalf("outputs of key %s nobody asked for: %v", k, got[k])
		}
	}
}

func (b *broker) outputs(n int) map[string][]string {
	b.t.Helper()
	got := map[string][]string{}
	for _, r := range b.read(outTopic, n) {
		got[string(r.Key)] = append(got[string(r.Key)], string(r.Value))
	}
	return got
}

// read reads a topic, committed records only: at least n, and all that is there then.
func (b *broker) read(topic string, n int) []*kgo.Record {
	b.t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(b.c.ListenAddrs()...), kgo.ConsumeTopics(topic), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(50*time.Millisecond))
	if err != nil {
		b.t.Fatal(err)
	}
	defer cl.Close()
	var out []*kgo.Record
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for len(out) < n {
		fs := cl.PollFetches(ctx)
		if ctx.Err() != nil {
			b.t.Fatalf("%s: %d records after a minute, %d expected", topic, len(out), n)
		}
		fs.EachRecord(func(r *kgo.Record) { out = append(out, r) })
	}
	for { // what is there beyond
		ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
		fs := cl.PollFetches(ctx)
		cancel()
		if fs.NumRecords() == 0 {
			return out
		}
		fs.EachRecord(func(r *kgo.Record) { out = append(out, r) })
	}
}

// say produces one record.
func (b *broker) say(key, value string) {
	b.t.Helper()
	rec := &kgo.Record{Topic: inTopic, Key: []byte(key), Value: []byte(value), Partition: byKey}
	if err := b.cl.ProduceSync(context.Background(), rec).FirstErr(); err != nil {
		b.t.Fatal(err)
	}
}

func testConfig(dir string) Config {
	return Config{Kafka: []kgo.Opt{kgo.SeedBrokers("127.0.0.1:1")}, DataDir: dir, MemTable: 1 << 20, BlockCache: 1 << 20}
}
