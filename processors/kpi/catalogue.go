package kpi

import "strings"

// Units a metric can have.
const (
	Ratio      = "ratio"
	Accounts   = "accounts"
	Calls      = "calls"
	Orders     = "orders"
	Agents     = "agents"
	Hours      = "hours"
	Seconds    = "seconds"
	PerHour    = "per_hour"
	Points     = "points"
	Permits    = "permits"
	Complaints = "complaints"
)

// Measure is an aggregate over a source, as SQL. Its value is null-free: no rows give 0.
type Measure struct {
	Source string
	SQL    string
}

// Metric is one number and its only definition.
type Metric struct {
	Name string // what it is asked for by
	ID   string // in REQUIREMENTS.md, "" where it has none
	Unit string
	// Meaning is the definition in words, as METRICS.md has it.
	Meaning string
	// Source says where the definition comes from.
	Source string
	// Num is the value, or the numerator of one with Den.
	Num Measure
	Den *Measure
	// Better is "more", "less" or "" where neither is.
	Better string
	// Rule is the definition as METRICS.md words it.
	Rule string
	// Targets are lines to reach, in the metric's unit (K-38).
	Targets []Target
	// Alert is the bound at which somebody should look; nil where the sources and the law name none.
	Alert *Bound
}

// Target is a line to reach, where the filter holds.
type Target struct {
	Value float64
	Where string // DIM=VALUE, "" = everywhere
	From  string
}

// Bound of a metric: from Over upwards, or below Under, it is to be looked at. One of the two is set.
type Bound struct {
	Over, Under *float64
	From        string
}

// Of facts about one call.
const (
	connected = "isNotNull(answered_at)"
	live      = "(isNotNull(answered_at) AND answered_by NOT IN ('machine', 'fax'))"
	isReached = "ifNull(reached, false)"
	effective = "(ifNull(reached, false) AND disposition != '')"
	// won products: those ordered, by default all of the call when it was agreed
	orderedProducts = "if(notEmpty(ordered), ordered, if(disposition = 'agree', products, []))"
	won             = "(notEmpty(ordered) OR disposition = 'agree')"
	uselessCall     = "(useless != '' OR outcome = 'invalid_number')"
	recorded        = "(recording_size_bytes > 44 OR isNull(recording_size_bytes) AND ifNull(recording_duration_ms, 0) > 0)"
	handlingMS      = "if(isNull(bridged_at), 0, ifNull(prepared_ms, 0) + dateDiff('millisecond', bridged_at, ended_at) + if(isNull(wrapped_up_at), 0, dateDiff('millisecond', ended_at, wrapped_up_at)))"
)

// Of facts about an agent's time.
const (
	handling      = "state IN ('preparing', 'dialing', 'talking', 'hold', 'wrap_up')"
	productive    = "state IN ('available', 'preparing', 'dialing', 'talking', 'hold', 'wrap_up')"
	notProductive = "state IN ('break', 'meal', 'training', 'meeting', 'paperwork', 'other')"
)

func hoursWhere(condition string) string { return "sumIf(ms, " + condition + ") / 3600000" }

// Measures that several metrics share.
var (
	callsMade       = Measure{"calls", "sum(n)"}
	callsConnected  = Measure{"calls", "sum(connected)"}
	callsEffective  = Measure{"calls", "sum(effective)"}
	ordersWon       = Measure{"orders", "sumIf(won_effective, ordered_here)"}
	reachedAccounts = Measure{"accounts", "countIf(reached)"}
	doneAccounts    = Measure{"accounts", "countIf(completed)"}
	wonAccounts     = Measure{"accounts", "countIf(won)"}
	productiveHours = Measure{"states", hoursWhere(productive)}
	paidHours       = Measure{"paid", "sum(ms) / 3600000"}
	reviewsOfSales  = Measure{"reviews", "countIf(sale)"}
	reviewsAll      = Measure{"reviews", "count()"}
	complaintsAll   = Measure{"complaints", "count()"}
)

const (
	fromS1 = "REQUIREMENTS section I, S1 P3"
	fromS0 = "REQUIREMENTS section I, S0"
)

// Catalogue is every metric, in the order of METRICS.md.
func Catalogue() []Metric {
	out := metrics()
	for i := range out {
		m := &out[i]
		m.Rule, m.Targets, m.Alert = rules[m.Name], targets[m.Name], bounds[m.Name]
	}
	return out
}

func metrics() []Metric {
	per := func(m Measure) *Measure { return &m }
	return []Metric{
		{Name: "account_size", ID: "K-01", Unit: Accounts, Source: fromS1, Meaning: "distinct leads entered before the end of the interval", Num: Measure{"leads", "sum(accounts)"}},
		{Name: "useless_accounts", ID: "K-02", Unit: Accounts, Source: fromS1, Better: "less",
			Meaning: "leads that are no use: the lead says so, or an outbound call on it before the end of the interval has a useless reason or an invalid number", Num: Measure{"leads", "sum(useless)"}},
		{Name: "corruption_rate", ID: "K-03", Unit: Ratio, Source: fromS1, Better: "less", Meaning: "useless accounts of all accounts", Num: Measure{"leads", "sum(useless)"}, Den: &Measure{"leads", "sum(accounts)"}},
		{Name: "effective_accounts", ID: "K-04", Unit: Accounts, Source: fromS1, Meaning: "accounts that are not useless", Num: Measure{"leads", "sum(accounts) - sum(useless)"}},
		{Name: "accounts_called", ID: "K-05", Unit: Accounts, Source: fromS1, Meaning: "distinct accounts with a call", Num: Measure{"accounts", "count()"}},
		{Name: "calls_made", ID: "K-06", Unit: Calls, Source: fromS1 + "; K-25 (S0 Annex 4)", Meaning: "outbound calls", Num: callsMade},
		{Name: "average_calling_attempts", ID: "K-07", Unit: Calls, Source: fromS1, Better: "less", Meaning: "calls on accounts without a reached call, over such accounts",
			Num: Measure{"accounts", "sumIf(n, NOT reached)"}, Den: &Measure{"accounts", "countIf(NOT reached)"}},
		{Name: "reachable_accounts", ID: "K-08", Unit: Accounts, Source: fromS1, Better: "more", Meaning: "accounts with a reached call", Num: reachedAccounts},
		{Name: "unreachable_accounts", ID: "K-09", Unit: Accounts, Source: fromS1, Better: "less", Meaning: "accounts with no reached call, and none with a useless reason or an invalid number",
			Num: Measure{"accounts", "countIf(NOT reached AND NOT useless)"}},
		{Name: "reachable_rate", ID: "K-10", Unit: Ratio, Source: fromS1, Better: "more", Meaning: "reachable accounts that are leads, of the effective accounts", Num: Measure{"lead_calls", "uniqExactIf(lead_id, " + isReached + ")"},
			Den: &Measure{"leads", "sum(accounts) - sum(useless)"}},
		{Name: "completed_accounts", ID: "K-11", Unit: Accounts, Source: fromS1, Better: "more", Meaning: "accounts with a completed call", Num: doneAccounts},
		{Name: "completed_rate", ID: "K-12", Unit: Ratio, Source: fromS1, Better: "more", Meaning: "completed accounts of the reachable ones", Num: doneAccounts, Den: &reachedAccounts},
		{Name: "successful_accounts", ID: "K-13", Unit: Accounts, Source: fromS1, Better: "more", Meaning: "accounts with a won call", Num: wonAccounts},
		{Name: "success_rate", ID: "K-14", Unit: Ratio, Source: fromS1, Better: "more", Meaning: "successful accounts of the completed ones", Num: wonAccounts, Den: &doneAccounts},
		{Name: "paid_hours", ID: "K-15", Unit: Hours, Source: fromS1, Meaning: "the union of each agent's work spans less his leave", Num: paidHours},
		{Name: "productivity_hours", ID: "K-16", Unit: Hours, Source: fromS1, Better: "more", Meaning: "hours in available and the handling states", Num: productiveHours},
		{Name: "non_productivity_hours", ID: "K-17", Unit: Hours, Source: fromS1, Better: "less", Meaning: "hours in break, meal, training, meeting, paperwork, other", Num: Measure{"states", hoursWhere(notProductive)}},
		{Name: "completed_per_hour", ID: "K-18", Unit: PerHour, Source: fromS1, Better: "more", Meaning: "completed accounts an hour of productivity", Num: doneAccounts, Den: &productiveHours},
		{Name: "successful_per_hour", ID: "K-19", Unit: PerHour, Source: fromS1, Better: "more", Meaning: "successful accounts an hour of productivity", Num: wonAccounts, Den: &productiveHours},
		{Name: "average_handling_time", ID: "K-20", Unit: Seconds, Source: fromS1, Better: "less", Meaning: "over calls an agent took part in: preparation before dialling, talk, and after-call work",
			Num: Measure{"calls", "sum(handling_ms) / 1000"}, Den: &Measure{"calls", "sum(bridged)"}},
		{Name: "utilization_rate", ID: "K-21", Unit: Ratio, Source: fromS1, Better: "more", Meaning: "productivity hours over paid hours, agents with a schedule or not, not cut at 1", Num: productiveHours, Den: &paidHours},
		{Name: "attendance_rate", ID: "K-22", Unit: Ratio, Source: fromS1, Better: "more", Meaning: "time in any state but logged out inside the paid spans, over paid hours",
			Num: Measure{"attended", "sumIf(ms, present) / 3600000"}, Den: &paidHours},
		{Name: "seats", ID: "K-23", Unit: Agents, Source: fromS0 + " Annex 4", Meaning: "distinct agents of calls", Num: Measure{"calls", "uniqExactIf(agent_id, agent_id != '')"}},
		{Name: "dials_per_seat_hour", ID: "K-24", Unit: PerHour, Source: fromS0 + " Annex 4", Better: "more", Meaning: "calls made an hour of productivity", Num: callsMade, Den: &productiveHours},
		{Name: "connect_rate", ID: "K-26", Unit: Ratio, Source: fromS0 + " Annex 4", Better: "more", Meaning: "connected calls of the calls made", Num: callsConnected, Den: &callsMade},
		{Name: "connected_calls", ID: "K-27", Unit: Calls, Source: fromS0 + " Annex 4", Better: "more", Meaning: "calls that were answered, by machines too", Num: callsConnected},
		{Name: "answered_by_human", Unit: Calls, Source: "METRICS", Better: "more", Meaning: "calls answered by a human", Num: Measure{"calls", "sum(human)"}},
		{Name: "effective_talk_rate", ID: "K-28", Unit: Ratio, Source: fromS0 + " Annex 4", Better: "more", Meaning: "effective talks of the connected calls", Num: callsEffective, Den: &callsConnected},
		{Name: "effective_talks", ID: "K-29", Unit: Calls, Source: fromS0 + " Annex 4", Better: "more", Meaning: "calls that reached the right person and have a disposition", Num: callsEffective},
		{Name: "order_rate", ID: "K-30", Unit: Ratio, Source: fromS0 + " Annex 4", Better: "more", Meaning: "orders of the effective talks", Num: ordersWon, Den: &callsEffective},
		{Name: "orders", ID: "K-31", Unit: Orders, Source: fromS0 + " Annex 4", Better: "more", Meaning: "won effective talks, one a call; by product it stands in the row of each product ordered", Num: ordersWon},
		{Name: "telemarketing_successes", ID: "K-33", Unit: Calls, Source: fromS0 + " Art. 52", Better: "more", Meaning: "won calls, inbound and outbound", Num: Measure{"both_directions", "sum(won)"}},
		{Name: "online_successes", ID: "K-33", Unit: Calls, Source: fromS0 + " Art. 52", Better: "more", Meaning: "won calls that were inbound, or outbound on an inbound lead",
			Num: Measure{"both_directions", "sum(won_online)"}},
		{Name: "outbound_successes", ID: "K-33", Unit: Calls, Source: fromS0 + " Art. 52", Better: "more", Meaning: "won outbound calls that were not on an inbound lead",
			Num: Measure{"both_directions", "sum(won) - sum(won_online)"}},
		{Name: "complaints", ID: "K-35", Unit: Complaints, Source: fromS0 + " Art. 50", Better: "less", Num: complaintsAll,
			Meaning: "complaints about outbound calls, attributed by their own fields, else their call, else the customer's last outbound call before within the attribution window"},
		{Name: "complaint_rate", ID: "K-35", Unit: Ratio, Source: fromS0 + " Art. 50", Better: "less", Meaning: "complaints over connected calls", Num: complaintsAll, Den: &callsConnected},
		{Name: "complaints_per_order", ID: "K-35", Unit: Ratio, Source: fromS0 + " Art. 50", Better: "less", Meaning: "complaints over orders", Num: complaintsAll, Den: &ordersWon},
		{Name: "complaints_unattributed", ID: "K-35", Unit: Complaints, Source: "METRICS", Better: "less", Meaning: "complaints about an inbound call, or that lead to neither campaign nor agent: not counted elsewhere",
			Num: Measure{"complaints_unattributed", "count()"}},
		{Name: "justified_complaints", ID: "SCO-05", Unit: Complaints, Source: "REQUIREMENTS section G", Better: "less", Meaning: "complaints that were upheld", Num: Measure{"complaints", "countIf(upheld)"}},
		{Name: "sales_effective_rate", ID: "K-36", Unit: Ratio, Source: "REQUIREMENTS section I, S1 P4", Better: "more", Meaning: "published reviews of sales that meet the four standards, of the published reviews of sales",
			Num: Measure{"reviews", "countIf(sale AND standards_met)"}, Den: &reviewsOfSales},
		{Name: "successful_visits", ID: "K-37", Unit: Calls, Source: "REQUIREMENTS section I, S2 Art. 9", Better: "more", Meaning: "effective talks of calls with an agent", Num: Measure{"calls", "sum(visits)"}},
		{Name: "successful_orders", ID: "K-37", Unit: Orders, Source: "REQUIREMENTS section I, S2 Art. 9", Better: "more", Meaning: "orders of calls with an agent", Num: Measure{"orders", "sumIf(won_visits, ordered_here)"}},
		{Name: "recording_coverage", ID: "RET-01", Unit: Ratio, Source: "REQUIREMENTS section C", Better: "more", Meaning: "connected calls with a recording of more than 44 bytes (or of unknown size and a duration), of the connected calls",
			Num: Measure{"calls", "sum(recorded)"}, Den: &callsConnected},
		{Name: "abandonment_rate", Unit: Ratio, Source: "METRICS", Better: "less", Meaning: "abandoned calls of the live ones: connected, and answered by neither machine nor fax",
			Num: Measure{"calls", "sum(abandoned)"}, Den: &Measure{"calls", "sum(live)"}},
		{Name: "occupancy", Unit: Ratio, Source: "METRICS", Better: "more", Meaning: "handling time over handling and available time", Num: Measure{"states", hoursWhere(handling)}, Den: &productiveHours},
		{Name: "permits", Unit: Permits, Source: "METRICS", Meaning: "permits granted", Num: Measure{"permits", "sum(permitted)"}},
		{Name: "cap_denials", Unit: Permits, Source: "METRICS", Meaning: "permit requests denied, by whatever rule", Num: Measure{"permits", "sum(denied)"}},
		{Name: "cap_violations", Unit: Calls, Source: "METRICS", Better: "less", Meaning: "calls with at least one violated rule", Num: Measure{"calls", "sum(violated)"}},
		{Name: "qa_sample_rate", ID: "SMP-01", Unit: Ratio, Source: "REQUIREMENTS section F", Better: "more", Meaning: "recordings drawn by the daily draw of the valid ones",
			Num: Measure{"population", "countIf(has(drawn, 'daily'))"}, Den: &Measure{"population", "count()"}},
		{Name: "qa_score", Unit: Points, Source: "METRICS", Better: "more", Meaning: "mean score of the published reviews", Num: Measure{"reviews", "sum(score)"}, Den: per(reviewsAll)},
		{Name: "qa_pass_rate", Unit: Ratio, Source: "METRICS", Better: "more", Meaning: "published reviews at or above the pass mark (80) and without a fatal, of the published reviews",
			Num: Measure{"reviews", "countIf(score >= 80 AND NOT fatal)"}, Den: per(reviewsAll)},
	}
}

// Find returns the metric of a name.
func Find(name string) (Metric, bool) {
	for _, m := range Catalogue() {
		if m.Name == name {
			return m, true
		}
	}
	return Metric{}, false
}

// Title is the metric's name for people.
func (m Metric) Title() string {
	t := strings.ReplaceAll(m.Name, "_", " ")
	t = strings.ToUpper(t[:1]) + t[1:]
	return strings.Replace(t, "Qa ", "QA ", 1)
}
