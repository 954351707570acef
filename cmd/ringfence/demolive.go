package main

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/ringfence/ringfence/ingest/importer"
	"github.com/ringfence/ringfence/internal/app"
	"github.com/ringfence/ringfence/processors/kpi"
	"github.com/ringfence/ringfence/samples"
)

// importSamples brings in what a real Asterisk wrote: its call records and its queue log. A second time they are skipped.
func importSamples(ctx context.Context, out io.Writer, a *app.App, dir string) error {
	files, err := fs.Sub(samples.Asterisk22, "asterisk-22-run")
	if err != nil {
		return err
	}
	to := filepath.Join(dir, "samples", "asterisk-22-run")
	if err := os.MkdirAll(to, 0o700); err != nil {
		return fmt.Errorf("unpack the sample files: %w", err)
	}
	for _, name := range []string{"Master.csv", "queue_log"} {
		b, err := fs.ReadFile(files, name)
		if err == nil {
			err = os.WriteFile(filepath.Join(to, name), b, 0o600)
		}
		if err != nil {
			return fmt.Errorf("unpack the sample files: %w", err)
		}
	}
	c := a.Client()
	system := &importer.HTTP{Base: c.Base, Client: c.HTTP}
	for _, in := range []struct{ format, file string }{{"asterisk-cdr", "Master.csv"}, {"asterisk-queue-log", "queue_log"}} {
		r, err := importer.Run(ctx, importer.Options{Format: in.format, Paths: []string{filepath.Join(to, in.file)}, Zone: time.UTC, Sink: system, Marks: system, DeadLetter: system})
		if err != nil {
			return fmt.Errorf("import the sample %s: %w", in.file, err)
		}
		_, _ = fmt.Fprintf(out, "· sample %s of a real Asterisk: %d rows, %d accepted, %d skipped, %d rejected\n", in.file, r.Read, r.Accepted, r.Skipped, r.Rejected)
	}
	return nil
}

// viewEvery is how often the live figures are shown: on a terminal they overwrite each other.
const viewEvery = 5 * time.Second

// liveView prints a few figures of today until ctx ends.
func liveView(ctx context.Context, out io.Writer, conn driver.Conn, zone *time.Location) {
	f, ok := out.(*os.File)
	inPlace := ok && terminal(f)
	every := viewEvery
	if !inPlace {
		every = 12 * viewEvery
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := time.Now()
		y, m, d := now.In(zone).Date()
		res, err := kpi.Ask(ctx, conn, kpi.Query{Metrics: []string{"calls_made", "connect_rate", "effective_talks", "orders", "cap_denials", "abandonment_rate", "complaints"},
			From: time.Date(y, m, d, 0, 0, 0, 0, zone), To: now, Zone: zone})
		if err != nil || ctx.Err() != nil {
			continue // the sink and ClickHouse say in /readyz what is wrong
		}
		var parts []string
		for _, r := range res {
			parts = append(parts, strings.ReplaceAll(r.Metric, "_", " ")+" "+kpi.Format(r.Rows[0].Value, r.Unit))
		}
		line := now.In(zone).Format("15:04:05") + "  today: " + strings.Join(parts, "   ")
		if inPlace {
			_, _ = fmt.Fprintf(out, "\r\033[K%s", line)
		} else {
			_, _ = fmt.Fprintln(out, line)
		}
	}
}
