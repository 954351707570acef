package main

import (
	"encoding/csv"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
)

// recording is one of the answer of GET /v1/recordings/due.
type recording struct {
	CallID      string     `json:"call_id"`
	CustomerID  string     `json:"customer_id"`
	CampaignID  string     `json:"campaign_id,omitempty"`
	StartedAt   time.Time  `json:"started_at"`
	URI         string     `json:"uri"`
	Sale        bool       `json:"sale"`
	Sold        []string   `json:"sold,omitempty"`
	OnlineUntil time.Time  `json:"online_until"`
	InUse       []string   `json:"in_use,omitempty"`
	PurgeAfter  *time.Time `json:"purge_after"`
	HeldBy      []string   `json:"held_by,omitempty"`
	Due         bool       `json:"due"`
	Why         string     `json:"why"`
}

type recordingsDue struct {
	At         time.Time   `json:"at"`
	Recordings int64       `json:"recordings"`
	InUse      int64       `json:"in_use"`
	Held       int64       `json:"held"`
	Later      int64       `json:"later"`
	Due        int64       `json:"due"`
	List       []recording `json:"list"`
}

func recordingsCommand(g *globals) *cobra.Command {
	cmd := &cobra.Command{Use: "recordings", Short: "How long recordings must be kept"}
	var at, format, explainFormat string
	var limit int
	due := &cobra.Command{
		Use:   "due [--at T]",
		Short: "List the recordings that may be deleted",
		Long: `List the recordings whose time is over, oldest first: a year after the call; those of a sale 12 months after what was
sold is no longer in use, and never while it is; none whose customer has an open complaint (RET-02 to RET-05). Deleting
them is yours: ringfence has their names, not the files. The table "recordings" in ClickHouse says the same of each one.`,
		Example: `  ringfence recordings due
  ringfence recordings due --at 2027-12-31T00:00:00+08:00 --format csv > purge.csv`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := g.client()
			if err != nil {
				return err
			}
			q := url.Values{"limit": {strconv.Itoa(limit)}}
			if at != "" {
				q.Set("at", at)
			}
			var r recordingsDue
			if err := c.Get(cmd.Context(), "/v1/recordings/due", q, &r); err != nil {
				return &exit{2, err}
			}
			switch format {
			case "json":
				return printJSON(cmd.OutOrStdout(), &r)
			case "csv":
				return dueCSV(cmd, &r)
			}
			return dueTable(cmd, &r)
		},
	}
	due.Flags().StringVar(&at, "at", "", "the moment to decide for, RFC 3339 (default: now)")
	due.Flags().IntVar(&limit, "limit", 1000, "how many to list at most")
	formats(due, &format, "table", "json", "csv")
	explain := &cobra.Command{
		Use:     "explain CALL_ID",
		Short:   "How long a call's recording is kept, and why",
		Example: "  ringfence recordings explain sim-20260302-00000012",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := g.client()
			if err != nil {
				return err
			}
			var r recording
			if err := c.Get(cmd.Context(), "/v1/recordings/"+url.PathEscape(args[0]), nil, &r); err != nil {
				return &exit{2, err}
			}
			if explainFormat == "json" {
				return printJSON(cmd.OutOrStdout(), &r)
			}
			verdict := "is kept"
			if r.PurgeAfter != nil {
				verdict = "is kept until " + r.PurgeAfter.Format(time.RFC3339)
			}
			if len(r.HeldBy) > 0 {
				verdict += ", and held by " + strings.Join(r.HeldBy, ", ")
			}
			if r.Due {
				verdict = "may be deleted, since " + r.PurgeAfter.Format(time.RFC3339)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s of %s: %s %s\n  on line until %s\n  %s\n", r.CallID, r.StartedAt.Format(time.RFC3339), r.URI, verdict, r.OnlineUntil.Format(time.RFC3339), r.Why)
			return err
		},
	}
	formats(explain, &explainFormat, "table", "json")
	cmd.AddCommand(due, explain)
	return cmd
}

func dueTable(cmd *cobra.Command, r *recordingsDue) error {
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 2, 0, 2, ' ', 0)
	if len(r.List) > 0 {
		_, _ = fmt.Fprintln(w, "CALL\tSTARTED\tSINCE\tRECORDING\tWHY")
	}
	for _, x := range r.List {
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", x.CallID, x.StartedAt.Format(time.DateOnly), x.PurgeAfter.Format(time.DateOnly), x.URI, x.Why)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(cmd.OutOrStdout(), "%d may be deleted (%d listed); of older ones %d are of sales in use, %d held by a complaint, %d of sales that ended lately\n", r.Due, len(r.List), r.InUse, r.Held, r.Later)
	return err
}

func dueCSV(cmd *cobra.Command, r *recordingsDue) error {
	w := csv.NewWriter(cmd.OutOrStdout())
	_ = w.Write([]string{"call_id", "customer_id", "campaign_id", "started_at", "recording_uri", "purge_after", "why"})
	for _, x := range r.List {
		_ = w.Write([]string{x.CallID, x.CustomerID, x.CampaignID, x.StartedAt.Format(time.RFC3339), x.URI, x.PurgeAfter.Format(time.RFC3339), x.Why})
	}
	w.Flush()
	return w.Error()
}
