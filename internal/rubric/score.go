package rubric

import (
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/ringfence/ringfence/event"
)

// Problem is what is wrong with a sheet; Pointer is a JSON pointer into it.
type Problem struct {
	Pointer string
	Detail  string
}

func (p Problem) Error() string { return p.Pointer + ": " + p.Detail }

// Score judges a sheet. What is missing or wrong is listed; the review is what the sheet is worth so far all the same
// (an unanswered checkpoint counts as n.a.), so that a screen can show it while it is filled in. With no problems it is
// final. The review has neither rater nor times.
func Score(r *Rubric, sheet *event.QASheet) (*event.QAReview, []Problem) {
	s := scoring{r: r, answers: map[string]string{}, out: &event.QAReview{Sheet: sheet, Sale: sheet.Sale}}
	s.read(sheet)
	s.sections()
	s.standards()
	s.taboos()
	s.total()
	s.penalties()
	return s.out, s.problems
}

type scoring struct {
	r        *Rubric
	answers  map[string]string
	out      *event.QAReview
	problems []Problem
	points   float64
	weight   float64 // of the sections that were judged
	taboo    bool
}

func (s *scoring) wrong(pointer, format string, a ...any) {
	s.problems = append(s.problems, Problem{pointer, fmt.Sprintf(format, a...)})
}

// read takes the answers and refuses those to questions the rubric does not ask.
func (s *scoring) read(sheet *event.QASheet) {
	if sheet.Rubric != s.r.ID() {
		s.wrong("/rubric", "%q is not %s", sheet.Rubric, s.r.ID())
	}
	allowed := s.r.questions()
	for i, c := range sheet.Checks {
		at := "/checks/" + strconv.Itoa(i)
		may, known := allowed[c.Id]
		_, twice := s.answers[c.Id]
		switch {
		case !known:
			s.wrong(at+"/id", "%q is not asked by %s", c.Id, s.r.ID())
		case twice:
			s.wrong(at+"/id", "%q is answered twice", c.Id)
		case !slices.Contains(may, c.Answer):
			s.wrong(at+"/answer", "%q is not one of %v", c.Answer, may)
		default:
			s.answers[c.Id] = c.Answer
		}
	}
	for i, m := range sheet.Markers {
		if m.AtMs < 0 {
			s.wrong("/markers/"+strconv.Itoa(i)+"/at_ms", "%d is before the beginning", m.AtMs)
		}
	}
}

// questions of a rubric and the answers each may have.
func (r *Rubric) questions() map[string][]string {
	q := map[string][]string{}
	for _, sec := range r.Sections {
		for _, c := range sec.Checkpoints {
			q[c.ID] = c.Answers
		}
	}
	for _, x := range r.Standards {
		q[x.ID] = []string{Yes, No}
	}
	for _, x := range r.Taboos {
		q[x.ID] = []string{Yes, No}
	}
	for _, x := range r.Tariff {
		q[x.ID] = []string{Yes, No}
	}
	return q
}

func (s *scoring) sections() {
	for _, sec := range s.r.Sections {
		var got, of float64
		for _, c := range sec.Checkpoints {
			a, ok := s.answers[c.ID]
			if c.Sale && !s.out.Sale {
				continue
			}
			if !ok {
				s.wrong("/checks", "%s is not answered", c.ID)
				continue
			}
			switch a {
			case NA:
				continue
			case Yes:
				got += c.Weight
			case Partial:
				got += c.Weight * *s.r.Partial
			case No:
				s.out.Fatal = s.out.Fatal || c.Fatal
			}
			of += c.Weight
			if a == No {
				s.out.Failed = append(s.out.Failed, c.ID)
			}
		}
		if of == 0 {
			continue // nothing of it could be judged: the others carry its weight
		}
		p := sec.Weight * got / of
		s.out.Sections = append(s.out.Sections, &event.QASection{Id: sec.ID, Points: round(p), Weight: sec.Weight})
		s.points += p
		s.weight += sec.Weight
	}
	if s.weight == 0 {
		s.wrong("/checks", "nothing was judged: at least one checkpoint must be answered other than na")
	}
}

func (s *scoring) standards() {
	if !s.out.Sale {
		return
	}
	s.out.StandardsMet = true
	for _, x := range s.r.Standards {
		a, ok := s.answers[x.ID]
		if !ok {
			s.wrong("/checks", "%s is not answered, and the call closed a sale", x.ID)
		}
		if a != Yes {
			s.out.StandardsMet = false
		}
		if a == No {
			s.out.Failed = append(s.out.Failed, x.ID)
			s.out.Fatal = s.out.Fatal || x.Fatal
		}
	}
}

func (s *scoring) taboos() {
	for _, x := range s.r.Taboos {
		if s.answers[x.ID] == Yes {
			s.taboo = true
			s.points -= x.Points
			s.out.Failed = append(s.out.Failed, x.ID)
		}
	}
}

func (s *scoring) total() {
	if s.weight > 0 && !s.out.Fatal {
		s.out.Score = round(max(0, 100*s.points/s.weight))
	}
	s.out.Passed = s.out.Score >= PassMark && !s.out.Fatal
}

func (s *scoring) penalties() {
	for _, x := range s.r.Tariff {
		due := s.answers[x.ID] == Yes
		for _, w := range x.When {
			switch w {
			case "fatal":
				due = due || s.out.Fatal
			case "zero":
				due = due || s.out.Score == 0 && s.weight > 0
			case "invalid_sale":
				due = due || s.out.Sale && !s.out.StandardsMet && len(s.problems) == 0
			case "taboo":
				due = due || s.taboo
			default:
				due = due || slices.Contains(s.out.Failed, w)
			}
		}
		if due && s.answers[x.ID] != No { // a rater may waive what follows by rule, and the sheet shows that he did
			s.out.Penalties = append(s.out.Penalties, &event.QAPenalty{Id: x.ID, Title: x.Title.In("en"), Amount: x.Amount})
		}
	}
}

// round keeps two decimals: what is printed is what is stored.
func round(x float64) float64 { return math.Round(x*100) / 100 }
