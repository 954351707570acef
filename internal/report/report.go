package report

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ringfence/ringfence/processors/kpi"
)

// Cell is one figure: how it is shown, and its exact value; nil is a ratio over nothing, or not applicable.
type Cell struct {
	Text  string   `json:"text"`
	Value *float64 `json:"value"`
}

// Section is one table of a report. The first columns are keys, the others figures.
type Section struct {
	Title   string   `json:"title"`
	Note    string   `json:"note,omitempty"`
	Keys    []string `json:"keys"`
	Columns []string `json:"columns"`
	Rows    []Row    `json:"rows"`
}

// Row of a section. Total marks a row that sums up the others.
type Row struct {
	Keys  []string `json:"keys"`
	Cells []Cell   `json:"cells"`
	Total bool     `json:"total,omitempty"`
}

// Report is a report with its numbers.
type Report struct {
	Kind     string    `json:"kind"`
	Title    string    `json:"title"`
	Source   string    `json:"source"`
	Question string    `json:"question"`
	From     time.Time `json:"from"`
	To       time.Time `json:"to"`
	Made     time.Time `json:"made"`
	By       string    `json:"by"` // who asked for it
	Partner  string    `json:"partner,omitempty"`
	Sections []Section `json:"sections"`
}

// none is what stands for events without the dimension.
const none = "(none)"

// FromAnswers makes a section of the catalogue's answers to its metrics, in their order.
func FromAnswers(t Table, answers []kpi.Result) Section {
	s := Section{Title: t.Title, Keys: slices.Clone(t.By), Rows: []Row{}}
	if len(t.By) == 0 { // one row a metric, so that a page need not be as wide as there are metrics
		s.Keys, s.Columns = []string{"metric"}, []string{"value"}
		for _, a := range answers {
			var v *float64
			if len(a.Rows) > 0 {
				v = a.Rows[0].Value
			}
			s.Rows = append(s.Rows, Row{Keys: []string{a.Metric}, Cells: []Cell{{Show(a.Unit, v), v}}})
		}
		return s
	}
	at := map[string]int{}
	for i, a := range answers {
		s.Columns = append(s.Columns, a.Metric)
		for _, r := range a.Rows {
			keys := make([]string, len(t.By))
			for k := range t.By {
				keys[k] = none
				if k < len(r.Keys) && r.Keys[k].Value != nil {
					keys[k] = *r.Keys[k].Value
				}
			}
			id := strings.Join(keys, "\x00")
			j, ok := at[id]
			if !ok {
				j = len(s.Rows)
				at[id] = j
				s.Rows = append(s.Rows, Row{Keys: keys, Cells: slices.Repeat([]Cell{{Text: "–"}}, len(answers))})
			}
			s.Rows[j].Cells[i] = Cell{Show(a.Unit, r.Value), r.Value}
		}
	}
	slices.SortStableFunc(s.Rows, func(a, b Row) int { return slices.Compare(a.Keys, b.Keys) })
	return s
}

// Show writes a value for people, in the unit of its metric.
func Show(unit string, v *float64) string {
	if v == nil {
		return "–"
	}
	switch unit {
	case "ratio":
		return strconv.FormatFloat(100**v, 'f', 2, 64) + " %"
	case "hours", "per_hour", "points":
		return strconv.FormatFloat(*v, 'f', 1, 64)
	case "seconds":
		return fmt.Sprintf("%d:%02d", int64(math.Round(*v))/60, int64(math.Round(*v))%60)
	case "yuan":
		return strconv.FormatFloat(*v, 'f', 2, 64)
	}
	if *v == math.Trunc(*v) {
		return strconv.FormatFloat(*v, 'f', 0, 64)
	}
	return strconv.FormatFloat(*v, 'f', 2, 64)
}

// Complaints is the catalogue's table of complaints, with every total.
func Complaints(t *kpi.ComplaintTable) Section {
	grid := t.Grid()
	s := Section{Title: "Complaints by " + t.Rows + " and " + t.Columns, Keys: grid[0][:1], Columns: grid[0][1:], Rows: []Row{}, Note: "Every complaint once, attributed or not."}
	for i, line := range grid[1:] {
		r := Row{Keys: line[:1], Total: i == len(grid)-2}
		for _, text := range line[1:] {
			c := Cell{Text: text}
			if v, err := strconv.ParseFloat(text, 64); err == nil {
				c.Value = &v
			}
			r.Cells = append(r.Cells, c)
		}
		s.Rows = append(s.Rows, r)
	}
	return s
}
