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
	var versions bool
	cmd := &cobra.Command{
		Use:   "sql QUERY",
		Short: "Run a read-only query on the ClickHouse in use",
		Long: `Run a read-only query. Of each row the newest version is read, as with FINAL after every table; --all-versions reads
what is stored, which is faster and may show a row again in an older version.`,
		Example: `  ringfence sql "SELECT campaign_id, count() FROM calls_current GROUP BY 1"
  ringfence sql "SHOW TABLES" --format TSV`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := g.client()
			if err != nil {
				return err
			}
			return query(cmd, c, args[0], format, versions)
		},
	}
	cmd.Flags().StringVar(&format, "format", "PrettyCompact", "any output format of ClickHouse: PrettyCompact, TSV, JSONEachRow, ...")
	cmd.Flags().BoolVar(&versions, "all-versions", false, "read replaced versions of rows, too")
	return cmd
}

// query streams the answer: it may be large.
func query(cmd *cobra.Command, c *client.Client, sql, format string, versions bool) error {
	q := url.Values{"format": {format}}
	if versions {
		q.Set("versions", "all")
	}
	u := strings.TrimRight(c.Base, "/") + "/v1/sql?" + q.Encode()
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
