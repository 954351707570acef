package main

import (
	"bufio"
	"crypto/rand"
	"encoding/base32"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/ringfence/ringfence/internal/identity"
)

func userCommand(g *globals) *cobra.Command {
	cmd := &cobra.Command{Use: "user", Short: "Local users of the console"}
	var u identity.User
	var file string
	add := &cobra.Command{
		Use:   "add NAME",
		Short: "Add a local user, or give him another password or other roles",
		Long: `Add a user to the file of users (console.users_file, or --file), or replace the one of that name. The password is
asked for, or read from standard input; only its argon2id hash is kept. A running ringfence sees the change within
seconds, and the user's sessions end.

Roles: qa, supervisor, compliance, admin, agent, ingest, dialer.`,
		Example: `  ringfence user add li.wei --role qa --file users.yaml
  ringfence user add chen.jie --role supervisor --team team-2 --config ringfence.yaml
  echo "$PASSWORD" | ringfence user add agent-07 --role agent --agent agent-07 --file users.yaml`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if file == "" {
				cfg, err := g.load()
				if err != nil {
					return err
				}
				if file = cfg.Console.UsersFile; file == "" {
					return &exit{2, errors.New("which file? give --file, or console.users_file in the configuration")}
				}
			}
			u.Name = args[0]
			if err := u.Check(); err != nil {
				return &exit{2, err}
			}
			password, err := readPassword(cmd)
			if err != nil {
				return &exit{2, err}
			}
			if err := identity.PutUser(file, u, password); err != nil {
				return &exit{2, err}
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s is in %s\n", u.Name, file)
			return err
		},
	}
	f := add.Flags()
	f.StringVar(&file, "file", "", "the file of users")
	f.StringSliceVar(&u.Roles, "role", nil, "a role he has (repeatable)")
	f.StringVar(&u.Display, "display", "", "name to be shown")
	f.StringVar(&u.PartnerID, "partner", "", "the partner he is confined to")
	f.StringVar(&u.TeamID, "team", "", "the team he leads or belongs to")
	f.StringVar(&u.AgentID, "agent", "", "the agent he is in the calls")
	cmd.AddCommand(add)
	return cmd
}

func readPassword(cmd *cobra.Command) (string, error) {
	if in, ok := cmd.InOrStdin().(*os.File); ok && terminal(in) {
		_, _ = fmt.Fprint(cmd.ErrOrStderr(), "Password: ")
		b, err := term.ReadPassword(int(in.Fd()))
		_, _ = fmt.Fprintln(cmd.ErrOrStderr())
		return string(b), err
	}
	line, err := bufio.NewReader(cmd.InOrStdin()).ReadString('\n')
	if line = strings.TrimRight(line, "\r\n"); line == "" {
		return "", fmt.Errorf("no password came on standard input: %w", err)
	}
	return line, nil
}

// newPassword is one nobody has used before: 16 letters and digits, 80 bits.
func newPassword() string {
	b := make([]byte, 10)
	_, _ = rand.Read(b)
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(b))
}
