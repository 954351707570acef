package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/ringfence/ringfence/dialer"
	"github.com/ringfence/ringfence/internal/app"
	"github.com/ringfence/ringfence/internal/demo"
)

// demoPolicy is the preset with hours round the clock: the demo's centre never sleeps.
const demoPolicy = `policy: demo
version: 1
extends: china-unicom
rules:
  - id: CAP-07
    name: Calling hours (the demo's centre never sleeps)
    hours: [{days: [mon, tue, wed, thu, fri, sat, sun], from: "00:00", to: "24:00"}]
`

func demoCommand(g *globals) *cobra.Command {
	var once bool
	var days int
	var dataDir, format string
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "A simulated call centre at work on this machine",
		Long: `Start the embedded stack, work through days of a simulated centre's past, then go on live and serve the
console. Everything goes the way of a real centre: permits are asked before every dial, facts end in ClickHouse. The
simulation trusts the simulated clock (api.trust_client_time) and its policy is china-unicom with open hours.`,
		Example: `  ringfence demo
  ringfence demo --once --format json --data-dir /tmp/demo`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if days < 1 || days > 60 {
				return &exit{2, fmt.Errorf("--days %d: expected 1 to 60", days)}
			}
			return runDemo(cmd, g, once, days, dataDir, format)
		},
	}
	cmd.Flags().BoolVar(&once, "once", false, "simulate a fixed stretch of days, wait until every fact is in ClickHouse, print a summary and end")
	cmd.Flags().IntVar(&days, "days", 4, "how many days a stretch of the past has")
	cmd.Flags().StringVar(&dataDir, "data-dir", "./data/demo", "where everything is kept; a second run goes on there")
	formats(cmd, &format, "table", "json")
	return cmd
}

func runDemo(cmd *cobra.Command, g *globals, once bool, days int, dataDir, format string) error {
	began := time.Now()
	if err := os.MkdirAll(dataDir, 0o700); err != nil {
		return &exit{2, fmt.Errorf("make the data directory: %w", err)}
	}
	file := filepath.Join(dataDir, "demo-policy.yaml")
	if err := os.WriteFile(file, []byte(demoPolicy), 0o600); err != nil {
		return &exit{2, fmt.Errorf("write the demo's policy: %w", err)}
	}
	users, password, err := makeDemoUsers(dataDir)
	if err != nil {
		return &exit{2, err}
	}
	extra := []string{"console.users_file=" + users, "data_dir=" + dataDir, "policy=" + file, "api.trust_client_time=true", "sampling.quiet=3s", "sampling.grace=1s"}
	if once {
		extra = append(extra, "http.listen=127.0.0.1:0")
	}
	cfg, err := g.load(extra...)
	if err != nil {
		return err
	}
	out := cmd.ErrOrStderr()
	log := slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: slog.LevelWarn}))
	spoken, err := demo.NewRecordings()
	if err != nil {
		return &exit{2, err}
	}
	a, err := app.Start(cmd.Context(), app.Options{Config: cfg, Logger: log, Recordings: spoken, Version: version, Step: func(s string) { _, _ = fmt.Fprintln(out, "·", s) }})
	if err != nil {
		return &exit{2, err}
	}
	running, end := context.WithCancel(context.WithoutCancel(cmd.Context())) // the stack outlives the centre: it takes back the permits of the calls not placed
	defer end()
	ran := make(chan error, 1)
	go func() { ran <- a.Run(running) }()
	ctx, cancel := context.WithCancel(cmd.Context())
	defer cancel()
	work := make(chan error, 1)
	go func() {
		work <- demoWork(ctx, cmd, a, cfg.Reporting.TimeZone, dataDir, password, once, days, format, began)
	}()
	select {
	case err = <-ran: // a part gave up
		cancel()
		err = errors.Join(err, <-work)
	case err = <-work:
		end()
		err = errors.Join(err, <-ran)
	}
	if err != nil && cmd.Context().Err() == nil {
		return &exit{2, err}
	}
	return nil
}

func demoWork(ctx context.Context, cmd *cobra.Command, a *app.App, zone, dir, password string, once bool, days int, format string, began time.Time) error {
	out := cmd.ErrOrStderr()
	if err := waitFor(ctx, 60*time.Second, func() (bool, error) { ok, _ := a.Ready(); return ok, nil }); err != nil {
		_, detail := a.Ready()
		return fmt.Errorf("the stack does not get ready: %s: %w", detail, err)
	}
	loc, err := time.LoadLocation(zone)
	if err != nil {
		return err
	}
	before := 0
	if once {
		before = 2 * days
	}
	if err := importSamples(ctx, out, a, dir); err != nil {
		return err
	}
	show, finish := progress(out)
	centre, err := demo.New(demo.Options{Seed: 2026, Dir: filepath.Join(dir, "centre"), Client: a.Client(), Location: loc, Days: days, Before: before,
		Progress: func(p demo.Progress) {
			show(fmt.Sprintf("%s  %6d calls  %6d permits  %6d denied", p.Day, p.Calls, p.Permits, p.Denied), p.Done)
		}})
	if err != nil {
		return err
	}
	switch {
	case centre.CaughtUp():
		_, _ = fmt.Fprintln(out, "· the simulated centre has caught up with the calendar: there is no further day to simulate")
	default:
		_, _ = fmt.Fprintln(out, "· the centre works through its past")
		if err := centre.History(ctx); err != nil {
			return err
		}
		finish()
	}
	_, _ = fmt.Fprintln(out, "· waiting until every fact is in ClickHouse")
	if err := counted(ctx, a); err != nil {
		return fmt.Errorf("the facts do not get into ClickHouse: %w", err)
	}
	_, _ = fmt.Fprintln(out, "· waiting until the simulated days are closed and their samples complete")
	if err := sampled(ctx, a); err != nil {
		return err
	}
	sum, err := app.Summarize(ctx, a.Conn())
	if err != nil {
		return err
	}
	sum.ElapsedMS = time.Since(began).Milliseconds()
	if err := printSummary(cmd.OutOrStdout(), sum, format); err != nil || once {
		return err
	}
	_, _ = fmt.Fprintf(out, "\nThe centre goes on live. Console: %s   (Ctrl-C ends)\n", a.URL())
	printDemoUsers(out, password)
	signals := make(chan dialer.Signal, 64)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return a.Signals(ctx, signals) })
	g.Go(func() error { liveView(ctx, out, a.Conn(), loc); return nil })
	g.Go(func() error { return centre.Live(ctx, signals) })
	return g.Wait()
}

// sampled waits until the days are closed. Meanwhile the raters are at work, and what they publish gets into ClickHouse.
func sampled(ctx context.Context, a *app.App) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		if err := reviewSome(ctx, a); err != nil {
			return err
		}
		return counted(ctx, a)
	})
	g.Go(func() error {
		if err := waitFor(ctx, 2*time.Minute, func() (bool, error) { return a.Sampled(ctx) }); err != nil {
			return fmt.Errorf("the samples do not get complete: %w", err)
		}
		return nil
	})
	return g.Wait()
}

// counted waits until what was sent is in ClickHouse, however long it takes to get there; five minutes are a fault.
func counted(ctx context.Context, a *app.App) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	return a.Counted(ctx)
}

// progress shows how far something is (0 to 1): a bar on a terminal, else a line for every tenth.
func progress(w io.Writer) (show func(what string, done float64), finish func()) {
	if f, ok := w.(*os.File); !ok || !terminal(f) {
		tenths := 0
		return func(what string, done float64) {
			if n := int(done * 10); n > tenths {
				tenths = n
				_, _ = fmt.Fprintf(w, "  %3d %%  %s\n", 10*n, what)
			}
		}, func() {}
	}
	bar := progressbar.NewOptions(1000, progressbar.OptionSetWriter(w), progressbar.OptionSetWidth(24), progressbar.OptionThrottle(200*time.Millisecond),
		progressbar.OptionClearOnFinish(), progressbar.OptionSetPredictTime(true), progressbar.OptionUseANSICodes(false))
	return func(what string, done float64) {
		bar.Describe(what)
		_ = bar.Set(int(done * 1000))
	}, func() { _ = bar.Finish() }
}

func waitFor(ctx context.Context, atMost time.Duration, done func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, atMost)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		ok, err := done()
		if ok || err != nil && ctx.Err() == nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

func printSummary(w io.Writer, s *app.Summary, format string) error {
	if format == "json" {
		return printJSON(w, s)
	}
	_, err := fmt.Fprintf(w, `
calls          %8d     permits     %8d
denied         %8d     violations  %8d
recordings     %8d     sampled     %8d
complaints     %8d     alerts      %8d
rows in ClickHouse %d, in %.1f s
`, s.Calls, s.Permits, s.Denied, s.Violations, s.Recordings, s.Sampled, s.Complaints, s.Alerts, s.Rows, float64(s.ElapsedMS)/1000)
	return err
}
