package notify

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ringfence/ringfence/event"
)

// refresher is a sender whose other side forgets: it is told again and again what stands.
type refresher interface {
	// refresh tells of incidents as they were told last; the other side knows them by their labels.
	refresh(ctx context.Context, ms []*Message) error
}

const (
	endedKept   = 15 * time.Minute // an end is told so long, over a firing that another process told last
	refreshMost = 200              // incidents of one request
)

// standing is an incident as the receiver was told of it last.
type standing struct {
	alert *event.Alert
	told  time.Time
}

// standings are the incidents of one partition, by their id.
type standings map[string]standing

// take notes that the receiver knows of an alert now.
func (s standings) take(a *event.Alert, told time.Time) {
	if was, ok := s[a.AlertId]; !ok || was.alert.Seq <= a.Seq {
		s[a.AlertId] = standing{a, told}
	}
}

// sweep forgets what ended long ago.
func (s standings) sweep(now time.Time) {
	maps.DeleteFunc(s, func(_ string, x standing) bool { return x.alert.State == "resolved" && now.Sub(x.told) > endedKept })
}

// toldOpen tells whether the receiver believes that an incident goes on.
func (s standings) toldOpen(id string) bool {
	x, ok := s[id]
	return ok && x.alert.State != "resolved"
}

// recall reads what the receiver has been told of the partitions that are new to it: all up to its committed offset.
// Without that a process that starts would not know what stands.
func (r *receiver) recall(ctx context.Context, cl *kgo.Client) error {
	if r.refresher == nil {
		return nil
	}
	r.working.Lock()
	defer r.working.Unlock()
	var fresh []int32
	for p, owned := range r.owned {
		if owned && r.standing[p] == nil {
			fresh = append(fresh, p)
		}
	}
	if len(fresh) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, attempt)
	defer cancel()
	adm := kadm.NewClient(cl)
	committed, err := adm.FetchOffsetsForTopics(ctx, GroupPrefix+r.Name, event.TopicAlerts)
	if err != nil {
		return fmt.Errorf("ask how far it was told: %w", err)
	}
	starts, err := adm.ListStartOffsets(ctx, event.TopicAlerts)
	if err == nil {
		err = starts.Error()
	}
	if err != nil {
		return fmt.Errorf("ask where the alerts begin: %w", err)
	}
	ends, err := adm.ListEndOffsets(ctx, event.TopicAlerts)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return fmt.Errorf("ask where the alerts end: %w", err)
	}
	offsets, until, read := map[int32]kgo.Offset{}, map[int32]int64{}, map[int32]standings{}
	for _, p := range fresh {
		read[p] = standings{}
		o, ok := committed.Lookup(event.TopicAlerts, p)
		first, _ := starts.Lookup(event.TopicAlerts, p)
		last, _ := ends.Lookup(event.TopicAlerts, p)
		if end := min(o.At, last.Offset); ok && o.Err == nil && end > first.Offset {
			offsets[p], until[p] = kgo.NewOffset().At(first.Offset), end
		}
	}
	if err := r.readTold(ctx, offsets, until, read); err != nil {
		return err
	}
	maps.Copy(r.standing, read)
	return nil
}

// readTold reads each partition up to its end into what stands.
func (r *receiver) readTold(ctx context.Context, offsets map[int32]kgo.Offset, until map[int32]int64, into map[int32]standings) error {
	if len(offsets) == 0 {
		return nil
	}
	// Transactions' marks stand in the log too; unseen, a partition that ends with one would never be at its end.
	cl, err := kgo.NewClient(append(slices.Clone(r.n.opt.Base), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{event.TopicAlerts: offsets}),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(), kgo.FetchMaxWait(100*time.Millisecond))...)
	if err != nil {
		return err
	}
	defer cl.Close()
	for len(until) > 0 {
		fetches := cl.PollFetches(ctx)
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("read what it was told: %w", err)
		}
		fetches.EachRecord(func(rec *kgo.Record) {
			end, reading := until[rec.Partition]
			if reading && rec.Offset < end && !rec.Attrs.IsControl() {
				var a event.Alert
				if a.UnmarshalVT(rec.Value) == nil && r.wants(&a, into[rec.Partition]) {
					into[rec.Partition].take(&a, rec.Timestamp)
				}
			}
			if reading && rec.Offset >= end-1 {
				delete(until, rec.Partition)
			}
		})
	}
	return nil
}

// refresh tells a receiver that forgets what stands, when it is time for that.
func (r *receiver) refresh(ctx context.Context, now time.Time) {
	every := r.n.opt.Config.Refresh.D()
	if r.refresher == nil || every <= 0 || now.Before(r.refreshed.Add(every)) {
		return
	}
	r.refreshed = now
	r.working.Lock()
	defer r.working.Unlock()
	var ms []*Message
	for _, s := range r.standing {
		s.sweep(now)
		for _, x := range s {
			m, err := r.texts.Message(x.alert)
			if err != nil {
				r.log.Error("cannot be told again", "alert", x.alert.AlertId, "error", err)
				continue
			}
			m.ended = x.told
			ms = append(ms, m)
		}
	}
	slices.SortFunc(ms, func(a, b *Message) int { return strings.Compare(a.ID, b.ID) })
	var errs error
	for part := range slices.Chunk(ms, refreshMost) {
		tctx, cancel := context.WithTimeout(ctx, attempt)
		err := r.refresher.refresh(tctx, part)
		cancel()
		if err != nil {
			errs = errors.Join(errs, err)
			break
		}
	}
	if len(ms) == 0 || ctx.Err() != nil {
		return
	}
	result := "refreshed"
	if errs != nil {
		result = "refresh_failed"
		r.log.Warn("could not be told again what goes on; will be tried again", "incidents", len(ms), "error", errs)
	}
	r.n.results.WithLabelValues(r.Name, result).Inc()
	r.note(errs)
}
