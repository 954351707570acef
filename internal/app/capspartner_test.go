package app_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/ringfence/ringfence/client"
	"github.com/ringfence/ringfence/internal/app"
	"github.com/ringfence/ringfence/internal/app/apptest"
)

// A partner's token is told how often a customer was called, and by whom only of its own calls (REP-04).
func TestCapsOfOnePartner(t *testing.T) {
	t.Setenv("RINGFENCE_API_TOKENS", "[{name: blue, token: blue-token-of-the-test, roles: [ingest, dialer], partner_id: blue}, {name: red, token: red-token-of-the-test, roles: [ingest, dialer], partner_id: red}, "+
		"{name: centre, token: centre-token-of-the-test, roles: [compliance]}]")
	dir := t.TempDir()
	brokers := apptest.Broker(t, dir)
	a := apptest.Run(t, app.Options{}, append(apptest.On(brokers), "data_dir="+dir, "kafka.partitions=1", "api.trust_client_time=true", "roles=[api, contactcap]")...)
	as := func(who string) *client.Client {
		return &client.Client{Base: a.URL(), Token: who + "-token-of-the-test", Retry: 30 * time.Second}
	}
	begin := time.Date(2026, 3, 2, 2, 0, 0, 0, time.UTC).UnixMilli()
	for i, who := range []string{"blue", "red", "red"} {
		at := begin + int64(i)*3600_000
		if i < 2 {
			if _, err := as(who).Send(t.Context(), "calls", map[string]any{"call_id": who + "-call", "customer_id": "K", "purpose": "care", "campaign_id": who + "-campaign", "agent_id": who + "-agent",
				"started_at": client.Time(at), "ended_at": client.Time(at + 60_000), "outcome": "no_answer"}); err != nil {
				t.Fatal(err)
			}
		} else if d, err := as(who).AskPermit(t.Context(), client.PermitRequest{RequestID: "red-request", CustomerID: "K", Purpose: "care", CallerID: "10010", At: client.Time(at)}); err != nil || !d.Permitted() {
			t.Fatalf("%+v %v", d, err)
		}
	}
	type answer struct {
		Decision string
		Rules    []struct {
			Rule     string
			Used     int
			Withheld int
			Evidence []json.RawMessage
		}
	}
	explained := func(who string) (out answer, text string) {
		var raw json.RawMessage
		if err := as(who).Get(t.Context(), "/v1/customers/K/caps", url.Values{"at": {"2026-03-03T10:00:00+08:00"}, "purpose": {"care"}}, &raw); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(raw, &out); err != nil {
			t.Fatal(err)
		}
		return out, string(raw)
	}
	for who, want := range map[string][2]int{"blue": {1, 2}, "red": {2, 1}, "centre": {3, 0}} { // shown, withheld
		x, text := explained(who)
		if r := x.Rules[0]; x.Decision != "permit" || r.Rule != "CAP-01" || r.Used != 3 || len(r.Evidence) != want[0] || r.Withheld != want[1] {
			t.Errorf("%s: %s %+v, want %v", who, x.Decision, r, want)
		}
		if who == "blue" && strings.Contains(text, "red") || who == "red" && strings.Contains(text, "blue") {
			t.Errorf("%s reads of the other: %s", who, text)
		}
	}
}
