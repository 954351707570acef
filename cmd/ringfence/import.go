package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ringfence/ringfence/client"
	"github.com/ringfence/ringfence/ingest/decode"
	"github.com/ringfence/ringfence/ingest/importer"
)

func importCommand(g *globals) *cobra.Command {
	var zone, mapping, purpose, campaign, kind, format string
	var cdr []string
	cmd := &cobra.Command{
		Use:   "import FORMAT PATH...",
		Short: "Bring in call records from files",
		Long: `Read files into a running system. Formats: ` + strings.Join(importer.Formats(), ", ") + `.

An import that was cut off goes on where it stopped. The same file a second time is skipped; what it grew by is taken.
A row that cannot be read or is refused costs that row alone; it is in the dead letter. Exit code 0: every row was
taken; 1: some were rejected; 2: it could not run.`,
		Example: `  ringfence import asterisk-cdr /var/log/asterisk/cdr-csv/Master.csv --timezone Asia/Shanghai
  ringfence import asterisk-queue-log /var/log/asterisk/queue_log
  ringfence import csv calls.csv --map calls-map.yaml --purpose retention
  ringfence import jsonl calls.jsonl --format json`,
		Args: cobra.MinimumNArgs(2),
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
			if len(args) == 0 {
				return importer.Formats(), cobra.ShellCompDirectiveNoFileComp
			}
			return nil, cobra.ShellCompDirectiveDefault
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := g.client()
			if err != nil {
				return err
			}
			if zone == "" {
				cfg, err := g.load()
				if err != nil {
					return err
				}
				zone = cfg.Reporting.TimeZone
			}
			loc, err := time.LoadLocation(zone)
			if err != nil {
				return &exit{2, fmt.Errorf("--timezone %s: %w", zone, err)}
			}
			if !decode.IsPurpose(purpose) {
				return &exit{2, fmt.Errorf("--purpose %s: expected one of %s", purpose, strings.Join(decode.Purposes(), ", "))}
			}
			// A system that goes away is waited for; one that was never there is told at once.
			var answered *client.Error
			if err := c.Get(cmd.Context(), "/healthz", nil, &json.RawMessage{}); err != nil && !errors.As(err, &answered) {
				return &exit{2, err}
			}
			system := &importer.HTTP{Base: c.Base, Token: c.Token}
			errOut := cmd.ErrOrStderr()
			opt := importer.Options{Format: args[0], Paths: args[1:], Zone: loc, Map: mapping, Kind: kind, Purpose: purpose, Campaign: campaign, CDR: cdr,
				Sink: system, Marks: system, DeadLetter: system}
			done := func() {}
			if f, ok := errOut.(*os.File); ok && terminal(f) {
				opt.Progress, done = importBar(errOut, args[0])
			}
			report, err := importer.Run(cmd.Context(), opt)
			done()
			if err != nil {
				return &exit{2, err}
			}
			if format == "json" {
				err = printJSON(cmd.OutOrStdout(), report)
			} else {
				printReport(cmd.OutOrStdout(), report)
			}
			if code := report.ExitCode(); err == nil && code != 0 {
				return &exit{code, nil}
			}
			return err
		},
	}
	f := cmd.Flags()
	f.StringVar(&zone, "timezone", "", "zone of times without an offset (default: the reporting zone)")
	f.StringVar(&mapping, "map", "", "file that says which column is which field")
	f.StringVar(&purpose, "purpose", "sales", "purpose of calls that name none")
	f.StringVar(&campaign, "campaign", "", "campaign of calls that name none")
	f.StringVar(&kind, "kind", "", "what the rows of csv and jsonl are (default calls)")
	f.StringArrayVar(&cdr, "cdr", nil, "asterisk-queue-log: CDR files of its calls (default: Master.csv beside it)")
	formats(cmd, &format, "table", "json")
	return cmd
}

func terminal(f *os.File) bool {
	i, err := f.Stat()
	return err == nil && i.Mode()&os.ModeCharDevice != 0
}

func importBar(w io.Writer, format string) (func(done, of int64), func()) {
	show, finish := progress(w)
	return func(done, of int64) {
		if of > 0 {
			show("importing "+format, float64(done)/float64(of))
		}
	}, finish
}

func printReport(w io.Writer, r *importer.Report) {
	for _, f := range r.Files {
		_, _ = fmt.Fprintf(w, "%s: %d rows: %d accepted, %d skipped, %d rejected\n", f.Path, f.Read, f.Accepted, f.Skipped, f.Rejected)
		for i, e := range f.Errors {
			if i == 10 {
				_, _ = fmt.Fprintf(w, "  ... and %d more; all are in the dead letter (ringfence deadletter list)\n", len(f.Errors)-i)
				break
			}
			_, _ = fmt.Fprintf(w, "  line %d: %s\n", e.Line, e.Detail)
		}
	}
	if len(r.Files) > 1 {
		_, _ = fmt.Fprintf(w, "together: %d rows: %d accepted, %d skipped, %d rejected\n", r.Read, r.Accepted, r.Skipped, r.Rejected)
	}
}
