package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ringfence/ringfence/processors/kpi/recompute"
)

func kpiVerify(g *globals) *cobra.Command {
	var from, to, format string
	cmd := &cobra.Command{
		Use:   "verify [METRIC...]",
		Short: "Recompute figures from the Kafka log and compare them with ClickHouse",
		Long: `Work metrics out a second time, from the facts in the Kafka log and by other code than the catalogue's SQL, as one
number and by each dimension, and compare. Without a metric it is all that the log holds, without --from the last seven
days. The sink does the same every morning: ringfence_kpi_verify_differences is the result, and an alert fires while there
are any. Exit code 0: every figure is the same; 1: some are not; 2: it could not be done.`,
		Example:           "  ringfence kpi verify\n  ringfence kpi verify orders connect_rate --from 2026-11-01 --to 2026-12-01 --format json",
		ValidArgsFunction: completeMetrics,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := g.client()
			if err != nil {
				return err
			}
			q := rangeQuery(from, to)
			for _, m := range args {
				q.Add("metric", m)
			}
			var r recompute.Report
			if err := work(cmd.Context(), c, cmd.ErrOrStderr(), "verifying", "/v1/kpi/verify", q, "", nil, &r); err != nil {
				return &exit{2, err}
			}
			if format == "json" {
				err = printJSON(cmd.OutOrStdout(), &r)
			} else {
				err = printFigures(cmd.OutOrStdout(), &r)
			}
			if err == nil && !r.OK {
				return &exit{1, nil}
			}
			return err
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "begin of the interval, RFC 3339 or a date (default: seven days ago)")
	cmd.Flags().StringVar(&to, "to", "", "end of the interval, exclusive (default: now)")
	formats(cmd, &format, "table", "json")
	return cmd
}

func printFigures(w io.Writer, r *recompute.Report) error {
	verdict := "every figure is what the log says"
	if !r.OK {
		verdict = "FIGURES ARE NOT WHAT THE LOG SAYS"
	}
	_, err := fmt.Fprintf(w, "%s\n  %d figures of %d metrics compared, %d differences\n", verdict, r.Figures, r.Metrics, r.Found)
	for _, d := range r.Differences {
		row := ""
		if d.By != "" {
			row = fmt.Sprintf(" %s=%q", d.By, d.Row)
		}
		_, err = fmt.Fprintf(w, "  %s%s: ClickHouse %s, log %s\n", d.Metric, row, d.ClickHouse, d.Log)
	}
	if len(r.Skipped) > 0 {
		_, err = fmt.Fprintf(w, "  not in the log of facts: %s\n", strings.Join(r.Skipped, ", "))
	}
	for _, n := range r.Notes {
		_, err = fmt.Fprintf(w, "  %s\n", n)
	}
	return err
}
