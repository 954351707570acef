package dashboards

// partners is for the contract manager of outsourced seats (REQUIREMENTS section M). She asks:
//   - What does each partner deliver, and at what quality?
//   - Does any partner complain our customers away, or call outside the caps?
func partners() Dashboard {
	return Dashboard{
		UID: Prefix + "partners", Title: t("Partners", "合作方"), From: "now-30d",
		Question:  t("What does each partner deliver, and at what price in complaints?", "各合作方交付如何，投诉代价多大？"),
		Variables: []Variable{varPartner, varCampaign},
		Rows: []Row{
			stats(t("Delivery", "交付"), "seats", "calls_made", "connect_rate", "orders", "order_rate", "productivity_hours"),
			stats(t("Quality", "质量"), "complaint_rate", "complaints_per_order", "cap_violations", "qa_score", "sales_effective_rate", "recording_coverage"),
			row(t("By partner", "按合作方"),
				breakdown(t("Delivery", "交付"), "partner", "calls_made", "connect_rate", "effective_talks", "orders", "order_rate", "seats", "dials_per_seat_hour"),
				half(breakdown(t("Quality", "质量"), "partner", "complaints", "complaint_rate", "complaints_per_order", "justified_complaints")),
				half(breakdown(t("QA", "质检"), "partner", "qa_score", "qa_pass_rate", "sales_effective_rate", "qa_sample_rate")),
				half(breakdown(t("Caps", "接触上限"), "partner", "permits", "cap_denials")),
				half(breakdown(t("Hours", "工时"), "partner", "productivity_hours", "paid_hours", "utilization_rate", "attendance_rate"))),
			row(t("Over time", "趋势"),
				trend(t("Orders", "成交量"), "day", "orders"), trend(t("Complaint rate", "投诉率"), "day", "complaint_rate")),
		},
	}
}
