package recompute

import (
	"cmp"
	"context"
	"fmt"
	"hash/maphash"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ringfence/ringfence/event"
)

// topics of the facts that metrics are made of.
func topics() []string {
	return []string{event.TopicCallFacts, event.TopicAgentIntervals, event.TopicAgentStates, event.TopicPermitDecisions, event.TopicComplaintFacts, event.TopicLeads, event.TopicSamplingFacts}
}

// versioned keeps the newest version of each thing.
type versioned[V any] map[string]struct {
	revision uint64
	v        V
}

func (m versioned[V]) put(key string, revision uint64, v V) {
	if was, ok := m[key]; !ok || revision >= was.revision {
		m[key] = struct {
			revision uint64
			v        V
		}{revision, v}
	}
}

// reader folds records into the newest versions of facts.
type reader struct {
	from, to   time.Time
	seed       maphash.Seed
	revisions  map[uint64]uint64 // of every call
	calls      versioned[call]
	useless    versioned[call] // outbound calls anywhere before the end that make a lead useless
	intervals  versioned[interval]
	schedules  versioned[schedule]
	scheduled  map[string]bool // events of schedules that were read
	permits    versioned[permit]
	complaints versioned[complaint]
	recordings versioned[recording]
	leads      map[string]arrived
	notes      []string
}

type arrived struct {
	lead
	arrival int64
}

// readLog reads what the topics hold now.
func readLog(ctx context.Context, base []kgo.Opt, from, to time.Time, progress func(float64)) (*facts, []string, error) {
	r := &reader{from: from, to: to, seed: maphash.MakeSeed(), revisions: map[uint64]uint64{}, calls: versioned[call]{}, useless: versioned[call]{}, intervals: versioned[interval]{},
		schedules: versioned[schedule]{}, scheduled: map[string]bool{}, permits: versioned[permit]{}, complaints: versioned[complaint]{}, recordings: versioned[recording]{}, leads: map[string]arrived{}}
	client, err := kgo.NewClient(base...)
	if err != nil {
		return nil, nil, fmt.Errorf("open Kafka: %w", err)
	}
	defer client.Close()
	adm := kadm.NewClient(client)
	starts, err := adm.ListStartOffsets(ctx, topics()...)
	if err != nil {
		return nil, nil, fmt.Errorf("ask for the beginning of the log: %w", err)
	}
	ends, err := adm.ListCommittedOffsets(ctx, topics()...)
	if err != nil {
		return nil, nil, fmt.Errorf("ask for the end of the log: %w", err)
	}
	offsets, left, total := map[string]map[int32]kgo.Offset{}, map[string]map[int32]int64{}, int64(0)
	open := 0
	ends.Each(func(e kadm.ListedOffset) {
		at := int64(0)
		if s, ok := starts.Lookup(e.Topic, e.Partition); ok {
			at = s.Offset
		}
		if at > 0 {
			r.notes = append(r.notes, fmt.Sprintf("%s/%d begins at offset %d: what was before it is not recomputed", e.Topic, e.Partition, at))
		}
		if e.Offset <= at {
			return
		}
		if offsets[e.Topic] == nil {
			offsets[e.Topic], left[e.Topic] = map[int32]kgo.Offset{}, map[int32]int64{}
		}
		offsets[e.Topic][e.Partition], left[e.Topic][e.Partition] = kgo.NewOffset().At(at), e.Offset
		total += e.Offset - at
		open++
	})
	if open == 0 {
		return r.facts(), r.notes, nil
	}
	cl, err := kgo.NewClient(append(slices.Clone(base), kgo.ConsumePartitions(offsets), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(), kgo.FetchMaxWait(100*time.Millisecond))...)
	if err != nil {
		return nil, nil, fmt.Errorf("open Kafka: %w", err)
	}
	defer cl.Close()
	for done := int64(0); open > 0; {
		fs := cl.PollFetches(ctx)
		if err := fs.Err(); err != nil {
			return nil, nil, fmt.Errorf("read the log: %w", err)
		}
		for _, rec := range fs.Records() {
			end, ok := left[rec.Topic][rec.Partition]
			if !ok {
				continue
			}
			done++
			if rec.Offset < end && !rec.Attrs.IsControl() && rec.Value != nil {
				if err := r.add(rec); err != nil {
					r.notes = append(r.notes, fmt.Sprintf("%s/%d offset %d is no fact: %v", rec.Topic, rec.Partition, rec.Offset, err))
				}
			}
			if rec.Offset >= end-1 {
				delete(left[rec.Topic], rec.Partition)
				open--
			}
		}
		if progress != nil {
			progress(min(1, float64(done)/float64(total)))
		}
	}
	return r.facts(), r.notes, nil
}

func at(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

func maybe(ms int64) *time.Time {
	if ms == 0 {
		return nil
	}
	t := at(ms)
	return &t
}

func key(parts ...any) string { return strings.TrimSuffix(fmt.Sprintln(parts...), "\n") }

func (r *reader) add(rec *kgo.Record) error {
	switch rec.Topic {
	case event.TopicCallFacts:
		return r.call(rec.Value)
	case event.TopicAgentIntervals:
		var f event.AgentInterval
		if err := f.UnmarshalVT(rec.Value); err != nil {
			return err
		}
		r.intervals.put(key(f.AgentId, f.StartAt), f.Revision, interval{f.AgentId, f.TeamId, f.PartnerId, f.CampaignId, f.State, at(f.StartAt), at(f.EndAt), f.Open})
	case event.TopicAgentStates:
		var f event.AgentEvent
		if err := f.UnmarshalVT(rec.Value); err != nil {
			return err
		}
		if x := f.GetSchedule(); x != nil {
			if id := key(x.AgentId, x.StartAt) + x.EventId; x.EventId != "" {
				if r.scheduled[id] {
					return nil // sent again: it changes nothing
				}
				r.scheduled[id] = true
			}
			r.schedules.put(key(x.AgentId, x.StartAt), uint64(x.ReceivedAt)<<20|uint64(rec.Offset)&0xfffff, schedule{x.AgentId, x.TeamId, x.PartnerId, x.Kind, at(x.StartAt), at(x.EndAt)})
		}
	case event.TopicPermitDecisions:
		var f event.PermitEvent
		if err := f.UnmarshalVT(rec.Value); err != nil {
			return err
		}
		if d := f.GetDecision(); d != nil && !d.RepeatedAnswer && !d.Expired {
			r.permits.put(key(d.RequestId, d.CustomerId, d.At), 0, permit{d.RequestId, d.Decision, d.CampaignId, d.PartnerId, d.Purpose, d.Products, at(d.At)})
		}
	case event.TopicComplaintFacts:
		var f event.ComplaintFact
		if err := f.UnmarshalVT(rec.Value); err != nil {
			return err
		}
		c := f.Complaint
		r.complaints.put(key(c.ComplaintId, f.EventId), f.Revision, complaint{c.ComplaintId, c.Event, c.CampaignId, c.AgentId, f.TeamId, c.PartnerId, c.Products, at(c.At), f.Unattributed, f.Revision})
	case event.TopicLeads:
		var f event.Lead
		if err := f.UnmarshalVT(rec.Value); err != nil {
			return err
		}
		k := key(f.LeadId, f.At, f.EventId)
		if was, seen := r.leads[k]; !seen || rec.Offset < was.arrival { // sent twice: the first counts
			r.leads[k] = arrived{lead{f.LeadId, f.CampaignId, f.ListId, f.Useless, at(f.At)}, rec.Offset}
		}
	case event.TopicSamplingFacts:
		var f event.SamplingFact
		if err := f.UnmarshalVT(rec.Value); err != nil {
			return err
		}
		if p := f.GetPopulation(); p != nil {
			r.recordings.put(key(p.Day, p.AgentId, p.Seq), p.Revision, recording{agent: p.AgentId, team: p.TeamId, partner: p.PartnerId, campaign: p.CampaignId, seq: uint32(p.Seq), drawn: p.Drawn, at: at(p.CallStartedAt)})
		}
	}
	return nil
}

// call keeps the calls of the range, and those anywhere before its end that make a lead useless.
func (r *reader) call(value []byte) error {
	var f event.CallFact
	if err := f.UnmarshalVT(value); err != nil {
		return err
	}
	if f.Retracted || f.Call == nil {
		return nil
	}
	x := f.Call
	h := maphash.String(r.seed, x.CallId)
	if f.Revision < r.revisions[h] {
		return nil
	}
	r.revisions[h] = f.Revision
	started := at(x.StartedAt)
	c := call{id: x.CallId, direction: x.Direction, customer: x.CustomerId, lead: x.LeadId, campaign: x.CampaignId, list: x.ListId, agent: x.AgentId, team: x.TeamId, partner: x.PartnerId, purpose: x.Purpose,
		products: x.Products, ordered: x.Ordered, violations: f.Violations, started: started, ended: at(x.EndedAt), answered: maybe(x.AnsweredAt), bridged: maybe(x.BridgedAt), wrapped: maybe(x.WrappedUpAt),
		prepared: x.PreparedMs, outcome: x.Outcome, by: x.AnsweredBy, disposition: x.Disposition, useless: x.Useless, reached: x.Reached, completed: x.Completed, inboundLead: x.InboundLead}
	if rec := x.Recording; rec != nil {
		c.uri, c.size, c.duration = rec.Uri, rec.SizeBytes, rec.DurationMs
	}
	inside := !started.Before(r.from) && started.Before(r.to)
	if _, was := r.calls[x.CallId]; inside || was {
		r.calls.put(x.CallId, f.Revision, c)
	}
	if _, was := r.useless[x.CallId]; was || c.lead != "" && c.spoils() {
		r.useless.put(x.CallId, f.Revision, call{direction: c.direction, lead: c.lead, started: started, useless: c.useless, outcome: c.outcome})
	}
	return nil
}

// facts are the newest versions.
func (r *reader) facts() *facts {
	f := &facts{spoiled: map[string]time.Time{}}
	for _, x := range r.calls {
		f.calls = append(f.calls, x.v)
	}
	for _, x := range r.useless {
		f.spoil(&x.v)
	}
	for _, x := range r.intervals {
		if x.v.end.After(x.v.start) {
			f.intervals = append(f.intervals, x.v)
		}
	}
	for _, x := range r.schedules {
		f.schedules = append(f.schedules, x.v)
	}
	for _, x := range r.permits {
		f.permits = append(f.permits, x.v)
	}
	for _, x := range r.complaints {
		f.complaints = append(f.complaints, x.v)
	}
	slices.SortFunc(f.complaints, func(a, b complaint) int { return cmp.Compare(a.revision, b.revision) })
	for _, x := range r.recordings {
		f.recordings = append(f.recordings, x.v)
	}
	var leads []arrived
	for _, x := range r.leads {
		leads = append(leads, x)
	}
	slices.SortFunc(leads, func(a, b arrived) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.arrival, b.arrival)) })
	for _, x := range leads {
		f.leads = append(f.leads, x.lead)
	}
	return f
}
