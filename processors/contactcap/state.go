package contactcap

import (
	"cmp"
	"encoding/binary"
	"hash/fnv"
	"slices"
	"sort"

	"github.com/ringfence/ringfence/event"
)

// State is what is kept under one key. Under a customer's key it is his history; under a key made by wholeKey it is
// calls as they came, which are looked up for an update, for evidence or for a complaint, and never for a decision.
type State struct {
	Calls   []CallEntry // by At, then arrival
	Permits []PermitEntry
	Changes []Change // by At, then arrival
	Answers []Answer // denials of the last 24 h; permits answer for themselves
	Seen    []uint64 // hashes of the ids of events that are no calls

	Since     int64 // calls before this moment may be forgotten; 0 = none is
	Forgotten int   // outbound calls forgotten so far
	Retry     int64 // not before then another attempt to forget

	Rare

	Whole []*event.CallState // only under wholeKey

	origin origin
}

// Rare is what few customers have.
type Rare struct {
	Complaints     []*event.ComplaintState
	WaitingUpdates [][]byte           // CustomerEvents of calls that have not come
	Owners         []*event.Ownership // of the number, when this is one's register
	Claims         []*event.Claim     // history on its way here
	Deferred       [][]byte           // CustomerEvents that wait for it
	MergedInto     string             // customer who this one turned out to be: all that comes goes there
	Absorbed       []string           // customers who turned out to be this one
}

func (x *Rare) empty() bool {
	return len(x.Complaints)+len(x.WaitingUpdates)+len(x.Owners)+len(x.Claims)+len(x.Deferred)+len(x.MergedInto)+len(x.Absorbed) == 0
}

func (x *Rare) message() *event.CustomerState {
	return &event.CustomerState{Complaints: x.Complaints, WaitingUpdates: x.WaitingUpdates, Owners: x.Owners, Claims: x.Claims, Deferred: x.Deferred,
		MergedInto: x.MergedInto, Absorbed: x.Absorbed}
}

func rareOf(m *event.CustomerState) Rare {
	return Rare{Complaints: m.Complaints, WaitingUpdates: m.WaitingUpdates, Owners: m.Owners, Claims: m.Claims, Deferred: m.Deferred, MergedInto: m.MergedInto, Absorbed: m.Absorbed}
}

// Answer is a denial as it was given, for the same answer to the same request.
type Answer struct {
	At, DecidedAt                             int64
	RequestID, Purpose, Campaign              string
	NumberHash, Policy, Partner, Dialer, Zone string
	Products                                  []string
	Next                                      int64 // next_allowed_at, 0 = never
	Denials                                   []AnsweredDenial
}

// AnsweredDenial is one rule of it.
type AnsweredDenial struct {
	Rule        string
	Counted     bool
	Used, Limit int64
	Next        int64
	Detail      string
}

func hashID(id string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(id))
	return h.Sum64()
}

// tagOf is the part of a hash that the history keeps; the whole calls tell those apart that share one.
func tagOf(hash uint64) uint16 { return uint16(hash ^ hash>>32) }

// wholeKey is where the whole calls of a customer with a tag are. No id holds a NUL.
func wholeKey(key string, tag uint16) string {
	b := make([]byte, 0, len(key)+3)
	return string(binary.LittleEndian.AppendUint16(append(append(b, key...), 0), tag))
}

// once notes the id of an event that is no call, and tells whether it is new.
func (s *State) once(id string) bool {
	h := hashID(id)
	if slices.Contains(s.Seen, h) {
		return false
	}
	s.Seen = append(s.Seen, h)
	return true
}

// knows tells whether there is a call with a tag.
func (s *State) knows(tag uint16) bool {
	return slices.ContainsFunc(s.Calls, func(c CallEntry) bool { return c.Tag == tag })
}

// permit finds a permit by its id; key is the customer's.
func (s *State) permit(key, id string) *PermitEntry {
	customer, sum, ok := event.PermitParts(id)
	if !ok {
		return nil
	}
	for i := range s.Permits {
		p := &s.Permits[i]
		if p.Sum == sum && (p.Owner == customer || p.Owner == "" && key == customer) {
			return p
		}
	}
	return nil
}

// id of the permit; key is the customer's.
func (p *PermitEntry) id(key string) string {
	if p.Owner != "" {
		key = p.Owner
	}
	return event.PermitIDOf(key, p.Sum)
}

func (s *State) addCall(c CallEntry) {
	i := sort.Search(len(s.Calls), func(i int) bool { return s.Calls[i].At > c.At })
	s.Calls = slices.Insert(s.Calls, i, c)
}

// replace puts a call's new entry in the place of its old one. Entries that are alike in all stand for each other.
func (s *State) replace(was, is CallEntry) {
	i := slices.IndexFunc(s.Calls, func(c CallEntry) bool {
		return c.At == was.At && c.Tag == was.Tag && sameShape(&c, &was) && slices.Equal(c.Events, was.Events)
	})
	if i < 0 {
		s.addCall(is)
		return
	}
	s.Calls[i] = is
	slices.SortStableFunc(s.Calls, func(a, b CallEntry) int { return cmp.Compare(a.At, b.At) })
}

func (s *State) addChange(c Change) {
	i := sort.Search(len(s.Changes), func(i int) bool { return s.Changes[i].At > c.At })
	s.Changes = slices.Insert(s.Changes, i, c)
}

// entryOf is a call as rules see it.
func entryOf(cs *event.CallState) CallEntry {
	c := cs.Call
	e := CallEntry{At: c.StartedAt, Inbound: c.Direction == "inbound", Answered: c.AnsweredAt != 0, Bridged: c.BridgedAt != 0, OptOut: c.GetOptOut(), ByNumber: cs.ByNumber,
		AnsweredBy: c.AnsweredBy, Outcome: c.Outcome, Purpose: c.Purpose, Campaign: c.CampaignId, Products: c.Products, Refused: c.Refused, NumberHash: c.NumberHash,
		Tag: tagOf(hashID(c.CallId))}
	if c.Disposition == "refuse" && c.FieldsSet&(1<<28) == 0 {
		e.Refused = c.Products
		if len(e.Refused) == 0 {
			e.Refused = []string{""} // a refusal of nothing in particular still is one of the customer's
		}
	}
	for _, h := range cs.Seen {
		e.Events = append(e.Events, tagOf(h))
	}
	return e
}

func changeOf(c *event.CustomerUpdate, eventID string) Change {
	out := Change{At: c.At, EventID: eventID, Segment: c.Segment, Plan: c.Plan, Groups: c.Groups, GroupsSet: c.GroupsSet, TimeZone: c.TimeZone, Region: c.Region,
		Tariff: c.Tariff, Lists: c.Lists, Products: c.Products, ClearRefusals: c.ClearRefusals}
	if len(c.ClearRefusals) > 0 {
		out.By, out.Note = c.By, c.Note
	}
	return out
}

// history is the state as the decision sees it. It shares the state's memory.
func (s *State) history() *History {
	h := &History{}
	s.fill(h)
	return h
}

// fill makes h the state's history.
func (s *State) fill(h *History) {
	*h = History{Calls: s.Calls, Permits: s.Permits, Changes: s.Changes, Since: s.Since}
	for _, cs := range s.Complaints {
		h.Complaints = append(h.Complaints, ComplaintEntry{ID: cs.Complaint.ComplaintId, At: cs.FirstAt, EventID: cs.FirstEventId, Products: cs.Complaint.Products,
			Campaign: cs.Complaint.CampaignId, Rejected: cs.Rejected, Serious: seriousTimes(cs), CallID: cs.Complaint.CallId, NumberHash: cs.NumberHash})
	}
	inOrder(h.Complaints, func(c ComplaintEntry) int64 { return c.At })
}

// inOrder sorts by time what came in another order; it seldom did.
func inOrder[T any](list []T, at func(T) int64) {
	by := func(a, b T) int { return cmp.Compare(at(a), at(b)) }
	if !slices.IsSortedFunc(list, by) {
		slices.SortStableFunc(list, by)
	}
}
