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
type withs struct {
	names, exprs []string
	stands       []*stand
}

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
	for _, st := range w.stands {
		defined = append(defined, st.sql()+" AS "+st.name)
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

// minutes is the name of a tuple: the slots of the roll-up by minute that serve where days leave slots bare, an array of (slot,
// version), and those that are bare still.
func (s scope) minutes(bare string) string {
	rows := "SELECT toUInt32(bucket) AS slot, made_at, version, 0 AS n FROM rolled WHERE rollup = " + quote(byMinute.table) + " AND zone = '' AND bucket >= " + s.firstSlot() + " AND bucket <= " + s.lastSlot() +
		" UNION ALL SELECT slot, 0, 0, n FROM touched WHERE facts = 'calls' AND slot IN " + bare
	whole := "slot * " + slotSeconds + "000 >= " + millis(s.from) + " AND (slot + 1) * " + slotSeconds + "000 <= " + millis(s.to)
	return s.with.name(byMinute.table+"_slots", "(SELECT (groupArrayIf((slot, last.2), ok), groupArrayIf(slot, NOT ok)) FROM (SELECT slot, max((made_at, version)) AS last, last.2 > 0 AND last.1 = sum(n) AND "+whole+" AS ok FROM ("+rows+") GROUP BY slot HAVING sum(n) > 0"+oneThread+"))")
}

// oneThread is for what is found out beforehand: it reads little, and starting threads takes longer.
const oneThread = " SETTINGS max_threads = 1"
