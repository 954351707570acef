package main

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/ringfence/ringfence/client"
	"github.com/ringfence/ringfence/processors/contactcap/audit"
	"github.com/ringfence/ringfence/processors/contactcap/policy"
)

// work runs something of the server's that takes its time, with a bar on a terminal.
func work(ctx context.Context, c *client.Client, w io.Writer, what, path string, q url.Values, contentType string, body []byte, into any) error {
	var step func(float64)
	if f, ok := w.(*os.File); ok && terminal(f) {
		show, finish := progress(w)
		step = func(done float64) { show(what, done) }
		defer finish()
	}
	return c.Work(ctx, path, q, contentType, body, step, into)
}

func rangeFlags(cmd *cobra.Command, from, to *string) {
	cmd.Flags().StringVar(from, "from", "", "requests from this time on, RFC 3339 or a date (default: the beginning)")
	cmd.Flags().StringVar(to, "to", "", "requests before this time, RFC 3339 or a date (default: now)")
}

func rangeQuery(from, to string) url.Values {
	q := url.Values{}
	if from != "" {
		q.Set("from", from)
	}
	if to != "" {
		q.Set("to", to)
	}
	return q
}

func capsAudit(g *globals) *cobra.Command {
	var from, to, format string
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "Redo every decision from the event log and compare it with the one given",
		Long: `Prove that the caps held: every permit request in the event log is decided again, with what was known then, and
compared with the decision that was given; and the tables calls and permits are compared with the log. Every outbound
call had a permit or is listed as a violation or as never asked for. Exit code 0: everything is as it must be; 1: it is
not, with the position of each difference; 2: it could not be done.`,
		Example: "  ringfence caps audit\n  ringfence caps audit --from 2026-11-01T00:00:00+08:00 --to 2026-12-01T00:00:00+08:00 --format json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := g.client()
			if err != nil {
				return err
			}
			var r audit.Report
			if err := work(cmd.Context(), c, cmd.ErrOrStderr(), "auditing", "/v1/caps/audit", rangeQuery(from, to), "", nil, &r); err != nil {
				return &exit{2, err}
			}
			if format == "json" {
				err = printJSON(cmd.OutOrStdout(), &r)
			} else {
				err = printAudit(cmd.OutOrStdout(), &r)
			}
			if err == nil && !r.OK {
				return &exit{1, nil}
			}
			return err
		},
	}
	rangeFlags(cmd, &from, &to)
	formats(cmd, &format, "table", "json")
	return cmd
}

func printAudit(w io.Writer, r *audit.Report) error {
	verdict := "every decision is as it had to be"
	switch {
	case !r.OK:
		verdict = fmt.Sprintf("%d DIFFERENCES", r.Found)
	case r.Decisions == 0 && r.OtherPolicy > 0: // nothing was proved, and nobody must think so
		verdict = "NO DECISION WAS REDONE: all were given under another policy; audit with that one in force"
	case r.OtherPolicy > 0:
		verdict = "every decision under this policy is as it had to be; the others were not redone"
	}
	_, err := fmt.Fprintf(w, "%s: %s\n  %d decisions redone, %d were given under another policy\n  %d outbound calls: %d with a permit, %d violations, %d that never asked and broke no rule\n",
		r.Policy, verdict, r.Decisions, r.OtherPolicy, r.Calls, r.WithPermit, r.Violations, r.NeverAsked)
	if err != nil || r.OK {
		return err
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(tw, "\n  WHAT\tWHERE\tWHICH\tDIFFERENCE")
	for _, d := range r.Differences {
		_, _ = fmt.Fprintf(tw, "  %s\t%s\t%s\t%s\n", d.Kind, d.Where, d.ID, d.Detail)
	}
	if n := r.Found - len(r.Differences); n > 0 {
		_, _ = fmt.Fprintf(tw, "  ... and %d more\t\t\t\n", n)
	}
	return tw.Flush()
}

func capsReplay(g *globals) *cobra.Command {
	var from, to, file, format string
	cmd := &cobra.Command{
		Use:   "replay --policy F",
		Short: "What another policy would have denied of the same requests",
		Long: `Decide every permit request of the past under another policy, by rule, by day and by campaign. What happened stays
what happened: a call that the policy would have prevented is still in the history of the next request, so the figures
are an upper bound of what it would prevent.`,
		Example: "  ringfence caps replay --policy my-policy.yaml\n  ringfence caps replay --policy cn-operator --from 2026-11-01T00:00:00+08:00",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if file == "" {
				return &exit{2, fmt.Errorf("--policy is needed: under which policy? A file, or one of the presets: ringfence caps check --help")}
			}
			if _, err := policy.Load(file); err != nil {
				return &exit{2, err}
			}
			src, err := os.ReadFile(filepath.Clean(file))
			if err != nil {
				src = []byte("policy: " + file + "-replayed\nextends: " + file + "\n")
			}
			c, err := g.client()
			if err != nil {
				return err
			}
			var r audit.Replayed
			if err := work(cmd.Context(), c, cmd.ErrOrStderr(), "replaying", "/v1/caps/replay", rangeQuery(from, to), "application/yaml", src, &r); err != nil {
				return &exit{2, err}
			}
			if format == "json" {
				return printJSON(cmd.OutOrStdout(), &r)
			}
			return printReplay(cmd.OutOrStdout(), &r)
		},
	}
	cmd.Flags().StringVar(&file, "policy", "", "a policy file or the name of a preset; it may extend presets")
	rangeFlags(cmd, &from, &to)
	formats(cmd, &format, "table", "json")
	return cmd
}

func printReplay(w io.Writer, r *audit.Replayed) error {
	t := r.Total
	_, _ = fmt.Fprintf(w, "under %s: of %d requests (%d permitted) it denies %d more and permits %d that were denied\n", r.Policy, t.Asked, t.Asked-t.Denied, t.NowDeny, t.NowAllow)
	most := func(list []audit.Count) float64 {
		m := 0
		for _, c := range list {
			m = max(m, c.NowDeny)
		}
		return float64(m)
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(tw, "\nRULE\tDENIES\tALONE\tWHAT IT SAYS")
	for _, x := range r.Rules {
		if x.Denies > 0 {
			_, _ = fmt.Fprintf(tw, "%s\t%d\t%d\t%s\n", x.Rule, x.Denies, x.Alone, x.Name)
		}
	}
	for _, group := range []struct {
		name string
		list []audit.Count
	}{{"DAY", r.Days}, {"CAMPAIGN", r.Campaigns}} {
		_, _ = fmt.Fprintf(tw, "\n%s\tASKED\tDENIED THEN\tDENIED NOW, PERMITTED THEN\tTHE OTHER WAY\n", group.name)
		for _, x := range group.list {
			n := float64(x.NowDeny)
			name := x.Name
			if name == "" {
				name = "(none)"
			}
			_, _ = fmt.Fprintf(tw, "%s\t%d\t%d\t%s %d\t%d\n", name, x.Asked, x.Denied, bar(&n, most(group.list)), x.NowDeny, x.NowAllow)
		}
	}
	return tw.Flush()
}

// simulated is how a campaign's leads would fare.
type simulated struct {
	Campaign string `json:"campaign_id"`
	At       string `json:"at"`
	Policy   string `json:"policy"`
	Leads    int    `json:"leads"`
	Skipped  int    `json:"skipped"`
	Rules    []struct {
		Rule   string `json:"rule"`
		Name   string `json:"name"`
		Leads  int    `json:"leads"`
		Alone  int    `json:"alone"`
		Later  int    `json:"later"`
		Detail string `json:"example"`
	} `json:"rules"`
	Days []struct {
		Day   string `json:"day"`
		Leads int    `json:"leads"`
	} `json:"days"`
	Never int `json:"never"`
}

func capsSimulate(g *globals) *cobra.Command {
	var campaign, purpose, at, caller, format string
	var products []string
	cmd := &cobra.Command{
		Use:   "simulate --campaign C",
		Short: "Before a launch: which leads of a campaign would be skipped, and why",
		Long: `Ask for every lead of a campaign what a permit request would be answered at a time, without reserving anything. The
leads' own products are used where they have some. Leads that would be skipped are counted by rule, and by the day on
which they may be called.`,
		Example: "  ringfence caps simulate --campaign 5g-upgrade --caller-id 10010\n  ringfence caps simulate --campaign 5g-upgrade --at 2026-12-01T10:00:00+08:00 --format json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if campaign == "" {
				return &exit{2, fmt.Errorf("--campaign is needed: whose leads?")}
			}
			if at == "" {
				at = time.Now().Format(time.RFC3339)
			}
			c, err := g.client()
			if err != nil {
				return err
			}
			q := url.Values{"campaign": {campaign}, "purpose": {purpose}, "at": {at}, "caller_id": {caller}, "product": products}
			var r simulated
			if err := work(cmd.Context(), c, cmd.ErrOrStderr(), "simulating", "/v1/caps/simulate", q, "", nil, &r); err != nil {
				return &exit{2, err}
			}
			if format == "json" {
				return printJSON(cmd.OutOrStdout(), &r)
			}
			return printSimulated(cmd.OutOrStdout(), &r)
		},
	}
	cmd.Flags().StringVar(&campaign, "campaign", "", "campaign whose leads are looked at")
	cmd.Flags().StringVar(&purpose, "purpose", "sales", "purpose of the calls")
	cmd.Flags().StringArrayVar(&products, "product", nil, "product of the calls of leads that name none (repeatable)")
	cmd.Flags().StringVar(&caller, "caller-id", "", "number the calls would show")
	cmd.Flags().StringVar(&at, "at", "", "time of the calls, RFC 3339 (default now)")
	formats(cmd, &format, "table", "json")
	return cmd
}

func printSimulated(w io.Writer, r *simulated) error {
	_, _ = fmt.Fprintf(w, "%s at %s under %s: %d of %s will be skipped\n", r.Campaign, r.At, r.Policy, r.Skipped, several(r.Leads, "lead"))
	if r.Skipped == 0 {
		return nil
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(tw, "\nBECAUSE OF\tLEADS\tALONE\tFOR EVER\tFOR EXAMPLE")
	for _, x := range r.Rules {
		_, _ = fmt.Fprintf(tw, "%s\t%d\t%d\t%d\t%s: %s\n", x.Rule, x.Leads, x.Alone, x.Leads-x.Later, x.Name, x.Detail)
	}
	_, _ = fmt.Fprintln(tw, "\nMAY BE CALLED\tLEADS")
	most := float64(r.Never)
	if len(r.Days) > 21 { // by month
		months := r.Days[:0]
		for _, d := range r.Days {
			if n := len(months); n > 0 && months[n-1].Day == d.Day[:7] {
				months[n-1].Leads += d.Leads
			} else {
				d.Day = d.Day[:7]
				months = append(months, d)
			}
		}
		r.Days = months
	}
	for _, d := range r.Days {
		most = max(most, float64(d.Leads))
	}
	for _, d := range r.Days {
		n := float64(d.Leads)
		_, _ = fmt.Fprintf(tw, "%s\t%s %d\n", d.Day, bar(&n, most), d.Leads)
	}
	if n := float64(r.Never); r.Never > 0 {
		_, _ = fmt.Fprintf(tw, "never\t%s %d\n", bar(&n, most), r.Never)
	}
	return tw.Flush()
}
