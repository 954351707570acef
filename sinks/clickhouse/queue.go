package clickhouse

import (
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// queue is what was fetched of a partition and is not written yet.
type queue struct {
	recs    []*kgo.Record
	written time.Time // when the partition was last written
}

// A partition is written at once when it was quiet for the linger, and then once a linger: a quiet centre sees its call
// right away, and a busy one does not drown ClickHouse in small parts.
func (s *Sink) due(q *queue, now time.Time) bool {
	return len(q.recs) > 0 && (len(q.recs) >= s.opt.MaxBatch/4 || !now.Before(q.written.Add(s.opt.Linger)) || s.hurry.Load() > now.UnixNano())
}

// untilDue is how long a poll may wait.
func (s *Sink) untilDue(now time.Time) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.opt.Linger
	for _, ps := range s.queues {
		for _, q := range ps {
			if len(q.recs) > 0 {
				d = min(d, q.written.Add(s.opt.Linger).Sub(now))
			}
		}
	}
	if s.hurry.Load() > now.UnixNano() {
		d = min(d, 20*time.Millisecond)
	}
	return max(d, time.Millisecond)
}

// Hurry writes what comes within the next moment without lingering: somebody waits for it.
func (s *Sink) Hurry() { s.hurry.Store(time.Now().Add(time.Second).UnixNano()) }

// ranges takes what was fetched into the queues and cuts ranges of those that are due; a promised range is held back
// until it is whole and cut exactly there.
func (s *Sink) ranges(fetches kgo.Fetches, now time.Time) []*rang {
	s.mu.Lock()
	defer s.mu.Unlock()
	queued := 0
	fetches.EachPartition(func(f kgo.FetchTopicPartition) {
		if len(f.Records) == 0 {
			return
		}
		q := s.queues[f.Topic][f.Partition]
		if q == nil {
			q = &queue{}
			put(s.queues, f.Topic, f.Partition, q)
		}
		q.recs = append(q.recs, f.Records...)
	})
	for _, ps := range s.queues {
		for _, q := range ps {
			queued += len(q.recs)
		}
	}
	var out []*rang
	add := func(topic string, p int32, recs []*kgo.Record, again bool) {
		out = append(out, &rang{topic, p, recs[0].Offset, recs[len(recs)-1].Offset + 1, again, recs})
	}
	for topic, ps := range s.queues {
		for p, q := range ps {
			end, promised := s.pending[topic][p]
			if len(q.recs) == 0 || !promised && !s.due(q, now) && queued < s.opt.MaxBatch {
				continue
			}
			n := len(q.recs)
			if promised {
				n = 0
				for n < len(q.recs) && q.recs[n].Offset < end {
					n++
				}
				if n == len(q.recs) && q.recs[n-1].Offset < end-1 {
					continue // the rest is still to come
				}
				delete(s.pending[topic], p)
			}
			if n > 0 {
				add(topic, p, q.recs[:n], promised)
			}
			q.recs, q.written = q.recs[n:], now
			if len(q.recs) == 0 {
				q.recs = nil
			}
		}
	}
	return out
}
