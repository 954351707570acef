package kpi

import (
	"fmt"
	"strings"
)

// What listings add up is no metric, but it comes from the facts and their roll-ups in the same way. Each function here is a
// table in SQL for the FROM of a listing: from and to are SQL expressions of the range, condition is one on the table's plain
// columns, and the zone is that of the roll-ups. It is exact whatever has been rolled up.

// gaps are what a call can lack, as expressions over one call.
var gaps = []sum{
	{"no_campaign", "campaign_id = ''"},
	{"no_customer", "customer_id = '' OR startsWith(customer_id, 'n:')"},
	{"no_agent", "isNotNull(bridged_at) AND agent_id = ''"},
	{"no_disposition", "isNotNull(bridged_at) AND disposition = ''"},
	{"no_permit", "permit_id = ''"},
	{"no_answerer", connected + " AND answered_by = ''"},
	{"no_wrap_up", "isNotNull(bridged_at) AND isNull(wrapped_up_at)"},
}

// Results are outbound calls: outcome, disposition, n calls, and of how many of them no_campaign, no_customer, no_agent,
// no_disposition, no_permit, no_answerer and no_wrap_up is so. Conditions can be on campaign_id, agent_id, team_id, partner_id
// and products.
func Results(from, to, zone, condition string) string {
	s := scope{from: from, to: to, zone: zone}.choosing()
	in := s.sources(byResult, false)
	rolled, facts := []string{"outcome", "disposition", "toInt64(n) AS n"}, []string{"outcome", "disposition", "toInt64(1) AS n"}
	for _, x := range gaps {
		rolled, facts = append(rolled, "toInt64("+x.name+") AS "+x.name), append(facts, sumOf(x.of)+" AS "+x.name)
	}
	return s.with.around("(SELECT " + strings.Join(rolled, ", ") + " FROM " + byResult.table + " WHERE " + and(in.days, "direction = 'outbound'", condition) +
		"\nUNION ALL\nSELECT " + strings.Join(facts, ", ") + " FROM calls FINAL WHERE " + and(in.facts, within("started_at", s), "direction = 'outbound'", condition) +
		" SETTINGS do_not_merge_across_partitions_select_final = 1)")
}

// Denials are requests that a rule denied: a row for each rule with requests, distinct customers, and the moment of the last.
// Conditions can be on campaign_id, partner_id and products; all is one that is true while they narrow nothing. Customers are counted
// one by one then only where denied_since does not answer the range.
func Denials(from, to, zone, condition, all string) string {
	s := scope{from: from, to: to, zone: zone}.choosing()
	st := s.stand(deniedSince.facts)
	s.unless = st.answers(deniedSince, all)
	since := st.forked(s.unless, st.days(deniedSince.table, deniedSince.back), false)
	return s.with.around("(SELECT rule, sum(x.1) AS requests, sum(x.2) AS customers, max(x.3) AS last FROM (" +
		"SELECT rule, (sum(n), uniqExact(customer), max(last)) AS x FROM " + s.denials(condition) + " GROUP BY rule\nUNION ALL\n" +
		"SELECT rule, (sum(n), sumIf(customers, since < " + s.firstWholeDay() + "), max(last)) AS x FROM " + deniedSince.table + " WHERE " + in("(day, version)", since) + " GROUP BY rule) GROUP BY rule)")
}

// denials are rows of requests that a rule denied: rule, customer (128 bits of his id's hash), n requests, and the moment of the last.
func (s scope) denials(condition string) string {
	days, slots := denialsByDay.of(s)
	return "(SELECT rule, customer, n, last FROM " + denialsByDay.table + " WHERE " + and(days, condition) +
		"\nUNION ALL\nSELECT rule, " + customerOf + " AS customer, toUInt64(1) AS n, at AS last FROM permits FINAL ARRAY JOIN denied_by AS rule WHERE " + and(slots, within("at", s), "decision = 'deny'", condition) +
		" SETTINGS do_not_merge_across_partitions_select_final = 1)"
}

// States are agents' time: state and ms in it, cut at the borders of the range; a state that is open counts up to now.
// Conditions can be on campaign_id, agent_id, team_id and partner_id.
func States(from, to, zone, condition string) string {
	s := scope{from: from, to: to, now: "now64(3, 'UTC')", zone: zone, also: condition}.choosing()
	return s.with.around(s.states())
}

// NewestViolations is a condition on slots of the table of calls that keeps a listing of the newest n outbound calls that broke a
// cap from reading all others: of the hours that are rolled up those with such calls, as many as it takes, and all other slots.
// condition is the listing's own, on campaign_id, agent_id, team_id, partner_id and products.
func NewestViolations(from, to, zone, condition string, n int) string {
	s := scope{from: from, to: to, zone: zone}.choosing()
	days, bare := s.stand("calls").daysOrSlots(byHour.table, "")
	hours := "SELECT hour, sum(violated) AS broken FROM " + byHour.table + " WHERE " + and(in("(day, version)", days), "violated > 0", "direction = 'outbound'", condition) + " GROUP BY hour"
	newest := fmt.Sprintf("SELECT hour FROM (SELECT hour, broken, sum(broken) OVER (ORDER BY hour DESC) AS upto FROM (%s)) WHERE upto - broken < %d", hours, n)
	const quarters = "arrayJoin(range(toUInt32(intDiv(toUnixTimestamp(hour), 900)), toUInt32(intDiv(toUnixTimestamp(hour), 900) + 4)))"
	return "slot IN " + s.with.around("(SELECT "+quarters+" AS slot FROM ("+newest+") UNION ALL SELECT arrayJoin("+bare+"))")
}

// RowsOf is how many rows of a table in the order of slots stand in the range, and the newest of them: rows of fact, n, which are to be
// added up, and newest, of which the greatest holds. Rows that are still to be replaced count, too. Whole slots are counted without being
// read, and the newest row is looked for in the last slot.
func RowsOf(fact, table, at, from, to string) string {
	s := scope{from: from, to: to}
	first, last, during := s.firstSlot(), s.lastSlot(), within(at, s)
	part := func(n, newest, condition string) string {
		return fmt.Sprintf("SELECT '%s' AS fact, %s AS n, %s AS newest FROM %s WHERE %s", fact, n, newest, table, condition)
	}
	return strings.Join([]string{
		part("count()", "NULL", "slot > "+first+" AND slot < "+last),
		part("count()", "NULL", "slot IN ("+first+", "+last+") AND "+during),
		part("0", "maxOrNull("+at+")", fmt.Sprintf("slot IN (SELECT slot FROM %s WHERE %s AND %s ORDER BY slot DESC LIMIT 1) AND %s", table, s.slots(), during, during)),
	}, " UNION ALL ")
}

const customerOf = "reinterpretAsUInt128(sipHash128(customer_id))"

func fillDenials(days []int64, zone string, version uint64) string {
	return fmt.Sprintf("INSERT INTO denials_1d (day, version, campaign_id, partner_id, products, rule, customer, n, last) SELECT %s AS the_day, %d, campaign_id, partner_id, products, rule, %s AS who, count(), max(at) "+
		"FROM permits FINAL ARRAY JOIN denied_by AS rule WHERE decision = 'deny' AND %s GROUP BY the_day, campaign_id, partner_id, products, rule, who%s", dayOfSlot(zone), version, customerOf, onDays(days, zone), finalByPart)
}

// Fates are permits by what became of them: fate (used, released, orphaned, or out) and n. Conditions can be on campaign_id,
// partner_id and products.
func Fates(from, to, zone, condition string) string {
	s := scope{from: from, to: to, zone: zone}.choosing()
	days, slots := fatesByDay.of(s)
	return s.with.around("(SELECT toString(fate) AS fate, n FROM " + fatesByDay.table + " WHERE " + and(days, condition) +
		"\nUNION ALL\nSELECT fate, toUInt64(count()) AS n FROM " + followed("permit_id", and(slots, within("at", s), condition), "("+slots+" OR slot = 0)") + " GROUP BY fate)")
}

// followed are permits with the last that is known of each. What became of a permit stands in the slot of the permit, or in
// slot 0 where an older ringfence told it.
func followed(columns, ofPermits, ofStatuses string) string {
	return "(SELECT p.*, if(s.status = '', 'out', s.status) AS fate FROM (SELECT " + columns + " FROM permits FINAL WHERE decision = 'permit' AND " + ofPermits + " SETTINGS do_not_merge_across_partitions_select_final = 1) AS p " +
		"LEFT JOIN (SELECT permit_id, toString(max(status)) AS status FROM permit_status WHERE " + ofStatuses + " GROUP BY permit_id) AS s ON p.permit_id = s.permit_id)"
}

func fillFates(days []int64, zone string, version uint64) string {
	return fmt.Sprintf("INSERT INTO fates_1d (day, version, campaign_id, partner_id, products, fate, n) SELECT %s AS the_day, %d, campaign_id, partner_id, products, fate, count() FROM %s GROUP BY the_day, campaign_id, partner_id, products, fate%s",
		dayOfSlot(zone), version, followed("permit_id, campaign_id, partner_id, products, slot", onDays(days, zone), "("+onDays(days, zone)+" OR slot = 0)"), finalByPart)
}
