package app_test

import (
	"fmt"
	"net/url"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ringfence/ringfence/client"
	"github.com/ringfence/ringfence/internal/report"
	"github.com/ringfence/ringfence/processors/score"
)

// TestReports sends the operator's complaints of April 2011 (REQUIREMENTS S) and a few calls through the whole system: the
// report has every cell and total of that table, the scores have what was measured, and the exports are on record.
func TestReports(t *testing.T) {
	a, cl, _ := start(t)
	ctx := t.Context()
	day := time.Date(2026, 4, 10, 2, 0, 0, 0, time.UTC)
	send := func(kind string, objects ...any) {
		t.Helper()
		res, err := cl.Send(ctx, kind, objects...)
		if err != nil || len(res.Rejected) > 0 {
			t.Fatalf("%s: %v %+v", kind, err, res)
		}
	}
	at := func(d time.Duration) string { return client.Time(day.Add(d).UnixMilli()) }
	for i := range 4 {
		send("calls", map[string]any{"call_id": fmt.Sprint("call-", i), "customer_id": fmt.Sprint("C", i), "purpose": "sales", "campaign_id": "c1", "agent_id": "ann", "team_id": "t1", "products": []string{"p"},
			"started_at": at(0), "answered_at": at(time.Second), "bridged_at": at(2 * time.Second), "ended_at": at(time.Minute), "outcome": "answered", "answered_by": "human", "reached": true, "disposition": []string{"agree", "refuse", "consider", "agree"}[i]})
		send("surveys", map[string]any{"call_id": fmt.Sprint("call-", i), "at": at(time.Hour), "score": []string{"very_satisfied", "dissatisfied", "invalid", "satisfied"}[i]})
	}
	want := map[string]map[string]float64{}
	n := 0
	for category, counts := range map[string]map[string]int{
		"time_limit":        {"agent_point": 4, "cooperative_shop": 1, "own_shop": 2},
		"attitude":          {"agent_point": 2, "cooperative_shop": 1, "other": 1},
		"wrong_explanation": {"agent_point": 16, "cooperative_shop": 8, "account_manager": 2, "own_shop": 2},
		"other":             {"agent_point": 6, "account_manager": 1, "other": 3},
		"handling_error":    {"agent_point": 49, "cooperative_shop": 14, "account_manager": 2, "own_shop": 38},
	} {
		want[category] = map[string]float64{}
		for channel, k := range counts {
			var objects []any
			for range k {
				n++
				objects = append(objects, map[string]any{"complaint_id": fmt.Sprint("cp-", n), "event": "opened", "at": at(time.Hour), "customer_id": fmt.Sprint("X", n), "category": category, "channel": channel})
			}
			send("complaints", objects...)
			want[category][channel] = float64(k)
			want[category]["total"] += float64(k)
		}
	}
	send("complaints", map[string]any{"complaint_id": "cp-up", "event": "opened", "at": at(2 * time.Hour), "customer_id": "C1", "call_id": "call-1", "category": "attitude", "channel": "agent_point"},
		map[string]any{"complaint_id": "cp-up", "event": "upheld", "at": at(3 * time.Hour), "customer_id": "C1", "call_id": "call-1"})
	want["attitude"]["agent_point"]++
	want["attitude"]["total"]++
	if err := a.Counted(ctx); err != nil {
		t.Fatal(err)
	}
	var rep report.Report
	if err := cl.Get(ctx, "/v1/reports/complaints", url.Values{"from": {"2026-04-01"}, "to": {"2026-05-01"}, "format": {"json"}}, &rep); err != nil {
		t.Fatal(err)
	}
	got, total := map[string]map[string]float64{}, 0.0
	table := rep.Sections[len(rep.Sections)-1]
	for _, r := range table.Rows {
		if r.Total {
			total = *r.Cells[len(r.Cells)-1].Value
			continue
		}
		got[r.Keys[0]] = map[string]float64{}
		for i, c := range r.Cells {
			if *c.Value != 0 {
				got[r.Keys[0]][table.Columns[i]] = *c.Value
			}
		}
	}
	if d := cmp.Diff(want, got); d != "" || total != 153 {
		t.Errorf("total %v: %s", total, d)
	}
	for _, k := range report.Kinds() {
		var r report.Report
		if err := cl.Get(ctx, "/v1/reports/"+k.Name, url.Values{"from": {"2026-04-01"}, "to": {"2026-05-01"}, "format": {"json"}}, &r); err != nil || len(r.Sections) == 0 {
			t.Errorf("%s: %v, %d sections", k.Name, err, len(r.Sections))
		}
	}
	var s score.Report
	if err := cl.Get(ctx, "/v1/scores", url.Values{"period": {"2026-04"}}, &s); err != nil {
		t.Fatal(err)
	}
	if len(s.Agents) != 1 || s.Agents[0].Team != "t1" || s.Agents[0].Measured.Replies != 3 || s.Agents[0].Measured.Satisfied != 2 || s.Agents[0].Measured.Orders != 2 || s.Agents[0].Measured.Visits != 4 ||
		s.Agents[0].Measured.JustifiedComplaints != 1 {
		t.Errorf("%+v", s.Agents)
	}
	if q := s.Agents[0].Quality.Value; q == nil || *q < 63.6 || *q > 63.7 { // 2 of 3 satisfied, less 3 points
		t.Errorf("service quality %v", q)
	}
	if err := a.Counted(ctx); err != nil {
		t.Fatal(err)
	}
	var exports uint64
	if err := a.Conn().QueryRow(ctx, "SELECT count() FROM audit_log FINAL WHERE action = 'report_exported' AND actor = 'local'").Scan(&exports); err != nil || exports != uint64(1+len(report.Kinds())) {
		t.Errorf("%d exports on record, %v", exports, err)
	}
}
