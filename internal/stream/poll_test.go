package stream

import (
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// buffered counts the records of the input that a client holds ready.
type buffered struct{ n atomic.Int64 }

func (b *buffered) OnFetchRecordBuffered(r *kgo.Record) {
	if r.Topic == inTopic {
		b.n.Add(1)
	}
}

// While a transaction is under way a record is fetched and another one comes after that: both are in the next transaction. The
// second fetch has a quarter of a transaction's time, so a slow machine may need another try; without it no try would do.
func TestWhatCameMeanwhileIsInTheNextTransaction(t *testing.T) {
	b, held := newBroker(t, 1), &buffered{}
	under, goOn := make(chan bool), make(chan bool)
	def := tallyDef("meanwhile")
	count := def.Process
	def.Process = func(c *Context[tally], r *Record) error {
		if string(r.Key) == "first" {
			under <- true
			<-goOn
		}
		return count(c, r)
	}
	cfg := b.config(t.TempDir(), "a")
	cfg.Kafka = append(cfg.Kafka, kgo.WithHooks(held))
	var mu sync.Mutex
	var sizes []int
	start(t, def, cfg, func(r *Runner[tally]) {
		r.onCommit = func(n int) { mu.Lock(); sizes = append(sizes, n); mu.Unlock() }
	})
	say := func(key string, i int) {
		t.Helper()
		if err := b.cl.ProduceSync(t.Context(), &kgo.Record{Topic: inTopic, Key: []byte(key), Value: strconv.AppendInt(nil, int64(i), 10)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	for i := range int64(50) {
		say("first", 1)
		<-under
		say("fetched", 2)
		until(t, "the second record is held ready", func() bool { return held.n.Load() == 3*i+2 })
		say("after it", 3)
		goOn <- true
		mu.Lock()
		seen := len(sizes)
		mu.Unlock()
		var last []int
		until(t, "three records are committed", func() bool {
			mu.Lock()
			defer mu.Unlock()
			sum := 0
			for _, n := range sizes {
				sum += n
			}
			last = sizes[min(seen, len(sizes)):]
			return int64(sum) == 3*i+3
		})
		if len(last) == 2 && last[1] == 2 {
			return
		}
	}
	t.Errorf("transactions of %v records: in 50 tries none had what was fetched and what came after it", sizes)
}
