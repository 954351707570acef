package recompute

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ringfence/ringfence/processors/kpi"
)

// Difference is a figure that ClickHouse has and the log does not, or the other way round.
type Difference struct {
	Metric     string `json:"metric"`
	By         string `json:"by,omitempty"`
	Row        string `json:"row,omitempty"` // the values of By, joined by |
	ClickHouse string `json:"clickhouse"`
	Log        string `json:"log"`
}

// Report of a verification.
type Report struct {
	From        time.Time    `json:"from"`
	To          time.Time    `json:"to"`
	Metrics     int          `json:"metrics"`
	Figures     int          `json:"figures"` // compared
	Found       int          `json:"found"`   // differences, all of them
	Differences []Difference `json:"differences"`
	Skipped     []string     `json:"skipped"` // metrics the log of facts does not hold
	Notes       []string     `json:"notes"`
	OK          bool         `json:"ok"`
}

const listed = 200

// Verifier compares ClickHouse with the log.
type Verifier struct {
	Base []kgo.Opt
	Conn driver.Conn
	Zone *time.Location
	// Counted waits until what is in the log is in ClickHouse.
	Counted func(context.Context) error
}

// fromLog tells whether the log's facts say the metric: reviews are decided in the QA queue, whose events verify draws.
func fromLog(m kpi.Metric) bool {
	return m.Num.Source != "reviews" && (m.Den == nil || m.Den.Source != "reviews")
}

// Verify recomputes metrics (none named = all) over [from, to), as one number and by each dimension they may be cut by,
// and compares. What differs is looked at a second time: a system at work moves between the two looks, and figures that move
// even while they are looked at are left out, with a note.
func (v *Verifier) Verify(ctx context.Context, metrics []string, from, to time.Time, progress func(float64)) (*Report, error) {
	from, to = from.Truncate(time.Millisecond), to.Truncate(time.Millisecond) // as ClickHouse is asked
	r := &Report{From: from, To: to, Differences: []Difference{}, Skipped: []string{}, Notes: []string{}}
	var chosen []kpi.Metric
	for _, m := range kpi.Catalogue() {
		if len(metrics) > 0 && !slices.Contains(metrics, m.Name) {
			continue
		}
		if !fromLog(m) || expect[m.Name] == nil {
			r.Skipped = append(r.Skipped, m.Name)
			continue
		}
		chosen = append(chosen, m)
	}
	for _, name := range metrics {
		if _, err := kpi.Lookup(name); err != nil {
			return nil, err
		}
	}
	if !from.Before(to) {
		return nil, &kpi.Error{Param: "to", Detail: fmt.Sprintf("%s is not after from, %s", to.Format(time.RFC3339), from.Format(time.RFC3339))}
	}
	r.Metrics = len(chosen)
	first, notes, figures, err := v.look(ctx, chosen, from, to, progress, false)
	if err != nil {
		return nil, err
	}
	r.Notes, r.Figures = append(r.Notes, notes...), figures
	if len(first) > 0 { // the second look has the notes of the first, and its own
		differ := map[string]bool{}
		for _, d := range first {
			differ[d.Metric] = true
		}
		again, moved, _, err := v.look(ctx, slices.DeleteFunc(chosen, func(m kpi.Metric) bool { return !differ[m.Name] }), from, to, nil, true)
		if err != nil {
			return nil, err
		}
		r.Notes = append([]string{}, moved...)
		stay := map[string]bool{}
		for _, d := range again {
			stay[d.Metric+"/"+d.By+"/"+d.Row] = true
		}
		first = slices.DeleteFunc(first, func(d Difference) bool { return !stay[d.Metric+"/"+d.By+"/"+d.Row] })
	}
	r.Found = len(first)
	r.Differences = append(r.Differences, first[:min(len(first), listed)]...)
	r.OK = r.Found == 0
	return r, nil
}

// look compares once. The log is read after what it says is in ClickHouse; standing also asks ClickHouse before that, and once
// more when it has caught up with the log: a figure that was the same both times and is another in the log is wrong.
func (v *Verifier) look(ctx context.Context, metrics []kpi.Metric, from, to time.Time, progress func(float64), standing bool) (found []Difference, notes []string, figures int, err error) {
	cuts := map[string][]kpi.Metric{"": metrics}
	for _, m := range metrics {
		for _, by := range m.Dimensions() {
			cuts[by] = append(cuts[by], m)
		}
	}
	if err := v.counted(ctx); err != nil {
		return nil, nil, 0, err
	}
	before, now := map[figure]string{}, time.Now()
	if standing {
		err := v.ask(ctx, cuts, from, to, now, func(by string, m kpi.Metric, rows []kpi.Row) {
			for _, row := range rows {
				before[figure{m.Name, by, rowKey(row)}] = said(m, row)
			}
		})
		if err != nil {
			return nil, nil, 0, err
		}
	}
	f, notes, err := readLog(ctx, v.Base, from, to, progress)
	if err != nil {
		return nil, nil, 0, err
	}
	if standing {
		if err := v.counted(ctx); err != nil {
			return nil, nil, 0, err
		}
	} else {
		now = time.Now()
	}
	oracles, moved := map[string]*oracle{}, 0
	err = v.ask(ctx, cuts, from, to, now, func(by string, m kpi.Metric, rows []kpi.Row) {
		o := oracles[by]
		if o == nil {
			o = &oracle{f: f, from: from, to: to, now: now, zone: v.Zone, where: map[string][]string{}}
			if by != "" {
				o.by = []string{by}
			}
			o.remember()
			clear(oracles) // one cut after the other
			oracles[by] = o
		}
		want := cells{}
		expect[m.Name](o, want)
		if by == "" && len(want) == 0 {
			want.add("", 0, 0)
		}
		figures += len(want)
		for _, d := range differences(m, by, rows, want) {
			if was, ok := before[figure{d.Metric, d.By, d.Row}]; standing && was != d.ClickHouse && (ok || d.ClickHouse != noRow) {
				moved++
				continue
			}
			found = append(found, d)
		}
	})
	if err != nil {
		return nil, nil, 0, err
	}
	if moved > 0 {
		notes = append(notes, fmt.Sprintf("%d figures moved while they were compared and are left out: the system is at work", moved))
	}
	return found, notes, figures, nil
}

// figure is one number of an answer.
type figure struct{ metric, by, row string }

func (v *Verifier) counted(ctx context.Context) error {
	if v.Counted == nil {
		return nil
	}
	if err := v.Counted(ctx); err != nil {
		return fmt.Errorf("wait until the log is in ClickHouse: %w", err)
	}
	return nil
}

// ask hands over ClickHouse's answers, one cut after the other.
func (v *Verifier) ask(ctx context.Context, cuts map[string][]kpi.Metric, from, to, now time.Time, take func(by string, m kpi.Metric, rows []kpi.Row)) error {
	for _, by := range slices.Sorted(maps.Keys(cuts)) {
		if len(cuts[by]) == 0 {
			continue
		}
		q := kpi.Query{From: from, To: to, Zone: v.Zone, Now: now}
		for _, m := range cuts[by] {
			q.Metrics = append(q.Metrics, m.Name)
		}
		if by != "" {
			q.By = []string{by}
		}
		answers, err := kpi.Ask(ctx, v.Conn, q)
		if err != nil {
			return err
		}
		for i, m := range cuts[by] {
			take(by, m, answers[i].Rows)
		}
	}
	return nil
}

const noRow = "no such row"

func ratio(n, d float64) string { return fmt.Sprintf("%g / %g", n, d) }

// said is the value of a row in words.
func said(m kpi.Metric, row kpi.Row) string {
	if m.Den == nil {
		return fmt.Sprintf("%g", *row.Value)
	}
	return ratio(*row.Numerator, *row.Denominator)
}

// differences between the rows of an answer and what was worked out.
func differences(m kpi.Metric, by string, rows []kpi.Row, want cells) (out []Difference) {
	near := func(a, b float64) bool { return math.Abs(a-b) <= 1e-6*math.Max(1, math.Abs(b)) }
	seen := map[string]bool{}
	for _, row := range rows {
		k := rowKey(row)
		seen[k] = true
		w := want[k]
		log, same := noRow, false
		switch {
		case w == nil:
		case m.Den == nil:
			log, same = fmt.Sprintf("%g", w[0]), near(*row.Value, w[0])
		default:
			log, same = ratio(w[0], w[1]), near(*row.Numerator, w[0]) && near(*row.Denominator, w[1])
		}
		if !same {
			out = append(out, Difference{Metric: m.Name, By: by, Row: k, ClickHouse: said(m, row), Log: log})
		}
	}
	for k, w := range want {
		if !seen[k] {
			d := Difference{Metric: m.Name, By: by, Row: k, ClickHouse: noRow, Log: fmt.Sprintf("%g", w[0])}
			if m.Den != nil {
				d.Log = ratio(w[0], w[1])
			}
			out = append(out, d)
		}
	}
	slices.SortFunc(out, func(a, b Difference) int { return strings.Compare(a.Row, b.Row) })
	return out
}

func rowKey(r kpi.Row) string {
	var parts []string
	for _, k := range r.Keys {
		if k.Value == nil {
			parts = append(parts, "")
		} else {
			parts = append(parts, *k.Value)
		}
	}
	return strings.Join(parts, "|")
}
