package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/internal/permits"
)

// latency of a permit, from the request to the committed decision, at fixed rates; the bare loop answers the same
// requests through the same gateway.
func (b *bench) latency(ctx context.Context) error {
	for _, perSecond := range []int{1000, 5000} {
		var took [2][]time.Duration
		for i, name := range []string{"bare", "ringfence"} {
			t, err := b.latencyOf(ctx, name, perSecond)
			if err != nil {
				return err
			}
			took[i] = t
			b.say("permits at %d/s, %s: %s", perSecond, name, quantiles(t))
		}
		goal := ""
		if perSecond == 5000 {
			goal = "p50 <= 3 ms, p99 <= 10 ms"
		}
		b.add(line{fmt.Sprintf("permit at %d requests/s", perSecond), quantiles(took[1]), "bare loop " + quantiles(took[0]),
			fmt.Sprintf("p50 %.2f, p99 %.2f", float64(at(took[1], .5))/float64(at(took[0], .5)), float64(at(took[1], .99))/float64(at(took[0], .99))), goal})
	}
	return nil
}

func at(sorted []time.Duration, q float64) time.Duration {
	return sorted[int(math.Min(q*float64(len(sorted)), float64(len(sorted)-1)))]
}

func quantiles(t []time.Duration) string {
	ms := func(q float64) float64 { return float64(at(t, q).Microseconds()) / 1000 }
	return fmt.Sprintf("p50 %.1f p99 %.1f p99.9 %.1f ms", ms(.5), ms(.99), ms(.999))
}

func (b *bench) latencyOf(ctx context.Context, name string, perSecond int) ([]time.Duration, error) {
	br, err := b.broker(ctx, fmt.Sprint("latency-", name, perSecond))
	if err != nil {
		return nil, err
	}
	defer func() { _ = br.clear(ctx); br.close() }()
	rctx, stop := context.WithCancel(ctx)
	defer stop()
	done := make(chan error, 2)
	if name == "bare" {
		go func() { done <- br.bare(rctx, "bare", 50_000, loop{"", []kgo.Opt{plain, manual}, echo}) }()
	} else {
		r, err := b.processor(br, filepath.Join(b.dir, fmt.Sprint("latency", perSecond)))
		if err != nil {
			return nil, err
		}
		go func() { done <- r.Run(rctx) }()
	}
	producer, err := kgo.NewClient(append(br.base(), kgo.ProducerLinger(0))...)
	if err != nil {
		return nil, err
	}
	defer producer.Close()
	g, err := permits.New(ctx, permits.Options{Base: br.base(), Producer: producer, Partitions: partitions, Timeout: 30 * time.Second})
	if err != nil {
		return nil, err
	}
	go func() { done <- g.Run(rctx) }()
	// One that waits until the partitions are owned, or those that come meanwhile are more than may wait; then as many as
	// make everything connected and warm.
	if _, err := askMany(ctx, g, perSecond, 1, 0); err != nil {
		return nil, err
	}
	if _, err := askMany(ctx, g, perSecond, perSecond, 1); err != nil {
		return nil, err
	}
	took, err := askMany(ctx, g, perSecond, 6*perSecond, 1+perSecond)
	stop()
	return took, errors.Join(err, <-done, <-done)
}

// askMany asks n permits at a rate, whether the earlier ones are answered or not.
func askMany(ctx context.Context, g *permits.Gateway, perSecond, n, from int) ([]time.Duration, error) {
	took := make([]time.Duration, n)
	errs := make(chan error, n)
	var wg sync.WaitGroup
	began := time.Now()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for i := 0; i < n; {
		for due := int(time.Since(began).Seconds() * float64(perSecond)); i < min(due, n); i++ {
			k := i
			wg.Go(func() {
				ms := time.Now().UnixMilli()
				id := strconv.Itoa(from + k)
				sent := time.Now()
				_, err := g.Ask(ctx, &event.CustomerEvent{EventId: id, CustomerId: "customer-" + id, ReceivedAt: ms, Source: "api", Body: &event.CustomerEvent_PermitRequest{
					PermitRequest: &event.PermitRequest{RequestId: id, Purpose: "care", CampaignId: "c1", CallerId: "10010", Recording: true, At: ms, TtlMs: 60_000}}})
				took[k] = time.Since(sent)
				if err != nil {
					errs <- err
				}
			})
		}
		<-tick.C
	}
	wg.Wait()
	close(errs)
	if err := <-errs; err != nil {
		return nil, fmt.Errorf("ask a permit: %w", err)
	}
	slices.Sort(took)
	return took, nil
}

// echo answers a permit request as the bare loop does: with a permit, and no thought.
func echo(r *kgo.Record, put func(*kgo.Record)) {
	var ce event.CustomerEvent
	_ = ce.UnmarshalVT(r.Value) // our own bytes
	req := ce.GetPermitRequest()
	pe := event.PermitEvent{ReplyTo: req.GetReplyTo(), Body: &event.PermitEvent_Decision{Decision: &event.PermitDecision{Decision: "permit", RequestId: req.GetRequestId()}}}
	v, _ := pe.MarshalVT()
	put(&kgo.Record{Topic: event.TopicPermitDecisions, Partition: req.GetReplyTo().GetPartition(), Value: v})
}
