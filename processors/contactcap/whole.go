package contactcap

import (
	"slices"
	"strings"

	"github.com/ringfence/ringfence/event"
)

// wholes are the customer's whole calls with a tag.
func (t *turn) wholes(tag uint16) ([]*event.CallState, error) {
	s, ok, err := t.c.Get(wholeKey(t.key, tag))
	if err != nil || !ok {
		return nil, err
	}
	return s.Whole, nil
}

func (t *turn) putWholes(tag uint16, list []*event.CallState) error {
	if len(list) == 0 {
		return t.c.Delete(wholeKey(t.key, tag))
	}
	return t.c.Put(wholeKey(t.key, tag), &State{Whole: list})
}

// whole is the customer's call with an id, nil if there is none.
func (t *turn) whole(callID string) (*event.CallState, error) {
	tag := tagOf(hashID(callID))
	if !t.s.knows(tag) {
		return nil, nil
	}
	list, err := t.wholes(tag)
	if err != nil {
		return nil, err
	}
	for _, cs := range list {
		if cs.Call.CallId == callID {
			return cs, nil
		}
	}
	return nil, nil
}

// wholeOf is the call of an entry, nil if it is gone. Of entries that are alike any will do.
func (t *turn) wholeOf(e *CallEntry) (*event.CallState, error) {
	list, err := t.wholes(e.Tag)
	if err != nil {
		return nil, err
	}
	for _, cs := range list {
		if cs.Call.StartedAt == e.At {
			return cs, nil
		}
	}
	return nil, nil
}

// keep puts a call beside the history, in the place of its earlier version. Known says whether the history had a call
// with its tag before: if not, there is nothing to look for.
func (t *turn) keep(cs *event.CallState, known bool) error {
	tag := tagOf(hashID(cs.Call.CallId))
	var list []*event.CallState
	if known {
		var err error
		if list, err = t.wholes(tag); err != nil {
			return err
		}
	}
	i := slices.IndexFunc(list, func(x *event.CallState) bool { return x.Call.CallId == cs.Call.CallId })
	if i < 0 {
		list = append(list, cs)
	} else {
		list[i] = cs
	}
	return t.putWholes(tag, list)
}

// naturalID takes apart the id of an event that came without one: such an id names its call, so that no tag is needed to
// find where it was seen.
func naturalID(id string) (callID string, ok bool) {
	rest, ok := strings.CutPrefix(id, "call:")
	i := strings.LastIndexByte(rest, ':')
	if !ok || i < 0 {
		return "", false
	}
	return rest[:i], true
}

// saw notes the id of one of the call's events.
func saw(cs *event.CallState, id string) {
	if callID, ok := naturalID(id); ok && callID == cs.Call.CallId {
		cs.SeenNatural = append(cs.SeenNatural, hashID(id))
	} else {
		cs.Seen = append(cs.Seen, hashID(id))
	}
}

// seenCall tells whether an event with an id was counted before. Tags say where to look; the whole calls know the ids.
func (t *turn) seenCall(id string) (bool, error) {
	h := hashID(id)
	if slices.Contains(t.s.Seen, h) {
		return true, nil
	}
	if callID, ok := naturalID(id); ok {
		cs, err := t.whole(callID)
		if err != nil || slices.Contains(cs.GetSeenNatural(), h) {
			return err == nil, err
		}
	}
	tag := tagOf(h)
	for i := range t.s.Calls {
		c := &t.s.Calls[i]
		if !slices.Contains(c.Events, tag) {
			continue
		}
		list, err := t.wholes(c.Tag)
		if err != nil {
			return false, err
		}
		for _, cs := range list {
			if slices.Contains(cs.Seen, h) {
				return true, nil
			}
		}
	}
	for _, b := range t.s.WaitingUpdates {
		var w event.CustomerEvent
		if err := w.UnmarshalVT(b); err != nil {
			return false, err
		}
		if w.EventId == id {
			return true, nil
		}
	}
	return false, nil
}

// evidence fills in the ids that the history itself does not keep.
func (t *turn) evidence() (*History, error) {
	h := t.s.history()
	h.Calls, h.Permits = slices.Clone(h.Calls), slices.Clone(h.Permits)
	for i := range h.Permits {
		h.Permits[i].PermitID = h.Permits[i].id(t.key)
	}
	inOrder(h.Permits, func(p PermitEntry) int64 { return p.At })
	used := map[string]bool{} // calls of one instant and one tag each lend their ids once
	for i := range h.Calls {
		c := &h.Calls[i]
		list, err := t.wholes(c.Tag)
		if err != nil {
			return nil, err
		}
		for _, cs := range list {
			if cs.Call.StartedAt == c.At && !used[cs.Call.CallId] {
				used[cs.Call.CallId] = true
				c.CallID, c.EventID = cs.Call.CallId, cs.EventId
				break
			}
		}
	}
	return h, nil
}

// ofPartner tells of evidence whether it is a partner's: his calls and permits, and complaints that name him or his calls. A
// customer's change is nobody's.
func (t *turn) ofPartner(partner string) (func(*EvidenceJSON) bool, error) {
	calls, permits, complaints := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for i := range t.s.Calls {
		list, err := t.wholes(t.s.Calls[i].Tag)
		if err != nil {
			return nil, err
		}
		for _, cs := range list {
			calls[cs.Call.CallId] = cs.Call.PartnerId == partner
		}
	}
	for i := range t.s.Permits {
		permits[t.s.Permits[i].id(t.key)] = t.s.Permits[i].Partner == partner
	}
	for _, cs := range t.s.Complaints {
		c := cs.Complaint
		complaints[cs.FirstEventId] = c.PartnerId == partner || c.PartnerId == "" && calls[c.CallId]
	}
	return func(e *EvidenceJSON) bool {
		switch e.What {
		case ACall.String():
			return calls[e.CallID]
		case APermit.String():
			return permits[e.EventID]
		case AComplaint.String():
			return complaints[e.EventID]
		}
		return true
	}, nil
}
