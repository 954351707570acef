package kpi

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// standing is how the roll-ups stand: what was touched, and at which count each bucket was made.
type standing struct {
	zone   *time.Location
	slots  map[string]map[int64]uint64 // facts -> slot -> count
	rolled map[string]map[int64]made   // table -> bucket
	// The slots of calls and leads in order, and how much was touched in those before each; worked out when stockAt first asks.
	inOrder []int64
	upTo    []uint64
}

// factsOf are the kinds of facts whose roll-ups can serve a source.
func factsOf(source string) []string {
	switch source {
	case "calls", "orders", "both_directions", "accounts", "lead_calls":
		return []string{"calls"}
	case "states", "attended":
		return []string{"states"}
	case "permits":
		return []string{"permits"}
	case "leads":
		return []string{"calls", "leads"}
	}
	return nil
}

func dateNumber(t time.Time, zone *time.Location) int64 {
	y, m, d := t.In(zone).Date()
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix() / 86400
}

func firstMoment(day int64, zone *time.Location) time.Time {
	y, m, d := time.Unix(day*86400, 0).UTC().Date()
	return time.Date(y, m, d, 0, 0, 0, 0, zone)
}

// standingOf asks for the slots between two moments and all buckets of the roll-ups by day; minutes only when they are
// wanted.
func standingOf(ctx context.Context, conn driver.Conn, facts []string, from, to time.Time, zone *time.Location, minutes bool) (*standing, error) {
	first, last := from.UnixMilli()/slotMS, (to.UnixMilli()-1)/slotMS
	dayFrom, dayTo := dateNumber(from, zone)-1, dateNumber(to, zone)+1
	q := fmt.Sprintf("SELECT toString(facts) AS name, toInt64(slot) AS bucket, sum(n) AS made_at, toUInt64(0) AS version, false AS rolled FROM touched WHERE facts IN (%s) AND slot >= %d AND slot <= %d GROUP BY facts, slot\n"+
		"UNION ALL SELECT toString(rolled.rollup) AS name, bucket, max((made_at, version)).1, max((made_at, version)).2, true FROM rolled WHERE zone = %s AND bucket BETWEEN %d AND %d GROUP BY name, bucket",
		literals(facts), max(first, 0), last, quote(zone.String()), dayFrom, dayTo)
	if minutes {
		q += fmt.Sprintf("\nUNION ALL SELECT toString(rolled.rollup) AS name, bucket, max((made_at, version)).1, max((made_at, version)).2, true FROM rolled WHERE rollup = 'calls_1m' AND zone = '' AND bucket BETWEEN %d AND %d GROUP BY name, bucket", first, last)
	}
	rows, err := conn.Query(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("ask how current the roll-ups are: %w", err)
	}
	defer func() { _ = rows.Close() }()
	s := &standing{zone: zone, slots: map[string]map[int64]uint64{}, rolled: map[string]map[int64]made{}}
	for _, f := range facts {
		s.slots[f] = map[int64]uint64{}
	}
	for rows.Next() {
		var name string
		var bucket int64
		var m made
		var rolled bool
		if err := rows.Scan(&name, &bucket, &m.at, &m.version, &rolled); err != nil {
			return nil, fmt.Errorf("read how current the roll-ups are: %w", err)
		}
		if !rolled {
			s.slots[name][bucket] = m.at
			continue
		}
		if s.rolled[name] == nil {
			s.rolled[name] = map[int64]made{}
		}
		s.rolled[name][bucket] = m
	}
	return s, rows.Err()
}

// touchedDays sums the slots of facts up by day.
func (s *standing) touchedDays(facts string) map[int64]uint64 {
	out := map[int64]uint64{}
	for slot, n := range s.slots[facts] {
		out[dateNumber(time.UnixMilli(slot*slotMS), s.zone)] += n
	}
	return out
}

// counts of touches by day that a roll-up's day rests on: its own and those of the days before that it looks at. Days on
// which nothing can be have none.
func (d daily) counts(touched map[int64]uint64) map[int64]uint64 {
	out := map[int64]uint64{}
	for day, n := range touched {
		for k := range int64(d.back + 1) {
			out[day+k] += n
		}
	}
	return out
}

func keyOf(day int64, m made) string { return fmt.Sprintf("(toDate(%d), %d)", day, m.version) }

// serve works out which days of a roll-up serve [from, to).
func (d daily) serve(st *standing, from, to time.Time) dailyTier {
	touched := st.touchedDays(d.facts)
	counts := d.counts(touched)
	first, after := dateNumber(from.Add(-time.Millisecond), st.zone)+1, dateNumber(to, st.zone)
	var t dailyTier
	whole := map[int64]bool{}
	for day := first; day < after; day++ {
		m := st.rolled[d.table][day]
		switch {
		case counts[day] == 0:
			whole[day] = true
		case m.version > 0 && m.at == counts[day]:
			whole[day] = true
			t.days = append(t.days, keyOf(day, m))
		}
	}
	var slots []int64
	for slot := range st.slots[d.facts] {
		if slot >= from.UnixMilli()/slotMS && slot <= (to.UnixMilli()-1)/slotMS && !whole[dateNumber(time.UnixMilli(slot*slotMS), st.zone)] {
			slots = append(slots, slot)
		}
	}
	slices.Sort(slots)
	for _, slot := range slots {
		add(&t.bare, slot)
	}
	// In time: from one whole day to the next.
	begin := from
	for day := first; day < after; day++ {
		if !whole[day] {
			continue
		}
		if midnight := firstMoment(day, st.zone); midnight.After(begin) {
			t.gaps = append(t.gaps, [2]int64{begin.UnixMilli(), midnight.UnixMilli()})
		}
		begin = firstMoment(day+1, st.zone)
	}
	if begin.Before(to) {
		t.gaps = append(t.gaps, [2]int64{begin.UnixMilli(), to.UnixMilli()})
	}
	return t
}

// firsts tells whether accounts_since answers [from, to): every day on which there were calls lies in it whole and is
// current, and none looks back less far than the range.
func (st *standing) firsts(from, to time.Time) *firstTier {
	t := accountsSince.serve(st, from, to)
	first := dateNumber(from.Add(-time.Millisecond), st.zone) + 1
	if len(t.bare) > 0 || len(t.days) == 0 || dateNumber(to.Add(-time.Millisecond), st.zone)-first > lookBack {
		return nil
	}
	return &firstTier{days: t.days, from: first}
}

// stockAt is the count that leads_stock as of a day's first moment rests on: all that was touched before.
func (st *standing) stockAt(day int64) uint64 {
	if st.upTo == nil {
		sums := map[int64]uint64{}
		for _, facts := range []string{"calls", "leads"} {
			for slot, n := range st.slots[facts] {
				sums[slot] += n
			}
		}
		st.inOrder = slices.Sorted(maps.Keys(sums))
		st.upTo = make([]uint64, len(st.inOrder)+1)
		for i, slot := range st.inOrder {
			st.upTo[i+1] = st.upTo[i] + sums[slot]
		}
	}
	i, _ := slices.BinarySearch(st.inOrder, firstMoment(day, st.zone).UnixMilli()/slotMS)
	return st.upTo[i]
}

// stockFor is the newest stock that holds and is not later than `to`.
func (st *standing) stockFor(to time.Time) (t stockTier) {
	newest := int64(-1)
	for day, m := range st.rolled["leads_stock"] {
		if day > newest && m.version > 0 && !firstMoment(day, st.zone).After(to) && m.at == st.stockAt(day) {
			newest = day
		}
	}
	if newest < 0 {
		return t
	}
	t.key, t.day, t.zone = keyOf(newest, st.rolled["leads_stock"][newest]), newest, st.zone
	midnight := firstMoment(newest, st.zone).UnixMilli() / slotMS
	for _, facts := range []string{"calls", "leads"} {
		for slot := range st.slots[facts] {
			t.later = t.later || slot >= midnight && slot*slotMS < to.UnixMilli()
		}
	}
	return t
}

func add(into *[]span, slot int64) {
	if n := len(*into); n > 0 && (*into)[n-1].to == slot-1 {
		(*into)[n-1].to = slot
		return
	}
	*into = append(*into, span{slot, slot})
}

// tiersOf asks how the roll-ups stand for a range, as far as the sources can use them.
func tiersOf(ctx context.Context, conn driver.Conn, sources []string, from, to time.Time, zone *time.Location) (*tiers, error) {
	var facts []string
	for _, src := range sources {
		for _, f := range factsOf(src) {
			if !slices.Contains(facts, f) {
				facts = append(facts, f)
			}
		}
	}
	if len(facts) == 0 {
		return nil, nil
	}
	since := from.AddDate(0, 0, -lookBack-2)
	if slices.Contains(facts, "leads") {
		since = time.Unix(0, 0) // a stock rests on all there was
	}
	st, err := standingOf(ctx, conn, facts, since, to, zone, slices.Contains(facts, "calls"))
	if err != nil {
		return nil, err
	}
	var slots []slotState
	for slot, n := range st.slots["calls"] {
		if slot >= from.UnixMilli()/slotMS {
			slots = append(slots, slotState{slot, n, st.rolled["calls_1m"][slot]})
		}
	}
	slices.SortFunc(slots, func(a, b slotState) int { return int(a.slot - b.slot) })
	t := &tiers{calls: map[string]callTier{}, daily: map[string]dailyTier{}}
	for _, r := range []rollup{byDay, byHour} {
		t.calls[r.table] = choose(slots, st.rolled[r.table], from, to, zone)
	}
	for _, d := range []daily{accountsByDay, statesByDay, statesByHour, presenceByDay, permitsByDay, permitsByHour} {
		t.daily[d.table] = d.serve(st, from, to)
	}
	t.daily[uselessByDay.table] = dailyTier{}
	if slices.Contains(facts, "leads") {
		t.daily[uselessByDay.table] = uselessByDay.serve(st, time.Unix(0, 0), to)
		t.stock = st.stockFor(to)
	}
	t.first = st.firsts(from, to)
	if since := accountsSince.serve(st, from, to).days; slices.Contains(sources, "lead_calls") && len(since) == len(t.daily[accountsByDay.table].days) {
		if t.settled = len(since) == 0; !t.settled {
			if err := conn.QueryRow(ctx, "SELECT toBool(count() = 0) FROM accounts_since WHERE what = 'stranger' AND (day, version) IN ("+strings.Join(since, ", ")+")").Scan(&t.settled); err != nil {
				return nil, fmt.Errorf("ask for accounts of leads that came late: %w", err)
			}
		}
	}
	return t, nil
}
