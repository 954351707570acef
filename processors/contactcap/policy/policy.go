package policy

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Policy is a read and checked policy.
type Policy struct {
	Name    string
	Version int
	Zone    *time.Location // of customers who have none
	Rules   []*Rule        // enabled ones, in order

	zones sync.Map // name -> *time.Location: reading one takes longer than a decision
	ref   atomic.Pointer[string]
}

// Location is the time zone of a customer; of one who has none, or one that is not known here, the policy's.
func (p *Policy) Location(name string) *time.Location {
	if name == "" {
		return p.Zone
	}
	if z, ok := p.zones.Load(name); ok {
		return z.(*time.Location)
	}
	name = strings.Clone(name) // it is kept, and may be part of a history that is over soon
	z, err := time.LoadLocation(name)
	if err != nil {
		z = p.Zone
	}
	p.zones.Store(name, z)
	return z
}

// Ref names the policy and its version, as written on every decision.
func (p *Policy) Ref() string {
	if r := p.ref.Load(); r != nil {
		return *r
	}
	r := fmt.Sprintf("%s@%d", p.Name, p.Version)
	p.ref.Store(&r)
	return r
}

// Kind of a rule.
type Kind int

const (
	Limit Kind = iota + 1
	Gap
	NeverAfter
	Hours
	List
	Require
)

// Rule is one rule; which fields are set depends on Kind.
type Rule struct {
	ID   string
	Name string
	Kind Kind
	When When
	Per  Per

	N     int    // Limit, NeverAfter
	Event Filter // Limit: count; Gap: since; NeverAfter: of
	In    Window // Limit
	Gap   Span   // Gap

	Hours    []Open // Hours
	Holidays map[int64]bool

	List string // List

	Plan       []string // Require; "any" = any plan
	NeedPlan   bool
	Recording  bool
	OnList     string
	CallerIDs  []string
	NeedCaller bool
}

// When says which requests a rule concerns; an empty list concerns all.
type When struct {
	Segment, Purpose, Campaign, Group, Plan, Tariff, Partner, Region, Product []string
	GuaranteedAgent                                                           *bool
}

// Per says what is counted together.
type Per int

const (
	PerCustomer Per = iota
	PerProduct
	PerCampaign
	PerNumber
)

// Window is the stretch of time a limit counts in.
type Window struct {
	Rolling  Span
	Calendar string // day, week, month, year; "" = rolling
}

// Span is a duration: calendar months, or milliseconds.
type Span struct {
	Months int
	MS     int64
	Text   string
}

// EventKind is what can be counted or waited for.
type EventKind int

const (
	Call EventKind = iota + 1
	Refusal
	Cancellation
	Complaint
)

// Filter picks events.
type Filter struct {
	Event                                                EventKind
	Direction, Purpose, AnsweredBy, Outcome, CampaignIDs []string
	Answered                                             *bool
	Bridged                                              bool // conversation
	AnyDirection                                         bool
	Text                                                 string
}

// Open is one span of the week, in milliseconds of the local day.
type Open struct {
	Days     [7]bool // Sunday first, as time.Weekday
	From, To int64
}
