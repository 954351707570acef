package app

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ringfence/ringfence/dialer"
	"github.com/ringfence/ringfence/dialer/live"
	"github.com/ringfence/ringfence/event"
)

// Signals passes the campaigns' signals on to a dialer, the standing ones first, until ctx ends.
func (a *App) Signals(ctx context.Context, to chan<- dialer.Signal) error {
	cl, err := kgo.NewClient(append(slices.Clone(a.base), kgo.ConsumeTopics(event.TopicCampaignSignals), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.FetchMaxWait(200*time.Millisecond))...)
	if err != nil {
		return fmt.Errorf("listen to the campaigns' signals: %w", err)
	}
	defer cl.Close()
	for {
		fetches := cl.PollFetches(ctx)
		if ctx.Err() != nil {
			return nil
		}
		latest := map[string]dialer.Signal{} // of many about one campaign the last says all
		fetches.EachRecord(func(r *kgo.Record) {
			var s event.CampaignSignal
			if s.UnmarshalVT(r.Value) != nil {
				return
			}
			latest[string(r.Key)] = live.Signal(&s, string(r.Key))
		})
		for _, s := range latest {
			select {
			case to <- s:
			case <-ctx.Done():
				return nil
			}
		}
	}
}
