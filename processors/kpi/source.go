package kpi

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

var (
	callDims      = []string{"campaign", "agent", "team", "partner", "product", "list", "purpose"}
	leadDims      = []string{"campaign", "list"}
	stateDims     = []string{"campaign", "agent", "team", "partner"}
	scheduleDims  = []string{"agent", "team", "partner"}
	permitDims    = []string{"campaign", "partner", "product", "purpose"}
	complaintDims = []string{"campaign", "agent", "team", "partner", "product"}
	qaDims        = []string{"campaign", "agent", "team", "partner"}
)

// dimsOf a source's facts, time last.
func dimsOf(source string) []string {
	timed := func(d []string) []string { return append(slices.Clone(d), Buckets()...) }
	switch source {
	case "leads", "lead_calls": // a stock as of the end of the interval
		return slices.Clone(leadDims)
	case "states":
		return timed(stateDims)
	case "paid", "attended":
		return timed(scheduleDims)
	case "permits":
		return timed(permitDims)
	case "complaints", "complaints_unattributed":
		return timed(complaintDims)
	case "population", "reviews":
		return timed(qaDims)
	}
	return timed(callDims)
}

// quote is a SQL string literal.
func quote(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`, "\n", `\n`, "\x00", `\0`).Replace(s) + "'"
}

// scope is what a source's rows are cut to.
type scope struct {
	from, to, now string // SQL expressions of type DateTime64(3, 'UTC')
	zone          string
	by            []string
	where         []Filter
	also          string // a further condition on plain columns, in SQL
	timeAxis      bool   // buckets as DateTime for a chart, not as keys for a table
	factsOnly     bool   // without the roll-ups
	tiers         *tiers
	with          *withs // what a statement finds out first that chooses for itself: without tiers
	unless        string // a condition on the days of its stand under which nothing is read
}

func (s scope) cuts(dim string) bool { return slices.Contains(s.by, dim) }

func (s scope) filter(dim string) ([]string, bool) {
	for _, f := range s.where {
		if f.Dim == dim {
			return f.Values, true
		}
	}
	return nil, false
}

func (s scope) bucketed() bool { return slices.ContainsFunc(s.by, isBucket) }

// bucket is the key of the bucket in which a moment lies. Hours are Unix seconds: the hour that comes twice stays two.
func (s scope) bucket(name, at string) string {
	local := fmt.Sprintf("toTimeZone(%s, %s)", at, quote(s.zone))
	day := "toDate(" + local + ")"
	ends := "if(toDayOfMonth(" + day + ") >= 28, addMonths(toStartOfMonth(" + day + "), 1), toStartOfMonth(" + day + "))"
	if s.timeAxis {
		switch name {
		case "hour":
			return "toStartOfHour(" + local + ")"
		case "week":
			return "toDateTime(toMonday(" + day + "), " + quote(s.zone) + ")"
		case "month":
			return "toDateTime(toStartOfMonth(" + day + "), " + quote(s.zone) + ")"
		case "period":
			return "toDateTime(" + ends + ", " + quote(s.zone) + ")"
		}
		return "toStartOfDay(" + local + ")"
	}
	switch name {
	case "hour":
		return "toString(toUnixTimestamp(toStartOfHour(" + local + ")))"
	case "week":
		return "concat(toString(toISOYear(" + day + ")), '-W', leftPad(toString(toISOWeek(" + day + ")), 2, '0'))"
	case "month":
		return "substring(toString(" + day + "), 1, 7)"
	case "period":
		return "substring(toString(" + ends + "), 1, 7)"
	}
	return "toString(" + day + ")"
}

// columns of the dimensions that are plain columns of every fact.
func column(dim string) string {
	if dim == "product" {
		return "product"
	}
	return dim + "_id"
}

func columnOf(dim string) string {
	if dim == "purpose" {
		return "purpose"
	}
	return column(dim)
}

// keys are the SELECT and GROUP BY expressions of the cut, for facts that stand at the moment `at`.
func (s scope) keys(at string) []string {
	var out []string
	for _, d := range s.by {
		if isBucket(d) {
			if s.timeAxis {
				out = append(out, s.bucket(d, at))
			} else {
				out = append(out, "toNullable("+s.bucket(d, at)+")")
			}
			continue
		}
		out = append(out, "nullIf(toString("+columnOf(d)+"), '')")
	}
	return out
}

func literals(values []string) string {
	q := make([]string, len(values))
	for i, v := range values {
		q[i] = quote(v)
	}
	return strings.Join(q, ", ")
}

// conditions of the filters except those left out. With a cut by product the filter holds for the row's product, else
// for any product of the event.
func (s scope) conditions(products string, leaveOut ...string) []string {
	var out []string
	if s.also != "" {
		out = append(out, s.also)
	}
	for _, f := range s.where {
		switch {
		case slices.Contains(leaveOut, f.Dim):
		case f.Dim == "product" && !s.cuts("product"):
			c := fmt.Sprintf("hasAny(%s, [%s])", products, literals(f.Values))
			if slices.Contains(f.Values, "") {
				c = fmt.Sprintf("(%s OR empty(%s))", c, products)
			}
			out = append(out, c)
		default:
			out = append(out, fmt.Sprintf("%s IN (%s)", columnOf(f.Dim), literals(f.Values)))
		}
	}
	return out
}

// unfold turns an event of several products into a row each; without a cut by product it stays one.
func (s scope) unfold(products string) string {
	if !s.cuts("product") {
		return ""
	}
	return fmt.Sprintf(" ARRAY JOIN if(empty(%s), [''], arrayDistinct(arrayMap(p -> toString(p), %s))) AS product", products, products)
}

func within(column string, s scope) string {
	return column + " >= " + s.from + " AND " + column + " < " + s.to
}

func and(conditions ...string) string {
	conditions = slices.DeleteFunc(conditions, func(c string) bool { return c == "" })
	if len(conditions) == 0 {
		return "1"
	}
	return strings.Join(conditions, " AND ")
}

// rows of a source: the FROM clause with its WHERE, and the moment a row stands at.
func (s scope) rows(source string, measures []Measure) (from, at string) {
	switch source {
	case "calls":
		return s.cells(used(measures, source), "products", "direction = 'outbound'"), "moment"
	case "both_directions":
		return s.cells(used(measures, source), "products"), "moment"
	case "orders":
		return s.orders(used(measures, source)), "moment"
	case "leads":
		return s.leads(), ""
	case "states":
		return s.states(), "slice"
	case "paid", "attended":
		return s.spans(source), "slice"
	case "permits":
		return s.permits(), "moment"
	case "complaints":
		return s.complaints("NOT unattributed"), "opened"
	case "complaints_unattributed":
		return s.complaints("unattributed"), "opened"
	case "population":
		// A recording is drawn from on the day of its call or later; the sampling may have another zone than the reports.
		return "sampling_population FINAL WHERE " + and(append(s.conditions(""), within("call_started_at", s), "day >= "+dayOf(s.from, s.zone)+" - 2")...), "call_started_at"
	case "reviews":
		return "qa_reviews FINAL WHERE " + and(append(s.conditions(""), within("call_started_at", s), "isNotNull(published_at)", "NOT void", "calibration_id = ''")...), "call_started_at"
	}
	panic("kpi: no source " + source) // a mistake in the catalogue; a test reads every metric
}

func (s scope) calls(conditions ...string) string {
	return "calls FINAL" + s.unfold("products") + " WHERE " + and(append(append(s.conditions("products"), s.slots(), within("started_at", s)), conditions...)...)
}

// orders are calls with their products and those sold; ordered_here tells whether the order stands in this row.
func (s scope) orders(add []string) string {
	here, all, add := "1", "arrayConcat(products, sold)", slices.Clone(add)
	switch values, filtered := s.filter("product"); {
	case s.cuts("product"):
		here = "if(product = '', empty(sold), has(sold, product))"
	case filtered:
		here = "hasAny(sold, [" + literals(values) + "])"
		if slices.Contains(values, "") {
			here = "(" + here + " OR empty(sold))"
		}
	}
	return s.cellsWith(here+" AS ordered_here", add, all, "direction = 'outbound'")
}

// permits are rows with a moment, permitted and denied: days from the roll-up by day, or by hour, what it does not cover from
// the facts.
func (s scope) permits() string {
	cols := s.needs([]string{"campaign_id", "partner_id", "purpose"})
	if s.cuts("product") {
		cols = append(cols, "product")
	}
	list := strings.Join(append(cols, ""), ", ")
	d, moment := permitsByDay, s.noon()
	if s.cuts("hour") {
		d, moment = permitsByHour, hourMoment
	}
	days, slots := d.of(s)
	var parts []string
	if days != "" {
		parts = append(parts, "SELECT "+moment+" AS moment, "+list+"permitted, denied FROM "+d.table+s.unfold("products")+" WHERE "+and(append(s.conditions("products"), days)...))
	}
	if slots != "" || len(parts) == 0 {
		parts = append(parts, "SELECT at AS moment, "+list+"toUInt64(decision = 'permit') AS permitted, toUInt64(decision = 'deny') AS denied FROM permits FINAL"+s.unfold("products")+" WHERE "+
			and(append(s.conditions("products"), cmp.Or(slots, s.slots()), within("at", s))...)+" SETTINGS do_not_merge_across_partitions_select_final = 1")
	}
	return "(" + strings.Join(parts, "\nUNION ALL\n") + ")"
}

// leads are the current versions of the lists as of the end of the interval: rows with how many accounts, and how many of
// them useless. They come from the newest leads_stock that holds and is not later; leads that came or were called useless since
// then are taken out as they were and put in as they are. Where none holds, all leads came since.
func (s scope) leads() string {
	const rows = "SELECT campaign_id, list_id, toInt64(accounts) AS accounts, toInt64(useless) AS useless FROM leads_stock WHERE "
	switch {
	case s.factsOnly:
		return s.leadsByOne()
	case s.tiers != nil && s.tiers.stock.key == "":
		return s.leadsByOne()
	case s.tiers != nil:
		stock := rows + and(append(s.conditions(""), "(day, version) = "+s.tiers.stock.key)...)
		if s.tiers.stock.later {
			midnight := firstMoment(s.tiers.stock.day, s.tiers.stock.zone)
			stock += s.leadsSince(instant(midnight), s.changed(fmt.Sprint(midnight.UnixMilli()/slotMS), ""), "")
		}
		return "(" + stock + ")"
	}
	// A tuple: the stock that holds, none or one; the first slot after it; whether leads are to be read; and the moment of the stock.
	stock := s.with.name("stock", "(SELECT (groupArray((toDate(bucket), version)), max(slot), count() = 0 OR max(later), toDateTime64(max(slot) * "+slotSeconds+", 3, 'UTC')) FROM ("+s.stock()+"))")
	return "(" + rows + and(append(s.conditions(""), "(day, version) IN "+stock+".1")...) + s.leadsSince(stock+".4", "(empty("+stock+".1) OR "+s.changed(stock+".2", stock+".3")+")", stock+".3") + ")"
}

// changed is a condition on lead_id that keeps those that came or were called useless from a slot on, if there are such.
func (s scope) changed(first, there string) string {
	return "lead_id IN (SELECT lead_id FROM leads_by_time WHERE " + and(there, "slot >= "+first, "at < "+s.to) +
		" UNION ALL SELECT lead_id FROM calls FINAL WHERE " + and(there, "slot >= "+first, "direction = 'outbound'", "lead_id != ''", uselessCall, "started_at < "+s.to) + ")"
}

// leadsSince is what follows the stock as of the moment midnight, up to the end of the interval: the leads that changed, once as they
// were then and are to be taken out, once as they are. there tells whether there are such. They are found by PREWHERE: beside another
// condition ClickHouse works on the set of their ids for longer (0.6 s for 300,000 of 26 million) than reading takes.
func (s scope) leadsSince(midnight, changed, there string) string {
	const lead, newest = "(leads.campaign_id, leads.list_id, leads.useless != '')", "(leads.at, arrival)"
	was := "leads.at < " + midnight
	leads := "SELECT lead_id, countIf(" + was + ") > 0 AS existed, argMaxIf(" + lead + ", " + newest + ", " + was + ") AS was, argMax(" + lead + ", " + newest + ") AS now, " + midnight + " AS midnight FROM leads FINAL PREWHERE " + changed + " WHERE " + and(there, "at < "+s.to) + " GROUP BY lead_id"
	spoilt := "SELECT lead_id, min(first) AS first FROM (" + s.spoilt(changed, there) + ") GROUP BY lead_id"
	return "\nUNION ALL\nSELECT x.2.1 AS campaign_id, x.2.2 AS list_id, x.1 AS accounts, toInt64(x.2.3 OR s.lead_id != '' AND (x.1 > 0 OR s.first < midnight)) * x.1 AS useless FROM (" + leads + ") AS l LEFT JOIN (" + spoilt + ") AS s ON l.lead_id = s.lead_id " +
		"ARRAY JOIN if(existed, [(-1, was), (1, now)], [(1, now)]) AS x WHERE " + and(s.conditions("")...)
}

// spoilt are the leads that calls before the end of the interval made useless, with the moment of the call or the first one of its
// day. of and there are conditions on those of days that are rolled up, of one on lead_id.
func (s scope) spoilt(of, there string) string {
	facts := func(slots string) string {
		return "SELECT lead_id, started_at AS first FROM calls FINAL WHERE " + and("direction = 'outbound'", "started_at < "+s.to, "lead_id != ''", uselessCall, slots)
	}
	if s.factsOnly {
		return facts("")
	}
	all := s
	all.from = instant(time.Unix(0, 0))
	days, slots := uselessByDay.of(all)
	if days == "" {
		return facts(slots)
	}
	rolled := "SELECT lead_id, " + dayStart("day", s.zone) + " AS first FROM useless_1d WHERE " + and(there, of, days)
	if slots == "" {
		return rolled
	}
	return rolled + " UNION ALL " + facts(slots)
}

// stock is the newest leads_stock that holds and is not later than the range's end, for statements that choose for themselves:
// no row or one, with bucket, version, its first slot, and whether anything came later, up to the range's end. One holds while nothing before its day
// was touched since it was made.
func (s scope) stock() string {
	made := "SELECT bucket, made_at, version, intDiv(toUnixTimestamp(toDateTime(toDate(bucket), " + quote(s.zone) + ")), " + slotSeconds + ") AS slot, 0 AS n FROM rolled FINAL WHERE rollup = 'leads_stock' AND zone = " + quote(s.zone) + " AND bucket <= toInt64(" + dayOf(s.to, s.zone) + ")"
	touches := "SELECT 0, 0, 0, slot, n FROM touched WHERE facts IN ('calls', 'leads') AND slot <= " + s.lastSlot()
	// In the order of time, the stock of a slot's first moment before what was touched in it.
	return "SELECT bucket, version, slot, total > before AS later FROM (SELECT bucket, made_at, version, slot, sum(n) OVER (ORDER BY slot, version DESC) AS before, sum(n) OVER () AS total FROM (" + made + " UNION ALL " + touches + ")) WHERE version > 0 AND made_at = before ORDER BY bucket DESC LIMIT 1" + oneThread
}

// leadsByOne looks at each lead and at the calls that made it useless.
func (s scope) leadsByOne() string {
	return "(SELECT campaign_id, list_id, toInt64(1) AS accounts, toInt64(useless_word != '' OR lead_id IN (SELECT lead_id FROM (" + s.spoilt("", "") + "))) AS useless FROM (SELECT lead_id, argMax(leads.campaign_id, (leads.at, arrival)) AS campaign_id, argMax(leads.list_id, (leads.at, arrival)) AS list_id, " +
		"argMax(useless, (leads.at, arrival)) AS useless_word FROM leads FINAL WHERE at < " + s.to + " GROUP BY lead_id)) WHERE " + and(s.conditions("")...)
}

// complaints are one row each, as attributed last; they stand where they were first opened.
func (s scope) complaints(condition string) string {
	last := func(c string) string { return "argMax(complaints." + c + ", revision) AS " + c }
	return "(SELECT complaint_id, if(countIf(event = 'opened') > 0, minIf(at, event = 'opened'), min(at)) AS opened, " +
		strings.Join([]string{last("campaign_id"), last("agent_id"), last("team_id"), last("partner_id"), last("products"), last("unattributed")}, ", ") +
		", argMaxIf(event, (at, revision), event IN ('upheld', 'rejected')) = 'upheld' AS upheld FROM complaints FINAL GROUP BY complaint_id)" + s.unfold("products") +
		" WHERE " + and(append(s.conditions("products"), within("opened", s), condition)...)
}
