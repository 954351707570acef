package sampling

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Redone is a draw of a day, week or period done again.
type Redone struct {
	Draw       string   `json:"draw"`
	Scope      string   `json:"scope"` // the day, the week's last day, or the period
	Population int      `json:"population"`
	Required   int      `json:"required"`
	Drawn      int      `json:"drawn"`
	Missing    []string `json:"missing"` // call ids
	Extra      []string `json:"extra"`
	// Shortfalls explain where fewer were drawn than there should be: exemptions, agents with too few recordings.
	Shortfalls []string `json:"shortfalls,omitempty"`
	Problems   []string `json:"problems,omitempty"`
	OK         bool     `json:"ok"`
}

func (r *Redone) done() *Redone {
	r.OK = len(r.Missing) == 0 && len(r.Extra) == 0 && len(r.Problems) == 0
	return r
}

func (r *Redone) wrong(format string, a ...any) {
	r.Problems = append(r.Problems, fmt.Sprintf(format, a...))
}

// open gives the revealed key and notes it if it is not the one that was published.
func (r *Redone) open(key Published) ([]byte, error) {
	secret, problem, err := key.open()
	if problem != "" {
		r.wrong("%s", problem)
	}
	return secret, err
}

// Number is a recording in an agent's numbering by which a draw goes.
type Number struct {
	Agent, CallID string
	Seq           int64
	Late, Drawn   bool
}

// Redo does a draw over numbered recordings again: the weekly of a week, the extra checks of a day.
func Redo(draw, scope string, key Published, oneIn int64, numbers []Number) (*Redone, error) {
	r := &Redone{Draw: draw, Scope: scope, Population: len(numbers), Missing: []string{}, Extra: []string{}}
	if len(numbers) == 0 {
		return r.done(), nil
	}
	secret, err := r.open(key)
	if err != nil {
		return nil, err
	}
	agents := map[string][]Number{}
	for _, n := range numbers {
		agents[n.Agent] = append(agents[n.Agent], n)
	}
	for _, agent := range sorted(agents) {
		r.redo(secret, draw+"|"+agent, scope, agents[agent], oneIn)
	}
	return r.done(), nil
}

// redo does the numbering of one agent again; message begins what the key is applied to.
func (r *Redone) redo(secret []byte, message, scope string, rows []Number, oneIn int64) {
	slices.SortFunc(rows, func(a, b Number) int { return cmp.Compare(a.Seq, b.Seq) })
	n := int64(len(rows))
	r.Required += int((n + oneIn - 1) / oneIn)
	closed := int64(0) // how many had come at the close
	for i, row := range rows {
		switch {
		case row.Seq != int64(i)+1:
			r.wrong("agent %s: number %d stands where %d is expected", rows[0].Agent, row.Seq, i+1)
			return
		case !row.Late && closed == int64(i):
			closed++
		case !row.Late:
			r.wrong("agent %s: number %d came after the close and is not marked late", rows[0].Agent, row.Seq)
		}
	}
	last := Close(secret, message, scope, closed, oneIn)
	for _, row := range rows {
		closedAt := int64(-1)
		if row.Late {
			closedAt = closed
		}
		want := row.Seq == last || Arrive(secret, message, scope, row.Seq, closedAt, oneIn)
		if row.Drawn {
			r.Drawn++
		}
		switch {
		case want && !row.Drawn:
			r.Missing = append(r.Missing, row.CallID)
		case !want && row.Drawn:
			r.Extra = append(r.Extra, row.CallID)
		}
	}
}

// Replaced is one row of sampling_replacements.
type Replaced struct {
	Agent, TaskID, Problem          string
	Seq, By, Population, Nth, Order int64
}

// RedoReplacements checks that what took the place of recordings that could not be heard is what the sequence says.
// drawn tells of each agent's number by which draws it is marked, call its call id.
func RedoReplacements(day string, key Published, replaced []Replaced, marks map[string]map[int64][]string) (*Redone, error) {
	r := &Redone{Draw: "replacement", Scope: day, Population: len(replaced), Required: len(replaced), Missing: []string{}, Extra: []string{}}
	if len(replaced) == 0 && len(marks) == 0 {
		return r.done(), nil
	}
	secret, err := r.open(key)
	if err != nil {
		return nil, err
	}
	by := map[string][]Replaced{}
	for _, x := range replaced {
		by[x.Agent] = append(by[x.Agent], x)
	}
	for _, agent := range sorted(by) {
		xs := by[agent]
		slices.SortFunc(xs, func(a, b Replaced) int { return cmp.Compare(a.Nth, b.Nth) })
		next := int64(0)
		taken := map[int64]bool{}
		for _, x := range xs {
			if x.By == 0 {
				r.Shortfalls = append(r.Shortfalls, fmt.Sprintf("%s: %s, and no other recording of the agent's day was left", x.TaskID, x.Problem))
				continue
			}
			r.Drawn++
			for nth := next; nth < x.Nth; nth++ {
				if skipped := Replacement(secret, agent, day, nth, x.Population); len(marks[agent][skipped]) == 0 {
					r.wrong("agent %s: number %d was passed over and nothing had drawn it", agent, skipped)
				}
			}
			if want := Replacement(secret, agent, day, x.Nth, x.Population); want != x.By {
				r.wrong("agent %s: %s is replaced by number %d, not %d", agent, x.TaskID, x.By, want)
			}
			if !slices.Contains(marks[agent][x.By], "replacement") {
				r.wrong("agent %s: number %d takes the place of %s and is not marked", agent, x.By, x.TaskID)
			}
			next, taken[x.By] = x.Nth+1, true
		}
		for seq, m := range marks[agent] {
			if slices.Contains(m, "replacement") && !taken[seq] {
				r.wrong("agent %s: number %d is marked as a replacement of nothing", agent, seq)
			}
		}
	}
	for _, agent := range sorted(marks) {
		if _, ok := by[agent]; ok {
			continue
		}
		for seq, m := range marks[agent] {
			if slices.Contains(m, "replacement") {
				r.wrong("agent %s: number %d is marked as a replacement of nothing", agent, seq)
			}
		}
	}
	return r.done(), nil
}

// String of a redone draw for people.
func (r *Redone) String() string {
	s := fmt.Sprintf("%s %s: %d recordings, %d required, %d drawn", r.Draw, r.Scope, r.Population, r.Required, r.Drawn)
	if !r.OK {
		s += "; NOT AS IT HAD TO BE: " + strings.Join(slices.Concat(r.Problems, r.Missing, r.Extra), ", ")
	}
	return s
}
