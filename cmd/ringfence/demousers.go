package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/ringfence/ringfence/internal/identity"
)

// demoUsers are one of each kind that the console is for.
func demoUsers() []identity.User {
	return []identity.User{
		{Name: "li.wei", Display: "Li Wei", Roles: []string{identity.RoleQA}},
		{Name: "zhang.min", Display: "Zhang Min", Roles: []string{identity.RoleQA}},
		{Name: "chen.jie", Display: "Chen Jie", Roles: []string{identity.RoleSupervisor}, TeamID: "team-1"},
		{Name: "wang.fang", Display: "Wang Fang", Roles: []string{identity.RoleSupervisor}, TeamID: "team-2"},
		{Name: "blue.lead", Display: "Blue Lead", Roles: []string{identity.RoleSupervisor}, PartnerID: "partner-blue"},
		{Name: "he.ping", Display: "He Ping", Roles: []string{identity.RoleCompliance}},
		{Name: "agent-01", Display: "Agent 01", Roles: []string{identity.RoleAgent}, AgentID: "agent-01", TeamID: "team-1"},
		{Name: "admin", Display: "Administrator", Roles: []string{identity.RoleAdmin}},
	}
}

// makeDemoUsers writes the demo's users on the first run, all with one password nobody knew before; on later runs they
// stay as they are. It returns the file of users and their password.
func makeDemoUsers(dir string) (file, password string, err error) {
	file, note := filepath.Join(dir, "users.yaml"), filepath.Join(dir, "users.password")
	b, err := os.ReadFile(note)
	if errors.Is(err, fs.ErrNotExist) {
		b = []byte(newPassword() + "\n")
		for _, u := range demoUsers() {
			if err := identity.PutUser(file, u, strings.TrimSpace(string(b))); err != nil {
				return "", "", fmt.Errorf("make the demo's users: %w", err)
			}
		}
		err = os.WriteFile(note, b, 0o600) // last: with it the users are complete
	}
	if err != nil {
		return "", "", fmt.Errorf("make the demo's users: %w", err)
	}
	return file, strings.TrimSpace(string(b)), nil
}

func printDemoUsers(out io.Writer, password string) {
	_, _ = fmt.Fprintf(out, "Users of the console, all with the password %s:\n", password)
	for _, u := range demoUsers() {
		_, _ = fmt.Fprintf(out, "  %-10s %s%s\n", u.Name, strings.Join(u.Roles, ", "), place(u))
	}
}

func place(u identity.User) string {
	switch {
	case u.PartnerID != "":
		return ", of " + u.PartnerID
	case u.AgentID == "" && u.TeamID != "":
		return ", of " + u.TeamID
	}
	return ""
}
