package main

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ringfence/ringfence/client"
)

func sqlCommand(g *globals) *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "sql QUERY",
		Short: "Run a read-only query on the ClickHouse in use",
		Example: `  ringfence sql "SELECT campaign_id, count() FROM calls_current GROUP BY 1"
  ringfence sql "SHOW TABLES" --format TSV`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := g.client()
			if err != nil {
				return err
			}
			return query(cmd, c, args[0], format)
		},
	}
	cmd.Flags().StringVar(&format, "format", "PrettyCompact", "any output format of ClickHouse: PrettyCompact, TSV, JSONEachRow, ...")
	return cmd
}

// query streams the answer: it may be large.
func query(cmd *cobra.Command, c *client.Client, sql, format string) error {
	u := strings.TrimRight(c.Base, "/") + "/v1/sql?" + url.Values{"format": {format}}.Encode()
	req, err := http.NewRequestWithContext(cmd.Context(), http.MethodPost, u, strings.NewReader(sql))
	if err != nil {
		return &exit{2, err}
	}
	req.Header.Set("Content-Type", "text/plain")
	if c.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.Token)
	}
	resp, err := c.HTTP.Do(req)
	if err != nil {
		return &exit{2, fmt.Errorf("no ringfence answers at %s: %w", c.Base, err)}
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		b, _ := io.ReadAll(io.LimitReader(resp.Body, 4096))
		return &exit{2, fmt.Errorf("the query was refused: %s", strings.TrimSpace(string(b)))}
	}
	_, err = io.Copy(cmd.OutOrStdout(), resp.Body)
	return err
}
