package contactcap

import (
	"hash/fnv"
	"slices"
	"sort"

	"github.com/ringfence/ringfence/event"
)

// State is what is kept of one customer.
type State struct{ *event.CustomerState }

// Codec of a state.
type Codec struct{}

// Append encodes.
func (Codec) Append(dst []byte, s *State) ([]byte, error) {
	n := s.SizeVT()
	start := len(dst)
	dst = slices.Grow(dst, n)[:start+n]
	_, err := s.MarshalToSizedBufferVT(dst[start:])
	return dst, err
}

// Decode decodes; it keeps nothing of src.
func (Codec) Decode(src []byte) (*State, error) {
	s := &State{&event.CustomerState{}}
	return s, s.UnmarshalVT(src)
}

func hashID(id string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(id))
	return h.Sum64()
}

// once notes an event id and tells whether it is new.
func (s *State) once(id string) bool {
	h := hashID(id)
	if slices.Contains(s.Seen, h) {
		return false
	}
	s.Seen = append(s.Seen, h)
	return true
}

func (s *State) call(id string) *event.CallState {
	for _, c := range s.Calls {
		if c.Call.CallId == id {
			return c
		}
	}
	return nil
}

func (s *State) permit(id string) *event.PermitState {
	for _, p := range s.Permits {
		if p.PermitId == id {
			return p
		}
	}
	return nil
}

func (s *State) addCall(c *event.CallState) {
	i := sort.Search(len(s.Calls), func(i int) bool { return s.Calls[i].Call.StartedAt > c.Call.StartedAt })
	s.Calls = slices.Insert(s.Calls, i, c)
}

func (s *State) addChange(c *event.ChangeState) {
	i := sort.Search(len(s.Changes), func(i int) bool { return s.Changes[i].Change.At > c.Change.At })
	s.Changes = slices.Insert(s.Changes, i, c)
}

// history is the state as the decision sees it, without one call (nil = with all).
func (s *State) history(without *event.CallState) *History {
	h := &History{Calls: make([]CallEntry, 0, len(s.Calls)), Changes: make([]Change, 0, len(s.Changes))}
	for _, cs := range s.Calls {
		if cs == without {
			continue
		}
		c := cs.Call
		e := CallEntry{At: c.StartedAt, CallID: c.CallId, EventID: cs.EventId, Inbound: c.Direction == "inbound", Answered: c.AnsweredAt != 0,
			Bridged: c.BridgedAt != 0, AnsweredBy: c.AnsweredBy, Outcome: c.Outcome, Purpose: c.Purpose, Campaign: c.CampaignId, Products: c.Products,
			Refused: c.Refused, OptOut: c.GetOptOut(), NumberHash: c.NumberHash}
		if c.Disposition == "refuse" && c.FieldsSet&(1<<28) == 0 {
			e.Refused = c.Products
			if len(e.Refused) == 0 {
				e.Refused = []string{""} // a refusal of nothing in particular still is one of the customer's
			}
		}
		h.Calls = append(h.Calls, e)
	}
	for _, p := range s.Permits {
		if p.State == "" {
			h.Permits = append(h.Permits, PermitEntry{At: p.At, PermitID: p.PermitId, Purpose: p.Purpose, Campaign: p.CampaignId, Products: p.Products, NumberHash: p.NumberHash})
		}
	}
	for _, cs := range s.Changes {
		c := cs.Change
		h.Changes = append(h.Changes, Change{At: c.At, EventID: cs.EventId, Segment: c.Segment, Plan: c.Plan, Groups: c.Groups, GroupsSet: c.GroupsSet,
			TimeZone: c.TimeZone, Region: c.Region, Tariff: c.Tariff, Lists: c.Lists, Products: c.Products, ClearRefusals: c.ClearRefusals})
	}
	for _, cs := range s.Complaints {
		h.Complaints = append(h.Complaints, ComplaintEntry{ID: cs.Complaint.ComplaintId, At: cs.FirstAt, EventID: cs.FirstEventId, Products: cs.Complaint.Products,
			Campaign: cs.Complaint.CampaignId, Rejected: cs.Rejected, SeriousAt: cs.SeriousAt, CallID: cs.Complaint.CallId})
	}
	return h
}
