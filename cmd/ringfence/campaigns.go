package main

import (
	"fmt"
	"net/url"

	"github.com/spf13/cobra"
)

func campaignsCommand(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "campaigns",
		Short: "Stop, throttle and resume campaigns",
		Long: `What a person decides about a campaign's dialling holds at every dialer within one pacing interval, and is written
down with who did it and why. A campaign that was stopped over a spike of complaints runs again only when it is resumed;
complaints of before are dealt with then and fire no more.`,
	}
	for _, x := range []struct{ action, short, example string }{
		{"resume", "Let a campaign run again", "  ringfence campaigns resume broadband --reason 'script corrected, agents told'"},
		{"stop", "Stop a campaign", "  ringfence campaigns stop broadband --reason 'wrong price in the script'"},
		{"throttle", "Dial a campaign at half pace", "  ringfence campaigns throttle broadband --reason 'listening to the calls first'"},
	} {
		var reason string
		sub := &cobra.Command{
			Use: x.action + " CAMPAIGN --reason WHY", Short: x.short, Example: x.example, Args: cobra.ExactArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error {
				if reason == "" {
					return &exit{2, fmt.Errorf("--reason is needed: it is written down with your name")}
				}
				c, err := g.client()
				if err != nil {
					return err
				}
				id, err := c.Decide(cmd.Context(), "/v1/campaigns/"+url.PathEscape(args[0])+"/"+x.action, map[string]string{"reason": reason})
				if err != nil {
					return &exit{2, err}
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: %s (%s)\n", args[0], x.action, id)
				return err
			},
		}
		sub.Flags().StringVar(&reason, "reason", "", "why; at least 5 characters")
		cmd.AddCommand(sub)
	}
	return cmd
}
