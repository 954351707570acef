package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ringfence/ringfence/internal/stream"
	"github.com/ringfence/ringfence/processors/agenttime"
	"github.com/ringfence/ringfence/processors/campaign"
	"github.com/ringfence/ringfence/processors/complaint"
	"github.com/ringfence/ringfence/processors/contactcap"
	"github.com/ringfence/ringfence/processors/qa"
	"github.com/ringfence/ringfence/processors/sampling"
	"github.com/ringfence/ringfence/sinks/clickhouse"
)

// hops is how often a customer event may be sent on to another key before it is a fact: to the number's register, to
// its owner, and to one who had it before.
const hops = 3

// watchHops is how often the watch sends a complaint on to itself: to its case, to its subjects, to the centre's incidents.
const watchHops = 4

// Counted returns when everything that was acknowledged before the call is in ClickHouse, whatever comes after it. It
// looks at committed offsets, so it holds for the work of other processes too.
func (a *App) Counted(ctx context.Context) error {
	adm := kadm.NewClient(a.kafka)
	groups := [][]string{}
	for range hops {
		groups = append(groups, []string{stream.Group("contactcap"), stream.Group("agenttime")})
	}
	groups = append(groups, []string{stream.Group("sampling"), stream.Group("campaign")})
	for range watchHops {
		groups = append(groups, []string{stream.Group("complaint")})
	}
	groups = append(groups, []string{stream.Group("qa")}, []string{clickhouse.Group})
	for i, stage := range groups {
		for _, g := range stage {
			if a.sink != nil && i == len(groups)-1 {
				a.sink.Hurry()
			}
			if err := a.passed(ctx, adm, g); err != nil {
				return err
			}
		}
	}
	return nil
}

// inputs of each consumer group, whichever process runs it.
func inputs(group string) []string {
	switch group {
	case stream.Group("contactcap"):
		return contactcap.New(contactcap.Options{}).Inputs
	case stream.Group("agenttime"):
		return agenttime.New(agenttime.Options{}).Inputs
	case stream.Group("sampling"):
		return sampling.New(sampling.Options{}).Inputs
	case stream.Group("qa"):
		return qa.New(qa.Options{}).Inputs
	case stream.Group("campaign"):
		return campaign.New(campaign.Options{}).Inputs
	case stream.Group("complaint"):
		return complaint.New(complaint.Options{}).Inputs
	}
	return clickhouse.Topics()
}

// passed waits until the group has committed what its topics hold now. A group that has never committed anything and
// is no role of this process is run by nobody.
func (a *App) passed(ctx context.Context, adm *kadm.Client, group string) error {
	topics := inputs(group)
	mine := a.cfg.Has(strings.TrimPrefix(group, stream.Group("")))
	ends, err := adm.ListEndOffsets(ctx, topics...)
	if err != nil {
		return fmt.Errorf("ask for the ends of %v: %w", topics, err)
	}
	for last := int64(-1); ; {
		done, err := adm.FetchOffsets(ctx, group)
		if err != nil && !errors.Is(err, kerr.GroupIDNotFound) {
			return fmt.Errorf("ask how far %s is: %w", group, err)
		}
		if len(done) == 0 && !mine {
			return nil
		}
		var behind int64
		gaps := map[string]map[int32]gap{}
		ends.Each(func(e kadm.ListedOffset) {
			at := int64(0)
			if o, ok := done.Lookup(e.Topic, e.Partition); ok {
				at = max(o.At, 0)
			}
			if e.Offset <= at || a.marks.covers(e.Topic, e.Partition, gap{at, e.Offset}) {
				return
			}
			behind += e.Offset - at
			if gaps[e.Topic] == nil {
				gaps[e.Topic] = map[int32]gap{}
			}
			gaps[e.Topic][e.Partition] = gap{at, e.Offset}
		})
		if behind == 0 {
			return nil
		}
		if behind == last {
			// The mark at the end of a transaction stands in the log like a record, and a group commits past it only
			// with its next work: look at what is in the gaps.
			if err := a.marks.read(ctx, a.base, gaps); err != nil {
				return err
			}
		}
		last = behind
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s has %d records to go", group, behind)
		case <-time.After(25 * time.Millisecond):
		}
	}
}

// gap is a range of offsets, half-open.
type gap struct{ from, to int64 }

// marks remembers ranges of the log that hold nothing but the ends of transactions.
type marks struct {
	mu    sync.Mutex
	known map[string]map[int32]gap
}

func (m *marks) covers(topic string, partition int32, g gap) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	k, ok := m.known[topic][partition]
	return ok && k.from <= g.from && g.to <= k.to
}

// longGap is not worth looking into: it is work to be done.
const longGap = 8

// read looks into short gaps and keeps those without a record.
func (m *marks) read(ctx context.Context, base []kgo.Opt, gaps map[string]map[int32]gap) error {
	offsets := map[string]map[int32]kgo.Offset{}
	left := 0
	for t, ps := range gaps {
		for p, g := range ps {
			if g.to-g.from > longGap {
				continue
			}
			if offsets[t] == nil {
				offsets[t] = map[int32]kgo.Offset{}
			}
			offsets[t][p] = kgo.NewOffset().At(g.from)
			left++
		}
	}
	if left == 0 {
		return nil
	}
	cl, err := kgo.NewClient(append(slices.Clone(base), kgo.ConsumePartitions(offsets), kgo.KeepControlRecords(), kgo.FetchMaxWait(100*time.Millisecond))...)
	if err != nil {
		return fmt.Errorf("look at the topics' ends: %w", err)
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	real := map[string]map[int32]bool{}
	for left > 0 {
		fs := cl.PollFetches(ctx)
		if ctx.Err() != nil {
			return nil // not to be seen now; the caller asks again
		}
		fs.EachRecord(func(r *kgo.Record) {
			g := gaps[r.Topic][r.Partition]
			if r.Offset >= g.to {
				return
			}
			if real[r.Topic] == nil {
				real[r.Topic] = map[int32]bool{}
			}
			real[r.Topic][r.Partition] = real[r.Topic][r.Partition] || !r.Attrs.IsControl()
			if r.Offset != g.to-1 {
				return
			}
			left--
			if !real[r.Topic][r.Partition] {
				m.mu.Lock()
				if m.known[r.Topic] == nil {
					m.known[r.Topic] = map[int32]gap{}
				}
				m.known[r.Topic][r.Partition] = g
				m.mu.Unlock()
			}
		})
	}
	return nil
}
