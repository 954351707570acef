package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/internal/stream"
	"github.com/ringfence/ringfence/internal/stream/memory"
	"github.com/ringfence/ringfence/processors/contactcap"
	"github.com/ringfence/ringfence/processors/contactcap/policy"
)

var chinaUnicom = sync.OnceValues(func() (*policy.Policy, error) { return policy.Load("china-unicom") })

// variants are different states of customers with ten calls.
var variants = sync.OnceValues(func() ([][]byte, error) {
	out := make([][]byte, 997)
	for i := range out {
		var err error
		if out[i], _, err = calledTen(i); err != nil {
			return nil, err
		}
	}
	return out, nil
})

// calledTen is the state of a customer with ten calls, as the processor keeps it after their events, and what the calls
// themselves take beside it.
func calledTen(variant int) (state []byte, whole int, err error) {
	p, err := chinaUnicom()
	if err != nil {
		return nil, 0, err
	}
	d := memory.New(contactcap.New(contactcap.Options{Policy: func() *policy.Policy { return p }, OrphanAfter: 2 * time.Hour, AttributionWindow: 30 * 24 * time.Hour,
		CustomerHash: func(id string) string { return id }}))
	start := time.Date(2026, 1, 6, 2, 0, 0, 0, time.UTC).Add(time.Duration(variant*7919%86400) * time.Second)
	for i := range 10 {
		at := start.Add(time.Duration(i)*31*24*time.Hour + time.Duration((variant+i)*7919_123%7200_000)*time.Millisecond).UnixMilli()
		c := fact(i + 10*variant).Call
		c.StartedAt, c.EndedAt, c.UpdatedAt, c.CampaignId, c.Products = at, at+30_000, at+30_000, fmt.Sprint("campaign-", i%2), []string{"5g"}
		c.PermitId, c.NumberHash, c.CustomerId = "", "", ""
		if c.AnsweredAt != 0 {
			c.AnsweredAt, c.BridgedAt, c.WrappedUpAt = at+8000, at+9000, at+50_000
		}
		ce := event.CustomerEvent{EventId: fmt.Sprintf("call:%s:%d", c.CallId, c.UpdatedAt), CustomerId: "C000017", NumberHash: strings.Repeat("0123456789abcdef", 2), ReceivedAt: at,
			Source: "dialer", Body: &event.CustomerEvent_Call{Call: c}}
		c.FieldsSet = 1<<41 - 1
		v, err := ce.MarshalVT()
		if err != nil {
			return nil, 0, err
		}
		if err := d.Feed(stream.Record{Topic: event.TopicCustomerEvents, Key: []byte("C000017"), Value: v, Time: time.UnixMilli(at)}); err != nil {
			return nil, 0, err
		}
	}
	for _, k := range d.Keys() {
		if k != "C000017" {
			whole += len(d.StateBytes(k))
		}
	}
	return d.StateBytes("C000017"), whole, nil
}

func (b *bench) state(context.Context) error {
	state, whole, err := calledTen(0)
	if err != nil {
		return err
	}
	b.add(line{"a customer with ten calls", fmt.Sprintf("%d bytes", len(state)), fmt.Sprintf("the calls themselves, read for updates and evidence alone: %d bytes each", whole/10), "", "<= 200"})
	return nil
}

const memoryLimit = 700 << 20

// cold decides on customers of whom nothing is in memory, in a state much larger than it.
func (b *bench) cold(ctx context.Context) error {
	br, err := b.broker(ctx, "cold")
	if err != nil {
		return err
	}
	defer func() { _ = br.clear(ctx); br.close() }()
	dir := filepath.Join(b.dir, "cold-state")
	b.say("cold: writing %d customers to disk", b.customers)
	seeded, err := b.processor(br, dir)
	if err != nil {
		return err
	}
	began := time.Now()
	if err := seeded.Seed(ctx, b.manyCustomers); err != nil {
		return err
	}
	size, err := bytesIn(dir)
	if err != nil {
		return err
	}
	b.say("cold: %d customers take %.1f GB on disk, written in %s", b.customers, float64(size)/1e9, time.Since(began).Round(time.Second))
	n := min(b.records, b.customers)
	at := time.Date(2026, 11, 26, 2, 0, 0, 0, time.UTC).UnixMilli()
	if err := br.fill(ctx, n, func(i int) *kgo.Record {
		id := customerName(int(uint64(i) * 2654435761 % uint64(b.customers)))
		ce := event.CustomerEvent{EventId: "r" + strconv.Itoa(i), CustomerId: id, ReceivedAt: at, Source: "api", Body: &event.CustomerEvent_PermitRequest{PermitRequest: &event.PermitRequest{
			RequestId: "r" + strconv.Itoa(i), Purpose: "sales", Products: []string{"5g"}, CampaignId: "c1", CallerId: "10010", Recording: true, At: at, TtlMs: 60_000}}}
		v, _ := ce.MarshalVT()
		return &kgo.Record{Topic: event.TopicCustomerEvents, Key: []byte(id), Value: v}
	}); err != nil {
		return err
	}
	// The limit is what GOMEMLIMIT sets for the product; what writing the customers took is given back first.
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(memoryLimit))
	debug.FreeOSMemory()
	var most atomic.Int64
	watched, stop := context.WithCancel(ctx)
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		for tick := time.NewTicker(20 * time.Millisecond); ; {
			most.Store(max(most.Load(), resident()))
			select {
			case <-watched.Done():
				tick.Stop()
				return
			case <-tick.C:
			}
		}
	}()
	v, err := b.decide(ctx, br, dir, int64(n))
	stop()
	<-gone
	if err != nil {
		return err
	}
	b.add(line{fmt.Sprintf("decisions on cold customers, %s of them on disk", count(b.customers)), fmt.Sprintf("%s, %.1f us of CPU each", rate(v.rate, "customers"), v.micros),
		fmt.Sprintf("%d MB resident at most (GOMEMLIMIT %d MB), %s included; %d bytes a customer on disk", most.Load()>>20, memoryLimit>>20, map[bool]string{true: "the broker", false: "the bench"}[br.kafka != nil], size/int64(b.customers)),
		"", ">= 100 k/s, <= 1 GB"})
	return nil
}

func count(n int) string {
	if n >= 1e6 {
		return fmt.Sprintf("%.0f million", float64(n)/1e6)
	}
	return strconv.Itoa(n)
}

func customerName(i int) string { return fmt.Sprintf("C%09d", i) }

// manyCustomers are the states of b.customers customers, each with ten calls, by partition.
func (b *bench) manyCustomers(partition int32, put func(key string, state []byte) error) error {
	number := string([]byte{0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef})
	all, err := variants()
	if err != nil {
		return err
	}
	states, numbers := make([][]byte, len(all)), make([]int, len(all))
	for i := range numbers {
		states[i] = slices.Clone(all[i])
		if numbers[i] = strings.Index(string(states[i]), number); numbers[i] < 0 {
			return errors.New("the state does not hold its number's hash")
		}
	}
	place := kgo.StickyKeyPartitioner(nil).ForTopic(event.TopicCustomerEvents)
	rnd := rand.New(rand.NewPCG(1, uint64(partition)))
	rec := &kgo.Record{}
	key := []byte(customerName(0))
	for i := range b.customers {
		for n, d := i, len(key)-1; d > 0; n, d = n/10, d-1 {
			key[d] = '0' + byte(n%10)
		}
		rec.Key = key
		if place.Partition(rec, partitions) != int(partition) {
			continue
		}
		// Every customer has a number of his own: 16 bytes that no compression saves.
		state, where := states[i%len(states)], numbers[i%len(states)]
		binary.LittleEndian.PutUint64(state[where:], rnd.Uint64())
		binary.LittleEndian.PutUint64(state[where+8:], rnd.Uint64())
		if err := put(string(key), state); err != nil {
			return err
		}
	}
	return nil
}

func bytesIn(dir string) (n int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			if i, ierr := d.Info(); ierr == nil {
				n += i.Size()
			}
		}
		return err
	})
	return n, err
}

// resident is this process's memory, in bytes.
func resident() int64 {
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	f := strings.Fields(string(b))
	if len(f) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(f[1], 10, 64)
	return pages * int64(os.Getpagesize())
}
