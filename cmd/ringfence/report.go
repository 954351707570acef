package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ringfence/ringfence/internal/report"
)

func reportCommand(g *globals) *cobra.Command {
	var from, to, format, out string
	var names []string
	long := "Reports over an interval, by default the last whole week, Monday to Sunday:\n\n"
	for _, k := range report.Kinds() {
		names = append(names, k.Name)
		long += fmt.Sprintf("  %-11s %s (%s)\n", k.Name, k.Question, k.Source)
	}
	cmd := &cobra.Command{
		Use:   "report KIND",
		Short: "Written reports: " + strings.Join(names, ", "),
		Long: long + `
Every number comes from the metric catalogue, and every export is in the audit log. pdf needs Chromium on this machine.`,
		Example: `  ringfence report weekly
  ringfence report agents --from 2026-10-28 --to 2026-11-28 --format csv --out agents.csv
  ringfence report partners --from 2026-11-01 --to 2026-12-01 --format pdf --out partners.pdf`,
		Args:      cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs),
		ValidArgs: names,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := g.client()
			if err != nil {
				return err
			}
			if format == "pdf" && out == "" {
				return &exit{2, errors.New("--format pdf needs --out FILE")}
			}
			q := url.Values{"format": {"json"}}
			for name, v := range map[string]string{"from": from, "to": to} {
				if v != "" {
					q.Set(name, v)
				}
			}
			var raw json.RawMessage
			if err := c.Get(cmd.Context(), "/v1/reports/"+args[0], q, &raw); err != nil {
				return &exit{2, err}
			}
			var rep report.Report
			if err := json.Unmarshal(raw, &rep); err != nil {
				return &exit{2, fmt.Errorf("read the report: %w", err)}
			}
			var b bytes.Buffer
			switch format {
			case "json":
				b.Write(append(bytes.TrimSpace(raw), '\n'))
			case "csv":
				err = report.CSV(&b, &rep)
			case "html", "pdf":
				err = report.HTML(&b, &rep)
			default:
				err = report.Text(&b, &rep)
			}
			if err == nil && format == "pdf" {
				err = pdf(cmd.Context(), b.Bytes(), out)
			} else if err == nil && out != "" {
				err = os.WriteFile(out, b.Bytes(), 0o600)
			} else if err == nil {
				_, err = cmd.OutOrStdout().Write(b.Bytes())
			}
			if err != nil {
				return &exit{2, err}
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "begin of the interval")
	cmd.Flags().StringVar(&to, "to", "", "end of the interval, exclusive")
	cmd.Flags().StringVarP(&out, "out", "o", "", "a file to write to")
	formats(cmd, &format, "table", "html", "csv", "json", "pdf")
	return cmd
}

// pdf prints a page with the Chromium of this machine.
func pdf(ctx context.Context, html []byte, out string) error {
	browser := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"} {
		if p, err := exec.LookPath(name); err == nil {
			browser = p
			break
		}
	}
	if browser == "" {
		return errors.New("pdf needs Chromium, and there is none on this machine: install it, or take --format html")
	}
	dir, err := os.MkdirTemp("", "ringfence-report-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	file := filepath.Join(dir, "report.html")
	if err := os.WriteFile(file, html, 0o600); err != nil {
		return err
	}
	if out, err = filepath.Abs(out); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	args := []string{"--headless", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync", "--no-pdf-header-footer", "--user-data-dir=" + dir, "--print-to-pdf=" + out, "file://" + file}
	if os.Geteuid() == 0 { // Chromium has no sandbox for root
		args = append([]string{"--no-sandbox"}, args...)
	}
	said, err := exec.CommandContext(ctx, browser, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s could not print the report: %w: %s", browser, err, strings.TrimSpace(string(said)))
	}
	return nil
}
