package qa

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/internal/qadesk"
	"github.com/ringfence/ringfence/internal/qarules"
	"github.com/ringfence/ringfence/internal/rubric"
	"github.com/ringfence/ringfence/internal/stream"
)

// hall is a broker, processors and desks.
type hall struct {
	t     *testing.T
	addrs []string
}

func newHall(t *testing.T) *hall {
	t.Helper()
	var topics []string
	for _, x := range event.Topics() {
		topics = append(topics, x.Name)
	}
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(3, topics...), kfake.GroupMinSessionTimeout(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return &hall{t, c.ListenAddrs()}
}

func (h *hall) opts() []kgo.Opt { return []kgo.Opt{kgo.SeedBrokers(h.addrs...)} }

// run runs something until it is stopped or the test ends.
func (h *hall) run(what func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- what(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			h.t.Errorf("run: %v", err)
		}
	})
	h.t.Cleanup(stop)
	return stop
}

func (h *hall) processor(name string) (stop func()) {
	h.t.Helper()
	r, err := stream.New(New(Options{Rubrics: map[string]*rubric.Rubric{judged.ID(): judged}}), stream.Config{Kafka: h.opts(), DataDir: h.t.TempDir(), InstanceID: name, Session: time.Second})
	if err != nil {
		h.t.Fatal(err)
	}
	return h.run(r.Run)
}

func (h *hall) desk() *qadesk.Desk {
	h.t.Helper()
	d, err := qadesk.New(h.t.Context(), qadesk.Options{Base: h.opts(), Partitions: 3, Timeout: 10 * time.Second})
	if err != nil {
		h.t.Fatal(err)
	}
	h.run(d.Run)
	return d
}

func (h *hall) until(what string, cond func() bool) {
	h.t.Helper()
	deadline, tick := time.NewTimer(2*time.Minute), time.NewTicker(20*time.Millisecond)
	defer deadline.Stop()
	defer tick.Stop()
	for !cond() {
		select {
		case <-deadline.C:
			h.t.Fatalf("waited two minutes until %s", what)
		case <-tick.C:
		}
	}
}

// scored reads from the events who scored which task, and how often.
func (h *hall) scored(want int) map[string][]string {
	h.t.Helper()
	cl, err := kgo.NewClient(append(h.opts(), kgo.ConsumeTopics(event.TopicQAEvents), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.FetchMaxWait(100*time.Millisecond))...)
	if err != nil {
		h.t.Fatal(err)
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(h.t.Context(), time.Minute)
	defer cancel()
	out := map[string][]string{}
	n := 0
	for n < want && ctx.Err() == nil {
		cl.PollFetches(ctx).EachRecord(func(r *kgo.Record) {
			var e event.QAEvent
			if err := e.UnmarshalVT(r.Value); err != nil {
				h.t.Fatal(err)
			}
			if e.Kind == "scored" {
				out[e.TaskId] = append(out[e.TaskId], e.By.UserId)
				n++
			}
		})
	}
	return out
}

// Raters at two desks work while the processor is taken from one process to another: every task is done once, by who
// claimed it, whatever was answered or not.
func TestDoneOnceWhileProcessesComeAndGo(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	t.Run("hall", func(t *testing.T) {
		h := newHall(t)
		const tasks, raters = 120, 12
		stop := h.processor("one")
		cl, err := kgo.NewClient(h.opts()...)
		if err != nil {
			t.Fatal(err)
		}
		defer cl.Close()
		for i := range tasks {
			x := &event.QATask{TaskId: fmt.Sprint("t", i), CallId: fmt.Sprint("c", i), AgentId: fmt.Sprint("a", i%7), Draw: "daily", DrawnAt: int64(1000 + i)}
			v, err := x.MarshalVT()
			if err != nil {
				t.Fatal(err)
			}
			cl.Produce(t.Context(), &kgo.Record{Topic: event.TopicQATasks, Key: []byte(x.AgentId), Value: v}, nil)
		}
		if err := cl.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		desks := []*qadesk.Desk{h.desk(), h.desk()}
		for _, d := range desks {
			h.until("a desk shows all tasks", func() bool { ok, _ := d.Ready(); return ok && d.Queue(ann, qadesk.Filter{}).Open == tasks })
		}
		if first := desks[0].Queue(ann, qadesk.Filter{Limit: 3}).Tasks; len(first) != 3 || first[0].Task.TaskId != "t0" || first[2].Task.TaskId != "t2" {
			t.Errorf("the oldest come first: %v", first)
		}
		var mu sync.Mutex
		done := map[string]string{}
		half := make(chan struct{})
		var wg sync.WaitGroup
		for i := range raters {
			wg.Go(func() {
				d, who := desks[i%2], user(fmt.Sprint("rater", i), "", "qa")
				for {
					s, err := d.ClaimNext(t.Context(), who, qadesk.Filter{})
					var r *qadesk.Refusal
					switch {
					case errors.As(err, &r) && r.Code == qarules.NotFound:
						return
					case errors.As(err, &r) && r.Code != qarules.Invalid, errors.Is(err, qadesk.ErrTimeout):
						for _, mine := range d.Mine(who) { // one that was given and nobody heard the answer
							s = mine
						}
						if s == nil {
							continue
						}
					case err != nil:
						t.Errorf("claim: %v", err)
						return
					}
					id := s.Task.TaskId
					for {
						_, err = d.Score(t.Context(), who, id, "score-"+id+who.UserId, full(false), false)
						if !errors.Is(err, qadesk.ErrTimeout) {
							break
						}
					}
					if err != nil {
						t.Errorf("score %s by %s: %v", id, who.UserId, err)
						return
					}
					mu.Lock()
					done[id] = who.UserId
					if len(done) == tasks/2 {
						close(half)
					}
					mu.Unlock()
				}
			})
		}
		<-half
		h.processor("two")
		stop()
		wg.Wait()
		if len(done) != tasks {
			t.Errorf("%d of %d tasks are done", len(done), tasks)
		}
		for id, by := range h.scored(tasks) {
			if !slices.Equal(by, []string{done[id]}) {
				t.Errorf("%s is scored by %v, and %q was told so", id, by, done[id])
			}
		}
	})
}
