package kpi

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Accounts are counted by whoever they are, so numbers of days cannot be added up. There are three ways to them:
//
//   - the facts;
//   - accounts_1d: what a day's calls say of each account, one row for each account and cut;
//   - accounts_since: for each day, of how many accounts something was said of which it had been said on which day last.
//     The accounts of a range are those that were last called before it, summed over its days. It serves for whole days
//     that are all current, not more than it looks back, in all, by campaign or by team.

// accountRows are the calls of the range as rows with an account, what the scope cuts and filters by, n and flags; with buckets a
// moment: days from accounts_1d, what it does not cover from the facts. only is a condition on the table's own columns.
func (s scope) accountRows(flags []string, only, onlyCalls string) string {
	cols := s.needs(accountColumns)
	if s.cuts("product") {
		cols = append(cols, "product")
	}
	list, moment := strings.Join(append(cols, ""), ", "), func(at string) string {
		if s.bucketed() {
			return at + " AS moment, "
		}
		return ""
	}
	days, slots := accountsByDay.of(s)
	var parts []string
	if days != "" {
		q := "SELECT " + moment(s.noon()) + list + "account, n"
		for _, f := range accountFlags {
			if slices.Contains(flags, f.name) {
				q += ", " + f.name
			}
		}
		parts = append(parts, q+" FROM accounts_1d"+s.unfold("products")+" WHERE "+and(append([]string{days, only}, s.conditions("products")...)...))
	}
	if slots != "" || len(parts) == 0 {
		q := "SELECT " + moment("started_at") + list + accountOf + " AS account, 1 AS n"
		for _, f := range accountFlags {
			if slices.Contains(flags, f.name) {
				q += ", toUInt8(" + f.of + ") AS " + f.name
			}
		}
		parts = append(parts, q+" FROM calls FINAL"+s.unfold("products")+" WHERE "+and(append(append([]string{"direction = 'outbound'", cmp.Or(slots, s.slots()), onlyCalls}, s.conditions("products")...), within("started_at", s))...)+
			" SETTINGS do_not_merge_across_partitions_select_final = 1, prefer_column_name_to_alias = 1")
	}
	return "(" + strings.Join(parts, "\nUNION ALL\n") + ")"
}

// firstOf is the way through accounts_since to each measure of accounts; FROM stands for the first day of the row.
var firstOf = map[string]string{
	"count()":                                 countFirst("called"),
	"countIf(reached)":                        countFirst("reached"),
	"countIf(completed)":                      countFirst("completed"),
	"countIf(won)":                            countFirst("won"),
	"countIf(NOT reached)":                    countFirst("called") + " - " + countFirst("reached"),
	"countIf(NOT reached AND NOT useless)":    countFirst("called") + " - " + countFirst("spoilt"),
	"sumIf(n, NOT reached)":                   "toInt64(sumIf(n, what = 'calls')) - toInt64(sumIf(n, what = 'after' AND since >= FROM)) - toInt64(sumIf(n, what = 'before' AND since < FROM AND other >= FROM))",
	"uniqExactIf(lead_id, " + isReached + ")": countFirst("reached_lead"),
}

func countFirst(what string) string {
	return "toInt64(sumIf(n, what = '" + what + "' AND since < FROM))"
}

// sinceCut is the cut of accounts_since that has the rows that are asked for.
func (s scope) sinceCut() (cut string, ok bool) {
	cut = "all"
	for _, d := range s.by {
		switch {
		case isBucket(d) && d != "hour":
		case slices.Contains(sinceCuts, d) && cut == "all":
			cut = d
		default:
			return "", false
		}
	}
	if s.timeAxis { // filters may stand at "all": see unnarrowed
		return cut, !s.factsOnly
	}
	for _, f := range s.where {
		switch {
		case f.Dim == cut:
		case slices.Contains(sinceCuts, f.Dim) && cut == "all" && len(f.Values) == 1: // an account of several campaigns is one
			cut = f.Dim
		default:
			return "", false
		}
	}
	return cut, !s.factsOnly
}

// unnarrowed tells in SQL that none of the filters narrows a panel in a way accounts_since can't: its variables may stand at
// "all", where a condition with IN becomes true.
func (s scope) unnarrowed() []string {
	var out []string
	for _, f := range s.where {
		if !s.cuts(f.Dim) {
			out = append(out, "ifNull(NULL IN ("+literals(f.Values)+"), 0)")
		}
	}
	return out
}

// rowFrom is the first day of the row in which a day lies: of the range, or of the bucket if that begins later.
func (s scope) rowFrom(first string) string {
	for _, d := range s.by {
		switch d {
		case "day":
			return "greatest(" + first + ", day)"
		case "week":
			first = "greatest(" + first + ", toMonday(day))"
		case "month":
			first = "greatest(" + first + ", toStartOfMonth(day))"
		case "period":
			first = "greatest(" + first + ", if(toDayOfMonth(day) >= 28, toStartOfMonth(day), addMonths(toStartOfMonth(day), -1)) + 27)"
		}
	}
	return first
}

// first are the columns of a source's measures from accounts_since. days is the condition on its days.
func (p *plan) first(i int, src string, s scope, days, firstDay string) string {
	from := s.rowFrom(firstDay)
	keys := s.keys(s.noon())
	cut, _ := s.sinceCut()
	seen, conditions := "called", []string{days}
	narrowed := scope{by: s.by, where: slices.DeleteFunc(slices.Clone(s.where), func(f Filter) bool { return f.Dim != cut })}
	conditions = append(conditions, narrowed.conditions("")...)
	if src == "lead_calls" {
		seen = "lead"
	}
	return p.grouping(keys, "accounts_since WHERE "+and(append(conditions, "cut = "+quote(cut))...), func(source int) string {
		if source == i {
			return "sumIf(n, what = " + quote(seen) + ")"
		}
		return ""
	}, func(c Measure) string {
		if c.Source == src {
			return strings.ReplaceAll(firstOf[c.SQL], "FROM", from)
		}
		return ""
	})
}

// accounts reads a source of accounts from where it is answered exactly and fastest.
func (p *plan) accounts(i int, src string, s scope) []string {
	_, fits := s.sinceCut()
	switch {
	case !fits || slices.ContainsFunc(p.cells, func(c Measure) bool { return c.Source == src && firstOf[c.SQL] == "" }):
		return p.oneByOne(i, src, s)
	case s.tiers == nil:
		st := s.stand("calls")
		if s.unless = st.answers(accountsSince, s.unnarrowed()...); src == "lead_calls" {
			s.unless = and(s.unless, st.noStrangers())
		}
		days := st.forked(s.unless, st.days(accountsSince.table, accountsSince.back), false)
		return append(p.oneByOne(i, src, s), p.first(i, src, s, in("(day, version)", days), s.firstWholeDay()))
	case s.tiers.first == nil || src == "lead_calls" && !s.tiers.settled:
		return p.oneByOne(i, src, s)
	}
	f := s.tiers.first
	return []string{p.first(i, src, s, "(day, version) IN ("+strings.Join(f.days, ", ")+")", dateOf(f.from))}
}

// flagged are the flags of which each measure of accounts counts one; nil where a measure counts other accounts, too.
func (p *plan) flagged() (names, calls []string) {
	for _, c := range p.cells {
		if c.Source != "accounts" {
			continue
		}
		i := slices.IndexFunc(accountFlags, func(f sum) bool { return c.SQL == "countIf("+f.name+")" })
		if i < 0 {
			return nil, nil
		}
		names, calls = append(names, accountFlags[i].name), append(calls, accountFlags[i].of)
	}
	return names, calls
}

// distinct puts measures that do nothing but count accounts of a kind in words over rows of which an account has several; nil
// where one needs all rows of an account together.
func (p *plan) distinct() map[string]string {
	words := map[string]string{"count()": "uniqExact(account)"}
	for _, f := range accountFlags {
		words["countIf("+f.name+")"] = "uniqExactIf(account, " + f.name + ")"
	}
	for _, c := range p.cells {
		if c.Source == "accounts" && words[c.SQL] == "" {
			return nil
		}
	}
	return words
}

// registered are conditions that keep the accounts that were leads before the end of the range: one on accounts_1d and one on calls. Of
// days without strangers that is every account with a lead. For the others the leads that were called are looked up, not all there are.
func (s scope) registered() (days, calls string) {
	const hash = "reinterpretAsUInt128(sipHash128(concat('l', lead_id)))"
	rolled, slots := accountsByDay.of(s)
	called := "SELECT lead_id FROM calls WHERE " + cmp.Or(slots, s.slots()) // and some more
	calls = and("lead_id != ''", "lead_id IN (SELECT lead_id FROM leads PREWHERE lead_id IN ("+called+") WHERE at < "+s.to+")")
	settled, unsettled := "", ""
	switch {
	case s.tiers != nil && s.tiers.settled:
		return "has_lead", calls
	case s.tiers == nil:
		st := s.stand("calls")
		settled = st.element(and(st.noStrangers(), st.current(accountsSince)))
		unsettled = "NOT " + settled
	}
	looked := "account IN (SELECT " + hash + " FROM leads WHERE " + and("at < "+s.to, unsettled, hash+" IN (SELECT account FROM accounts_1d WHERE "+and("has_lead", rolled)+")") + ")"
	if settled != "" {
		looked = "(" + settled + " OR " + looked + ")"
	}
	return and("has_lead", looked), calls
}

// oneByOne reads a source of accounts row by row. Where accounts count for what was said of them alone, days without that are
// left out, and the calls tell which rows there are: those read for measures of calls, else their own.
func (p *plan) oneByOne(i int, src string, s scope) []string {
	if src == "lead_calls" {
		leads := "(SELECT lead_id FROM leads WHERE at < " + s.to + ")"
		if s.factsOnly {
			return []string{p.grouped(i, src, s.calls("direction = 'outbound'", "lead_id != ''", "lead_id IN "+leads), "started_at", s)}
		}
		days, calls := s.registered()
		rows := s.accountRows([]string{"reached"}, days, calls)
		return []string{p.columns(reading{sources: []string{src}, counts: []int{i}, from: rows, keys: s.keys("moment"), words: map[string]string{"uniqExactIf(lead_id, " + isReached + ")": "uniqExactIf(account, reached)"}})}
	}
	only, onlyCalls := "", ""
	var out []string
	if names, calls := p.flagged(); len(names) > 0 && !s.factsOnly {
		only, onlyCalls = "("+strings.Join(names, " OR ")+")", "("+strings.Join(calls, " OR ")+")"
		if len(s.by) > 0 && !slices.Contains(p.sources, "calls") {
			out = append(out, p.grouped(i, "", s.cells([]string{"n"}, "products", "direction = 'outbound'"), "moment", s))
		}
	}
	words := used(p.cells, "accounts")
	from, at, account := s.accountRows(words, only, onlyCalls), "moment", "account"
	n, flag := "sum(n)", func(f sum) string { return f.name }
	if s.factsOnly {
		from, at, account = s.calls("direction = 'outbound'"), "started_at", `if(lead_id != '', concat('l', lead_id), concat('c', customer_id, '\0', toString(campaign_id)))`
		n, flag = "count()", func(f sum) string { return f.of }
	}
	if distinct := p.distinct(); distinct != nil && !s.factsOnly {
		return append(out, p.columns(reading{sources: []string{src}, counts: []int{i}, from: from, keys: s.keys(at), words: distinct}))
	}
	// Accounts are judged on the calls of their row alone: first the account, then the row.
	keys := s.keys(at)
	inner := append(slices.Clone(keys), account)
	for j := range inner {
		inner[j] += fmt.Sprintf(" AS k%d", j)
	}
	if slices.Contains(words, "n") {
		inner = append(inner, n+" AS n")
	}
	for _, f := range accountFlags {
		if slices.Contains(words, f.name) {
			inner = append(inner, "max("+flag(f)+") AS "+f.name)
		}
	}
	from = "(SELECT " + strings.Join(inner, ", ") + " FROM " + from + " GROUP BY " + strings.Join(names("k", len(keys)+1), ", ") + " SETTINGS prefer_column_name_to_alias = 1)"
	return append(out, p.columns(reading{sources: []string{src}, counts: []int{i}, from: from, keys: names("k", len(keys))}))
}
