package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ringfence/ringfence/processors/kpi"
)

func kpiCommand(g *globals) *cobra.Command {
	var from, to, format string
	var by, where []string
	var wait bool
	cmd := &cobra.Command{
		Use:   "kpi METRIC...",
		Short: "Figures from the metric catalogue",
		Long: `Ask a running system for metrics. Times are RFC 3339, or a date for its midnight in the reporting zone; the
interval is half-open and by default today so far. Dimensions: campaign agent team partner product list purpose, and
time: hour day week month period. "ringfence kpi list" names the metrics.`,
		Example: `  ringfence kpi connect_rate --by campaign
  ringfence kpi calls_made orders --from 2026-11-20 --to 2026-11-24 --by day
  ringfence kpi average_handling_time --by agent --where team=T1 --where team=T2 --format csv
  ringfence kpi orders --wait --format json`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: completeMetrics,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return &exit{2, fmt.Errorf("which metric? \"ringfence kpi list\" names them")}
			}
			c, err := g.client()
			if err != nil {
				return err
			}
			q := url.Values{"metric": args, "where": where}
			if len(by) > 0 {
				q.Set("by", strings.Join(by, ","))
			}
			for name, v := range map[string]string{"from": from, "to": to} {
				if v != "" {
					q.Set(name, v)
				}
			}
			if wait {
				q.Set("wait", "true")
			}
			var raw json.RawMessage
			if err := c.Get(cmd.Context(), "/v1/kpi", q, &raw); err != nil {
				return &exit{2, err}
			}
			if format == "json" {
				_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s\n", strings.TrimSpace(string(raw)))
				return err
			}
			answers, err := readAnswers(raw, by)
			if err != nil {
				return &exit{2, err}
			}
			if format == "csv" {
				return kpiCSV(cmd.OutOrStdout(), answers)
			}
			return kpiTable(cmd.OutOrStdout(), answers)
		},
	}
	f := cmd.Flags()
	f.StringVar(&from, "from", "", "begin of the interval (default: today's midnight)")
	f.StringVar(&to, "to", "", "end of the interval, exclusive (default: now)")
	f.StringSliceVar(&by, "by", nil, "dimensions to cut by, comma-separated")
	f.StringArrayVar(&where, "where", nil, "DIM=VALUE; different dimensions are and-ed, the same again is or-ed, DIM= asks for events without one")
	f.BoolVar(&wait, "wait", false, "first wait until everything acknowledged before is counted")
	formats(cmd, &format, "table", "json", "csv")
	_ = cmd.RegisterFlagCompletionFunc("by", cobra.FixedCompletions(append([]string{"campaign", "agent", "team", "partner", "product", "list", "purpose"}, kpi.Buckets()...), cobra.ShellCompDirectiveNoFileComp))
	cmd.AddCommand(kpiList(), kpiDescribe(g), kpiVerify(g), kpiComplaintTable(g))
	return cmd
}

func completeMetrics(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
	var out []cobra.Completion
	for _, m := range kpi.Catalogue() {
		out = append(out, cobra.CompletionWithDesc(m.Name, m.Meaning))
	}
	return out, cobra.ShellCompDirectiveNoFileComp
}

// kpiAnswer is one metric of the server's answer with its keys in the order of --by.
type kpiAnswer struct {
	Metric, ID, Unit string
	By               []string
	Rows             []kpiRow
}

type kpiRow struct {
	Keys            []string
	Value, Num, Den *float64
}

func readAnswers(raw []byte, by []string) ([]kpiAnswer, error) {
	var in []struct {
		Metric string           `json:"metric"`
		ID     string           `json:"id"`
		Unit   string           `json:"unit"`
		Rows   []map[string]any `json:"rows"`
	}
	if err := json.Unmarshal(raw, &in); err != nil {
		return nil, fmt.Errorf("the server's answer: %w", err)
	}
	number := func(v any) *float64 {
		if f, ok := v.(float64); ok {
			return &f
		}
		return nil
	}
	var out []kpiAnswer
	for _, x := range in {
		a := kpiAnswer{Metric: x.Metric, ID: x.ID, Unit: x.Unit, By: by}
		for _, r := range x.Rows {
			row := kpiRow{Value: number(r["value"]), Num: number(r["numerator"]), Den: number(r["denominator"])}
			for _, d := range by {
				s, _ := r[d].(string)
				row.Keys = append(row.Keys, s)
			}
			a.Rows = append(a.Rows, row)
		}
		out = append(out, a)
	}
	return out, nil
}

func kpiCSV(w io.Writer, answers []kpiAnswer) error {
	c := csv.NewWriter(w)
	plain := func(v *float64) string {
		if v == nil {
			return ""
		}
		return strconv.FormatFloat(*v, 'f', -1, 64)
	}
	for i, a := range answers {
		if i == 0 {
			if err := c.Write(append(append([]string{"metric", "unit"}, a.By...), "value", "numerator", "denominator")); err != nil {
				return err
			}
		}
		for _, r := range a.Rows {
			if err := c.Write(append(append([]string{a.Metric, a.Unit}, r.Keys...), plain(r.Value), plain(r.Num), plain(r.Den))); err != nil {
				return err
			}
		}
	}
	c.Flush()
	return c.Error()
}

const barWidth = 24

// kpiTable prints each metric with a bar beside every value, to the scale of the largest.
func kpiTable(w io.Writer, answers []kpiAnswer) error {
	for i, a := range answers {
		if i > 0 {
			_, _ = fmt.Fprintln(w)
		}
		m, _ := kpi.Find(a.Metric)
		title := m.Title()
		if a.ID != "" {
			title += " (" + a.ID + ")"
		}
		_, _ = fmt.Fprintf(w, "%s: %s\n", title, m.Meaning)
		widths, largest := make([]int, len(a.By)), 0.0
		var shown []string
		wide := 1
		for _, r := range a.Rows {
			for j := range r.Keys {
				if r.Keys[j] == "" {
					r.Keys[j] = "(none)"
				}
				widths[j] = max(widths[j], len([]rune(r.Keys[j])))
			}
			s := kpi.Format(r.Value, a.Unit)
			shown = append(shown, s)
			wide = max(wide, len([]rune(s)))
			if r.Value != nil {
				largest = math.Max(largest, *r.Value)
			}
		}
		for j, r := range a.Rows {
			line := "  "
			for k, key := range r.Keys {
				line += key + strings.Repeat(" ", widths[k]-len([]rune(key))+2)
			}
			line += strings.Repeat(" ", wide-len([]rune(shown[j]))) + shown[j]
			if len(a.By) > 0 {
				line += "  " + bar(r.Value, largest)
			}
			if r.Den != nil && a.Unit == kpi.Ratio {
				line += fmt.Sprintf("  %s of %s", kpi.Format(r.Num, "count"), kpi.Format(r.Den, "count"))
			}
			_, _ = fmt.Fprintln(w, strings.TrimRight(line, " "))
		}
		if len(a.Rows) == 0 {
			_, _ = fmt.Fprintln(w, "  nothing in this interval")
		}
	}
	return nil
}

// bar of eighths of a block.
func bar(v *float64, largest float64) string {
	if v == nil || *v <= 0 || largest <= 0 {
		return strings.Repeat(" ", barWidth)
	}
	eighths := int(math.Round(*v / largest * barWidth * 8))
	s := strings.Repeat("█", eighths/8)
	if rest := eighths % 8; rest > 0 {
		s += string([]rune("▏▎▍▌▋▊▉")[rest-1])
	}
	return s + strings.Repeat(" ", barWidth-len([]rune(s)))
}

func kpiList() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use: "list", Short: "Every metric of the catalogue", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			w := cmd.OutOrStdout()
			if format == "json" {
				type entry struct {
					Metric     string   `json:"metric"`
					ID         string   `json:"id"`
					Unit       string   `json:"unit"`
					Meaning    string   `json:"meaning"`
					Dimensions []string `json:"dimensions"`
				}
				var out []entry
				for _, m := range kpi.Catalogue() {
					out = append(out, entry{m.Name, m.ID, m.Unit, m.Meaning, m.Dimensions()})
				}
				return printJSON(w, out)
			}
			if format == "markdown" {
				_, err := io.WriteString(w, kpi.Markdown())
				return err
			}
			for _, m := range kpi.Catalogue() {
				_, _ = fmt.Fprintf(w, "%-7s %-26s %-10s %s\n", m.ID, m.Name, m.Unit, m.Meaning)
			}
			return nil
		},
	}
	formats(cmd, &format, "table", "json", "markdown")
	return cmd
}

func kpiDescribe(g *globals) *cobra.Command {
	return &cobra.Command{
		Use: "describe METRIC", Short: "A metric's definition, its source, its dimensions and its SQL", Args: cobra.ExactArgs(1),
		Example:           "  ringfence kpi describe order_rate",
		ValidArgsFunction: completeMetrics,
		RunE: func(cmd *cobra.Command, args []string) error {
			m, err := kpi.Lookup(args[0])
			if err != nil {
				return &exit{2, err}
			}
			cfg, err := g.load()
			if err != nil {
				return err
			}
			if _, err := time.LoadLocation(cfg.Reporting.TimeZone); err != nil {
				return &exit{2, err}
			}
			return describe(cmd.OutOrStdout(), m, cfg.Reporting.TimeZone)
		},
	}
}

// describe prints a row of METRICS.md with all that is known of it.
func describe(w io.Writer, m kpi.Metric, zone string) error {
	var b strings.Builder
	_, _ = fmt.Fprintf(&b, "%s (%s)\n%s\n\ndefinition  %s\nunit        %s\nsource      %s\ndimensions  %s\n", m.Title(), strings.TrimSpace(m.ID+" "+m.Name), m.Meaning, m.Rule, m.Unit, m.Source,
		strings.Join(m.Dimensions(), ", "))
	why, order := map[string][]string{}, []string{}
	for _, d := range append([]string{"campaign", "agent", "team", "partner", "product", "list", "purpose"}, kpi.Buckets()...) {
		if reason := m.Why(d); reason != "" {
			if why[reason] == nil {
				order = append(order, reason)
			}
			why[reason] = append(why[reason], d)
		}
	}
	for _, reason := range order {
		_, _ = fmt.Fprintf(&b, "not by      %s: %s\n", strings.Join(why[reason], ", "), reason)
	}
	if m.Better != "" {
		_, _ = fmt.Fprintf(&b, "better      %s\n", m.Better)
	}
	for _, t := range m.Targets {
		where := ""
		if t.Where != "" {
			where = " where " + t.Where
		}
		_, _ = fmt.Fprintf(&b, "target      %s%s (%s)\n", kpi.Format(&t.Value, m.Unit), where, t.From)
	}
	if a := m.Alert; a != nil {
		bound, v := "from", a.Over
		if a.Under != nil {
			bound, v = "below", a.Under
		}
		_, _ = fmt.Fprintf(&b, "alert       %s %s (%s)\n", bound, kpi.Format(v, m.Unit), a.From)
	}
	_, _ = fmt.Fprintf(&b, "\n%s\n", m.SQL(zone))
	_, err := io.WriteString(w, b.String())
	return err
}
