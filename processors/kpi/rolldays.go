package kpi

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

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
	for _, d := range sinces() {
		n, err := r.makeSince(ctx, st, d, today, now)
		done += n
		if err != nil {
			return done, err
		}
	}
	stock, err := r.makeStock(ctx, st, today, now)
	return done + stock, err
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
		if _, own := touched[day]; day < today && (own || d.source == nil) && (m.version == 0 || m.at != n) && r.rested(m, now) {
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

// stockDays are the days as of whose first moment the lists are counted: up to newest, the last five weeks' each, before that
// Mondays. A question up to any moment has a stock that is not long before it.
func stockDays(oldest, newest int64) (out []int64) {
	for day := oldest + 1; day <= newest; day++ {
		if monday := (day+3)%7 == 0; monday || day > newest-35 {
			out = append(out, day)
		}
	}
	return out
}

// stocksFor is how long a pass goes on making stocks: other roll-ups wait meanwhile.
const stocksFor = 30 * time.Second

// makeStock counts the lists as of the first moment of today, or of the day after the last facts; where there are many leads as of
// days gone by, too. Each is made from the one before and what changed since: looking at every lead takes minutes where there are
// millions.
func (r *Roller) makeStock(ctx context.Context, st *standing, today int64, now time.Time) (int, error) {
	oldest, newest := int64(math.MaxInt64), int64(-1)
	for _, facts := range []string{"calls", "leads"} {
		for day := range st.touchedDays(facts) {
			oldest, newest = min(oldest, day), max(newest, day)
		}
	}
	if newest < 0 {
		return 0, nil
	}
	var leads uint64
	if err := r.Conn.QueryRow(ctx, "SELECT count() FROM leads").Scan(&leads); err != nil {
		return 0, fmt.Errorf("count the leads: %w", err)
	}
	days := []int64{min(today, newest+1)}
	if from := cmp.Or(r.StocksFrom, 1_000_000); leads >= from {
		days = stockDays(oldest, days[0])
	}
	done, began := 0, time.Now()
	for _, day := range days {
		if time.Since(began) > stocksFor {
			break
		}
		at, m := st.stockAt(day), st.rolled["leads_stock"][day]
		if at == 0 || m.version > 0 && m.at == at || !r.rested(m, now) {
			continue
		}
		midnight := firstMoment(day, r.Zone)
		s := scope{from: instant(time.Unix(0, 0)), to: instant(midnight), zone: r.Zone.String(), tiers: &tiers{stock: st.stockFor(midnight), daily: map[string]dailyTier{uselessByDay.table: uselessByDay.serve(st, time.Unix(0, 0), midnight)}}}
		version := newVersion()
		if err := r.Conn.Exec(ctx, fmt.Sprintf("INSERT INTO leads_stock (day, version, campaign_id, list_id, accounts, useless) SELECT %s, %d, campaign_id, list_id, sum(accounts) AS all_accounts, sum(useless) FROM %s GROUP BY campaign_id, list_id HAVING all_accounts != 0", dateOf(day), version, s.leads())); err != nil {
			return done, fmt.Errorf("fill leads_stock: %w", err)
		}
		if err := r.named(ctx, st, "leads_stock", version, bucket{day, at}); err != nil {
			return done, err
		}
		done++
	}
	return done, nil
}
