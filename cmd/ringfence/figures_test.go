package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/ringfence/ringfence/processors/kpi"
	"github.com/ringfence/ringfence/processors/kpi/recompute"
)

// s3 is the complaint table of S3 for April 2011, as REQUIREMENTS section S has it (CPL-14).
var s3 = struct {
	channels   []string
	categories map[string][]int
}{
	[]string{"agent_point", "cooperative_shop", "account_manager", "other", "own_shop"},
	map[string][]int{"time_limit": {4, 1, 0, 0, 2}, "attitude": {2, 1, 0, 1, 0}, "wrong_explanation": {16, 8, 2, 0, 2}, "other": {6, 0, 1, 3, 0}, "handling_error": {49, 14, 2, 0, 38}},
}

// TestFiguresOfRealRecords imports the captured Asterisk run and the complaint table of S3, checks the figures against
// plan.csv, the switch's own queue log and the printed table, and has all of them recomputed from the log.
func TestFiguresOfRealRecords(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a process")
	}
	_, url := up(t, t.TempDir())
	t.Setenv("RINGFENCE_URL", url)
	const run = "../../samples/asterisk-22-run/"
	ask(t, 0, "import", "asterisk-cdr", run+"Master.csv", "--timezone", "UTC")
	ask(t, 0, "import", "asterisk-queue-log", run+"queue_log", "--timezone", "UTC") // it looks into the CDR beside it

	// What the run was meant to do, and what the queues say the agents did.
	plan := readFile(t, run+"plan.csv", ',')[1:]
	answers := 0
	for _, p := range plan {
		if kind := p[5]; kind == "answer" || kind == "impatient" || kind == "patient" {
			answers++
		}
	}
	talks, seconds, connects := map[string]int{}, map[string]float64{}, map[string]float64{}
	for _, q := range readFile(t, run+"queue_log", '|') {
		at, err := strconv.ParseFloat(q[0], 64)
		if err != nil {
			t.Fatal(err)
		}
		agent := strings.ToLower(strings.ReplaceAll(q[3], " ", ""))
		switch q[4] {
		case "CONNECT":
			connects[q[1]] = at
		case "COMPLETEAGENT", "COMPLETECALLER":
			talks[agent]++
			seconds[agent] += at - connects[q[1]]
		}
	}
	figures := func(args ...string) []struct {
		Metric string
		Rows   []struct {
			Agent                         *string
			Value, Numerator, Denominator *float64
		}
	} {
		var out []struct {
			Metric string
			Rows   []struct {
				Agent                         *string
				Value, Numerator, Denominator *float64
			}
		}
		all := append([]string{"kpi"}, args...)
		if err := json.Unmarshal([]byte(ask(t, 0, append(all, "--from", "2026-11-21", "--to", "2026-11-23", "--wait", "--format", "json")...)), &out); err != nil {
			t.Fatal(err)
		}
		return out
	}
	total := figures("connect_rate")[0].Rows[0]
	if *total.Numerator != float64(answers) || *total.Denominator != float64(len(plan)) {
		t.Errorf("connect_rate is %g of %g, the plan says %d of %d", *total.Numerator, *total.Denominator, answers, len(plan))
	}
	byAgent := figures("connect_rate", "average_handling_time", "--by", "agent")
	seen := 0
	for i, r := range byAgent[0].Rows {
		if r.Agent == nil {
			continue
		}
		seen++
		n, aht := talks[*r.Agent], byAgent[1].Rows[i]
		if *r.Numerator != float64(n) || *r.Denominator != float64(n) || *r.Value != 1 {
			t.Errorf("%s: connect_rate %g of %g, the queues connected %d calls", *r.Agent, *r.Numerator, *r.Denominator, n)
		}
		// The CDR knows whole seconds, so a call may be a second off.
		if *aht.Denominator != float64(n) || *aht.Numerator < seconds[*r.Agent]-float64(n) || *aht.Numerator > seconds[*r.Agent]+float64(n) {
			t.Errorf("%s: %g s over %g calls, the queues say %g s over %d", *r.Agent, *aht.Numerator, *aht.Denominator, seconds[*r.Agent], n)
		}
	}
	if seen != len(talks) || seen != 4 {
		t.Errorf("%d agents, want the run's 4", seen)
	}

	var lines strings.Builder
	n := 0
	for category, counts := range s3.categories {
		for i, count := range counts {
			for range count {
				n++
				fmt.Fprintf(&lines, `{"kind":"complaints","complaint_id":"m%d","event":"opened","at":"2011-04-%02dT10:00:00+08:00","customer_id":"K%d","channel":%q,"category":%q}`+"\n", n, 1+n%30, n, s3.channels[i], category)
			}
		}
	}
	file := filepath.Join(t.TempDir(), "complaints.jsonl")
	if err := os.WriteFile(file, []byte(lines.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	ask(t, 0, "import", "jsonl", file)
	var table kpi.ComplaintTable
	if err := json.Unmarshal([]byte(ask(t, 0, "kpi", "complaint-table", "--from", "2011-04-01", "--to", "2011-05-01", "--wait", "--format", "json")), &table); err != nil {
		t.Fatal(err)
	}
	got := map[string]int64{}
	for _, c := range table.Cells {
		got[c.Row+"/"+c.Column] = c.Complaints
	}
	for category, counts := range s3.categories {
		for i, want := range counts {
			if g := got[category+"/"+s3.channels[i]]; g != int64(want) {
				t.Errorf("%s by %s: %d complaints, the source prints %d", category, s3.channels[i], g, want)
			}
		}
	}
	printed := readCSV(t, ask(t, 0, "kpi", "complaint-table", "--from", "2011-04-01", "--to", "2011-05-01", "--format", "csv"))
	if last := strings.Join(printed[len(printed)-1], " "); last != "total 5 77 24 4 42 152" { // account manager, agent point, cooperative shop, other, own shop
		t.Errorf("the totals are %s", last)
	}
	for category, want := range map[string]string{"time_limit": "7", "attitude": "4", "wrong_explanation": "28", "other": "10", "handling_error": "103"} {
		for _, line := range printed {
			if line[0] == category && line[len(line)-1] != want {
				t.Errorf("%s: %s in all, the source prints %s", category, line[len(line)-1], want)
			}
		}
	}

	for _, span := range [][2]string{{"2026-11-21", "2026-11-23"}, {"2011-04-01", "2011-05-01"}} {
		var r recompute.Report
		if err := json.Unmarshal([]byte(ask(t, 0, "kpi", "verify", "--from", span[0], "--to", span[1], "--format", "json")), &r); err != nil {
			t.Fatal(err)
		}
		if !r.OK || r.Figures < 50 || len(r.Notes) > 0 {
			t.Errorf("%v: %d figures, %d differences: %v %v", span, r.Figures, r.Found, r.Differences, r.Notes)
		}
	}
}

func readFile(t *testing.T, name string, comma rune) [][]string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	r := csv.NewReader(strings.NewReader(string(b)))
	r.Comma, r.FieldsPerRecord, r.LazyQuotes = comma, -1, true
	out, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func readCSV(t *testing.T, text string) [][]string {
	t.Helper()
	out, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return out
}
