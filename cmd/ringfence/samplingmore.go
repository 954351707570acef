package main

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ringfence/ringfence/client"
	"github.com/ringfence/ringfence/internal/app"
	"github.com/ringfence/ringfence/processors/sampling"
)

// verifyAll prints how every draw compares: exit code 0 if all are as they had to be, 1 if one is not.
func verifyAll(cmd *cobra.Command, c *client.Client, format string) error {
	var e app.Everything
	if err := c.Get(cmd.Context(), "/v1/sampling/verify", url.Values{"day": {"all"}}, &e); err != nil {
		return &exit{2, err}
	}
	if format == "json" {
		if err := printJSON(cmd.OutOrStdout(), &e); err != nil {
			return err
		}
	} else {
		w := cmd.OutOrStdout()
		verdict := "every draw is as it had to be"
		if !e.OK {
			verdict = fmt.Sprintf("%d DAYS ARE NOT AS THEY HAD TO BE", len(e.Wrong))
		}
		var kinds []string
		for k, n := range e.Draws {
			kinds = append(kinds, fmt.Sprintf("%s %d", k, n))
		}
		slices.Sort(kinds)
		_, _ = fmt.Fprintf(w, "%d days: %s\n  %d valid recordings, %d had to be drawn daily at least, %d were; other draws done again: %s\n", e.Days, verdict, e.Population, e.Required, e.Drawn, strings.Join(kinds, ", "))
		for _, d := range e.Open {
			_, _ = fmt.Fprintf(w, "  %s is not closed yet\n", d)
		}
		for _, s := range e.Shortfalls {
			_, _ = fmt.Fprintf(w, "  fewer: %s\n", s)
		}
		for _, r := range e.Wrong {
			if err := printVerification(cmd, r); err != nil {
				return err
			}
		}
	}
	if !e.OK {
		return &exit{1, nil}
	}
	return nil
}

func powerCommand() *cobra.Command {
	var recordings, oneIn, sample int
	var failed []int
	var confidence float64
	var format string
	cmd := &cobra.Command{
		Use:   "power --recordings N [--one-in 10 | --sample n]",
		Short: "What a sample of an agent's recordings can and can't tell",
		Long: `Print between which rates an agent's true fail rate lies when so many of his heard recordings failed, how likely it is
that failing recordings are heard at all, and the lowest rate of which at least one is heard with a chance of 80 %.
Exact, for a sample drawn without replacement; nothing is asked of a running system.`,
		Example: "  ringfence sampling power --recordings 600\n  ringfence sampling power --recordings 3300 --sample 7 --failed 1 --confidence 0.9",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			n := sample
			if n == 0 && oneIn > 0 {
				n = (recordings + oneIn - 1) / oneIn
			}
			switch {
			case recordings < 1 || recordings > 1_000_000:
				return &exit{2, fmt.Errorf("--recordings %d: expected 1 to 1000000", recordings)}
			case n < 1 || n > recordings:
				return &exit{2, fmt.Errorf("a sample of %d of %d recordings: expected 1 to %d (--one-in or --sample)", n, recordings, recordings)}
			case !(confidence > 0 && confidence < 1):
				return &exit{2, fmt.Errorf("--confidence %v: expected a number between 0 and 1, such as 0.95", confidence)}
			}
			for _, x := range failed {
				if x < 0 || x > n {
					return &exit{2, fmt.Errorf("--failed %d: the sample has %d recordings", x, n)}
				}
			}
			p := sampling.PowerOf(recordings, n, confidence, failed)
			if format == "json" {
				return printJSON(cmd.OutOrStdout(), p)
			}
			w := cmd.OutOrStdout()
			_, _ = fmt.Fprintf(w, "%d of %d recordings heard\n\nif so many failed   the true rate lies, with %.0f %% confidence, between\n", p.Sample, p.Population, 100*p.Confidence)
			for _, i := range p.Intervals {
				_, _ = fmt.Fprintf(w, "%6d (%5.1f %%)     %5.1f %% and %5.1f %%\n", i.Failed, 100*i.Rate, 100*i.Low, 100*i.High)
			}
			_, _ = fmt.Fprintf(w, "\nif so many fail     at least one of them is heard with a chance of\n")
			for _, c := range p.Chances {
				_, _ = fmt.Fprintf(w, "%6.0f %%             %5.1f %%\n", 100*c.Rate, 100*c.Any)
			}
			_, err := fmt.Fprintf(w, "\nA rate of %.1f %% or more is noticed four times in five.\n", 100*p.Detectable)
			return err
		},
	}
	f := cmd.Flags()
	f.IntVar(&recordings, "recordings", 0, "the agent's valid recordings")
	f.IntVar(&oneIn, "one-in", 10, "one of so many is heard, rounded up")
	f.IntVar(&sample, "sample", 0, "how many are heard, in place of --one-in")
	f.IntSliceVar(&failed, "failed", nil, "how many of them failed (repeatable; default 0 to 5)")
	f.Float64Var(&confidence, "confidence", 0.95, "confidence of the intervals")
	formats(cmd, &format, "table", "json")
	return cmd
}
