package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ringfence/ringfence/dashboards"
	"github.com/ringfence/ringfence/internal/config"
	"github.com/ringfence/ringfence/internal/nearest"
)

func dashboardsCommand(g *globals) *cobra.Command {
	cmd := &cobra.Command{Use: "dashboards", Short: "Grafana dashboards, generated from the metric catalogue"}
	cmd.AddCommand(dashboardsExport(g), dashboardsPush(g), dashboardsCheck(g))
	return cmd
}

// chosen is what a command over dashboards works with: the configuration, the languages, the dashboards named.
func chosen(g *globals, lang, args []string) (*config.Config, []dashboards.Lang, []dashboards.Dashboard, error) {
	cfg, err := g.load()
	if err != nil {
		return nil, nil, nil, err
	}
	langs, err := languages(lang)
	if err != nil {
		return nil, nil, nil, err
	}
	ds, err := selected(args)
	return cfg, langs, ds, err
}

// languages reads --lang.
func languages(words []string) ([]dashboards.Lang, error) {
	var out []dashboards.Lang
	for _, w := range words {
		switch l := dashboards.Lang(strings.TrimSpace(w)); l {
		case dashboards.English, dashboards.Chinese:
			out = append(out, l)
		default:
			return nil, &exit{2, fmt.Errorf("--lang %s: expected en or zh", w)}
		}
	}
	return out, nil
}

// selected are the dashboards of the arguments, all without any.
func selected(args []string) ([]dashboards.Dashboard, error) {
	if len(args) == 0 {
		return dashboards.All(), nil
	}
	var out []dashboards.Dashboard
	for _, a := range args {
		d, ok := dashboards.Find(a)
		if !ok {
			var names []string
			for _, d := range dashboards.All() {
				names = append(names, d.Slug())
			}
			err := fmt.Errorf("there is no dashboard %s; there are %s", a, strings.Join(names, ", "))
			if best := nearest.Word(a, names); best != "" {
				err = fmt.Errorf("there is no dashboard %s; did you mean %s?", a, best)
			}
			return nil, &exit{2, err}
		}
		out = append(out, d)
	}
	return out, nil
}

func dashboardsExport(g *globals) *cobra.Command {
	var out, format string
	var lang []string
	cmd := &cobra.Command{
		Use:   "export --out DIR [DASHBOARD...]",
		Short: "Write dashboards as JSON files Grafana can import or provision",
		Long: `Write every dashboard, or those named, as a JSON file. The same version of ringfence always writes the same bytes;
uids and panel ids stay the same from version to version. Two languages need two directories.`,
		Example: `  ringfence dashboards export --out deploy/grafana/dashboards
  ringfence dashboards export --out /tmp/zh --lang zh overview complaints`,
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, langs, ds, err := chosen(g, lang, args)
			if err != nil {
				return err
			}
			if err := os.MkdirAll(out, 0o755); err != nil {
				return &exit{2, fmt.Errorf("make the directory: %w", err)}
			}
			files := []string{}
			for _, l := range langs {
				for _, d := range ds {
					b, err := dashboards.Grafana(d, cfg.Reporting.TimeZone, l)
					if err != nil {
						return &exit{2, fmt.Errorf("dashboard %s: %w", d.UID, err)}
					}
					file := filepath.Join(out, d.GrafanaUID(l)+".json")
					if err := os.WriteFile(file, b, 0o644); err != nil {
						return &exit{2, fmt.Errorf("write the dashboard: %w", err)}
					}
					files = append(files, file)
				}
			}
			if format == "json" {
				return printJSON(cmd.OutOrStdout(), map[string]any{"files": files})
			}
			for _, f := range files {
				_, _ = fmt.Fprintln(cmd.OutOrStdout(), f)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&out, "out", "dashboards-json", "directory to write to")
	cmd.Flags().StringSliceVar(&lang, "lang", []string{"en"}, "languages of titles: en, zh")
	formats(cmd, &format, "table", "json")
	return cmd
}

func dashboardsPush(g *globals) *cobra.Command {
	var url, folder, format string
	var lang []string
	var overwrite, dryRun bool
	cmd := &cobra.Command{
		Use:   "push --grafana URL [DASHBOARD...]",
		Short: "Put dashboards into a Grafana by its API",
		Long: `Make a folder and put every dashboard, or those named, into it. What is there already and the same is left alone, so
pushing twice changes nothing. A dashboard that somebody edited by hand since the last push is not overwritten, unless
--overwrite says so; the others are pushed all the same, and the exit code is 1.

The token of a service account with the role Editor comes from RINGFENCE_GRAFANA_TOKEN, or from the file that
RINGFENCE_GRAFANA_TOKEN_FILE names.`,
		Example: `  RINGFENCE_GRAFANA_TOKEN_FILE=/run/secrets/grafana ringfence dashboards push --grafana http://grafana:3000
  ringfence dashboards push --grafana http://localhost:3000 --lang zh --folder 铃界 --dry-run`,
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, langs, ds, err := chosen(g, lang, args)
			if err != nil {
				return err
			}
			if url == "" {
				return &exit{2, fmt.Errorf("--grafana is needed: the address of the Grafana, such as http://localhost:3000")}
			}
			token, err := secretFrom(os.Getenv, "RINGFENCE_GRAFANA_TOKEN")
			if err != nil {
				return &exit{2, err}
			}
			p := dashboards.Pusher{URL: url, Token: token, Folder: folder, Zone: cfg.Reporting.TimeZone, Overwrite: overwrite, DryRun: dryRun, Timeout: 30 * time.Second}
			done, err := p.Push(cmd.Context(), ds, langs)
			if err != nil {
				return &exit{2, err}
			}
			if format == "json" {
				if err := printJSON(cmd.OutOrStdout(), done); err != nil {
					return err
				}
			} else {
				for _, x := range done {
					_, _ = fmt.Fprintf(cmd.OutOrStdout(), "%-10s %-24s %s\n", x.Result, x.UID, x.Detail)
				}
			}
			for _, x := range done {
				if x.Result == dashboards.Refused {
					return &exit{1, fmt.Errorf("%s was edited by hand since the last push: export the change, or say --overwrite", x.UID)}
				}
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&url, "grafana", "", "address of the Grafana")
	cmd.Flags().StringVar(&folder, "folder", "ringfence", "title of the folder")
	cmd.Flags().StringSliceVar(&lang, "lang", []string{"en"}, "languages of titles: en, zh")
	cmd.Flags().BoolVar(&overwrite, "overwrite", false, "overwrite what was edited by hand")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "say what would be done and do nothing")
	formats(cmd, &format, "table", "json")
	return cmd
}

// secretFrom is the value of the variable, or what is in the file the variable of the same name with _FILE names.
func secretFrom(getenv func(string) string, name string) (string, error) {
	if v := getenv(name); v != "" {
		return v, nil
	}
	file := getenv(name + "_FILE")
	if file == "" {
		return "", nil
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("%s_FILE: %w", name, err)
	}
	return strings.TrimSpace(string(b)), nil
}
