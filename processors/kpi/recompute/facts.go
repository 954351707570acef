package recompute

import (
	"slices"
	"time"
)

// The facts as the oracle sees them: plain Go values.
type (
	call struct {
		id, direction, customer, lead, campaign, list, agent, team, partner, purpose string
		products, ordered, violations                                                []string
		started, ended                                                               time.Time
		answered, bridged, wrapped                                                   *time.Time
		prepared                                                                     *int64
		outcome, by, disposition, useless                                            string
		reached, completed, inboundLead                                              *bool
		version                                                                      uint64 // of those a test writes
		deleted                                                                      bool
		uri                                                                          string
		size, duration                                                               *int64
	}
	lead struct {
		id, campaign, list, useless string
		at                          time.Time
	}
	interval struct {
		agent, team, partner, campaign, state string
		start, end                            time.Time
		open                                  bool
	}
	schedule struct {
		agent, team, partner, kind string
		start, end                 time.Time
	}
	permit struct {
		request, decision, campaign, partner, purpose string
		products                                      []string
		at                                            time.Time
	}
	complaint struct {
		id, event, campaign, agent, team, partner string
		products                                  []string
		at                                        time.Time
		unattributed                              bool
		revision                                  uint64
	}
	recording struct {
		day                            time.Time
		agent, team, partner, campaign string
		seq                            uint32
		drawn                          []string
		at                             time.Time
	}
	review struct {
		id, agent, team, partner, campaign string
		sale, met, fatal                   bool
		score                              float64
		at                                 time.Time
		published                          *time.Time
		void                               bool
		calibration                        string
	}
	facts struct {
		calls      []call
		leads      []lead
		intervals  []interval
		schedules  []schedule
		permits    []permit
		complaints []complaint
		recordings []recording
		reviews    []review

		spoiled map[string]time.Time // lead -> the first outbound call that made it useless; nil = look at calls
	}
)

func (c *call) won() bool       { return len(c.ordered) > 0 || c.disposition == "agree" }
func (c *call) effective() bool { return c.reached != nil && *c.reached && c.disposition != "" }

// wonProducts are those ordered, by default all of the call when the customer agreed.
func (c *call) wonProducts() []string {
	if len(c.ordered) > 0 {
		return c.ordered
	}
	if c.disposition == "agree" {
		return c.products
	}
	return nil
}

func has(l []string, s string) bool { return slices.Contains(l, s) }

// spoils tells whether the call makes its lead useless.
func (c *call) spoils() bool {
	return c.direction != "inbound" && (c.useless != "" || c.outcome == "invalid_number")
}

func (f *facts) spoil(c *call) {
	if c.lead == "" || !c.spoils() {
		return
	}
	if was, ok := f.spoiled[c.lead]; !ok || c.started.Before(was) {
		f.spoiled[c.lead] = c.started
	}
}

// spoiledBefore tells whether an outbound call before the moment made the lead useless.
func (f *facts) spoiledBefore(lead string, before time.Time) bool {
	if f.spoiled == nil {
		f.spoiled = map[string]time.Time{}
		for i := range f.calls {
			f.spoil(&f.calls[i])
		}
	}
	at, ok := f.spoiled[lead]
	return ok && at.Before(before)
}
