package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/internal/stream"
)

// recovery measures how fast the states come back when the disk is lost, from a changelog as compaction leaves it: a record
// for each customer, who has ten calls.
func (b *bench) recovery(ctx context.Context) error {
	br, err := b.broker(ctx, "recovery")
	if err != nil {
		return err
	}
	defer func() { _ = br.clear(ctx); br.close() }()
	topic, n := stream.ChangelogTopic("contactcap"), min(b.customers, b.records)
	if _, err := br.admin.CreateTopic(ctx, partitions, int16(br.replication), map[string]*string{"cleanup.policy": kadm.StringPtr("compact")}, topic); err != nil {
		return err
	}
	b.say("recovery: a changelog of %d customers with ten calls each", n)
	values, err := variants()
	if err != nil {
		return err
	}
	place := kgo.StickyKeyPartitioner(nil).ForTopic(event.TopicCustomerEvents)
	if err := br.fill(ctx, n, func(i int) *kgo.Record {
		r := &kgo.Record{Topic: topic, Key: []byte(customerName(int(uint64(i) * 2654435761 % uint64(n)))), Value: stream.ChangelogValue(values[i%len(values)])}
		r.Partition = int32(place.Partition(r, partitions))
		return r
	}); err != nil {
		return err
	}
	return b.recover(ctx, br, "recovery from a compacted changelog")
}

// recover loses the disk and measures until every partition decides again.
func (b *bench) recover(ctx context.Context, br *broker, what string) error {
	ends, err := br.admin.ListEndOffsets(ctx, stream.ChangelogTopic("contactcap"))
	if err != nil {
		return err
	}
	var changelog int64
	ends.Each(func(o kadm.ListedOffset) { changelog += o.Offset })
	dir := filepath.Join(b.dir, "recovered")
	r, err := b.processor(br, dir)
	if err != nil {
		return err
	}
	rctx, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	began, cpu := time.Now(), cpuOf(0)
	go func() { done <- r.Run(rctx) }()
	var entries int64
	for {
		s := r.Status()
		entries = 0
		for _, p := range s.Partitions {
			entries += p.Entries
		}
		if s.Ready && len(s.Partitions) == partitions {
			break
		}
		select {
		case <-ctx.Done():
			stop()
			return ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
	took, cpu := time.Since(began), cpuOf(0)-cpu
	stop()
	if err := <-done; err != nil {
		return err
	}
	bytes, err := bytesIn(dir)
	b.add(line{what, fmt.Sprintf("%s, %.2f us of CPU each", rate(float64(entries)/took.Seconds(), "customers"), cpu/float64(entries)*1e6),
		fmt.Sprintf("%d customers in %.1f s from %d changelog records, %d bytes each on disk", entries, took.Seconds(), changelog, bytes/entries), "", ">= 1 M/s"})
	return err
}
