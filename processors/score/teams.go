package score

import (
	"cmp"
	"math"
	"slices"
)

// teams assesses every team that has a member, a figure or an entry.
func (rep *Report) teams(book *Book, measured map[string]Measured) {
	names := map[string]bool{}
	for t := range book.Teams {
		names[t] = true
	}
	for t := range measured {
		names[t] = true
	}
	for _, r := range rep.Agents {
		names[r.Team] = true
	}
	delete(names, "")
	for t := range names {
		rep.Teams = append(rep.Teams, rep.team(t, measured[t], book))
	}
	slices.SortFunc(rep.Teams, func(a, b TeamRow) int { return cmp.Compare(a.Team, b.Team) })
}

func (rep *Report) team(name string, m Measured, book *Book) TeamRow {
	t := TeamRow{Team: name, Measured: m, Quality: TeamQuality(m)}
	var visits, orders, quality, exam, personal mean
	for _, r := range rep.Agents {
		switch {
		case r.Team != name:
			continue
		case r.Leader:
			t.Leader = r.AgentID
			continue
		case r.Special: // left out (SCO-09, Art. 10)
			continue
		}
		t.Members++
		w := 1.0
		if x := book.Agents[r.AgentID].Weight; x != nil {
			w = *x
		}
		p := r.Personal.Parts
		visits.add(p[0].Value, 1)
		orders.add(p[1].Value, 1)
		quality.add(p[2].Value, 1)
		exam.add(p[3].Value, 1)
		personal.add(r.Personal.Value, w)
	}
	t.Average = weigh("SCO-08", Part{Name: "visits", Value: visits.value(), Weight: 0.35}, Part{Name: "orders", Value: orders.value(), Weight: 0.20},
		Part{Name: "service_quality", Value: quality.value(), Weight: 0.40}, Part{Name: "exam", Value: exam.value(), Weight: 0.05})
	t.Result = weigh("SCO-09", Part{Name: "members", Value: personal.value(), Weight: 1})
	e := book.Teams[name]
	t.Monthly = weigh("SCO-08", Part{Name: "team_average", Value: t.Average.Value, Weight: 0.9}, Part{Name: "superior", Value: e.Superior, Weight: 0.1})
	missed := t.Quality.Value != nil && book.Targets.ServiceQuality > 0 && *t.Quality.Value < book.Targets.ServiceQuality
	if t.Result.Value != nil && !e.MajorComplaint && !missed {
		f := weigh("SCO-11", Part{Name: "team", Value: t.Result.Value, Weight: 0.5}, Part{Name: "ops_supervisor", Value: e.OpsSupervisor, Weight: 0.2},
			Part{Name: "office_manager", Value: e.OfficeManager, Weight: 0.3})
		t.Elite = &f
	}
	return t
}

type mean struct{ sum, n float64 }

func (m *mean) add(v *float64, weight float64) {
	if v != nil {
		m.sum, m.n = m.sum+*v*weight, m.n+weight
	}
}

func (m mean) value() *float64 {
	if m.n == 0 {
		return nil
	}
	v := round(m.sum / m.n)
	return &v
}

// rank orders the agents by coefficient, best first, and finds stars, the elite team and the bottom.
func (rep *Report) rank(book *Book) {
	var regular []*Row
	for i := range rep.Agents {
		if r := &rep.Agents[i]; !r.Leader && !r.Special && r.Coefficient.Value != nil {
			regular = append(regular, r)
		}
	}
	slices.SortStableFunc(regular, func(a, b *Row) int { return cmp.Compare(*b.Coefficient.Value, *a.Coefficient.Value) })
	for i, r := range regular {
		r.Rank = i + 1
		if i > 0 && *r.Coefficient.Value == *regular[i-1].Coefficient.Value {
			r.Rank = regular[i-1].Rank
		}
	}
	// SCO-12: the last floor(3 %); who ties with one above them is not among them.
	n := int(math.Floor(book.BottomRate*float64(len(regular)) + 1e-9))
	for n > 0 && n < len(regular) && *regular[len(regular)-n].Coefficient.Value == *regular[len(regular)-n-1].Coefficient.Value {
		n--
	}
	for _, r := range regular[len(regular)-n:] {
		r.Bottom = true
		rep.Bottom = append(rep.Bottom, r.AgentID)
	}
	rep.stars(book, regular)
	var elite []*TeamRow
	for i := range rep.Teams {
		if rep.Teams[i].Elite != nil {
			elite = append(elite, &rep.Teams[i])
		}
	}
	slices.SortStableFunc(elite, func(a, b *TeamRow) int { return cmp.Compare(*b.Elite.Value, *a.Elite.Value) })
	for _, t := range elite {
		if *t.Elite.Value == *elite[0].Elite.Value {
			rep.Elite = append(rep.Elite, t.Team)
		}
	}
}

// stars are SCO-10: of those in the top half by personal coefficient without a justified complaint, the best four.
func (rep *Report) stars(book *Book, regular []*Row) {
	var have []*Row
	for _, r := range regular {
		if r.Personal.Value != nil {
			have = append(have, r)
		}
	}
	if len(have) == 0 || book.Stars == 0 {
		return
	}
	slices.SortStableFunc(have, func(a, b *Row) int { return cmp.Compare(*b.Personal.Value, *a.Personal.Value) })
	border := *have[(len(have)+1)/2-1].Personal.Value // ties with the last of the top half are in it
	var candidates []*Row
	for _, r := range have {
		if *r.Personal.Value < border || r.Measured.JustifiedComplaints > 0 {
			continue
		}
		a := book.Agents[r.AgentID]
		f := weigh("SCO-10", Part{Name: "personal", Value: r.Personal.Value, Weight: 0.40}, Part{Name: "team_leader", Value: a.TeamLeader, Weight: 0.15},
			Part{Name: "ops_supervisor", Value: a.OpsSupervisor, Weight: 0.20}, Part{Name: "office_manager", Value: a.OfficeManager, Weight: 0.25})
		r.Star = &f
		candidates = append(candidates, r)
	}
	slices.SortStableFunc(candidates, func(a, b *Row) int { return cmp.Compare(*b.Star.Value, *a.Star.Value) })
	for i, r := range candidates {
		if i < book.Stars || *r.Star.Value == *candidates[book.Stars-1].Star.Value {
			rep.Stars = append(rep.Stars, r.AgentID)
		}
	}
}
