package dashboards

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ringfence/ringfence/processors/kpi"
)

// Column of a listing, in the order of its SELECT. Unit is one of the catalogue's, "time", "word" for a value of an
// enumeration, or "" for text.
type Column struct {
	Name  string `json:"name"`
	Title Text   `json:"title"`
	Unit  string `json:"unit,omitempty"`
	Bar   bool   `json:"bar,omitempty"`   // shown as a bar
	Long  bool   `json:"long,omitempty"`  // text that may be broken over lines
	Drill string `json:"drill,omitempty"` // the variable its value fixes on the page of calls
	Field string `json:"-"`               // its name in the SELECT, where that cannot be Name
}

// field is the column's name in the SELECT, by which Grafana knows it.
func (c Column) field() string {
	if c.Field != "" {
		return c.Field
	}
	return c.Name
}

// as names the column's field: an alias that hid a column of the table would take that one's place in conditions.
func (c Column) as(field string) Column {
	c.Field = field
	return c
}

// rows behind the numbers: what happened, not how much of it. They hold no metric's definition; customers and numbers
// are masked as they stand in ClickHouse.
type rows struct {
	name    string
	vars    []string // the variables it is narrowed by
	note    string
	columns []Column
	sql     string
	empty   string // why it may rightly have no rows, "" if that would be a fault
}

const inRange = " >= $__fromTime_ms AND %[1]s < $__toTime_ms"

// zoneMark stands for the zone of the reports.
const zoneMark = "§zone§"

// rolled is a table of the catalogue's roll-ups over the range, narrowed by variables.
func rolled(table func(from, to, zone, condition string) string, vars ...string) string {
	return table("$__fromTime_ms", "$__toTime_ms", zoneMark, only(vars...))
}

func during(column string) string { return column + fmt.Sprintf(inRange, column) }

func text(name, en, zh string) Column { return Column{Name: name, Title: Text{en, zh}} }
func word(name, en, zh string) Column { return Column{Name: name, Title: Text{en, zh}, Unit: "word"} }
func long(name, en, zh string) Column { return Column{Name: name, Title: Text{en, zh}, Long: true} }
func when(name, en, zh string) Column { return Column{Name: name, Title: Text{en, zh}, Unit: "time"} }
func amount(name, en, zh, unit string) Column {
	return Column{Name: name, Title: Text{en, zh}, Unit: unit}
}
func bar(name, en, zh, unit string) Column {
	return Column{Name: name, Title: Text{en, zh}, Unit: unit, Bar: true}
}

// Listing by its name.
func listingOf(name string) (rows, error) {
	all := listings()
	i := slices.IndexFunc(all, func(r rows) bool { return r.name == name })
	if i < 0 {
		return rows{}, fmt.Errorf("there is no listing %q", name)
	}
	return all[i], nil
}

func listings() []rows {
	return slices.Concat(callListings(), ruleListings(), complaintListings(), workListings(), dataListings())
}

func callListings() []rows {
	of := []string{"campaign", "team", "agent", "partner", "product"}
	which := make([]string, 0, 16)
	for _, c := range varWhich.Choices {
		condition, ok := kpi.CallsThat(c.Value)
		if !ok {
			panic("dashboards: the catalogue does not know the calls " + c.Value) // a mistake here; a test runs every listing
		}
		which = append(which, fmt.Sprintf("${which:sqlstring} = '%s', %s", c.Value, condition))
	}
	chosen := "direction = 'outbound' AND " + during("started_at") + " AND " + only(of...) + " AND multiIf(" + strings.Join(which, ", ") + ", 0)"
	near, newest := newestCalls(chosen, 200)
	return []rows{
		{name: "calls", vars: of, note: "The newest 200 calls of the range; the customer as a keyed hash, the number masked.", columns: []Column{
			when("started_at", "Started", "开始"), {Name: "campaign_id", Title: varCampaign.Title, Drill: "campaign"}, {Name: "team_id", Title: varTeam.Title, Drill: "team"}, {Name: "agent_id", Title: varAgent.Title, Drill: "agent"},
			text("number", "Number", "号码"), text("customer", "Customer", "客户"), word("outcome", "Outcome", "结果"), word("answered_by", "Answered by", "应答方"), amount("talk", "Talk", "通话", kpi.Seconds),
			word("disposition", "Disposition", "意向"), text("products", "Products", "业务").as("products_"), text("ordered", "Ordered", "成交业务").as("ordered_"), amount("attempt_no", "Attempt", "第几次", kpi.Calls), text("violations", "Violations", "超限").as("violations_"), text("call_id", "Call", "通话编号")},
			sql: near + " SELECT started_at, campaign_id, team_id, agent_id, number_masked AS number, substring(customer_hash, 1, 12) AS customer, outcome, answered_by, " +
				"if(isNull(bridged_at), NULL, dateDiff('millisecond', bridged_at, ended_at) / 1000) AS talk, disposition, arrayStringConcat(products, ', ') AS products_, arrayStringConcat(ordered, ', ') AS ordered_, attempt_no, arrayStringConcat(violations, ', ') AS violations_, call_id " +
				"FROM calls FINAL WHERE " + chosen + newest + " ORDER BY started_at DESC, call_id LIMIT 200"},
		{name: "outcomes", vars: of, note: "Outbound calls by what became of them (CONTRACT section 2, outcome).", columns: []Column{word("outcome", "Outcome", "结果"), bar("calls", "Calls", "通话", kpi.Calls), amount("share", "Share", "占比", kpi.Ratio)},
			sql: "SELECT outcome, sum(n) AS calls, calls / sum(calls) OVER () AS share FROM " + rolled(kpi.Results, of...) + " GROUP BY outcome ORDER BY calls DESC, outcome"},
		{name: "dispositions", vars: of, note: "What the customer said (CMP-13), of outbound calls that have a disposition.", columns: []Column{word("disposition", "Disposition", "意向"), bar("calls", "Calls", "通话", kpi.Calls), amount("share", "Share", "占比", kpi.Ratio)},
			sql: "SELECT disposition, sum(n) AS calls, calls / sum(calls) OVER () AS share FROM " + rolled(kpi.Results, of...) + " WHERE disposition != '' GROUP BY disposition ORDER BY calls DESC, disposition"},
	}
}

// newestCalls keeps a listing of the newest n calls from reading all others. Calls lie in the order of their quarter of an
// hour: five times n rows are taken from the end, which may be several versions of one call, and if n calls are among them
// no earlier quarter is read; nor if there are not so many rows. with stands before the SELECT, and is another condition.
func newestCalls(condition string, n int) (with, and string) {
	return fmt.Sprintf("WITH (SELECT (min(slot), count()) FROM (SELECT slot FROM calls WHERE %s ORDER BY slot DESC LIMIT %d)) AS near", condition, 5*n),
		fmt.Sprintf(" AND slot >= if(near.2 < %d OR (SELECT count() FROM calls FINAL WHERE %s AND slot >= near.1) >= %d, near.1, 0)", 5*n, condition, n)
}

func ruleListings() []rows {
	of, ofCalls := []string{"campaign", "partner", "product"}, []string{"campaign", "team", "agent", "partner", "product"}
	return []rows{
		{name: "denials", vars: of, note: "Requests each rule denied. A request that several rules deny stands in each one's row.", columns: []Column{text("rule", "Rule", "规则"), bar("requests", "Denied requests", "拒绝次数", kpi.Permits), amount("customers", "Customers", "客户数", kpi.Accounts), when("last", "Last", "最近").as("last_")},
			sql: "SELECT rule, requests, customers, last AS last_ FROM " + kpi.Denials("$__fromTime_ms", "$__toTime_ms", zoneMark, only(of...), unnarrowed(of...)) + " ORDER BY requests DESC, rule LIMIT 100"},
		{name: "permit_fates", vars: of, note: "What became of permits granted in the range: used by a call, released, still out, or orphaned (out for longer than permit_orphan_after).", columns: []Column{word("status", "Status", "状态"), bar("permits", "Permits", "许可", kpi.Permits), amount("share", "Share", "占比", kpi.Ratio)},
			sql: "SELECT fate AS status, sum(n) AS permits, permits / sum(permits) OVER () AS share FROM " + rolled(kpi.Fates, of...) + " GROUP BY fate ORDER BY permits DESC, status"},
		{name: "violations", vars: ofCalls, note: "Calls that broke a cap: dialled without a permit, after it ran out, or reported late.", empty: "a centre that keeps within its caps has none",
			columns: []Column{when("started_at", "Started", "开始"), {Name: "campaign_id", Title: varCampaign.Title, Drill: "campaign"}, {Name: "agent_id", Title: varAgent.Title, Drill: "agent"}, text("customer", "Customer", "客户"), text("rules", "Rules", "规则"), word("permit", "Permit", "许可"), text("call_id", "Call", "通话编号")},
			sql: "SELECT started_at, campaign_id, agent_id, substring(customer_hash, 1, 12) AS customer, arrayStringConcat(violations, ', ') AS rules, if(permit_id = '', 'none', 'late') AS permit, call_id FROM calls FINAL WHERE direction = 'outbound' AND notEmpty(violations) AND " +
				during("started_at") + " AND " + only(ofCalls...) + " AND " + kpi.NewestViolations("$__fromTime_ms", "$__toTime_ms", zoneMark, only(ofCalls...), 100) + " ORDER BY started_at DESC, call_id LIMIT 100"},
	}
}

func complaintListings() []rows {
	of := []string{"campaign", "team", "agent", "partner", "product"}
	last := func(c string) string { return "argMax(x." + c + ", revision) AS " + c }
	words := func(c string) string { return "argMaxIf(" + c + ", (at, revision), " + c + " != '') AS last_" + c }
	all := "(SELECT complaint_id, min(at) AS opened, argMax(event, (at, revision)) AS state, " + words("category") + ", " + words("severity") + ", " + words("level") + ", argMaxIf(attributed_call_id, revision, attributed_call_id != '') AS last_call, " +
		strings.Join([]string{last("campaign_id"), last("agent_id"), last("team_id"), last("partner_id"), last("products")}, ", ") +
		" FROM (SELECT * FROM complaints FINAL) AS x GROUP BY complaint_id HAVING " + during("opened") + " AND " + only(of...) + ")"
	return []rows{
		{name: "complaints", vars: of, empty: "nobody complained", note: "The newest 200 complaints, as they stand now.", columns: []Column{when("opened", "Opened", "受理"), word("state", "State", "状态"), word("severity", "Severity", "严重程度").as("last_severity"), word("category", "Category", "类别").as("last_category"), word("level", "Level", "级别").as("last_level"),
			{Name: "campaign_id", Title: varCampaign.Title, Drill: "campaign"}, {Name: "agent_id", Title: varAgent.Title, Drill: "agent"}, text("call", "Call", "通话编号").as("last_call"), text("complaint_id", "Complaint", "投诉编号")},
			sql: "SELECT opened, state, last_severity, last_category, last_level, campaign_id, agent_id, last_call, complaint_id FROM " + all + " ORDER BY opened DESC, complaint_id LIMIT 200"},
		{name: "complaint_categories", vars: of, empty: "nobody complained", note: "Complaints by category (CPL-10, CPL-14).", columns: []Column{word("category", "Category", "类别"), bar("complaints", "Complaints", "投诉", kpi.Complaints), amount("share", "Share", "占比", kpi.Ratio)},
			sql: "SELECT if(last_category = '', 'not graded yet', last_category) AS category, count() AS complaints, complaints / sum(complaints) OVER () AS share FROM " + all + " GROUP BY category ORDER BY complaints DESC, category"},
		{name: "alerts", vars: []string{"campaign", "agent"}, note: "Alerts raised in the range, with what was expected and how unlikely the count is by chance.", columns: []Column{when("at", "At", "时间"), word("kind", "Kind", "类型"), word("alert_state", "State", "状态").as("state"), word("dimension", "Over", "维度"), text("subject", "Whose", "对象"),
			long("detail", "What happened", "说明"), word("action", "Action", "处置"), amount("count", "Count", "次数", kpi.Calls), amount("expected", "Expected", "预期", "number"), amount("p_value", "p", "p 值", "p")},
			empty: "a quiet centre has none",
			sql:   "SELECT at, kind, state, dimension, subject, detail, action, count, expected, p_value FROM alerts FINAL WHERE " + during("at") + " AND " + only("campaign", "agent") + " ORDER BY at DESC, alert_id LIMIT 100"},
	}
}

func workListings() []rows {
	of := []string{"campaign", "team", "agent", "partner"}
	return []rows{
		{name: "states", vars: of, note: "Hours agents spent in each state; time in states is cut at the borders of the range.", columns: []Column{word("state", "State", "状态"), bar("hours", "Hours", "小时", kpi.Hours), amount("share", "Share", "占比", kpi.Ratio)},
			sql: "SELECT state, sum(ms) / 3600000 AS hours, hours / sum(hours) OVER () AS share FROM " + rolled(kpi.States, of...) + " WHERE state != 'logged_out' GROUP BY state HAVING hours > 0 ORDER BY hours DESC, state"},
		{name: "signals", vars: []string{"campaign"}, note: "What the dialer was told last in the range, and the verdict it obeys: run, throttle or stop. Rates, times and answered calls are of the 30 minutes before.", columns: []Column{{Name: "campaign_id", Title: varCampaign.Title, Drill: "campaign"}, word("verdict", "Verdict", "指令").as("verdict_"), long("reason", "Reason", "原因").as("reason_"), when("at", "At", "时间").as("last"),
			amount("answer_rate", "Answer rate", "应答率", kpi.Ratio).as("answer_rate_"), amount("abandonment", "Abandonment", "放弃率", kpi.Ratio), amount("handling_time", "Handling time", "处理时长", kpi.Seconds), amount("available", "Free", "空闲坐席", kpi.Agents), amount("busy", "Busy", "忙碌坐席", kpi.Agents), amount("live_calls", "Answered live", "人工接听", kpi.Calls).as("live_calls_")},
			sql: "SELECT campaign_id, argMaxIf(verdict, (at, position), verdict != '') AS verdict_, argMaxIf(reason, (at, position), verdict != '') AS reason_, max(at) AS last, argMaxIf(answer_rate, (at, position), dials > 0) AS answer_rate_, argMaxIf(abandonment_rate, (at, position), dials > 0) AS abandonment, argMaxIf(handling_time_ms, (at, position), dials > 0) / 1000 AS handling_time, argMax(agents_available, (at, position)) AS available, argMax(agents_busy, (at, position)) AS busy, argMax(live_calls, (at, position)) AS live_calls_ " +
				"FROM campaign_signals WHERE " + during("at") + " AND " + only("campaign") + " GROUP BY campaign_id ORDER BY campaign_id LIMIT 200"},
		{name: "verdicts", vars: []string{"campaign"}, note: "Every change of a campaign's verdict.", empty: "no campaign was throttled or stopped", columns: []Column{when("at", "At", "时间"), {Name: "campaign_id", Title: varCampaign.Title, Drill: "campaign"}, word("verdict", "Verdict", "指令"), word("by", "By", "由谁").as("verdict_by"), long("reason", "Reason", "原因")},
			sql: "SELECT at, campaign_id, verdict, verdict_by, reason FROM campaign_signals FINAL WHERE verdict != '' AND " + during("at") + " AND " + only("campaign") + " ORDER BY at DESC, campaign_id LIMIT 100"},
		{name: "seats_over_time", vars: []string{"campaign"}, note: "Mean number of agents, by state, as the dialer saw them.", columns: []Column{when("time", "Time", "时间"), amount("free", "Free", "空闲坐席", "number"), amount("busy", "Busy", "忙碌坐席", "number")},
			sql: "SELECT time, sum(free) AS free, sum(busy) AS busy FROM (SELECT toStartOfInterval(at, INTERVAL 10 MINUTE) AS time, campaign_id, avg(agents_available) AS free, avg(agents_busy) AS busy FROM campaign_signals WHERE verdict = '' AND " +
				during("at") + " AND " + only("campaign") + " GROUP BY time, campaign_id) GROUP BY time ORDER BY time"},
		{name: "qa_queue", vars: of, note: "Recordings drawn, by the draw they came from, and how many have a published review.", columns: []Column{word("draw", "Draw", "抽样"), bar("drawn", "Drawn", "抽取", kpi.Calls), amount("reviewed", "Reviewed", "已质检", kpi.Calls), amount("share", "Done", "完成率", kpi.Ratio), when("oldest", "Oldest open", "最早未检")},
			// A review bears the moment of its task's call.
			sql: "SELECT draw, count() AS drawn, countIf(done) AS reviewed, reviewed / drawn AS share, minOrNullIf(call_started_at, NOT done) AS oldest FROM (SELECT draw, call_started_at, task_id IN (SELECT task_id FROM qa_reviews WHERE isNotNull(published_at) AND " +
				during("call_started_at") + ") AS done FROM qa_tasks FINAL WHERE " + during("call_started_at") + " AND " + only(of...) + ") GROUP BY draw ORDER BY drawn DESC, draw"},
		{name: "reviews", vars: of, note: "The newest 100 published reviews.", empty: "nobody has published a review", columns: []Column{when("at", "Call", "通话时间").as("call_started_at"), {Name: "agent_id", Title: varAgent.Title, Drill: "agent"}, {Name: "campaign_id", Title: varCampaign.Title, Drill: "campaign"}, amount("score", "Score", "得分", kpi.Points), word("fatal", "Fatal", "致命错误").as("fatal_"), text("rater", "Reviewer", "质检员"), text("call_id", "Call", "通话编号")},
			sql: "SELECT call_started_at, agent_id, campaign_id, score, if(fatal, 'fatal', '') AS fatal_, rater, call_id FROM qa_reviews FINAL WHERE isNotNull(published_at) AND " + during("call_started_at") + " AND " + only(of...) + " ORDER BY call_started_at DESC, call_id LIMIT 100"},
	}
}

func dataListings() []rows {
	fresh := func(table, column string, also ...string) string {
		return fmt.Sprintf("SELECT '%[1]s' AS fact, count() AS n, maxOrNull(%[2]s) AS newest FROM %[1]s WHERE %[3]s", table, column, strings.Join(append(also, during(column)), " AND "))
	}
	// A recording is drawn from on the day of its call or later, in whatever zone.
	const drawn = "day >= toDate($__fromTime_ms) - 2"
	slotted := func(fact, table, column string) string {
		return kpi.RowsOf(fact, table, column, "$__fromTime_ms", "$__toTime_ms")
	}
	return []rows{
		{name: "freshness", note: "Rows of each table that stand in the range, and the newest of them. A table that lags behind the others has a source that fell silent.", columns: []Column{word("fact", "Fact", "数据"), bar("n", "Rows", "行数", kpi.Calls), when("newest", "Newest", "最新")},
			sql: "SELECT fact, sum(n) AS n, max(newest) AS newest FROM (" + strings.Join([]string{slotted("calls", "calls", "started_at"), slotted("permits", "permits", "at"), slotted("agent_intervals", "agent_intervals", "start_at"), slotted("leads", "leads_by_time", "at"), fresh("complaints", "at"), fresh("campaign_signals", "at"), fresh("sampling_population", "call_started_at", drawn), fresh("surveys", "at")}, " UNION ALL ") + ") GROUP BY fact ORDER BY n DESC, fact"},
		{name: "dead_letters", note: "What was refused, by source and reason; `ringfence deadletter` shows and sends again.", empty: "nothing was refused", columns: []Column{text("source", "Source", "来源"), long("reason", "Reason", "原因").as("why"), bar("n", "Records", "条数", kpi.Calls), when("last", "Last", "最近")},
			sql: "SELECT source, substring(reason, 1, 160) AS why, count() AS n, max(at) AS last FROM dead_letter FINAL WHERE " + during("at") + " GROUP BY source, why ORDER BY n DESC, source, why LIMIT 100"},
		{name: "gaps", vars: []string{"campaign", "team", "agent", "partner", "product"}, note: "Outbound calls that lack what others are counted by.", columns: []Column{word("what", "What is missing", "缺失项"), bar("n", "Calls", "通话", kpi.Calls), amount("share", "Share", "占比", kpi.Ratio)},
			sql: "SELECT x.1 AS what, x.2 AS n, x.2 / nullIf(total, 0) AS share FROM (SELECT sum(n) AS total, [('campaign', sum(no_campaign)), ('customer in the directory', sum(no_customer)), ('agent, of bridged calls', sum(no_agent)), " +
				"('disposition, of bridged calls', sum(no_disposition)), ('permit', sum(no_permit)), ('answered by, of connected calls', sum(no_answerer)), ('end of wrap-up, of bridged calls', sum(no_wrap_up))] AS parts FROM " +
				rolled(kpi.Results, "campaign", "team", "agent", "partner", "product") + ") ARRAY JOIN parts AS x ORDER BY n DESC, what"},
		{name: "changes", note: "Deploys of ringfence and changes of the policy.", columns: []Column{when("at", "At", "时间"), word("kind", "Kind", "类型"), text("what", "What", "内容")},
			sql: "SELECT at, kind, what FROM changes FINAL WHERE " + during("at") + " ORDER BY at DESC, kind LIMIT 100"},
	}
}
