package app_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ringfence/ringfence/client"
	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/internal/app"
	"github.com/ringfence/ringfence/internal/app/apptest"
	"github.com/ringfence/ringfence/internal/embedded"
	"github.com/ringfence/ringfence/processors/contactcap/audit"
	"github.com/ringfence/ringfence/processors/kpi/recompute"
)

func TestMain(m *testing.M) {
	embedded.MaybeRunChild()
	os.Exit(m.Run())
}

// start runs a process with everything embedded, but Kafka and ClickHouse where a test can reach them.
func start(t *testing.T) (*app.App, *client.Client, []kgo.Opt) {
	t.Helper()
	dir := t.TempDir()
	brokers := apptest.Broker(t, dir)
	a := apptest.Run(t, app.Options{}, append(apptest.On(brokers), "data_dir="+dir, "kafka.partitions=2", "api.trust_client_time=true")...)
	return a, &client.Client{Base: a.URL(), Retry: 30 * time.Second}, []kgo.Opt{kgo.SeedBrokers(brokers...)}
}

// past makes a small history: customers who are asked for again and again, calls with and without permits, updates,
// refusals, numbers that change hands, releases.
func past(t *testing.T, cl *client.Client) {
	t.Helper()
	ctx := t.Context()
	day := time.Date(2026, 3, 2, 2, 0, 0, 0, time.UTC)
	send := func(kind string, objects ...any) {
		res, err := cl.Send(ctx, kind, objects...)
		if err != nil || len(res.Rejected) > 0 {
			t.Fatalf("%s: %v %+v", kind, err, res)
		}
	}
	for i := range 8 {
		c := map[string]any{"customer_id": fmt.Sprint("C", i), "at": client.Time(day.AddDate(-1, 0, 0).UnixMilli()), "numbers": []string{fmt.Sprintf("+861380013800%d", i)}}
		if i == 3 {
			c["segment"] = "vip"
		}
		send("customers", c)
		send("leads", map[string]any{"lead_id": fmt.Sprint("L", i), "campaign_id": "c1", "customer_id": fmt.Sprint("C", i), "at": client.Time(day.UnixMilli()), "products": []string{"p"}})
	}
	n := 0
	for d := range 5 {
		for i := range 8 {
			n++
			at := day.AddDate(0, 0, d).Add(time.Duration(i) * time.Minute)
			call := map[string]any{"call_id": fmt.Sprint("call", n), "customer_id": fmt.Sprint("C", i), "purpose": []string{"sales", "care"}[d%2], "products": []string{"p"}, "campaign_id": "c1",
				"caller_id": "10010", "started_at": client.Time(at.UnixMilli()), "ended_at": client.Time(at.UnixMilli() + 60_000), "outcome": "no_answer"}
			if i%3 == 0 {
				call["outcome"], call["answered_at"], call["bridged_at"], call["answered_by"], call["disposition"] = "answered", client.Time(at.UnixMilli()+1000), client.Time(at.UnixMilli()+2000), "human", "refuse"
			}
			if i != 5 { // C5's dialer never asks
				r := client.PermitRequest{RequestID: fmt.Sprint("r", n), CustomerID: fmt.Sprint("C", i), Purpose: call["purpose"].(string), Products: []string{"p"}, CampaignID: "c1", CallerID: "10010",
					At: client.Time(at.UnixMilli())}
				dec, err := cl.AskPermit(ctx, r)
				if err != nil {
					t.Fatal(err)
				}
				if again, err := cl.AskPermit(ctx, r); err != nil || again.PermitID != dec.PermitID {
					t.Fatalf("asked again: %v %+v", err, again)
				}
				if !dec.Permitted() {
					continue
				}
				if i == 6 {
					if err := cl.ReleasePermit(ctx, dec.PermitID); err != nil {
						t.Fatal(err)
					}
					continue
				}
				call["permit_id"] = dec.PermitID
			}
			send("calls", call)
			if i == 0 {
				send("calls", map[string]any{"call_id": call["call_id"], "customer_id": "C0", "updated_at": client.Time(at.UnixMilli() + 90_000), "disposition": "consider"})
			}
		}
	}
	send("customers", map[string]any{"customer_id": "C7", "at": client.Time(day.AddDate(0, 0, 6).UnixMilli()), "numbers": []string{"+8613800138001"}})
}

func audited(t *testing.T, cl *client.Client) *audit.Report {
	t.Helper()
	var r audit.Report
	if err := cl.Work(t.Context(), "/v1/caps/audit", nil, "", nil, nil, &r); err != nil {
		t.Fatal(err)
	}
	return &r
}

// The audit finds nothing in what ringfence did, and finds a row and a decision that somebody altered.
func TestAuditFindsWhatWasAltered(t *testing.T) {
	a, cl, kafka := start(t)
	past(t, cl)
	r := audited(t, cl)
	if !r.OK || r.Decisions != 35 || r.Calls == 0 || r.WithPermit == 0 || r.NeverAsked+r.Violations == 0 {
		t.Fatalf("%+v", r)
	}
	ctx := ch.Context(t.Context(), ch.WithSettings(ch.Settings{"mutations_sync": 1}))
	if err := a.Conn().Exec(ctx, "ALTER TABLE calls UPDATE outcome = 'busy' WHERE call_id = 'call2'"); err != nil {
		t.Fatal(err)
	}
	if err := a.Conn().Exec(ctx, "ALTER TABLE permits DELETE WHERE request_id = 'r3'"); err != nil {
		t.Fatal(err)
	}
	alter(t, kafka, "r9")
	r = audited(t, cl)
	found := map[string]string{}
	for _, d := range r.Differences {
		found[d.Kind+" "+d.ID] += d.Where + ": " + d.Detail
	}
	if r.OK || !strings.Contains(found["call call2"], "outcome is busy, the log says no_answer") || !strings.Contains(found["permit r3"], "no such decision") ||
		!strings.HasPrefix(found["decision r9"], event.TopicPermitDecisions+"/") || found["permit r9"] == "" {
		t.Errorf("%d found: %v", r.Found, found)
	}
}

// While ringfence is at work rows come after the log was read, and decisions before their rows: the audit and the verification of
// figures say nothing of that, and still find what is wrong for good.
func TestAuditWhileAtWork(t *testing.T) {
	a, cl, _ := start(t)
	past(t, cl)
	over, asked := make(chan bool), make(chan error, 1)
	go func() {
		for i := 0; ; i++ {
			select {
			case <-over:
				asked <- nil
				return
			default:
			}
			id := fmt.Sprint("live", i)
			var d client.Decision
			if err := cl.Post(t.Context(), "/v1/permits", map[string]any{"request_id": id, "customer_id": id, "purpose": "care", "campaign_id": "live", "caller_id": "10010"}, &d); err != nil {
				asked <- err
				return
			}
		}
	}()
	for range 3 {
		if r := audited(t, cl); !r.OK {
			t.Errorf("the audit found %d in what ringfence is doing: %v", r.Found, r.Differences)
		}
	}
	var r recompute.Report
	verify := func() {
		t.Helper()
		if err := cl.Work(t.Context(), "/v1/kpi/verify", map[string][]string{"metric": {"permits"}}, "", nil, nil, &r); err != nil {
			t.Fatal(err)
		}
	}
	if verify(); !r.OK {
		t.Errorf("%d figures differ: %v", r.Found, r.Differences)
	}
	ctx := ch.Context(t.Context(), ch.WithSettings(ch.Settings{"mutations_sync": 1}))
	if err := a.Conn().Exec(ctx, "ALTER TABLE permits DELETE WHERE request_id = 'r3'"); err != nil {
		t.Fatal(err)
	}
	if r := audited(t, cl); r.OK || r.Found != 1 || r.Differences[0].ID != "r3" {
		t.Errorf("a row is gone: %d found, %v", r.Found, r.Differences)
	}
	close(over)
	if err := <-asked; err != nil {
		t.Errorf("ask a permit: %v", err)
	}
}

// alter puts a forged decision into the topic: a denial where a permit was, or the other way round.
func alter(t *testing.T, kafka []kgo.Opt, request string) {
	t.Helper()
	c, err := kgo.NewClient(append(kafka, kgo.ConsumeTopics(event.TopicPermitDecisions), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))...)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for {
		fs := c.PollFetches(ctx)
		if ctx.Err() != nil {
			t.Fatalf("no decision on %s", request)
		}
		for _, r := range fs.Records() {
			var pe event.PermitEvent
			if err := pe.UnmarshalVT(r.Value); err != nil {
				t.Fatal(err)
			}
			d := pe.GetDecision()
			if d == nil || d.RequestId != request {
				continue
			}
			if d.Decision == "permit" {
				d.Decision, d.PermitId, d.ExpiresAt = "deny", "", 0
			} else {
				d.Decision, d.DeniedBy, d.NextAllowedAt = "permit", nil, 0
			}
			v, err := pe.MarshalVT()
			if err != nil {
				t.Fatal(err)
			}
			if err := c.ProduceSync(ctx, &kgo.Record{Topic: r.Topic, Partition: r.Partition, Key: r.Key, Value: v}).FirstErr(); err != nil {
				t.Fatal(err)
			}
			return
		}
	}
}

// The same history under a stricter policy, and under the one in force; and the leads of a campaign before its launch.
func TestReplayAndSimulate(t *testing.T) {
	_, cl, _ := start(t)
	past(t, cl)
	if err := cl.Get(t.Context(), "/v1/kpi", map[string][]string{"metric": {"permits"}, "from": {"2026-01-01T00:00:00Z"}, "to": {"2027-01-01T00:00:00Z"}, "wait": {"true"}}, nil); err != nil {
		t.Fatal(err)
	}
	replay := func(src string) *audit.Replayed {
		var r audit.Replayed
		if err := cl.Work(t.Context(), "/v1/caps/replay", nil, "application/yaml", []byte(src), nil, &r); err != nil {
			t.Fatal(err)
		}
		return &r
	}
	same := replay("policy: same\nextends: china-unicom\n")
	if same.Total.Asked != 35 || same.Total.NowDeny != 0 || same.Total.NowAllow != 0 || same.Total.Denied == 0 || len(same.Days) != 5 {
		t.Errorf("under the same rules: %+v", same)
	}
	strict := replay("policy: strict\nextends: china-unicom\nrules:\n  - {id: CAP-01, limit: 1, count: call, in: {rolling: 12mo}}\n")
	if strict.Total.NowDeny == 0 || strict.Total.NowAllow != 0 || strict.Rules[0].Denies == 0 {
		t.Errorf("under stricter rules: %+v", strict)
	}
	if err := cl.Work(t.Context(), "/v1/caps/replay", nil, "application/yaml", []byte("policy: x\nrules: 3\n"), nil, nil); err == nil || !strings.Contains(err.Error(), "policy:2") {
		t.Errorf("a broken policy: %v", err)
	}
	var sim struct {
		At             string
		Leads, Skipped int
		Rules          []struct {
			Rule  string
			Leads int
		}
	}
	q := map[string][]string{"campaign": {"c1"}, "purpose": {"sales"}, "at": {"2026-03-08T02:00:00Z"}, "caller_id": {"10010"}}
	if err := cl.Work(t.Context(), "/v1/caps/simulate", q, "", nil, nil, &sim); err != nil {
		t.Fatal(err)
	}
	if sim.At != "2026-03-08T10:00:00+08:00" || sim.Leads != 8 || sim.Skipped == 0 || sim.Skipped == 8 || len(sim.Rules) == 0 {
		t.Errorf("%+v", sim)
	}
}
