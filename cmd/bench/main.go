// Command bench measures ringfence beside what it is built on: every figure with its ratio, both taken in one run on the
// machine at hand.
//
//	make bench                      # everything
//	go run ./cmd/bench decisions    # one part: decisions, recovery, latency, state, cold, takeover, bulk, clickhouse, freshness, dashboards
//	go run ./cmd/bench -calls 100000000 dashboards
//	go run ./cmd/bench -customers 5000000 cold
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"runtime/pprof"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/ringfence/ringfence/internal/embedded"
)

// line of the table.
type line struct{ what, ours, beside, ratio, goal string }

// bench is one run.
type bench struct {
	dir       string
	records   int
	customers int
	brokers   []string // from outside; empty = the embedded one
	log       io.Writer
	lines     []line
	// of the part dashboards:
	calls, answers       int
	clickhouseAddr, only string
	keep                 string
	roll                 bool
	days                 int
}

func (b *bench) say(format string, a ...any) { _, _ = fmt.Fprintf(b.log, "· "+format+"\n", a...) }

func (b *bench) add(l line) { b.lines = append(b.lines, l) }

func main() {
	embedded.MaybeRunChild()
	maybeDecide()
	debug.SetGCPercent(200) // as the product does
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out, log io.Writer) error {
	parts := []struct {
		name string
		do   func(*bench, context.Context) error
	}{{"decisions", (*bench).decisions}, {"recovery", (*bench).recovery}, {"latency", (*bench).latency}, {"state", (*bench).state}, {"cold", (*bench).cold}, {"takeover", (*bench).takeover},
		{"bulk", (*bench).bulk}, {"clickhouse", (*bench).clickhouse}, {"codecs", (*bench).codecs}, {"freshness", (*bench).freshness}, {"dashboards", (*bench).dashboards}}
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	fs.SetOutput(log)
	records := fs.Int("records", 1_000_000, "records of a throughput run")
	customers := fs.Int("customers", 50_000_000, "customers on disk for the part cold")
	profile := fs.String("cpuprofile", "", "write a CPU profile to this file")
	under := fs.String("dir", "", "directory for what is measured on disk (default: the system's for temporary files)")
	brokers := fs.String("brokers", "", "Kafka brokers to measure on, which hold nothing of value (default: the embedded one)")
	calls := fs.Int("calls", 2_000_000, "dashboards: calls to generate where the ClickHouse has none")
	asked := fs.Int("answers", 20, "dashboards: how often each question is asked")
	only := fs.String("metrics", "", "dashboards: metrics to ask for, comma-separated, and panels (default: all)")
	keep := fs.String("keep", "", "dashboards: directory of the embedded ClickHouse, which is kept and used again (default: one that is thrown away)")
	days := fs.Int("days", 30, "dashboards: days that are asked for, the last ones generated")
	roll := fs.Bool("roll", true, "dashboards: make stale roll-ups first; without, questions read from the facts what is stale")
	addr := fs.String("clickhouse", "", "dashboards: a ClickHouse to measure on, whose calls stay (default: an embedded one)")
	if err := fs.Parse(args); err != nil {
		return err
	}
	if *profile != "" {
		f, err := os.Create(*profile)
		if err != nil {
			return err
		}
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	dir, err := os.MkdirTemp(*under, "ringfence-bench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	b := &bench{dir: dir, records: *records, customers: *customers, log: log, calls: *calls, answers: *asked, clickhouseAddr: *addr, only: *only, keep: *keep, roll: *roll, days: *days}
	if *brokers != "" {
		b.brokers = strings.Split(*brokers, ",")
	}
	var names []string
	for _, p := range parts {
		names = append(names, p.name)
	}
	for _, a := range fs.Args() {
		if !slices.Contains(names, a) {
			return fmt.Errorf("no part %q: there are %s", a, strings.Join(names, ", "))
		}
	}
	var failed []error
	for _, p := range parts {
		if fs.NArg() > 0 && !slices.Contains(fs.Args(), p.name) || fs.NArg() == 0 && p.name == "codecs" {
			continue
		}
		if err := p.do(b, ctx); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			failed = append(failed, fmt.Errorf("%s: %w", p.name, err)) // the other parts' figures are wanted all the same
			b.lines = append(b.lines, line{what: p.name, ours: "not measured: " + err.Error()})
		}
	}
	w := tabwriter.NewWriter(out, 2, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "what\tringfence\tbeside it\tratio\tgoal")
	for _, l := range b.lines {
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", l.what, l.ours, l.beside, l.ratio, l.goal)
	}
	return errors.Join(append(failed, w.Flush())...)
}

func rate(n float64, unit string) string {
	switch {
	case n >= 1e6:
		return fmt.Sprintf("%.2f M %s/s", n/1e6, unit)
	case n >= 1e4:
		return fmt.Sprintf("%.0f k %s/s", n/1e3, unit)
	}
	return fmt.Sprintf("%.0f %s/s", n, unit)
}

func median(v []float64) float64 {
	v = slices.Clone(v)
	slices.Sort(v)
	return v[len(v)/2]
}
