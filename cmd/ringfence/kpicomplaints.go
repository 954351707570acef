package main

import (
	"encoding/csv"
	"net/url"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/ringfence/ringfence/processors/kpi"
)

func kpiComplaintTable(g *globals) *cobra.Command {
	var from, to, rows, columns, format string
	var wait bool
	cmd := &cobra.Command{
		Use:   "complaint-table",
		Short: "Complaints by two of their sides, with totals",
		Long: `Every complaint first opened in the interval, by two of channel, category, cause, level, severity, handling, campaign,
agent, team and partner, as they were told last. The table also holds complaints that lead to no campaign and no agent,
which the metric "complaints" (K-35) leaves out; json says how many of each cell it counts.`,
		Example: "  ringfence kpi complaint-table --from 2011-04-01 --to 2011-05-01\n  ringfence kpi complaint-table --rows cause --columns level --format csv",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := g.client()
			if err != nil {
				return err
			}
			q := url.Values{"rows": {rows}, "columns": {columns}}
			for name, v := range map[string]string{"from": from, "to": to} {
				if v != "" {
					q.Set(name, v)
				}
			}
			if wait {
				q.Set("wait", "true")
			}
			var t kpi.ComplaintTable
			if err := c.Get(cmd.Context(), "/v1/kpi/complaint-table", q, &t); err != nil {
				return &exit{2, err}
			}
			out := cmd.OutOrStdout()
			switch format {
			case "json":
				return printJSON(out, &t)
			case "csv":
				w := csv.NewWriter(out)
				return w.WriteAll(t.Grid())
			}
			w := tabwriter.NewWriter(out, 2, 0, 2, ' ', tabwriter.AlignRight)
			for _, line := range t.Grid() {
				if _, err := w.Write([]byte(strings.Join(line, "\t") + "\t\n")); err != nil {
					return err
				}
			}
			return w.Flush()
		},
	}
	f := cmd.Flags()
	f.StringVar(&from, "from", "", "begin of the interval (default: today's midnight)")
	f.StringVar(&to, "to", "", "end of the interval, exclusive (default: now)")
	f.StringVar(&rows, "rows", "category", "the side down the page")
	f.StringVar(&columns, "columns", "channel", "the side across")
	f.BoolVar(&wait, "wait", false, "first wait until everything acknowledged before is counted")
	formats(cmd, &format, "table", "csv", "json")
	return cmd
}
