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

// around makes a table in SQL, in parentheses, that uses the names one that knows them.
func (w *withs) around(table string) string {
	if w.before() == "" {
		return table
	}
	return "(" + w.before() + "SELECT * FROM " + table + w.after() + ")"
}

// heldDays is the name of the days of a roll-up that say what the facts say and lie in the range from their first moment to their
// last, an array of (day, version): those made at the count of touches, of the day and of `back` days before it, that still is the
// count.
func (s scope) heldDays(table, facts string, back int) string {
	day, first := dayOfSlot(s.zone), s.firstSlot()
	touches := "SELECT toInt64(" + day + ") AS bucket, toUInt64(0) AS made_at, toUInt64(0) AS version, n FROM touched WHERE facts = " + quote(facts) + " AND " + s.slots()
	if back > 0 {
		touches = fmt.Sprintf("SELECT toInt64(day) + k AS bucket, toUInt64(0) AS made_at, toUInt64(0) AS version, n FROM (SELECT %s AS day, sum(n) AS n FROM touched WHERE facts = %s AND slot >= %s - %d AND slot <= %s GROUP BY day) ARRAY JOIN range(%d) AS k",
			day, quote(facts), first, (back+1)*96, s.lastSlot(), back+1)
	}
	made := fmt.Sprintf("SELECT bucket, made_at, version, toUInt64(0) AS n FROM rolled WHERE rollup = %s AND zone = %s AND bucket >= toInt64(%s) AND bucket < toInt64(%s)", quote(table), quote(s.zone), s.firstWholeDay(), dayOf(s.to, s.zone))
	return s.with.name(table+"_held", "(SELECT groupArray((toDate(bucket), last.2)) FROM (SELECT bucket, max((made_at, version)) AS last FROM ("+made+" UNION ALL "+touches+") GROUP BY bucket HAVING last.2 > 0 AND last.1 = sum(n)))")
}

// heldSlots is the name of the slots of the roll-up by minute that do so and lie on none of the days: an array of (slot, version).
func (s scope) heldSlots(days string) string {
	made := "SELECT bucket, made_at, version, toUInt64(0) AS n FROM rolled WHERE rollup = " + quote(byMinute.table) + " AND zone = '' AND bucket >= " + s.firstSlot() + " AND bucket <= " + s.lastSlot()
	touches := "SELECT toInt64(slot) AS bucket, toUInt64(0) AS made_at, toUInt64(0) AS version, n FROM touched WHERE facts = 'calls' AND " + s.slots()
	whole := "bucket * " + slotSeconds + "000 >= " + millis(s.from) + " AND (bucket + 1) * " + slotSeconds + "000 <= " + millis(s.to)
	return s.with.name(byMinute.table+"_held", "(SELECT groupArray((slot, last.2)) FROM (SELECT toUInt32(bucket) AS slot, max((made_at, version)) AS last FROM ("+made+" UNION ALL "+touches+") WHERE "+whole+
		" GROUP BY slot HAVING last.2 > 0 AND last.1 = sum(n) AND "+dayOfSlot(s.zone)+" NOT IN "+days+".1))")
}

// bareSlots is the name of the slots that hold facts on none of the days, and are none of the slots: an array.
func (s scope) bareSlots(facts, days, slots string) string {
	not := ""
	if slots != "" {
		not = "slot NOT IN " + slots + ".1"
	}
	return s.with.name(strings.TrimSuffix(days, "_held")+"_bare", "(SELECT groupUniqArray(slot) FROM touched WHERE "+and("facts = "+quote(facts), s.slots(), dayOfSlot(s.zone)+" NOT IN "+days+".1", not)+")")
}
