package dashboards

// Overview answers, for the manager who opens it in the morning: is the centre calling, do customers answer, do we
// sell, does anyone wait or complain, and did we stay within the caps?
func Overview() Dashboard {
	return Dashboard{
		UID: "ringfence-overview", Title: "Overview", Question: "Is the centre calling, selling, and staying within the caps?",
		Rows: []Row{
			stats(1, "Calls",
				[2]string{"calls_made", "Calls made"}, [2]string{"connect_rate", "Connect rate"}, [2]string{"effective_talks", "Effective talks"},
				[2]string{"orders", "Orders"}, [2]string{"order_rate", "Order rate"}, [2]string{"average_handling_time", "Handling time"}),
			stats(11, "Rules and quality",
				[2]string{"cap_denials", "Dials denied"}, [2]string{"cap_violations", "Cap violations"}, [2]string{"abandonment_rate", "Abandonment"},
				[2]string{"complaint_rate", "Complaint rate"}, [2]string{"qa_sample_rate", "QA sample"}, [2]string{"recording_coverage", "Recorded"}),
			{Title: "Over time", Panels: []Panel{
				{ID: 21, Kind: Trend, Title: "Calls and connected calls", Metrics: []string{"calls_made", "connected_calls"}, By: "hour", Width: 12},
				{ID: 22, Kind: Trend, Title: "Connect and order rate", Metrics: []string{"connect_rate", "order_rate"}, By: "hour", Width: 12},
				{ID: 23, Kind: Trend, Title: "Permits and denials", Metrics: []string{"permits", "cap_denials"}, By: "hour", Width: 12},
				{ID: 24, Kind: Trend, Title: "Complaints", Metrics: []string{"complaints"}, By: "hour", Width: 12},
			}},
			{Title: "Where", Panels: []Panel{
				{ID: 31, Kind: Breakdown, Title: "By campaign", Metrics: []string{"calls_made", "connect_rate", "orders", "abandonment_rate", "complaint_rate"}, By: "campaign", Width: 24},
				{ID: 32, Kind: Breakdown, Title: "By team", Metrics: []string{"calls_made", "average_handling_time", "order_rate", "productivity_hours", "qa_sample_rate"}, By: "team", Width: 24},
				{ID: 33, Kind: Breakdown, Title: "By agent", Metrics: []string{"calls_made", "average_handling_time", "orders", "order_rate", "utilization_rate"}, By: "agent", Width: 24},
			}},
		},
	}
}
