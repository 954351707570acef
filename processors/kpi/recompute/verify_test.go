package recompute

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/sinks/clickhouse"
)

// startSink runs a sink; counted waits until it has written what there is.
func startSink(t *testing.T, base []kgo.Opt, addr string) (counted func(context.Context) error, stop func()) {
	t.Helper()
	s, err := clickhouse.NewSink(clickhouse.SinkOptions{Base: base, ClickHouse: options(addr), CustomerHash: func(id string) string { return id }, Linger: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	tick := time.NewTicker(50 * time.Millisecond)
	counted = func(ctx context.Context) error {
		for {
			if lag, err := s.Lag(ctx); err == nil && lag == 0 {
				return nil
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-tick.C:
			}
		}
	}
	return counted, func() {
		tick.Stop()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// log is a broker with the topics of facts, and a client of it.
func log(t *testing.T) (base []kgo.Opt, client *kgo.Client) {
	t.Helper()
	k, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.DefaultNumPartitions(3), kfake.SeedTopics(3, append(clickhouse.Topics(), topics()...)...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	base = []kgo.Opt{kgo.SeedBrokers(k.ListenAddrs()...)}
	client, err = kgo.NewClient(base...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return base, client
}

// TestVerify writes facts through the sink, with versions out of order, moves and duplicates, and compares; then a row is
// lost from ClickHouse and one is forged, and both are found.
func TestVerify(t *testing.T) {
	addr, conn := engine(t)
	base, client := log(t)
	begin := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	ms := func(minutes int) int64 { return begin.Add(time.Duration(minutes) * time.Minute).UnixMilli() }
	put := func(topic, key string, m interface{ MarshalVT() ([]byte, error) }) {
		t.Helper()
		v, err := m.MarshalVT()
		if err != nil {
			t.Fatal(err)
		}
		if err := client.ProduceSync(t.Context(), &kgo.Record{Topic: topic, Key: []byte(key), Value: v}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	yes := true
	tell := func(i, minute int, revision uint64, agent string, from ...int64) {
		c := &event.Call{CallId: fmt.Sprint("c", i), Direction: "outbound", CustomerId: fmt.Sprint("k", i%7), CampaignId: fmt.Sprint("p", i%3), LeadId: fmt.Sprint("l", i%11), AgentId: agent, Purpose: "sales", Products: []string{"x"},
			StartedAt: ms(minute), AnsweredAt: ms(minute) + 5000, BridgedAt: ms(minute) + 6000, EndedAt: ms(minute) + 60000, Outcome: "answered", AnsweredBy: "human"}
		if i%2 == 0 {
			c.Disposition, c.Reached, c.Completed = "agree", &yes, &yes
		}
		if i%9 == 0 {
			c.Useless = "wrong_number"
		}
		put(event.TopicCallFacts, agent, &event.CallFact{Call: c, Revision: revision, MovedFrom: from})
	}
	for i := range 60 {
		tell(i, i*45, 1, fmt.Sprint("a", i%4))
	}
	tell(3, 3*45, 2, "a9")                  // another agent, another partition
	tell(4, 60*24*9, 2, "a0", ms(4*45))     // moves out of the range
	tell(5, 7, 3, "a1", ms(5*45), ms(2000)) // moves within it, the last version first
	tell(5, 2000, 2, "a1", ms(5*45))
	for i := range 14 {
		put(event.TopicLeads, fmt.Sprint("l", i), &event.Lead{EventId: fmt.Sprint("e", i), LeadId: fmt.Sprint("l", i), CampaignId: "p1", ListId: "list", At: ms(0)})
		put(event.TopicPermitDecisions, "", &event.PermitEvent{Body: &event.PermitEvent_Decision{Decision: &event.PermitDecision{RequestId: fmt.Sprint("r", i), Decision: []string{"permit", "deny"}[i%2], CustomerId: "k", At: ms(i * 10)}}})
		put(event.TopicAgentIntervals, "a1", &event.AgentInterval{AgentId: "a1", State: []string{"available", "talking", "meal"}[i%3], StartAt: ms(i * 30), EndAt: ms(i*30 + 30), Revision: uint64(1 + i%2)})
	}
	put(event.TopicAgentStates, "a1", &event.AgentEvent{Body: &event.AgentEvent_Schedule{Schedule: &event.Schedule{AgentId: "a1", StartAt: ms(0), EndAt: ms(480), Kind: "work", ReceivedAt: ms(0)}}})
	put(event.TopicComplaintFacts, "p1", &event.ComplaintFact{EventId: "o", Revision: 1, AttributedBy: "own", Complaint: &event.Complaint{ComplaintId: "m", Event: "opened", At: ms(50), CampaignId: "p1"}})
	put(event.TopicComplaintFacts, "p2", &event.ComplaintFact{EventId: "u", Revision: 2, AttributedBy: "own", Complaint: &event.Complaint{ComplaintId: "m", Event: "upheld", At: ms(90), CampaignId: "p2"}})

	sink, stop := startSink(t, base, addr)
	defer stop()
	v := &Verifier{Base: base, Conn: conn, Zone: time.UTC, Counted: sink}
	verify := func(metrics ...string) *Report {
		t.Helper()
		r, err := v.Verify(t.Context(), metrics, begin, begin.Add(48*time.Hour), nil)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	if r := verify("orders", "accounts_called", "seats", "useless_accounts", "reachable_rate", "permits", "utilization_rate", "justified_complaints", "dials_per_seat_hour"); !r.OK || r.Figures < 100 {
		t.Fatalf("%d figures, %d differences: %v", r.Figures, r.Found, r.Differences)
	}
	roll(t, conn, time.UTC, begin.AddDate(1, 0, 0), 1)
	if r := verify("calls_made", "order_rate"); !r.OK {
		t.Fatalf("rolled up: %v", r.Differences)
	}
	touch := "INSERT INTO touched VALUES ('calls', " + fmt.Sprint(ms(7*45)/900_000) + ", 1)"
	for _, step := range []struct{ what, sql, row string }{
		{"lost", "ALTER TABLE calls DELETE WHERE call_id = 'c7' SETTINGS mutations_sync = 2", "a3"},
		{"forged", "INSERT INTO calls (call_id, direction, campaign_id, agent_id, started_at, revision) VALUES ('forged', 'outbound', 'p9', 'a8', fromUnixTimestamp64Milli(" + fmt.Sprint(ms(33)) + "), 1)", "a8"},
	} {
		for _, sql := range []string{step.sql, touch} {
			if err := conn.Exec(t.Context(), sql); err != nil {
				t.Fatal(err)
			}
		}
		r := verify("calls_made")
		if !slices.ContainsFunc(r.Differences, func(d Difference) bool { return d.Metric == "calls_made" && d.By == "agent" && d.Row == step.row }) {
			t.Errorf("%s: not noticed: %v", step.what, r.Differences)
		}
	}
}
