package report

import "sort"

// Table is a section made of metrics: one row for each value of By, or one a metric where nothing is cut.
type Table struct {
	Title   string
	Metrics []string
	By      []string
}

// Kind is one report.
type Kind struct {
	Name, Title, Source, Question string
	Tables                        []Table
	Complaints                    bool // the table of complaints by category and channel
	Settlement                    bool // the lines of partners
}

// Kinds are the reports there are, by name.
func Kinds() []Kind {
	all := []Kind{
		{Name: "weekly", Title: "Operator's report", Source: "REP-01", Question: "How much was dialled, how well, and what did customers say?",
			Tables: []Table{
				{Title: "The centre", Metrics: []string{"calls_made", "accounts_called", "connected_calls", "connect_rate", "effective_talks", "effective_talk_rate", "orders", "order_rate", "abandonment_rate",
					"complaints", "complaint_rate", "complaints_per_order", "justified_complaints", "qa_score", "qa_pass_rate", "recording_coverage", "cap_denials", "cap_violations"}},
				{Title: "By day", Metrics: []string{"calls_made", "connected_calls", "connect_rate", "effective_talk_rate", "orders", "complaints", "complaint_rate"}, By: []string{"day"}},
				{Title: "By campaign", Metrics: []string{"calls_made", "connected_calls", "connect_rate", "effective_talk_rate", "orders", "order_rate", "complaints", "complaint_rate"}, By: []string{"campaign"}},
				{Title: "By product", Metrics: []string{"calls_made", "connected_calls", "effective_talks", "orders", "order_rate", "complaints"}, By: []string{"product"}},
			}, Complaints: true},
		{Name: "agents", Title: "Agents' appraisal", Source: "REP-02", Question: "What did each agent achieve, and how?",
			Tables: []Table{{Title: "By agent", By: []string{"agent"}, Metrics: []string{"successful_visits", "successful_orders", "effective_talk_rate", "order_rate", "average_handling_time", "productivity_hours",
				"attendance_rate", "utilization_rate", "qa_score", "qa_pass_rate", "complaints", "complaint_rate", "justified_complaints"}}}},
		{Name: "managers", Title: "Managers' appraisal", Source: "REP-02", Question: "What does each team and campaign contribute, and what does it cost in complaints?",
			Tables: []Table{
				{Title: "The centre", Metrics: []string{"calls_made", "connected_calls", "orders", "sales_effective_rate", "complaints", "complaint_rate", "justified_complaints", "occupancy", "utilization_rate"}},
				{Title: "By team", By: []string{"team"}, Metrics: []string{"calls_made", "connected_calls", "orders", "sales_effective_rate", "complaints", "complaint_rate", "justified_complaints", "occupancy"}},
				{Title: "By campaign", By: []string{"campaign"}, Metrics: []string{"calls_made", "connected_calls", "orders", "sales_effective_rate", "complaints", "complaint_rate", "justified_complaints"}},
			}, Complaints: true},
		{Name: "partners", Title: "Partners' report and settlement", Source: "REP-04, section M", Question: "What did each partner deliver, and what is owed for it?",
			Tables: []Table{{Title: "By partner", By: []string{"partner"}, Metrics: []string{"calls_made", "connected_calls", "effective_talks", "orders", "order_rate", "completed_accounts", "complaints", "complaint_rate",
				"justified_complaints", "qa_score", "qa_pass_rate"}}}, Settlement: true},
		{Name: "complaints", Title: "Complaints", Source: "CPL-14", Question: "What is complained about, and through which channel?",
			Tables: []Table{
				{Title: "The centre", Metrics: []string{"complaints", "complaint_rate", "complaints_per_order", "justified_complaints", "complaints_unattributed"}},
				{Title: "By campaign", By: []string{"campaign"}, Metrics: []string{"complaints", "complaint_rate", "justified_complaints"}},
			}, Complaints: true},
	}
	sort.Slice(all, func(i, j int) bool { return all[i].Name < all[j].Name })
	return all
}

// KindOf finds a report by name.
func KindOf(name string) (Kind, bool) {
	for _, k := range Kinds() {
		if k.Name == name {
			return k, true
		}
	}
	return Kind{}, false
}
