package qadesk

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/internal/kafka"
	"github.com/ringfence/ringfence/internal/qarules"
)

// Refusal is the error of a command that was decided and not done.
type Refusal = qarules.Refusal

// ErrTimeout is returned when no answer came in time: what was asked may have been done. Send the same command again.
var ErrTimeout = errors.New("the queue did not answer in time")

// Options of a desk.
type Options struct {
	Base       []kgo.Opt // how to reach the brokers
	Partitions int32
	Zone       *time.Location
	Timeout    time.Duration // how long a command waits, default 3 s
	MaxClaimed int           // tasks one rater holds at most, default 5
	Now        func() time.Time
	Logger     *slog.Logger
}

// Desk is the way to the queue. It may be used by many goroutines at once.
type Desk struct {
	opt       Options
	view      *view
	zone      *time.Location
	now       func() time.Time
	producer  *kgo.Client
	answers   *kgo.Client
	queue     *kgo.Client
	requester string
	partition int32
	next      atomic.Uint64
	behind    map[int32]int64 // ends of the queue at the start that are not reached yet; Run's own
	ready     atomic.Pointer[string]

	mu      sync.Mutex
	waiting map[uint64]chan *event.QAAnswer
}

// New listens for answers from now on, and reads the queue from its beginning; the topics must be there.
func New(ctx context.Context, o Options) (*Desk, error) {
	if o.Timeout <= 0 {
		o.Timeout = 3 * time.Second
	}
	if o.MaxClaimed <= 0 {
		o.MaxClaimed = 5
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Zone == nil {
		o.Zone = time.UTC
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	d := &Desk{opt: o, view: newView(), zone: o.Zone, now: o.Now, requester: uuid.NewString(), behind: map[int32]int64{}, waiting: map[uint64]chan *event.QAAnswer{}}
	reading := "reading the queue"
	d.ready.Store(&reading)
	h := fnv.New32a()
	_, _ = h.Write([]byte(d.requester))
	d.partition = int32(h.Sum32() % uint32(o.Partitions))
	if err := d.open(ctx); err != nil {
		d.close()
		return nil, err
	}
	return d, nil
}

func (d *Desk) open(ctx context.Context) (err error) {
	client := func(opts ...kgo.Opt) (*kgo.Client, error) {
		return kgo.NewClient(append(append([]kgo.Opt{}, d.opt.Base...), opts...)...)
	}
	d.producer, err = client(kgo.RequiredAcks(kgo.AllISRAcks()), kgo.ProducerLinger(0), kgo.RecordDeliveryTimeout(8*time.Second), kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)))
	if err != nil {
		return fmt.Errorf("open the desk's producer: %w", err)
	}
	adm := kadm.NewClient(d.producer)
	ends, err := kafka.Offsets(ctx, adm.ListCommittedOffsets, event.TopicQAQueue, event.TopicQAAnswers)
	if err != nil {
		return fmt.Errorf("find the end of the queue: %w", err)
	}
	starts, err := kafka.Offsets(ctx, adm.ListStartOffsets, event.TopicQAQueue)
	if err != nil {
		return fmt.Errorf("find the beginning of the queue: %w", err)
	}
	end, ok := ends.Lookup(event.TopicQAAnswers, d.partition)
	if !ok || end.Err != nil {
		return fmt.Errorf("find the end of the answers: %w", end.Err)
	}
	from := map[int32]kgo.Offset{}
	for p, e := range ends[event.TopicQAQueue] {
		from[p] = kgo.NewOffset().AtStart()
		if s, ok := starts.Lookup(event.TopicQAQueue, p); !ok || e.Offset > s.Offset {
			d.behind[p] = e.Offset
		}
	}
	common := []kgo.Opt{kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.FetchMaxWait(time.Second), kgo.FetchMinBytes(1)}
	d.answers, err = client(append(common, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{event.TopicQAAnswers: {d.partition: kgo.NewOffset().At(end.Offset)}}))...)
	if err != nil {
		return fmt.Errorf("listen for answers: %w", err)
	}
	d.queue, err = client(append(common, kgo.KeepControlRecords(), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{event.TopicQAQueue: from}))...)
	if err != nil {
		return fmt.Errorf("read the queue: %w", err)
	}
	return nil
}

func (d *Desk) close() {
	for _, c := range []*kgo.Client{d.queue, d.answers, d.producer} {
		if c != nil {
			c.Close()
		}
	}
}

// Run follows the queue and the answers until ctx ends; then the desk is closed.
func (d *Desk) Run(ctx context.Context) error {
	defer d.close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		poll(ctx, d.answers, func(string) {}, d.answer)
	}()
	if len(d.behind) == 0 {
		d.say("")
	}
	poll(ctx, d.queue, d.say, func(r *kgo.Record) {
		if !r.Attrs.IsControl() {
			if err := d.view.record(string(r.Key), r.Value); err != nil {
				d.opt.Logger.Error("an entry of the QA queue cannot be read", "partition", r.Partition, "offset", r.Offset, "error", err)
			}
		}
		if end, ok := d.behind[r.Partition]; ok && r.Offset >= end-1 {
			delete(d.behind, r.Partition)
			if len(d.behind) == 0 {
				d.say("")
			}
		}
	})
	<-done
	return nil
}

// poll hands records on until ctx ends; trouble is told, and what was told is taken back when there are records again.
func poll(ctx context.Context, cl *kgo.Client, trouble func(string), each func(*kgo.Record)) {
	failed := false
	for {
		fetches := cl.PollFetches(ctx)
		if ctx.Err() != nil {
			return
		}
		var err error
		fetches.EachError(func(_ string, _ int32, e error) { err = e })
		switch {
		case err != nil:
			failed = true
			trouble("Kafka: " + err.Error())
			if fetches.NumRecords() == 0 {
				select {
				case <-ctx.Done():
					return
				case <-time.After(100 * time.Millisecond):
				}
			}
		case failed:
			failed = false
			trouble("")
		}
		fetches.EachRecord(each)
	}
}

func (d *Desk) say(what string) {
	if what == "" && len(d.behind) > 0 {
		what = "reading the queue"
	}
	d.ready.Store(&what)
}

// Ready tells whether the queue was read to its end, or why not.
func (d *Desk) Ready() (bool, string) {
	s := *d.ready.Load()
	return s == "", s
}

func (d *Desk) answer(r *kgo.Record) {
	a := &event.QAAnswer{}
	if err := a.UnmarshalVT(r.Value); err != nil || a.ReplyTo == nil || a.ReplyTo.Requester != d.requester {
		return
	}
	d.mu.Lock()
	ch := d.waiting[a.ReplyTo.Correlation]
	delete(d.waiting, a.ReplyTo.Correlation)
	d.mu.Unlock()
	d.view.took(a)
	if ch != nil {
		ch <- a
	}
}

// Do carries one command to the processor and returns what became of it; a *Refusal is its decision. Without a command
// id it gets one, and then it can't be repeated safely.
func (d *Desk) Do(ctx context.Context, cmd *event.QACommand) (*event.QAAnswer, error) {
	if cmd.AgentId == "" {
		return nil, &Refusal{Code: qarules.Invalid, Detail: "agent_id is needed", Pointer: "/agent_id"}
	}
	if cmd.CommandId == "" {
		cmd.CommandId = uuid.NewString()
	}
	ctx, cancel := context.WithTimeout(ctx, d.opt.Timeout)
	defer cancel()
	now := d.now()
	id := d.next.Add(1)
	cmd.At = now.UnixMilli()
	cmd.ReplyTo = &event.ReplyTo{Requester: d.requester, Partition: d.partition, Correlation: id}
	ch := make(chan *event.QAAnswer, 1)
	d.mu.Lock()
	d.waiting[id] = ch
	d.mu.Unlock()
	defer func() {
		d.mu.Lock()
		delete(d.waiting, id)
		d.mu.Unlock()
	}()
	mask(cmd)
	value, err := cmd.MarshalVT()
	if err != nil {
		return nil, fmt.Errorf("write the command: %w", err)
	}
	failed := make(chan error, 1)
	d.producer.Produce(ctx, &kgo.Record{Topic: event.TopicQACommands, Key: []byte(cmd.AgentId), Value: value}, func(_ *kgo.Record, err error) {
		if err != nil {
			failed <- err
		}
	})
	select {
	case a := <-ch:
		if a.Refusal != "" {
			return a, &Refusal{Code: a.Refusal, Detail: a.Detail, Pointer: a.Pointer}
		}
		return a, nil
	case err := <-failed:
		return nil, fmt.Errorf("%w: Kafka did not take the command: %w", ErrTimeout, err)
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", ErrTimeout, ctx.Err())
	}
}
