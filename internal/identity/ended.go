package identity

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/internal/kafka"
)

// Ended knows which sessions were ended before their time, by this process or another.
type Ended struct {
	client *kgo.Client
	now    func() time.Time

	mu    sync.Mutex
	until map[string]int64
}

// OpenEnded reads ringfence.sessions to its end: when it returns, what was ended before is known.
func OpenEnded(ctx context.Context, base []kgo.Opt, now func() time.Time) (*Ended, error) {
	if now == nil {
		now = time.Now
	}
	cl, err := kgo.NewClient(append(append([]kgo.Opt{}, base...), kgo.ConsumeTopics(event.TopicSessions), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchMaxWait(250*time.Millisecond), kgo.RequiredAcks(kgo.AllISRAcks()), kgo.ProducerLinger(0), kgo.RecordDeliveryTimeout(8*time.Second))...)
	if err != nil {
		return nil, fmt.Errorf("open the list of ended sessions: %w", err)
	}
	e := &Ended{client: cl, now: now, until: map[string]int64{}}
	if err := e.catchUp(ctx); err != nil {
		cl.Close()
		return nil, fmt.Errorf("read which sessions have ended: %w", err)
	}
	return e, nil
}

func (e *Ended) catchUp(ctx context.Context) error {
	ends, err := kafka.Offsets(ctx, kadm.NewClient(e.client).ListEndOffsets, event.TopicSessions)
	if err != nil {
		return err
	}
	left := map[int32]int64{}
	ends.Each(func(o kadm.ListedOffset) {
		if o.Offset > 0 {
			left[o.Partition] = o.Offset
		}
	})
	starts, err := kafka.Offsets(ctx, kadm.NewClient(e.client).ListStartOffsets, event.TopicSessions)
	if err != nil {
		return err
	}
	starts.Each(func(o kadm.ListedOffset) {
		if o.Offset >= left[o.Partition] {
			delete(left, o.Partition)
		}
	})
	for len(left) > 0 {
		f := e.client.PollFetches(ctx)
		if err := ctx.Err(); err != nil {
			return err
		}
		e.take(f)
		f.EachRecord(func(r *kgo.Record) {
			if end, ok := left[r.Partition]; ok && r.Offset+1 >= end {
				delete(left, r.Partition)
			}
		})
	}
	return nil
}

func (e *Ended) take(f kgo.Fetches) {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := e.now().UnixMilli()
	f.EachRecord(func(r *kgo.Record) {
		var s event.SessionEnd
		if r.Value == nil || s.UnmarshalVT(r.Value) != nil || s.Until < now {
			return
		}
		e.until[s.SessionId] = s.Until
	})
	for id, until := range e.until {
		if until < now {
			delete(e.until, id)
		}
	}
}

// Run learns what other processes end, until ctx ends.
func (e *Ended) Run(ctx context.Context) error {
	defer e.client.Close()
	for ctx.Err() == nil {
		e.take(e.client.PollFetches(ctx))
	}
	return nil
}

// End ends a session for good: when it returns nil, every process knows or will learn it.
func (e *Ended) End(ctx context.Context, id string, until time.Time) error {
	s := event.SessionEnd{SessionId: id, At: e.now().UnixMilli(), Until: until.UnixMilli()}
	e.mu.Lock()
	e.until[id] = s.Until
	e.mu.Unlock()
	v, err := s.MarshalVT()
	if err == nil {
		err = e.client.ProduceSync(ctx, &kgo.Record{Topic: event.TopicSessions, Key: []byte(id), Value: v}).FirstErr()
	}
	if err != nil {
		return fmt.Errorf("end the session everywhere: %w", err)
	}
	return nil
}

// Has tells whether a session was ended.
func (e *Ended) Has(id string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	_, ok := e.until[id]
	return ok
}
