package clickhouse

import (
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// queue is what was fetched of a partition and is not written yet.
type queue struct {
	recs []*kgo.Record
}

// dueTopics are the topics whose records are to be written now. A topic is written at once when it was quiet for the linger, and
// then once a linger, all its partitions together: a quiet centre sees its call right away, and a busy one does not drown
// ClickHouse in small parts. Topics that are half through their linger go along, so that soon all are written in step. The lock is held.
func (s *Sink) dueTopics(now time.Time) map[string]bool {
	due := map[string]bool{}
	hurry, lingered := s.hurry.Load() > now.UnixNano(), false
	for topic, ps := range s.queues {
		for _, q := range ps {
			switch wrote := s.wrote[topic]; {
			case len(q.recs) == 0:
			case hurry, len(q.recs) >= s.opt.MaxBatch/4:
				due[topic] = true
			case !now.Before(wrote.Add(s.opt.Linger)):
				due[topic], lingered = true, lingered || now.Before(wrote.Add(2*s.opt.Linger))
			}
		}
	}
	if !lingered {
		return due
	}
	for topic, ps := range s.queues {
		for _, q := range ps {
			if len(q.recs) > 0 && !now.Before(s.wrote[topic].Add(s.opt.Linger/2)) {
				due[topic] = true
			}
		}
	}
	return due
}

// untilDue is how long a poll may wait.
func (s *Sink) untilDue(now time.Time) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.opt.Linger
	for topic, ps := range s.queues {
		for _, q := range ps {
			if len(q.recs) > 0 {
				d = min(d, s.wrote[topic].Add(s.opt.Linger).Sub(now))
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
	due := s.dueTopics(now)
	var out []*rang
	add := func(topic string, p int32, recs []*kgo.Record, again bool) {
		out = append(out, &rang{topic, p, recs[0].Offset, recs[len(recs)-1].Offset + 1, again, recs})
	}
	for topic, ps := range s.queues {
		for p, q := range ps {
			end, promised := s.pending[topic][p]
			if len(q.recs) == 0 || !promised && !due[topic] && queued < s.opt.MaxBatch {
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
			q.recs, s.wrote[topic] = q.recs[n:], now
			if len(q.recs) == 0 {
				q.recs = nil
			}
		}
	}
	return out
}
