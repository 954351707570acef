package kpi

import (
	"fmt"
	"slices"
	"strings"
)

// quarter is what time is sliced into for buckets, in ms: in every time zone the hour, the day and so on begin at a
// whole quarter of an hour of UTC.
const quarter = "900000"

// sliced turns rows with begin and end in ms into rows with ms and the moment `slice`, cut at the borders of buckets.
func (s scope) sliced(rows string) string {
	if !s.bucketed() {
		return "(SELECT *, end_ms - begin_ms AS ms, fromUnixTimestamp64Milli(begin_ms, 'UTC') AS slice FROM (" + rows + ") WHERE end_ms > begin_ms)"
	}
	return slicedAt(rows)
}

// slicedAt cuts them at quarters of an hour.
func slicedAt(rows string) string {
	return "(SELECT *, least(end_ms, (q + 1) * " + quarter + ") - greatest(begin_ms, q * " + quarter + ") AS ms, fromUnixTimestamp64Milli(toInt64(q * " + quarter + "), 'UTC') AS slice FROM (" + rows +
		") ARRAY JOIN range(toInt64(intDiv(begin_ms, " + quarter + ")), toInt64(intDiv(end_ms - 1, " + quarter + ") + 1)) AS q WHERE end_ms > begin_ms)"
}

func millis(at string) string { return "toUnixTimestamp64Milli(" + at + ")" }

// clipped is an agent's interval inside the range; one that is open counts up to now.
func (s scope) clipped() (begin, end string) {
	return millis("greatest(start_at, " + s.from + ")"), millis("least(end_at, " + s.to + ", if(open, " + s.now + ", end_at))")
}

// near keeps the intervals that can touch the range. They are cut at midnight, so none is longer than 25 hours.
func (s scope) near() string {
	return "start_at < " + s.to + " AND end_at > " + s.from + " AND start_at > " + s.from + " - INTERVAL 26 HOUR AND slot >= " + s.firstSlot() + " - 105 AND slot <= " + s.lastSlot()
}

// timed are the agents' intervals that touch the range, cut to the gaps: columns of the agent, begin_ms and end_ms. read is a
// condition on the slots that can lie in the gaps.
func (s scope) timed(columns, gaps, read string, conditions ...string) string {
	begin, end := s.clipped()
	return "SELECT " + columns + ", greatest(" + begin + ", gap.1) AS begin_ms, least(" + end + ", gap.2) AS end_ms FROM agent_intervals FINAL ARRAY JOIN " + gaps + " AS gap WHERE " +
		and(append(conditions, read, s.near(), millis("start_at")+" < gap.2", millis("end_at")+" > gap.1")...)
}

// states are rows of an agent's time in a state: days from the roll-up by day, or by hour, what it does not cover from the facts.
func (s scope) states() string {
	const columns = "agent_id, team_id, partner_id, campaign_id, "
	d, slice := statesByDay, s.noon()
	if s.cuts("hour") {
		d, slice = statesByHour, hourMoment
	}
	days, gaps, read := d.spansOf(s)
	var parts []string
	if days != "" {
		parts = append(parts, "SELECT "+columns+"toString(state) AS state, ms, "+slice+" AS slice FROM "+d.table+" WHERE "+and(append(s.conditions(""), days)...))
	}
	if gaps != "" || len(parts) == 0 {
		if gaps == "" {
			gaps = "[(toInt64(0), toInt64(0))]"
		}
		parts = append(parts, "SELECT "+columns+"state, toInt64(ms) AS ms, slice FROM "+s.sliced(s.timed(columns+"toString(state) AS state", gaps, read, s.conditions("")...)))
	}
	return "(" + strings.Join(parts, "\nUNION ALL\n") + ")"
}

// spans sweeps over the borders of each agent's work, leave and presence: paid is work less leave, attended is paid
// while the agent was in a state. Work carries the dimensions; leave and presence are the agent's.
func (s scope) spans(source string) string {
	group := func(dim string) string {
		if s.cuts(dim) {
			return "toString(" + dim + "_id)"
		}
		return "''"
	}
	begin, end := millis("greatest(start_at, "+s.from+")"), millis("least(end_at, "+s.to+")")
	touching := "end_at > " + s.from
	// Of the schedules of one beginning the one that arrived last holds; the table keeps each event's first arrival.
	schedules := "(SELECT agent_id, start_at, argMax(schedules.end_at, arrival) AS end_at, argMax(schedules.kind, arrival) AS kind, argMax(schedules.team_id, arrival) AS team_id, argMax(schedules.partner_id, arrival) AS partner_id " +
		"FROM schedules FINAL WHERE start_at < " + s.to + " GROUP BY agent_id, start_at)"
	work := fmt.Sprintf("SELECT toString(agent_id) AS agent, %s AS team, %s AS partner, %s AS b, %s AS e FROM %s WHERE %s",
		group("team"), group("partner"), begin, end, schedules, and(append(s.conditions(""), touching, "kind = 'work'", "end_at > start_at")...))
	groups := "(SELECT DISTINCT agent, team, partner FROM (" + work + "))"
	leave := "SELECT toString(agent_id) AS agent, " + begin + " AS b, " + end + " AS e FROM " + schedules + " WHERE " + and(touching, "kind = 'leave'", "end_at > start_at")
	border := func(rows, w, l, p string) string {
		return fmt.Sprintf("SELECT agent, team, partner, x.1 AS t, %s AS w, %s AS l, %s AS p FROM (%s) ARRAY JOIN [(b, 1), (e, -1)] AS x", w, l, p, rows)
	}
	joined := func(rows string) string {
		return "SELECT g.agent AS agent, g.team AS team, g.partner AS partner, r.b AS b, r.e AS e FROM (" + rows + ") AS r INNER JOIN " + groups + " AS g ON g.agent = r.agent"
	}
	borders := border(work, "toInt64(x.2)", "toInt64(0)", "toInt64(0)") + " UNION ALL " + border(joined(leave), "toInt64(0)", "toInt64(x.2)", "toInt64(0)")
	inside := "x.3 > 0 AND x.4 = 0 AND x.2 > x.1"
	if source == "attended" {
		days, gaps, read := presenceByDay.spansOf(s)
		var parts []string
		if days != "" {
			parts = append(parts, "SELECT toString(agent_id) AS agent, begin_ms AS b, end_ms AS e FROM presence_1d WHERE "+days)
		}
		if gaps != "" || len(parts) == 0 {
			if gaps == "" {
				gaps = "[(toInt64(0), toInt64(0))]"
			}
			parts = append(parts, "SELECT agent, toInt64(begin_ms) AS b, toInt64(end_ms) AS e FROM ("+s.timed("toString(agent_id) AS agent", gaps, read)+") WHERE end_ms > begin_ms")
		}
		present := strings.Join(parts, " UNION ALL ")
		borders += " UNION ALL " + border(joined(present), "toInt64(0)", "toInt64(0)", "toInt64(x.2)")
		inside += " AND x.5 > 0"
	}
	// Each agent's borders in the order of time: from each to the next, with how many spans of each kind are open.
	open := func(kind int) string { return fmt.Sprintf("arrayCumSum(arrayMap(x -> x.%d, borders))", kind) }
	swept := "SELECT agent, team, partner, arrayFilter(x -> " + inside + ", arrayZip(borders.1, arrayPushBack(arrayPopFront(borders.1), borders.1[-1]), " + open(2) + ", " + open(3) + ", " + open(4) + ")) AS spans FROM " +
		"(SELECT agent, team, partner, arraySort(groupArray((t, w, l, p))) AS borders FROM (" + borders + ") GROUP BY agent, team, partner)"
	return s.sliced("SELECT agent AS agent_id, team AS team_id, partner AS partner_id, span.1 AS begin_ms, span.2 AS end_ms FROM (" + swept + ") ARRAY JOIN spans AS span")
}

// sources in a fixed order, of the metrics.
func sourcesOf(ms []Metric) []string {
	var out []string
	add := func(s string) {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	for _, m := range ms {
		add(m.Num.Source)
		if m.Den != nil {
			add(m.Den.Source)
		}
	}
	return out
}
