package sampling

import (
	"crypto/sha256"
	"encoding/hex"
	"math"
	"slices"
	"time"
)

// byDay sorts the rows into the shapes the verification reads.
func (m *month) check(valid map[string][]string, exempt string) {
	t := m.t
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.twice > 0 {
		t.Errorf("%d tasks were made twice", m.twice)
	}
	days, weeks, extras := map[string][]Numbered{}, map[string][]Number{}, map[string][]Number{}
	marks := map[string]map[string]map[int64][]string{}
	var candidates []Candidate
	for _, p := range m.rows {
		has := func(d string) bool { return slices.Contains(p.Drawn, d) }
		days[p.Day] = append(days[p.Day], Numbered{p.AgentId, p.Seq, p.CallId, p.Late, has("daily")})
		weeks[p.Week] = append(weeks[p.Week], Number{Agent: p.AgentId, CallID: p.CallId, Seq: p.WeekSeq, Late: p.WeekLate, Drawn: has("weekly")})
		if p.ExtraSeq > 0 {
			extras[p.Day] = append(extras[p.Day], Number{Agent: p.AgentId, CallID: p.CallId, Seq: p.ExtraSeq, Drawn: has("extra")})
		} else if has("extra") {
			t.Errorf("%s is drawn extra without a number", p.CallId)
		}
		if len(p.Drawn) > 0 {
			if marks[p.Day] == nil {
				marks[p.Day] = map[string]map[int64][]string{}
			}
			if marks[p.Day][p.AgentId] == nil {
				marks[p.Day][p.AgentId] = map[int64][]string{}
			}
			marks[p.Day][p.AgentId][p.Seq] = p.Drawn
		}
		candidates = append(candidates, Candidate{Agent: p.AgentId, CallID: p.CallId, Day: p.Day, Campaign: p.CampaignId, Seq: p.Seq, Slice: int(p.Slice), Drawn: has("period")})
	}
	cases, lates := 0, 0
	for day, rows := range days {
		r, err := Verify(day, m.keys[day], 10, rows, valid[day])
		if err != nil || !r.OK || r.Population != len(valid[day]) {
			t.Errorf("%s: %+v %v", day, r, err)
		}
		n, d := map[string]int{}, map[string]int{}
		for _, x := range rows {
			n[x.Agent]++
			if x.Daily {
				d[x.Agent]++
			}
			if x.Late {
				lates++
			}
		}
		for agent := range n {
			cases++
			if d[agent] != (n[agent]+9)/10 {
				t.Errorf("%s %s: %d of %d drawn", day, agent, d[agent], n[agent])
			}
		}
	}
	for week, rows := range weeks {
		r, err := Redo("weekly", week, m.keys[week], 20, rows)
		if err != nil || !r.OK || r.Drawn != r.Required {
			t.Errorf("week %s: %v %v", week, r, err)
		}
	}
	extra := 0
	for day, rows := range extras {
		r, err := Redo("extra", day, m.keys[day], 5, rows)
		if err != nil || !r.OK {
			t.Errorf("extra %s: %v %v", day, r, err)
		}
		extra += r.Drawn
	}
	if extra == 0 || len(m.replacements) == 0 || lates == 0 {
		t.Errorf("%d extra checks, %d replacements, %d late: the month is too quiet to show anything", extra, len(m.replacements), lates)
	}
	replaced := map[string][]Replaced{}
	for _, x := range m.replacements {
		replaced[x.Day] = append(replaced[x.Day], Replaced{Agent: x.AgentId, TaskID: x.TaskId, Problem: x.Problem, Seq: x.Seq, By: x.ReplacedBy, Population: x.Population, Nth: x.Nth})
	}
	for day := range days {
		if r, err := RedoReplacements(day, m.keys[day], replaced[day], marks[day]); err != nil || !r.OK {
			t.Errorf("replacements %s: %v %v", day, r, err)
		}
	}
	var quotas []Quota
	for _, q := range m.quotas {
		if q.Draw == "period" {
			quotas = append(quotas, Quota{Agent: q.AgentId, Slice: int(q.Slice), Required: int(q.Required), Calls: q.CallIds, Roles: q.ForRoles, Campaigns: q.Campaigns, Reason: q.Reason, Nth: int(q.Nth),
				Known: true, ExemptionOnRecord: q.AgentId == exempt})
		}
	}
	r, err := RedoPeriod(monthPeriod, monthEnd, m.keys[monthEnd], candidates, quotas)
	if err != nil || !r.OK {
		t.Fatalf("period: %v %v", r, err)
	}
	if len(r.Shortfalls) != 2 { // the exempt one, and the one with five recordings
		t.Errorf("shortfalls: %v", r.Shortfalls)
	}
	if want := 7*(*monthAgents-2) + min(5, len(candidates)); r.Drawn > want || r.Drawn < want-5 {
		t.Errorf("the period drew %d of %d agents", r.Drawn, *monthAgents)
	}
	m.tampered(candidates, quotas, days, weeks)
	t.Logf("%d agents' days, each with exactly one in ten; %d weeks, %d of the period, %d extra checks, %d replacements, %d late; shortfalls: %v", cases, len(weeks), r.Drawn, extra, len(m.replacements), lates, r.Shortfalls)
	m.chiSquare()
}

// tampered changes one row of each draw; each is found.
func (m *month) tampered(candidates []Candidate, quotas []Quota, days map[string][]Numbered, weeks map[string][]Number) {
	t := m.t
	day := "2027-02-03"
	rows := slices.Clone(days[day])
	rows[len(rows)/2].Daily = !rows[len(rows)/2].Daily
	if r, err := Verify(day, m.keys[day], 10, rows, nil); err != nil || r.OK {
		t.Errorf("a daily draw that was changed: %v %v", r, err)
	}
	week := slices.Clone(weeks["2027-02-07"])
	week[3].Drawn = !week[3].Drawn
	if r, err := Redo("weekly", "2027-02-07", m.keys["2027-02-07"], 20, week); err != nil || r.OK {
		t.Errorf("a weekly draw that was changed: %v %v", r, err)
	}
	c := slices.Clone(candidates)
	c[5].Drawn = !c[5].Drawn
	if r, err := RedoPeriod(monthPeriod, monthEnd, m.keys[monthEnd], c, quotas); err != nil || r.OK {
		t.Errorf("a period's draw that was changed: %v", err)
	}
	other := sha256.Sum256([]byte("another key"))
	if r, err := Verify(day, Published{m.keys[day].SHA256, hex.EncodeToString(other[:])}, 10, days[day], nil); err != nil || r.OK {
		t.Errorf("a key that was not the published one: %v", err)
	}
}

// chiSquare tests that neither place in the block, nor hour, nor length predicts the daily draw.
func (m *month) chiSquare() {
	last := map[string]int64{} // how many of an agent's day came in time
	for _, p := range m.rows {
		if k := p.Day + p.AgentId; !p.Late {
			last[k] = max(last[k], p.Seq)
		}
	}
	type cell struct{ observed, expected, variance float64 }
	cells := map[string]map[int]*cell{"place": {}, "hour": {}, "length": {}}
	add := func(kind string, at int, drawn bool, p float64) {
		c := cells[kind][at]
		if c == nil {
			c = &cell{}
			cells[kind][at] = c
		}
		if drawn {
			c.observed++
		}
		c.expected += p
		c.variance += p * (1 - p)
	}
	for _, p := range m.rows {
		n := last[p.Day+p.AgentId]
		if p.Late {
			continue
		}
		block := min(10, n-(p.Seq-1)/10*10) // the last one is as long as it got
		drawn, chance := slices.Contains(p.Drawn, "daily"), 1/float64(block)
		if block == 1 {
			continue // drawn for certain
		}
		if block == 10 {
			add("place", int((p.Seq-1)%10), drawn, chance)
		}
		add("hour", time.UnixMilli(p.CallStartedAt).In(shanghai).Hour(), drawn, chance)
		add("length", int(min(9, p.DurationMs/30_000)), drawn, chance)
	}
	for _, kind := range []string{"place", "hour", "length"} {
		x, df := 0.0, 0.0
		for _, c := range cells[kind] {
			x += (c.observed - c.expected) * (c.observed - c.expected) / c.variance
			df++
		}
		df--
		x *= df / (df + 1) // the drawn sum up to what is drawn
		z := (math.Cbrt(x/df) - (1 - 2/(9*df))) / math.Sqrt(2/(9*df))
		m.t.Logf("chi-square of %s: %.1f on %.0f degrees of freedom (z = %.2f)", kind, x, df, z)
		if z > 3.29 { // one in two thousand; far below is what a draw of one a block looks like, hour by hour
			m.t.Errorf("%s predicts the draw: chi-square %.1f on %.0f degrees of freedom", kind, x, df)
		}
	}
}
