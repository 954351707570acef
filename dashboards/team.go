package dashboards

// team is for the team leader. He asks:
//   - Are my agents at work, and what do they do with their time?
//   - Who sells, who takes long, who needs help?
func team() Dashboard {
	return Dashboard{
		UID: Prefix + "team", Title: t("Agent and team", "坐席与班组"), From: "now-7d",
		Question:  t("Who is at work, who sells, and who needs help?", "谁在岗、谁出单、谁需要辅导？"),
		Variables: []Variable{varTeam, varAgent, varCampaign, varPartner},
		Rows: []Row{
			stats(t("Time", "工时"), "productivity_hours", "non_productivity_hours", "occupancy", "paid_hours", "utilization_rate", "attendance_rate"),
			stats(t("Work", "产出"), "seats", "dials_per_seat_hour", "completed_per_hour", "successful_per_hour", "average_handling_time", "qa_score"),
			stats(t("Visits and orders", "访问与订单"), "successful_visits", "successful_orders", "order_rate", "recording_coverage"),
			row(t("Over time", "趋势"),
				trend(t("Productive and other hours", "有效与非外呼工时"), "hour", "productivity_hours", "non_productivity_hours"),
				trend(t("Dials an hour and seat", "席均每小时拨打量"), "hour", "dials_per_seat_hour"),
				trend(t("Handling time", "处理时长"), "hour", "average_handling_time"),
				trend(t("Occupancy", "占用率"), "hour", "occupancy")),
			row(t("Who", "人员"),
				breakdown(t("By agent", "按坐席"), "agent", "calls_made", "successful_visits", "successful_orders", "order_rate", "average_handling_time", "productivity_hours", "occupancy"),
				half(breakdown(t("By team", "按班组"), "team", "calls_made", "successful_orders", "order_rate", "occupancy", "completed_per_hour")),
				half(list(t("Hours in each state", "各状态时长"), "states"))),
		},
	}
}
