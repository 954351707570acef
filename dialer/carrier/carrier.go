package carrier

// Attempt is one call to place. Number is E.164 in the clear: the carrier is one of the two places that may see it.
type Attempt struct {
	ID         string
	CampaignID string
	LeadID     string
	CustomerID string
	Number     string
	CallerID   string
}

// Kind of an event on the line.
type Kind int

const (
	Answered Kind = iota + 1 // somebody or something took the call
	Ended                    // the line is free again
)

// Event is what happened to an attempt at a moment (Unix milliseconds).
type Event struct {
	AttemptID string
	At        int64
	Kind      Kind
	By        string // Answered: human, machine, fax, unknown
	Outcome   string // Ended without an answer: no_answer, busy, rejected, ...
	Cause     int    // Ended: Q.850
	HangupBy  string // Ended: customer, agent, system
	Result    *Result
}

// Result is what the agent wrote down; a PBX leaves it nil and the agent's desktop supplies it.
type Result struct {
	Disposition string
	Reached     bool
	Completed   bool
	OptOut      bool
	Useless     string
	WrapUpMS    int64
}

// Carrier places calls. It is used from one goroutine. Times never go back from call to call.
type Carrier interface {
	// Dial starts an attempt. An error means nothing was placed and the permit can be given back.
	Dial(now int64, a Attempt) error
	// Bridge puts an agent on an answered line.
	Bridge(now int64, attemptID, agentID string) error
	// Hangup ends an attempt; its Ended event follows.
	Hangup(now int64, attemptID string) error
	// Poll returns what has happened up to now, in order.
	Poll(now int64) []Event
	// Next says when something will happen; ok is false where that cannot be known (a PBX).
	Next() (at int64, ok bool)
}
