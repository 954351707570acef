package kpi

import (
	"fmt"
	"strings"
)

// Panels is Panel for several metrics in one statement: each source is read once, and there is a column for each metric
// under its name. All of them must have the dimension by and those of the filters.
func Panels(ms []Metric, by string, where []Filter, from, to, zone string) string {
	s := scope{from: from, to: to, now: "now64(3, 'UTC')", zone: zone, where: where, timeAxis: true}
	if by != "" {
		s.by = []string{by}
	}
	p := compile(ms, s)
	var cols []string
	if by != "" {
		name := by
		if isBucket(by) {
			name = "time"
		}
		cols = append(cols, "d0 AS "+name)
	}
	for _, m := range ms {
		value := fmt.Sprintf("c%d", p.cell(m.Num))
		if m.Den != nil {
			value = fmt.Sprintf("c%d / nullIf(c%d, 0)", p.cell(m.Num), p.cell(*m.Den))
		}
		cols = append(cols, value+" AS "+m.Name)
	}
	return "SELECT " + strings.Join(cols, ", ") + " FROM (\n" + p.sql + "\n)"
}

// IsBucket tells whether a dimension is a bucket of time.
func IsBucket(dim string) bool { return isBucket(dim) }

// CallsThat is the condition on the table of calls for the calls that count in a metric's numerator, for listings of
// the calls behind a number; "1" for "all", false for a word that is not known.
func CallsThat(which string) (string, bool) {
	switch which {
	case "all":
		return "1", true
	case "connected":
		return connected, true
	case "effective":
		return effective, true
	case "orders":
		return effective + " AND " + won, true
	case "abandoned":
		return "outcome = 'abandoned'", true
	case "violations":
		return "notEmpty(violations)", true
	case "unrecorded":
		return connected + " AND NOT ifNull(" + recorded + ", false)", true
	case "complained":
		return "call_id IN (SELECT attributed_call_id FROM complaints WHERE attributed_call_id != '' AND NOT unattributed)", true
	}
	return "", false
}
