package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func configCommand(g *globals) *cobra.Command {
	cmd := &cobra.Command{Use: "config", Short: "Check or print the configuration"}
	cmd.AddCommand(
		&cobra.Command{
			Use: "check", Short: "Say whether the configuration is valid, and what is wrong with it", Args: cobra.NoArgs,
			Example: "  ringfence config check --config ringfence.yaml",
			RunE: func(cmd *cobra.Command, _ []string) error {
				if _, err := g.load(); err != nil {
					return err
				}
				_, err := fmt.Fprintln(cmd.OutOrStdout(), "the configuration is valid")
				return err
			},
		},
		&cobra.Command{
			Use: "dump", Short: "Print the configuration in force, defaults and overrides included, secrets masked", Args: cobra.NoArgs,
			Example: "  ringfence config dump --set roles=[api,contactcap]",
			RunE: func(cmd *cobra.Command, _ []string) error {
				cfg, err := g.load()
				if err != nil {
					return err
				}
				return cfg.Dump(cmd.OutOrStdout())
			},
		},
	)
	return cmd
}
