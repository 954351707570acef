package stream

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/ringfence/ringfence/event"
)

// Requests the broker refuses.
func TestRequestsFail(t *testing.T) {
	for _, tt := range []struct {
		key kmsg.Key
		err *kerr.Error
		top bool
	}{
		{kmsg.EndTxn, kerr.UnknownServerError, true},
		{kmsg.EndTxn, kerr.RequestTimedOut, true},
		{kmsg.EndTxn, kerr.InvalidTxnState, true},
		{kmsg.EndTxn, kerr.InvalidProducerEpoch, true},
		{kmsg.EndTxn, kerr.CoordinatorNotAvailable, true},
		{kmsg.TxnOffsetCommit, kerr.UnknownMemberID, false},
		{kmsg.TxnOffsetCommit, kerr.IllegalGeneration, false},
		{kmsg.TxnOffsetCommit, kerr.CoordinatorLoadInProgress, false},
		{kmsg.Produce, kerr.NotLeaderForPartition, false},
		{kmsg.Produce, kerr.NotEnoughReplicasAfterAppend, false},
		{kmsg.Produce, kerr.InvalidProducerEpoch, false},
		{kmsg.Heartbeat, kerr.UnknownMemberID, true},
		{kmsg.Heartbeat, kerr.RebalanceInProgress, true},
		{kmsg.Fetch, kerr.UnknownServerError, false},
		{kmsg.InitProducerID, kerr.CoordinatorLoadInProgress, true},
	} {
		t.Run(fmt.Sprint(tt.key.Name(), " ", tt.err.Message), func(t *testing.T) {
			b, o := newBroker(t, 3), newOracle()
			cfg := b.config(t.TempDir(), "a")
			cfg.MaxPoll = 100
			start(t, tallyDef("fault"), cfg)
			b.feed(o, 300, 31)
			b.check(o)
			var n atomic.Int64
			topic := ""
			if tt.key == kmsg.Produce {
				topic = outTopic // not the test's own records
			}
			h := b.c.Fault(kfake.Fault{Keys: []kmsg.Key{tt.key}, Topic: topic, Err: tt.err, TopLevel: tt.top, Count: 3, When: func(kmsg.Request) bool {
				return n.Add(1)%2 == 0
			}})
			for range 5 {
				b.feed(o, 500, 31)
			}
			b.check(o)
			if h.Hits() == 0 && tt.key != kmsg.InitProducerID { // that one is asked only at the start
				t.Error("no request failed")
			}
		})
	}
}

// Two processes with one transactional ID, as after a botched deployment: each fences the other off, and the sum
// of what they do is still right.
func TestZombieIsFenced(t *testing.T) {
	b, o := newBroker(t, 2), newOracle()
	cfg := b.config(t.TempDir(), "same")
	cfg.MaxPoll = 50
	start(t, tallyDef("zombie"), cfg)
	b.feed(o, 1000, 31)
	b.check(o)
	cfg.DataDir = t.TempDir()
	other := start(t, tallyDef("zombie"), cfg)
	for range 10 {
		b.feed(o, 300, 31)
	}
	b.check(o)
	if err := other.stop(); err != nil {
		t.Fatal(err)
	}
	b.feed(o, 1000, 31)
	b.check(o)
}

// The group expels the process in the middle of a transaction: it gives the transaction up and joins again.
func TestExpelledInATransaction(t *testing.T) {
	b, o := newBroker(t, 2), newOracle()
	var h *kfake.FaultHandle
	def := tallyDef("expelled")
	process := def.Process
	held := false
	def.Process = func(c *Context[tally], r *Record) error {
		if o := string(r.Value); o == "150" && !held {
			held = true
			h = b.c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, Err: kerr.UnknownMemberID, TopLevel: true, Count: 1})
			until(t, "a heartbeat is refused", func() bool { return h.Hits() > 0 })
		}
		return process(c, r)
	}
	start(t, def, b.config(t.TempDir(), "a"))
	b.feed(o, 100, 31)
	b.check(o)
	b.feed(o, 1000, 31)
	b.check(o)
}

// A process that is stopped while it joins the group ends at once, though the group waits for another member.
func TestStoppedWhileJoining(t *testing.T) {
	b, o := newBroker(t, 2), newOracle()
	def := tallyDef("joining")
	process := def.Process
	held, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	def.Process = func(c *Context[tally], r *Record) error {
		if string(r.Value) == "150" {
			once.Do(func() { close(held); <-release })
		}
		return process(c, r)
	}
	cfg := b.config(t.TempDir(), "a")
	cfg.Session = 20 * time.Second // it keeps its membership while it is held up
	start(t, def, cfg)
	b.feed(o, 200, 31)
	<-held
	var joins atomic.Int64
	b.c.ControlKey(int16(kmsg.JoinGroup), func(kmsg.Request) (kmsg.Response, error, bool) {
		joins.Add(1)
		b.c.KeepControl()
		return nil, nil, false
	})
	other := start(t, tallyDef("joining"), b.config(t.TempDir(), "b"))
	until(t, "the other joins", func() bool { return joins.Load() > 0 })
	began := time.Now()
	if err := other.stop(); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("it took %v to stop", took)
	}
	close(release)
	b.check(o)
}

// Partitions move back and forth while records flow. Each process comes back to a store that others have overtaken.
func TestRebalance(t *testing.T) {
	b, o := newBroker(t, 5), newOracle()
	dirs := []string{t.TempDir(), t.TempDir(), t.TempDir()}
	run := func(i int) *running {
		cfg := b.config(dirs[i], fmt.Sprint("p", i))
		cfg.MaxPoll = 100
		return start(t, tallyDef("move"), cfg)
	}
	live := []*running{run(0), nil, nil}
	for round := range 8 {
		b.feed(o, 500, 53)
		i := round % 3
		if live[i] != nil && (live[(i+1)%3] != nil || live[(i+2)%3] != nil) {
			if err := live[i].stop(); err != nil {
				t.Fatal(err)
			}
			live[i] = nil
		} else if live[i] == nil {
			live[i] = run(i)
		}
		b.feed(o, 500, 53)
		if round%3 == 2 {
			b.check(o)
		}
	}
	b.check(o)
}

func TestStoreLost(t *testing.T) {
	b, o, dir := newBroker(t, 3), newOracle(), t.TempDir()
	for range 3 {
		b.feed(o, 1500, 211)
		r := start(t, tallyDef("lost"), b.config(dir, "a"))
		b.check(o)
		if err := r.stop(); err != nil {
			t.Fatal(err)
		}
		if err := os.RemoveAll(filepath.Join(dir, "state")); err != nil {
			t.Fatal(err)
		}
	}
}

// The changelog is deleted under a stopped processor: what the store holds belongs to a history that is gone.
func TestChangelogMadeAnew(t *testing.T) {
	b, o, dir := newBroker(t, 2), newOracle(), t.TempDir()
	b.feed(o, 500, 20)
	r := start(t, tallyDef("anew"), b.config(dir, "a"))
	b.check(o)
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	if err := b.c.DeleteTopic(ChangelogTopic("anew")); err != nil {
		t.Fatal(err)
	}
	o.state = map[string]tally{}
	b.feed(o, 500, 20)
	start(t, tallyDef("anew"), b.config(dir, "a"))
	b.check(o)
}

func TestCacheSmallerThanState(t *testing.T) {
	for _, entries := range []int{4, 100} { // of 100, a quarter is looked up ahead
		t.Run(strconv.Itoa(entries), func(t *testing.T) {
			b, o := newBroker(t, 2), newOracle()
			cfg := b.config(t.TempDir(), "a")
			cfg.CacheEntries, cfg.MaxPoll = entries, 300
			start(t, tallyDef("small"), cfg)
			for range 4 {
				b.feed(o, 3000, 1000)
			}
			b.check(o)
		})
	}
}

func TestPoisonedRecord(t *testing.T) {
	b, o := newBroker(t, 2), newOracle()
	def := tallyDef("poison")
	process := def.Process
	def.Process = func(c *Context[tally], r *Record) error {
		if strings.HasPrefix(string(r.Key), "bad") {
			c.Emit(Output{Topic: outTopic, Key: []byte("ghost"), Value: []byte("1:1")})
			if err := c.Put("k1", &tally{n: 99}); err != nil {
				return err
			}
			if string(r.Key) == "bad-panic" {
				panic("poisoned")
			}
			return errors.New("no good")
		}
		return process(c, r)
	}
	cfg := b.config(t.TempDir(), "a")
	cfg.Attempts = 3
	start(t, def, cfg)
	b.feed(o, 200, 20)
	for i, key := range []string{"bad-panic", "bad-error"} {
		if err := b.cl.ProduceSync(context.Background(), &kgo.Record{Topic: inTopic, Key: []byte(key), Value: []byte("7"), Partition: int32(i)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
		b.feed(o, 200, 20)
	}
	b.check(o)
	var reasons []string
	for _, r := range b.read(event.TopicDeadLetter, 2) {
		var d event.DeadLetter
		if err := d.UnmarshalVT(r.Value); err != nil {
			t.Fatal(err)
		}
		if d.Source != "poison" || d.Topic != inTopic || string(d.Raw) != "7" {
			t.Errorf("dead letter %+v", &d)
		}
		reasons = append(reasons, d.Reason)
	}
	if s := strings.Join(reasons, "; "); len(reasons) != 2 || !strings.Contains(s, "poisoned record: panic: poisoned") && !strings.Contains(s, "no good") {
		t.Errorf("reasons: %s", s)
	}
}

func TestRejectedRecordLeavesNothing(t *testing.T) {
	b, o := newBroker(t, 1), newOracle()
	def := tallyDef("reject")
	process := def.Process
	def.Process = func(c *Context[tally], r *Record) error {
		if string(r.Value) == "reject" {
			s, _, err := c.Get("k1")
			if err != nil {
				return err
			}
			s.n = 1000
			c.Emit(Output{Topic: outTopic, Key: r.Key, Value: []byte("ghost")})
			if err := errors.Join(c.Put("k1", s), c.Delete("k2"), c.SetTimer("k3", c.Now())); err != nil {
				return err
			}
			return fmt.Errorf("wrapped: %w", &Reject{Reason: "no", Pointer: "/a"})
		}
		return process(c, r)
	}
	def.Timer = func(*Context[tally], string, time.Time) error { panic("nobody set a timer") }
	start(t, def, b.config(t.TempDir(), "a"))
	for range 5 {
		b.feed(o, 50, 5)
		if err := b.cl.ProduceSync(context.Background(), &kgo.Record{Topic: inTopic, Key: []byte("k1"), Value: []byte("reject")}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	b.feed(o, 50, 5)
	b.check(o)
	got := b.read(event.TopicDeadLetter, 5)
	var d event.DeadLetter
	if err := d.UnmarshalVT(got[0].Value); err != nil || len(got) != 5 || d.Reason != "no" || d.Pointer != "/a" || d.Offset != 50 {
		t.Errorf("%d dead letters, the first %+v, %v", len(got), &d, err)
	}
}

func TestPartitionsChanged(t *testing.T) {
	b, o, dir := newBroker(t, 2), newOracle(), t.TempDir()
	b.feed(o, 50, 5)
	r := start(t, tallyDef("count"), b.config(dir, "a"))
	b.check(o)
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	req := kmsg.NewPtrCreatePartitionsRequest()
	topic := kmsg.NewCreatePartitionsRequestTopic()
	topic.Topic, topic.Count = inTopic, 3
	req.Topics = append(req.Topics, topic)
	if _, err := req.RequestWith(context.Background(), b.cl); err != nil {
		t.Fatal(err)
	}
	again, err := New(tallyDef("count"), b.config(dir, "a"))
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Run(context.Background()); err == nil || !strings.Contains(err.Error(), "has 2 partitions, the inputs have 3") {
		t.Fatalf("Run: %v", err)
	}
}

// Kafka goes away and comes back on the same address.
func TestKafkaAway(t *testing.T) {
	data := t.TempDir()
	b, o := newBroker(t, 2, kfake.DataDir(data)), newOracle()
	addr := b.c.ListenAddrs()[0]
	r := start(t, tallyDef("away"), b.config(t.TempDir(), "a"))
	b.feed(o, 500, 20)
	b.check(o)
	b.c.Close()
	until(t, "not ready", func() bool { return !r.Status().Ready })
	var port int
	if _, err := fmt.Sscanf(addr[strings.LastIndex(addr, ":")+1:], "%d", &port); err != nil {
		t.Fatal(err)
	}
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.Ports(port), kfake.DataDir(data), kfake.GroupMinSessionTimeout(100*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.stop(); c.Close() }()
	b.c = c
	b.feed(o, 500, 20)
	b.check(o)
	until(t, "ready", func() bool { return r.Status().Ready })
}
