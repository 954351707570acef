package kpi

// rules are the definitions as METRICS.md words them; of rows with several metrics, each with its part.
var rules = map[string]string{
	"account_size":             "distinct `lead_id` with `at` before `--to` (`at` on `/v1/leads`, default when it was accepted)",
	"useless_accounts":         "useless leads among them",
	"corruption_rate":          "K-02 / K-01",
	"effective_accounts":       "K-01 - K-02",
	"accounts_called":          "distinct accounts with a call",
	"calls_made":               "calls",
	"average_calling_attempts": "calls on accounts without a reached call / such accounts",
	"reachable_accounts":       "accounts with a `reached` call",
	"unreachable_accounts":     "accounts with no reached call, and none with `useless` or outcome invalid_number",
	"reachable_rate":           "K-08 (accounts that are leads, calls in the interval) / K-04",
	"completed_accounts":       "accounts with a `completed` call",
	"completed_rate":           "K-11 / K-08",
	"successful_accounts":      "accounts with a won call",
	"success_rate":             "K-13 / K-11",
	"paid_hours":               "union of an agent's `work` spans less his `leave`",
	"productivity_hours":       "hours in available and the handling states",
	"non_productivity_hours":   "hours in break meal training meeting paperwork other",
	"completed_per_hour":       "K-11 / K-16",
	"successful_per_hour":      "K-13 / K-16",
	"average_handling_time":    "over calls with `bridged_at`: prepared + (ended - bridged) + (wrapped up - ended), a missing part 0",
	"utilization_rate":         "K-16 / K-15 (agents with a schedule or not; not cut at 1)",
	"attendance_rate":          "time in any state but logged_out inside the paid spans / K-15",
	"seats":                    "distinct `agent_id` of calls",
	"dials_per_seat_hour":      "K-06 / K-16",
	"connect_rate":             "connected (`answered_at` set) / calls",
	"connected_calls":          "calls that are connected (`answered_at` set)",
	"answered_by_human":        "calls answered by a human",
	"effective_talk_rate":      "effective (`reached` and a disposition) / connected",
	"effective_talks":          "calls that are effective (`reached` and a disposition)",
	"order_rate":               "won effective talks, one a call (by product: in the row of each product ordered) / effective talks",
	"orders":                   "won effective talks, one a call (by product: in the row of each product ordered)",
	"telemarketing_successes":  "won calls",
	"online_successes":         "won calls; online = inbound, or outbound with `inbound_lead`",
	"outbound_successes":       "won calls; outbound = the rest of online",
	"complaints":               "complaints. Attributed by their own fields first, then by `call_id`, then by the customer's last outbound call within `complaint.attribution_window` (30 d) before; one that is about an inbound call, or leads to neither campaign nor agent, is not counted (`complaints_unattributed` counts it)",
	"complaint_rate":           "complaints / connected calls. Attributed by their own fields first, then by `call_id`, then by the customer's last outbound call within `complaint.attribution_window` (30 d) before; one that is about an inbound call, or leads to neither campaign nor agent, is not counted (`complaints_unattributed` counts it)",
	"complaints_per_order":     "complaints / orders. Attributed by their own fields first, then by `call_id`, then by the customer's last outbound call within `complaint.attribution_window` (30 d) before; one that is about an inbound call, or leads to neither campaign nor agent, is not counted (`complaints_unattributed` counts it)",
	"complaints_unattributed":  "complaints that are about an inbound call, or lead to neither campaign nor agent",
	"justified_complaints":     "those upheld",
	"sales_effective_rate":     "published reviews of sales that meet the four standards / published reviews of sales",
	"successful_visits":        "effective talks of calls with an agent",
	"successful_orders":        "orders of calls with an agent",
	"recording_coverage":       "connected calls with a recording (more than 44 bytes, or size unknown and a duration) / connected calls",
	"abandonment_rate":         "outcome abandoned / live",
	"occupancy":                "handling time / (handling + available)",
	"permits":                  "permits granted",
	"cap_denials":              "requests denied (by any rule)",
	"cap_violations":           "calls with at least one violated rule",
	"qa_sample_rate":           "drawn daily / valid recordings",
	"qa_score":                 "mean score of published reviews",
	"qa_pass_rate":             "those at or above the pass mark (80) and without a fatal / published reviews",
}

func of(v float64) *float64 { return &v }

// targets of the business (K-38, S2 Art. 6). Which products make a bundle is the centre's to say, so those two lines
// stand where their products are.
var targets = map[string][]Target{
	"success_rate":   {{Value: 0.97, Where: "purpose=retention", From: "K-38, S2 Art. 6: retention rate"}},
	"order_rate":     {{Value: 0.75, Where: "product=contract-bundle", From: "K-38, S2 Art. 6: contract bundling"}, {Value: 0.60, Where: "product=eight-package-bundle", From: "K-38, S2 Art. 6: eight-package bundling, silver customers"}},
	"qa_sample_rate": {{Value: 0.10, From: "SMP-01: one in ten"}},
}

// bounds that the sources or the law name.
var bounds = map[string]*Bound{
	"abandonment_rate":        {Over: of(0.03), From: "US 47 CFR 64.1200 and 16 CFR 310.4: 3 % of live answers; UK, IT the same"},
	"recording_coverage":      {Under: of(1), From: "RET-01, S0 Art. 71: every connected call is recorded"},
	"qa_sample_rate":          {Under: of(0.10), From: "SMP-01: at least one in ten of every agent's valid recordings"},
	"cap_violations":          {Over: of(1), From: "promise 1: a customer who may not be called is not called"},
	"complaints_unattributed": {Over: of(1), From: "K-35: somebody must say whom a complaint is about"},
	"utilization_rate":        {Over: of(1), From: "K-21: may not exceed 1: a schedule is missing"},
}

// Why says why the metric cannot be cut by a dimension; "" = it can.
func (m Metric) Why(dim string) string {
	for _, half := range []*Measure{&m.Num, m.Den} {
		if half == nil {
			continue
		}
		if why := lacks(half.Source, dim); why != "" {
			return why
		}
	}
	return ""
}

// lacks says why facts of a source do not have a dimension.
func lacks(source, dim string) string {
	for _, d := range dimsOf(source) {
		if d == dim {
			return ""
		}
	}
	switch source {
	case "leads", "lead_calls":
		if isBucket(dim) {
			return "lists are a stock as of the end of the interval, not something that happens at a time"
		}
		return "a lead stands on a list of a campaign and belongs to no " + dim
	case "states":
		return "an agent's time is spent on a campaign as a whole, not on a " + dim
	case "paid", "attended":
		return "a schedule is an agent's, whatever he works on: it has no " + dim
	case "permits":
		return "a permit is asked for before it is known which " + dim + " the call will have"
	case "complaints", "complaints_unattributed":
		return "a complaint is about a call, an agent or a campaign: METRICS gives it no " + dim
	case "population", "reviews":
		return "recordings are drawn and judged by agent: they have no " + dim
	}
	return "calls have no " + dim
}
