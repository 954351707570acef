package score

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func p(v float64) *float64 { return &v }

func near(t *testing.T, what string, got *float64, want float64) {
	t.Helper()
	if got == nil || math.Abs(*got-want) > 1e-6 {
		t.Errorf("%s: %v, want %v", what, show(got), want)
	}
}

func show(v *float64) any {
	if v == nil {
		return nil
	}
	return *v
}

// TestQuality checks each formula against figures worked out by hand.
func TestQuality(t *testing.T) {
	m := Measured{Satisfied: 18, Replies: 20, QAInspector: p(85), QALeader: p(92), JustifiedComplaints: 1}
	near(t, "SCO-01", m.Satisfaction(), 90)
	near(t, "SCO-02", ServiceQuality(m, false).Value, 90*.3+85*.4+92*.3-3)
	near(t, "SCO-03", TeamQuality(m).Value, 90*.5+85*.5-3)
	near(t, "SCO-04", ServiceQuality(m, true).Value, 87)
	m.Replies = 0 // nobody answered: the other weights are raised
	near(t, "SCO-02 without replies", ServiceQuality(m, false).Value, 85*.4/.7+92*.3/.7-3)
	if v := ServiceQuality(m, true).Value; v != nil {
		t.Errorf("SCO-04 without replies: %v", *v)
	}
	m.JustifiedComplaints = 40
	near(t, "the floor", ServiceQuality(m, false).Value, 0)
	if v := ServiceQuality(Measured{}, false).Value; v != nil {
		t.Errorf("nothing measured: %v", *v)
	}
}

// TestMake works a small centre out by hand: leave, secondment, pregnancy, special assessment, a leader.
func TestMake(t *testing.T) {
	book := DefaultBook()
	book.Targets = Targets{Visits: 400, Orders: 40, ServiceQuality: 90, Exam: 80}
	book.Teams = map[string]Team{"t1": {Superior: p(1.1), OpsSupervisor: p(1), OfficeManager: p(1)}}
	book.Agents = map[string]Agent{
		"lead":  {Team: "t1", Leader: true},
		"plain": {Team: "t1", Exam: p(80), Superior: p(1)},
		"leave": {Team: "t1", LeaveDays: 2, SecondedHours: 14, Superior: p(0.9)},
		"mum":   {Team: "t1", Pregnant: true},
		"new":   {Team: "t1", Superior: p(0.7)},
	}
	sq := func(visits, orders, days float64) Measured {
		return Measured{Satisfied: 9, Replies: 10, QAInspector: p(90), QALeader: p(90), Visits: visits, Orders: orders, ProductionDays: days}
	}
	agents := map[string]Measured{"plain": sq(400, 40, 20), "leave": sq(320, 32, 16), "mum": sq(340, 34, 20), "new": sq(40, 4, 10)}
	rep := Make(book, agents, map[string]Measured{"t1": sq(0, 0, 0)})
	row := map[string]Row{}
	for _, r := range rep.Agents {
		row[r.AgentID] = r
	}
	daily := (400.0 + 320 + 340 + 40) / (20 + 16 + 20 + 10)
	near(t, "plain personal", row["plain"].Personal.Value, 1)
	near(t, "leave credit", p(row["leave"].LeaveCredit), 2*daily)
	near(t, "seconded credit", p(row["leave"].SecondedCredit), 2*20)
	near(t, "leave visits", row["leave"].Personal.Parts[0].Value, (320+40+2*daily)/400)
	near(t, "mum visits", row["mum"].Personal.Parts[0].Value, 1)
	near(t, "mum orders", row["mum"].Personal.Parts[1].Value, 1)
	if !row["new"].Special || row["plain"].Special {
		t.Error("special assessment is for 10 production days or fewer")
	}
	near(t, "special coefficient", row["new"].Coefficient.Value, 0.7)
	team := rep.Teams[0]
	if team.Members != 3 || team.Leader != "lead" {
		t.Errorf("%d members led by %q", team.Members, team.Leader)
	}
	personal := (*row["plain"].Personal.Value + *row["leave"].Personal.Value + *row["mum"].Personal.Value) / 3
	near(t, "team result", team.Result.Value, personal)
	near(t, "plain coefficient", row["plain"].Coefficient.Value, .8+.1+.1*personal)
	near(t, "mum coefficient", row["mum"].Coefficient.Value, .8/.9**row["mum"].Personal.Value+.1/.9*personal)
	near(t, "leader", row["lead"].Coefficient.Value, .9**team.Average.Value+.1*1.1)
	near(t, "elite", team.Elite.Value, .5*personal+.2+.3)
	if d := cmp.Diff([]string{"t1"}, rep.Elite); d != "" {
		t.Error(d)
	}
	if len(rep.Bottom) != 0 { // floor(0.03 * 3)
		t.Error(rep.Bottom)
	}
}

// TestRanking: stars need the top half and no complaint, four of them and those who tie; the bottom is the floor of 3 %.
func TestRanking(t *testing.T) {
	book := DefaultBook()
	book.Targets = Targets{Visits: 100}
	agents := map[string]Measured{}
	for i := range 67 {
		m := Measured{Visits: float64(100 + i), ProductionDays: 20}
		if i == 66 {
			m.JustifiedComplaints = 1
		}
		agents[fmt.Sprintf("a%02d", i)] = m
	}
	rep := Make(book, agents, nil)
	if d := cmp.Diff([]string{"a65", "a64", "a63", "a62"}, rep.Stars); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"a01", "a00"}, rep.Bottom); d != "" {
		t.Error(d)
	}
	for _, r := range rep.Agents {
		if in := r.Star != nil; in != (r.Measured.Visits >= 100+33 && r.Measured.JustifiedComplaints == 0) {
			t.Errorf("%s is a candidate: %v", r.AgentID, in)
		}
	}
	delete(agents, "a66")
	agents["a01"] = agents["a00"] // of the bottom one tie: nobody is put there by the alphabet
	if rep := Make(book, agents, nil); len(rep.Bottom) != 0 {
		t.Errorf("bottom with a tie: %v", rep.Bottom)
	}
}

// TestWeights: the weights of every rule sum to 1 (REQUIREMENTS S), before and after parts are left out.
func TestWeights(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		opt := func(name string) *float64 {
			if rapid.Bool().Draw(t, name+"?") {
				return nil
			}
			return p(rapid.Float64Range(0, 100).Draw(t, name))
		}
		m := Measured{Satisfied: rapid.Int64Range(0, 5).Draw(t, "s"), Replies: rapid.Int64Range(0, 9).Draw(t, "n"), QAInspector: opt("i"), QALeader: opt("l"), Visits: 10, Orders: 3, ProductionDays: 20}
		book := DefaultBook()
		book.Targets = Targets{Visits: 10, Orders: 3, ServiceQuality: 90, Exam: 80}
		book.Agents = map[string]Agent{"a": {Team: "t", Superior: opt("sup"), TeamLeader: opt("tl"), OpsSupervisor: opt("ops"), OfficeManager: opt("om"), Exam: opt("x")}}
		book.Teams = map[string]Team{"t": {OpsSupervisor: opt("o"), OfficeManager: opt("m"), Superior: opt("s2")}}
		rep := Make(book, map[string]Measured{"a": m}, map[string]Measured{"t": m})
		figures := []*Figure{&rep.Agents[0].Quality, &rep.Agents[0].Personal, &rep.Agents[0].Coefficient, rep.Agents[0].Star, &rep.Teams[0].Quality, &rep.Teams[0].Average, &rep.Teams[0].Monthly, rep.Teams[0].Elite}
		for _, f := range figures {
			if f == nil {
				continue
			}
			var rule, used float64
			for _, x := range f.Parts {
				rule, used = rule+x.Weight, used+x.Used
			}
			if math.Abs(rule-1) > 1e-9 || f.Value != nil && math.Abs(used-1) > 1e-6 || f.Value == nil && used != 0 {
				t.Fatalf("%s: weights sum to %v, used to %v", f.Rule, rule, used)
			}
		}
	})
}

func TestPeriod(t *testing.T) {
	zone, err := time.LoadLocation("Asia/Shanghai")
	if err != nil {
		t.Fatal(err)
	}
	for in, want := range map[string]string{"2026-10-28T00:00:00+08:00": "2026-11", "2026-11-27T23:59:59+08:00": "2026-11", "2026-11-28T00:00:00+08:00": "2026-12",
		"2026-12-28T00:00:00+08:00": "2027-01", "2026-11-27T16:00:00Z": "2026-12"} {
		at, err := time.Parse(time.RFC3339, in)
		if err != nil {
			t.Fatal(err)
		}
		got := PeriodOf(at.In(zone))
		same, err := ParsePeriod(got.Name, zone)
		if got.Name != want || err != nil || got != same || at.Before(got.From) || !at.Before(got.To) {
			t.Errorf("%s is in %+v, want %s (%+v, %v)", in, got, want, same, err)
		}
	}
	if _, err := ParsePeriod("2026-13", zone); err == nil {
		t.Error("2026-13 is no period")
	}
}

func TestBook(t *testing.T) {
	for src, want := range map[string]string{
		"": "",
		"targets: {visits: 400}\nagents: {a: {team: t, exam: 90}}": "",
		"target: {visits: 4}":           "target",
		"agents: {a: {leave_days: -1}}": "negative",
		"agents: {a: {exam: 101}}":      "between 0 and 100",
		"agents:\n  a:\n    exam: lots": "3",
		"bottom_rate: 3":                "fraction",
	} {
		_, err := ParseBook("book.yaml", []byte(src))
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "book.yaml")) {
			t.Errorf("%q: %v, want %q", src, err, want)
		}
	}
}

func FuzzParseBook(f *testing.F) {
	f.Add([]byte("targets: {visits: 400}\nagents: {a: {team: t, exam: 90}}"))
	f.Fuzz(func(t *testing.T, src []byte) {
		if b, err := ParseBook("f", src); err == nil {
			Make(b, map[string]Measured{"a": {Visits: 1, ProductionDays: 20}}, nil)
		}
	})
}
