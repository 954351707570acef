package kpi

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// quarter is what time is sliced into for buckets of an hour, in ms: in every time zone the hour begins at a whole quarter of an
// hour of UTC.
const quarter = "900000"

// sliced turns rows with begin and end in ms into rows with ms and the moment `slice`, cut at the borders of buckets.
func (s scope) sliced(rows string) string {
	switch {
	case s.cuts("hour"):
		return slicedAt(rows)
	}
	// All others begin with a day.
	first, last := dayOf("fromUnixTimestamp64Milli(toInt64(begin_ms), 'UTC')", s.zone), dayOf("fromUnixTimestamp64Milli(toInt64(end_ms - 1), 'UTC')", s.zone)
	days := "arrayMap(i -> (greatest(begin_ms, " + millis(dayStart(first+" + i", s.zone)) + "), least(end_ms, " + millis(dayStart(first+" + i + 1", s.zone)) + ")), range(toUInt32(greatest(" + last + " - " + first + " + 1, 0))))"
	return "(SELECT *, part.2 - part.1 AS ms, fromUnixTimestamp64Milli(toInt64(part.1), 'UTC') AS slice FROM (" + rows + ") ARRAY JOIN " + days + " AS part WHERE end_ms > begin_ms)"
}

// slicedAt cuts them at quarters of an hour.
func slicedAt(rows string) string {
	return "(SELECT *, least(end_ms, (q + 1) * " + quarter + ") - greatest(begin_ms, q * " + quarter + ") AS ms, fromUnixTimestamp64Milli(toInt64(q * " + quarter + "), 'UTC') AS slice FROM (" + rows +
		") ARRAY JOIN range(toInt64(intDiv(begin_ms, " + quarter + ")), toInt64(intDiv(end_ms - 1, " + quarter + ") + 1)) AS q WHERE end_ms > begin_ms)"
}

func millis(at string) string { return "toUnixTimestamp64Milli(" + at + ")" }

// near keeps the intervals that can touch the range. They are cut at midnight, so none is longer than 25 hours.
func (s scope) near() string {
	return "start_at < " + s.to + " AND end_at > " + s.from + " AND start_at > " + s.from + " - INTERVAL 26 HOUR AND slot >= " + s.firstSlot() + " - 105 AND slot <= " + s.lastSlot()
}

// gapped is the part of an agent's interval that lies in a gap, as SQL in ms: where end is not after begin, there is none. An interval
// that is open counts up to now. Gaps lie in the range.
func (s scope) gapped() (begin, end string) {
	return "greatest(" + millis("start_at") + ", gap.1)", "least(" + millis("least(end_at, if(open, "+s.now+", end_at))") + ", gap.2)"
}

// timed is a SELECT of columns, which may be expressions, over the agents' intervals, each with every gap. read is a condition on the
// slots that can lie in the gaps; "" = none is known.
func (s scope) timed(columns, gaps, read string, conditions ...string) string {
	return "SELECT " + columns + " FROM agent_intervals FINAL ARRAY JOIN " + gaps + " AS gap WHERE " + and(append(conditions, cmp.Or(read, s.near()))...)
}

// states are rows of an agent's time in a state, as ms: days from the roll-up by day, or by hour, what it does not cover from the
// facts. With buckets they have a moment, slice.
func (s scope) states() string {
	columns := strings.Join(append(s.needs([]string{"agent_id", "team_id", "partner_id", "campaign_id"}), ""), ", ")
	d, slice := statesByDay, s.noon()
	if s.cuts("hour") {
		d, slice = statesByHour, hourMoment
	}
	if slice = ", " + slice + " AS slice"; !s.bucketed() {
		slice = ""
	}
	days, gaps, read := d.spansOf(s)
	var parts []string
	if days != "" {
		parts = append(parts, "SELECT "+columns+"toString(state) AS state, ms"+slice+" FROM "+d.table+" WHERE "+and(append(s.conditions(""), days)...))
	}
	if gaps == "" && len(parts) == 0 {
		gaps = none
	}
	if begin, end := s.gapped(); gaps != "" && s.bucketed() {
		parts = append(parts, "SELECT "+columns+"state, toInt64(ms) AS ms, slice FROM "+s.sliced(s.timed(columns+"toString(state) AS state, "+begin+" AS begin_ms, "+end+" AS end_ms", gaps, read, s.conditions("")...)))
	} else if gaps != "" {
		parts = append(parts, s.timed(columns+"toString(state) AS state, "+end+" - "+begin+" AS ms", gaps, read, append(s.conditions(""), "ms > 0")...))
	}
	return "(" + strings.Join(parts, "\nUNION ALL\n") + ")"
}

// none is a gap in which nothing lies.
const none = "[(toInt64(0), toInt64(0))]"

// schedulesHeld are the schedules that hold, with all of those that end after the range begins. Of those of one beginning the one that
// arrived last holds; the table keeps each event's first arrival.
func (s scope) schedulesHeld() string {
	near := "(SELECT start_at FROM schedules WHERE " + and("start_at < "+s.to, "end_at > "+s.from) + ")"
	return "(SELECT agent_id, start_at, end_at, kind, team_id, partner_id FROM schedules FINAL WHERE " + and("start_at < "+s.to, "start_at IN "+near) + " ORDER BY agent_id, start_at, arrival DESC LIMIT 1 BY agent_id, start_at)"
}

// presence are the spans, cut to the range, in which agents were in a state: a SELECT of agent, more columns, and b and e in ms.
func (s scope) presence(more string) string {
	days, gaps, read := presenceByDay.spansOf(s)
	var parts []string
	if days != "" {
		parts = append(parts, "SELECT toString(agent_id) AS agent, begin_ms AS b, end_ms AS e, "+more+" FROM presence_1d WHERE "+days)
	}
	if gaps == "" && len(parts) == 0 {
		gaps = none
	}
	if begin, end := s.gapped(); gaps != "" {
		parts = append(parts, s.timed("toString(agent_id) AS agent, "+begin+" AS b, "+end+" AS e, "+more, gaps, read, "e > b"))
	}
	return strings.Join(parts, " UNION ALL ")
}

// spans sweeps over the borders of each agent's work, leave and presence: paid is work less leave; present tells whether the agent
// was in a state, for the source attended. Work carries the dimensions; leave and presence are the agent's, so where teams or partners are
// told apart they count for each that the agent works for. Rows have ms, and with buckets a moment, slice.
func (s scope) spans(source string) string {
	group := func(dim string) string {
		if s.cuts(dim) {
			return "toString(" + dim + "_id)"
		}
		return "''"
	}
	isWork := and(append([]string{"kind = 'work'"}, s.conditions("")...)...)
	// One row a span, of which w, l and p say whether it is work, leave or presence.
	rows := fmt.Sprintf("SELECT toString(agent_id) AS agent, %s AS b, %s AS e, %s AS team, %s AS partner, %s AS w, kind = 'leave' AS l, 0 AS p FROM %s WHERE e > b AND (l OR w)",
		millis("greatest(start_at, "+s.from+")"), millis("least(end_at, "+s.to+")"), group("team"), group("partner"), isWork, s.schedulesHeld())
	if source == "attended" {
		rows += " UNION ALL " + s.presence("'' AS team, '' AS partner, 0 AS w, 0 AS l, 1 AS p")
	}
	agents := "SELECT agent, groupArrayIf((team, partner, b, e), w) AS works, groupArrayIf((b, e, l, p), NOT w) AS others FROM (" + rows + ") GROUP BY agent HAVING notEmpty(works)"
	// What opens and closes at each border: its time, and by how much the spans of work, leave and presence that are open change.
	const ofWork = "arrayFlatten(arrayMap(x -> [(x.3, 1, 0, 0), (x.4, -1, 0, 0)], arrayFilter(x -> x.1 = g.1 AND x.2 = g.2, works)))"
	const ofOthers = "arrayFlatten(arrayMap(x -> [(x.1, 0, x.3, x.4), (x.2, 0, -x.3, -x.4)], others))"
	borders := "SELECT agent, g.1 AS team, g.2 AS partner, arraySort(x -> x.1, arrayConcat(" + ofWork + ", " + ofOthers + ")) AS borders FROM (" + agents + ") ARRAY JOIN arrayDistinct(arrayMap(x -> (x.1, x.2), works)) AS g"
	// In the order of time: from each border to the next, with how many spans of each kind are open.
	open := func(kind int) string { return fmt.Sprintf("arrayCumSum(arrayMap(x -> x.%d, borders))", kind) }
	swept := "arrayFilter(x -> x.3 > 0 AND x.4 = 0 AND x.2 > x.1, arrayZip(borders.1, arrayPushBack(arrayPopFront(borders.1), borders.1[-1]), " + open(2) + ", " + open(3) + ", " + open(4) + "))"
	span := func(columns string) string {
		return "SELECT agent AS agent_id, team AS team_id, partner AS partner_id, " + columns + ", span.5 > 0 AS present FROM (" + borders + ") ARRAY JOIN " + swept + " AS span"
	}
	if s.bucketed() {
		return s.sliced(span("span.1 AS begin_ms, span.2 AS end_ms"))
	}
	return "(" + span("span.2 - span.1 AS ms") + ")"
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
