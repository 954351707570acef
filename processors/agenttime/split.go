package agenttime

import (
	"time"

	"github.com/ringfence/ringfence/event"
)

// pieces appends the intervals of a transition's state: until the next one, at most the time-out, cut at midnight. Time
// logged out is no interval.
func pieces(out []*event.AgentInterval, t, next *event.AgentState, timeout time.Duration, zone *time.Location) []*event.AgentInterval {
	if t.State == "logged_out" {
		return out
	}
	end, open, timedOut := t.At+timeout.Milliseconds(), true, false
	if next != nil {
		open = false
		if next.At <= end {
			end = next.At
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
