package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/internal/embedded"
	"github.com/ringfence/ringfence/sinks/clickhouse"
)

// fact is a call much like a centre's: in the order of its end, not of its begin, and no two alike.
func fact(i int) *event.CallFact {
	h := scatter(uint64(i))
	began := time.Date(2026, 3, 2, 1, 0, 0, 0, time.UTC).UnixMilli() + int64(i)*40 - int64(h%60_000)
	ring, customer := 3000+int64(h>>8%22_000), scatter(h)%50_000
	c := &event.Call{CallId: fmt.Sprintf("sim-20260302-%08d", i), Direction: "outbound", CustomerId: fmt.Sprint("C", customer), NumberHash: digest(customer), NumberMasked: fmt.Sprintf("+86138****%04d", customer%10_000),
		CallerId: "10010", PermitId: "p-" + digest(h)[:16], Purpose: "sales", CampaignId: fmt.Sprint("campaign-", h>>3%3), Products: []string{"5g"}, ListId: "l1", LeadId: fmt.Sprint("lead-", customer),
		AgentId: fmt.Sprint("agent-", h>>16%40), TeamId: fmt.Sprint("team-", h>>16%4), DialerId: "ringfence-dialer", StartedAt: began, EndedAt: began + ring + 1000, Outcome: []string{"no_answer", "busy", "rejected"}[h>>20%3], HangupCause: 17}
	if h>>24%3 == 0 {
		prepared, talk := int64(2000+h>>30%9000), int64(5000+h>>34%180_000)
		size := talk * 16
		c.AnsweredAt, c.BridgedAt, c.EndedAt, c.PreparedMs = began+ring, began+ring+int64(h>>40%1500), began+ring+2000+talk, &prepared
		c.WrappedUpAt = c.EndedAt + 4000 + int64(h>>44%40_000)
		c.Outcome, c.AnsweredBy, c.HangupBy, c.HangupCause = "answered", "human", []string{"customer", "agent"}[h>>50%2], 16
		c.Disposition = []string{"consider", "hesitate", "refuse", "agree", "other"}[h>>52%5]
		c.Recording = &event.Recording{Uri: "recordings/" + c.CallId + ".wav", SizeBytes: &size}
	}
	c.UpdatedAt = max(c.EndedAt, c.WrappedUpAt)
	return &event.CallFact{Call: c, CustomerHash: digest(customer + 1_000_000), AttemptNo: int64(1 + h>>56%6), CapVerdict: "permitted", Policy: "china-unicom@3", Revision: 1 + h>>60%2, ReceivedAt: c.UpdatedAt + int64(h>>12%400), Source: "dialer"}
}

// scatter is a number that looks like chance and is the same each time.
func scatter(i uint64) uint64 {
	a := (i + 1) * 0x9E3779B97F4A7C15
	b := (a ^ a>>29) * 0xBF58476D1CE4E5B9
	return b ^ b>>32
}

// digest looks like a keyed hash: nothing in it can be compressed.
func digest(i uint64) string {
	return fmt.Sprintf("%016x%016x", scatter(i), scatter(i^0x94D049BB133111EB))
}

// intoClickHouse is the bench of the sink: one engine, one topic, written again and again.
type intoClickHouse struct {
	*bench
	broker *broker
	engine *embedded.ClickHouse
	dir    string
	where  clickhouse.Options
	conn   driver.Conn
	rows   *clickhouse.Columns
	n      int
}

// taken is what a way into ClickHouse took.
type taken struct{ rate, cpu, engineCPU float64 }

// clickhouse measures Kafka -> ClickHouse beside bare columnar inserts of the same rows from memory and beside
// ClickHouse's own Kafka engine, in turns.
func (b *bench) clickhouse(ctx context.Context) error {
	br, err := b.broker(ctx, "clickhouse")
	if err != nil {
		return err
	}
	defer br.close()
	dir := filepath.Join(b.dir, "clickhouse", "engine")
	engine, err := embedded.StartClickHouse(ctx, embedded.ClickHouseOptions{Dir: dir})
	if err != nil {
		return err
	}
	defer engine.Close()
	x := &intoClickHouse{bench: b, broker: br, engine: engine, dir: dir, where: clickhouse.Options{Addr: []string{engine.Addr()}, Database: "ringfence", Username: "default"}, n: b.records}
	if x.conn, err = clickhouse.Open(ctx, x.where); err != nil {
		return err
	}
	defer func() { _ = x.conn.Close() }()
	b.say("ClickHouse: %d calls", x.n)
	if err := br.fill(ctx, x.n, func(i int) *kgo.Record {
		f := fact(i)
		v, _ := f.MarshalVT()
		return &kgo.Record{Topic: event.TopicCallFacts, Key: []byte(f.Call.AgentId), Value: v}
	}); err != nil {
		return err
	}
	if err := x.layOut(); err != nil {
		return err
	}
	ways := []struct {
		name string
		run  func(context.Context) error
		got  []taken
	}{
		{name: "the sink", run: x.sink},
		{name: "bare inserts of 50,000", run: func(ctx context.Context) error { return x.bare(ctx, 50_000) }},
		{name: "bare inserts of 200,000", run: func(ctx context.Context) error { return x.bare(ctx, 200_000) }},
	}
	const rounds = 3
	for range rounds {
		for i := range ways {
			t, err := x.time(ctx, ways[i].run)
			if err != nil {
				return fmt.Errorf("%s: %w", ways[i].name, err)
			}
			b.say("%s: %s, %.2f CPU s a million rows, %.2f in ClickHouse", ways[i].name, rate(t.rate, "rows"), t.cpu, t.engineCPU)
			ways[i].got = append(ways[i].got, t)
		}
	}
	at := func(i int, f func(taken) float64) float64 {
		var v []float64
		for _, t := range ways[i].got {
			v = append(v, f(t))
		}
		return median(v)
	}
	speed := func(t taken) float64 { return t.rate }
	cpu := func(t taken) float64 { return t.cpu }
	inEngine := func(t taken) float64 { return t.engineCPU }
	bare, which := at(1, speed), 1
	if at(2, speed) > bare {
		bare, which = at(2, speed), 2
	}
	ours := at(0, speed)
	b.add(line{"Kafka -> ClickHouse, calls of 50 columns", rate(ours, "rows"), ways[which].name + " from memory " + rate(bare, "rows"), fmt.Sprintf("%.2f", ours/bare), ">= 0.8"})
	b.add(line{"CPU seconds a million rows, broker and ClickHouse too", fmt.Sprintf("%.2f", at(0, cpu)), fmt.Sprintf("bare %.2f", at(which, cpu)), fmt.Sprintf("%.2f", at(0, cpu)/at(which, cpu)), ""})
	b.add(line{"of these in ClickHouse", fmt.Sprintf("%.2f", at(0, inEngine)), fmt.Sprintf("bare %.2f", at(which, inEngine)), "", ""})
	own, err := x.kafkaEngine(ctx)
	if err != nil {
		return fmt.Errorf("ClickHouse's Kafka engine: %w", err)
	}
	b.add(line{"beside ClickHouse's own Kafka engine", rate(ours, "rows"), rate(own, "rows"), fmt.Sprintf("%.1f", ours/own), ">= 5"})
	return x.onDisk(ctx)
}

// layOut makes the rows for bare inserts.
func (x *intoClickHouse) layOut() error {
	facts := make([]*event.CallFact, x.n)
	for i := range facts {
		facts[i] = fact(i)
	}
	var err error
	x.rows, err = clickhouse.CallColumns(facts)
	return err
}

// time empties the table, lets a way fill it, and says what that took.
func (x *intoClickHouse) time(ctx context.Context, run func(context.Context) error) (taken, error) {
	if err := x.conn.Exec(ctx, "TRUNCATE TABLE calls"); err != nil {
		return taken{}, err
	}
	pid, err := childOf(x.dir)
	if err != nil {
		return taken{}, err
	}
	self, engine, began := cpuOf(0), cpuOf(pid), time.Now()
	if err := run(ctx); err != nil {
		return taken{}, err
	}
	took, millions := time.Since(began).Seconds(), float64(x.n)/1e6
	t := taken{rate: float64(x.n) / took, engineCPU: (cpuOf(pid) - engine) / millions}
	t.cpu = (cpuOf(0)-self)/millions + t.engineCPU
	return t, nil
}

// sink runs the sink from the topic's start until everything is in.
func (x *intoClickHouse) sink(ctx context.Context) error {
	inserted := make(chan struct{}, 1)
	sink, err := clickhouse.NewSink(clickhouse.SinkOptions{Base: x.broker.base(), ClickHouse: x.where, CustomerHash: func(id string) string { return id }, Hook: func(step string) {
		if step == "inserted" {
			select {
			case inserted <- struct{}{}:
			default:
			}
		}
	}})
	if err != nil {
		return err
	}
	run, stop := context.WithCancel(ctx)
	defer stop()
	done := make(chan error, 1)
	go func() { done <- sink.Run(run) }()
	for there := uint64(0); there < uint64(x.n); {
		select {
		case <-inserted:
			err = x.conn.QueryRow(ctx, "SELECT count() FROM calls").Scan(&there)
		case err = <-done:
			return fmt.Errorf("the sink ended: %w", err)
		case <-ctx.Done():
			err = ctx.Err()
		}
		if err != nil {
			break
		}
	}
	stop()
	if e := <-done; err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	_, err = x.broker.admin.DeleteGroup(ctx, clickhouse.Group) // the next round begins at the start
	return err
}

// bare inserts the same rows from memory by column.
func (x *intoClickHouse) bare(ctx context.Context, batch int) error {
	for from := 0; from < x.n; from += batch {
		in, err := x.conn.PrepareBatch(ctx, clickhouse.InsertCalls())
		if err != nil {
			return err
		}
		if err := x.rows.Insert(in, from, from+batch); err != nil {
			return err
		}
		if err := in.Send(); err != nil {
			return err
		}
	}
	return nil
}

// onDisk says how large a call is once its parts are merged.
func (x *intoClickHouse) onDisk(ctx context.Context) error {
	if _, err := x.time(ctx, func(ctx context.Context) error { return x.bare(ctx, 200_000) }); err != nil {
		return err
	}
	if err := x.conn.Exec(ctx, "OPTIMIZE TABLE calls FINAL"); err != nil {
		return err
	}
	var bytes, plain uint64
	err := x.conn.QueryRow(ctx, "SELECT sum(data_compressed_bytes), sum(data_uncompressed_bytes) FROM system.parts WHERE active AND database = 'ringfence' AND table = 'calls'").Scan(&bytes, &plain)
	if err != nil {
		return err
	}
	n := float64(x.n)
	x.add(line{"a call on disk", fmt.Sprintf("%.1f bytes", float64(bytes)/n), fmt.Sprintf("uncompressed %.0f", float64(plain)/n), fmt.Sprintf("%.2f", float64(bytes)/float64(plain)), ""})
	return nil
}
