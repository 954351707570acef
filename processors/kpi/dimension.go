package kpi

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ringfence/ringfence/internal/nearest"
)

// Buckets of time, finest first. All are of the reporting zone.
func Buckets() []string { return []string{"hour", "day", "week", "month", "period"} }

func isBucket(dim string) bool { return slices.Contains(Buckets(), dim) }

// Dimensions the metric may be cut by: those both halves have.
func (m Metric) Dimensions() []string {
	out := dimsOf(m.Num.Source)
	if m.Den != nil {
		other := dimsOf(m.Den.Source)
		out = slices.DeleteFunc(out, func(d string) bool { return !slices.Contains(other, d) })
	}
	return out
}

// Error is a question that cannot be answered as it was asked.
type Error struct {
	Param  string // metric, from, to, by, where
	Detail string
	Form   bool // the parameter is not one or is missing; else its value cannot be
}

func (e *Error) Error() string { return e.Param + ": " + e.Detail }

// Filter asks for events with one of the values in a dimension; "" = events without one.
type Filter struct {
	Dim    string
	Values []string
}

// ParseWhere reads DIM=VALUE: different dimensions are and-ed, the same one again is or-ed.
func ParseWhere(terms []string) ([]Filter, error) {
	var out []Filter
	for _, t := range terms {
		dim, value, ok := strings.Cut(t, "=")
		if !ok {
			return nil, &Error{Param: "where", Detail: fmt.Sprintf("%q: expected DIM=VALUE", t)}
		}
		if i := slices.IndexFunc(out, func(f Filter) bool { return f.Dim == dim }); i >= 0 {
			out[i].Values = append(out[i].Values, value)
			continue
		}
		out = append(out, Filter{dim, []string{value}})
	}
	return out, nil
}

// metrics resolves names and checks that every one can be cut as asked.
func (q Query) metrics() ([]Metric, error) {
	if len(q.Metrics) == 0 {
		return nil, &Error{Param: "metric", Detail: "expected at least one; `ringfence kpi list` names them", Form: true}
	}
	var out []Metric
	for _, name := range q.Metrics {
		m, err := Lookup(name)
		if err != nil {
			return nil, err
		}
		for _, d := range q.By {
			if err := m.may("by", d); err != nil {
				return nil, err
			}
		}
		for _, f := range q.Where {
			if isBucket(f.Dim) {
				return nil, &Error{Param: "where", Detail: fmt.Sprintf("%s is time: say from and to instead", f.Dim)}
			}
			if err := m.may("where", f.Dim); err != nil {
				return nil, err
			}
		}
		out = append(out, m)
	}
	for i, d := range q.By {
		if slices.Contains(q.By[:i], d) {
			return nil, &Error{Param: "by", Detail: d + " stands twice"}
		}
	}
	return out, nil
}

func (m Metric) may(param, dim string) error {
	has := m.Dimensions()
	if slices.Contains(has, dim) {
		return nil
	}
	detail := fmt.Sprintf("metric %s has no dimension %q; it has %s", m.Name, dim, strings.Join(has, ", "))
	if slices.Contains(callDims, dim) || isBucket(dim) {
		detail += ": " + m.Why(dim)
	}
	return &Error{Param: param, Detail: detail}
}

func suggestion(name string) string {
	var known []string
	for _, m := range Catalogue() {
		known = append(known, m.Name)
	}
	if best := nearest.Word(name, known); best != "" {
		return fmt.Sprintf("; did you mean %s?", best)
	}
	return "; `ringfence kpi list` names them"
}
