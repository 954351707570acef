package main

import (
	"context"
	"fmt"
	"math/rand/v2"
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
	p, err := chinaUnicom()
	if err != nil {
		return nil, err
	}
	def := contactcap.New(contactcap.Options{Policy: func() *policy.Policy { return p }, OrphanAfter: 2 * time.Hour, AttributionWindow: 30 * 24 * time.Hour,
		CustomerHash: func(id string) string { return id }})
	return stream.New(def, stream.Config{Kafka: br.base(), DataDir: dir, Partitions: partitions})
}

// requests are permit requests over a year and a half. A tenth of them goes to a hundredth of the customers, so that caps bite; the
// rest is spread evenly. It is the workload the peers in docs/benchmarks.md were measured with.
func requests(n, customers int, start time.Time) func(i int) *kgo.Record {
	hot := max(customers/100, 1)
	return func(i int) *kgo.Record {
		rnd := rand.New(rand.NewPCG(uint64(i), 42))
		c := hot + rnd.IntN(max(customers-hot, 1))
		if i%10 == 0 {
			c = rnd.IntN(hot)
		}
		at := start.Add(time.Duration(float64(i) / float64(n) * float64(540*24*time.Hour)))
		// By day, or the calling hours would deny a good half.
		ms := at.Truncate(24 * time.Hour).Add(at.Sub(at.Truncate(24*time.Hour))/2 + time.Hour).UnixMilli()
		return permitRequest("r"+strconv.Itoa(i), "customer-"+strconv.Itoa(c), ms)
	}
}

func permitRequest(id, customer string, ms int64) *kgo.Record {
	ce := event.CustomerEvent{EventId: id, CustomerId: customer, ReceivedAt: ms, Source: "api", Body: &event.CustomerEvent_PermitRequest{PermitRequest: &event.PermitRequest{
		RequestId: id, Purpose: "sales", Products: []string{"5g"}, CampaignId: "c1", CallerId: "10010", Recording: true, At: ms, TtlMs: 60_000}}}
	v, _ := ce.MarshalVT()
	return &kgo.Record{Topic: event.TopicCustomerEvents, Key: []byte(customer), Value: v}
}

// decisions end to end: Kafka in, state and changelog, Kafka out, exactly once.
func (b *bench) decisions(ctx context.Context) error {
	br, err := b.broker(ctx, "decisions")
	if err != nil {
		return err
	}
	defer func() { _ = br.clear(ctx); br.close() }()
	n, customers := b.records, b.records/2
	b.say("decisions: %d permit requests over %d customers", n, customers)
	if err := br.fill(ctx, n, requests(n, customers, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))); err != nil {
		return err
	}
	bares := make([][]spent, len(loops))
	var ours []spent
	for round := range 3 {
		for i, l := range loops {
			v, err := br.bareRate(ctx, fmt.Sprint("bare", round, i), int64(n), l)
			if err != nil {
				return err
			}
			bares[i] = append(bares[i], v)
			b.say("round %d: %s %s, %.2f us of CPU each", round+1, l.what, rate(v.rate, "records"), v.micros)
			if err := br.anew(ctx, outTopic); err != nil {
				return err
			}
		}
		v, err := b.decide(ctx, br, filepath.Join(b.dir, fmt.Sprint("decide", round)), int64(n))
		if err != nil {
			return err
		}
		ours = append(ours, v)
		b.say("round %d: decisions %s, %.2f us of CPU each", round+1, rate(v.rate, "decisions"), v.micros)
		if round < 2 { // the last one is recovered below
			if err := br.forget(ctx, "contactcap"); err != nil {
				return err
			}
		}
	}
	rateOf, microsOf := func(s spent) float64 { return s.rate }, func(s spent) float64 { return s.micros }
	for i, l := range loops {
		goal := ""
		if i == 0 {
			goal = ">= 0.5"
		}
		b.add(line{"contact-cap decisions end to end", fmt.Sprintf("%s, %.2f us of CPU each", rate(middle(ours, rateOf), "decisions"), middle(ours, microsOf)),
			fmt.Sprintf("%s %s, %.2f us", l.what, rate(middle(bares[i], rateOf), "records"), middle(bares[i], microsOf)),
			fmt.Sprintf("%.2f (%.2f by CPU)", ratio(ours, bares[i], rateOf), 1/ratio(ours, bares[i], microsOf)), goal})
	}
	return b.recover(ctx, br, "recovery from that run's changelog")
}

// middle is the median of a figure over the rounds.
func middle(v []spent, of func(spent) float64) float64 {
	var x []float64
	for _, s := range v {
		x = append(x, of(s))
	}
	return median(x)
}

// ratio is the median over the rounds of one run's figure over that of the one beside it.
func ratio(a, b []spent, of func(spent) float64) float64 {
	var x []float64
	for i := range a {
		x = append(x, of(a[i])/of(b[i]))
	}
	return median(x)
}

func (b *bench) decide(ctx context.Context, br *broker, dir string, n int64) (spent, error) {
	r, err := b.processor(br, dir)
	if err != nil {
		return spent{}, err
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

// anew deletes a topic and makes it again.
func (br *broker) anew(ctx context.Context, topic string) error {
	if _, err := br.admin.DeleteTopics(ctx, topic); err != nil {
		return err
	}
	_, err := br.admin.CreateTopic(ctx, partitions, int16(br.replication), nil, topic)
	return err
}
