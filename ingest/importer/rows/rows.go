package rows

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"
)

// Kinds of objects, as in the path of the API that takes them.
const (
	Calls       = "calls"
	AgentStates = "agent-states"
)

// Pos is where a row stands in its file.
type Pos struct {
	Line       int   // from 1
	Start, End int64 // bytes; End is after the line's end
	Cut        bool  // the file ended without a line end
	Raw        string
}

// Row is one contract object.
type Row struct {
	Kind string
	JSON []byte
	// Fallback, when not nil, is sent if the number in JSON is refused: the same call under a customer of its own,
	// because a call that is counted for nobody else is better than one that is lost.
	Fallback []byte
}

// Item is what a reader yields: the rows of the file at Pos, and what came of them. No Rows and no Broken: skipped.
type Item struct {
	Pos    []Pos
	Rows   []Row
	Broken string // why the rows could not be read
	Safe   int64  // every row that ends here or before has been yielded, with this item
}

// Reader yields the items of one file, then io.EOF. An error means the file cannot be read on.
type Reader interface{ Read() (Item, error) }

// Call is the contract's call (CONTRACT.md section 2) as far as files know it.
type Call struct {
	EventID     string     `json:"event_id,omitempty"`
	CallID      string     `json:"call_id"`
	Direction   string     `json:"direction,omitempty"`
	CustomerID  string     `json:"customer_id,omitempty"`
	Number      string     `json:"number,omitempty"`
	CallerID    string     `json:"caller_id,omitempty"`
	Purpose     string     `json:"purpose,omitempty"`
	CampaignID  string     `json:"campaign_id,omitempty"`
	Products    []string   `json:"products,omitempty"`
	LeadID      string     `json:"lead_id,omitempty"`
	ListID      string     `json:"list_id,omitempty"`
	AgentID     string     `json:"agent_id,omitempty"`
	TeamID      string     `json:"team_id,omitempty"`
	PartnerID   string     `json:"partner_id,omitempty"`
	StartedAt   string     `json:"started_at,omitempty"`
	AnsweredAt  string     `json:"answered_at,omitempty"`
	BridgedAt   string     `json:"bridged_at,omitempty"`
	EndedAt     string     `json:"ended_at,omitempty"`
	UpdatedAt   string     `json:"updated_at,omitempty"`
	Outcome     string     `json:"outcome,omitempty"`
	AnsweredBy  string     `json:"answered_by,omitempty"`
	HangupBy    string     `json:"hangup_by,omitempty"`
	HangupCause int        `json:"hangup_cause,omitempty"`
	Recording   *Recording `json:"recording,omitempty"`
}

// Recording is the contract's recording.
type Recording struct {
	URI        string `json:"uri,omitempty"`
	SizeBytes  *int64 `json:"size_bytes,omitempty"`
	DurationMS *int64 `json:"duration_ms,omitempty"`
}

// AgentState is the contract's agent state.
type AgentState struct {
	EventID string `json:"event_id,omitempty"`
	AgentID string `json:"agent_id"`
	State   string `json:"state"`
	At      string `json:"at"`
	Reason  string `json:"reason,omitempty"`
	CallID  string `json:"call_id,omitempty"`
}

// Time prints a time as the contract wants it; the zero time is "".
func Time(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format("2006-01-02T15:04:05.000Z07:00")
}

// NewCall makes the row of a call. Its event id follows from its contents, so that sending it again changes nothing
// and a call that has grown is a new event. ownCustomer names the customer should the number be refused.
func NewCall(c Call, ownCustomer string) (Row, error) {
	j, err := identified(&c, &c.EventID)
	if err != nil {
		return Row{}, fmt.Errorf("encode call %s: %w", c.CallID, err)
	}
	r := Row{Kind: Calls, JSON: j}
	if c.Number != "" && ownCustomer != "" {
		c.Number, c.CustomerID, c.EventID = "", ownCustomer, ""
		if r.Fallback, err = identified(&c, &c.EventID); err != nil {
			return Row{}, fmt.Errorf("encode call %s: %w", c.CallID, err)
		}
	}
	return r, nil
}

// NewAgentState makes the row of a transition.
func NewAgentState(s AgentState) (Row, error) {
	j, err := json.Marshal(s)
	if err != nil {
		return Row{}, fmt.Errorf("encode state of %s: %w", s.AgentID, err)
	}
	return Row{Kind: AgentStates, JSON: j}, nil
}

func identified(v any, id *string) ([]byte, error) {
	*id = ""
	j, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(j)
	*id = "import-" + hex.EncodeToString(sum[:12])
	return json.Marshal(v)
}
