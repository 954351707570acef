package stream

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// BenchmarkThroughput runs the runtime and a bare consume-transform-produce transaction loop over the same
// records on the same broker, in turns, and reports the medians, and that of the rounds' ratios. The records stand ready; what
// is measured is the time from the first output to the last.
//
//	go test -run - -bench Throughput -benchtime 1x ./internal/stream
func BenchmarkThroughput(b *testing.B) {
	n, keys := envInt("BENCH_RECORDS", 1_000_000), envInt("BENCH_KEYS", 100_000)
	for b.Loop() {
		br := newBroker(b, 4)
		br.fill(n, keys)
		var bare, ours, ratio []float64
		for round := range 5 {
			bare = append(bare, br.bareRate(fmt.Sprint("bare", round), n))
			ours = append(ours, br.runtimeRate(fmt.Sprint("ours", round), n))
			ratio = append(ratio, ours[round]/bare[round])
		}
		b.Logf("bare %.0f, stream %.0f records/s, ratio %.2f", bare, ours, ratio)
		b.ReportMetric(median(bare), "bare-rec/s")
		b.ReportMetric(median(ours), "stream-rec/s")
		b.ReportMetric(median(ratio), "ratio")
	}
}

func envInt(name string, def int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return def
}

// fill produces n records of 100 bytes' value or so over as many keys as told.
func (b *broker) fill(n, keys int) {
	b.t.Helper()
	cl := b.client(kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.MaxBufferedRecords(1<<18))
	defer cl.Close()
	var failed atomic.Int64
	for i := range n {
		cl.Produce(context.Background(), &kgo.Record{
			Topic: inTopic, Key: []byte("customer-" + strconv.Itoa(i*7919%keys)), Value: strconv.AppendInt(nil, int64(i), 10), Partition: byKey,
		}, func(_ *kgo.Record, err error) {
			if err != nil {
				failed.Add(1)
			}
		})
	}
	if err := cl.Flush(context.Background()); err != nil || failed.Load() > 0 {
		b.t.Fatalf("fill: %v, %d failed", err, failed.Load())
	}
}

func (b *broker) bareRate(group string, n int) float64 {
	b.t.Helper()
	s, err := kgo.NewGroupTransactSession(kgo.SeedBrokers(b.c.ListenAddrs()...), kgo.ConsumerGroup(group), kgo.TransactionalID(group),
		kgo.ConsumeTopics(inTopic), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.ProducerLinger(0), kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.MaxBufferedRecords(1<<20), kgo.RecordPartitioner(placement()))
	if err != nil {
		b.t.Fatal(err)
	}
	defer s.Close()
	var began time.Time
	ctx := context.Background()
	for seen := 0; seen < n; {
		fs := s.PollRecords(ctx, 50_000)
		if began.IsZero() {
			began = time.Now()
		}
		if err := s.Begin(); err != nil {
			b.t.Fatal(err)
		}
		got := 0
		fs.EachRecord(func(r *kgo.Record) {
			got++
			s.Produce(ctx, &kgo.Record{Topic: outTopic, Key: r.Key, Value: r.Value, Partition: r.Partition}, nil)
		})
		ok, err := s.End(ctx, kgo.TryCommit)
		if err != nil {
			b.t.Fatal(err)
		}
		if ok {
			seen += got
		}
	}
	rate := float64(n) / time.Since(began).Seconds()
	if got := b.c.PartitionInfo(outTopic, 0); got.HighWatermark < int64(n/8) {
		b.t.Fatalf("the bare loop lost records: %+v", got)
	}
	return rate
}

func (b *broker) runtimeRate(name string, n int) float64 {
	b.t.Helper()
	var once sync.Once
	var began time.Time
	var seen atomic.Int64
	def := tallyDef(name)
	process := def.Process
	def.Process = func(c *Context[tally], r *Record) error {
		once.Do(func() { began = time.Now() })
		return process(c, r)
	}
	cfg := b.config(b.t.TempDir(), "bench")
	cfg.MemTable, cfg.BlockCache = 0, 0
	done := make(chan struct{})
	r := start(b.t, def, cfg, func(r *Runner[tally]) {
		r.onCommit = func(records int) {
			if seen.Add(int64(records)) == int64(n) {
				close(done)
			}
		}
	})
	<-done
	took := time.Since(began)
	if err := r.stop(); err != nil {
		b.t.Fatal(err)
	}
	return float64(n) / took.Seconds()
}

// BenchmarkLatency sends 5,000 records a second and measures from Produce to the output, read committed.
func BenchmarkLatency(b *testing.B) {
	rate, n := envInt("BENCH_RATE", 5000), envInt("BENCH_LATENCY_RECORDS", 25_000)
	for b.Loop() {
		br := newBroker(b, 4)
		o := newOracle()
		br.feed(o, 1000, 1000)
		start(b, tallyDef("latency"), br.config(b.TempDir(), "a"))
		br.check(o)
		took := br.latencies(rate, n)
		slices.Sort(took)
		for _, q := range []struct {
			name string
			at   float64
		}{{"p50-ms", .5}, {"p99-ms", .99}, {"p99.9-ms", .999}} {
			b.ReportMetric(took[int(q.at*float64(len(took)-1))].Seconds()*1000, q.name)
		}
	}
}

func (b *broker) latencies(rate, n int) []time.Duration {
	b.t.Helper()
	cl := b.client(kgo.ConsumeTopics(outTopic), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.ConsumeResetOffset(kgo.NewOffset().AtEnd()))
	producer := b.client(kgo.ProducerLinger(0), kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.DisableIdempotentWrite(), kgo.RequiredAcks(kgo.LeaderAck()))
	// One record and back, so that the reader stands at the end.
	cl.PollFetches(contextFor(100 * time.Millisecond))
	sent := make([]time.Time, n)
	began := time.Now()
	go func() {
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for i := 0; i < n; {
			for due := int(time.Since(began).Seconds() * float64(rate)); i < min(due, n); i++ {
				sent[i] = time.Now()
				producer.Produce(context.Background(), &kgo.Record{
					Topic: inTopic, Key: []byte("key-" + strconv.Itoa(i)), Value: strconv.AppendInt(nil, int64(i), 10), Partition: byKey,
				}, nil)
			}
			<-tick.C
		}
	}()
	took := make([]time.Duration, 0, n)
	for len(took) < n {
		fs := cl.PollFetches(context.Background())
		now := time.Now()
		fs.EachRecord(func(r *kgo.Record) {
			i, err := strconv.Atoi(string(r.Value[2:])) // "1:<i>": every key has one record
			if err == nil && len(r.Key) > 4 {
				took = append(took, now.Sub(sent[i]))
			}
		})
	}
	return took
}

func contextFor(d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	context.AfterFunc(ctx, cancel)
	return ctx
}

func median(v []float64) float64 {
	v = slices.Clone(v)
	slices.Sort(v)
	return v[len(v)/2]
}

// BenchmarkRecovery loses the store and measures from the start until every partition is ready.
func BenchmarkRecovery(b *testing.B) {
	n := envInt("BENCH_STATES", 1_000_000)
	for b.Loop() {
		br := newBroker(b, 4)
		br.fill(n, n)
		br.runtimeRate("recovery", n)
		cfg := br.config(b.TempDir(), "again")
		cfg.MemTable, cfg.BlockCache = 0, 0
		began := time.Now()
		r := start(b, tallyDef("recovery"), cfg)
		until(b, "recovered", func() bool {
			s := r.Status()
			var entries int64
			for _, p := range s.Partitions {
				entries += p.Entries
			}
			return s.Ready && entries == int64(n)
		})
		b.ReportMetric(float64(n)/time.Since(began).Seconds(), "states/s")
		if err := r.stop(); err != nil {
			b.Fatal(err)
		}
	}
}
