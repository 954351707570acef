package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/ringfence/ringfence/processors/contactcap/policy"
)

func capsCommand(g *globals) *cobra.Command {
	cmd := &cobra.Command{Use: "caps", Short: "Contact caps: why a customer may be called or not, and policies"}
	cmd.AddCommand(capsExplain(g), capsCheck(), capsAudit(g), capsReplay(g), capsSimulate(g))
	return cmd
}

// explanation is the contract's answer (CONTRACT.md section 5).
type explanation struct {
	CustomerID    string     `json:"customer_id"`
	At            time.Time  `json:"at"`
	Policy        string     `json:"policy"`
	Decision      string     `json:"decision"`
	NextAllowedAt *time.Time `json:"next_allowed_at"`
	HistorySince  *time.Time `json:"history_since"`
	Unknown       bool       `json:"unknown"`
	Rules         []struct {
		Rule          string     `json:"rule"`
		Name          string     `json:"name"`
		Verdict       string     `json:"verdict"`
		Used          *int64     `json:"used"`
		Limit         *int64     `json:"limit"`
		NextAllowedAt *time.Time `json:"next_allowed_at"`
		Detail        string     `json:"detail"`
		Evidence      []struct {
			EventID string    `json:"event_id"`
			CallID  string    `json:"call_id"`
			What    string    `json:"what"`
			At      time.Time `json:"at"`
		} `json:"evidence"`
		Withheld int `json:"withheld"`
	} `json:"rules"`
}

func capsExplain(g *globals) *cobra.Command {
	var customer, purpose, campaign, at, caller, format string
	var products []string
	cmd := &cobra.Command{
		Use:   "explain --customer ID",
		Short: "Every rule for one customer, its state, and when the next call is allowed",
		Example: `  ringfence caps explain --customer C000017 --product 5g-199
  ringfence caps explain --customer C000017 --at 2026-12-01T10:00:00+08:00 --format json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if customer == "" {
				return &exit{2, fmt.Errorf("--customer is needed: whose caps?")}
			}
			c, err := g.client()
			if err != nil {
				return err
			}
			q := url.Values{"purpose": {purpose}}
			for _, p := range products {
				q.Add("product", p)
			}
			if campaign != "" {
				q.Set("campaign", campaign)
			}
			if at != "" {
				q.Set("at", at)
			}
			if caller != "" {
				q.Set("caller_id", caller)
			}
			var raw json.RawMessage
			if err := c.Get(cmd.Context(), "/v1/customers/"+url.PathEscape(customer)+"/caps", q, &raw); err != nil {
				return &exit{2, err}
			}
			if format == "json" {
				_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s\n", strings.TrimSpace(string(raw)))
				return err
			}
			var x explanation
			if err := json.Unmarshal(raw, &x); err != nil {
				return &exit{2, fmt.Errorf("the server's answer: %w", err)}
			}
			return renderExplanation(cmd.OutOrStdout(), &x, question{purpose, campaign, caller, products})
		},
	}
	cmd.Flags().StringVar(&customer, "customer", "", "customer id")
	cmd.Flags().StringArrayVar(&products, "product", nil, "product of the call (repeatable)")
	cmd.Flags().StringVar(&purpose, "purpose", "sales", "purpose of the call")
	cmd.Flags().StringVar(&campaign, "campaign", "", "campaign of the call")
	cmd.Flags().StringVar(&caller, "caller-id", "", "number the call would show; without it rules about it do not apply")
	cmd.Flags().StringVar(&at, "at", "", "time of the call, RFC 3339 (default now)")
	formats(cmd, &format, "table", "json")
	return cmd
}

// question is what an explanation answers.
type question struct {
	purpose, campaign, caller string
	products                  []string
}

func (q question) String() string {
	text := "asked: a call for " + strings.ReplaceAll(q.purpose, "_", " ")
	switch len(q.products) {
	case 0:
		text += ", no product named (rules per product look at all of them)"
	case 1:
		text += ", product " + q.products[0]
	default:
		text += ", products " + strings.Join(q.products, ", ")
	}
	if q.campaign != "" {
		text += ", campaign " + q.campaign
	}
	if q.caller != "" {
		text += ", showing " + q.caller
	}
	return text
}

// renderExplanation prints first what denies, then what allows, then what does not concern the call and why.
func renderExplanation(w io.Writer, x *explanation, q question) error {
	const stamp = "2006-01-02 15:04:05 -07:00"
	verdict := "MAY be called"
	if x.Decision != "permit" {
		verdict = "may NOT be called"
	}
	_, _ = fmt.Fprintf(w, "%s %s at %s under %s\n%s\n", x.CustomerID, verdict, x.At.Format(stamp), x.Policy, q)
	if x.Unknown {
		_, _ = fmt.Fprintf(w, "NOTHING IS KNOWN of %s: no call, no permit, no customer change, no complaint; is the id right?\n", x.CustomerID)
	}
	if x.Decision != "permit" {
		if x.NextAllowedAt != nil {
			_, _ = fmt.Fprintf(w, "next allowed: %s, if nothing happens until then\n", x.NextAllowedAt.Format(stamp))
		} else {
			_, _ = fmt.Fprintln(w, "next allowed: never, unless something changes")
		}
	}
	if x.HistorySince != nil {
		_, _ = fmt.Fprintf(w, "calls before %s may be forgotten\n", x.HistorySince.Format(stamp))
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, group := range []struct{ verdict, title string }{{"deny", "✗ DENIED BY"}, {"allow", "✓ ALLOWED BY"}, {"not_applicable", "· NOT CONCERNED"}} {
		titled := false
		for _, r := range x.Rules {
			if r.Verdict != group.verdict {
				continue
			}
			if !titled {
				titled = true
				head := "\t\t"
				if group.verdict == "deny" {
					head = "\tCOUNT\tNEXT ALLOWED"
				} else if group.verdict == "allow" {
					head = "\tCOUNT\t"
				}
				_, _ = fmt.Fprintf(tw, "\n%s%s\tBECAUSE\n", group.title, head)
			}
			used, next := "", ""
			if r.Used != nil && r.Limit != nil {
				used = fmt.Sprintf("%d of %d", *r.Used, *r.Limit)
			}
			if r.Verdict == "deny" {
				next = "never"
				if r.NextAllowedAt != nil {
					next = r.NextAllowedAt.Format(stamp)
				}
			}
			text := r.Name
			if r.Detail != "" {
				text = strings.TrimPrefix(text+": "+r.Detail, ": ")
			}
			_, _ = fmt.Fprintf(tw, "  %s\t%s\t%s\t%s\n", r.Rule, used, next, text)
			for _, e := range r.Evidence {
				_, _ = fmt.Fprintf(tw, "\t\t\t  %s  %s\n", e.At.Format(stamp), witness(e.What, e.CallID, e.EventID))
			}
			if r.Withheld > 0 {
				_, _ = fmt.Fprintf(tw, "\t\t\t  and %d of others, which a partner is not shown\n", r.Withheld)
			}
		}
	}
	return tw.Flush()
}

// witness names an event. An event's id that was made of its call's says nothing more than that.
func witness(what, call, event string) string {
	if what == "" { // an older server does not say
		what = "event of"
	}
	switch {
	case what == "permit":
		return "permit " + event + ", still out: it counts as the call it may become"
	case call != "" && (event == "" || strings.HasPrefix(event, "call:"+call+":")):
		return what + " " + call
	case call != "" && what == "complaint":
		return "complaint about call " + call + ", event " + event
	case call != "":
		return what + " " + call + ", event " + event
	case what == "change":
		return "customer change, event " + event
	}
	return what + ", event " + event
}

func capsCheck() *cobra.Command {
	var file, format string
	cmd := &cobra.Command{
		Use:     "check --policy FILE",
		Short:   "Validate a policy file or preset",
		Example: "  ringfence caps check --policy my-policy.yaml\n  ringfence caps check --policy china-unicom",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := policy.Load(file)
			if err != nil {
				return &exit{1, err}
			}
			if format == "json" {
				return printJSON(cmd.OutOrStdout(), map[string]any{"policy": p.Ref(), "ok": true, "rules": len(p.Rules)})
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s is valid: %d rules\n", p.Ref(), len(p.Rules))
			return err
		},
	}
	cmd.Flags().StringVar(&file, "policy", "china-unicom", "a preset's name or a file")
	formats(cmd, &format, "table", "json")
	return cmd
}
