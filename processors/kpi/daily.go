package kpi

import (
	"fmt"
	"slices"
	"strings"
)

// daily is a roll-up by days of the reporting zone. A day of it says what the facts of that day say, and of `back` days
// before it: it holds while none of them was touched since it was made.
type daily struct {
	table, facts string
	back         int
	hours        bool // it says when in the day, to the hour at least
	// fill is the statement that makes a day under a version, together one that makes several, for facts that stand on one day
	// each, fills those that make days in a row from named days of its source.
	fill     func(day int64, zone string, version uint64) string
	together func(days []int64, zone string, version uint64) string
	fills    func(first, last int64, zone string, source []string, version uint64) []string
	source   *daily
	// fit tells of a day whether it can be rolled up yet, as a condition on SQL; empty = always.
	fit func(day int64, zone string) string
}

// lookBack is how many days before its own a day of accounts_since and denied_since looks at, and so the longest range they can
// answer, less one day.
const lookBack = 31

var (
	accountsByDay = daily{table: "accounts_1d", facts: "calls", together: fillAccounts}
	uselessByDay  = daily{table: "useless_1d", facts: "calls", together: fillUseless}
	accountsSince = daily{table: "accounts_since", facts: "calls", back: lookBack, fills: fillAccountsSince, source: &accountsByDay}
	// An interval is cut at midnight of the zone it was made for, so it is never longer than 25 hours.
	statesByDay   = daily{table: "states_1d", facts: "states", back: 2, fill: fillStates, fit: noOpenStates}
	presenceByDay = daily{table: "presence_1d", facts: "states", back: 2, hours: true, fill: fillPresence, fit: noOpenStates}
	permitsByDay  = daily{table: "permits_1d", facts: "permits", together: fillPermits}
	denialsByDay  = daily{table: "denials_1d", facts: "permits", together: fillDenials}
	deniedSince   = daily{table: "denied_since", facts: "permits", back: lookBack, fills: fillDeniedSince, source: &denialsByDay}
	fatesByDay    = daily{table: "fates_1d", facts: "permits", together: fillFates}
	// The same by the hour of the zone.
	statesByHour  = daily{table: "states_1h", facts: "states", back: 2, hours: true, fill: fillStatesByHour, fit: noOpenStates}
	permitsByHour = daily{table: "permits_1h", facts: "permits", hours: true, together: fillPermitsByHour}
)

// dailies that are made a day at a time.
func dailies() []daily {
	return []daily{accountsByDay, uselessByDay, statesByDay, statesByHour, presenceByDay, permitsByDay, permitsByHour, denialsByDay, fatesByDay}
}

const finalByPart = " SETTINGS do_not_merge_across_partitions_select_final = 1, max_partitions_per_insert_block = 0"

// dayStart is the first moment of a date in the zone, in SQL.
func dayStart(date, zone string) string {
	return "toDateTime64(toDateTime(" + date + ", " + quote(zone) + "), 3, 'UTC')"
}

func dateOf(day int64) string { return fmt.Sprintf("toDate(%d)", day) }

// accountOf is what an account is known by in roll-ups: 128 bits of its lead's id, else of its customer's and campaign's.
const accountOf = `reinterpretAsUInt128(if(lead_id != '', sipHash128(concat('l', lead_id)), sipHash128(concat('c', customer_id, '\0', toString(campaign_id)))))`

var accountColumns = []string{"campaign_id", "agent_id", "team_id", "partner_id", "list_id", "purpose", "products"}

// accountFlags are what an account's calls say of it, as expressions over one call.
var accountFlags = []sum{{"reached", isReached}, {"completed", "ifNull(completed, false)"}, {"won", won}, {"useless", uselessCall}}

func fillAccounts(days []int64, zone string, version uint64) string {
	cols := strings.Join(accountColumns, ", ")
	q := "INSERT INTO accounts_1d (day, version, account, has_lead, " + cols + ", n"
	sel := fmt.Sprintf(") SELECT %s AS the_day, %d, %s AS the_account, lead_id != '' AS is_lead, %s, count()", dayOfSlot(zone), version, accountOf, cols)
	for _, f := range accountFlags {
		q, sel = q+", "+f.name, sel+", max("+f.of+")"
	}
	return q + sel + " FROM calls FINAL WHERE direction = 'outbound' AND " + onDays(days, zone) + " GROUP BY the_day, the_account, is_lead, " + cols + finalByPart + ", prefer_column_name_to_alias = 1"
}

func fillUseless(days []int64, zone string, version uint64) string {
	return fmt.Sprintf("INSERT INTO useless_1d (day, version, lead_id) SELECT %s AS the_day, %d, lead_id FROM calls FINAL WHERE direction = 'outbound' AND lead_id != '' AND %s AND %s GROUP BY the_day, lead_id%s",
		dayOfSlot(zone), version, uselessCall, onDays(days, zone), finalByPart)
}

// touching are the intervals that lie on a day in part.
func touching(day int64, zone string) string {
	from, to := dayStart(dateOf(day), zone), dayStart(dateOf(day+1), zone)
	return fmt.Sprintf("start_at < %[2]s AND end_at > %[1]s AND start_at > %[1]s - INTERVAL 26 HOUR AND slot >= toUnixTimestamp(%[1]s) / 900 - 105 AND slot <= toUnixTimestamp(%[2]s) / 900", from, to)
}

func fillStates(day int64, zone string, version uint64) string {
	from, to := dayStart(dateOf(day), zone), dayStart(dateOf(day+1), zone)
	return fmt.Sprintf("INSERT INTO states_1d (day, version, agent_id, team_id, partner_id, campaign_id, state, ms) SELECT %s, %d, agent_id, team_id, partner_id, campaign_id, state, "+
		"sum(%s - %s) FROM agent_intervals FINAL WHERE %s GROUP BY agent_id, team_id, partner_id, campaign_id, state%s",
		dateOf(day), version, millis("least(end_at, "+to+")"), millis("greatest(start_at, "+from+")"), touching(day, zone), finalByPart)
}

// fillStatesByHour cuts the intervals at quarters of an hour, at which hours of every zone begin.
func fillStatesByHour(day int64, zone string, version uint64) string {
	from, to := dayStart(dateOf(day), zone), dayStart(dateOf(day+1), zone)
	rows := fmt.Sprintf("SELECT agent_id, team_id, partner_id, campaign_id, state, %s AS begin_ms, %s AS end_ms FROM agent_intervals FINAL WHERE %s", millis("greatest(start_at, "+from+")"), millis("least(end_at, "+to+")"), touching(day, zone))
	return fmt.Sprintf("INSERT INTO states_1h (day, version, hour, agent_id, team_id, partner_id, campaign_id, state, ms) SELECT %s, %d, %s AS the_hour, agent_id, team_id, partner_id, campaign_id, state, sum(ms) FROM %s "+
		"GROUP BY the_hour, agent_id, team_id, partner_id, campaign_id, state%s", dateOf(day), version, hourOf("slice", zone), slicedAt(rows), finalByPart)
}

// fillPresence joins what adjoins: an agent is present in any state.
func fillPresence(day int64, zone string, version uint64) string {
	from, to := dayStart(dateOf(day), zone), dayStart(dateOf(day+1), zone)
	rows := fmt.Sprintf("SELECT toString(agent_id) AS agent, %s AS b, %s AS e FROM agent_intervals FINAL WHERE %s", millis("greatest(start_at, "+from+")"), millis("least(end_at, "+to+")"), touching(day, zone))
	begins := "SELECT agent, b, e, b > max(e) OVER (PARTITION BY agent ORDER BY b, e ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS begins FROM (" + rows + ")"
	islands := "SELECT agent, b, e, sum(begins) OVER (PARTITION BY agent ORDER BY b, e ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS island FROM (" + begins + ")"
	return fmt.Sprintf("INSERT INTO presence_1d (day, version, agent_id, begin_ms, end_ms) SELECT %s, %d, agent, min(b), max(e) FROM (%s) GROUP BY agent, island%s", dateOf(day), version, islands, finalByPart)
}

// noOpenStates: how long a state that is open counts depends on when it is asked for.
func noOpenStates(day int64, zone string) string {
	return "NOT EXISTS (SELECT 1 FROM agent_intervals FINAL WHERE open AND " + touching(day, zone) + ")"
}

func fillPermits(days []int64, zone string, version uint64) string {
	return fmt.Sprintf("INSERT INTO permits_1d (day, version, campaign_id, partner_id, purpose, products, permitted, denied) SELECT %s AS the_day, %d, campaign_id, partner_id, purpose, products, "+
		"countIf(decision = 'permit'), countIf(decision = 'deny') FROM permits FINAL WHERE %s GROUP BY the_day, campaign_id, partner_id, purpose, products%s",
		dayOfSlot(zone), version, onDays(days, zone), finalByPart)
}

func fillPermitsByHour(days []int64, zone string, version uint64) string {
	return fmt.Sprintf("INSERT INTO permits_1h (day, version, hour, campaign_id, partner_id, purpose, products, permitted, denied) SELECT %s AS the_day, %d, %s AS the_hour, campaign_id, partner_id, purpose, products, "+
		"countIf(decision = 'permit'), countIf(decision = 'deny') FROM permits FINAL WHERE %s GROUP BY the_day, the_hour, campaign_id, partner_id, purpose, products%s",
		dayOfSlot(zone), version, hourOf("at", zone), onDays(days, zone), finalByPart)
}

// serves tells whether the roll-up can answer in the scope's buckets.
func (d daily) serves(s scope) bool { return !s.factsOnly && (d.hours || !s.cuts("hour")) }

// firstWholeDay of the range.
func (s scope) firstWholeDay() string {
	return s.named("first_day", dayOf(s.from+" - toIntervalMillisecond(1)", s.zone)+" + 1")
}

// spansOf says which days of a roll-up of time serve, the spans of time, an array of (from, to) in ms, that are read from the
// facts, "" = nothing is read there, and a condition on the slots in which these lie.
func (d daily) spansOf(s scope) (days, gaps, read string) {
	if !d.serves(s) {
		return "", "[(" + millis(s.from) + ", " + millis(s.to) + ")]", ""
	}
	if s.tiers == nil {
		// An interval is cut at midnight of the zone it was made for: where that was another one it can reach into the next day.
		st := s.stand(d.facts)
		days, gaps, slots, earlier := st.time(d)
		over := "SELECT slot FROM agent_intervals WHERE " + and(in("slot", earlier), "end_at > "+dayStart(dayOfSlot(s.zone)+" + 1", s.zone))
		return in("(day, version)", days), gaps, "notEmpty(" + gaps + ") AND (slot IN " + slots + " OR slot IN (" + over + "))"
	}
	t := s.tiers.daily[d.table]
	if len(t.days) > 0 {
		days = "(day, version) IN (" + strings.Join(t.days, ", ") + ")"
	}
	var spans, slots []string
	for _, g := range t.gaps {
		spans = append(spans, fmt.Sprintf("(toInt64(%d), toInt64(%d))", g[0], g[1]))
		first := g[0] / slotMS
		slots = append(slots, fmt.Sprintf("slot BETWEEN %[1]d AND %[2]d OR slot IN (SELECT slot FROM agent_intervals WHERE slot BETWEEN %[3]d AND %[1]d - 1 AND %[4]s > %[5]d)", first, (g[1]-1)/slotMS, first-105, millis("end_at"), g[0]))
	}
	if len(spans) > 0 {
		gaps, read = "["+strings.Join(spans, ", ")+"]", "("+strings.Join(slots, " OR ")+")"
	}
	return days, gaps, read
}

// of says which days of the roll-up serve, and the slots that are read from the facts; "" = nothing is read there.
func (d daily) of(s scope) (days, slots string) {
	if !d.serves(s) {
		return "", s.slots()
	}
	if s.tiers == nil {
		days, slots := s.stand(d.facts).daysOrSlots(d.table, s.unless)
		return in("(day, version)", days), in("slot", slots)
	}
	t := s.tiers.daily[d.table]
	if len(t.days) > 0 {
		days = "(day, version) IN (" + strings.Join(t.days, ", ") + ")"
	}
	if len(t.bare) > 0 {
		slots = condition(t.bare)
	}
	return days, slots
}

// noon of a roll-up's day: a moment that lies in the same bucket as the day.
func (s scope) noon() string {
	return "toDateTime64(toDateTime(day, " + quote(s.zone) + ") + 43200, 3, 'UTC')"
}

// hourMoment of a roll-up's row by the hour.
const hourMoment = "toDateTime64(hour, 3, 'UTC')"

// needs are the plain columns that the scope cuts and filters by, of those a source has.
func (s scope) needs(has []string) []string {
	var out []string
	for _, c := range has {
		for _, d := range append(slices.Clone(s.by), filtered(s.where)...) {
			if !isBucket(d) && (columnOf(d) == c || d == "product" && c == "products") && !slices.Contains(out, c) {
				out = append(out, c)
			}
		}
	}
	return out
}
