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
	s := scope{from: from, to: to, zone: zone}
	in := s.sources(byResult, false)
	rolled, facts := []string{"outcome", "disposition", "toInt64(n) AS n"}, []string{"outcome", "disposition", "toInt64(1) AS n"}
	for _, x := range gaps {
		rolled, facts = append(rolled, "toInt64("+x.name+") AS "+x.name), append(facts, sumOf(x.of)+" AS "+x.name)
	}
	return "(SELECT " + strings.Join(rolled, ", ") + " FROM " + byResult.table + " WHERE " + and(in.days, "direction = 'outbound'", condition) +
		"\nUNION ALL\nSELECT " + strings.Join(facts, ", ") + " FROM calls FINAL WHERE " + and(in.facts, s.slots(), within("started_at", s), "direction = 'outbound'", condition) +
		" SETTINGS do_not_merge_across_partitions_select_final = 1)"
}

// Denials are requests that a rule denied: rule, customer (128 bits of his id's hash), n requests, and the moment of the last.
// Conditions can be on campaign_id, partner_id and products.
func Denials(from, to, zone, condition string) string {
	s := scope{from: from, to: to, zone: zone}
	days, slots := denialsByDay.of(s)
	return "(SELECT rule, customer, n, last FROM " + denialsByDay.table + " WHERE " + and(days, condition) +
		"\nUNION ALL\nSELECT rule, " + customerOf + " AS customer, toUInt64(1) AS n, at AS last FROM permits FINAL ARRAY JOIN denied_by AS rule WHERE " + and(slots, s.slots(), within("at", s), "decision = 'deny'", condition) +
		" SETTINGS do_not_merge_across_partitions_select_final = 1)"
}

// States are agents' time: state and ms in it, cut at the borders of the range; a state that is open counts up to now.
// Conditions can be on campaign_id, agent_id, team_id and partner_id.
func States(from, to, zone, condition string) string {
	return scope{from: from, to: to, now: "now64(3, 'UTC')", zone: zone, also: condition}.states()
}

const customerOf = "reinterpretAsUInt128(sipHash128(customer_id))"

func fillDenials(day int64, zone string, version uint64) string {
	return fmt.Sprintf("INSERT INTO denials_1d (day, version, campaign_id, partner_id, products, rule, customer, n, last) SELECT %s, %d, campaign_id, partner_id, products, rule, %s AS who, count(), max(at) "+
		"FROM permits FINAL ARRAY JOIN denied_by AS rule WHERE decision = 'deny' AND %s GROUP BY campaign_id, partner_id, products, rule, who%s", dateOf(day), version, customerOf, onDay(day, zone), finalByPart)
}
