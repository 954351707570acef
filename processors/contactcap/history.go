package contactcap

// History is everything known of one customer that any rule of any policy can need. All times are Unix
// milliseconds. Slices are sorted by At, then by arrival.
type History struct {
	Calls      []CallEntry
	Permits    []PermitEntry // out: neither used nor released
	Changes    []Change
	Complaints []ComplaintEntry
}

// CallEntry is one call, in its merged form, as far as rules can ask about it.
type CallEntry struct {
	At         int64 // started_at
	CallID     string
	EventID    string // of its first version, as evidence
	Inbound    bool
	Answered   bool // answered_at is set
	Bridged    bool // bridged_at is set
	AnsweredBy string
	Outcome    string
	Purpose    string
	Campaign   string
	Products   []string
	Refused    []string // resolved: explicit, else all products when the disposition is refuse
	OptOut     bool
	NumberHash string
}

// PermitEntry is a permit that is out; it counts as the worst call it can become.
type PermitEntry struct {
	At         int64
	PermitID   string
	Purpose    string
	Campaign   string
	Products   []string
	NumberHash string
}

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
}

// ComplaintEntry is one complaint: it counts once, at its earliest event, unless it is rejected.
type ComplaintEntry struct {
	ID        string
	At        int64 // earliest event
	EventID   string
	Products  []string
	Campaign  string
	Rejected  bool  // the latest of upheld/rejected/reopened says so
	SeriousAt int64 // earliest event graded serious, 0 = none
	CallID    string
}
