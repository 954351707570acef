package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/ringfence/ringfence/internal/rubric"
)

func qaCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "qa", Short: "What recordings are judged by"}
	var format string
	check := &cobra.Command{
		Use:   "rubric [FILE]",
		Short: "Check a rubric and print what it asks; the shipped one without a file",
		Long: `Read a rubric, say everything that is wrong with it with file, line and column, and print its sections, standards,
forbidden sentences and tariff. Rubrics in use are named in the configuration (qa.rubrics); a changed one needs another
version, so that reviews keep the one they were scored with. Exit code 2: the rubric is wrong.`,
		Example: "  ringfence qa rubric\n  ringfence qa rubric our-rubric.yaml",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			name := rubric.Default
			if len(args) > 0 {
				name = args[0]
			}
			r, err := rubric.Load(name)
			if err != nil {
				return &exit{2, err}
			}
			if format == "json" {
				return printJSON(cmd.OutOrStdout(), map[string]any{"rubric": r.ID(), "ok": true, "sections": len(r.Sections), "standards": len(r.Standards), "taboos": len(r.Taboos), "tariff": len(r.Tariff)})
			}
			w := cmd.OutOrStdout()
			_, _ = fmt.Fprintf(w, "%s: well formed\n", r.ID())
			for _, s := range r.Sections {
				_, _ = fmt.Fprintf(w, "\n%-60s %5.1f %%\n", s.Title.In("en"), s.Weight)
				for _, c := range s.Checkpoints {
					note := ""
					if c.Fatal {
						note = "  fatal"
					}
					if c.Sale {
						note += "  of sales"
					}
					_, _ = fmt.Fprintf(w, "  %-22s %-48s %4.1f%s\n", c.ID, c.Title.In("en"), c.Weight, note)
				}
			}
			_, _ = fmt.Fprintf(w, "\nStandards of a sale\n")
			for _, x := range r.Standards {
				_, _ = fmt.Fprintf(w, "  %-22s %s\n", x.ID, x.Title.In("en"))
			}
			_, _ = fmt.Fprintf(w, "\nNever said\n")
			for _, x := range r.Taboos {
				_, _ = fmt.Fprintf(w, "  %-22s %-48s -%.1f\n", x.ID, x.Say.In("en"), x.Points)
			}
			_, _ = fmt.Fprintf(w, "\nTariff, yuan\n")
			for _, x := range r.Tariff {
				_, _ = fmt.Fprintf(w, "  %-22s %-48s %6.0f\n", x.ID, x.Title.In("en"), x.Amount)
			}
			return nil
		},
	}
	formats(check, &format, "table", "json")
	cmd.AddCommand(check)
	return cmd
}
