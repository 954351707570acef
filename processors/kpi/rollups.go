package kpi

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// slotSeconds is the length of a slot of time, by which facts of calls are kept and known to be touched. Hours and days
// of every zone begin at the beginning of one.
const slotSeconds = "900"

// sum is a column that adds up an expression over one call.
type sum struct{ name, of string }

// sums are what a cell of calls adds up, as expressions over one call. A fact is a cell of one call; a row of a roll-up
// is one of several. So a measure over cells says the same wherever they come from.
var sums = []sum{
	{"n", "1"},
	{"connected", connected},
	{"human", connected + " AND answered_by = 'human'"},
	{"live", live},
	{"effective", effective},
	{"visits", effective + " AND agent_id != ''"},
	{"bridged", "isNotNull(bridged_at)"},
	{"handling_ms", handlingMS},
	{"recorded", connected + " AND " + recorded},
	{"abandoned", "outcome = 'abandoned'"},
	{"violated", "notEmpty(violations)"},
	{"won", won},
	{"won_online", won + " AND (direction = 'inbound' OR ifNull(inbound_lead, false))"},
	{"won_effective", won + " AND " + effective},
	{"won_visits", won + " AND " + effective + " AND agent_id != ''"},
}

// cellColumns by which cells are told apart.
var cellColumns = []string{"direction", "campaign_id", "agent_id", "team_id", "partner_id", "list_id", "purpose", "products", "sold"}

// rollup is a table of cells.
type rollup struct {
	table   string
	lacks   []string // columns it has summed over
	minutes bool
	hours   bool     // its days are in rows by hour
	more    []string // columns of calls it has besides those of cells
	adds    []sum
}

var (
	byDay    = rollup{table: "calls_1d", adds: sums}
	byHour   = rollup{table: "calls_1h", hours: true, adds: sums}
	byMinute = rollup{table: "calls_1m", lacks: []string{"agent_id", "team_id", "products", "sold"}, minutes: true, adds: sums}
	byResult = rollup{table: "results_1d", lacks: []string{"list_id", "purpose", "sold"}, more: []string{"outcome", "disposition"}, adds: append([]sum{{"n", "1"}}, gaps...)}
)

// sumOf is a call's share in a sum, as an integer that is never null.
func sumOf(of string) string { return "toInt64(ifNull(" + of + ", 0))" }

// share is the same of the type a roll-up's column has, in as few words as can be.
func (x sum) share() string {
	switch x.name {
	case "n":
		return "1 AS n"
	case "handling_ms":
		return sumOf(x.of) + " AS handling_ms"
	}
	return "ifNull(" + x.of + ", 0) AS " + x.name
}

// fill is the statement that makes the roll-up's rows of some buckets from the facts.
func (r rollup) fill(zone, condition string, version uint64) string {
	names, values, keys := []string{"version"}, []string{fmt.Sprintf("toUInt64(%d)", version)}, []string{}
	key := func(name, value string) {
		names, values, keys = append(names, name), append(values, value+" AS k_"+name), append(keys, "k_"+name)
	}
	if r.minutes {
		key("slot", "slot")
		key("minute", "toStartOfMinute(started_at)")
	} else {
		key("day", dayOf("started_at", zone))
	}
	if r.hours {
		key("hour", hourOf("started_at", zone))
	}
	for _, c := range cellColumns {
		switch {
		case slices.Contains(r.lacks, c):
		case c == "sold":
			key(c, orderedProducts)
		default:
			key(c, c)
		}
	}
	for _, c := range r.more {
		key(c, c)
	}
	for _, x := range r.adds {
		names, values = append(names, x.name), append(values, "sum("+sumOf(x.of)+")")
	}
	return "INSERT INTO " + r.table + " (" + strings.Join(names, ", ") + ") SELECT " + strings.Join(values, ", ") + " FROM calls FINAL WHERE " + condition + " GROUP BY " + strings.Join(keys, ", ") +
		" SETTINGS do_not_merge_across_partitions_select_final = 1, max_partitions_per_insert_block = 0"
}

// hourOf a moment is the first moment of its hour in the zone.
func hourOf(at, zone string) string {
	return "toStartOfHour(toTimeZone(" + at + ", " + quote(zone) + "))"
}

func dayOf(at, zone string) string { return "toDate(toTimeZone(" + at + ", " + quote(zone) + "))" }

// dayOfSlot is the date in the zone on which a slot lies.
func dayOfSlot(zone string) string {
	return "toDate(toDateTime(slot * " + slotSeconds + ", " + quote(zone) + "))"
}

func (s scope) firstSlot() string {
	return s.named("first_slot", "intDiv(toUnixTimestamp("+s.from+"), "+slotSeconds+")")
}
func (s scope) lastSlot() string {
	return s.named("last_slot", "intDiv(toUnixTimestamp("+s.to+" - toIntervalMillisecond(1)), "+slotSeconds+")")
}

// near is the slots the range touches.
func (s scope) slots() string { return "slot >= " + s.firstSlot() + " AND slot <= " + s.lastSlot() }

// cells are the calls of the range: each moment from the coarsest roll-up that answers exactly, what none covers from
// the facts. Columns: what the scope cuts and filters by, and the sums named in `add`; with buckets moment.
func (s scope) cells(add []string, products string, conditions ...string) string {
	return s.cellsWith("", add, products, conditions...)
}

// cellsWith has one more column, an expression over the others.
func (s scope) cellsWith(more string, add []string, products string, conditions ...string) string {
	need := map[string]bool{}
	for _, d := range append(slices.Clone(s.by), filtered(s.where)...) {
		if !isBucket(d) {
			need[columnOf(d)] = true
		}
	}
	if need["product"] {
		need["products"], need["sold"] = true, true
	}
	for _, c := range cellColumns {
		if slices.ContainsFunc(add, func(a string) bool { return a == c }) {
			need[c] = true
		}
	}
	columns := func(moment string, one bool) string {
		var out []string
		if s.bucketed() {
			out = append(out, moment+" AS moment")
		}
		for _, c := range cellColumns {
			if need[c] {
				if one && c == "sold" {
					c = orderedProducts + " AS sold"
				}
				out = append(out, c)
			}
		}
		if s.cuts("product") {
			out = append(out, "product")
		}
		for _, x := range sums {
			switch {
			case !slices.Contains(add, x.name):
			case one:
				out = append(out, x.share())
			default:
				out = append(out, x.name)
			}
		}
		if more != "" {
			out = append(out, more)
		}
		if len(out) == 0 {
			out = []string{"1"}
		}
		return strings.Join(out, ", ")
	}
	where := append(s.conditions(products), conditions...)
	days, moment := byDay, s.noon()
	if s.cuts("hour") {
		days, moment = byHour, hourMoment
	}
	in := s.sources(days, !slices.ContainsFunc(byMinute.lacks, func(c string) bool { return need[c] }))
	var parts []string
	if in.days != "" {
		parts = append(parts, "SELECT "+columns(moment, false)+" FROM "+days.table+s.unfold(products)+" WHERE "+and(append([]string{in.days}, where...)...))
	}
	if in.minutes != "" {
		parts = append(parts, "SELECT "+columns("toDateTime64(minute, 3, 'UTC')", false)+" FROM calls_1m WHERE "+and(append([]string{in.minutes}, where...)...))
	}
	if in.facts != "" || len(parts) == 0 {
		products = strings.ReplaceAll(products, "sold", "ordered") // which are the same together with the products
		where = append(s.conditions(products), conditions...)
		parts = append(parts, "SELECT "+columns("started_at", true)+" FROM calls FINAL"+s.unfold(products)+" WHERE "+and(append([]string{cmp.Or(in.facts, s.slots()), within("started_at", s)}, where...)...)+
			" SETTINGS do_not_merge_across_partitions_select_final = 1")
	}
	return "(" + strings.Join(parts, "\nUNION ALL\n") + ")"
}

// sources are conditions on the tables of the tiers; "" = nothing is read there.
type sources struct{ days, minutes, facts string }

// sources chooses the tiers: as they were found to be beforehand, else the statement chooses for itself. r is the roll-up
// whose days serve; minutes tells whether the one by minute may.
func (s scope) sources(r rollup, minutes bool) (from sources) {
	if s.factsOnly {
		return sources{facts: s.slots()}
	}
	if s.tiers != nil {
		t := s.tiers.calls[r.table]
		facts := t.bare
		if minutes {
			facts = t.facts
		}
		if len(t.days) > 0 {
			from.days = "(day, version) IN (" + strings.Join(t.days, ", ") + ")"
		}
		if minutes && len(t.slots) > 0 {
			from.minutes = "(slot, version) IN (" + strings.Join(t.slots, ", ") + ")"
		}
		if len(facts) > 0 {
			from.facts = condition(facts)
		}
		return from
	}
	days, bare := s.stand("calls").daysOrSlots(r.table, s.unless)
	from.days, from.facts = in("(day, version)", days), in("slot", bare)
	if minutes {
		slots := s.minutes(bare)
		from.minutes, from.facts = in("(slot, version)", slots+".1"), in("slot", slots+".2")
	}
	return from
}

func filtered(where []Filter) []string {
	var out []string
	for _, f := range where {
		out = append(out, f.Dim)
	}
	return out
}

// used are the columns of cells that measures name.
func used(measures []Measure, source string) []string {
	var out []string
	for _, m := range measures {
		if m.Source != source {
			continue
		}
		for _, w := range strings.FieldsFunc(m.SQL, func(r rune) bool { return r != '_' && (r < 'a' || r > 'z') }) {
			if !slices.Contains(out, w) {
				out = append(out, w)
			}
		}
	}
	return out
}
