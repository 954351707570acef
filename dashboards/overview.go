package dashboards

// overview is for the manager who opens it in the morning and leaves it open. He asks:
//   - Is the centre calling, do customers answer, do we sell?
//   - Does anyone wait, complain, or get called who may not be?
//   - Which campaign, team or agent is it?
func overview() Dashboard {
	return Dashboard{
		UID: Prefix + "overview", Title: t("Overview", "运营总览"), From: "now-24h",
		Question:  t("Is the centre calling, selling, and staying within the caps?", "中心是否正常外呼、成交，并守住接触上限？"),
		Variables: []Variable{varCampaign, varTeam, varPartner},
		Rows: []Row{
			stats(t("Calls", "通话"), "calls_made", "connect_rate", "effective_talks", "orders", "order_rate", "average_handling_time"),
			stats(t("Rules and quality", "合规与质量"), "cap_denials", "cap_violations", "abandonment_rate", "complaint_rate", "qa_sample_rate", "recording_coverage"),
			row(t("Over time", "趋势"),
				trend(t("Calls and connected calls", "外呼量与接通量"), "hour", "calls_made", "connected_calls"),
				trend(t("Connect and order rate", "接通率与成交率"), "hour", "connect_rate", "order_rate"),
				trend(t("Permits and denials", "许可与拦截"), "hour", "permits", "cap_denials"),
				trend(t("Complaints", "投诉"), "hour", "complaints")),
			row(t("Where", "分布"),
				breakdown(t("By campaign", "按活动"), "campaign", "calls_made", "connect_rate", "orders", "order_rate", "abandonment_rate", "complaint_rate"),
				breakdown(t("By team", "按班组"), "team", "calls_made", "order_rate", "average_handling_time", "occupancy"),
				list(t("Alerts", "告警"), "alerts")),
		},
	}
}
