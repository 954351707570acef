package contactcap

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/internal/stream"
	"github.com/ringfence/ringfence/processors/contactcap/policy"
)

// kept is a Backend that keeps states as bytes, as the runtime does of all but the latest, and drops what is emitted.
type kept struct {
	states map[string][]byte
	now    time.Time
	out    int
	lent   State
	spare  []byte // what was overwritten last
}

func (k *kept) Get(key string) (*State, bool, error) {
	b, ok := k.states[key]
	if !ok {
		return nil, false, nil
	}
	return &k.lent, true, Codec{}.Borrow(&k.lent, b)
}

func (k *kept) New() *State {
	_ = Codec{}.Borrow(&k.lent, nil)
	return &k.lent
}

func (k *kept) Put(key string, s *State) error {
	b, err := Codec{}.Append(k.spare[:0], s)
	k.states[key], k.spare = b, k.states[key]
	return err
}
func (k *kept) Delete(key string) error        { delete(k.states, key); return nil }
func (*kept) SetTimer(string, time.Time) error { return nil }
func (*kept) ClearTimer(string) error          { return nil }
func (k *kept) Emit(o stream.Output)           { k.out += len(o.Value) }
func (k *kept) Now() time.Time                 { return k.now }
func (*kept) Partition() int32                 { return 0 }
func (*kept) Partitions() int32                { return 1 }

// BenchmarkDecision is what a permit request costs without Kafka and the store: event, state, decision, state, answer.
func BenchmarkDecision(b *testing.B) {
	p, err := policy.Load("china-unicom")
	if err != nil {
		b.Fatal(err)
	}
	def := New(Options{Policy: func() *policy.Policy { return p }, OrphanAfter: 2 * time.Hour, AttributionWindow: 30 * 24 * time.Hour, CustomerHash: func(id string) string { return id }})
	const customers = 10_000
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	recs := make([]stream.Record, 3*customers)
	for i := range recs {
		c := rand.New(rand.NewPCG(uint64(i), 42)).IntN(customers)
		ms := start.Add(time.Duration(i) * 540 * 24 * time.Hour / time.Duration(len(recs))).Truncate(24 * time.Hour).Add(3 * time.Hour).UnixMilli()
		id := fmt.Sprint("r", i)
		ce := event.CustomerEvent{EventId: id, CustomerId: "customer-" + strconv.Itoa(c), ReceivedAt: ms, Source: "api", Body: &event.CustomerEvent_PermitRequest{PermitRequest: &event.PermitRequest{
			RequestId: id, Purpose: "sales", Products: []string{"5g"}, CampaignId: "c1", CallerId: "10010", Recording: true, At: ms, TtlMs: 60_000}}}
		v, err := ce.MarshalVT()
		if err != nil {
			b.Fatal(err)
		}
		recs[i] = stream.Record{Key: []byte(ce.CustomerId), Value: v}
	}
	k := &kept{states: map[string][]byte{}, now: time.Date(2026, 11, 26, 0, 0, 0, 0, time.UTC)}
	c := stream.NewContext[State](k)
	b.ReportAllocs()
	cpu, n := cpuTime(), 0
	for b.Loop() {
		if n%len(recs) == 0 {
			clear(k.states)
		}
		if err := def.Process(c, &recs[n%len(recs)]); err != nil {
			b.Fatal(err)
		}
		n++
	}
	b.ReportMetric(float64((cpuTime()-cpu).Nanoseconds())/float64(n), "cpu-ns/op")
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
