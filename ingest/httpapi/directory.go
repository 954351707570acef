package httpapi

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ringfence/ringfence/event"
)

// directory is the map from number hash to owners, read from the compacted topic. catchUp makes it current: every
// change committed before the call is in it after.
type directory struct {
	admin    *kadm.Client
	consumer *kgo.Client

	mu       sync.Mutex
	owners   map[string][]*event.Ownership
	position map[int32]int64 // next offset to be read
	moved    chan struct{}   // closed and replaced when position moves

	flight sync.Mutex
	next   *lookup // the request for end offsets that has not started yet
}

// lookup is one shared request for the topic's end.
type lookup struct {
	done chan struct{}
	ends map[int32]int64
	err  error
}

func newDirectory(base []kgo.Opt, producer *kgo.Client) (*directory, error) {
	c, err := kgo.NewClient(append(append([]kgo.Opt{}, base...), kgo.ConsumeTopics(event.TopicDirectory),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.FetchMaxWait(500*time.Millisecond), kgo.KeepControlRecords())...)
	if err != nil {
		return nil, fmt.Errorf("read the directory: %w", err)
	}
	return &directory{admin: kadm.NewClient(producer), consumer: c, owners: map[string][]*event.Ownership{}, position: map[int32]int64{}, moved: make(chan struct{})}, nil
}

func (d *directory) run(ctx context.Context) {
	defer d.consumer.Close()
	for ctx.Err() == nil {
		fetches := d.consumer.PollFetches(ctx)
		if ctx.Err() != nil {
			return
		}
		d.mu.Lock()
		fetches.EachRecord(func(r *kgo.Record) {
			d.position[r.Partition] = r.Offset + 1
			if r.Attrs.IsControl() {
				return
			}
			if r.Value == nil {
				delete(d.owners, string(r.Key))
				return
			}
			var e event.DirectoryEntry
			if e.UnmarshalVT(r.Value) == nil {
				d.owners[string(r.Key)] = e.Owners
			}
		})
		close(d.moved)
		d.moved = make(chan struct{})
		d.mu.Unlock()
	}
}

// ends asks where the topic ends; requests that wait at the same time share one question, asked after they came.
func (d *directory) ends(ctx context.Context) (map[int32]int64, error) {
	d.flight.Lock()
	l := d.next
	if l == nil {
		l = &lookup{done: make(chan struct{})}
		d.next = l
		go func() {
			// Whoever comes before the question is sent shares it.
			d.flight.Lock()
			d.next = nil
			d.flight.Unlock()
			qctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
			defer cancel()
			ends, err := d.admin.ListCommittedOffsets(qctx, event.TopicDirectory)
			l.ends = map[int32]int64{}
			if err == nil {
				err = ends.Error()
			}
			ends.Each(func(o kadm.ListedOffset) { l.ends[o.Partition] = o.Offset })
			l.err = err
			close(l.done)
		}()
	}
	d.flight.Unlock()
	select {
	case <-l.done:
		return l.ends, l.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// catchUp returns when everything committed to the directory before the call has been read.
func (d *directory) catchUp(ctx context.Context) error {
	ends, err := d.ends(ctx)
	if err != nil {
		return fmt.Errorf("find the end of the directory: %w", err)
	}
	for {
		d.mu.Lock()
		behind := false
		for p, end := range ends {
			if end > 0 && d.position[p] < end {
				behind = true
			}
		}
		moved := d.moved
		d.mu.Unlock()
		if !behind {
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return fmt.Errorf("catch up with the directory: %w", ctx.Err())
		}
	}
}

// owner of a number at a time; "" = nobody known.
func (d *directory) owner(hash string, at int64) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return event.OwnerAt(d.owners[hash], at)
}
