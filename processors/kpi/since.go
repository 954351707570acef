package kpi

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Roll-ups that tell of a day by when the same was last so before. Whoever is counted once in a range of days has one day in it of
// which that lies before the range: so they are the days' numbers with such a `since`, summed.

// sinces are made from a roll-up by day of the same facts, some days at a time.
func sinces() []daily { return []daily{accountsSince, deniedSince} }

// daysAtOnce bounds how many days one statement of them makes.
const daysAtOnce = 7

// makeSince makes days of one of them, where all the days they look at are current in its source.
func (r *Roller) makeSince(ctx context.Context, st *standing, d daily, today int64, now time.Time) (int, error) {
	touched := st.touchedDays(d.facts)
	counts := d.counts(touched)
	source := func(from, to int64) (keys []string, ok bool) {
		for day := from; day <= to; day++ {
			n, m := touched[day], st.rolled[d.source.table][day]
			switch {
			case n == 0:
			case m.version == 0 || m.at != n:
				return nil, false
			default:
				keys = append(keys, keyOf(day, m))
			}
		}
		return keys, true
	}
	stale := r.staleDays(st, d, today, now)
	stale = slices.DeleteFunc(stale, func(day int64) bool { _, ok := source(day-lookBack, day); return !ok })
	done := 0
	for len(stale) > 0 {
		n := 1
		for n < len(stale) && n < daysAtOnce && stale[n] == stale[n-1]-1 {
			n++
		}
		last, first := stale[0], stale[n-1]
		stale = stale[n:]
		keys, _ := source(first-lookBack, last)
		version := newVersion()
		for _, statement := range d.fills(first, last, r.Zone.String(), keys, version) {
			if err := r.Conn.Exec(ctx, statement); err != nil {
				return done, fmt.Errorf("fill %s: %w", d.table, err)
			}
		}
		var days []bucket
		for day := first; day <= last; day++ {
			days = append(days, bucket{day, counts[day]})
		}
		if err := r.named(ctx, st, d.table, version, days...); err != nil {
			return done, err
		}
		done += len(days)
	}
	return done, nil
}

// fillAccountsSince makes the days from first to last, in all and by each dimension.
func fillAccountsSince(first, last int64, zone string, source []string, version uint64) (out []string) {
	for _, cut := range sinceCuts {
		out = append(out, fillAccountsCut(cut, first, last, zone, source, version))
	}
	return out
}

// sinceCuts are the cuts of accounts_since: all, or one dimension, whose column has the value.
var sinceCuts = []string{"all", "campaign", "team"}

func fillAccountsCut(cut string, first, last int64, zone string, source []string, version uint64) string {
	into, value := "", "''"
	if cut != "all" {
		into, value = columnOf(cut)+", ", "toString("+columnOf(cut)+")"
	}
	rows := "accounts_1d WHERE (day, version) IN (" + strings.Join(source, ", ") + ")"
	chosen := "SELECT account FROM " + rows + fmt.Sprintf(" AND day >= toDate(%d)", first)
	days := "SELECT account, " + value + " AS value, day, max(has_lead) AS lead, sum(n) AS calls, max(reached) AS reached, max(completed) AS completed, max(won) AS won, max(useless) AS useless FROM " + rows + " AND account IN (" + chosen + ") GROUP BY account, value, day"
	// A day of an account: 1 day, 2 calls, 3 reached, 4 completed, 5 won, 6 reached or useless.
	accounts := "SELECT account, value, max(lead) AS lead, groupArray((day, calls, reached, completed, won, toUInt8(reached OR useless))) AS days FROM (" + days + ") GROUP BY account, value"
	before := func(flag string) string {
		return "arrayMax(arrayMap(y -> if(y.1 < x.1 AND " + flag + ", y.1, toDate(0)), days))"
	}
	one := func(what, since string) string {
		return "('" + what + "', " + since + ", toDate(0), toUInt64(1))"
	}
	when := func(condition, tuples string) string { return "if(" + condition + ", " + tuples + ", [])" }
	said := []string{
		"[" + one("called", before("1")) + ", ('calls', toDate(0), toDate(0), toUInt64(x.2))]",
		when("x.3", "["+one("reached", before("y.3"))+"]"),
		when("x.4", "["+one("completed", before("y.4"))+"]"),
		when("x.5", "["+one("won", before("y.5"))+"]"),
		when("x.6", "["+one("spoilt", before("y.6"))+"]"),
		// Calls of an account that was reached on that day or before, by when last; and those it is reached after.
		when("x.3 OR "+before("y.3")+" > toDate(0)", "[('after', if(x.3, x.1, "+before("y.3")+"), toDate(0), toUInt64(x.2))]"),
		when("x.3", "arrayMap(y -> ('before', "+strings.ReplaceAll(strings.ReplaceAll(before("z.3"), "y.1", "z.1"), "y ->", "z ->")+", y.1, toUInt64(y.2)), arrayFilter(y -> y.1 < x.1 AND y.1 > "+
			strings.ReplaceAll(strings.ReplaceAll(before("z.3"), "y.1", "z.1"), "y ->", "z ->")+", days))"),
	}
	if cut != "team" { // leads have none
		// The moment each account became a lead; none = the last of all moments.
		registered := "SELECT reinterpretAsUInt128(sipHash128(concat('l', lead_id))) AS account, min(at) AS first_at FROM leads WHERE at < " + dayStart(dateOf(last+1), zone) + " AND account IN (" + chosen + ") GROUP BY account"
		accounts = "SELECT a.value AS value, a.lead AS lead, a.days AS days, if(l.account = a.account AND a.lead, l.first_at, toDateTime64('2299-12-31 00:00:00', 3, 'UTC')) AS registered FROM (" + accounts + ") AS a LEFT JOIN (" + registered + ") AS l ON l.account = a.account"
		said = append(said, when("lead AND registered < "+dayStart("x.1 + 1", zone), "["+one("lead", "toDate(0)")+"]"),
			when("lead AND registered < "+dayStart("x.1 + 1", zone)+" AND x.3", "["+one("reached_lead", before("y.3"))+"]"),
			when("lead AND registered >= "+dayStart("x.1 + 1", zone), "["+one("stranger", "toDate(0)")+"]"))
	}
	each := fmt.Sprintf("SELECT value, x.1 AS day, arrayConcat(%s) AS said FROM (%s) ARRAY JOIN arrayFilter(d -> d.1 >= toDate(%d) AND d.1 <= toDate(%d), days) AS x", strings.Join(said, ", "), accounts, first, last)
	columns := "value, "
	if into == "" {
		columns = ""
	}
	return fmt.Sprintf("INSERT INTO accounts_since (day, version, cut, what, %ssince, other, n) SELECT day, %d, '%s', t.1, %st.2, t.3, sum(t.4) FROM (%s) ARRAY JOIN said AS t GROUP BY day, value, t.1, t.2, t.3%s",
		into, version, cut, columns, each, finalByPart)
}

func fillDeniedSince(first, last int64, _ string, source []string, version uint64) []string {
	days := "SELECT rule, customer, day, sum(n) AS requests, max(last) AS newest FROM denials_1d WHERE (day, version) IN (" + strings.Join(source, ", ") + ") GROUP BY rule, customer, day"
	customers := "SELECT rule, arraySort(groupArray((day, requests, newest))) AS days FROM (" + days + ") GROUP BY rule, customer"
	return []string{fmt.Sprintf("INSERT INTO denied_since (day, version, rule, since, customers, n, last) SELECT x.1, %d, rule, before, count(), sum(x.2), max(x.3) FROM (%s) ARRAY JOIN days AS x, arrayPushFront(arrayPopBack(days.1), toDate(0)) AS before "+
		"WHERE x.1 >= toDate(%d) AND x.1 <= toDate(%d) GROUP BY x.1, rule, before%s", version, customers, first, last, finalByPart)}
}
