package main

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ringfence/ringfence/processors/sampling"
)

func samplingCommand(g *globals) *cobra.Command {
	cmd := &cobra.Command{Use: "sampling", Short: "The draw of recordings for QA"}
	var day, format string
	var all bool
	verify := &cobra.Command{
		Use:   "verify --day D | --all",
		Short: "Redo a day's draws, or all there ever were, from the revealed keys and compare",
		Long: `Recompute which recordings of a day had to be drawn, from the key that was revealed after the day was closed and
the numbering in ClickHouse, and compare with those that were: the daily draw, the extra checks and replacements of the
day, the week's draw on its last day, the assessment period's on its last day. Anybody can do the same by hand: see
docs/sampling.md.
Exit code 0: they are the same; 1: they are not; 2: it could not be done, such as for a day that is not closed yet.`,
		Example: "  ringfence sampling verify --day 2026-11-23\n  ringfence sampling verify --all --format json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if (day == "") != all {
				return &exit{2, fmt.Errorf("--day D or --all is needed")}
			}
			c, err := g.client()
			if err != nil {
				return err
			}
			if all {
				return verifyAll(cmd, c, format)
			}
			var r sampling.Report
			if err := c.Get(cmd.Context(), "/v1/sampling/verify", url.Values{"day": {day}}, &r); err != nil {
				return &exit{2, err}
			}
			if format == "json" {
				err = printJSON(cmd.OutOrStdout(), &r)
			} else {
				err = printVerification(cmd, &r)
			}
			if err == nil && !r.OK {
				return &exit{1, nil}
			}
			return err
		},
	}
	verify.Flags().StringVar(&day, "day", "", "the day, YYYY-MM-DD in the reporting zone")
	verify.Flags().BoolVar(&all, "all", false, "every draw of every day that is closed")
	formats(verify, &format, "table", "json")
	cmd.AddCommand(verify, powerCommand())
	return cmd
}

func printVerification(cmd *cobra.Command, r *sampling.Report) error {
	verdict := "the draw is as it had to be"
	if !r.OK {
		verdict = "THE DRAW IS NOT AS IT HAD TO BE"
	}
	w := cmd.OutOrStdout()
	if r.OK && r.Population == 0 {
		_, err := fmt.Fprintf(w, "%s: no valid recordings, and nothing drawn\n", r.Day)
		return err
	}
	_, err := fmt.Fprintf(w, "%s: %s\n  %d valid recordings, %d had to be drawn at least, %d were\n", r.Day, verdict, r.Population, r.Required, r.Drawn)
	for _, d := range r.Draws {
		_, err = fmt.Fprintf(w, "  %s\n", d)
		for _, s := range d.Shortfalls {
			_, err = fmt.Fprintf(w, "    %s\n", s)
		}
	}
	for _, l := range []struct {
		what string
		ids  []string
	}{{"not drawn", r.Missing}, {"drawn without right", r.Extra}, {"", r.Problems}} {
		if len(l.ids) > 0 {
			_, err = fmt.Fprintf(w, "  %s\n", strings.TrimPrefix(l.what+": "+strings.Join(l.ids, ", "), ": "))
		}
	}
	return err
}
