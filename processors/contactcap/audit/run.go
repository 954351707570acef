package audit

import (
	"context"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/internal/stream"
	"github.com/ringfence/ringfence/processors/contactcap"
	"github.com/ringfence/ringfence/processors/contactcap/policy"
)

// Source is where the past is.
type Source struct {
	Base      []kgo.Opt          // how to reach the brokers
	Conn      driver.Conn        // nil = the tables are not compared
	Processor contactcap.Options // as the processor runs; its policy is the one decisions are redone under
	// PermitID and CustomerHash are how the tables spell a permit and a customer.
	PermitID     func(id, customer string) string
	CustomerHash func(id string) string
	Progress     func(done float64)
	// Counted waits until what is in the log is in the tables; nil = it is.
	Counted func(context.Context) error
}

// log is what is read: the customer events that were processed, and every decision on them.
type log struct {
	given      *Given
	partitions int32
	ends       map[int32]int64
	total      int64
	done       atomic.Int64
	progress   func(float64)
	mu         sync.Mutex
}

func (s *Source) open(ctx context.Context) (*log, error) {
	l := &log{given: &Given{first: map[id]*event.PermitDecision{}, where: map[id]string{}, when: map[id]time.Time{}, void: map[id]bool{}}, ends: map[int32]int64{}, progress: s.Progress}
	client, err := kgo.NewClient(s.Base...)
	if err != nil {
		return nil, fmt.Errorf("open Kafka: %w", err)
	}
	defer client.Close()
	adm := kadm.NewClient(client)
	details, err := adm.ListTopics(ctx, event.TopicCustomerEvents)
	if err != nil {
		return nil, fmt.Errorf("ask for the partitions of %s: %w", event.TopicCustomerEvents, err)
	}
	l.partitions = int32(len(details[event.TopicCustomerEvents].Partitions))
	// As far as the processor is: of what it has not decided yet there is nothing to compare.
	done, err := adm.FetchOffsets(ctx, stream.Group("contactcap"))
	if err != nil {
		return nil, fmt.Errorf("ask how far the processor is: %w", err)
	}
	decisions, err := adm.ListCommittedOffsets(ctx, event.TopicPermitDecisions)
	if err != nil {
		return nil, fmt.Errorf("ask for the ends of %s: %w", event.TopicPermitDecisions, err)
	}
	ends := map[int32]int64{}
	decisions.Each(func(o kadm.ListedOffset) { ends[o.Partition] = o.Offset; l.total += o.Offset })
	for p := range l.partitions {
		if o, ok := done.Lookup(event.TopicCustomerEvents, p); ok && o.At > 0 {
			l.ends[p] = o.At
			l.total += o.At
		}
	}
	return l, s.read(ctx, event.TopicPermitDecisions, ends, l, func(_ int32) func(*kgo.Record) error {
		return func(r *kgo.Record) error {
			l.mu.Lock()
			defer l.mu.Unlock()
			return l.given.Add(r)
		}
	})
}

// read hands over the committed records of a topic up to the ends, partition by partition, several at once.
func (s *Source) read(ctx context.Context, topic string, ends map[int32]int64, l *log, each func(partition int32) func(*kgo.Record) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(max(runtime.GOMAXPROCS(0), 2))
	for _, p := range slices.Sorted(maps.Keys(ends)) {
		end := ends[p]
		if end == 0 {
			continue
		}
		g.Go(func() error {
			cl, err := kgo.NewClient(append(slices.Clone(s.Base), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {p: kgo.NewOffset().AtStart()}}),
				kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(), kgo.FetchMaxWait(100*time.Millisecond))...)
			if err != nil {
				return fmt.Errorf("open Kafka: %w", err)
			}
			defer cl.Close()
			take := each(p)
			for at := int64(0); at < end; {
				fs := cl.PollFetches(ctx)
				if err := fs.Err(); err != nil {
					return fmt.Errorf("read %s/%d: %w", topic, p, err)
				}
				was := at
				for _, r := range fs.Records() {
					if r.Offset >= end {
						at = end
						break
					}
					at = r.Offset + 1
					if r.Attrs.IsControl() || r.Value == nil {
						continue
					}
					if err := take(r); err != nil {
						return err
					}
				}
				done := l.done.Add(at - was)
				if l.progress != nil {
					l.mu.Lock()
					l.progress(min(1, float64(done)/float64(max(l.total, 1))))
					l.mu.Unlock()
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// Audit redoes every decision on requests from `from` until `to` and compares it with the one given, and the tables with
// the log (CAP-*, BL-*; issue: caps audit). What differs is looked at a second time, and only what differs in the same way again
// is told: a system at work writes rows after the log was read, and decisions that are not rows yet.
func Audit(ctx context.Context, s Source, p *policy.Policy, from, to time.Time) (*Report, error) {
	first, err := audit(ctx, s, p, from, to, nil)
	if err != nil || first.report.OK {
		return first.report, err
	}
	again, err := audit(ctx, s, p, from, to, first.found)
	return again.report, err
}

// audit goes through it once; only are the differences that are looked for, nil = all.
func audit(ctx context.Context, s Source, p *policy.Policy, from, to time.Time, only map[Difference]bool) (*auditor, error) {
	a := &auditor{report: &Report{From: from, To: to, Policy: p.Ref(), Differences: []Difference{}}, facts: map[string]*event.CallFact{}, found: map[Difference]bool{}, only: only}
	if s.Counted != nil {
		if err := s.Counted(ctx); err != nil {
			return a, fmt.Errorf("wait until the log is in the tables: %w", err)
		}
	}
	l, err := s.open(ctx)
	if err != nil {
		return a, err
	}
	err = s.read(ctx, event.TopicCustomerEvents, l.ends, l, func(part int32) func(*kgo.Record) error {
		return newRedo(part, l.partitions, l.given, p, s.Processor, a.judge, a.fact).feed
	})
	if err != nil {
		return a, err
	}
	if s.Conn != nil {
		if err := s.tables(ctx, a, l.given); err != nil {
			return a, err
		}
	}
	for _, d := range l.given.twice {
		a.differ(d.Kind, d.Where, d.ID, "%s", d.Detail)
	}
	slices.SortFunc(a.report.Differences, func(x, y Difference) int { return strings.Compare(x.Kind+x.Where+x.ID, y.Kind+y.Where+y.ID) })
	a.report.OK = a.report.Found == 0
	return a, nil
}

// tables compares calls and permits with the log.
func (s *Source) tables(ctx context.Context, a *auditor, given *Given) error {
	rows, err := s.Conn.Query(ctx, `SELECT call_id, direction, customer_hash, permit_id, purpose, campaign_id, outcome, answered_by, disposition, cap_verdict, policy, products, refused, violations,
		toUnixTimestamp64Milli(started_at), ifNull(toUnixTimestamp64Milli(answered_at), 0), ifNull(toUnixTimestamp64Milli(bridged_at), 0), toUnixTimestamp64Milli(ended_at), ifNull(opt_out, false) FROM calls FINAL`)
	if err != nil {
		return fmt.Errorf("read calls: %w", err)
	}
	for rows.Next() {
		var c CallRow
		if err := rows.Scan(&c.CallID, &c.Direction, &c.CustomerHash, &c.PermitID, &c.Purpose, &c.CampaignID, &c.Outcome, &c.AnsweredBy, &c.Disposition, &c.Verdict, &c.Policy, &c.Products,
			&c.Refused, &c.Violations, &c.StartedAt, &c.AnsweredAt, &c.BridgedAt, &c.EndedAt, &c.OptOut); err != nil {
			return fmt.Errorf("read calls: %w", err)
		}
		a.call(c, s.PermitID)
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read calls: %w", err)
	}
	for call, f := range a.facts {
		if within(f.Call.StartedAt, a.report.From, a.report.To) {
			a.differ("call", "calls", call, "the table has no such call")
		}
	}
	byHash := map[string][]*event.PermitDecision{}
	for _, d := range given.first {
		k := d.RequestId + "\x00" + s.CustomerHash(d.CustomerId)
		byHash[k] = append(byHash[k], d)
	}
	seen := map[id]bool{}
	rows, err = s.Conn.Query(ctx, `SELECT request_id, permit_id, decision, customer_hash, policy, purpose, campaign_id, products, denied_by, toUnixTimestamp64Milli(at),
		ifNull(toUnixTimestamp64Milli(next_allowed_at), 0) FROM permits FINAL`)
	if err != nil {
		return fmt.Errorf("read permits: %w", err)
	}
	for rows.Next() {
		var r PermitRow
		if err := rows.Scan(&r.RequestID, &r.PermitID, &r.Decision, &r.CustomerHash, &r.Policy, &r.Purpose, &r.CampaignID, &r.Products, &r.DeniedBy, &r.At, &r.NextAllowedAt); err != nil {
			return fmt.Errorf("read permits: %w", err)
		}
		a.permit(r, seen, byHash, s.PermitID)
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read permits: %w", err)
	}
	for k, d := range given.first {
		if !seen[k] && within(d.At, a.report.From, a.report.To) {
			a.differ("permit", given.where[k], d.RequestId, "the table permits has no such decision")
		}
	}
	return nil
}
