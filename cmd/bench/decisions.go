package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/internal/stream"
	"github.com/ringfence/ringfence/processors/contactcap"
	"github.com/ringfence/ringfence/processors/contactcap/policy"
)

func (b *bench) processor(br *broker, dir string) (*stream.Runner[contactcap.State], error) {
	p, err := policy.Load("china-unicom")
	if err != nil {
		return nil, err
	}
	def := contactcap.New(contactcap.Options{Policy: func() *policy.Policy { return p }, OrphanAfter: 2 * time.Hour, AttributionWindow: 30 * 24 * time.Hour,
		CustomerHash: func(id string) string { return id }})
	return stream.New(def, stream.Config{Kafka: br.base(), DataDir: dir, Partitions: partitions})
}

// requests are permit requests of customers in an order without a pattern.
func requests(customers int, at time.Time) func(i int) *kgo.Record {
	return func(i int) *kgo.Record {
		id := "customer-" + strconv.Itoa(i*7919%customers)
		ms := at.Add(time.Duration(i/customers) * 24 * time.Hour).UnixMilli()
		ce := event.CustomerEvent{EventId: "r" + strconv.Itoa(i), CustomerId: id, ReceivedAt: ms, Source: "api", Body: &event.CustomerEvent_PermitRequest{PermitRequest: &event.PermitRequest{
			RequestId: "r" + strconv.Itoa(i), Purpose: "sales", Products: []string{"5g"}, CampaignId: "c1", CallerId: "10010", Recording: true, At: ms, TtlMs: 60_000}}}
		v, _ := ce.MarshalVT()
		return &kgo.Record{Topic: event.TopicCustomerEvents, Key: []byte(id), Value: v}
	}
}

// decisions end to end: Kafka in, state and changelog, Kafka out, exactly once.
func (b *bench) decisions(ctx context.Context) error {
	br, err := b.broker(ctx, "decisions")
	if err != nil {
		return err
	}
	defer br.close()
	n, customers := b.records, b.records/4
	b.say("decisions: %d permit requests of %d customers", n, customers)
	if err := br.fill(ctx, n, requests(customers, time.Date(2026, 3, 2, 2, 0, 0, 0, time.UTC))); err != nil {
		return err
	}
	var bares, ours, ratios []float64
	for round := range 3 {
		group := fmt.Sprint("bare", round)
		bctx, stop := context.WithCancel(ctx)
		done := make(chan error, 1)
		go func() {
			done <- br.bare(bctx, group, kgo.NewOffset().AtStart(), 50_000, func(r *kgo.Record) *kgo.Record {
				return &kgo.Record{Topic: outTopic, Partition: r.Partition, Key: r.Key, Value: r.Value}
			})
		}()
		v, err := br.throughput(ctx, group, event.TopicCustomerEvents, int64(n))
		stop()
		if err == nil {
			err = <-done
		}
		if err != nil {
			return err
		}
		bares = append(bares, v)
		v, err = b.decide(ctx, br, filepath.Join(b.dir, fmt.Sprint("decide", round)), int64(n))
		if err != nil {
			return err
		}
		ours = append(ours, v)
		ratios = append(ratios, ours[round]/bares[round])
		b.say("round %d: bare loop %s, decisions %s", round+1, rate(bares[round], "records"), rate(v, "decisions"))
		if round < 2 { // the last one is recovered below
			if err := br.forget(ctx, "contactcap"); err != nil {
				return err
			}
		}
	}
	b.add(line{"contact-cap decisions end to end", rate(median(ours), "decisions"), "bare transaction loop " + rate(median(bares), "records"), fmt.Sprintf("%.2f", median(ratios)), ">= 0.5"})
	return b.recover(ctx, br, customers)
}

func (b *bench) decide(ctx context.Context, br *broker, dir string, n int64) (float64, error) {
	r, err := b.processor(br, dir)
	if err != nil {
		return 0, err
	}
	rctx, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- r.Run(rctx) }()
	v, err := br.throughput(ctx, stream.Group("contactcap"), event.TopicCustomerEvents, n)
	stop()
	if rerr := <-done; err == nil {
		err = rerr
	}
	return v, err
}

// forget drops what a processor has done, so that it begins anew.
func (br *broker) forget(ctx context.Context, name string) error {
	if _, err := br.admin.DeleteGroup(ctx, stream.Group(name)); err != nil {
		return err
	}
	_, err := br.admin.DeleteTopics(ctx, stream.ChangelogTopic(name))
	return err
}

// recover loses the disk and measures until every partition decides again.
func (b *bench) recover(ctx context.Context, br *broker, customers int) error {
	dir := filepath.Join(b.dir, "recovered")
	r, err := b.processor(br, dir)
	if err != nil {
		return err
	}
	rctx, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	began := time.Now()
	go func() { done <- r.Run(rctx) }()
	for {
		s := r.Status()
		var entries int64
		for _, p := range s.Partitions {
			entries += p.Entries
		}
		if s.Ready && entries >= int64(customers) {
			break
		}
		select {
		case <-ctx.Done():
			stop()
			return ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
	took := time.Since(began)
	stop()
	if err := <-done; err != nil {
		return err
	}
	bytes, err := bytesIn(dir)
	b.add(line{"recovery after loss of the disk", rate(float64(customers)/took.Seconds(), "customers"), fmt.Sprintf("%d customers, %d bytes each on disk", customers, bytes/int64(customers)), "", ">= 1 M/s"})
	return err
}
