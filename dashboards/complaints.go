package dashboards

// complaints is for whoever answers for them. He asks:
//   - Are there more than usual, and where do they come from?
//   - What are they about, and how many are justified?
//   - Which are open?
func complaints() Dashboard {
	return Dashboard{
		UID: Prefix + "complaints", Title: t("Complaints", "投诉"), From: "now-7d",
		Question:  t("Are there more complaints than usual, and whose are they?", "投诉是否异常增多，来自哪里？"),
		Variables: []Variable{varCampaign, varTeam, varAgent, varPartner, varProduct},
		Rows: []Row{
			stats(t("Complaints", "投诉"), "complaints", "complaint_rate", "complaints_per_order", "justified_complaints", "complaints_unattributed"),
			row(t("Over time", "趋势"),
				trend(t("Complaints", "投诉量"), "hour", "complaints", "justified_complaints"),
				trend(t("Complaint rate", "投诉率"), "hour", "complaint_rate")),
			row(t("Alerts and causes", "告警与原因"), list(t("Alerts", "告警"), "alerts"), list(t("What they are about", "投诉类别"), "complaint_categories")),
			row(t("Where", "分布"),
				half(breakdown(t("By campaign", "按活动"), "campaign", "complaints", "complaint_rate", "complaints_per_order", "justified_complaints")),
				half(breakdown(t("By agent", "按坐席"), "agent", "complaints", "complaint_rate", "justified_complaints")),
				half(breakdown(t("By team", "按班组"), "team", "complaints", "complaint_rate", "justified_complaints")),
				half(breakdown(t("By product", "按业务"), "product", "complaints", "complaint_rate", "complaints_per_order"))),
			row(t("Which", "明细"), list(t("Newest complaints", "最新投诉"), "complaints")),
		},
	}
}
