package agenttime

import (
	"time"

	"github.com/ringfence/ringfence/event"
)

// Intervals of an agent's transitions, which are sorted and one an instant. Time logged out is no interval.
func Intervals(transitions []*event.AgentState, timeout time.Duration, zone *time.Location) []*event.AgentInterval {
	var out []*event.AgentInterval
	for i, t := range transitions {
		if t.State == "logged_out" {
			continue
		}
		end, open, timedOut := t.At+timeout.Milliseconds(), true, false
		if i+1 < len(transitions) {
			open = false
			if next := transitions[i+1].At; next <= end {
				end = next
			} else {
				timedOut = true
			}
		}
		for start := t.At; start < end; {
			cut := min(end, nextMidnight(start, zone))
			out = append(out, &event.AgentInterval{AgentId: t.AgentId, State: t.State, StartAt: start, EndAt: cut, Reason: t.Reason, TeamId: t.TeamId,
				PartnerId: t.PartnerId, CampaignId: t.CampaignId, CallId: t.CallId, Open: open, TimedOut: timedOut})
			start = cut
		}
	}
	return out
}

// nextMidnight is the first moment of the next local date.
func nextMidnight(ms int64, zone *time.Location) int64 {
	t := time.UnixMilli(ms).In(zone)
	y, m, d := t.Date()
	next := time.Date(y, m, d+1, 0, 0, 0, 0, zone)
	for !next.After(t) { // a midnight that was skipped or repeated
		next = next.Add(time.Hour)
	}
	return next.UnixMilli()
}
