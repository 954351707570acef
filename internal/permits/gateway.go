package permits

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/internal/kafka"
)

// ErrTimeout is returned when no decision came in time: nothing was reserved, or the late permit is void by its deadline.
var ErrTimeout = errors.New("no decision in time")

// ErrBusy is returned when as many requests are waiting as can be answered in time.
var ErrBusy = errors.New("too many requests are waiting for decisions")

// Gateway asks and waits. It may be used by many goroutines at once.
type Gateway struct {
	producer  *kgo.Client
	consumer  *kgo.Client
	requester string
	partition int32
	timeout   time.Duration
	limit     *limiter
	next      atomic.Uint64
	ready     atomic.Bool

	mu      sync.Mutex
	waiting map[uint64]chan *event.PermitEvent
}

// Options of a gateway.
type Options struct {
	Base       []kgo.Opt // how to reach the brokers
	Producer   *kgo.Client
	Partitions int32
	Timeout    time.Duration // how long a request waits, default 2 s
	MaxWaiting int           // requests that wait at once at most, default 4096; fewer while answers are late
	Late       time.Duration // an answer that takes longer is late, default an eighth of Timeout
}

// New starts listening for answers from now on.
func New(ctx context.Context, o Options) (*Gateway, error) {
	if o.Timeout <= 0 {
		o.Timeout = 2 * time.Second
	}
	if o.MaxWaiting <= 0 {
		o.MaxWaiting = 4096
	}
	if o.Late <= 0 {
		o.Late = o.Timeout / 8
	}
	g := &Gateway{producer: o.Producer, requester: uuid.NewString(), timeout: o.Timeout, limit: newLimiter(o.MaxWaiting, o.Late),
		waiting: map[uint64]chan *event.PermitEvent{}}
	h := fnv.New32a()
	_, _ = h.Write([]byte(g.requester))
	g.partition = int32(h.Sum32() % uint32(o.Partitions))
	ends, err := kafka.Offsets(ctx, kadm.NewClient(o.Producer).ListEndOffsets, event.TopicPermitDecisions)
	if err != nil {
		return nil, fmt.Errorf("find the end of the decisions: %w", err)
	}
	end, ok := ends.Lookup(event.TopicPermitDecisions, g.partition)
	if !ok || end.Err != nil {
		return nil, fmt.Errorf("find the end of the decisions: %w", end.Err)
	}
	g.consumer, err = kgo.NewClient(append(append([]kgo.Opt{}, o.Base...),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{event.TopicPermitDecisions: {g.partition: kgo.NewOffset().At(end.Offset)}}),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.FetchMaxWait(time.Second), kgo.FetchMinBytes(1))...)
	if err != nil {
		return nil, fmt.Errorf("listen for decisions: %w", err)
	}
	g.ready.Store(true)
	return g, nil
}

// Run hands answers to those who wait until ctx ends.
func (g *Gateway) Run(ctx context.Context) error {
	defer g.consumer.Close()
	for {
		fetches := g.consumer.PollFetches(ctx)
		if ctx.Err() != nil {
			return nil
		}
		failed := false
		fetches.EachError(func(string, int32, error) { failed = true })
		g.ready.Store(!failed)
		if failed && fetches.NumRecords() == 0 {
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(100 * time.Millisecond):
			}
		}
		fetches.EachRecord(func(r *kgo.Record) {
			var pe event.PermitEvent
			if err := pe.UnmarshalVT(r.Value); err != nil || pe.ReplyTo == nil || pe.ReplyTo.Requester != g.requester {
				return
			}
			g.mu.Lock()
			ch := g.waiting[pe.ReplyTo.Correlation]
			delete(g.waiting, pe.ReplyTo.Correlation)
			g.mu.Unlock()
			if ch != nil {
				ch <- &pe
			}
		})
	}
}

// Ready tells whether answers can be heard.
func (g *Gateway) Ready() bool { return g.ready.Load() }

// ask produces ce after set has put the return address on it, and waits for the answer.
func (g *Gateway) ask(ctx context.Context, ce *event.CustomerEvent, set func(*event.ReplyTo)) (*event.PermitEvent, error) {
	entered, ok := g.limit.enter()
	if !ok {
		return nil, ErrBusy
	}
	answered := false
	defer func() { g.limit.leave(entered, answered) }()
	ctx, cancel := context.WithTimeout(ctx, g.timeout)
	defer cancel()
	id := g.next.Add(1)
	set(&event.ReplyTo{Requester: g.requester, Partition: g.partition, Correlation: id})
	ch := make(chan *event.PermitEvent, 1)
	g.mu.Lock()
	g.waiting[id] = ch
	g.mu.Unlock()
	forget := func() {
		g.mu.Lock()
		delete(g.waiting, id)
		g.mu.Unlock()
	}
	value, err := ce.MarshalVT()
	if err != nil {
		forget()
		return nil, err
	}
	failed := make(chan error, 1)
	g.producer.Produce(ctx, &kgo.Record{Topic: event.TopicCustomerEvents, Key: []byte(ce.CustomerId), Value: value}, func(_ *kgo.Record, err error) {
		if err != nil {
			failed <- err
		}
	})
	select {
	case pe := <-ch:
		answered = true
		return pe, nil
	case err := <-failed:
		forget()
		return nil, fmt.Errorf("%w: Kafka did not take the request: %w", ErrTimeout, err)
	case <-ctx.Done():
		forget()
		return nil, fmt.Errorf("%w: %w", ErrTimeout, ctx.Err())
	}
}

// Ask asks a permit; ce carries the request. A decision that comes too late for the caller reserves nothing.
func (g *Gateway) Ask(ctx context.Context, ce *event.CustomerEvent) (*event.PermitDecision, error) {
	req := ce.GetPermitRequest()
	req.Deadline = time.Now().Add(g.timeout).UnixMilli()
	pe, err := g.ask(ctx, ce, func(r *event.ReplyTo) { req.ReplyTo = r })
	if err != nil {
		return nil, err
	}
	d := pe.GetDecision()
	if d == nil {
		return nil, errors.New("the answer to a permit request is not a decision")
	}
	if d.Expired {
		return nil, ErrTimeout
	}
	return d, nil
}

// Release gives a permit back and returns the HTTP status of the answer: 204, 404 or 409.
// With a partner, the permits of others are not known.
func (g *Gateway) Release(ctx context.Context, permitID string, at int64, partner string) (int, error) {
	customer, ok := event.PermitCustomer(permitID)
	if !ok {
		return 404, nil
	}
	rel := &event.PermitRelease{PermitId: permitID, At: at, PartnerId: partner}
	ce := &event.CustomerEvent{EventId: "release:" + permitID, CustomerId: customer, Source: "api", ReceivedAt: at,
		Body: &event.CustomerEvent_PermitRelease{PermitRelease: rel}}
	pe, err := g.ask(ctx, ce, func(r *event.ReplyTo) { rel.ReplyTo = r })
	if err != nil {
		return 0, err
	}
	res := pe.GetReleaseResult()
	if res == nil {
		return 0, errors.New("the answer to a release is not a result")
	}
	return int(res.HttpStatus), nil
}

// Explain asks for the state of every rule and returns the contract's JSON.
func (g *Gateway) Explain(ctx context.Context, customer string, byNumber bool, hash string, req *event.PermitRequest) ([]byte, error) {
	x := &event.ExplainRequest{Request: req}
	ce := &event.CustomerEvent{CustomerId: customer, ByNumber: byNumber, NumberHash: hash, Source: "api", Body: &event.CustomerEvent_ExplainRequest{ExplainRequest: x}}
	pe, err := g.ask(ctx, ce, func(r *event.ReplyTo) { x.ReplyTo = r })
	if err != nil {
		return nil, err
	}
	e := pe.GetExplanation()
	if e == nil {
		return nil, errors.New("the answer to an explain request is not an explanation")
	}
	return e.Json, nil
}
