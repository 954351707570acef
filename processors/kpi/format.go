package kpi

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Format shows a value to a person: 12.3 %, 1 min 5 s, 12,345.
func Format(v *float64, unit string) string {
	if v == nil {
		return "–"
	}
	x := *v
	switch unit {
	case Ratio:
		p := x * 100
		if p != 0 && math.Abs(p) < 1 {
			return fmt.Sprintf("%.2f %%", p)
		}
		return fmt.Sprintf("%.1f %%", p)
	case Seconds:
		s := int(math.Round(x))
		if s < 60 {
			return fmt.Sprintf("%d s", s)
		}
		return fmt.Sprintf("%d min %02d s", s/60, s%60)
	case Hours:
		return fmt.Sprintf("%.1f h", x)
	case PerHour:
		return fmt.Sprintf("%.1f /h", x)
	case Points:
		return fmt.Sprintf("%.1f", x)
	}
	if x != math.Trunc(x) {
		return fmt.Sprintf("%.2f", x)
	}
	return thousands(strconv.FormatFloat(x, 'f', 0, 64))
}

func thousands(s string) string {
	sign := ""
	if strings.HasPrefix(s, "-") {
		sign, s = "-", s[1:]
	}
	var parts []string
	for len(s) > 3 {
		parts = append([]string{s[len(s)-3:]}, parts...)
		s = s[:len(s)-3]
	}
	return sign + strings.Join(append([]string{s}, parts...), ",")
}

// Lookup is Find with an error that names the nearest metric.
func Lookup(name string) (Metric, error) {
	m, ok := Find(name)
	if !ok {
		return m, &Error{Param: "metric", Detail: fmt.Sprintf("%q is not in the catalogue%s", name, suggestion(name))}
	}
	return m, nil
}

// Markdown is the catalogue as a document, docs/metrics.md.
func Markdown() string {
	var b strings.Builder
	b.WriteString(`# Metrics

Generated from the catalogue in processors/kpi by ` + "`make generate`" + `; do not edit. "ringfence kpi describe METRIC" adds the SQL.

Calls are outbound unless said otherwise and stand at their started_at. An account is a distinct lead, of a call without
one its customer within its campaign. Won: something was ordered, or the disposition is agree. Ratios are fractions, and
null over no denominator.

| ID | Metric | Unit | Definition | In words | Dimensions | Better | Target, alert | Source |
|---|---|---|---|---|---|---|---|---|
`)
	for _, m := range Catalogue() {
		fmt.Fprintf(&b, "| %s | `%s` | %s | %s | %s | %s | %s | %s | %s |\n", m.ID, m.Name, m.Unit, m.Rule, m.Meaning, strings.Join(m.Dimensions(), " "), m.Better, m.lines(), m.Source)
	}
	return b.String()
}

// lines are the metric's targets and bounds in words.
func (m Metric) lines() string {
	var out []string
	for _, t := range m.Targets {
		s := "target " + Format(&t.Value, m.Unit)
		if t.Where != "" {
			s += " where " + t.Where
		}
		out = append(out, s)
	}
	if m.Alert != nil && m.Alert.Over != nil {
		out = append(out, "alert from "+Format(m.Alert.Over, m.Unit))
	}
	if m.Alert != nil && m.Alert.Under != nil {
		out = append(out, "alert below "+Format(m.Alert.Under, m.Unit))
	}
	return strings.Join(out, "; ")
}
