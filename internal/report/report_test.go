package report

import (
	"bytes"
	"encoding/csv"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ringfence/ringfence/processors/kpi"
)

// TestComplaintTable is the operator's table of April 2011 (REQUIREMENTS S), every cell and total.
func TestComplaintTable(t *testing.T) {
	channels := []string{"account_manager", "agent_point", "cooperative_shop", "other", "own_shop"}
	table := map[string][]int64{ // in the order of channels
		"time_limit":        {0, 4, 1, 0, 2},
		"attitude":          {0, 2, 1, 1, 0},
		"wrong_explanation": {2, 16, 8, 0, 2},
		"other":             {1, 6, 0, 3, 0},
		"handling_error":    {2, 49, 14, 0, 38},
	}
	var cells kpi.ComplaintTable
	cells.Rows, cells.Columns = "category", "channel"
	for category, ns := range table {
		for i, n := range ns {
			if n > 0 {
				cells.Cells = append(cells.Cells, kpi.ComplaintCell{Row: category, Column: channels[i], Complaints: n})
				cells.Total += n
			}
		}
	}
	s := Complaints(&cells)
	got := map[string][]float64{}
	var order []string
	for _, r := range s.Rows {
		order = append(order, r.Keys[0])
		for _, c := range r.Cells {
			got[r.Keys[0]] = append(got[r.Keys[0]], *c.Value)
		}
	}
	want := map[string][]float64{"time_limit": {0, 4, 1, 0, 2, 7}, "attitude": {0, 2, 1, 1, 0, 4}, "wrong_explanation": {2, 16, 8, 0, 2, 28}, "other": {1, 6, 0, 3, 0, 10},
		"handling_error": {2, 49, 14, 0, 38, 103}, "total": {5, 77, 24, 4, 42, 152}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"attitude", "handling_error", "other", "time_limit", "wrong_explanation", "total"}, order); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(append(channels, "total"), s.Columns); d != "" {
		t.Error(d)
	}
}

// TestSettle: over its six months an order brings the partner 125 % of one monthly fee (REQUIREMENTS R.1), and nothing after.
func TestSettle(t *testing.T) {
	tariff := Tariff{Fees: map[string]float64{"5g": 200}, Shares: []float64{0.50, 0.15, 0.15, 0.15, 0.15, 0.15}, Questionnaire: 2}
	var sum float64
	for _, month := range []string{"2026-11", "2026-12", "2027-01", "2027-02", "2027-03", "2027-04", "2027-05"} {
		s := Settle(tariff, month, []Sold{{"blue", "5g", "2026-11", 3}, {"blue", "unpriced", "2026-11", 1}, {"", "5g", "2026-11", 9}}, nil)
		for _, r := range s.Rows {
			if r.Total {
				sum += *r.Cells[4].Value
			}
			if r.Keys[1] == "unpriced" && (r.Cells[2].Text != "no fee set" || r.Cells[4].Value != nil) {
				t.Errorf("%+v", r)
			}
		}
		if month == "2027-05" && len(s.Rows) != 0 {
			t.Errorf("after six months: %+v", s.Rows)
		}
	}
	if math.Abs(sum-3*200*1.25) > 1e-9 {
		t.Errorf("%v, want %v", sum, 3*200*1.25)
	}
	s := Settle(tariff, "2026-11", nil, map[string]float64{"green": 1000})
	if len(s.Rows) != 2 || *s.Rows[1].Cells[4].Value != 2000 {
		t.Errorf("questionnaires: %+v", s.Rows)
	}
}

// TestMetrics: every metric of every report is in the catalogue and can be cut as the report cuts it.
func TestMetrics(t *testing.T) {
	for _, k := range Kinds() {
		for _, table := range k.Tables {
			for _, name := range table.Metrics {
				m, ok := find(name)
				if !ok {
					t.Errorf("%s: no metric %s", k.Name, name)
					continue
				}
				for _, by := range table.By {
					if !slices.Contains(m.Dimensions(), by) {
						t.Errorf("%s: %s cannot be cut by %s", k.Name, name, by)
					}
				}
			}
		}
	}
}

func find(name string) (kpi.Metric, bool) {
	for _, m := range kpi.Catalogue() {
		if m.Name == name {
			return m, true
		}
	}
	return kpi.Metric{}, false
}

func TestRender(t *testing.T) {
	half, agent := 0.5, "=cmd|'/c calc'!A1 <script>"
	r := &Report{Kind: "agents", Title: "Agents", From: time.Unix(0, 0).UTC(), To: time.Unix(86400, 0).UTC(), Made: time.Unix(0, 0).UTC(), By: "test",
		Sections: []Section{FromAnswers(Table{Title: "By agent", By: []string{"agent"}}, []kpi.Result{
			{Metric: "connect_rate", Unit: "ratio", Rows: []kpi.Row{{Keys: []kpi.Key{{Dim: "agent", Value: &agent}}, Value: &half}}},
			{Metric: "orders", Unit: "orders", Rows: []kpi.Row{{Keys: []kpi.Key{{Dim: "agent"}}, Value: &half}}},
		})}}
	var b bytes.Buffer
	if err := HTML(&b, r); err != nil || strings.Contains(b.String(), "<script>") || !strings.Contains(b.String(), "50.00 %") {
		t.Errorf("%v: %s", err, b.String())
	}
	b.Reset()
	if err := CSV(&b, r); err != nil {
		t.Fatal(err)
	}
	read := csv.NewReader(&b)
	read.FieldsPerRecord = -1
	lines, err := read.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	want := [][]string{{"Agents", "1970-01-01T00:00:00Z", "1970-01-02T00:00:00Z"}, {"By agent"}, {"agent", "connect_rate", "orders"}, {"(none)", "", "0.5"}, {"'" + agent, "0.5", ""}}
	if d := cmp.Diff(want, lines); d != "" {
		t.Error(d)
	}
	b.Reset()
	if err := Text(&b, r); err != nil || !strings.Contains(b.String(), "CONNECT RATE") {
		t.Errorf("%v: %s", err, b.String())
	}
}
