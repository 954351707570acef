package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ringfence/ringfence/dashboards"
)

func dashboardsCheck(g *globals) *cobra.Command {
	var from, to, format string
	cmd := &cobra.Command{
		Use:   "check [DASHBOARD...]",
		Short: "Run every panel's query with every variable at all, at one and at several values",
		Long: `Run the queries of every panel on the ClickHouse in use: with every variable at "all", then each variable in turn at
one value and at several. Prints what failed, what is empty and whether that may be, and how long the slowest took. The
exit code is 1 if a query failed, or a panel is empty that should not be.`,
		Example: `  ringfence dashboards check
  ringfence dashboards check overview --from 2026-11-01 --to 2026-12-01 --format json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := g.load()
			if err != nil {
				return err
			}
			ds, err := selected(args)
			if err != nil {
				return err
			}
			loc, err := time.LoadLocation(cfg.Reporting.TimeZone)
			if err != nil {
				return &exit{2, err}
			}
			r := dashboards.Range{From: time.Now().Add(-7 * 24 * time.Hour), To: time.Now()}
			for _, x := range []struct {
				text string
				into *time.Time
				name string
			}{{from, &r.From, "from"}, {to, &r.To, "to"}} {
				if x.text == "" {
					continue
				}
				if *x.into, err = moment(x.text, loc); err != nil {
					return &exit{2, fmt.Errorf("--%s %s: expected a date or an RFC 3339 time", x.name, x.text)}
				}
			}
			ask, err := g.asker()
			if err != nil {
				return err
			}
			res, err := dashboards.Check(cmd.Context(), ask, ds, r, cfg.Reporting.TimeZone, time.Now)
			if err != nil {
				return &exit{2, err}
			}
			return reportCheck(cmd.OutOrStdout(), res, format)
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "begin of the range (default: seven days ago)")
	cmd.Flags().StringVar(&to, "to", "", "end of the range (default: now)")
	formats(cmd, &format, "table", "json")
	return cmd
}

func moment(s string, loc *time.Location) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t, nil
	}
	return time.ParseInLocation(time.DateOnly, s, loc)
}

func reportCheck(w io.Writer, res []dashboards.Checked, format string) error {
	var bad []string
	for _, c := range res {
		if c.Error != "" || c.Empty && c.Reason == "" {
			bad = append(bad, fmt.Sprintf("%s / %s (%s)", c.Dashboard, c.Title, c.Variables))
		}
	}
	if format == "json" {
		if err := printJSON(w, res); err != nil {
			return err
		}
	} else {
		slices.SortStableFunc(res, func(a, b dashboards.Checked) int { return int(b.MS - a.MS) })
		reasons := map[string]string{}
		for _, c := range res {
			switch {
			case c.Error != "":
				_, _ = fmt.Fprintf(w, "FAILED  %s / %s (%s): %s\n", c.Dashboard, c.Title, c.Variables, c.Error)
			case c.Empty && c.Reason == "":
				_, _ = fmt.Fprintf(w, "EMPTY   %s / %s (%s)\n", c.Dashboard, c.Title, c.Variables)
			case c.Empty && reasons[c.Dashboard+c.Title] == "":
				reasons[c.Dashboard+c.Title] = c.Reason
				_, _ = fmt.Fprintf(w, "empty   %s / %s (%s): %s\n", c.Dashboard, c.Title, c.Variables, c.Reason)
			}
		}
		_, _ = fmt.Fprintf(w, "%d queries of panels, %d at fault. The slowest:\n", len(res), len(bad))
		for _, c := range res[:min(len(res), 10)] {
			_, _ = fmt.Fprintf(w, "%8.1f ms  %s / %s (%s), %d rows\n", c.MS, c.Dashboard, c.Title, c.Variables, c.Rows)
		}
	}
	if len(bad) > 0 {
		return &exit{1, fmt.Errorf("%d queries failed or are empty without a reason, the first: %s", len(bad), bad[0])}
	}
	return nil
}

// asker runs queries through the running system's /v1/sql.
func (g *globals) asker() (dashboards.Ask, error) {
	c, err := g.client()
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, sql string) ([]string, [][]json.RawMessage, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.Base+"/v1/sql?format=JSONCompact", strings.NewReader(sql))
		if err != nil {
			return nil, nil, err
		}
		if c.Token != "" {
			req.Header.Set("Authorization", "Bearer "+c.Token)
		}
		resp, err := c.HTTP.Do(req)
		if err != nil {
			return nil, nil, err
		}
		defer func() { _ = resp.Body.Close() }()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			return nil, nil, err
		}
		if resp.StatusCode != http.StatusOK {
			return nil, nil, fmt.Errorf("%s", strings.TrimSpace(string(b)))
		}
		var answer struct {
			Meta []struct{ Name string } `json:"meta"`
			Data [][]json.RawMessage     `json:"data"`
		}
		if err := json.Unmarshal(b, &answer); err != nil {
			return nil, nil, fmt.Errorf("read the answer: %w", err)
		}
		var cols []string
		for _, m := range answer.Meta {
			cols = append(cols, m.Name)
		}
		return cols, answer.Data, nil
	}, nil
}
