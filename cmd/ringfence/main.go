// Command ringfence is the whole product in one binary: `ringfence demo` on a laptop, `ringfence up` anywhere, and the
// commands that ask a running system. Each file beside this one is one subcommand; they wire and print, nothing else.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
	_ "time/tzdata" // customers' zones must be known on any machine

	"github.com/spf13/cobra"

	"github.com/ringfence/ringfence/internal/embedded"
)

// version is set at build time.
var version = "dev"

// exit carries an exit code through cobra; err may be nil when everything was said already.
type exit struct {
	code int
	err  error
}

func (e *exit) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit %d", e.code)
	}
	return e.err.Error()
}

func (e *exit) Unwrap() error { return e.err }

func main() {
	embedded.MaybeRunChild() // the embedded ClickHouse is this same binary, started again
	debug.SetGCPercent(200)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is main without the process: 0 done, 1 done with something refused, 2 could not run.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	var e *exit
	if errors.As(err, &e) {
		if e.err != nil {
			_, _ = fmt.Fprintln(stderr, "ringfence:", e.err)
		}
		return e.code
	}
	_, _ = fmt.Fprintln(stderr, "ringfence:", err)
	return 2
}

// globals are the flags every command has.
type globals struct {
	config string
	set    []string
	url    string
}

func newRoot() *cobra.Command {
	g := &globals{}
	root := &cobra.Command{
		Use:   "ringfence",
		Short: "Contact caps, quality sampling and live figures for outbound call centres",
		Long: `ringfence decides before every dial whether a customer may be called, draws the recordings QA must hear,
and keeps the centre's figures in ClickHouse. It needs nothing but this binary: Kafka and ClickHouse are built in
and can be replaced by your own in the configuration.

The embedded ClickHouse's library is kept in a cache directory (RINGFENCE_CACHE_DIR, by default "ringfence" in your
user cache directory); "make setup" puts it there.`,
		Example: `  ringfence demo                                  # a call centre at work on this machine
  ringfence up --config ringfence.yaml            # run it for real
  ringfence kpi connect_rate --by campaign        # ask a running system
  ringfence caps explain --customer C000017       # why may this customer (not) be called?`,
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(alertsCommand(g), campaignsCommand(g))
	f := root.PersistentFlags()
	f.StringVar(&g.config, "config", "", "configuration file")
	f.StringArrayVar(&g.set, "set", nil, "override a configuration key, as in --set http.listen=127.0.0.1:9090 (repeatable)")
	f.StringVar(&g.url, "url", os.Getenv("RINGFENCE_URL"), "address of a running system (RINGFENCE_URL)")
	root.AddCommand(demoCommand(g), upCommand(g), capsCommand(g), configCommand(g), sqlCommand(g), kpiCommand(g), importCommand(g), deadletterCommand(g), dashboardsCommand(g), samplingCommand(g), recordingsCommand(g))
	root.AddCommand(userCommand(g), qaCommand(), scoresCommand(g), reportCommand(g))
	showUsage(root)
	return root
}

// showUsage has every command say what its arguments are where they are wrong.
func showUsage(cmd *cobra.Command) {
	if check := cmd.Args; check != nil {
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			err := check(cmd, args)
			if err == nil {
				return nil
			}
			if len(cmd.ValidArgs) > 0 {
				err = fmt.Errorf("%w; expected one of %s", err, strings.Join(cmd.ValidArgs, ", "))
			}
			return fmt.Errorf("%w\nusage: %s", err, cmd.UseLine())
		}
	}
	for _, sub := range cmd.Commands() {
		showUsage(sub)
	}
}
