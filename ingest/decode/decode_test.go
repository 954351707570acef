package decode

import (
	"testing"
	"time"

	"github.com/ringfence/ringfence/internal/number"
)

func decoder(tb testing.TB) *Decoder {
	tb.Helper()
	key, err := number.NewKey(make([]byte, 32))
	if err != nil {
		tb.Fatal(err)
	}
	return New(Options{Region: "CN", Key: key, Now: func() time.Time { return time.UnixMilli(1_700_000_000_000) }})
}

func TestNaturalKeys(t *testing.T) {
	d := decoder(t)
	for _, c := range []struct {
		kind      Kind
		a, b      string
		same      bool
		wantTopic string
	}{
		{Customers, `{"customer_id":"k","at":"2026-03-02T10:00:00Z","note":"x"}`, `{"note" : "x","at":"2026-03-02T10:00:00Z","customer_id":"k"}`, true, "ringfence.customer-events"},
		{Customers, `{"customer_id":"k","at":"2026-03-02T10:00:00Z","note":"x"}`, `{"customer_id":"k","at":"2026-03-02T10:00:00Z","note":"y"}`, false, "ringfence.customer-events"},
		{AgentStates, `{"agent_id":"a","state":"break","at":"2026-03-02T10:00:00Z"}`, `{"agent_id":"a","state":"break","at":"2026-03-02T18:00:00+08:00","reason":"tea"}`, true, "ringfence.agent-states"},
		{Schedules, `{"agent_id":"a","start_at":"2026-03-02T10:00:00Z","end_at":"2026-03-02T11:00:00Z"}`, `{"agent_id":"a","start_at":"2026-03-02T10:00:00Z","end_at":"2026-03-02T12:00:00Z"}`, false, "ringfence.agent-states"},
	} {
		x, p := d.Decode(c.kind, []byte(c.a))
		y, q := d.Decode(c.kind, []byte(c.b))
		if p != nil || q != nil {
			t.Fatal(p, q)
		}
		if (x.EventID == y.EventID) != c.same || x.Topic != c.wantTopic {
			t.Errorf("%s: %s and %s, same %v wanted; topic %s", c.kind, x.EventID, y.EventID, c.same, x.Topic)
		}
	}
}

func TestDescribeKnowsEveryKind(t *testing.T) {
	for _, k := range append(Kinds(), Permits) {
		if f := Describe(k); len(f) < 3 {
			t.Errorf("%s: %v", k, f)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add("calls", []byte(`{"call_id":"c1","number":"13800138000","purpose":"sales","started_at":"2026-03-02T10:00:00+08:00","ended_at":"2026-03-02T10:01:00+08:00","outcome":"answered"}`))
	f.Add("customers", []byte(`{"customer_id":"k","at":"2026-03-02T10:00:00Z","lists":{"optout":true},"products":{"p":"active"}}`))
	f.Add("leads", []byte(`{"lead_id":"l","campaign_id":"c","numbers":["13800138000"]}`))
	d := decoder(f)
	f.Fuzz(func(t *testing.T, kind string, body []byte) {
		e, p := d.Decode(Kind(kind), body)
		if (e == nil) == (p == nil) {
			t.Fatalf("event %v and problems %v", e, p)
		}
		if e != nil {
			if _, err := e.Message.MarshalVT(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func BenchmarkDecodeCall(b *testing.B) {
	d := decoder(b)
	body := []byte(`{"call_id":"c1","customer_id":"k1","number":"13800138000","purpose":"sales","campaign_id":"c","agent_id":"a","started_at":"2026-03-02T10:00:00+08:00","answered_at":"2026-03-02T10:00:10+08:00","ended_at":"2026-03-02T10:01:00+08:00","outcome":"answered"}`)
	for b.Loop() {
		if _, p := d.Decode(Calls, body); p != nil {
			b.Fatal(p)
		}
	}
}
