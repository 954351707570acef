package kpi

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// daysAtOnce bounds how many days one statement of accounts_first makes.
const daysAtOnce = 7

// days makes the roll-ups by day of accounts, agents' time, permits and lists, and returns how many.
func (r *Roller) days(ctx context.Context, now time.Time) (int, error) {
	st, err := standingOf(ctx, r.Conn, []string{"calls", "states", "permits", "leads"}, time.Unix(0, 0), now.AddDate(1, 0, 0), r.Zone, false)
	if err != nil {
		return 0, err
	}
	today, done := dateNumber(now, r.Zone), 0
	for _, d := range dailies() {
		made, err := r.makeDays(ctx, st, d, r.staleDays(st, d, today, now))
		done += made
		if err != nil {
			return done, err
		}
	}
	n, err := r.makeFirsts(ctx, st, today, now)
	if err != nil {
		return done + n, err
	}
	stock, err := r.makeStock(ctx, st, today, now)
	return done + n + stock, err
}

// rested tells whether a bucket was made long enough ago to be made again.
func (r *Roller) rested(m made, now time.Time) bool {
	return m.version < uint64(now.Add(-15*r.Rest).UnixNano())
}

// staleDays are those before today that are to be made, the newest first.
func (r *Roller) staleDays(st *standing, d daily, today int64, now time.Time) []int64 {
	touched := st.touchedDays(d.facts)
	var out []int64
	for day, n := range d.counts(touched) {
		m := st.rolled[d.table][day]
		// A day after the last facts is looked back from by nobody.
		if _, own := touched[day]; day < today && (own || d.table != accountsFirst.table) && (m.version == 0 || m.at != n) && r.rested(m, now) {
			out = append(out, day)
		}
	}
	slices.Sort(out)
	slices.Reverse(out)
	return out
}

// named notes the new version of days, made at the counts of touches they have.
func (r *Roller) named(ctx context.Context, st *standing, table string, version uint64, days ...bucket) error {
	values := make([]string, len(days))
	for i, day := range days {
		values[i] = fmt.Sprintf("(%s, %s, %d, %d, %d)", quote(table), quote(r.Zone.String()), day.bucket, day.touched, version)
	}
	if err := r.Conn.Exec(ctx, "INSERT INTO rolled (rollup, zone, bucket, made_at, version) VALUES "+strings.Join(values, ", ")); err != nil {
		return fmt.Errorf("name the new version of %s: %w", table, err)
	}
	if st.rolled[table] == nil {
		st.rolled[table] = map[int64]made{}
	}
	for _, day := range days {
		st.rolled[table][day.bucket] = made{day.touched, version}
	}
	return nil
}

// makeDays makes days of a roll-up, as far as they can be made yet, and returns how many.
func (r *Roller) makeDays(ctx context.Context, st *standing, d daily, stale []int64) (int, error) {
	zone, counts := r.Zone.String(), d.counts(st.touchedDays(d.facts))
	var days []bucket
	for _, day := range stale {
		if d.fit != nil {
			var fits bool
			if err := r.Conn.QueryRow(ctx, "SELECT toBool("+d.fit(day, zone)+")").Scan(&fits); err != nil {
				return 0, fmt.Errorf("ask whether %s can be made: %w", d.table, err)
			}
			if !fits {
				continue
			}
		}
		days = append(days, bucket{day, counts[day]})
	}
	portions := slices.Collect(slices.Chunk(days, 1))
	if d.together != nil {
		var err error
		if portions, err = r.portions(ctx, d.facts, days); err != nil {
			return 0, err
		}
	}
	done := 0
	for _, portion := range portions {
		version := newVersion()
		statement := ""
		if d.together != nil {
			statement = d.together(numbers(portion), zone, version)
		} else {
			statement = d.fill(portion[0].bucket, zone, version)
		}
		if err := r.Conn.Exec(ctx, statement); err != nil {
			return done, fmt.Errorf("fill %s: %w", d.table, err)
		}
		if err := r.named(ctx, st, d.table, version, portion...); err != nil {
			return done, err
		}
		done += len(portion)
	}
	return done, nil
}

// makeFirsts makes days of accounts_first from accounts_1d, where all the days they look at are current there.
func (r *Roller) makeFirsts(ctx context.Context, st *standing, today int64, now time.Time) (int, error) {
	touched := st.touchedDays("calls")
	counts := accountsFirst.counts(touched)
	source := func(from, to int64) (keys []string, ok bool) {
		for day := from; day <= to; day++ {
			n, m := touched[day], st.rolled[accountsByDay.table][day]
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
	stale := r.staleDays(st, accountsFirst, today, now)
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
		for _, cut := range []string{"all", "campaign"} {
			if err := r.Conn.Exec(ctx, fillFirsts(cut, first, last, r.Zone.String(), keys, version)); err != nil {
				return done, fmt.Errorf("fill accounts_first: %w", err)
			}
		}
		var days []bucket
		for day := first; day <= last; day++ {
			days = append(days, bucket{day, counts[day]})
		}
		if err := r.named(ctx, st, accountsFirst.table, version, days...); err != nil {
			return done, err
		}
		done += len(days)
	}
	return done, nil
}

// fillFirsts makes the days from first to last of one cut.
func fillFirsts(cut string, first, last int64, zone string, source []string, version uint64) string {
	campaign := "''"
	if cut == "campaign" {
		campaign = "toString(campaign_id)"
	}
	rows := "accounts_1d WHERE (day, version) IN (" + strings.Join(source, ", ") + ")"
	chosen := "SELECT account FROM " + rows + fmt.Sprintf(" AND day >= toDate(%d)", first)
	days := "SELECT account, " + campaign + " AS campaign, day, max(has_lead) AS lead, sum(n) AS calls, max(reached) AS reached, max(completed) AS completed, max(won) AS won, max(useless) AS useless FROM " + rows + " AND account IN (" + chosen + ") GROUP BY account, campaign, day"
	// A day of an account: 1 day, 2 calls, 3 reached, 4 completed, 5 won, 6 reached or useless.
	accounts := "SELECT account, campaign, max(lead) AS lead, groupArray((day, calls, reached, completed, won, toUInt8(reached OR useless))) AS days FROM (" + days + ") GROUP BY account, campaign"
	// The moment each account became a lead; none = the last of all moments.
	registered := "SELECT reinterpretAsUInt128(sipHash128(concat('l', lead_id))) AS account, min(at) AS first_at FROM leads WHERE at < " + dayStart(dateOf(last+1), zone) + " AND account IN (" + chosen + ") GROUP BY account"
	joined := "SELECT a.campaign AS campaign, a.lead AS lead, a.days AS days, if(l.account = a.account AND a.lead, l.first_at, toDateTime64('2299-12-31 00:00:00', 3, 'UTC')) AS registered FROM (" + accounts + ") AS a LEFT JOIN (" + registered + ") AS l ON l.account = a.account"
	before := func(flag string) string {
		return "arrayMax(arrayMap(y -> if(y.1 < x.1 AND " + flag + ", y.1, toDate(0)), days))"
	}
	one := func(what, since string) string {
		return "('" + what + "', " + since + ", toDate(0), toUInt64(1))"
	}
	when := func(condition, tuples string) string { return "if(" + condition + ", " + tuples + ", [])" }
	tuples := "arrayConcat(" + strings.Join([]string{
		"[" + one("called", before("1")) + ", ('calls', toDate(0), toDate(0), toUInt64(x.2))]",
		when("x.3", "["+one("reached", before("y.3"))+"]"),
		when("x.4", "["+one("completed", before("y.4"))+"]"),
		when("x.5", "["+one("won", before("y.5"))+"]"),
		when("x.6", "["+one("spoilt", before("y.6"))+"]"),
		// Calls of an account that was reached on that day or before, by when last; and those it is reached after.
		when("x.3 OR "+before("y.3")+" > toDate(0)", "[('after', if(x.3, x.1, "+before("y.3")+"), toDate(0), toUInt64(x.2))]"),
		when("x.3", "arrayMap(y -> ('before', "+strings.ReplaceAll(strings.ReplaceAll(before("z.3"), "y.1", "z.1"), "y ->", "z ->")+", y.1, toUInt64(y.2)), arrayFilter(y -> y.1 < x.1 AND y.1 > "+
			strings.ReplaceAll(strings.ReplaceAll(before("z.3"), "y.1", "z.1"), "y ->", "z ->")+", days))"),
		when("lead AND registered < "+dayStart("x.1 + 1", zone), "["+one("lead", "toDate(0)")+"]"),
		when("lead AND registered < "+dayStart("x.1 + 1", zone)+" AND x.3", "["+one("reached_lead", before("y.3"))+"]"),
		when("lead AND registered >= "+dayStart("x.1 + 1", zone), "["+one("stranger", "toDate(0)")+"]"),
	}, ", ") + ")"
	each := fmt.Sprintf("SELECT campaign, x.1 AS day, %s AS said FROM (%s) ARRAY JOIN arrayFilter(d -> d.1 >= toDate(%d) AND d.1 <= toDate(%d), days) AS x", tuples, joined, first, last)
	return fmt.Sprintf("INSERT INTO accounts_first (day, version, cut, what, campaign_id, since, other, n) SELECT day, %d, '%s', t.1, campaign, t.2, t.3, sum(t.4) FROM (%s) ARRAY JOIN said AS t GROUP BY day, campaign, t.1, t.2, t.3%s",
		version, cut, each, finalByPart)
}

// makeStock counts the lists as of the first moment of today, or of the day after the last facts.
func (r *Roller) makeStock(ctx context.Context, st *standing, today int64, now time.Time) (int, error) {
	newest := int64(-1)
	for _, facts := range []string{"calls", "leads"} {
		for day := range st.touchedDays(facts) {
			newest = max(newest, day)
		}
	}
	day := min(today, newest+1)
	at, m := st.stockAt(day), st.rolled["leads_stock"][day]
	if newest < 0 || at == 0 || m.version > 0 && m.at == at || !r.rested(m, now) {
		return 0, nil
	}
	zone := r.Zone.String()
	midnight := firstMoment(day, r.Zone)
	// From the stock of a day before, if one holds, and what changed since: looking at every lead takes minutes where there are millions.
	s := scope{from: instant(time.Unix(0, 0)), to: instant(midnight), zone: zone, tiers: &tiers{stock: st.stockFor(midnight), daily: map[string]dailyTier{uselessByDay.table: uselessByDay.serve(st, time.Unix(0, 0), midnight)}}}
	version := newVersion()
	if err := r.Conn.Exec(ctx, fmt.Sprintf("INSERT INTO leads_stock (day, version, campaign_id, list_id, accounts, useless) SELECT %s, %d, campaign_id, list_id, sum(accounts) AS all_accounts, sum(useless) FROM %s GROUP BY campaign_id, list_id HAVING all_accounts != 0", dateOf(day), version, s.leads())); err != nil {
		return 0, fmt.Errorf("fill leads_stock: %w", err)
	}
	return 1, r.named(ctx, st, "leads_stock", version, bucket{day, at})
}
