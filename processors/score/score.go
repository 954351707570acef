package score

import (
	"cmp"
	"math"
	"slices"
)

// Measured is what ringfence counted of one agent, or of one team, in the period. A nil is not measured.
type Measured struct {
	Team                string   `json:"team,omitempty"`       // of the agent's last call
	Satisfied           int64    `json:"satisfied"`            // SMS survey: satisfied and very satisfied ...
	Replies             int64    `json:"replies"`              // ... of the valid replies (SCO-01)
	QAInspector         *float64 `json:"qa_inspector"`         // mean of the inspectors' checks
	QALeader            *float64 `json:"qa_leader"`            // mean of the leaders' checks
	JustifiedComplaints int64    `json:"justified_complaints"` // upheld in the period (SCO-05)
	Visits              float64  `json:"successful_visits"`    // K-37
	Orders              float64  `json:"successful_orders"`    // K-37
	ProductionDays      float64  `json:"production_days"`      // days with productivity hours
}

// Part is one addend of a score: what it is, its value and its weight after parts that are missing were left out.
type Part struct {
	Name   string   `json:"name"`
	Value  *float64 `json:"value"`
	Weight float64  `json:"weight"` // as the rule has it
	Used   float64  `json:"used"`   // raised where others are missing, 0 where this one is
}

// Figure is a number with what it was made of. Value is nil when none of its parts could be measured.
type Figure struct {
	Rule    string   `json:"rule"`
	Value   *float64 `json:"value"`
	Parts   []Part   `json:"parts"`
	Deduct  float64  `json:"deduct,omitempty"`
	Comment string   `json:"comment,omitempty"`
}

// Exact comparisons of coefficients would depend on the order of additions.
func round(v float64) float64 { return math.Round(v*1e9) / 1e9 }

// weigh is a weighted mean over the parts that have a value.
func weigh(rule string, parts ...Part) Figure {
	f := Figure{Rule: rule, Parts: parts}
	var have float64
	for _, p := range parts {
		if p.Value != nil {
			have += p.Weight
		}
	}
	if have == 0 {
		return f
	}
	var sum float64
	for i, p := range parts {
		if p.Value != nil {
			f.Parts[i].Used = round(p.Weight / have)
			sum += *p.Value * p.Weight / have
		}
	}
	sum = round(sum)
	f.Value = &sum
	return f
}

// complaintPoints is what each justified complaint costs (SCO-05).
const complaintPoints = 3

func (f Figure) deduct(complaints int64) Figure {
	f.Deduct = complaintPoints * float64(complaints)
	if f.Value != nil {
		v := max(0, round(*f.Value-f.Deduct))
		f.Value = &v
	}
	return f
}

// Satisfaction is SCO-01 in points.
func (m Measured) Satisfaction() *float64 {
	if m.Replies <= 0 {
		return nil
	}
	v := round(100 * float64(m.Satisfied) / float64(m.Replies))
	return &v
}

// ServiceQuality of an agent: SCO-02, or SCO-04 of one who is exempt from QA.
func ServiceQuality(m Measured, exempt bool) Figure {
	if exempt {
		return weigh("SCO-04", Part{Name: "sms_satisfaction", Value: m.Satisfaction(), Weight: 1}).deduct(m.JustifiedComplaints)
	}
	return weigh("SCO-02", Part{Name: "sms_satisfaction", Value: m.Satisfaction(), Weight: 0.3}, Part{Name: "qa_inspector", Value: m.QAInspector, Weight: 0.4},
		Part{Name: "qa_leader", Value: m.QALeader, Weight: 0.3}).deduct(m.JustifiedComplaints)
}

// TeamQuality is SCO-03.
func TeamQuality(m Measured) Figure {
	return weigh("SCO-03", Part{Name: "sms_satisfaction", Value: m.Satisfaction(), Weight: 0.5}, Part{Name: "qa_inspector", Value: m.QAInspector, Weight: 0.5}).
		deduct(m.JustifiedComplaints)
}

// over is a coefficient: actual over target, nil without either.
func over(actual *float64, target float64) *float64 {
	if actual == nil || target <= 0 {
		return nil
	}
	v := round(*actual / target)
	return &v
}

// Special assessment begins where somebody worked this many production days or fewer (PER-07).
const specialDays = 10

// pregnantShare of the targets is asked of a pregnant agent (PER-08).
const pregnantShare = 0.85

// secondedDay is how many hours elsewhere make a day (PER-07).
const secondedDay = 7

// credit is what an agent's visits are credited with: leave at the centre's average of a person and day (PER-06), and
// secondment at his own (PER-07).
func credit(m Measured, a Agent, days, centreDaily float64) (leave, seconded float64) {
	leave = a.LeaveDays * centreDaily
	if days > 0 {
		seconded = a.SecondedHours / secondedDay * m.Visits / days
	}
	return round(leave), round(seconded)
}

// Row is one agent's assessment with every input.
type Row struct {
	AgentID        string   `json:"agent_id"`
	Team           string   `json:"team"`
	Leader         bool     `json:"leader,omitempty"`
	Measured       Measured `json:"measured"`
	Targets        Targets  `json:"targets"` // as applied: 85 % of a pregnant agent's
	ProductionDays float64  `json:"production_days"`
	LeaveCredit    float64  `json:"leave_credit"`    // visits
	SecondedCredit float64  `json:"seconded_credit"` // visits
	Visits         float64  `json:"visits"`          // with the credits
	Special        bool     `json:"special"`         // assessed by the superior alone (PER-07)
	Exempt         bool     `json:"exempt,omitempty"`
	Quality        Figure   `json:"service_quality"`
	Personal       Figure   `json:"personal"`
	Coefficient    Figure   `json:"coefficient"`
	Star           *Figure  `json:"star,omitempty"`
	Rank           int      `json:"rank,omitempty"` // by coefficient, 1 = best; 0 = not ranked
	Bottom         bool     `json:"bottom,omitempty"`
}

// TeamRow is one team's assessment.
type TeamRow struct {
	Team     string   `json:"team"`
	Leader   string   `json:"leader,omitempty"`
	Measured Measured `json:"measured"`
	Quality  Figure   `json:"service_quality"`
	Members  int      `json:"members"` // in regular assessment
	Average  Figure   `json:"average"` // of SCO-08
	Result   Figure   `json:"result"`  // the team's part in its members' coefficients (SCO-09)
	Monthly  Figure   `json:"leader_monthly"`
	Elite    *Figure  `json:"elite,omitempty"`
}

// Report of a period.
type Report struct {
	Period string    `json:"period"`
	From   string    `json:"from"`
	To     string    `json:"to"`
	Agents []Row     `json:"agents"`
	Teams  []TeamRow `json:"teams"`
	Stars  []string  `json:"service_stars"`
	Elite  []string  `json:"elite_team"` // more than one where they tie
	Bottom []string  `json:"bottom"`
}

// Make assesses a period.
func Make(book *Book, agents, teams map[string]Measured) *Report {
	rep := &Report{Stars: []string{}, Elite: []string{}, Bottom: []string{}}
	ids := map[string]bool{}
	for id := range agents {
		ids[id] = true
	}
	for id := range book.Agents {
		ids[id] = true
	}
	var daily, days float64
	for id, m := range agents {
		daily += m.Visits
		days += productionDays(m, book.Agents[id])
	}
	if days > 0 {
		daily /= days
	}
	for id := range ids {
		rep.Agents = append(rep.Agents, assess(id, agents[id], book, daily))
	}
	slices.SortFunc(rep.Agents, func(a, b Row) int { return cmp.Compare(a.AgentID, b.AgentID) })
	rep.teams(book, teams)
	for i := range rep.Agents {
		rep.Agents[i].conclude(book, rep.Teams)
	}
	rep.rank(book)
	return rep
}

func productionDays(m Measured, a Agent) float64 {
	if a.ProductionDays != nil {
		return *a.ProductionDays
	}
	return m.ProductionDays
}

func assess(id string, m Measured, book *Book, centreDaily float64) Row {
	a := book.Agents[id]
	r := Row{AgentID: id, Team: cmp.Or(a.Team, m.Team), Leader: a.Leader, Measured: m, Exempt: a.Exempt, Targets: book.Targets}
	if a.Targets != nil {
		r.Targets = *a.Targets
	}
	if a.Pregnant {
		r.Targets.Visits, r.Targets.Orders = round(pregnantShare*r.Targets.Visits), round(pregnantShare*r.Targets.Orders)
	}
	r.ProductionDays = productionDays(m, a)
	r.Special = r.ProductionDays <= specialDays
	r.LeaveCredit, r.SecondedCredit = credit(m, a, r.ProductionDays, centreDaily)
	r.Visits = m.Visits + r.LeaveCredit + r.SecondedCredit
	r.Quality = ServiceQuality(m, a.Exempt)
	r.Personal = weigh("SCO-07", Part{Name: "visits", Value: over(&r.Visits, r.Targets.Visits), Weight: 0.35}, Part{Name: "orders", Value: over(&m.Orders, r.Targets.Orders), Weight: 0.20},
		Part{Name: "service_quality", Value: over(r.Quality.Value, r.Targets.ServiceQuality), Weight: 0.40}, Part{Name: "exam", Value: over(a.Exam, r.Targets.Exam), Weight: 0.05})
	return r
}

// conclude gives the agent's coefficient: SCO-06; by the superior alone in special assessment (PER-07); a leader's is
// SCO-08 of his team.
func (r *Row) conclude(book *Book, teams []TeamRow) {
	a := book.Agents[r.AgentID]
	var team *TeamRow
	for i := range teams {
		if teams[i].Team == r.Team {
			team = &teams[i]
		}
	}
	switch {
	case r.Leader && team != nil:
		r.Coefficient = team.Monthly
	case r.Special:
		r.Coefficient = weigh("PER-07", Part{Name: "superior", Value: a.Superior, Weight: 1})
		r.Coefficient.Comment = "special assessment: 10 production days or fewer"
	default:
		var result *float64
		if team != nil {
			result = team.Result.Value
		}
		r.Coefficient = weigh("SCO-06", Part{Name: "personal", Value: r.Personal.Value, Weight: 0.8}, Part{Name: "superior", Value: a.Superior, Weight: 0.1},
			Part{Name: "team", Value: result, Weight: 0.1})
	}
}
