package kpi

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// plan says which column of the statement holds what.
type plan struct {
	sql     string
	metrics []Metric
	cells   []Measure // column c<i> of the statement
	sources []string  // column p<i> counts the source's rows: a value occurs where one of them does
	counted bool      // there are such columns: whoever makes a chart leaves out what has no value
}

func (p *plan) cell(m Measure) int {
	i := slices.Index(p.cells, m)
	if i < 0 {
		p.cells = append(p.cells, m)
		i = len(p.cells) - 1
	}
	return i
}

// compile makes one statement for all metrics: each source is read once, and the halves of a ratio meet by their
// dimensions. Columns: d0..., p0..., c0...
func compile(ms []Metric, s scope) *plan {
	p := &plan{metrics: ms, sources: sourcesOf(ms), counted: !s.timeAxis}
	if s.tiers == nil && !s.factsOnly {
		s = s.choosing()
	}
	for _, m := range ms {
		p.cell(m.Num)
		if m.Den != nil {
			p.cell(*m.Den)
		}
	}
	var parts []string
	for i, src := range p.sources {
		parts = append(parts, p.parts(i, src, s)...)
	}
	var dims, out []string
	for i := range s.by {
		dims = append(dims, fmt.Sprintf("d%d", i))
	}
	out = append(out, dims...)
	if p.counted {
		for i := range p.sources {
			out = append(out, fmt.Sprintf("sum(p%d) AS p%d", i, i))
		}
	}
	for i := range p.cells {
		out = append(out, fmt.Sprintf("sum(c%d) AS c%d", i, i))
	}
	p.sql = s.with.before()
	if len(parts) == 1 {
		p.sql += parts[0]
	} else {
		p.sql += "SELECT " + strings.Join(out, ", ") + " FROM (\n" + strings.Join(parts, "\nUNION ALL\n") + "\n)"
		if len(dims) > 0 {
			p.sql += " GROUP BY " + strings.Join(dims, ", ")
		}
	}
	if len(dims) > 0 {
		p.sql += " ORDER BY " + strings.Join(dims, " NULLS LAST, ") + " NULLS LAST"
	}
	p.sql += s.with.after()
	return p
}

// parts read one source.
func (p *plan) parts(i int, src string, s scope) []string {
	switch {
	case src == "accounts" || src == "lead_calls":
		return p.accounts(i, src, s)
	case p.rides(src, s):
		return nil
	}
	r := reading{sources: []string{src}, counts: []int{i}}
	for j, other := range p.sources {
		if hosts[other] == src && p.rides(other, s) {
			r.sources, r.counts = append(r.sources, other), append(r.counts, j)
		}
	}
	var at string
	if r.from, at = s.rows(src, p.cells); len(r.sources) > 1 && src == "calls" {
		r.from = s.orders(append(used(p.cells, "calls"), used(p.cells, "orders")...))
	}
	if a := slices.Index(p.sources, "accounts"); a >= 0 && src == "calls" { // where there is a call there is an account
		r.counts = append(r.counts, a)
	}
	r.keys = s.keys(at)
	return []string{p.columns(r)}
}

// hosts are sources whose rows have the measures of another one, too.
var hosts = map[string]string{"orders": "calls", "paid": "attended"}

// rides tells whether a source is read along with its host, which is read anyway.
func (p *plan) rides(src string, s scope) bool {
	host := hosts[src]
	if _, filtered := s.filter("product"); src == "orders" && (s.cuts("product") || filtered) {
		return false // an order stands in the rows of the products sold
	}
	return host != "" && slices.Contains(p.sources, host)
}

// grouped sums a source's rows up by the keys of the scope.
func (p *plan) grouped(i int, src, from, at string, s scope) string {
	return p.columns(reading{sources: []string{src}, counts: []int{i}, from: from, keys: s.keys(at)})
}

// reading is a table in SQL whose rows are grouped by keys: the sources whose measures they have, and those, by their index, that
// occur where one of the rows does. words puts measures in words of the table; nil = it has the same.
type reading struct {
	sources []string
	counts  []int
	from    string
	keys    []string
	words   map[string]string
}

// columns are the statement's columns of a reading.
func (p *plan) columns(r reading) string {
	return p.grouping(r.keys, r.from, func(source int) string {
		if slices.Contains(r.counts, source) {
			return "count()"
		}
		return ""
	}, func(c Measure) string {
		switch {
		case !slices.Contains(r.sources, c.Source):
			return ""
		case r.words != nil:
			return r.words[c.SQL]
		}
		return c.SQL
	})
}

// grouping is a SELECT of the statement's columns, grouped by keys: seen is how many rows of a source there are, value is that of a
// measure; "" = none. Literals stand for none, as every cast costs time before ClickHouse begins.
func (p *plan) grouping(keys []string, from string, seen func(source int) string, value func(Measure) string) string {
	var cols []string
	for j, k := range keys {
		cols = append(cols, fmt.Sprintf("%s AS d%d", k, j))
	}
	if p.counted {
		for j := range p.sources {
			cols = append(cols, fmt.Sprintf("%s AS p%d", cmp.Or(seen(j), "toUInt64(0)"), j))
		}
	}
	for j, c := range p.cells {
		if v := value(c); v != "" {
			cols = append(cols, fmt.Sprintf("toFloat64(%s) AS c%d", v, j))
		} else {
			cols = append(cols, fmt.Sprintf("0. AS c%d", j))
		}
	}
	q := "SELECT " + strings.Join(cols, ", ") + " FROM " + from
	if len(keys) > 0 {
		q += " GROUP BY " + strings.Join(names("d", len(keys)), ", ")
	}
	return q
}

func names(prefix string, n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("%s%d", prefix, i)
	}
	return out
}

// Panel is a metric's statement for a Grafana panel: From, To and Now are SQL, the first column is a time axis when By
// is a bucket, and the value's column bears the metric's name.
func Panel(m Metric, by string, where []Filter, from, to, zone string) string {
	s := scope{from: from, to: to, now: "now64(3, 'UTC')", zone: zone, where: where, timeAxis: true}
	if by != "" {
		s.by = []string{by}
	}
	p := compile([]Metric{m}, s)
	value := fmt.Sprintf("c%d", p.cell(m.Num))
	if m.Den != nil {
		value = fmt.Sprintf("c%d / nullIf(c%d, 0)", p.cell(m.Num), p.cell(*m.Den))
	}
	cols := value + " AS " + m.Name
	if by != "" {
		name := by
		if isBucket(by) {
			name = "time"
		}
		cols = "d0 AS " + name + ", " + cols
	}
	return "SELECT " + cols + " FROM (\n" + p.sql + "\n)"
}

// SQL is the statement that answers the metric for a range, for people to read: `ringfence kpi describe`.
func (m Metric) SQL(zone string) string {
	return Panel(m, "", nil, "{from:DateTime64(3)}", "{to:DateTime64(3)}", zone)
}
