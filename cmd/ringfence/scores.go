package main

import (
	"fmt"
	"io"
	"net/url"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/ringfence/ringfence/processors/score"
)

func scoresCommand(g *globals) *cobra.Command {
	var period, agent, format string
	cmd := &cobra.Command{
		Use:   "scores",
		Short: "What agents, leaders and teams are assessed by",
		Long: `The scores of an assessment period, the 28th to the 27th: service quality, coefficients, service stars, the elite team
and the bottom of the ranking. Figures that nobody can measure (targets, exams, ratings, leave, secondment) come from the
office's file, which the configuration names: scores.file. With --agent every input of that agent's figures is shown.`,
		Example: `  ringfence scores --period 2026-11
  ringfence scores --period 2026-11 --agent agent-07
  ringfence scores --format json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := g.client()
			if err != nil {
				return err
			}
			q := url.Values{}
			if period != "" {
				q.Set("period", period)
			}
			var rep score.Report
			if err := c.Get(cmd.Context(), "/v1/scores", q, &rep); err != nil {
				return &exit{2, err}
			}
			if agent != "" {
				var own []score.Row
				for _, r := range rep.Agents {
					if r.AgentID == agent {
						own = append(own, r)
					}
				}
				if len(own) == 0 {
					return &exit{2, fmt.Errorf("--agent %s: nothing was measured and nothing entered about that agent in period %s", agent, rep.Period)}
				}
				rep.Agents = own
			}
			w := cmd.OutOrStdout()
			switch {
			case format == "json":
				return printJSON(w, &rep)
			case agent != "":
				return printAssessment(w, &rep, rep.Agents[0])
			}
			return printScores(w, &rep)
		},
	}
	cmd.Flags().StringVar(&period, "period", "", "the month in which the period ends, YYYY-MM (default: the one that goes on)")
	cmd.Flags().StringVar(&agent, "agent", "", "one agent, with every input")
	formats(cmd, &format, "table", "json")
	return cmd
}

func points(v *float64) string {
	if v == nil {
		return "-"
	}
	return fmt.Sprintf("%.1f", *v)
}

func coefficient(v *float64) string {
	if v == nil {
		return "-"
	}
	return fmt.Sprintf("%.3f", *v)
}

func printScores(w io.Writer, rep *score.Report) error {
	_, _ = fmt.Fprintf(w, "Period %s: %s to %s\n\n", rep.Period, rep.From, rep.To)
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "RANK\tAGENT\tTEAM\tQUALITY\tVISITS\tORDERS\tPERSONAL\tCOEFFICIENT\t")
	for _, r := range rep.Agents {
		rank, note := "-", ""
		if r.Rank > 0 {
			rank = fmt.Sprint(r.Rank)
		}
		switch {
		case r.Leader:
			note = "leader"
		case r.Special:
			note = "special assessment"
		case r.Bottom:
			note = "bottom"
		case r.Exempt:
			note = "exempt from QA"
		}
		_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%.1f\t%.0f\t%s\t%s\t%s\n", rank, r.AgentID, r.Team, points(r.Quality.Value), r.Visits, r.Measured.Orders, coefficient(r.Personal.Value), coefficient(r.Coefficient.Value), note)
	}
	_, _ = fmt.Fprintln(t, "\nTEAM\tLEADER\tMEMBERS\tQUALITY\tRESULT\tLEADER'S\tELITE\t")
	for _, r := range rep.Teams {
		elite := "-"
		if r.Elite != nil {
			elite = coefficient(r.Elite.Value)
		}
		_, _ = fmt.Fprintf(t, "%s\t%s\t%d\t%s\t%s\t%s\t%s\t\n", r.Team, r.Leader, r.Members, points(r.Quality.Value), coefficient(r.Result.Value), coefficient(r.Monthly.Value), elite)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	none := func(ids []string) string {
		if len(ids) == 0 {
			return "none"
		}
		return strings.Join(ids, ", ")
	}
	_, err := fmt.Fprintf(w, "\nService stars (SCO-10): %s\nElite team (SCO-11):    %s\nBottom (SCO-12):        %s\n", none(rep.Stars), none(rep.Elite), none(rep.Bottom))
	return err
}

// printAssessment shows how one agent's figures came about.
func printAssessment(w io.Writer, rep *score.Report, r score.Row) error {
	m := r.Measured
	_, _ = fmt.Fprintf(w, "%s, team %s, period %s\n\n", r.AgentID, r.Team, rep.Period)
	_, _ = fmt.Fprintf(w, "  replies to the survey   %d, satisfied %d\n  justified complaints    %d\n  production days         %.1f\n", m.Replies, m.Satisfied, m.JustifiedComplaints, r.ProductionDays)
	_, _ = fmt.Fprintf(w, "  successful visits       %.1f = %.0f measured + %.1f for leave (PER-06) + %.1f for secondment (PER-07), target %.0f\n", r.Visits, m.Visits, r.LeaveCredit, r.SecondedCredit, r.Targets.Visits)
	_, _ = fmt.Fprintf(w, "  successful orders       %.0f, target %.0f\n", m.Orders, r.Targets.Orders)
	figures := []struct {
		name string
		f    *score.Figure
	}{{"service quality", &r.Quality}, {"personal", &r.Personal}, {"coefficient", &r.Coefficient}, {"service star", r.Star}}
	for _, x := range figures {
		if x.f == nil {
			continue
		}
		_, _ = fmt.Fprintf(w, "\n  %-16s %s  %s", x.name, coefficient(x.f.Value), x.f.Rule)
		if x.f.Comment != "" {
			_, _ = fmt.Fprintf(w, ", %s", x.f.Comment)
		}
		_, _ = fmt.Fprintln(w)
		for _, p := range x.f.Parts {
			value := coefficient(p.Value)
			if p.Value == nil {
				value = "not known, left out"
			}
			_, _ = fmt.Fprintf(w, "    %-18s %s x %.3f (%.2f)\n", p.Name, value, p.Used, p.Weight)
		}
		if x.f.Deduct > 0 {
			_, _ = fmt.Fprintf(w, "    justified complaints -%.0f (SCO-05)\n", x.f.Deduct)
		}
	}
	return nil
}
