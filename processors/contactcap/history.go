package contactcap

// History is everything known of one customer that any rule of any policy can need. All times are Unix
// milliseconds. Slices are sorted by At, then by arrival.
type History struct {
	Calls      []CallEntry
	Permits    []PermitEntry // those that are over are there too, and count for nothing
	Changes    []Change
	Complaints []ComplaintEntry
	Since      int64 // calls before this moment may be forgotten; 0 = none is
}

// empty tells whether nothing is known of the customer, and nothing was that is forgotten.
func (h *History) empty() bool {
	return len(h.Calls)+len(h.Permits)+len(h.Changes)+len(h.Complaints) == 0 && h.Since == 0
}

// CallEntry is one call, in its merged form, as far as rules can ask about it.
type CallEntry struct {
	At         int64  // started_at
	CallID     string // these two are evidence: filled in for whoever asks for it, not kept with the history
	EventID    string // of its first version
	Inbound    bool
	Answered   bool // answered_at is set
	Bridged    bool // bridged_at is set
	OptOut     bool
	ByNumber   bool // it was sent under its number alone
	AnsweredBy string
	Outcome    string
	Purpose    string
	Campaign   string
	Products   []string
	Refused    []string // resolved: explicit, else all products when the disposition is refuse
	NumberHash string

	Tag    uint16   // of the call's id: where the whole call is
	Events []uint16 // of the ids of its events, but for those that name the call; the whole call knows them in full
}

// PermitEntry is a permit. One that is out (neither used nor released) counts as the worst call it can become.
type PermitEntry struct {
	At         int64
	PermitID   string // filled in for evidence
	Purpose    string
	Campaign   string
	Products   []string
	NumberHash string

	Over      permitState
	Orphaned  bool
	ByNumber  bool
	ExpiresAt int64
	DecidedAt int64 // stream time
	RequestID string
	Owner     string // customer it was given for, if that is another key than this one
	Sum       uint64 // with the owner it makes the id
	CallHash  uint64 // of the call that used it

	Policy, Partner, Dialer, Zone string // as decided, for the same answer to the same request
}

type permitState byte

const (
	permitOut permitState = iota
	permitUsed
	permitReleased
)

// Change is one customer change; nil or empty = unchanged.
type Change struct {
	At            int64
	EventID       string
	Segment       *string
	Plan          *string
	Groups        []string
	GroupsSet     bool
	TimeZone      *string
	Region        *string
	Tariff        *string
	Lists         map[string]bool
	Products      map[string]string // active | cancelled
	ClearRefusals []string
	By, Note      string // who cleared refusals, and why
}

// ComplaintEntry is one complaint: it counts once, at its earliest event, unless it is rejected.
type ComplaintEntry struct {
	ID         string
	At         int64 // earliest event
	EventID    string
	Products   []string
	Campaign   string
	Rejected   bool    // the latest of upheld/rejected/reopened says so
	Serious    []int64 // when it was graded serious, ascending
	CallID     string
	NumberHash string
}
