package dashboards

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/ringfence/ringfence/processors/kpi"
)

// Ask runs a query on ClickHouse and returns its columns and rows, as JSON values.
type Ask func(ctx context.Context, sql string) (columns []string, rows [][]json.RawMessage, err error)

// Checked is what one panel's query gave with the variables in one position.
type Checked struct {
	Dashboard string  `json:"dashboard"`
	Panel     uint32  `json:"panel"`
	Title     string  `json:"title"`
	Variables string  `json:"variables"` // "all", or campaign=a,b
	Rows      int     `json:"rows"`
	Empty     bool    `json:"empty"`            // no rows, or no value in them
	Reason    string  `json:"reason,omitempty"` // why that may rightly be so
	MS        float64 `json:"ms"`
	Error     string  `json:"error,omitempty"`
}

// Check runs every panel's query of the dashboards: with every variable at all, then each variable in turn at one value
// and at several. It goes on after an error. The same statement is run once; clock tells the time.
func Check(ctx context.Context, ask Ask, ds []Dashboard, r Range, zone string, clock func() time.Time) ([]Checked, error) {
	type answer struct {
		rows  int
		empty bool
		ms    float64
		err   error
	}
	known := map[string]answer{}
	var out []Checked
	for _, d := range ds {
		positions, err := d.positions(ctx, ask, r)
		if err != nil {
			return out, err
		}
		for _, p := range d.Panels() {
			q, err := d.Query(p, zone)
			if err != nil {
				return out, fmt.Errorf("dashboard %s, panel %q: %w", d.UID, p.Title.EN, err)
			}
			if q.SQL == "" {
				continue
			}
			for _, v := range positions {
				sql, err := Expand(q.SQL, d.WithDefaults(v.values), r)
				if err != nil {
					return out, fmt.Errorf("dashboard %s, panel %q: %w", d.UID, p.Title.EN, err)
				}
				a, done := known[sql]
				if !done {
					began := clock()
					cols, rows, err := ask(ctx, sql)
					a = answer{len(rows), empty(rows, p.By != ""), float64(clock().Sub(began).Microseconds()) / 1000, err}
					if err == nil && len(cols) != len(q.Columns) {
						a.err = fmt.Errorf("%d columns, expected the %d of the panel", len(cols), len(q.Columns))
					}
					known[sql] = a
				}
				c := Checked{Dashboard: d.UID, Panel: p.ID(), Title: p.Title.EN, Variables: v.name, Rows: a.rows, Empty: a.empty, MS: a.ms}
				if a.err != nil {
					c.Error = a.err.Error()
				}
				if a.empty {
					c.Reason = cmp.Or(MayBeEmpty(p), noSuchCalls(v.values))
				}
				out = append(out, c)
			}
		}
	}
	return out, ctx.Err()
}

type position struct {
	name   string
	values Values
}

// positions of the variables, from the values that ClickHouse has.
func (d Dashboard) positions(ctx context.Context, ask Ask, r Range) ([]position, error) {
	out := []position{{"all", Values{}}}
	for _, v := range d.Variables {
		var all []string
		for _, c := range v.Choices {
			all = append(all, c.Value)
		}
		if all == nil {
			var err error
			if all, err = v.Lookup(ctx, ask, r); err != nil {
				return nil, err
			}
		}
		for i, x := range all {
			if i == 0 || len(v.Choices) > 0 {
				out = append(out, position{v.Name + "=" + x, Values{v.Name: {x}}})
			}
		}
		if several := all[:min(len(all), 3)]; len(several) > 1 && len(v.Choices) == 0 {
			out = append(out, position{v.Name + "=" + strings.Join(several, ","), Values{v.Name: several}})
		}
	}
	return out, nil
}

// Lookup is the values a variable can take in the range.
func (v Variable) Lookup(ctx context.Context, ask Ask, r Range) ([]string, error) {
	sql, err := Expand(v.valuesSQL(), nil, r)
	if err != nil {
		return nil, fmt.Errorf("variable %s: %w", v.Name, err)
	}
	_, rows, err := ask(ctx, sql)
	if err != nil {
		return nil, fmt.Errorf("variable %s: %w", v.Name, err)
	}
	out := make([]string, 0, len(rows))
	for _, row := range rows {
		var s string
		if err := json.Unmarshal(row[0], &s); err != nil {
			return nil, fmt.Errorf("variable %s: expected text: %w", v.Name, err)
		}
		out = append(out, s)
	}
	return out, nil
}

// WithDefaults is the values with the first choice of each variable that always has one.
func (d Dashboard) WithDefaults(v Values) Values {
	out := Values{}
	for k, x := range v {
		out[k] = x
	}
	for _, x := range d.Variables {
		if len(x.Choices) > 0 && len(out[x.Name]) == 0 {
			out[x.Name] = []string{x.Choices[0].Value}
		}
	}
	return out
}

// empty tells whether there is nothing to see: no row, or no value beside the key.
func empty(rows [][]json.RawMessage, keyed bool) bool {
	for _, r := range rows {
		for i, x := range r {
			if (i > 0 || !keyed) && string(x) != "null" {
				return false
			}
		}
	}
	return true
}

// noSuchCalls is the reason why there may be none of the chosen calls in a healthy centre, "" if that is a fault.
func noSuchCalls(v Values) string {
	for _, which := range v[varWhich.Name] {
		switch which {
		case "unrecorded":
			return "every connected call was recorded"
		case "violations":
			return "a centre that keeps within its caps has none"
		case "complained":
			return "nobody complained"
		}
	}
	return ""
}

// MayBeEmpty is the reason why a panel may rightly have nothing to show in a healthy centre, "" if that is a fault.
func MayBeEmpty(p Panel) string {
	if p.Rows != "" {
		if l, err := listingOf(p.Rows); err == nil {
			return l.empty
		}
	}
	reviews := false
	for _, name := range p.Metrics {
		m, ok := kpi.Find(name)
		if !ok {
			return ""
		}
		reviews = reviews || m.Num.Source == "reviews"
		if m.Num.Source == "complaints" && p.By != "" {
			return "nobody complained"
		}
	}
	switch {
	case reviews:
		return "no review is published until somebody works in the QA queue"
	case len(p.Metrics) > 0 && p.Metrics[0] == "complaints_per_order":
		return "nothing was ordered"
	case len(p.Metrics) > 0 && (p.Metrics[0] == "paid_hours" || p.Metrics[0] == "utilization_rate" || p.Metrics[0] == "attendance_rate"):
		return "no schedules were sent"
	}
	return ""
}
