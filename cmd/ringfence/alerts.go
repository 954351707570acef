package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/ringfence/ringfence/processors/complaint"
	"github.com/ringfence/ringfence/processors/complaint/trial"
)

func alertsCommand(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "alerts",
		Short: "What the watch has found: list, acknowledge, mute, replay",
	}
	cmd.AddCommand(alertsList(g), alertsAcknowledge(g), alertsMute(g, true), alertsMute(g, false), alertsReplay(g), alertsTrial(g))
	return cmd
}

type listedAlert struct {
	AlertID   string    `json:"alert_id"`
	Kind      string    `json:"kind"`
	State     string    `json:"state"`
	Severity  string    `json:"severity"`
	Dimension string    `json:"dimension"`
	Subject   string    `json:"subject"`
	Since     time.Time `json:"since"`
	Detail    string    `json:"detail"`
	Done      string    `json:"done"`
	By        string    `json:"by"`
}

func alertsList(g *globals) *cobra.Command {
	var from, to, format string
	var open bool
	cmd := &cobra.Command{
		Use: "list", Short: "Incidents in their latest state, newest first (of the last seven days)",
		Example: "  ringfence alerts list --open\n  ringfence alerts list --from 2026-11-01T00:00:00+08:00 --format json", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := g.client()
			if err != nil {
				return err
			}
			q := rangeQuery(from, to)
			if open {
				q.Set("open", "true")
			}
			if format == "json" {
				var raw []map[string]any
				if err := c.Get(cmd.Context(), "/v1/alerts", q, &raw); err != nil {
					return &exit{2, err}
				}
				return printJSON(cmd.OutOrStdout(), raw)
			}
			var list []listedAlert
			if err := c.Get(cmd.Context(), "/v1/alerts", q, &list); err != nil {
				return &exit{2, err}
			}
			w := cmd.OutOrStdout()
			if len(list) == 0 {
				_, err = fmt.Fprintln(w, "no alerts")
				return err
			}
			zone, err := g.zone()
			if err != nil {
				return err
			}
			_, _ = fmt.Fprintf(w, "times are in %s\n", zone)
			for _, a := range list {
				_, _ = fmt.Fprintf(w, "%s  %-12s %-8s %s, %s %s\n  %s\n", a.Since.In(zone).Format("2006-01-02 15:04"), a.State, a.Severity, strings.ReplaceAll(a.Kind, "_", " "), a.Dimension, a.Subject, a.Detail)
				if a.Done != "" {
					_, _ = fmt.Fprintln(w, "  "+a.Done)
				}
				_, _ = fmt.Fprintln(w, "  "+a.AlertID)
			}
			return nil
		},
	}
	rangeFlags(cmd, &from, &to)
	cmd.Flags().BoolVar(&open, "open", false, "only what is not resolved")
	formats(cmd, &format, "table", "json")
	return cmd
}

func alertsAcknowledge(g *globals) *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use: "acknowledge ALERT --reason WHAT", Short: "Say that you see to an incident", Args: cobra.ExactArgs(1),
		Example: "  ringfence alerts acknowledge 'complaint_spike|campaign|broadband|1795330800000' --reason 'listening to the calls'",
		RunE: func(cmd *cobra.Command, args []string) error {
			return decide(cmd, g, "/v1/alerts/acknowledge", map[string]any{"alert_id": args[0], "reason": reason})
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "what you do about it; at least 5 characters")
	return cmd
}

func alertsMute(g *globals, mute bool) *cobra.Command {
	var kind, dimension, subject, reason string
	var during time.Duration
	cmd := &cobra.Command{
		Use: "mute --for 2h --reason WHY", Short: "Tell nobody of a kind or a subject for a while; what is done by itself is done all the same",
		Example: "  ringfence alerts mute --kind dial_volume --for 8h --reason 'public holiday'\n  ringfence alerts mute --dimension campaign --subject broadband --for 2h --reason 'known, being fixed'", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			body := map[string]any{"kind": kind, "dimension": dimension, "subject": subject, "reason": reason}
			if !mute {
				return decide(cmd, g, "/v1/alerts/unmute", body)
			}
			body["until"] = time.Now().Add(during).Format(time.RFC3339)
			return decide(cmd, g, "/v1/alerts/mute", body)
		},
	}
	if !mute {
		cmd.Use, cmd.Short, cmd.Example = "unmute --reason WHY", "Take a mute back: name the same kind and subject", "  ringfence alerts unmute --kind dial_volume --reason 'holiday is over'"
	} else {
		cmd.Flags().DurationVar(&during, "for", time.Hour, "how long")
	}
	cmd.Flags().StringVar(&kind, "kind", "", "kind of alerts: "+strings.Join(complaint.Kinds(), ", "))
	cmd.Flags().StringVar(&dimension, "dimension", "", "campaign, agent, team, partner, product, centre, source or complaint")
	cmd.Flags().StringVar(&subject, "subject", "", "which one of the dimension")
	cmd.Flags().StringVar(&reason, "reason", "", "why; at least 5 characters")
	return cmd
}

func decide(cmd *cobra.Command, g *globals, path string, body map[string]any) error {
	c, err := g.client()
	if err != nil {
		return err
	}
	id, err := c.Decide(cmd.Context(), path, body)
	if err != nil {
		return &exit{2, err}
	}
	_, err = fmt.Fprintln(cmd.OutOrStdout(), "taken:", id)
	return err
}

func alertsTrial(g *globals) *cobra.Command {
	var campaigns, years int
	var seed uint64
	var format string
	cmd := &cobra.Command{
		Use: "trial", Short: "The watch on simulated years, beside a fixed threshold, a z-score, EARS C2 and a negative binomial CUSUM",
		Long: `Simulate a centre: quiet years, in which every alarm is a false one, and a year with spikes of complaints of two to eight
times the usual. Print for each method how many false alarms a year it has, how many spikes it sees and how late. It needs
no running system; the same seed gives the same table.`,
		Example: "  ringfence alerts trial\n  ringfence alerts trial --campaigns 10 --years 5 --format json", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if campaigns < 1 || years < 1 {
				return &exit{2, fmt.Errorf("--campaigns and --years: at least 1 is needed")}
			}
			cfg, err := g.load()
			if err != nil {
				return err
			}
			zone, err := time.LoadLocation(cfg.Reporting.TimeZone)
			if err != nil {
				return &exit{2, err}
			}
			o := complaint.Options{Test: complaint.DefaultTest(), Zone: zone}
			r := trial.Compare(o, trial.Centre{Seed: seed, Campaigns: campaigns, Agents: 1, Start: time.Date(2026, 1, 5, 0, 0, 0, 0, zone)}, years)
			if format == "json" {
				return printJSON(cmd.OutOrStdout(), r)
			}
			return printTrial(cmd.OutOrStdout(), r)
		},
	}
	cmd.Flags().IntVar(&campaigns, "campaigns", 6, "campaigns of the centre")
	cmd.Flags().IntVar(&years, "years", 3, "quiet years the false alarms are counted in")
	cmd.Flags().Uint64Var(&seed, "seed", 2008, "of the simulation")
	formats(cmd, &format, "table", "json")
	return cmd
}

func printTrial(w io.Writer, r *trial.Report) error {
	_, _ = fmt.Fprintf(w, "%d campaigns; false alarms counted in %d quiet years; one year with %d spikes\n\n", r.Campaigns, r.Quiet, r.Rows[0].Spikes)
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(tw, "METHOD\tSETTING\tFALSE A YEAR\tSEEN\tWITHIN 12 H\tMEDIAN DELAY\t90 %")
	for _, x := range r.Rows {
		_, _ = fmt.Fprintf(tw, "%s\t%s\t%.1f\t%d of %d\t%d\t%.0f h\t%.0f h\n", x.Method, x.Setting, x.FalsePerYear, x.Seen, x.Spikes, x.Early, x.Median, x.Slowest)
	}
	return tw.Flush()
}
