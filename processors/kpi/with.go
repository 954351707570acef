package kpi

import (
	"fmt"
	"slices"
	"strings"
)

// withs are what a statement that chooses its roll-ups for itself finds out first, each once, under names in its WITH: how current
// they are, and which slots are read from the facts. ClickHouse answers these before it plans the rest, where their answers then
// stand like literals: they use the index, and branches that have nothing to read fall away. That takes the setting in asLiterals;
// without it the answers are looked up as the rows are read.
type withs struct{ names, exprs []string }

const asLiterals = " SETTINGS enable_scalar_subquery_optimization = 0"

// AsItIs keeps ClickHouse from making machine code of a question's expressions: that takes it 40 ms each when they were evaluated
// three times, and questions are over in less.
const AsItIs = " SETTINGS compile_expressions = 0, compile_aggregate_expressions = 0, compile_sort_description = 0"

// name gives an expression a name, the one it has if it was named before.
func (w *withs) name(base, expr string) string {
	if i := slices.Index(w.exprs, expr); i >= 0 {
		return w.names[i]
	}
	name := base
	for n := 2; slices.Contains(w.names, name); n++ {
		name = fmt.Sprintf("%s_%d", base, n)
	}
	w.names, w.exprs = append(w.names, name), append(w.exprs, expr)
	return name
}

// choosing is a scope that finds out by itself, with the bounds of its range under names.
func (s scope) choosing() scope {
	s.with = &withs{}
	s.from, s.to = s.with.name("range_begin", s.from), s.with.name("range_end", s.to)
	return s
}

// named is an expression under a name where the statement has names, else as it is.
func (s scope) named(base, expr string) string {
	if s.with == nil {
		return expr
	}
	return s.with.name(base, expr)
}

// before and after a SELECT that uses the names.
func (w *withs) before() string {
	if w == nil || len(w.names) == 0 {
		return ""
	}
	defined := make([]string, len(w.names))
	for i, name := range w.names {
		defined[i] = w.exprs[i] + " AS " + name
	}
	return "WITH " + strings.Join(defined, ",\n") + "\n"
}

func (w *withs) after() string {
	if w == nil || len(w.names) == 0 {
		return ""
	}
	return asLiterals
}

// around puts the names around a table in SQL, in parentheses, that uses them.
func (w *withs) around(table string) string {
	if w.before() == "" {
		return table
	}
	return "(" + w.before() + "SELECT * FROM " + table + w.after() + ")"
}

// touchesOf is what the names of a roll-up's days rest on: rows with bucket, the count and version it was made at, the touches it
// rests on, those of the day and of `back` days before it, how many slots of the range were touched on it, and which slots lie on it
// (own) and on the day before (before).
func (s scope) touchesOf(table, facts string, back int) string {
	day, first := dayOfSlot(s.zone), s.firstSlot()
	if back > 0 {
		first = fmt.Sprintf("%s - %d", first, (back+1)*96)
	}
	days := "SELECT toInt64(" + day + ") AS day, sum(n) AS n, countIf(slot >= " + s.firstSlot() + ") AS during, groupUniqArray(slot) AS slots FROM touched WHERE facts = " + quote(facts) + " AND slot >= " + first + " AND slot <= " + s.lastSlot() + " GROUP BY day"
	const none, zero = "emptyArrayUInt32()", "toUInt64(0)"
	touches := "SELECT day AS bucket, " + zero + " AS made_at, " + zero + " AS version, n, during, slots AS own, " + none + " AS before FROM (" + days + ")"
	if back > 0 {
		touches = fmt.Sprintf("SELECT day + k AS bucket, %[1]s AS made_at, %[1]s AS version, n, if(k = 0, during, 0) AS during, if(k = 0, slots, %[2]s) AS own, if(k = 1, slots, %[2]s) AS before FROM (%[3]s) ARRAY JOIN range(%[4]d) AS k", zero, none, days, back+1)
	}
	return "(SELECT bucket, made_at, version, " + zero + " AS n, " + zero + " AS during, " + none + " AS own, " + none + " AS before FROM rolled WHERE rollup = " + quote(table) + " AND zone = " + quote(s.zone) +
		" AND bucket >= toInt64(" + s.firstWholeDay() + ") AND bucket < toInt64(" + dayOf(s.to, s.zone) + ") UNION ALL " + touches + ")"
}

// held tells in SQL of a bucket whether it says what the facts say: it was made at the count of touches that still is the count.
// Only days that lie in the range from their first moment to their last are looked at.
const held = "max((made_at, version)) AS last, last.2 > 0 AND last.1 = sum(n) AS ok"

// days is the name of a tuple: the days of a roll-up that serve, an array of (day, version), and the slots that hold facts on none
// of them.
func (s scope) days(table, facts string) string {
	return s.with.name(table+"_days", "(SELECT (groupArrayIf((toDate(bucket), last.2), ok), groupArrayArrayIf(slots, NOT ok)) FROM (SELECT bucket, "+held+", groupArrayArray(own) AS slots FROM "+s.touchesOf(table, facts, 0)+" GROUP BY bucket))")
}

// minutes is the name of a tuple: the slots of the roll-up by minute that serve where days leave slots bare, an array of (slot,
// version), and those that are bare still.
func (s scope) minutes(days string) string {
	rows := "SELECT toUInt32(bucket) AS slot, made_at, version, toUInt64(0) AS n FROM rolled WHERE rollup = " + quote(byMinute.table) + " AND zone = '' AND bucket >= " + s.firstSlot() + " AND bucket <= " + s.lastSlot() +
		" UNION ALL SELECT slot, toUInt64(0) AS made_at, toUInt64(0) AS version, n FROM touched WHERE facts = 'calls' AND slot IN " + days + ".2"
	whole := "slot * " + slotSeconds + "000 >= " + millis(s.from) + " AND (slot + 1) * " + slotSeconds + "000 <= " + millis(s.to)
	return s.with.name(byMinute.table+"_slots", "(SELECT (groupArrayIf((slot, last.2), ok AND whole), groupArrayIf(slot, NOT (ok AND whole))) FROM (SELECT slot, "+held+", "+whole+" AS whole FROM ("+rows+") GROUP BY slot HAVING sum(n) > 0))")
}

// timeOf is the name of a tuple for a roll-up of agents' time: the days that serve, the spans of time they leave open, an array of
// (from, to) in ms, the slots that hold facts on days left open, and those on the days before such.
func (s scope) timeOf(d daily) string {
	last := s.to + " - toIntervalMillisecond(1)"
	const day = "toDate(bucket)"
	gap := "(" + millis("greatest("+s.from+", "+dayStart(day, s.zone)+")") + ", " + millis("least("+s.to+", "+dayStart(day+" + 1", s.zone)+")") + ")"
	open := "NOT ok AND bucket >= toInt64(" + dayOf(s.from, s.zone) + ") AND bucket <= toInt64(" + dayOf(last, s.zone) + ")"
	return s.with.name(d.table+"_days", "(SELECT (groupArrayIf(("+day+", last.2), ok), groupArrayIf("+gap+", open), groupArrayArrayIf(slots, open), groupArrayArrayIf(earlier, open)) FROM (SELECT bucket, "+held+", "+open+" AS open, groupArrayArray(own) AS slots, groupArrayArray(before) AS earlier FROM "+
		s.touchesOf(d.table, d.facts, d.back)+" GROUP BY bucket))")
}

// firsts is the name of a tuple: the days of a roll-up that tells by when the same was last so before, those that are current, and
// whether they answer the range: every day with facts lies in it whole and is current, and none looks back less far than the range;
// and whether every day with facts that lies in it whole is current.
func (s scope) firsts(d daily) string {
	return s.with.name(d.table+"_days", fmt.Sprintf("(SELECT (groupArrayIf((toDate(bucket), last.2), ok), countIf(there AND NOT ok) = 0 AND countIf(there) > 0 AND maxIf(bucket, there) <= toInt64(%[1]s) + %[2]d, countIf(there AND NOT ok AND bucket >= toInt64(%[1]s) AND bucket < toInt64(%[3]s)) = 0) FROM (SELECT bucket, %[4]s, sum(during) > 0 AS there FROM %[5]s GROUP BY bucket))",
		s.firstWholeDay(), lookBack, dayOf(s.to, s.zone), held, s.touchesOf(d.table, d.facts, d.back)))
}
