package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/ringfence/ringfence/internal/app"
)

func upCommand(g *globals) *cobra.Command {
	var roles []string
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Run ringfence",
		Long: `Run the roles of the configuration, all by default: api, contactcap, sampling, qa, agenttime, complaint,
campaign, sink, dialer, console. Without brokers and without a ClickHouse address the embedded ones are started in
the data directory. SIGTERM drains and ends; SIGHUP reads the policy again.`,
		Example: `  ringfence up
  ringfence up --config ringfence.yaml --role contactcap --role sink`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var extra []string
			if len(roles) > 0 {
				extra = append(extra, fmt.Sprintf("roles=%q", roles))
			}
			cfg, err := g.load(extra...)
			if err != nil {
				return err
			}
			log := slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil))
			a, err := app.Start(cmd.Context(), app.Options{Config: cfg, Logger: log, Version: version, Step: func(s string) { log.Info(s) }})
			if err != nil {
				return &exit{2, err}
			}
			log.Info("ringfence is up", "url", a.URL(), "data", cfg.DataDir)
			stop := reloadOnHangup(cmd.Context(), a)
			defer stop()
			if err := a.Run(cmd.Context()); err != nil {
				return &exit{2, err}
			}
			return nil
		},
	}
	cmd.Flags().StringSliceVar(&roles, "role", nil, "a role to run (repeatable); default: those of the configuration")
	return cmd
}

// reloadOnHangup reads the policy again on SIGHUP; a bad one is refused and the old one stays.
func reloadOnHangup(ctx context.Context, a *app.App) func() {
	ch := make(chan os.Signal, 1)
	signal.Notify(ch, syscall.SIGHUP)
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-ch:
				_ = a.ReloadPolicy() // said in the log
			}
		}
	}()
	return func() { signal.Stop(ch); cancel() }
}
