package console

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ringfence/ringfence/internal/identity"
)

// callFacts are what a rater sees beside the recording: the call, and what the caps knew of its customer.
type callFacts struct {
	CallID, Direction, Campaign, Purpose, Agent, Team, Partner string
	NumberMasked, Outcome, AnsweredBy, HangupBy, Disposition   string
	Products, Ordered, Refused, Violations                     []string
	CapVerdict, Policy, LeadID                                 string
	AttemptNo                                                  uint32
	Started                                                    time.Time
	TalkMS                                                     int64
	History                                                    []pastCall // of the same customer, newest first
	InYear                                                     uint64     // outbound calls in the 12 months up to this one
}

// pastCall is one call of the customer's history.
type pastCall struct {
	At                                      time.Time
	Campaign, Purpose, Outcome, Disposition string
	Violations                              []string
	This                                    bool
}

// mostHistory is how many calls of a customer are shown.
const mostHistory = 20

// callFacts reads a call; nil where there is none in ClickHouse yet.
func (c *console) callFacts(ctx context.Context, callID string) (*callFacts, error) {
	f := &callFacts{}
	var customer string
	err := c.opt.QA.Conn.QueryRow(ctx, `SELECT call_id, direction, campaign_id, purpose, agent_id, team_id, partner_id, number_masked, outcome, answered_by, hangup_by, disposition, products, ordered, refused,
		violations, cap_verdict, policy, lead_id, attempt_no, started_at, if(isNull(bridged_at), 0, dateDiff('millisecond', assumeNotNull(bridged_at), ended_at)), customer_hash
		FROM calls FINAL WHERE call_id = ?`, callID).
		Scan(&f.CallID, &f.Direction, &f.Campaign, &f.Purpose, &f.Agent, &f.Team, &f.Partner, &f.NumberMasked, &f.Outcome, &f.AnsweredBy, &f.HangupBy, &f.Disposition, &f.Products, &f.Ordered, &f.Refused,
			&f.Violations, &f.CapVerdict, &f.Policy, &f.LeadID, &f.AttemptNo, &f.Started, &f.TalkMS, &customer)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the call: %w", err)
	}
	rows, err := c.opt.QA.Conn.Query(ctx, `SELECT call_id = ?, started_at, campaign_id, purpose, outcome, disposition, violations, count() OVER ()
		FROM calls FINAL WHERE customer_hash = ? AND direction = 'outbound' AND started_at <= fromUnixTimestamp64Milli(?) AND started_at > fromUnixTimestamp64Milli(?) ORDER BY started_at DESC LIMIT ?`,
		callID, customer, f.Started.UnixMilli(), f.Started.AddDate(-1, 0, 0).UnixMilli(), mostHistory)
	if err != nil {
		return nil, fmt.Errorf("read the customer's history: %w", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var p pastCall
		var this uint8
		if err := rows.Scan(&this, &p.At, &p.Campaign, &p.Purpose, &p.Outcome, &p.Disposition, &p.Violations, &f.InYear); err != nil {
			return nil, fmt.Errorf("read the customer's history: %w", err)
		}
		p.This = this == 1
		f.History = append(f.History, p)
	}
	return f, rows.Err()
}

// confined is the condition under which a user sees rows that have an agent, a team and a partner.
func confined(u *identity.User) (string, []any) {
	cond, args := []string{"1"}, []any{}
	if u.PartnerID != "" {
		cond, args = append(cond, "partner_id = ?"), append(args, u.PartnerID)
	}
	if u.TeamID != "" && u.Is(identity.RoleSupervisor) && !u.Is(identity.RoleCompliance) {
		cond, args = append(cond, "team_id = ?"), append(args, u.TeamID)
	}
	return strings.Join(cond, " AND "), args
}

// collect reads rows into a list.
func collect[T any](ctx context.Context, c *console, what string, scan func(func(...any) error, *T) error, query string, args ...any) ([]T, error) {
	rows, err := c.opt.QA.Conn.Query(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", what, err)
	}
	defer func() { _ = rows.Close() }()
	var out []T
	for rows.Next() {
		var x T
		if err := scan(rows.Scan, &x); err != nil {
			return nil, fmt.Errorf("read %s: %w", what, err)
		}
		out = append(out, x)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read %s: %w", what, err)
	}
	return out, nil
}
