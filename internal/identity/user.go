package identity

import (
	"fmt"
	"slices"
)

// Roles of a console user: those of the contract, and agent for whoever sees his own results only.
const (
	RoleQA         = "qa"         // hears and scores what the queue gives him
	RoleSupervisor = "supervisor" // leads a team (TeamID), or a floor without one: scores, decides appeals, reads figures
	RoleCompliance = "compliance" // reads everything, reveals numbers, decides appeals as support staff
	RoleAdmin      = "admin"      // everything
	RoleAgent      = "agent"      // his own results and appeals
	RoleIngest     = "ingest"
	RoleDialer     = "dialer"
)

// Roles lists what a user may be.
func Roles() []string {
	return []string{RoleQA, RoleSupervisor, RoleCompliance, RoleAdmin, RoleAgent, RoleIngest, RoleDialer}
}

// User is who is signed in.
type User struct {
	Name      string   `json:"name"` // what he signs in with; the rater's and the actor's name in events
	Display   string   `json:"display,omitempty"`
	Roles     []string `json:"roles"`
	PartnerID string   `json:"partner_id,omitempty"` // "" = not confined (REP-04)
	TeamID    string   `json:"team_id,omitempty"`
	AgentID   string   `json:"agent_id,omitempty"` // who he is in the calls, if he makes any
}

// Shown is the name to be shown.
func (u *User) Shown() string {
	if u.Display != "" {
		return u.Display
	}
	return u.Name
}

// Is tells whether the user has one of the roles; an admin has them all, but he is nobody's agent.
func (u *User) Is(roles ...string) bool {
	if u == nil {
		return false
	}
	for _, r := range roles {
		if slices.Contains(u.Roles, r) || r != RoleAgent && slices.Contains(u.Roles, RoleAdmin) {
			return true
		}
	}
	return false
}

// Check says what is wrong with a user.
func (u *User) Check() error {
	if u.Name == "" || len(u.Name) > 100 {
		return fmt.Errorf("name: 1 to 100 characters are needed")
	}
	for _, r := range u.Name {
		if r < 0x21 || r == 0x7f {
			return fmt.Errorf("name: %q has a space or a control character", u.Name)
		}
	}
	if len(u.Roles) == 0 {
		return fmt.Errorf("roles: at least one is needed of %v", Roles())
	}
	for _, r := range u.Roles {
		if !slices.Contains(Roles(), r) {
			return fmt.Errorf("roles: %q is not one of %v", r, Roles())
		}
	}
	if slices.Contains(u.Roles, RoleAgent) && u.AgentID == "" {
		return fmt.Errorf("agent_id: an agent needs the id he has in the calls")
	}
	return nil
}
