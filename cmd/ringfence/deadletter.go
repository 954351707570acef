package main

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

func deadletterCommand(g *globals) *cobra.Command {
	cmd := &cobra.Command{Use: "deadletter", Short: "Inputs that could not be taken, and why"}
	cmd.AddCommand(deadletterList(g), deadletterReplay(g))
	return cmd
}

func deadletterList(g *globals) *cobra.Command {
	var source, since, format string
	var limit int
	cmd := &cobra.Command{
		Use: "list", Short: "What is in the dead letter, newest first; numbers are masked", Args: cobra.NoArgs,
		Example: "  ringfence deadletter list --source api:calls --since 2026-11-24T00:00:00+08:00",
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := g.client()
			if err != nil {
				return err
			}
			q := url.Values{"limit": {strconv.Itoa(limit)}}
			if source != "" {
				q.Set("source", source)
			}
			if since != "" {
				q.Set("since", since)
			}
			var raw json.RawMessage
			if err := c.Get(cmd.Context(), "/v1/dead-letter", q, &raw); err != nil {
				return &exit{2, err}
			}
			w := cmd.OutOrStdout()
			if format == "json" {
				_, err := fmt.Fprintf(w, "%s\n", strings.TrimSpace(string(raw)))
				return err
			}
			var a struct {
				Total   int `json:"total"`
				Entries []struct {
					ID         string    `json:"id"`
					At         time.Time `json:"at"`
					Source     string    `json:"source"`
					Reason     string    `json:"reason"`
					Raw        string    `json:"raw"`
					Replayable bool      `json:"replayable"`
				} `json:"entries"`
			}
			if err := json.Unmarshal(raw, &a); err != nil {
				return &exit{2, fmt.Errorf("the server's answer: %w", err)}
			}
			if a.Total == 0 {
				_, _ = fmt.Fprintln(w, "the dead letter is empty")
				return nil
			}
			for _, e := range a.Entries {
				again := ""
				if !e.Replayable {
					again = "  (cannot be replayed)"
				}
				_, _ = fmt.Fprintf(w, "%-8s %s  %s%s\n         %s\n         %.200s\n", e.ID, e.At.Local().Format("2006-01-02 15:04:05 -07:00"), e.Source, again, e.Reason,
					strings.Join(strings.Fields(e.Raw), " "))
			}
			if a.Total > len(a.Entries) {
				_, _ = fmt.Fprintf(w, "%d of %d shown (--limit)\n", len(a.Entries), a.Total)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&source, "source", "", "only of this source, such as api:calls")
	cmd.Flags().StringVar(&since, "since", "", "only from this time on, RFC 3339")
	cmd.Flags().IntVar(&limit, "limit", 100, "how many")
	formats(cmd, &format, "table", "json")
	return cmd
}

func deadletterReplay(g *globals) *cobra.Command {
	var source, since, format string
	cmd := &cobra.Command{
		Use: "replay [ID]...", Short: "Send entries again, once what was wrong is mended",
		Long:    "Send entries again as they came. Events are idempotent: what was taken meanwhile changes nothing. Exit code 1: some were refused again.",
		Example: "  ringfence deadletter replay 0/12 3/4\n  ringfence deadletter replay --source api:calls --since 2026-11-24T00:00:00+08:00",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 && source == "" && since == "" {
				return &exit{2, fmt.Errorf("which entries? name ids, --source or --since")}
			}
			c, err := g.client()
			if err != nil {
				return err
			}
			in := map[string]any{"ids": args}
			if source != "" {
				in["source"] = source
			}
			if since != "" {
				in["since"] = since
			}
			var a struct {
				Replayed int `json:"replayed"`
				Failed   []struct {
					ID     string `json:"id"`
					Detail string `json:"detail"`
				} `json:"failed"`
			}
			if err := c.Post(cmd.Context(), "/v1/dead-letter/replay", in, &a); err != nil {
				return &exit{2, err}
			}
			w := cmd.OutOrStdout()
			if format == "json" {
				if err := printJSON(w, a); err != nil {
					return err
				}
			} else {
				_, _ = fmt.Fprintf(w, "%d sent again, %d refused again\n", a.Replayed, len(a.Failed))
				for _, f := range a.Failed {
					_, _ = fmt.Fprintf(w, "  %s: %s\n", f.ID, f.Detail)
				}
			}
			if len(a.Failed) > 0 {
				return &exit{1, nil}
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&source, "source", "", "all of this source, such as api:calls")
	cmd.Flags().StringVar(&since, "since", "", "all from this time on, RFC 3339")
	formats(cmd, &format, "table", "json")
	return cmd
}
