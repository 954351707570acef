package client

import "time"

// Time prints Unix milliseconds as the contract wants times: RFC 3339 with an offset and milliseconds; 0 is "".
func Time(ms int64) string {
	if ms == 0 {
		return ""
	}
	return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z07:00")
}

// Call is one call attempt, the object of POST /v1/calls.
type Call struct {
	EventID       string     `json:"event_id,omitempty"`
	CallID        string     `json:"call_id"`
	Direction     string     `json:"direction,omitempty"`
	CustomerID    string     `json:"customer_id,omitempty"`
	Number        string     `json:"number,omitempty"`
	CallerID      string     `json:"caller_id,omitempty"`
	PermitID      string     `json:"permit_id,omitempty"`
	Purpose       string     `json:"purpose"`
	CampaignID    string     `json:"campaign_id,omitempty"`
	Products      []string   `json:"products,omitempty"`
	ListID        string     `json:"list_id,omitempty"`
	LeadID        string     `json:"lead_id,omitempty"`
	AgentID       string     `json:"agent_id,omitempty"`
	TeamID        string     `json:"team_id,omitempty"`
	PartnerID     string     `json:"partner_id,omitempty"`
	DialerID      string     `json:"dialer_id,omitempty"`
	StartedAt     string     `json:"started_at"`
	AnsweredAt    string     `json:"answered_at,omitempty"`
	BridgedAt     string     `json:"bridged_at,omitempty"`
	EndedAt       string     `json:"ended_at"`
	WrappedUpAt   string     `json:"wrapped_up_at,omitempty"`
	PreparedMS    int64      `json:"prepared_ms,omitempty"`
	Outcome       string     `json:"outcome"`
	AnsweredBy    string     `json:"answered_by,omitempty"`
	HangupBy      string     `json:"hangup_by,omitempty"`
	HangupCause   int        `json:"hangup_cause,omitempty"`
	Disposition   string     `json:"disposition,omitempty"`
	Reached       *bool      `json:"reached,omitempty"`
	Completed     *bool      `json:"completed,omitempty"`
	OptOut        *bool      `json:"opt_out,omitempty"`
	Useless       string     `json:"useless,omitempty"`
	AppointmentAt string     `json:"appointment_at,omitempty"`
	Recording     *Recording `json:"recording,omitempty"`
}

// Recording is where a call's recording is and how large.
type Recording struct {
	URI        string `json:"uri,omitempty"`
	SizeBytes  int64  `json:"size_bytes,omitempty"`
	DurationMS int64  `json:"duration_ms,omitempty"`
}

// AgentState is one transition, the object of POST /v1/agent-states.
type AgentState struct {
	AgentID    string `json:"agent_id"`
	State      string `json:"state"`
	At         string `json:"at"`
	Reason     string `json:"reason,omitempty"`
	TeamID     string `json:"team_id,omitempty"`
	PartnerID  string `json:"partner_id,omitempty"`
	CampaignID string `json:"campaign_id,omitempty"`
	CallID     string `json:"call_id,omitempty"`
}
