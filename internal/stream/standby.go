package stream

import (
	"context"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// A standby follows the changelogs of the partitions that other processes own, so that a partition that comes here when its
// owner dies has only the tail to replay. It reads what is committed and never ends anybody's transaction.

// standbyPause is how long a standby that is up to date waits before it looks again.
const standbyPause = time.Second

// writers keeps a partition's recovery and its standby from writing to the store at once.
type writers struct {
	mu   sync.Mutex
	lock map[int32]chan struct{} // holds a token while nobody writes
	stop map[int32]func()        // ends the standby that is writing
}

func (w *writers) of(id int32) chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.lock == nil {
		w.lock, w.stop = map[int32]chan struct{}{}, map[int32]func(){}
	}
	c := w.lock[id]
	if c == nil {
		c = make(chan struct{}, 1)
		c <- struct{}{}
		w.lock[id] = c
	}
	return c
}

// take waits until nobody writes the partition; a standby that does is ended. The caller gives back what it gets.
func (w *writers) take(ctx context.Context, id int32) (back func(), err error) {
	c := w.of(id)
	w.mu.Lock()
	if stop := w.stop[id]; stop != nil {
		stop()
	}
	w.mu.Unlock()
	select {
	case <-c:
		return func() { c <- struct{}{} }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (w *writers) setStop(id int32, stop func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stop[id] = stop
}

// standby goes round the partitions of others until the session ends.
func (s *session[S]) standby() {
	r := s.r
	cl, err := kgo.NewClient(append(append([]kgo.Opt(nil), r.cfg.Kafka...), kgo.ClientID("ringfence-"+r.def.Name+"-standby"))...)
	if err != nil {
		r.log.Warn("no standby", "err", err)
		return
	}
	defer cl.Close()
	for attempt := 0; s.ctx.Err() == nil; {
		failed := false
		for id := range s.layout.partitions {
			if err := s.follow(cl, id); err != nil && s.ctx.Err() == nil {
				r.log.Debug("the standby waits", "partition", id, "err", err)
				failed = true
			}
		}
		wait := standbyPause
		if failed {
			attempt++
			wait = max(wait, backoff(attempt))
		} else {
			attempt = 0
		}
		if pause(s.ctx, wait) != nil {
			return
		}
	}
}

// follow replays what is committed of one partition, if nobody here owns it.
func (s *session[S]) follow(cl *kgo.Client, id int32) error {
	r := s.r
	c := r.writers.of(id)
	select {
	case <-c:
	default:
		return nil // it is being recovered
	}
	defer func() { c <- struct{}{} }()
	ctx, stop := context.WithCancel(s.ctx)
	defer stop()
	r.writers.setStop(id, stop)
	defer r.writers.setStop(id, nil)
	r.mu.Lock()
	owned := r.parts[id] != nil || !r.joined
	r.mu.Unlock()
	if owned {
		r.metrics.standby.DeleteLabelValues(label(id))
		return nil
	}
	f := &recovery[S]{r: r, p: newPartition(r, id, 1), cl: cl, layout: s.layout, follows: true}
	_, err := f.run(ctx)
	if ctx.Err() != nil {
		return nil
	}
	return err
}
