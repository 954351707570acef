package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ringfence/ringfence/client"
	"github.com/ringfence/ringfence/internal/config"
)

// load reads the configuration the global flags name.
func (g *globals) load(extra ...string) (*config.Config, error) {
	cfg, err := config.Load(g.config, append(append([]string{}, extra...), g.set...), os.Getenv)
	if err != nil {
		return nil, &exit{2, err}
	}
	return cfg, nil
}

// client finds the running system: --url or RINGFENCE_URL, else the configuration's http.listen.
func (g *globals) client() (*client.Client, error) {
	base := g.url
	if base == "" {
		cfg, err := g.load()
		if err != nil {
			return nil, err
		}
		base = "http://" + cfg.HTTP.Listen
	}
	if !strings.Contains(base, "://") {
		base = "http://" + base
	}
	return &client.Client{Base: base, Token: os.Getenv("RINGFENCE_TOKEN"), HTTP: &http.Client{Timeout: 10 * time.Minute}, Retry: 5 * time.Second}, nil
}

// zone is the reporting zone, in which commands print times.
func (g *globals) zone() (*time.Location, error) {
	cfg, err := g.load()
	if err != nil {
		return nil, err
	}
	loc, err := time.LoadLocation(cfg.Reporting.TimeZone)
	if err != nil {
		return nil, &exit{2, fmt.Errorf("reporting.time_zone: %w", err)}
	}
	return loc, nil
}

// several is a number of things: 1 alert, 2 alerts.
func several(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// formats declares --format with its allowed values.
func formats(cmd *cobra.Command, into *string, allowed ...string) {
	cmd.Flags().StringVar(into, "format", allowed[0], "how to print: "+strings.Join(allowed, ", "))
	_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(allowed, cobra.ShellCompDirectiveNoFileComp))
	prev := cmd.PreRunE
	cmd.PreRunE = func(c *cobra.Command, args []string) error {
		for _, a := range allowed {
			if *into == a {
				if prev != nil {
					return prev(c, args)
				}
				return nil
			}
		}
		return &exit{2, fmt.Errorf("--format %s: expected one of %s", *into, strings.Join(allowed, ", "))}
	}
}

// printJSON writes v and a newline; raw JSON is passed on as it came.
func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}
