package recompute

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/processors/kpi"
)

// A schedule that is sent again, as after a lost answer, does not put itself over the one that came after it; of one event
// with two contents the first holds. The figures and the recomputation of them agree on it.
func TestAScheduleSentAgainChangesNothing(t *testing.T) {
	addr, conn := engine(t)
	base, client := log(t)
	begin := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	counted, stop := startSink(t, base, addr)
	defer stop()
	for i, x := range []struct {
		agent, id string
		hours     int
		kind      string
	}{
		{"a", "long", 8, "work"}, {"a", "short", 3, "work"}, {"a", "long", 8, "work"}, // 3 h
		{"b", "one", 2, "work"}, {"b", "one", 9, "work"}, // 2 h
		{"c", "work", 5, "work"}, {"c", "none", 5, "none"}, {"c", "work", 5, "work"}, // withdrawn
	} {
		s := &event.Schedule{EventId: x.id, AgentId: x.agent, StartAt: begin.UnixMilli(), EndAt: begin.Add(time.Duration(x.hours) * time.Hour).UnixMilli(), Kind: x.kind, ReceivedAt: begin.UnixMilli() + int64(i)}
		v, err := (&event.AgentEvent{Body: &event.AgentEvent_Schedule{Schedule: s}}).MarshalVT()
		if err != nil {
			t.Fatal(err)
		}
		if err := client.ProduceSync(t.Context(), &kgo.Record{Topic: event.TopicAgentStates, Key: []byte(x.agent), Value: v}).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if err := counted(t.Context()); err != nil { // each in an insert of its own
			t.Fatal(err)
		}
	}
	day := begin.Add(24 * time.Hour)
	res, err := kpi.Ask(t.Context(), conn, kpi.Query{Metrics: []string{"paid_hours"}, From: begin, To: day, Zone: time.UTC, Now: day})
	if err != nil || len(res[0].Rows) != 1 || *res[0].Rows[0].Value != 5 {
		t.Errorf("%v %+v, want 5 h", err, res)
	}
	f, _, err := readLog(t.Context(), base, begin, day, nil)
	if err != nil {
		t.Fatal(err)
	}
	paid := time.Duration(0)
	for _, s := range f.schedules {
		if s.kind == "work" {
			paid += s.end.Sub(s.start)
		}
	}
	if paid != 5*time.Hour {
		t.Errorf("recomputed %s, want 5 h", paid)
	}
}
