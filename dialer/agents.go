package dialer

import "github.com/ringfence/ringfence/client"

// State of an agent, in the contract's words.
type State string

const (
	LoggedOut State = "logged_out"
	Available State = "available"
	Talking   State = "talking"
	WrapUp    State = "wrap_up"
	Break     State = "break"
	Meal      State = "meal"
	Training  State = "training"
)

// Agent is one seat.
type Agent struct {
	ID        string
	TeamID    string
	PartnerID string
	State     State

	since int64
	until int64 // when the wrap-up ends
	next  State // state wanted as soon as the agent is free; "" = none
	call  *client.Call
	lead  *Lead
}

// SetState asks for a state: at once when the agent is free or away, after the call otherwise.
func (e *Engine) SetState(campaign, agent string, s State, now int64) {
	r := e.byID[campaign]
	if r == nil {
		return
	}
	for _, a := range r.agents {
		if a.ID != agent {
			continue
		}
		if a.State == Talking || a.State == WrapUp {
			a.next = s
			return
		}
		e.turn(r, a, s, now, "")
	}
}

// Observe takes note of a state that somebody else has reported already, such as the agent's desktop: it is not reported
// again. One that is not newer than what the engine knows is an echo of its own. During a call and the wrap-up the state
// is taken afterwards.
func (e *Engine) Observe(campaign, agent string, s State, at int64) {
	r := e.byID[campaign]
	if r == nil {
		return
	}
	for _, a := range r.agents {
		switch {
		case a.ID != agent || at <= a.since:
		case a.State == Talking || a.State == WrapUp:
			a.next = s
		default:
			a.State, a.since = s, at
		}
	}
}

func (e *Engine) turn(r *campaignRun, a *Agent, s State, now int64, callID string) {
	if a.State == s {
		return
	}
	a.State, a.since = s, now
	e.out.States = append(e.out.States, client.AgentState{
		AgentID: a.ID, State: string(s), At: client.Time(now), TeamID: a.TeamID, PartnerID: a.PartnerID, CampaignID: r.ID, CallID: callID,
	})
}

// agentsDue ends the wrap-ups that are over: the call is complete now and is reported.
func (e *Engine) agentsDue(r *campaignRun, now int64) {
	for _, a := range r.agents {
		if a.until == 0 || a.until > now {
			continue
		}
		at := a.until
		a.until = 0
		a.call.WrappedUpAt = client.Time(at)
		e.out.Calls = append(e.out.Calls, *a.call)
		r.leads.called(a.lead, at, a.call.Outcome, a.call.AnsweredBy, a.call.Disposition)
		a.call, a.lead = nil, nil
		s := Available
		if a.next != "" {
			s, a.next = a.next, ""
		}
		e.turn(r, a, s, at, "")
	}
}
