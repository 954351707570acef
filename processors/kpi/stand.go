package kpi

import (
	"fmt"
	"slices"
	"strings"
)

// stand is how the roll-ups by day of one kind of facts stand in a range, as a statement finds out that chooses its roll-ups for
// itself: a tuple with what the statement asks of it. All of them are looked up at once, since beginning to read a table costs more
// than reading it here, and a name costs once more in every SELECT that uses it.
type stand struct {
	s        scope
	name     string
	facts    string
	tables   []string
	backs    []int
	elements []string // of the tuple, as expressions over the days; "" where a fork is
	forks    []*fork
	// What elements ask of each day.
	gaps, there, strangers bool
}

// stand of the facts in the scope's range.
func (s scope) stand(facts string) *stand {
	for _, st := range s.with.stands {
		if st.facts == facts && st.s.from == s.from {
			return st
		}
	}
	s.firstSlot()
	s.lastSlot()
	s.firstWholeDay()
	st := &stand{s: s, name: fmt.Sprintf("%s_stand", facts), facts: facts}
	for n := 2; slices.ContainsFunc(s.with.stands, func(x *stand) bool { return x.name == st.name }); n++ {
		st.name = fmt.Sprintf("%s_stand_%d", facts, n)
	}
	s.with.stands = append(s.with.stands, st)
	return st
}

// of is the number of a roll-up among those looked up. A day of it rests on the touches of that day and of `back` days before.
func (st *stand) of(table string, back int) int {
	i := slices.Index(st.tables, table)
	if i < 0 {
		i = len(st.tables)
		st.tables, st.backs = append(st.tables, table), append(st.backs, back)
	}
	return i
}

// element of the tuple.
func (st *stand) element(expr string) string {
	i := slices.Index(st.elements, expr)
	if i < 0 {
		i = len(st.elements)
		st.elements = append(st.elements, expr)
	}
	return fmt.Sprintf("%s.%d", st.name, i+1)
}

// fork is an element that is one of two tuples: where its condition on the days holds, the arrays of one way are in it, else those of
// the other. So the condition stands there once.
type fork struct {
	condition string
	place     int // among the elements
	arrays    []string
	other     []bool // of the other way
}

// forked is an array that is empty where the condition holds, or where it does not.
func (st *stand) forked(condition, array string, other bool) string {
	i := slices.IndexFunc(st.forks, func(f *fork) bool { return f.condition == condition })
	if i < 0 {
		i = len(st.forks)
		st.elements = append(st.elements, "")
		st.forks = append(st.forks, &fork{condition: condition, place: len(st.elements) - 1})
	}
	f := st.forks[i]
	j := 0
	for j < len(f.arrays) && (f.arrays[j] != array || f.other[j] != other) {
		j++
	}
	if j == len(f.arrays) {
		f.arrays, f.other = append(f.arrays, array), append(f.other, other)
	}
	return fmt.Sprintf("%s.%d.%d", st.name, f.place+1, j+1)
}

func (f *fork) sql() string {
	ways := [2][]string{}
	for j, array := range f.arrays {
		way := 0
		if f.other[j] {
			way = 1
		}
		ways[way], ways[1-way] = append(ways[way], array), append(ways[1-way], "[]")
	}
	return "if(" + f.condition + ", tuple(" + strings.Join(ways[0], ", ") + "), tuple(" + strings.Join(ways[1], ", ") + "))"
}

// days are those of a roll-up that serve, an array of (day, version).
func (st *stand) days(table string, back int) string {
	return fmt.Sprintf("groupArrayIf((toDate(bucket), last_%[1]d.2), ok_%[1]d)", st.of(table, back))
}

// daysOrSlots are two elements: the days of a roll-up that serve, and the slots that hold facts on none of them. Where the scope
// reads nothing, both are empty.
func (st *stand) daysOrSlots(table string, unless string) (days, slots string) {
	days, slots = st.days(table, 0), fmt.Sprintf("groupArrayArrayIf(slots, NOT ok_%d)", st.of(table, 0))
	if unless != "" {
		return st.forked(unless, days, true), st.forked(unless, slots, true)
	}
	return st.element(days), st.element(slots)
}

// time is four elements of a roll-up of agents' time: the days of it that serve, the spans of time they leave open, an array of (from,
// to) in ms, the slots that hold facts on days left open, and those on the days before such. Where a statement reads several such
// roll-ups, a day serves that serves in all: they are made one after the other.
func (st *stand) time(d daily) (days, gaps, slots, earlier string) {
	st.gaps = true
	return st.element(fmt.Sprintf("groupArrayIf((toDate(bucket), last_%d.2), ok)", st.of(d.table, d.back))), st.element("groupArrayIf(gap, open)"), st.element("groupArrayArrayIf(slots, open)"), st.element("groupArrayArrayIf(earlier, open)")
}

// in is a condition that a value is in an array of the tuple. Where that is empty ClickHouse plans nothing of the SELECT.
func in(value, array string) string { return "notEmpty(" + array + ") AND " + value + " IN " + array }

// answers is a condition on the days: whether a roll-up that tells by when the same was last so before answers the range. Every day
// with facts lies in it whole and is current, and none looks back less far than the range.
func (st *stand) answers(d daily, also ...string) string {
	st.there = true
	return and(append(also, fmt.Sprintf("minIf(ok_%d, there)", st.of(d.table, d.back)), fmt.Sprintf("maxIf(bucket, there) <= toInt64(%s) + %d", st.s.firstWholeDay(), lookBack))...)
}

// noStrangers is a condition on the days: no account was called on a whole day of the range whose lead came after that day or never.
// Strangers of days that have been made again since count until they are deleted: then the long way is taken, which is as exact.
func (st *stand) noStrangers() string {
	st.of(accountsSince.table, accountsSince.back)
	st.strangers = true
	return "NOT sum(strangers)"
}

// current is a condition on the days: whether every day with facts that lies in the range whole is current.
func (st *stand) current(d daily) string {
	st.there = true
	return fmt.Sprintf("NOT maxIf(NOT ok_%d, there AND bucket >= toInt64(%s) AND bucket < toInt64(%s))", st.of(d.table, d.back), st.s.firstWholeDay(), dayOf(st.s.to, st.s.zone))
}

// sql is the tuple. A day says what the facts say if it was made at the count of touches that still is the count, or has none; only
// days that lie in the range from their first moment to their last are looked at.
func (st *stand) sql() string {
	s, back, many := st.s, slices.Max(st.backs), len(st.tables) > 1
	columns, all := []string{"bucket"}, []string{}
	for i, table := range st.tables {
		last, touches := "max((made_at, version))", "sum(n)"
		if many {
			last = "maxIf((made_at, version), name = " + quote(table) + ")"
		}
		if st.backs[i] < back {
			touches = fmt.Sprintf("sumIf(n, k <= %d)", st.backs[i])
		}
		all = append(all, fmt.Sprintf("ok_%d", i))
		columns = append(columns, fmt.Sprintf("%s AS last_%[2]d, last_%[2]d.1 = %[3]s AS ok_%[2]d", last, i, touches))
	}
	elements := slices.Clone(st.elements)
	for _, f := range st.forks {
		elements[f.place] = f.sql()
	}
	if st.gaps {
		const day = "toDate(bucket)"
		columns = append(columns, "("+millis("greatest("+s.from+", "+dayStart(day, s.zone)+")")+", "+millis("least("+s.to+", "+dayStart(day+" + 1", s.zone)+")")+") AS gap",
			strings.Join(all, " AND ")+" AS ok", "NOT ok AND gap.2 > gap.1 AS open", "groupUniqArrayIf(slot, k = 0 AND n > 0) AS slots", "groupUniqArrayIf(slot, k = 1) AS earlier")
	} else {
		own := "n > 0"
		if back > 0 {
			own = "k = 0 AND slot >= " + s.firstSlot()
		}
		columns = append(columns, "groupUniqArrayIf(slot, "+own+") AS slots")
	}
	if st.there {
		columns = append(columns, "notEmpty(slots) AS there")
	}
	rolled := []string{"bucket", "made_at", "version", "0 AS n", "0 AS slot"}
	touches := []string{"toInt64(" + dayOfSlot(s.zone) + ")", "0", "0", "n", "slot"}
	first, each := s.firstSlot(), ""
	if back > 0 {
		rolled, touches = append(rolled, "0 AS k"), append(touches, "k")
		touches[0] += " + k"
		first, each = fmt.Sprintf("%s - %d", first, (back+1)*96), fmt.Sprintf(" ARRAY JOIN range(%d) AS k", back+1)
	}
	if many || st.strangers {
		rolled, touches = append(rolled, "rolled.rollup AS name"), append(touches, "''")
	}
	strangers := ""
	if st.strangers {
		columns = append(columns, "countIf(name = 'stranger') AS strangers")
		strangers = " UNION ALL SELECT toInt64(day), 0, 0, 0, 0, 0, what FROM accounts_since WHERE what = 'stranger' AND day >= " + s.firstWholeDay() + " AND day < " + dayOf(s.to, s.zone)
	}
	return "(SELECT tuple(" + strings.Join(elements, ", ") + ") FROM (SELECT " + strings.Join(columns, ", ") + " FROM (SELECT " + strings.Join(rolled, ", ") + " FROM rolled WHERE rolled.rollup IN (" + literals(st.tables) + ") AND zone = " + quote(s.zone) +
		" AND bucket >= toInt64(" + s.firstWholeDay() + ") AND bucket < toInt64(" + dayOf(s.to, s.zone) + ") UNION ALL SELECT " + strings.Join(touches, ", ") + " FROM touched" + each + " WHERE facts = " + quote(st.facts) + " AND slot >= " + first + " AND slot <= " + s.lastSlot() +
		strangers + ") GROUP BY bucket" + oneThread + "))"
}
