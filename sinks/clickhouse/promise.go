package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// learn reads the promises of new partitions.
func (s *Sink) learn(ctx context.Context) error {
	s.mu.Lock()
	n := len(s.unknown)
	s.mu.Unlock()
	if n == 0 {
		return nil
	}
	offsets, err := s.admin.FetchOffsets(ctx, Group)
	if err != nil {
		return fmt.Errorf("read the committed offsets: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for topic, ps := range s.unknown {
		for p := range ps {
			o, ok := offsets.Lookup(topic, p)
			if ok && o.Err != nil {
				return fmt.Errorf("read the committed offset of %s/%d: %w", topic, p, o.Err)
			}
			if end, found := strings.CutPrefix(o.Metadata, "pending "); ok && found {
				if b, perr := strconv.ParseInt(end, 10, 64); perr == nil && b > o.At {
					put(s.pending, topic, p, b)
				}
			}
		}
	}
	clear(s.unknown)
	return nil
}

// commit writes offsets: the ends of what is done, and the start of what comes next with its promised end. Either may be
// nil; of a partition that is in both, the promise says both.
func (s *Sink) commit(ctx context.Context, done, next *batch) error {
	offsets := map[string]map[int32]kgo.EpochOffset{}
	ends := map[string]map[int32]int64{}
	if done != nil {
		for _, r := range done.ranges {
			put(offsets, r.topic, r.part, kgo.EpochOffset{Epoch: -1, Offset: r.b})
		}
	}
	if next != nil {
		for _, r := range next.ranges {
			put(offsets, r.topic, r.part, kgo.EpochOffset{Epoch: -1, Offset: r.a})
			put(ends, r.topic, r.part, r.b)
		}
	}
	ctx = kgo.PreCommitFnContext(ctx, func(req *kmsg.OffsetCommitRequest) error {
		for i := range req.Topics {
			for j := range req.Topics[i].Partitions {
				p := &req.Topics[i].Partitions[j]
				if end, promised := ends[req.Topics[i].Topic][p.Partition]; promised {
					text := "pending " + strconv.FormatInt(end, 10)
					p.Metadata = &text
				}
			}
		}
		return nil
	})
	var failed error
	s.client.CommitOffsetsSync(ctx, offsets, func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, resp *kmsg.OffsetCommitResponse, err error) {
		failed = err
		if resp == nil {
			return
		}
		for _, t := range resp.Topics {
			for _, p := range t.Partitions {
				if p.ErrorCode != 0 {
					failed = errors.Join(failed, fmt.Errorf("offset of %s/%d: %w", t.Topic, p.Partition, kerr.ErrorForCode(p.ErrorCode)))
				}
			}
		}
	})
	return failed
}
